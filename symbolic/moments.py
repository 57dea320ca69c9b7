"""Gaussian moments of activations, certified.

h_s(c) = E[g s(c g)], M_k = E[beta t(u) u^k] and expectations of chains s(xi_m s(... s(xi_1 u))), with u, g ~ N(0, 1)
(THEORY section 0 and section 3): enclosures from ``symbolic.chains``, closed forms from ``symbolic.closed_forms``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import flint
from flint import arb, fmpq

from symbolic import closed_forms
from symbolic.activations import Activation
from symbolic.chains import Chain as Chain
from symbolic.chains import expectation_ball, working_bits
from symbolic.translate import fraction_to_sympy

if TYPE_CHECKING:
    import sympy

Ball = Any  # flint.arb
Scalar = Fraction | int | float | str  # a string such as "1/3" or "0.1" is exact, a float is its binary value


@dataclass(frozen=True)
class Constant:
    """A real number as a certified enclosure.

    The number lies within ``radius`` of the decimal midpoint ``value`` (both decimal strings); ``closed_form`` is an
    exact expression for it where one was found, else None.
    """

    closed_form: sympy.Expr | None
    value: str
    radius: str

    def __float__(self) -> float:
        return float(self.value)

    def ball(self, bits: int = 256) -> Ball:
        """The enclosure as an Arb ball."""
        with flint.ctx.workprec(bits):
            return arb(self.value, self.radius)


def constant_from_ball(ball: Ball, digits: int, closed_form: sympy.Expr | None = None) -> Constant:
    """The ball as decimal midpoint and radius; the radius includes the rounding to ``digits`` digits."""
    text = ball.str(digits, radius=True)
    if "+/-" not in text:
        return Constant(closed_form, text, "0")
    middle, radius = text.strip("[]").split(" +/- ") if " +/- " in text and text[1] != "+" else ("0", text[5:-1])
    return Constant(closed_form, middle, radius)


def gaussian_expectation(*chains: Chain, digits: int = 30) -> Constant:
    """E[prod of the chains at u], u ~ N(0, 1), as a certified enclosure of about ``digits`` digits.

    Raises ValueError when no tail bound is found or the integral may diverge.
    """
    ball = expectation_ball(tuple(chains), digits)
    closed_form = None
    if ball.is_zero():
        import sympy

        closed_form = sympy.Integer(0)
    return constant_from_ball(ball, digits, closed_form)


def hermite(activation: Activation, c: Scalar = 1, digits: int = 30) -> Constant:
    """h_s(c) = E[g s(c g)], g ~ N(0, 1); h_s(1) = E[s'(g)] is the first Hermite coefficient (THEORY section 0)."""
    return _single_moment(activation, 1, Fraction(c), Fraction(1), digits)


def moment(teacher: Activation, k: int, beta: Scalar = 1, digits: int = 30) -> Constant:
    """M_k = E[y u^k] for the teacher y = beta t(u), u ~ N(0, 1). Source: THEORY section 2.

    Raises ValueError for k < 0.
    """
    if k < 0:
        raise ValueError(f"expected a moment of order k >= 0, got {k}")
    return _single_moment(teacher, k, Fraction(1), Fraction(beta), digits)


def _single_moment(activation: Activation, k: int, c: Fraction, beta: Fraction, digits: int) -> Constant:
    """E[beta s(c u) u^k], with a closed form where the rules of ``symbolic.closed_forms`` find one."""
    ball = expectation_ball((Chain((), k), Chain.of((c, activation))), digits)
    found = closed_forms.expectation(activation.tree, k, c)
    if found is not None:
        found = found * fraction_to_sympy(beta)
    with flint.ctx.workprec(working_bits(digits)):
        return checked(
            constant_from_ball(ball * fmpq(beta.numerator, beta.denominator), digits, found), activation.name
        )


def checked(constant: Constant, name: str) -> Constant:
    """The constant, after its closed form has been found inside its enclosure; raises ArithmeticError otherwise."""
    if constant.closed_form is None:
        return constant
    import mpmath

    context = mpmath.mp.clone()
    context.dps = len(constant.value) + 15
    try:
        value = context.mpf(str(constant.closed_form.evalf(context.dps)))
    except (ValueError, TypeError, ArithmeticError, RecursionError):
        return replace(constant, closed_form=None)  # SymPy cannot evaluate it: what is not checked is not shown
    rounding = max(1, abs(value)) * context.mpf(10) ** (8 - context.dps)  # of evalf itself, which keeps dps digits
    if abs(value - context.mpf(constant.value)) > context.mpf(constant.radius) + rounding:
        raise ArithmeticError(
            f"the closed form {constant.closed_form} of a Gaussian moment of {name} lies outside its certified "
            f"enclosure {constant.value} +/- {constant.radius}: this is a defect of the program, please report it"
        )
    return constant
