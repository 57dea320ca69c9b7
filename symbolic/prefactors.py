"""The prefactor K of the leading-order flow dX_l/dt = K prod_{m != l} X_m (THEORY T3, section 0 and section 2).

Corrected: K = M_1 alpha^{L-1} times the product of the gains, M_1 = E[y u] (= beta h_s when the teacher is the
student's activation). ntk: 1/sqrt(N); plain: 1. As printed in the write-up, and refuted: :func:`prefactor_as_printed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import flint
from flint import fmpq

from symbolic import exact, trees
from symbolic.activations import Activation, activation_from_tree
from symbolic.chains import working_bits
from symbolic.classes import classify
from symbolic.exact import Exact
from symbolic.moments import Constant, Scalar, constant_from_ball, moment
from symbolic.series import exact_taylor, expansions, phi_coefficients
from symbolic.translate import exact_to_sympy

if TYPE_CHECKING:
    from symbolic.trees import Tree

PARAMETERISATIONS = ("ntk", "plain")


def gain(width: int, parameterisation: str) -> Exact:
    """The product of the gains of all layers: 1/sqrt(N) in ntk, 1 in plain.

    Raises ValueError for an unknown parameterisation or a width below 1.
    """
    if parameterisation not in PARAMETERISATIONS:
        raise ValueError(f"expected parameterisation 'ntk' or 'plain', got {parameterisation!r}")
    if width < 1:
        raise ValueError(f"expected a width of at least 1, got {width}")
    return exact.power(exact.number(width), fmpq(-1, 2)) if parameterisation == "ntk" else exact.number(1)


def general_gain(gains: Sequence[Scalar]) -> Exact:
    """The product of the gains g_l of z_l = g_l W_l s(z_{l-1}), in coordinates F_l = |W_l|_F (THEORY section 2)."""
    product = exact.number(1)
    for value in gains:
        product = product.scaled(_rational(value))
    return product


def prefactor(
    activation: Activation,
    depth: int,
    width: int,
    parameterisation: str = "ntk",
    teacher: Activation | None = None,
    beta: Scalar = 1,
    digits: int = 30,
    gains: Sequence[Scalar] | None = None,
) -> Constant:
    """K of dX_l/dt = K prod_{m != l} X_m for L = depth layers and a teacher y = beta t(u).

    ``teacher`` defaults to the student's activation; ``gains`` (one per layer, with F_l = |W_l|_F) overrides the
    parameterisation's factor. A positively homogeneous activation that is not linear has
    K = E[y s^{(L-1)}(u)] times the gains, s^{(L-1)} the (L-1)-fold composition.
    Raises ValueError when s'(0) does not exist and s is not homogeneous, for depth < 1, or gains of another length.
    """
    _check_depth(depth)
    if gains is not None and len(gains) != depth:
        raise ValueError(f"expected one gain per layer ({depth}), got {len(gains)}")
    factor = gain(width, parameterisation) if gains is None else general_gain(gains)
    factor = factor.scaled(_rational(beta))
    target = activation if teacher is None else teacher
    found = classify(activation)
    if dict(found.hypotheses)["homogeneous"] and not found.smooth:
        composed = iterated(activation, depth - 1)
        overlap = activation_from_tree(trees.mul(target.tree, composed), f"{target.name} times {activation.name}")
        return _scaled(factor, moment(overlap, 0, digits=digits + 2), digits)
    chain = factor * exact.integer_power(derivative_at_zero(activation), depth - 1)
    return _scaled(chain, moment(target, 1, digits=digits + 2), digits)


def iterated(activation: Activation, times: int) -> Tree:
    """The ``times``-fold composition of a positively homogeneous activation, again one slope on each side of 0.

    Raises ValueError when a slope is not rational.
    """
    both = expansions(activation.elementary, 1)
    slopes = {1: both.right[1].rational(), -1: (-both.left[1]).rational()}
    if slopes[1] is None or slopes[-1] is None:
        raise ValueError(f"expected a homogeneous activation with rational slopes, got {activation.name}")
    composed = {side: _composed_slope(slopes, side, times) for side in (1, -1)}
    below, above = (trees.mul(_rational_tree(composed[side]), trees.Z) for side in (-1, 1))
    return trees.where_negative(trees.Z, below, above)


def _composed_slope(slopes: dict[int, Any], side: int, times: int) -> Any:
    product, here = fmpq(1), side
    for _ in range(times):
        slope = slopes[here]
        product = product * slope
        if slope < 0:
            here = -here
    return product


def _rational_tree(value: Any) -> Tree:
    return trees.rational(Fraction(int(value.p), int(value.q)))


def derivative_at_zero(activation: Activation) -> Exact:
    """alpha = s'(0), exact; raises ValueError when s has no derivative at 0."""
    both = expansions(activation.elementary, 1)
    if not exact.is_zero(both.right[0] - both.left[0]) or not exact.is_zero(both.right[1] + both.left[1]):
        raise ValueError(
            f"expected an activation with a derivative at 0 or a positively homogeneous one, got {activation.name}: "
            "the leading-order flow has no prefactor"
        )
    return both.right[1]


def prefactor_as_printed(
    activation: Activation,
    depth: int,
    width: int,
    parameterisation: str = "ntk",
    beta: Scalar = 1,
    digits: int = 30,
) -> Constant:
    """K as the write-up prints it: beta_1 h alpha^{L-1} / sqrt(N) (1/1 in plain), which the flow refutes (THEORY T3).

    beta_1 is "the leading Taylor coefficient of s" (the first non-zero one) and h "the leading coefficient of phi";
    ``beta`` multiplies the result, the printed formula having no other place for the teacher's amplitude.
    Raises ValueError where phi has no leading coefficient (class A) or s is not smooth at 0.
    """
    _check_depth(depth)
    coefficients = exact_taylor(activation, 40)
    phi = next((c for c in phi_coefficients(coefficients) if not exact.is_zero(c)), None)
    if phi is None:
        raise ValueError(
            f"expected an activation whose phi has a leading coefficient, got {activation.name}: phi vanishes"
        )
    first = next(c for c in coefficients if not exact.is_zero(c))
    value = first * phi * exact.integer_power(coefficients[1], depth - 1) * gain(width, parameterisation)
    return constant_from_exact(value.scaled(_rational(beta)), digits)


def constant_from_exact(value: Exact, digits: int = 30) -> Constant:
    """An exact constant with its enclosure."""
    bits = working_bits(digits)
    with flint.ctx.workprec(bits):
        return constant_from_ball(exact.enclosure(value, bits), digits, exact_to_sympy(value))


def _scaled(factor: Exact, overlap: Constant, digits: int) -> Constant:
    bits = working_bits(digits)
    closed_form = None if overlap.closed_form is None else exact_to_sympy(factor) * overlap.closed_form
    with flint.ctx.workprec(bits):
        return constant_from_ball(exact.enclosure(factor, bits) * overlap.ball(bits), digits, closed_form)


def _check_depth(depth: int) -> None:
    if depth < 1:
        raise ValueError(f"expected a depth of at least 1, got {depth}")


def _rational(value: Scalar) -> Any:
    fraction = Fraction(value)
    return fmpq(fraction.numerator, fraction.denominator)
