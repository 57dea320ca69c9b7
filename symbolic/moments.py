"""Gaussian moments of activations, certified.

h_s(c) = E[g s(c g)], M_k = E[beta t(u) u^k] and expectations of chains s(xi_m s(... s(xi_1 u))), with u, g ~ N(0, 1)
(THEORY section 0 and section 3). Values are enclosures: Arb's adaptive integration on [-R, R] and an explicit bound of
the tail beyond R (``symbolic.envelopes``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, reduce
from typing import TYPE_CHECKING, Any

import flint
from flint import acb, arb, fmpq

from symbolic import balls, closed_forms, envelopes
from symbolic.activations import Activation
from symbolic.envelopes import Growth
from symbolic.translate import fraction_to_sympy, tree_parity

if TYPE_CHECKING:
    import sympy

Ball = Any  # flint.arb
MOST_DIGITS = 1000
LARGEST_RADIUS = 400
MOST_EVALUATIONS = 100_000


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


@dataclass(frozen=True)
class Chain:
    """A factor of a Gaussian expectation: u -> (s_m(xi_m ... s_1(xi_1 u)))**exponent; without links u**exponent.

    ``links`` lists (xi_1, s_1) first. Scales are exact; a float is taken at its exact binary value.
    """

    links: tuple[tuple[Fraction, Activation], ...]
    exponent: int = 1

    @staticmethod
    def of(*links: tuple[Fraction | int | float, Activation], exponent: int = 1) -> Chain:
        """A chain with scales of any exact or binary type."""
        return Chain(tuple((Fraction(scale), link) for scale, link in links), exponent)


def constant_from_ball(ball: Ball, digits: int, closed_form: sympy.Expr | None = None) -> Constant:
    """The ball as decimal midpoint and radius; the radius includes the rounding to ``digits`` digits."""
    text = ball.str(digits, radius=True)
    if "+/-" not in text:
        return Constant(closed_form, text, "0")
    middle, radius = text.strip("[]").split(" +/- ") if " +/- " in text and text[1] != "+" else ("0", text[5:-1])
    return Constant(closed_form, middle, radius)


def working_bits(digits: int) -> int:
    """Working precision for a number of digits; 32 guard bits, sums of a few hundred terms lose far fewer."""
    return int(digits * 3.3219281) + 32


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


@lru_cache(maxsize=1024)
def expectation_ball(chains: tuple[Chain, ...], digits: int) -> Ball:
    """The enclosure behind :func:`gaussian_expectation`, as an Arb ball."""
    if not chains:
        return arb(1)
    if not 1 <= digits <= MOST_DIGITS:
        raise ValueError(f"expected between 1 and {MOST_DIGITS} digits, got {digits}")
    parity: int | None = reduce(_times, [_chain_parity(chain) for chain in chains])
    if parity == -1:
        return arb(0)
    sides = (1,) if parity == 1 else (1, -1)  # an even integrand is twice its right half
    lost = 0
    while True:
        total = _integrated(chains, sides, digits, working_bits(digits) + lost)
        missing = _missing_bits(total, digits)
        if missing <= 0 or lost > 8 * working_bits(digits):
            return total
        lost += missing + 16  # the two half-lines cancelled, or the integrand is large


def _missing_bits(ball: Ball, digits: int) -> int:
    """How many bits the radius is above 10^-digits, relative to the value or, below 1 and near 0, absolute."""
    with flint.ctx.workprec(64):
        goal = arb(10) ** (-digits) * max(1, abs(ball).lower() if not ball.contains(0) else 1)
        if ball.rad() <= goal:
            return 0
        return int(float((ball.rad() / goal).log() / arb(2).log())) + 1


def _integrated(chains: tuple[Chain, ...], sides: tuple[int, ...], digits: int, bits: int) -> Ball:
    """Integral over the half-lines of the given sides, tails included."""
    with flint.ctx.workprec(bits):
        tolerance = arb(10) ** (-(digits + 4))
        truncations = [_truncation(chains, side, tolerance) for side in sides]
        end = max(radius for radius, _ in truncations)
        tail = sum((bound for _, bound in truncations), arb(0))
        weight = 2 if len(sides) == 1 else 1
        return weight * (_between(chains, sides, end, tolerance) + arb(0, tail.upper()))


def _between(chains: tuple[Chain, ...], sides: tuple[int, ...], end: int, tolerance: Ball) -> Ball:
    """Integral from 0 to end of the integrand folded over the given sides."""
    root = 1 / (2 * arb.pi()).sqrt()

    def integrand(u: Ball, analytic: bool) -> Ball:
        total = acb(0)
        for side in sides:
            value = acb(1)
            for chain in chains:
                value = value * _chain_value(chain, side * u, analytic)
            total += value
        return total * (-u * u / 2).exp() * root

    value = acb.integral(integrand, 0, end, rel_tol=tolerance, abs_tol=tolerance, eval_limit=MOST_EVALUATIONS)
    if not value.is_finite():
        raise ValueError(
            "the Gaussian integral was not bounded: the activation may have a singularity on the real line"
        )
    if not value.imag.contains(0):
        raise ValueError("expected a real activation, got one with complex values on the real line")
    return value.real


def _chain_value(chain: Chain, u: Ball, analytic: bool) -> Ball:
    value = u
    for scale, activation in chain.links:
        value = balls.evaluate(activation.elementary, value * _rational(scale), analytic)
    return value**chain.exponent


def _rational(value: Fraction) -> Any:
    return fmpq(value.numerator, value.denominator)


def _chain_parity(chain: Chain) -> int | None:
    """+1 even, -1 odd, None neither, for the chain as a function of u."""
    parity: int | None = -1
    for _, activation in chain.links:
        kind = tree_parity(activation.elementary)
        if kind == "even" and parity is not None:
            parity = 1
        elif kind == "none":
            parity = 1 if parity == 1 else None
    if parity == -1:
        return 1 if chain.exponent % 2 == 0 else -1
    return parity


def _times(left: int | None, right: int | None) -> int | None:
    """Parity of a product."""
    return None if left is None or right is None else left * right


def _truncation(chains: Sequence[Chain], side: int, tolerance: Ball) -> tuple[int, Ball]:
    """The end R of the integration and a bound of the integral of |integrand| over the tail beyond it."""
    last_error = "no bound on the tail was small enough"
    radius = 8
    while radius <= LARGEST_RADIUS:
        try:
            bound = _tail_bound(chains, side, arb(radius))
        except ValueError as error:
            last_error, bound = str(error), None
        if bound is not None and bound < tolerance:
            return radius, bound.upper()
        radius += 1 if radius < 40 else 20
    raise ValueError(f"{last_error}: the Gaussian expectation may diverge, or the activation needs a simpler form")


def _tail_bound(chains: Sequence[Chain], side: int, start: Ball) -> Ball | None:
    """Bound of int_R^inf |prod chains| phi(u) du: the envelope decays at least like exp(-slope (u - R))."""
    total = envelopes.constant(arb(1))
    for chain in chains:
        variable = envelopes.tail_variable(start, side)
        for scale, activation in chain.links:
            scaled = envelopes.product(envelopes.constant(arb(_rational(scale))), variable)
            variable = envelopes.growth(activation.elementary, scaled)
        total = envelopes.product(total, _power(variable, chain.exponent))
    slope = (1 - 2 * total.curvature) * start - total.rate - total.degree / (1 + start)
    if not slope > 0 or not 1 - 2 * total.curvature > 0:
        return None
    exponent = total.rate * start + (total.curvature - arb(1) / 2) * start * start
    return total.factor * (1 + start) ** total.degree * exponent.exp() / ((2 * arb.pi()).sqrt() * slope)


def _power(growth: Growth, exponent: int) -> Growth:
    return envelopes.rational_power(growth, fmpq(exponent))


def hermite(activation: Activation, c: Fraction | int | float = 1, digits: int = 30) -> Constant:
    """h_s(c) = E[g s(c g)], g ~ N(0, 1); h_s(1) = E[s'(g)] is the first Hermite coefficient (THEORY section 0)."""
    return _single_moment(activation, 1, Fraction(c), Fraction(1), digits)


def moment(teacher: Activation, k: int, beta: Fraction | int | float = 1, digits: int = 30) -> Constant:
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
        return checked(constant_from_ball(ball * _rational(beta), digits, found), activation.name)


def checked(constant: Constant, name: str) -> Constant:
    """The constant, after its closed form has been found inside its enclosure; raises ArithmeticError otherwise."""
    if constant.closed_form is None:
        return constant
    import mpmath

    context = mpmath.mp.clone()
    context.dps = len(constant.value) + 15
    value = context.mpf(str(constant.closed_form.evalf(context.dps)))
    rounding = max(1, abs(value)) * context.mpf(10) ** (8 - context.dps)  # of evalf itself, which keeps dps digits
    if abs(value - context.mpf(constant.value)) > context.mpf(constant.radius) + rounding:
        raise ArithmeticError(
            f"the closed form {constant.closed_form} of a Gaussian moment of {name} lies outside its certified "
            f"enclosure {constant.value} +/- {constant.radius}: this is a defect of the program, please report it"
        )
    return constant
