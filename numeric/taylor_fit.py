"""Taylor coefficients of a function at 0, measured from its values alone.

The function is sampled at Chebyshev points of ``[-rho, rho]`` (or of one side, ``[0, rho]`` or ``[-rho, 0]``), and
the interpolating polynomial is rewritten in powers of z.  The error of each coefficient joins what two degrees say
about truncation and what the noise of the samples can do; the radius with the smallest error wins, and the next
best radius has to agree with it.  No derivative of the function is ever asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

Array = NDArray[np.float64]
Side = Literal["both", "right", "left"]

_RADII = (2.0, 1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125)
# Odd degrees mean an even number of points, which never include 0, where a derivative may be undefined.
# One-sided conversion multiplies noise by about 4**k more, so it uses fewer points.
_DEGREES = {"both": (31, 21), "right": (17, 11), "left": (17, 11)}
_ROUNDING = 8 * float(np.finfo(np.float64).eps)  # a library function is within a few units of rounding


@dataclass(frozen=True)
class TaylorFit:
    """Coefficients ``c_0, c_1, ...`` of z**k and an absolute error estimate for each."""

    coefficients: tuple[float, ...]
    errors: tuple[float, ...]

    def is_zero(self, k: int, safety: float = 10.0) -> bool:
        """Whether coefficient k cannot be told from 0 (``safety`` errors wide, since the error is an estimate)."""
        return abs(self.coefficients[k]) <= safety * self.errors[k]


def fit_taylor(
    function: Callable[[Array], Array],
    highest: int = 6,
    *,
    noise: Callable[[Array], Array] | None = None,
    side: Side = "both",
) -> TaylorFit:
    """Measure the Taylor coefficients ``c_0 .. c_highest`` of ``function`` at 0.

    ``function`` maps a vector of points to a vector of values; ``noise`` gives the size of the quantities that were
    added to get each value (default: the value itself), from which its rounding follows.  Radii at which the function
    is not finite are left out; ValueError if none is left or if ``highest`` is outside 0..10.
    """
    if not 0 <= highest <= 10:
        raise ValueError(f"the highest coefficient must be between 0 and 10, got {highest}")
    attempts = (_fit_at_radius(function, noise or function, highest, side, rho) for rho in _RADII)
    fits = [fit for fit in attempts if fit is not None]
    if len(fits) < 2:
        raise ValueError("the function is not finite near 0, so it has no Taylor coefficients there")
    values = np.array([value for value, _ in fits])
    errors = np.array([error for _, error in fits])
    best = np.argsort(errors, axis=0)
    column = np.arange(highest + 1)
    first, second = best[0], best[1]
    coefficients = values[first, column]
    # Where the two best radii disagree by more than the second allows, the estimate was too hopeful: take the gap.
    gap = np.abs(coefficients - values[second, column])
    unexplained = np.where(gap > 2 * errors[second, column], gap, 0.0)
    final = np.maximum(errors[first, column], unexplained)
    return TaylorFit(tuple(coefficients.tolist()), tuple(final.tolist()))


def _fit_at_radius(
    function: Callable[[Array], Array], noise: Callable[[Array], Array], highest: int, side: Side, rho: float
) -> tuple[Array, Array] | None:
    """Coefficients and errors from one radius: the higher degree, judged by the lower one and by the noise."""
    fine, coarse = (_coefficients(function, degree, side, rho) for degree in _DEGREES[side])
    if fine is None or coarse is None:
        return None
    points = _points(_DEGREES[side][0], side, rho)
    # An interpolation coefficient moves by at most 2 max|noise|; rewriting in powers sums them with these weights.
    size = np.abs(noise(points))
    if not np.all(np.isfinite(size)):
        return None
    weights = np.abs(_powers(_DEGREES[side][0], side)).sum(axis=0)[: highest + 1]
    rounding = 2 * _ROUNDING * float(size.max()) * weights / rho ** np.arange(highest + 1)
    low, high = coarse[: highest + 1], fine[: highest + 1]
    return high, np.abs(high - low) + rounding


def _coefficients(function: Callable[[Array], Array], degree: int, side: Side, rho: float) -> Array | None:
    values = np.asarray(function(_points(degree, side, rho)), dtype=np.float64)
    if not np.all(np.isfinite(values)):
        return None
    chebyshev = dct(values, type=2) / (degree + 1)
    chebyshev[0] /= 2
    powers: Array = chebyshev @ _powers(degree, side) / rho ** np.arange(degree + 1)
    return powers


def _points(degree: int, side: Side, rho: float) -> Array:
    """Chebyshev points x_j = cos(pi (j + 1/2)/(degree + 1)), mapped to the interval of this side."""
    x = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    if side == "both":
        x = (x - x[::-1]) / 2  # exactly antisymmetric, so that an even function has exactly even values
        return rho * x
    half: Array = rho * (1 + x) / 2
    return half if side == "right" else -half


@lru_cache(maxsize=16)
def _powers(degree: int, side: Side) -> Array:
    """Matrix (degree + 1, degree + 1): row n holds the coefficients of T_n in powers of z/rho, exact integers.

    Both sides: T_{n+1} = 2 x T_n - T_{n-1} with x = z/rho.  Right: x = 2 z/rho - 1; left: the same in -z.
    """
    slope, shift = (1, 0) if side == "both" else (2, -1)
    rows = [[1] + [0] * degree, [shift, slope] + [0] * (degree - 1)]
    for _ in range(2, degree + 1):
        last, before = rows[-1], rows[-2]
        shifted = [0, *last[:-1]]
        rows.append([2 * (slope * a + shift * b) - c for a, b, c in zip(shifted, last, before, strict=True)])
    matrix = np.array(rows[: degree + 1], dtype=np.float64)
    if side == "left":
        matrix *= (-1.0) ** np.arange(degree + 1)
    return matrix
