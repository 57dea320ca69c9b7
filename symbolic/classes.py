"""Universality class of an activation from phi(z) = z s'(z) - s(z), with its hypotheses checked (THEORY T2).

A: phi = 0. B: the first term of phi has odd order q. C: even order q >= 2. D: phi(0) = -s(0) != 0. Everything that the
theory does not cover is "outside": not smooth at 0 (unless positively homogeneous), or s'(0) <= 0, or phi that vanishes
near 0 without being zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import sympy
from flint import fmpq

from symbolic import exact, trees
from symbolic.activations import Activation
from symbolic.exact import Exact
from symbolic.series import Expansions, NoExpansionError, expansions, phi_coefficients
from symbolic.translate import exact_to_sympy, tree_to_sympy

if TYPE_CHECKING:
    pass

FIRST_ORDER = 6  # phi nearly always starts by then; a few terms are far cheaper than many
SEARCH_ORDER = 320
KINK_ORDER = 120  # one-sided expansions that agree to this order are taken to be one function
_PROBES = tuple(
    Fraction(p, q) for p, q in ((1, 1), (-1, 1), (2, 1), (-2, 1), (1, 2), (-1, 2), (7, 1), (-7, 1), (50, 1), (-50, 1))
)


@dataclass(frozen=True)
class Classification:
    """The class of an activation and why.

    ``universality_class`` is A, B, C, D or "outside". ``order`` is the order q of the first term of phi and
    ``leading_coefficient`` that term's coefficient; both are None when phi vanishes or s has no expansion at 0.
    ``alpha`` is s'(0), the mean of the one-sided derivatives where these differ, nan where they do not exist.
    """

    universality_class: str
    order: int | None
    leading_coefficient: sympy.Expr | None
    alpha: sympy.Expr
    hypotheses: tuple[tuple[str, bool], ...]
    reason: str

    @property
    def smooth(self) -> bool:
        """Whether s is smooth at 0."""
        return dict(self.hypotheses)["smooth"]


@dataclass(frozen=True)
class _Facts:
    smooth: bool
    homogeneous: bool
    alpha: Exact | None


def classify(activation: Activation, order: int = 40) -> Classification:
    """The universality class of the activation; phi is examined to ``order``, further where it vanishes to that order.

    Raises ValueError for an order below 2 or a coefficient that can be proved neither zero nor non-zero.
    """
    if order < 2:
        raise ValueError(f"expected an order of at least 2, got {order}")
    try:
        both = expansions(activation.elementary, min(order, FIRST_ORDER))
        if not both.kinked and _first_term(both.right) is None:
            both = expansions(activation.elementary, order)
    except NoExpansionError as error:
        return _result("outside", None, _Facts(False, False, None), f"s has {error}.")
    alpha = (both.right[1] - both.left[1]).scaled(fmpq(1, 2))
    mismatch = both.first_mismatch()
    if both.kinked and mismatch is None:
        both = expansions(activation.elementary, max(order, KINK_ORDER))
        mismatch = both.first_mismatch()
    if mismatch is not None:
        return _not_smooth(activation, both, mismatch, alpha)
    return _smooth(activation, both.right, alpha, order)


def _result(name: str, term: tuple[int, Exact] | None, facts: _Facts, reason: str) -> Classification:
    positive = facts.alpha is not None and exact.sign(facts.alpha) > 0
    return Classification(
        name,
        None if term is None else term[0],
        None if term is None else exact_to_sympy(term[1]),
        sympy.nan if facts.alpha is None else exact_to_sympy(facts.alpha),
        (("smooth", facts.smooth), ("alpha-positive", positive), ("homogeneous", facts.homogeneous)),
        reason,
    )


def _not_smooth(activation: Activation, both: Expansions, mismatch: int, alpha: Exact) -> Classification:
    homogeneous = mismatch == 1 and _linear_on_both_sides(activation, both)
    facts = _Facts(False, homogeneous, alpha)
    if homogeneous and exact.sign(alpha) > 0:
        return _result(
            "A", None, facts, "phi = 0 on both sides of 0: s is positively homogeneous, though not smooth at 0."
        )
    if homogeneous:
        return _result(
            "outside", None, facts, "s is not smooth at 0 and its one-sided derivatives have no positive mean."
        )
    reason = f"s is not smooth at 0: its one-sided expansions differ at order {mismatch}."
    return _result("outside", None, facts, reason)


def _smooth(activation: Activation, coefficients: tuple[Exact, ...], alpha: Exact, order: int) -> Classification:
    term = _first_term(coefficients)
    if term is None and _linear_on_both_sides(activation, expansions(activation.elementary, order)):
        return _flat(alpha)
    while term is None and order < SEARCH_ORDER:
        order = min(2 * order, SEARCH_ORDER)
        term = _first_term(expansions(activation.elementary, order).right)
    if term is None:
        facts = _Facts(True, False, alpha)
        witness = _where_phi_is_not_zero(activation) or "no proof that it vanishes elsewhere was found"
        reason = f"phi vanishes near 0 to order {order} but not everywhere: {witness}."
        return _result("outside", None, facts, reason)
    return _by_first_term(term, _Facts(True, False, alpha))


def _flat(alpha: Exact) -> Classification:
    facts = _Facts(True, True, alpha)
    if exact.sign(alpha) > 0:
        return _result("A", None, facts, "phi = 0: s is linear.")
    return _result("outside", None, facts, "phi = 0, but alpha = s'(0) is not positive.")


def _by_first_term(term: tuple[int, Exact], facts: _Facts) -> Classification:
    order, _ = term
    assert facts.alpha is not None
    if exact.sign(facts.alpha) <= 0:
        return _result("outside", term, facts, f"alpha = s'(0) is not positive (phi starts at order {order}).")
    if order == 0:
        return _result("D", term, facts, "phi(0) = -s(0) is not zero.")
    if order % 2:
        return _result("B", term, facts, f"the first term of phi has odd order {order}.")
    return _result("C", term, facts, f"the first term of phi has even order {order}.")


def _first_term(coefficients: tuple[Exact, ...]) -> tuple[int, Exact] | None:
    for power, coefficient in enumerate(phi_coefficients(coefficients)):
        if not exact.is_zero(coefficient):
            return power, coefficient
    return None


def _linear_on_both_sides(activation: Activation, both: Expansions) -> bool:
    """Whether s(z) = c z is proved on each side of 0: expansions first (cheap), then SymPy on each half-line."""
    sides = ((1, both.right), (-1, both.left))
    if any(not exact.is_zero(c) for _, side in sides for k, c in enumerate(side) if k != 1):
        return False
    if _where_phi_is_not_zero(activation):
        return False
    return all(_linear_on_side(activation, side, coefficients[1]) for side, coefficients in sides)


def _linear_on_side(activation: Activation, side: int, slope: Exact) -> bool:
    t = sympy.Symbol("t", positive=True)
    difference = tree_to_sympy(activation.elementary, side * t) - exact_to_sympy(slope) * t
    return bool(difference == 0 or sympy.simplify(difference) == 0)


def _where_phi_is_not_zero(activation: Activation) -> str:
    """ "phi(point) = value" for the first probe where phi is proved non-zero; else the empty string."""
    for point in _PROBES:
        value = _phi_at(activation, point)
        if value is not None:
            return f"phi({point}) = {exact_to_sympy(value)}"
    return ""


def _phi_at(activation: Activation, point: Fraction) -> Exact | None:
    """phi at a rational point where it is proved non-zero, from the exact expansion of s there; else None."""
    shifted = trees.substituted(activation.elementary, trees.add(trees.Z, trees.rational(point)))
    try:
        value, slope = expansions(shifted, 1).right
        phi = slope.scaled(fmpq(point.numerator, point.denominator)) - value
        return None if exact.is_zero(phi) else phi
    except ValueError:
        return None  # no expansion at this point, or undecided: another point may tell
