"""Local exponents of an escape-time ladder, each with an error, and their limit as the initial scale tends to zero.

A ladder is a sequence of initial scales ``eps_0 > eps_1 > ...`` with the escape times ``t_k`` measured at them.
The theorems speak of the limit ``eps -> 0`` (THEORY T5, section 3), so nothing here fits a straight line through a
ladder: a fit mixes the bias of the largest scale into the answer.  What is reported is the slope between neighbours,
the error that the errors of the times put on it, and an estimate of what is still missing at finite ``eps``.

Units: times are gradient-flow times, scales are dimensionless; slopes are ``d ln t / d ln eps``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

_RATIO_TOLERANCE = 1e-9  # a geometric ladder typed in decimals keeps its ratio to rounding, about 1e-15
_SLOWEST_ORDER = 0.1  # below it a halving of eps takes off less than 7 % of the drift: no limit to speak of


@dataclass(frozen=True)
class Slopes:
    """Slopes between neighbouring rungs of a ladder.

    ``scales[k]`` is the geometric mean of the two scales that ``values[k]`` compares; ``errors[k]`` bounds what the
    errors of the times can do to it (worst case: they are integration errors, not independent noise).
    """

    scales: tuple[float, ...]
    values: tuple[float, ...]
    errors: tuple[float, ...]

    @property
    def last(self) -> float:
        """The slope at the smallest scale."""
        return self.values[-1]

    @property
    def last_error(self) -> float:
        """The propagated error of the slope at the smallest scale."""
        return self.errors[-1]


@dataclass(frozen=True)
class Limit:
    """Slopes extrapolated to scale zero, ``s(eps) = value + O(eps**order)``; the error is an estimate, no bound."""

    value: float
    error: float
    order: float


def local_slopes(scales: ArrayLike, times: ArrayLike, errors: ArrayLike | None = None) -> Slopes:
    """Return ``ln(t_{k+1}/t_k) / ln(eps_{k+1}/eps_k)`` for neighbouring rungs.

    ``scales`` (n), strictly decreasing and positive; ``times`` (n), positive; ``errors`` (n), absolute errors of the
    times (default: one unit of rounding).  A time with an error as large as itself gives an infinite error.
    Raises ValueError for a ladder that is not one.  Source: THEORY T5.
    """
    eps, time, error = _ladder(scales, times, errors, at_least=2)
    return _log_slopes(np.log(eps), np.log(time), _log_errors(time, error))


def difference_slopes(scales: ArrayLike, times: ArrayLike, errors: ArrayLike | None = None) -> Slopes:
    """Return the slopes of ``ln[t(eps_{k+1}) - t(eps_k)]`` against ``ln eps``: an additive constant in t drops out.

    The ladder must be geometric (constant ratio), else the differences of a pure power are not a pure power.
    With a logarithm in place of a power the differences are constant and the slope is 0.  Source: THEORY section 4,
    exponent protocol.  Raises ValueError for fewer than three rungs, an uneven ratio, or times that do not grow as the
    scale shrinks.
    """
    eps, time, error = _ladder(scales, times, errors, at_least=3)
    log_eps = np.log(eps)
    _common_ratio(eps)
    gain = np.diff(time)
    if np.any(gain <= 0):
        k = int(np.argmax(gain <= 0))
        raise ValueError(
            f"difference slopes need times that grow as the scale shrinks, but t({eps[k + 1]:g}) = {time[k + 1]:g} "
            f"is not above t({eps[k]:g}) = {time[k]:g}; use local_slopes"
        )
    return _log_slopes(log_eps[:-1], np.log(gain), _log_errors(gain, error[1:] + error[:-1]))


def finite_scale_error(slopes: Slopes, order: float = 1.0) -> float:
    """Estimate how far the last slope still is from its limit, from its drift.

    If ``s(eps) = s_0 + B eps**order`` on a geometric ladder of ratio ``rho < 1``, the last slope misses the limit by
    ``|s_last - s_previous| rho**order / (1 - rho**order)``.  Order 1 is the largest bias that section 3 of THEORY
    finds for an exponent (class C), hence the default.  Needs two slopes; ValueError otherwise.
    """
    if len(slopes.values) < 2:
        raise ValueError("the drift of slopes needs at least two of them: add one more scale to the ladder")
    if order <= 0:
        raise ValueError(f"the order of the remaining bias must be positive, got {order}")
    shrink = (slopes.scales[-1] / slopes.scales[-2]) ** order
    return float(abs(slopes.values[-1] - slopes.values[-2]) * shrink / (1 - shrink))


def extrapolate_slopes(slopes: Slopes, order: float | None = None) -> Limit:
    """Return the limit of the slopes at scale zero by Richardson's extrapolation.

    With ``order`` given, one elimination of ``B eps**order`` from each neighbouring pair; without it, the order is
    measured from the last three slopes (Aitken).  The error is the change between the last two extrapolations (or,
    when there is only one, the whole correction that it made) plus the propagated error of the slopes.
    Raises ValueError for too few slopes, an uneven ladder, or slopes whose drift does not shrink.
    """
    needed = 2 if order is not None else 3
    if len(slopes.values) < needed:
        raise ValueError(f"this extrapolation needs at least {needed} slopes, got {len(slopes.values)}")
    ratio = _common_ratio(np.asarray(slopes.scales))
    power = measured_order(slopes) if order is None else order
    if not power > _SLOWEST_ORDER:
        raise ValueError(f"the slopes do not settle: measured order {power:g}; use smaller scales")
    weight = ratio**power / (1 - ratio**power)
    limits = [b + (b - a) * weight for a, b in pairwise(slopes.values)]
    change = abs(limits[-1] - (limits[-2] if len(limits) > 1 else slopes.values[-1]))
    propagated = slopes.errors[-1] * (1 + weight) + slopes.errors[-2] * weight
    return Limit(limits[-1], change + propagated, power)


def measured_order(slopes: Slopes) -> float:
    """Return the power of eps with which the last three slopes settle, ``ln(drift ratio) / ln(ladder ratio)``.

    ``inf`` when the last drift is exactly zero, ``-inf`` when only the one before it is.
    """
    if len(slopes.values) < 3:
        raise ValueError("the order of convergence needs at least three slopes")
    ratio = _common_ratio(np.asarray(slopes.scales))
    a, b, c = slopes.values[-3:]
    before, after = abs(b - a), abs(c - b)
    if after == 0:
        return math.inf
    if before == 0:
        return -math.inf
    return math.log(after / before) / math.log(ratio)


def _log_slopes(log_eps: NDArray[np.float64], log_time: NDArray[np.float64], errors: NDArray[np.float64]) -> Slopes:
    step = np.diff(log_eps)
    values = np.diff(log_time) / step
    size = np.abs(log_time) + np.abs(log_eps)
    rounded = errors + 2 * np.finfo(np.float64).eps * size  # the logarithms themselves are rounded
    spread = (rounded[1:] + rounded[:-1]) / np.abs(step)
    middle = np.exp((log_eps[1:] + log_eps[:-1]) / 2)
    return Slopes(tuple(middle.tolist()), tuple(values.tolist()), tuple(spread.tolist()))


def _log_errors(value: NDArray[np.float64], error: NDArray[np.float64]) -> NDArray[np.float64]:
    """Largest change of ``ln value`` when value moves by ``error``: ``-ln(1 - error/value)``, infinite beyond."""
    relative = error / value
    inside = relative < 1
    result: NDArray[np.float64] = np.full_like(value, np.inf)
    result[inside] = -np.log1p(-relative[inside])
    return result


def _ladder(
    scales: ArrayLike, times: ArrayLike, errors: ArrayLike | None, at_least: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    eps = np.asarray(scales, dtype=np.float64)
    time = np.asarray(times, dtype=np.float64)
    rounding = np.finfo(np.float64).eps * np.abs(time)
    error = rounding if errors is None else np.asarray(errors, dtype=np.float64)
    if eps.ndim != 1 or time.shape != eps.shape or error.shape != eps.shape:
        raise ValueError(
            f"scales, times and errors must be sequences of one length, got shapes {eps.shape}, {time.shape}, "
            f"{error.shape}"
        )
    if eps.size < at_least:
        raise ValueError(f"these slopes need at least {at_least} scales, got {eps.size}")
    if not (np.all(np.isfinite(eps)) and np.all(eps > 0) and np.all(np.diff(eps) < 0)):
        raise ValueError("the scales of a ladder must be positive, finite and strictly decreasing")
    if not (np.all(np.isfinite(time)) and np.all(time > 0)):
        raise ValueError("escape times must be positive and finite: leave out the members that did not escape")
    if not np.all(error >= 0):  # NaN fails this test too
        raise ValueError("the errors of the times must be numbers >= 0")
    return eps, time, np.maximum(error, rounding)


def _common_ratio(eps: NDArray[np.float64]) -> float:
    ratios = eps[1:] / eps[:-1]
    ratio = float(ratios[-1])
    if np.any(np.abs(ratios / ratio - 1) > _RATIO_TOLERANCE):
        raise ValueError("this estimate needs a geometric ladder (a constant ratio of neighbouring scales)")
    return ratio
