"""Rates, loss and overlap of the manifold flow in ball arithmetic, for the high-precision escape time (THEORY, 0).

Same formulas as ``manifold``; the Gaussian expectation is the trapezoid rule with a step and radius chosen for the
wanted digits.  The truncation of that rule is not part of the balls: it is measured by comparing with the rule of the
midpoints (``quadrature_error``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any

import flint
import numpy as np

from numeric.ball_activations import ball_activation
from numeric.manifold import ManifoldModel, parameterisation_arrays

Ball = Any  # flint.arb


class BallManifold:
    """Rates of ``model`` at a working precision of ``bits`` with quadrature good to about ``digits`` decimal digits.

    Raises ValueError when the activation or the teacher is not an analytic activation of the catalogue.
    """

    def __init__(self, model: ManifoldModel, digits: int, bits: int) -> None:
        self._activation = ball_activation(model.activation.name)
        teacher = ball_activation(model.teacher.name)
        self.depth = model.depth
        self._even_only = self._activation.odd and teacher.odd
        # Poles of the catalogue's integrands are at distance 1 (arctan, asinh) or more while the scales are below 1.
        distance = 1.0 if {"arctan", "asinh"} & {model.activation.name, model.teacher.name} else 1.5
        self._step = Fraction(math.floor(1e4 * 2.0 * math.pi * distance / (math.log(10.0) * (digits + 2))), 10000)
        self._radius = math.sqrt(2.0 * math.log(10.0) * (digits + 3))
        with flint.ctx.workprec(bits):
            self._beta = exact(model.beta)
            self._gains, self._mobilities = ball_parameters(model)
            self._teacher = teacher
            self._rule = self._nodes(shifted=False)

    def relative_rates(self, X: list[Ball], *, shifted: bool = False) -> list[Ball]:
        """(dX_l/dt) / X_l for layer scales X, at the caller's precision; ``shifted`` uses the midpoints as nodes."""
        depth, pair, gains = self.depth, self._activation.pair, self._gains
        scaled = [a * x for a, x in zip(gains, X, strict=True)]
        sums = [flint.arb(0)] * depth
        for u, w, wy in self._nodes(shifted=True) if shifted else self._rule:
            s, inputs, slopes = u, [u], []
            for layer in range(depth - 1):
                s, ds = pair(scaled[layer] * s)
                inputs.append(s)
                slopes.append(ds)
            delta = wy - w * scaled[-1] * s
            for layer in range(depth - 1, -1, -1):
                sums[layer] += delta * inputs[layer]
                if layer:
                    delta *= scaled[layer] * slopes[layer - 1]
        return [c * a * total / x for c, a, total, x in zip(self._mobilities, gains, sums, X, strict=True)]

    def loss(self, X: list[Ball], *, shifted: bool = False) -> Ball:
        """1/2 E (yhat - y)^2, at the caller's precision."""
        return sum((w * (out - y) ** 2 for w, y, out in self._outputs(X, shifted)), flint.arb(0)) / 2

    def overlap(self, X: list[Ball], *, shifted: bool = False) -> Ball:
        """E[yhat y] / E[y^2]."""
        cross, power = flint.arb(0), flint.arb(0)
        for w, y, out in self._outputs(X, shifted):
            cross += w * y * out
            power += w * y * y
        return cross / power

    def _outputs(self, X: list[Ball], shifted: bool) -> Iterator[tuple[Ball, Ball, Ball]]:
        """(weight, target y, output yhat) at every node."""
        scaled = [a * x for a, x in zip(self._gains, X, strict=True)]
        for u, w, wy in self._nodes(shifted=True) if shifted else self._rule:
            z = scaled[0] * u
            for a in scaled[1:]:
                z = a * self._activation.pair(z)[0]
            yield w, wy / w, z

    def quadrature_error(self, X: list[Ball]) -> float:
        """The largest relative change of the rates when the nodes move by half a step: twice the error of the rule."""
        pairs = zip(self.relative_rates(X), self.relative_rates(X, shifted=True), strict=True)
        return max(_ratio(abs(a - b), abs(a)) for a, b in pairs)

    def _nodes(self, *, shifted: bool) -> list[tuple[Ball, Ball, Ball]]:
        """(u, weight, weight times target) of every node; only u >= 0 when the integrand is even."""
        h, count = self._step, math.floor(self._radius / self._step)
        offset = Fraction(1, 2) if shifted else Fraction(0)
        rule = []
        for k in range(0 if self._even_only else -count, count + 1):
            position = h * (k + offset)
            u = exact(position)
            weight = exact(h) * (-u * u / 2).exp() / (2 * flint.arb.pi()).sqrt()
            if self._even_only and position != 0:
                weight *= 2
            rule.append((u, weight, weight * self._beta * self._teacher.formula(u)))
        return rule


def exact(value: str | float | Fraction | Any) -> Ball:
    """A ball of a decimal string, a fraction, or a float read by its shortest decimal form (0.1 is one tenth)."""
    if isinstance(value, flint.arb):
        return value
    if isinstance(value, float | np.floating):
        value = repr(float(value))
    fraction = Fraction(value)
    return flint.arb(flint.fmpq(fraction.numerator, fraction.denominator))


def _ratio(numerator: Ball, denominator: Ball) -> float:
    return 0.0 if numerator.is_zero() else float((numerator / denominator).upper())


def ball_parameters(model: ManifoldModel) -> tuple[list[Ball], list[Ball]]:
    """Gains and mobilities: from the widths when they are those of the parameterisation, else as given."""
    gains, mobilities = parameterisation_arrays(model.parameterisation, model.widths)
    n = [1, *model.widths, 1]
    plain = model.parameterisation == "plain"
    if np.array_equal(gains, model.gains):
        if plain:
            ball_gains = [exact(Fraction(a, b)).sqrt() for a, b in pairwise(n)]
        else:
            ball_gains = [flint.arb(1)] * (model.depth - 1) + [flint.arb(n[-2]).sqrt()]
    else:
        ball_gains = [exact(a) for a in model.gains]
    if np.array_equal(mobilities, model.mobilities):
        divisors = [1] * model.depth if plain else [*n[1:-1], n[-2]]
        return ball_gains, [exact(Fraction(1, d)) for d in divisors]
    return ball_gains, [exact(c) for c in model.mobilities]
