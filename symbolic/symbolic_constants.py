"""The constants of the normal form as symbols: exact formulas in a_k, alpha, M_k, xi_m.

The ring is a polynomial ring over the rationals in rho_k = a_k/alpha, path_j, mu_k and 1/xi_m^2;
`SymbolicConstants.expression` writes an element of it back in the symbols of the theory.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import sympy as sp
from sympy.polys.rings import PolyElement, PolyRing

from symbolic.normal_form import Bottleneck, Exponents, derivative_orders
from symbolic.rate import ALPHA, layer_scales
from symbolic.reduced_gains import ReducedGains

Name = tuple[object, ...]


def taylor_symbol(k: int) -> sp.Symbol:
    """a_k, the k-th Taylor coefficient of s at 0."""
    return sp.Symbol(f"a_{k}", real=True)


def moment_symbol(k: int, derivatives: Exponents = ()) -> sp.Symbol:
    """M_k = E[y g^k]; with derivatives (b_1, ...) its b_m-fold derivative in log xi_m, named M_k_b1_b2..."""
    mark = "".join(f"_{b}" for b in derivatives) if any(derivatives) else ""
    return sp.Symbol(f"M_{k}{mark}", real=True)


@dataclass(frozen=True)
class SymbolicConstants:
    """`Constants` with one generator per constant.

    generators maps (kind, index ...) to its element of the ring; meaning maps it to its expression.
    """

    generators: dict[Name, PolyElement]
    meaning: dict[Name, sp.Expr]
    ring: PolyRing

    def rational(self, value: Fraction) -> PolyElement:
        """A rational number in the ring."""
        return self.ring.domain_new(sp.QQ(value.numerator, value.denominator)) * self.ring.one

    def taylor_ratio(self, k: int) -> PolyElement:
        """rho_k."""
        return self.generators.get(("rho", k), self.ring.zero)

    def path(self, layer: int) -> PolyElement:
        """alpha^{layer-i_1} times gains and O(1) scales between i_1 and the layer."""
        return self.generators["path", layer]

    def moment_ratio(self, k: int, derivatives: Exponents) -> PolyElement:
        """mu_k with its derivatives."""
        if k == 1 and not any(derivatives):
            return self.ring.one
        return self.generators["mu", k, derivatives]

    def inverse_square(self, layer: int) -> PolyElement:
        """1/xi_layer^2."""
        return self.generators["sigma", layer]

    def expression(self, element: PolyElement) -> sp.Expr:
        """The element in the symbols a_k, alpha, M_k, b_l, xi_m, factored where SymPy factors it."""
        names = {generator.as_expr(): self.meaning[name] for name, generator in self.generators.items()}
        return sp.factor_terms(element.as_expr().subs(names))


def symbolic_constants(
    net: Bottleneck, gains: ReducedGains, order: int, first_power: int | None = 2
) -> SymbolicConstants:
    """Constants of `net` up to relative order Y^order.

    first_power: the order q of phi_s, so that a_k = 0 for 2 <= k < q (2 keeps everything; None is s(z) = alpha z).
    """
    meaning = {**_nonlinear(net, order, first_power), **_paths(net, gains), **_moments(net, order, first_power)}
    meaning |= {("sigma", m): layer_scales(net.depth)[m - 1] ** -2 for m in net.moving}
    ring = PolyRing([f"t{i}" for i in range(len(meaning))] or ["t"], sp.QQ)
    generators = dict(zip(meaning, ring.gens, strict=False))
    return SymbolicConstants(generators, meaning, ring)


def _nonlinear(net: Bottleneck, order: int, first_power: int | None) -> dict[Name, sp.Expr]:
    powers = () if first_power is None else range(first_power, order + 2)
    return {("rho", k): taylor_symbol(k) / ALPHA for k in powers}


def _paths(net: Bottleneck, gains: ReducedGains) -> dict[Name, sp.Expr]:
    paths: dict[Name, sp.Expr] = {}
    value = sp.Integer(1)
    for layer in net.after:
        scale = sp.Integer(1) if layer in net.small else layer_scales(net.depth)[layer - 1]
        value *= gains.gains[layer - 1] * scale * (1 if layer == net.first else ALPHA)
        paths["path", layer] = value
    return paths


def _moments(net: Bottleneck, order: int, first_power: int | None) -> dict[Name, sp.Expr]:
    leading = moment_symbol(1)
    moments: dict[Name, sp.Expr] = {}
    for k in range(1, order + 2):
        for orders in derivative_orders(net, order, k):
            # A homogeneous activation has g proportional to every xi_m: each log-derivative of M_1 is M_1 itself.
            moments["mu", k, orders] = sp.Integer(1) if first_power is None else moment_symbol(k, orders) / leading
    return moments
