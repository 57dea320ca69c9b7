"""The normal form of the flow near the saddle: E[y yhat] of the reduced chain as a polynomial in the small scales.

With i_1 the first small layer, g the output of the O(1) layers before it and s(z) = alpha z (1 + sum rho_k z^{k-1}),

    E[y yhat] = (leading term) * Phi,   Phi = sum over monomials of coefficient * prod_{l >= i_1} X_l^{e_l} * mu_k,

where mu_k = E[y g^k]/E[y g] and k - 1 = e_{i_1} counts the extra factors g. In logarithmic coordinates
X_l = Y exp(delta_l), xi_m = xi_m(0) exp(eta_m) everything below is a polynomial, so no division ever occurs.
Source: THEORY section 3, "Normal form". The self term E[yhat^2] has relative order Y^r and is left out: it reaches the
escape time only through the constant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Protocol

from symbolic.rate import bottleneck
from symbolic.scale_series import Coefficient, is_zero

Exponents = tuple[int, ...]
"""Extra powers e_l of the scales of layers i_1 ... L in a monomial, beyond the one of the leading term."""


class Constants(Protocol):
    """The constants of one activation, teacher and set of O(1) scales, as elements of one commutative ring."""

    def rational(self, value: Fraction) -> Coefficient:
        """A rational number."""

    def taylor_ratio(self, k: int) -> Coefficient:
        """rho_k = a_k / alpha, k >= 2."""

    def path(self, layer: int) -> Coefficient:
        """z_layer / (g prod X) to leading order: alpha^{layer-i_1} times gains, and xi_m of O(1) layers from i_1 on."""

    def moment_ratio(self, k: int, derivatives: Exponents) -> Coefficient:
        """mu_k differentiated derivatives[m-1] times in log xi_m, m < i_1, over E[y g]: 1 for k = 1, no derivative."""

    def inverse_square(self, layer: int) -> Coefficient:
        """1/xi_layer^2 of an O(1) layer."""


@dataclass(frozen=True)
class Bottleneck:
    """Which layers are small: depth L and the sorted small layers, counted from 1."""

    depth: int
    small: tuple[int, ...]

    @property
    def first(self) -> int:
        """i_1, the first small layer."""
        return self.small[0]

    @property
    def before(self) -> tuple[int, ...]:
        """The O(1) layers before i_1."""
        return tuple(range(1, self.first))

    @property
    def after(self) -> tuple[int, ...]:
        """Layers i_1 ... L, small or not, in the order of `Exponents`."""
        return tuple(range(self.first, self.depth + 1))

    @property
    def moving(self) -> tuple[int, ...]:
        """All O(1) layers."""
        return tuple(m for m in range(1, self.depth + 1) if m not in self.small)


def make_bottleneck(depth: int, small: object = None) -> Bottleneck:
    """A checked `Bottleneck` from the spellings that `symbolic.bottleneck` accepts."""
    return Bottleneck(depth, bottleneck(depth, small))  # type: ignore[arg-type]


def overlap_polynomial(net: Bottleneck, constants: Constants, order: int) -> dict[Exponents, Coefficient]:
    """Phi without its moments: {extra exponents: coefficient}, up to relative order Y^order.

    The recursion is the network's: zhat_{j+1} = X_{j+1} zhat_j (1 + sum_k rho_k (path_j zhat_j)^{k-1}).
    """
    unit: Exponents = (0,) * len(net.after)
    output = {unit: constants.rational(Fraction(1))}
    leading: Exponents = unit
    for position, layer in enumerate(net.after):
        leading = tuple(int(i <= position) for i in range(len(unit)))
        if layer < net.depth:
            output = _through_activation(output, leading, net, constants, order, layer)
    return output


def derivative_orders(net: Bottleneck, order: int, k: int) -> Iterator[Exponents]:
    """Every multi-index of log xi_m-derivatives (m < i_1) that meets E[y g^k] up to relative order `order`.

    eta_m is of order eps^2, so a term with k - 1 extra scales carries at most (order - k + 1) / 2 factors eta; one more
    derivative comes from the force on xi_m itself, which is one order of eps^2 later.
    """
    most = max(0, order - (k - 1)) // 2
    for orders in product(range(most + 1), repeat=len(net.before)):
        if sum(orders) <= most:
            yield orders


def _through_activation(
    output: Mapping[Exponents, Coefficient],
    leading: Exponents,
    net: Bottleneck,
    constants: Constants,
    order: int,
    layer: int,
) -> dict[Exponents, Coefficient]:
    """zhat -> zhat (1 + sum_{k=2} rho_k path^{k-1} (leading monomial * zhat)^{k-1}), in relative exponents."""
    result = dict(output)
    step = sum(e for e, m in zip(leading, net.after, strict=True) if m in net.small)
    power = dict(output)
    path = constants.path(layer)
    path_power = constants.rational(Fraction(1))
    for k in range(2, order // step + 2):
        path_power = path_power * path
        shifted = {tuple(a + b for a, b in zip(e, leading, strict=True)): c for e, c in power.items()}
        power = _product(shifted, output, net, order)
        ratio = constants.taylor_ratio(k)
        if is_zero(ratio):
            continue
        for exponents, value in power.items():
            term = ratio * path_power * value
            result[exponents] = result[exponents] + term if exponents in result else term
    return {e: c for e, c in result.items() if not is_zero(c)}


def _product(
    left: Mapping[Exponents, Coefficient], right: Mapping[Exponents, Coefficient], net: Bottleneck, order: int
) -> dict[Exponents, Coefficient]:
    total: dict[Exponents, Coefficient] = {}
    for e1, c1 in left.items():
        for e2, c2 in right.items():
            exponents = tuple(a + b for a, b in zip(e1, e2, strict=True))
            if extra_scales(net, exponents) <= order:
                total[exponents] = total[exponents] + c1 * c2 if exponents in total else c1 * c2
    return total


def extra_scales(net: Bottleneck, exponents: Exponents) -> int:
    """Number of small scales that a monomial has beyond the leading one: its relative power of Y."""
    return sum(e for e, m in zip(exponents, net.after, strict=True) if m in net.small)
