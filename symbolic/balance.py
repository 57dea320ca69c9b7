"""The balance law near the saddle: how fast the imbalances Delta_l = X_{l+1}^2 - X_l^2 drift (THEORY T4b, section 3).

On the reduced chain, with P_l = d yhat / d s(z_l) and phi(z) = z s'(z) - s(z), exactly (`balance_identity`)

    X_{l+1} d yhat/dX_{l+1} - X_l d yhat/dX_l = -P_l phi(z_l),   so   dDelta_l/dt = -2 c^2 E[(y - yhat) P_l phi(z_l)].

Near the saddle yhat -> 0 and, for l from the first small layer i_1 on, phi(z_l) -> (q - 1) a_q z_l^q with z_l linear in
g and in every scale up to l, P_l linear in every scale above l. Below i_1 the imbalance moves because E[y g] depends on
xi_l and xi_{l+1}.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from symbolic.escape import EPS, THRESHOLD, power_integral
from symbolic.normal_form import Bottleneck, make_bottleneck
from symbolic.rate import ACTIVATION, ALPHA, INPUT, layer_scales, small_scale
from symbolic.reduced_gains import ReducedGains, check_depth, symbolic_gains
from symbolic.symbolic_constants import moment_symbol, taylor_symbol

MEAN_SCALE = sp.Symbol("Y", positive=True)
"""Y, the common scale of the small layers along the flow."""


@dataclass(frozen=True)
class BalanceLaw:
    """Leading law of the imbalance of layers l = pair and l + 1.

    rate: dDelta_l/dt in the small scales X_i, the O(1) scales xi_m and the constants a_k, alpha, M_k, b_l, c2;
    exponent: power of eps of the rate at an equal start, None where the rate vanishes (class A); prefactor: its
    coefficient; along_flow: Delta_l - Delta_l(0) when the small scales have grown from eps to Y. The last is leading
    order as Y -> 0; at the escape itself the imbalance is Theta(1).
    """

    pair: int
    rate: sp.Expr
    exponent: int | None
    prefactor: sp.Expr
    along_flow: sp.Expr


def balance_identity(depth: int, pair: int) -> sp.Expr:
    """X_{l+1} d_{l+1} yhat - X_l d_l yhat + P_l phi(z_l) for an undefined activation, simplified: zero.

    ValueError unless 1 <= pair < depth.
    """
    _check_pair(depth, pair)
    gains, output = symbolic_gains(depth).gains, sp.Symbol("h")
    below = gains[0] * small_scale(1) * INPUT
    for layer in range(2, pair + 1):
        below = gains[layer - 1] * small_scale(layer) * ACTIVATION(below)
    above: sp.Expr = output
    for layer in range(pair + 1, depth + 1):
        above = gains[layer - 1] * small_scale(layer) * (above if layer == pair + 1 else ACTIVATION(above))
    whole = above.subs(output, ACTIVATION(below))
    z = sp.Symbol("z")
    phi = (z * sp.diff(ACTIVATION(z), z) - ACTIVATION(z)).subs(z, below)
    lower, upper = small_scale(pair), small_scale(pair + 1)
    difference = upper * sp.diff(whole, upper) - lower * sp.diff(whole, lower)
    return sp.simplify((difference + sp.diff(above, output).subs(output, ACTIVATION(below)) * phi).doit())


def balance_laws(
    depth: int, small: object = None, first_power: int | None = 2, gains: ReducedGains | None = None
) -> tuple[BalanceLaw, ...]:
    """The law of every pair l = 1 ... L - 1, in symbols.

    first_power: the order q of phi_s, None for class A; small: as in `bottleneck`; gains: symbols when None.

    ValueError for a bad bottleneck or gains of another depth.
    """
    net = make_bottleneck(depth, small)
    reduced = symbolic_gains(depth) if gains is None else gains
    if reduced.depth != depth:
        raise ValueError(f"depth {depth} needs {depth} gains, got {reduced.depth}")
    return tuple(_law(net, reduced, first_power, pair) for pair in range(1, depth))


def _law(net: Bottleneck, gains: ReducedGains, first_power: int | None, pair: int) -> BalanceLaw:
    rate = _rate(net, gains, first_power, pair)
    if rate == 0:
        return BalanceLaw(pair, rate, None, sp.Integer(0), sp.Integer(0))
    prefactor, exponent = rate.subs({small_scale(i): EPS for i in net.small}).as_coeff_exponent(EPS)
    # dDelta/dY = (dDelta/dt)/(K_eff Y^{r-1}) at equal scales Y.
    growth = power_integral(int(exponent) - len(net.small) + 1).subs(THRESHOLD, MEAN_SCALE)
    along = sp.factor_terms(sp.cancel(prefactor / _overlap_rate(net, gains))) * growth
    return BalanceLaw(pair, rate, int(exponent), sp.factor_terms(prefactor), along)


def _rate(net: Bottleneck, gains: ReducedGains, first_power: int | None, pair: int) -> sp.Expr:
    if first_power is None:
        return sp.Integer(0)
    if pair >= net.first:
        z = sp.Symbol("z")
        phi = _leading_phi(first_power, z).subs(z, _path(net, gains, pair))
        return -2 * gains.mobility * phi * moment_symbol(first_power) * _sensitivity(net, gains, pair)
    growth = _overlap_rate(net, gains) * sp.prod(small_scale(i) for i in net.small)
    return 2 * growth * (_response(net, pair + 1) - _response(net, pair))


def _leading_phi(first_power: int, z: sp.Symbol) -> sp.Expr:
    """The leading term of z s'(z) - s(z) for s = alpha z + a_q z^q + ..."""
    s = ALPHA * z + taylor_symbol(first_power) * z**first_power
    return sp.expand(z * sp.diff(s, z) - s)


def _path(net: Bottleneck, gains: ReducedGains, layer: int) -> sp.Expr:
    """z_layer / g to leading order."""
    value = sp.Integer(1)
    for m in range(net.first, layer + 1):
        value *= gains.gains[m - 1] * _scale(net, m) * (1 if m == net.first else ALPHA)
    return value


def _sensitivity(net: Bottleneck, gains: ReducedGains, pair: int) -> sp.Expr:
    """P_l = d yhat / d s(z_l) to leading order."""
    value = ALPHA ** (net.depth - 1 - pair)
    for m in range(pair + 1, net.depth + 1):
        value *= gains.gains[m - 1] * _scale(net, m)
    return value


def _scale(net: Bottleneck, layer: int) -> sp.Expr:
    return small_scale(layer) if layer in net.small else layer_scales(net.depth)[layer - 1]


def _overlap_rate(net: Bottleneck, gains: ReducedGains) -> sp.Expr:
    """K_eff in the symbols of this module."""
    value = gains.mobility * _path(net, gains, net.depth) * moment_symbol(1)
    return value.subs({small_scale(i): 1 for i in net.small})


def _response(net: Bottleneck, layer: int) -> sp.Expr:
    """d log K_eff prod X / d log X_layer: 1 from i_1 on, the log-derivative of E[y g] below it."""
    if layer >= net.first:
        return sp.Integer(1)
    return moment_symbol(1, tuple(int(m == layer) for m in net.before)) / moment_symbol(1)


def _check_pair(depth: int, pair: int) -> None:
    if not 1 <= pair < check_depth(depth):
        raise ValueError(f"a pair l of layers l, l + 1 has 1 <= l < {depth}, got {pair}")
