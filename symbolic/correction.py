"""The expansion of the escape time as a list of terms, each with the mechanism that it comes from.

K_eff t = sum of coefficient * eps^power * log(1/eps)^log_power + constant, for an equal start (THEORY section 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

import sympy as sp

from symbolic.expansion_series import escape_coefficients
from symbolic.normal_form import Bottleneck, Constants, Exponents, make_bottleneck
from symbolic.reduced_gains import ReducedGains, check_depth, ntk_gains, symbolic_gains
from symbolic.scale_series import Coefficient, is_zero
from symbolic.symbolic_constants import symbolic_constants


class Origin(Enum):
    """What a term of the expansion comes from."""

    LEADING = "leading"
    NONLINEARITY = "nonlinearity"
    DRIFT = "drift of the O(1) layers"
    INTERPLAY = "nonlinearity and drift"
    ESCAPE_RULE = "escape rule"


@dataclass(frozen=True)
class ExpansionTerm:
    """coefficient * eps^eps_power * log(1/eps)^log_power; coefficient None: the constant, fixed by the escape rule."""

    coefficient: Coefficient | None
    eps_power: int
    log_power: int
    origin: Origin


@dataclass(frozen=True)
class EscapeExpansion:
    """K_eff t of one bottleneck as terms in decreasing size, without O(eps^remainder_power) and its logarithms."""

    net: Bottleneck
    terms: tuple[ExpansionTerm, ...]
    remainder_power: int

    def coefficient(self, eps_power: int, log_power: int = 0) -> Coefficient:
        """The total coefficient of eps^eps_power log(1/eps)^log_power, 0 when there is no such term.

        ValueError for the constant, which is not determined by the saddle.
        """
        found = [t for t in self.terms if (t.eps_power, t.log_power) == (eps_power, log_power)]
        total: Coefficient = 0
        for term in found:
            if term.coefficient is None:
                raise ValueError("the constant of the escape time is fixed by the escape rule, not by the saddle")
            total = term.coefficient + total
        return total


def escape_expansion(
    depth: int,
    small: object = None,
    first_power: int | None = 2,
    gains: ReducedGains | None = None,
) -> EscapeExpansion:
    """The expansion in the symbols a_k, alpha, M_k = E[y g^k], b_l (gains), xi_m; time is in gradient-flow units.

    small: as in `bottleneck`. first_power: the order q of phi_s = z s' - s, so that a_k = 0 for 2 <= k < q; None for
    class A. gains: `ReducedGains`; symbols when None. M_k_1_0... is M_k differentiated in log xi_1, log xi_2 ...
    """
    net = make_bottleneck(depth, small)
    order = max(len(net.small) - 2, 0)
    constants = symbolic_constants(net, symbolic_gains(depth) if gains is None else gains, order, first_power)
    powers = () if first_power is None else range(first_power, len(net.small) + 2)
    expansion = expansion_terms(net, constants, powers)
    terms = tuple(
        ExpansionTerm(
            None if t.coefficient is None else constants.expression(t.coefficient), t.eps_power, t.log_power, t.origin
        )
        for t in expansion.terms
    )
    return EscapeExpansion(net, terms, expansion.remainder_power)


def expansion_terms(net: Bottleneck, constants: Constants, powers: Sequence[int]) -> EscapeExpansion:
    """The same in the ring of `constants`: the expansion is done with and without each mechanism and subtracted.

    powers: the k in 2 ... r + 1 with a_k != 0, the order q first; empty for class A.
    """
    linear, frozen = _Linear(constants), _Frozen(constants)
    leading = escape_coefficients(net, _Linear(frozen))
    curved = escape_coefficients(net, frozen)
    drifting = escape_coefficients(net, linear)
    total = escape_coefficients(net, constants) if net.moving else curved
    terms = [ExpansionTerm(value, *key, Origin.LEADING) for key, value in leading.items()]
    # Relative order Y^{q-1} of the activation times Y^2 of the drift; below it the two cannot meet.
    can_mix, mixed_order = bool(net.moving and powers), min(powers, default=0) + 1
    for key, value in total.items():
        if key in leading:
            continue
        parts = [(curved, Origin.NONLINEARITY), (drifting, Origin.DRIFT)]
        known = [ExpansionTerm(part[key], *key, origin) for part, origin in parts if key in part]
        rest = value
        for term in known:
            rest = rest + constants.rational(Fraction(-1)) * term.coefficient
        terms += known
        if can_mix and key[0] >= 2 - len(net.small) + mixed_order and not is_zero(rest):
            terms.append(ExpansionTerm(rest, *key, Origin.INTERPLAY))
    terms.append(ExpansionTerm(None, 0, 0, Origin.ESCAPE_RULE))
    terms.sort(key=lambda t: (t.eps_power, -t.log_power))
    return EscapeExpansion(net, tuple(terms), _remainder(net, powers))


def collapse_deviation(depth: int, first_power: int) -> sp.Expr:
    """gamma_C = |(L - 2) A|: the first deviation of an activation of order q from the collapsed escape curve.

    (L - 2) K t eps^{L-2} = 1 + (L - 2) A eps^{q-1} + ..., ntk, all layers small. ValueError unless L > q + 1, because
    otherwise the correction is a logarithm or hides behind the constant.
    """
    if check_depth(depth) <= first_power + 1:
        raise ValueError(f"the correction is a power of eps only for depth > q + 1 = {first_power + 1}, got {depth}")
    expansion = escape_expansion(depth, first_power=first_power, gains=ntk_gains(depth, sp.Symbol("N", positive=True)))
    return sp.Abs((depth - 2) * expansion.coefficient(first_power + 1 - depth))


def _remainder(net: Bottleneck, powers: Sequence[int]) -> int:
    """First omitted power of eps: orders are sums of k - 1 (activation), 2 (drift) and r (self term)."""
    r = len(net.small)
    steps = {r, *(k - 1 for k in powers)}
    if net.moving:
        steps.add(2)
    reached = {0}
    for n in range(1, 2 * r + 1):
        if any(n - step in reached for step in steps):
            reached.add(n)
    return min(n for n in reached if n > max(r - 2, 0)) - (r - 2)


@dataclass(frozen=True)
class _Linear:
    """`Constants` of the same net with s(z) = alpha z: every rho_k is zero."""

    inner: Constants

    def rational(self, value: Fraction) -> Coefficient:
        return self.inner.rational(value)

    def taylor_ratio(self, k: int) -> Coefficient:
        return self.inner.rational(Fraction(0))

    def path(self, layer: int) -> Coefficient:
        return self.inner.path(layer)

    def moment_ratio(self, k: int, derivatives: Exponents) -> Coefficient:
        return self.inner.moment_ratio(k, derivatives)

    def inverse_square(self, layer: int) -> Coefficient:
        return self.inner.inverse_square(layer)


@dataclass(frozen=True)
class _Frozen:
    """`Constants` of the same net with O(1) layers that do not move: every 1/xi_m^2 is zero."""

    inner: Constants

    def rational(self, value: Fraction) -> Coefficient:
        return self.inner.rational(value)

    def taylor_ratio(self, k: int) -> Coefficient:
        return self.inner.taylor_ratio(k)

    def path(self, layer: int) -> Coefficient:
        return self.inner.path(layer)

    def moment_ratio(self, k: int, derivatives: Exponents) -> Coefficient:
        return self.inner.moment_ratio(k, derivatives)

    def inverse_square(self, layer: int) -> Coefficient:
        return self.inner.rational(Fraction(0))
