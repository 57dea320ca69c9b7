"""Quadrature rules for expectations over one standard normal variable, E[f(g)] with g ~ N(0, 1).

For an integrand that is analytic in a strip around the real line the trapezoid rule converges like
exp(-2 pi d / step), d the half-width of the strip (Trefethen and Weideman, "The exponentially convergent trapezoidal
rule", 2014): tanh has its first pole at i pi / 2, so that step .2 is exact to rounding.  A kink destroys this; there
Gauss-Legendre is used on each smooth piece (THEORY section 3, "Numerics that work").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

RADIUS = 9.0  # the density is 1e-18 of its maximum there: below rounding for integrands of moderate growth
STEP = 0.2
POINTS_PER_PIECE = 64  # on [0, 9], enough for singularities at distance 1 from the interval


@dataclass(frozen=True)
class GaussianRule:
    """Nodes and weights with ``sum(weights * f(nodes))`` close to E[f(g)].

    ``even_only``: the nodes cover u >= 0 and the weights are doubled, so that only even integrands may be used.
    ``resolution`` is the step (trapezoid) or the number of points of a piece (Gauss-Legendre); ``kinks`` is None for
    the trapezoid rule.
    """

    nodes: FloatArray
    weights: FloatArray
    even_only: bool
    resolution: float
    radius: float
    kinks: tuple[float, ...] | None

    def shifted(self) -> GaussianRule:
        """The trapezoid rule with as many nodes, on midpoints between its own: the errors are opposite.

        Raises ValueError for another rule.
        """
        if self.kinks is not None:
            raise ValueError("only the trapezoid rule can be shifted: Gauss-Legendre has one set of nodes per piece")
        step = self.resolution
        index = np.arange(self.nodes.size, dtype=np.float64)
        nodes: FloatArray = step * (index + 0.5) if self.even_only else self.nodes - 0.5 * step
        weights = np.asarray((2.0 if self.even_only else 1.0) * step * density(nodes))
        return _rule(nodes, weights, self.even_only, step, self.radius, None)

    def wider(self, factor: float = 10.0 / 9.0) -> GaussianRule:
        """The same kind of rule with as dense nodes on a longer interval: for a mean that may not be finite."""
        radius = min(factor * self.radius, 37.9)
        if self.kinks is None:
            return trapezoid_rule(radius, self.resolution, even_only=self.even_only)
        return split_rule(self.kinks, radius, math.ceil(factor * self.resolution), even_only=self.even_only)

    def refined(self, factor: float = 2.0) -> GaussianRule:
        """The same kind of rule with ``factor`` times as many nodes: its distance estimates the quadrature error."""
        if self.kinks is None:
            return trapezoid_rule(self.radius, self.resolution / factor, even_only=self.even_only)
        return split_rule(self.kinks, self.radius, max(2, round(factor * self.resolution)), even_only=self.even_only)


def trapezoid_rule(radius: float = RADIUS, step: float = STEP, *, even_only: bool = False) -> GaussianRule:
    """Trapezoid rule on [-radius, radius]; raises ValueError unless 0 < step <= radius < 38."""
    if not (0.0 < step <= radius < 38.0):  # beyond 38 the density underflows
        raise ValueError(f"the trapezoid rule needs 0 < step <= radius < 38, got step={step!r}, radius={radius!r}")
    half = math.floor(radius / step + 1e-9)
    index = np.arange(1 if even_only else -half, half + 1)
    nodes = step * index.astype(np.float64)
    weights = step * density(nodes)
    if not even_only:
        return _rule(nodes, weights, even_only, step, radius, None)
    # The node 0 has weight one, all others weight two.
    nodes = np.concatenate([[0.0], nodes])
    weights = np.concatenate([[step / math.sqrt(2.0 * math.pi)], 2.0 * weights])
    return _rule(nodes, weights, even_only, step, radius, None)


def split_rule(
    kinks: tuple[float, ...] = (0.0,),
    radius: float = RADIUS,
    points: int = POINTS_PER_PIECE,
    *,
    even_only: bool = False,
) -> GaussianRule:
    """Gauss-Legendre with ``points`` nodes on every piece of [-radius, radius] between the kinks of the integrand."""
    if points < 2 or not 0.0 < radius < 38.0:
        raise ValueError(
            f"the split rule needs points >= 2 and 0 < radius < 38, got points={points!r}, radius={radius!r}"
        )
    left = 0.0 if even_only else -radius
    breaks = [left, *sorted(k for k in set(kinks) if left < k < radius), radius]
    abscissae, gauss = np.polynomial.legendre.leggauss(points)
    nodes = np.concatenate([0.5 * ((b - a) * abscissae + (a + b)) for a, b in pairwise(breaks)])
    weights = np.concatenate([0.5 * (b - a) * gauss for a, b in pairwise(breaks)]) * density(nodes)
    return _rule(nodes, 2.0 * weights if even_only else weights, even_only, float(points), radius, kinks)


def density(u: FloatArray) -> FloatArray:
    """The standard normal density."""
    return np.asarray(np.exp(-0.5 * u * u) / math.sqrt(2.0 * math.pi))


def _rule(
    nodes: FloatArray,
    weights: FloatArray,
    even_only: bool,
    resolution: float,
    radius: float,
    kinks: tuple[float, ...] | None,
) -> GaussianRule:
    nodes.setflags(write=False)
    weights.setflags(write=False)
    return GaussianRule(nodes, weights, even_only, resolution, radius, kinks)
