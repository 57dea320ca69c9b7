"""The constants of the normal form as certified balls, for one activation, teacher, bottleneck and set of scales.

The data are y = beta t(u), u ~ N(0, 1). Moments E[y g^k], with g the output of the O(1) layers before the bottleneck,
and their derivatives in log xi_m are Gaussian integrals with bounded tails (``symbolic.chains``).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import flint
import sympy as sp
from flint import arb, fmpq

from symbolic import exact, trees
from symbolic.activations import Activation, activation_from_tree
from symbolic.chains import Chain, expectation_ball, working_bits
from symbolic.normal_form import Bottleneck, Exponents
from symbolic.prefactors import iterated
from symbolic.reduced_gains import ReducedGains
from symbolic.scale_series import is_zero
from symbolic.series import exact_taylor
from symbolic.tree_calculus import derivative, scale_leaf, substituted
from symbolic.trees import Tree

Ball = Any  # flint.arb


@dataclass(frozen=True)
class CertifiedConstants:
    """`Constants` as Arb balls at the working precision of the caller's `flint.ctx`.

    homogeneous: s is positively homogeneous (linear, ReLU, leaky ReLU); then s(z) acts as z with E[y g] replaced by
    E[y s^{(L-1)}(u)], and there are no corrections from the activation. scales: xi_l of all layers, read where O(1).
    """

    net: Bottleneck
    activation: Activation
    teacher: Activation
    beta: Fraction
    gains: ReducedGains
    scales: tuple[Fraction, ...]
    homogeneous: bool
    digits: int

    def rational(self, value: Fraction) -> Ball:
        """A rational number."""
        return _ball(value)

    def taylor_ratio(self, k: int) -> Ball:
        """a_k / alpha."""
        return arb(0) if self.homogeneous else self.taylor(k) / self.taylor(1)

    def curved_powers(self) -> tuple[int, ...]:
        """The k in 2 ... r + 1 with a_k != 0: where the activation bends the flow before the constant or just after."""
        return tuple(k for k in range(2, len(self.net.small) + 2) if not is_zero(self.taylor_ratio(k)))

    def path(self, layer: int) -> Ball:
        """alpha^{layer-i_1} times gains and O(1) scales from i_1 to the layer."""
        value = arb(1) if self.homogeneous else self.taylor(1) ** (layer - self.net.first)
        for m in range(self.net.first, layer + 1):
            value = value * gain_ball(self.gains.gains[m - 1])
            if m not in self.net.small:
                value = value * _ball(self.scales[m - 1])
        return value

    def moment_ratio(self, k: int, derivatives: Exponents) -> Ball:
        """E[y g^k], differentiated in the log xi_m, over E[y g]."""
        if self.homogeneous or (k == 1 and not any(derivatives)):
            return arb(1)
        return self.moment(k, derivatives) / self.overlap

    def inverse_square(self, layer: int) -> Ball:
        """1/xi_layer^2."""
        return _ball(1 / self.scales[layer - 1] ** 2)

    @cached_property
    def overlap(self) -> Ball:
        """E[y g] of the frozen chain; for a homogeneous activation with the gains and scales before i_1 taken out."""
        if not self.homogeneous:
            return self.moment(1, (0,) * len(self.net.before))
        tree = trees.mul(self.teacher.elementary, iterated(self.activation, self.net.depth - 1))
        chain = Chain.of((1, activation_from_tree(tree, "teacher times composed activation")))
        return _ball(self.beta) * expectation_ball((chain,), self.digits)

    def effective_rate(self) -> Ball:
        """K_eff = c^2 * path(L) * E[y g]."""
        value = gain_ball(self.gains.mobility) * self.path(self.net.depth) * self.overlap
        if self.homogeneous:
            for m in self.net.before:
                value = value * gain_ball(self.gains.gains[m - 1]) * _ball(self.scales[m - 1])
        return value

    def taylor(self, k: int) -> Ball:
        """a_k, with a_1 = alpha."""
        order = max(len(self.net.small), 2)
        return exact.enclosure(exact_taylor(self.activation, max(order, k))[k], working_bits(self.digits))

    def moment(self, k: int, derivatives: Exponents) -> Ball:
        """beta E[t(u) D g^k], D the log-derivatives; each is integrated once per working precision."""
        key = (k, derivatives, flint.ctx.prec)
        if key not in self._known:
            self._known[key] = self._integrated(k, derivatives)
        return self._known[key]

    @cached_property
    def _known(self) -> dict[tuple[int, Exponents, int], Ball]:
        return {}

    def _integrated(self, k: int, derivatives: Exponents) -> Ball:
        chains = [Chain.of((1, self.teacher))]
        if not self.net.before:
            chains.append(Chain((), k))
        elif not any(derivatives):
            links = tuple((self.scales[m - 1], self._layer(m)) for m in self.net.before)
            chains.append(Chain(links, k))
        else:
            chains.append(Chain.of((1, self._differentiated(k, derivatives))))
        return _ball(self.beta) * expectation_ball(tuple(chains), self.digits)

    def _layer(self, m: int) -> Activation:
        """z -> s(b_m z)."""
        tree = substituted(self.activation.elementary, trees.Z, trees.mul(self._gain_tree(m), trees.Z))
        plain = self.gains.gains[m - 1] == 1
        return self.activation if plain else activation_from_tree(tree, f"{self.activation.name} with a gain")

    def _differentiated(self, k: int, derivatives: Exponents) -> Activation:
        """u -> prod_m (d/d log xi_m)^{b_m} g(u)^k at the given scales."""
        value: Tree = trees.Z
        for m in self.net.before:
            argument = trees.mul(self._gain_tree(m), scale_leaf(m), value)
            value = substituted(self.activation.elementary, trees.Z, argument)
        value = trees.power(value, k)
        for m, times in zip(self.net.before, derivatives, strict=True):
            for _ in range(times):
                value = trees.mul(scale_leaf(m), derivative(value, scale_leaf(m)))
        for m in self.net.before:
            value = substituted(value, scale_leaf(m), trees.rational(self.scales[m - 1]))
        return activation_from_tree(value, f"derivative of {self.activation.name} in its scale")

    def _gain_tree(self, m: int) -> Tree:
        square = _square(self.gains.gains[m - 1])
        return trees.power(trees.rational(square), Fraction(1, 2))


def _ball(value: Fraction) -> Ball:
    return arb(fmpq(value.numerator, value.denominator))


def gain_ball(value: sp.Expr) -> Ball:
    """A positive number whose square is rational, as every gain and mobility is (ValueError otherwise)."""
    return _ball(_square(value)).sqrt()


def _square(value: sp.Expr) -> Fraction:
    square = sp.nsimplify(value) ** 2
    if not square.is_Rational or not value.is_positive:
        raise ValueError(
            f"expected positive gains whose squares are rational, got {value}: give exact gains and widths"
        )
    return Fraction(int(square.p), int(square.q))
