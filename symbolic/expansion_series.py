"""The escape time beyond leading order, for an equal start, by series manipulation to any order (THEORY section 3).

Write Y for the geometric mean of the small layers, v = log Y, X_l = Y exp(delta_l), xi_m = xi_m(0) exp(eta_m) and
F = E[y yhat] = K_eff Y^r Phi / c^2. With Phi_l the force on log X_l over K_eff Y^r the flow is, up to the self term,

    d delta_l/dv = Phi_l exp(-2 delta_l) / B - 1,    B = (1/r) sum over small l of Phi_l exp(-2 delta_l),
    d eta_m/dv   = Y^2 xi_m^{-2} Phi_m exp(-2 eta_m) / B,          K_eff dt/dv = Y^{2-r} / B.

Order by order in eps the first two are linear, d delta^(n)/dv + 2 delta^(n) = known, with solutions in w = Y/eps and
log w. The last one is then integrated from w = 1: order n gives a multiple of eps^{2-r+n}, order n = r - 2 gives the
logarithm, everything beyond is swallowed by the constant, which the escape rule fixes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import factorial, prod

from symbolic.normal_form import (
    Bottleneck,
    Constants,
    Exponents,
    derivative_orders,
    extra_scales,
    overlap_polynomial,
)
from symbolic.scale_series import Coefficient, ScaleSeries, is_zero, one, zero

Scales = dict[int, ScaleSeries]


@dataclass(frozen=True)
class Overlap:
    """Phi up to a relative order: {extra exponents of layers i_1 ... L: coefficient without its moment}."""

    net: Bottleneck
    constants: Constants
    polynomial: Mapping[Exponents, Coefficient]
    order: int


def escape_coefficients(net: Bottleneck, constants: Constants) -> dict[tuple[int, int], Coefficient]:
    """{(power of eps, power of log(1/eps)): coefficient} of K_eff t, from eps^{2-r} up to and without the constant.

    For r = 1 the only entry is eps^1, for r = 2 the logarithm. Coefficients are elements of the ring of `constants`.
    """
    r = len(net.small)
    if r == 1:
        return {(1, 0): constants.rational(Fraction(-1))}
    shares = [
        (*_lower_limit(n, p, j, r), value)
        for (n, p, j), value in _clock(net, constants, r - 2).terms.items()
        if n < r - 2 or p == n  # the rest is a finite part of the constant
    ]
    return _collected(constants, shares)


def threshold_coefficients(net: Bottleneck, constants: Constants) -> dict[tuple[int, int], Coefficient]:
    """{(power of theta, power of log theta): coefficient} of the constant, when escape means Y = theta << 1.

    What is left out is O(theta) or smaller: the orders Y^{r-1} and beyond of the same expansion.
    """
    r = len(net.small)
    if r == 1:
        return {(1, 0): constants.rational(Fraction(1))}
    shares = [
        (*_constant_part(n, p, j, r), value)
        for (n, p, j), value in _clock(net, constants, r - 2).terms.items()
        if n == p or n == r - 2
    ]
    return _collected(constants, shares)


def _collected(
    constants: Constants, shares: list[tuple[tuple[int, int], Fraction, Coefficient]]
) -> dict[tuple[int, int], Coefficient]:
    result: dict[tuple[int, int], Coefficient] = {}
    for key, share, value in shares:
        term = constants.rational(share) * value
        result[key] = result[key] + term if key in result else term
    return {key: value for key, value in sorted(result.items()) if not is_zero(value)}


def imbalance_series(net: Bottleneck, constants: Constants, order: int) -> Scales:
    """delta_l of every small layer along the flow, to order eps^order, as series in w = Y/eps."""
    return _scales(_overlap(net, constants, order))[0]


def clock_and_imbalances(net: Bottleneck, constants: Constants, order: int) -> tuple[ScaleSeries, Scales]:
    """1/B, with K_eff dt/dv = Y^{2-r}/B, and every delta_l along the flow, to relative order ``order``.

    The self term is left out, which has relative order r: above order r - 1 the series are not complete.
    """
    overlap = _overlap(net, constants, order)
    deltas, etas = _scales(overlap)
    return _mean_rate(overlap, _speeds(overlap, deltas, etas)).reciprocal_of_one_plus(), deltas


def _overlap(net: Bottleneck, constants: Constants, order: int) -> Overlap:
    return Overlap(net, constants, overlap_polynomial(net, constants, order), order)


def _clock(net: Bottleneck, constants: Constants, order: int) -> ScaleSeries:
    """1/B along the flow."""
    return clock_and_imbalances(net, constants, order)[0]


def _scales(overlap: Overlap) -> tuple[Scales, Scales]:
    """Solve for delta_l and eta_m, one order of eps after the other."""
    net, rational = overlap.net, overlap.constants.rational
    deltas = {layer: zero(overlap.order, rational) for layer in net.small}
    etas = {layer: zero(overlap.order, rational) for layer in net.moving}
    for n in range(1, overlap.order + 1):
        known = Overlap(net, overlap.constants, overlap.polynomial, n)
        speeds = _speeds(known, deltas, etas)
        clock = _mean_rate(known, speeds).reciprocal_of_one_plus()
        for i in net.small:
            deltas[i] = deltas[i] + (speeds[i] * clock).at_order(n).relax(2)
        for m in net.moving:
            drift = (speeds[m] * clock).shifted(2).times(overlap.constants.inverse_square(m))
            etas[m] = etas[m] + drift.at_order(n).relax(0)
    return deltas, etas


def _mean_rate(overlap: Overlap, speeds: Scales) -> ScaleSeries:
    """B - 1."""
    total = zero(overlap.order, overlap.constants.rational)
    for layer in overlap.net.small:
        total = total + (speeds[layer] + -one(overlap.order, overlap.constants.rational))
    return total.scaled(Fraction(1, len(overlap.net.small)))


def _speeds(overlap: Overlap, deltas: Scales, etas: Scales) -> Scales:
    """Phi_l exp(-2 delta_l) of the small layers and Phi_m exp(-2 eta_m) of the others.

    Phi_l is the derivative of (leading monomial * Phi) in the logarithm of the layer's scale, over that monomial.
    """
    net, moved = overlap.net, {**deltas, **etas}
    forces = {layer: zero(overlap.order, overlap.constants.rational) for layer in moved}
    for exponents, value in overlap.polynomial.items():
        power = extra_scales(net, exponents)
        if power > overlap.order:
            continue
        growth = _growth(overlap, exponents, deltas, etas).shifted(power).times(value)
        monomial = growth * _moment(overlap, etas, 1 + exponents[0], None)
        for layer in net.after:
            forces[layer] = forces[layer] + monomial.scaled(Fraction(1 + exponents[layer - net.first]))
        for layer in net.before:
            forces[layer] = forces[layer] + growth * _moment(overlap, etas, 1 + exponents[0], layer)
    return {layer: force * moved[layer].scaled(Fraction(-2)).exp() for layer, force in forces.items()}


def _growth(overlap: Overlap, exponents: Exponents, deltas: Scales, etas: Scales) -> ScaleSeries:
    """exp(sum e_l delta_l + sum (1 + e_m) eta_m); the leading sum of all delta_l is zero by the definition of Y."""
    net = overlap.net
    logarithm = zero(overlap.order, overlap.constants.rational)
    for layer, extra in zip(net.after, exponents, strict=True):
        part = deltas[layer].scaled(Fraction(extra)) if layer in net.small else etas[layer].scaled(Fraction(1 + extra))
        logarithm = logarithm + part
    return logarithm.exp()


def _moment(overlap: Overlap, etas: Scales, k: int, derivative: int | None) -> ScaleSeries:
    """mu_k at the moved scales before i_1, Taylor in eta; `derivative` asks for its log xi-derivative instead."""
    net, constants = overlap.net, overlap.constants
    total = zero(overlap.order, constants.rational)
    for orders in derivative_orders(net, overlap.order, k):
        base = orders if derivative is None else _lowered(orders, net.before.index(derivative))
        if base is None:
            continue
        term = one(overlap.order, constants.rational).times(constants.moment_ratio(k, orders))
        for layer, times in zip(net.before, base, strict=True):
            term = term * _power(etas[layer], times)
        total = total + term.scaled(Fraction(1, prod(factorial(b) for b in base)))
    return total


def _lowered(orders: Exponents, position: int) -> Exponents | None:
    if orders[position] == 0:
        return None
    return tuple(b - 1 if i == position else b for i, b in enumerate(orders))


def _power(series: ScaleSeries, times: int) -> ScaleSeries:
    result = one(series.order, series.rational)
    for _ in range(times):
        result = result * series
    return result


def _lower_limit(n: int, p: int, j: int, r: int) -> tuple[tuple[int, int], Fraction]:
    """Part of int_1^{theta/eps} eps^{2-r+n} w^{1-r+p} (log w)^j dw from w = 1: ((eps power, log power), factor)."""
    gap = r - 2 - p
    if gap == 0:
        return (2 - r + n, j + 1), Fraction(1, j + 1)
    return (2 - r + n, 0), Fraction(factorial(j), gap ** (j + 1))


def _constant_part(n: int, p: int, j: int, r: int) -> tuple[tuple[int, int], Fraction]:
    """Part of the same integral in the constant: ((theta power, log power), factor)."""
    gap = r - 2 - p
    if gap == 0:
        return (0, j + 1), Fraction(1, j + 1)
    if n == p:
        return (-gap, j), Fraction(-1, gap)
    return (0, 0), Fraction(factorial(j), gap ** (j + 1))
