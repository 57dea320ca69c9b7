"""Tests on paired seeds: is an exponent the predicted one, is a rival excluded, do held-out ratios come out as 1.

"Paired" means that one seed keeps its initial direction at every scale (or under every condition), so the slope is
taken within a seed and only its scatter between seeds enters the interval.  An equivalence test reverses the burden:
noise cannot make a theorem pass, and (by the margin of the rival's test) cannot refute anything either.
Each judgement carries the level of the Student interval that it uses.  Source: THEORY section 4 and section 6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from numeric.estimators import difference_slopes, local_slopes

Array = NDArray[np.float64]

PROTOCOL_LEVEL = 0.99  # two-sided, hence the quantile t_{.995, S-1} of the protocol
EQUIVALENCE_BOUND = 0.05  # a slope this close to an exponent: rivals differ by 1, by 1/2 where they halve one
RIVAL_MARGIN = 0.5  # half of the distance between neighbouring integer exponents


@dataclass(frozen=True)
class PairedSlopes:
    """Slopes of S seeds on a common ladder.

    ``last`` and ``previous``, each of length S', are the slopes at the two smallest scales of the seeds whose times are
    all finite; ``missing`` counts the other seeds; ``numerical_error`` is the largest error that the errors of the
    times put on a last slope.
    """

    last: tuple[float, ...]
    previous: tuple[float, ...]
    missing: int
    numerical_error: float


@dataclass(frozen=True)
class EquivalenceBound:
    """``mean`` of the last slopes, its Student half width at ``level``, its drift, and the bound U on a prediction."""

    predicted: float
    mean: float
    half_width: float
    drift: float
    numerical_error: float
    level: float
    seeds: int
    missing: int

    @property
    def bound(self) -> float:
        """U = |mean - predicted| + t sd/sqrt(S) + |mean_last - mean_previous| (+ the integration error)."""
        return abs(self.mean - self.predicted) + self.uncertainty

    @property
    def uncertainty(self) -> float:
        """What U adds to the deviation: half width + drift + integration error."""
        return self.half_width + self.drift + self.numerical_error

    @property
    def passes(self) -> bool:
        """U <= .05, and no member failed to escape."""
        return self.missing == 0 and self.bound <= EQUIVALENCE_BOUND

    def refutes(self, rival: float) -> bool:
        """Whether a rival exponent is excluded: |mean - rival| exceeds the uncertainty by at least one half.

        Members that did not escape leave nothing refuted.
        """
        return self.missing == 0 and abs(self.mean - rival) - self.uncertainty >= RIVAL_MARGIN


def paired_slopes(
    scales: ArrayLike, times: ArrayLike, errors: ArrayLike | None = None, *, differences: bool = True
) -> PairedSlopes:
    """Reduce escape times of shape (S seeds, K scales) to the last two slopes of each seed.

    ``scales`` (K), decreasing; a member that did not escape has a time that is not finite.  ``differences``: slopes of
    ``t(eps_{k+1}) - t(eps_k)`` (the protocol, for r >= 2), else plain slopes (r = 1).  Raises ValueError for shapes
    that do not match or fewer scales than two slopes need.
    """
    eps = np.asarray(scales, dtype=np.float64)
    table = np.asarray(times, dtype=np.float64)
    needed = 4 if differences else 3
    if table.ndim != 2 or eps.ndim != 1 or table.shape[1] != eps.size or table.shape[0] == 0:
        raise ValueError(f"times must have shape (seeds, scales) with {eps.size} scales, got {table.shape}")
    if eps.size < needed:
        raise ValueError(f"two slopes per seed need at least {needed} scales, got {eps.size}")
    table_errors = None if errors is None else np.asarray(errors, dtype=np.float64)
    if table_errors is not None and table_errors.shape != table.shape:
        raise ValueError(f"errors must have the shape of the times {table.shape}, got {table_errors.shape}")
    slope_of = difference_slopes if differences else local_slopes
    escaped = [s for s in range(table.shape[0]) if np.all(np.isfinite(table[s]))]
    rows = [slope_of(eps, table[s], None if table_errors is None else table_errors[s]) for s in escaped]
    return PairedSlopes(
        last=tuple(row.values[-1] for row in rows),
        previous=tuple(row.values[-2] for row in rows),
        missing=table.shape[0] - len(rows),
        numerical_error=max((row.last_error for row in rows), default=math.inf),
    )


def equivalence_bound(slopes: PairedSlopes, predicted: float, level: float = PROTOCOL_LEVEL) -> EquivalenceBound:
    """Return the bound U of the exponent protocol for ``predicted`` (-max(r - 2, 0) in T6).

    With fewer than two escaped seeds there is no scatter to judge by: U is infinite and nothing is refuted.
    """
    seeds = len(slopes.last)
    mean = math.fsum(slopes.last) / seeds if seeds else math.nan
    previous = math.fsum(slopes.previous) / seeds if seeds else math.nan
    return EquivalenceBound(
        predicted=predicted,
        mean=mean,
        half_width=student_half_width(slopes.last, level),
        drift=abs(mean - previous) if seeds else math.inf,
        numerical_error=slopes.numerical_error,
        level=level,
        seeds=seeds,
        missing=slopes.missing,
    )


def student_half_width(sample: Sequence[float] | Array, level: float) -> float:
    """Half width ``t_{(1+level)/2, S-1} sd / sqrt(S)`` of the two-sided interval of the mean; infinite for S < 2."""
    if not 0 < level < 1:
        raise ValueError(f"the level of an interval lies between 0 and 1, got {level}")
    values = np.asarray(sample, dtype=np.float64)
    if values.size < 2:
        return math.inf
    quantile = float(special.stdtrit(values.size - 1, (1 + level) / 2))  # Student's t
    return quantile * float(values.std(ddof=1)) / math.sqrt(values.size)


@dataclass(frozen=True)
class RatioInterval:
    """Measured over predicted time of one held-out condition: geometric mean over seeds and a simultaneous interval."""

    condition: int
    ratio: float
    low: float
    high: float
    level: float
    seeds: int

    def contains(self, value: float = 1.0) -> bool:
        """Whether the interval holds ``value``."""
        return self.low <= value <= self.high


def calibrated_ratios(
    times: ArrayLike, predictions: ArrayLike, *, reference: int = 0, level: float = PROTOCOL_LEVEL
) -> tuple[RatioInterval, ...]:
    """Compare conditions after one calibration; every condition but the reference is held out.

    ``times`` (S seeds, C conditions), paired by seed; ``predictions`` (C), times up to one common unknown factor (for
    instance 1/Gamma of T8).  The reference condition fixes that factor seed by seed; then
    ``rho = t_{s,c} T_ref / (t_{s,ref} T_c)`` should be 1.  Intervals are Student's on ln rho, Bonferroni-corrected, so
    that ``level`` is the level at which all of them hold together; with one seed they are infinite.
    Raises ValueError for times or predictions that are not positive and finite, or nothing held out.
    """
    table = np.asarray(times, dtype=np.float64)
    model = np.asarray(predictions, dtype=np.float64)
    if table.ndim != 2 or model.shape != table.shape[1:] or model.size < 2:
        raise ValueError(
            f"times must be (seeds, conditions) with one prediction per condition and at least two conditions, got "
            f"{table.shape} and {model.shape}"
        )
    if not (np.all(np.isfinite(table)) and np.all(table > 0) and np.all(np.isfinite(model)) and np.all(model > 0)):
        raise ValueError("times and predictions must be positive and finite: leave out seeds that did not escape")
    if not 0 <= reference < model.size:
        raise ValueError(f"the reference must be one of the {model.size} conditions, got {reference}")
    logs = np.log(table) - np.log(model)
    held_out = [c for c in range(model.size) if c != reference]
    each = 1 - (1 - level) / len(held_out)
    intervals = []
    for condition in held_out:
        paired = logs[:, condition] - logs[:, reference]
        centre, half = float(paired.mean()), student_half_width(paired, each)
        low, high = math.exp(centre - half), math.exp(centre + half)
        intervals.append(RatioInterval(condition, math.exp(centre), low, high, level, table.shape[0]))
    return tuple(intervals)
