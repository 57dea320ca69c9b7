"""Escape times of the manifold flow, a whole sweep of starts in one call (THEORY T5, section 3 "Numerics that work").

On the plateau every small layer grows like the others, so the flow is followed in the variable v = log of the geometric
mean of the small layers.  With rho = dv/dt, y_l = log|X_l| and kappa = r - 2 (r small layers)

    dy_l/dv = (dX_l/dt) / (X_l rho),    rho_0 t = (1 - exp(-kappa (v - v_0)))/kappa + R,
    dR/dv = rho_0/rho - exp(-kappa (v - v_0)):

the leading law is integrated exactly, R carries what differs from it, and a plateau costs a few steps whatever its
length.  The escape is located by making the escape observable itself the independent variable of the last step (Henon,
Physica D 5, 1982), so that the escape time is as accurate as any other value.  Where v does not increase (a start of
the wrong sign, a level that is never reached) the member is followed in t instead, until its time or its budget ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numeric.economy import agrees, economical_model
from numeric.escape_rule import EscapeRule, parse_escape_rule
from numeric.event_stepper import Chart, follow
from numeric.manifold import ManifoldModel
from numeric.manifold_charts import LogChart, TimeChart
from numeric.member_nodes import MemberNodes
from numeric.run_status import RunStatus

FloatArray = NDArray[np.float64]

_TAIL = 1e-3  # share of a loss that may come from beyond nine standard deviations; 1e-18 where the mean is finite
_LOOSER, _FIRST = 30.0, 1.7  # tolerance and first step of the second run, relative to those of the first
_CHANCE = 0.01  # two runs that agree to less than this of the tolerance agree by chance
_ROUNDING = 8 * float(np.finfo(np.float64).eps)  # a sum of a few positive terms keeps a few units of rounding


@dataclass(frozen=True)
class ManifoldEscape:
    """One entry per start.

    ``times`` [M]: escape times, NaN where the member did not escape.  ``errors`` [M]: absolute error estimates, the
    distance to a second run with a thirtyfold looser tolerance, other steps and other quadrature nodes (NaN if not
    asked for).  ``scales`` [M, L] and ``loss`` [M]: the state in which the run ended, at ``end_times`` [M].
    ``evaluations`` [M]: right-hand sides, rejected steps and the second run included.
    """

    times: FloatArray
    errors: FloatArray
    status: tuple[RunStatus, ...]
    scales: FloatArray
    loss: FloatArray
    end_times: FloatArray
    evaluations: NDArray[np.int64]
    rule: EscapeRule


def bottleneck_starts(
    eps: ArrayLike, depth: int, small: Sequence[int] | None = None, scales: ArrayLike = 1.0
) -> FloatArray:
    """Starts [M, L]: the layers ``small`` (counted from 1, default all) at eps [M], the others at ``scales``.

    ``scales``: one number, or L numbers that multiply eps in the small layers and stand as they are in the others.
    Raises ValueError unless every eps is positive and finite and the layers exist.
    """
    values = np.atleast_1d(np.asarray(eps, dtype=np.float64))
    if values.ndim != 1 or not np.isfinite(values).all() or (values <= 0.0).any():
        raise ValueError(f"eps must be positive and finite (at eps = 0 the start is the saddle itself), got {eps!r}")
    layers = small_mask(small, depth)
    factors = np.asarray(scales, dtype=np.float64)
    if factors.shape not in ((), (depth,)) or not np.isfinite(factors).all():
        raise ValueError(f"scales must be one finite number or {depth} of them, one per layer, got {scales!r}")
    if factors.ndim == 0:
        factors = np.where(layers, 1.0, factors)
    return np.where(layers, values[:, None] * factors, factors)


def manifold_escape(
    model: ManifoldModel,
    starts: ArrayLike,
    rule: str | EscapeRule = "loss:0.5",
    *,
    small: Sequence[int] | None = None,
    rtol: float = 1e-10,
    scales_rtol: float | None = None,
    until: float = math.inf,
    max_steps: int = 1000,
    estimate_error: bool = True,
) -> ManifoldEscape:
    """Escape times from ``starts`` [M, L] or [L] (see :func:`bottleneck_starts`).

    ``small``: the layers (counted from 1) whose geometric mean is the clock; default: those within a factor 10 of the
    smallest, in any start.  ``rtol`` bounds the local error of a step relative to scales and time; with ``scales_rtol``
    (at least ``rtol``) that of the scales may grow up to it where the time does not depend on it to ``rtol``: for
    sweeps of which only the times are wanted.  ``until`` is in gradient-flow time; ``max_steps`` bounds the steps of a
    member.

    Raises ValueError for an unknown rule, a tolerance outside (0, 1), starts of wrong shape or not finite.
    """
    X = np.atleast_2d(np.asarray(starts, dtype=np.float64))
    if X.ndim != 2 or X.shape[1] != model.depth or not np.isfinite(X).all():
        raise ValueError(f"starts must be finite and of shape [members, {model.depth}], got shape {np.shape(starts)}")
    if not 0.0 < rtol < 1.0:
        raise ValueError(f"rtol must lie strictly between 0 and 1, got {rtol!r}")
    if not until > 0.0 or max_steps < 1:
        raise ValueError(
            f"until must be positive and max_steps at least 1, got until={until!r}, max_steps={max_steps!r}"
        )
    if scales_rtol is not None and not rtol <= scales_rtol < 1.0:
        raise ValueError(f"scales_rtol must lie between rtol and 1, got {scales_rtol!r}")
    slack = 1.0 if scales_rtol is None else scales_rtol / rtol
    parsed = parse_escape_rule(rule, model.depth)
    layers = _nearly_smallest(X) if small is None else np.broadcast_to(small_mask(small, model.depth), X.shape)
    settings = _Settings(parsed, rtol, until, max_steps, slack)
    run, rough = _economical_runs(model, X, layers, settings, estimate_error)
    errors, evaluations = np.full(X.shape[0], np.nan), run.evaluations
    if rough is not None:
        evaluations = evaluations + rough.evaluations
        errors = np.maximum(np.abs(run.times - rough.times), max(_ROUNDING, _CHANCE * rtol) * run.times)
    return ManifoldEscape(
        run.times,
        errors,
        _with_cause(model, run),
        run.scales,
        model.loss(run.scales),
        run.end_times,
        evaluations,
        parsed,
    )


@dataclass(frozen=True)
class _Run:
    times: FloatArray
    end_times: FloatArray
    scales: FloatArray
    status: tuple[RunStatus, ...]
    evaluations: NDArray[np.int64]

    def part(self, members: slice) -> _Run:
        """The run of these members."""
        return _Run(
            self.times[members],
            self.end_times[members],
            self.scales[members],
            self.status[members],
            self.evaluations[members],
        )

    def with_members(self, members: NDArray[np.intp], other: _Run) -> _Run:
        """With the results of ``other`` for these members; evaluations add up."""
        times, end_times, scales = self.times.copy(), self.end_times.copy(), self.scales.copy()
        evaluations, status = self.evaluations.copy(), list(self.status)
        times[members], end_times[members], scales[members] = other.times, other.end_times, other.scales
        evaluations[members] += other.evaluations
        for index, member in enumerate(members):
            status[member] = other.status[index]
        return _Run(times, end_times, scales, tuple(status), evaluations)


@dataclass(frozen=True)
class _Settings:
    rule: EscapeRule
    rtol: float
    until: float
    max_steps: int
    slack: float


def _economical_runs(
    model: ManifoldModel, X: FloatArray, small: NDArray[np.bool_], settings: _Settings, twice: bool
) -> tuple[_Run, _Run | None]:
    """With no more quadrature nodes than the tolerance needs; members for which they were too few run again with all.

    ``twice``: also a second run, looser and with other steps, on nodes half a step away, or on two thirds of all.
    """
    cheap, count = economical_model(model, settings.rtol), X.shape[0]
    if cheap is model or count == 0:
        return _runs(model, model.refined(2.0 / 3.0), X, small, settings, twice)
    run, rough = _runs(cheap, cheap.with_rule(cheap.rule.shifted()), X, small, settings, twice)
    fine = agrees(cheap, model, X, settings.rtol) & agrees(cheap, model, run.scales, settings.rtol)
    again = np.flatnonzero(~fine)
    if again.size == 0:
        return run, rough
    redone, rough_again = _runs(model, model.refined(2.0 / 3.0), X[again], small[again], settings, twice)
    run = run.with_members(again, redone)
    return run, rough if rough is None or rough_again is None else rough.with_members(again, rough_again)


def _runs(
    model: ManifoldModel,
    other: ManifoldModel,
    X: FloatArray,
    small: NDArray[np.bool_],
    settings: _Settings,
    twice: bool,
) -> tuple[_Run, _Run | None]:
    """The run and the second one, as one ensemble of both if there are equally many nodes: that saves time."""
    count = X.shape[0]
    rtol, factor = np.full(count, settings.rtol), np.ones(count)
    if not twice:
        return _run(model, X, small, settings, rtol, factor, model.loss(X)), None
    if model.rule.nodes.size != other.rule.nodes.size:
        rough = _run(other, X, small, settings, _LOOSER * rtol, _FIRST * factor, other.loss(X))
        return _run(model, X, small, settings, rtol, factor, model.loss(X)), rough
    both = _run(
        MemberNodes([model, other], count),
        np.concatenate([X, X]),
        np.concatenate([small, small]),
        settings,
        np.concatenate([rtol, _LOOSER * rtol]),
        np.concatenate([factor, _FIRST * factor]),
        np.concatenate([model.loss(X), other.loss(X)]),
    )
    return both.part(slice(0, count)), both.part(slice(count, None))


def _run(
    model: ManifoldModel,
    X: FloatArray,
    small: NDArray[np.bool_],
    settings: _Settings,
    rtol: FloatArray,
    first_step_factor: FloatArray,
    reference: FloatArray,
) -> _Run:
    """Follow every member in log X; those for which that chart ends without an answer go on in t.

    ``reference``: the losses at the start.
    """
    count = X.shape[0]
    scales, clocks = X.copy(), np.zeros(count)
    status = np.full(count, RunStatus.STEP_UNDERFLOW, dtype=object)
    evaluations = np.zeros(count, dtype=np.int64)
    with np.errstate(all="ignore"):  # members that leave the range of float64 are caught by their status
        for chart_type in (LogChart, TimeChart):
            todo = np.flatnonzero((status == RunStatus.STEP_UNDERFLOW) | (status == RunStatus.NOT_FINITE))
            if chart_type is LogChart:
                todo = todo[LogChart.applies(model, X, small)[todo]]
            if todo.size == 0:
                continue
            chart: Chart = chart_type(
                model.select(todo),
                settings.rule,
                scales[todo],
                clocks[todo],
                reference[todo],
                small[todo],
                settings.slack,
            )
            end = follow(chart, rtol[todo], settings.until, settings.max_steps, first_step_factor[todo])
            scales[todo], clocks[todo], status[todo] = end.scales, end.times, end.status
            evaluations[todo] += end.evaluations
    times = np.where(status == RunStatus.ESCAPED, clocks, np.nan)
    return _Run(times, clocks, scales, tuple(status), evaluations)


def _with_cause(model: ManifoldModel, run: _Run) -> tuple[RunStatus, ...]:
    """The status, where a run failed because the loss has no finite mean where it ended: not the budget's fault."""
    failed = np.array([status.failed for status in run.status], dtype=np.bool_)
    if not failed.any():
        return run.status
    with np.errstate(all="ignore"):
        loss, wider = (m.loss(run.scales) for m in (model, model.with_rule(model.rule.wider())))
        lost = failed & ~(np.abs(wider - loss) <= _TAIL * loss)
    return tuple(RunStatus.NOT_FINITE if no else status for no, status in zip(lost, run.status, strict=True))


def small_mask(small: Sequence[int] | None, depth: int) -> NDArray[np.bool_]:
    """The layers ``small`` (counted from 1; None: all) as a mask [L]; ValueError for a layer that is not there."""
    mask = np.zeros(depth, dtype=np.bool_)
    for layer in range(1, depth + 1) if small is None else small:
        if not 1 <= layer <= depth:
            raise ValueError(f"small layers are counted from 1 to {depth}, got {small!r}")
        mask[layer - 1] = True
    if not mask.any():
        raise ValueError("at least one layer must be small, got none")
    return mask


def _nearly_smallest(X: FloatArray) -> NDArray[np.bool_]:
    size = np.abs(X)
    return np.asarray(size <= 10.0 * size.min(axis=1, keepdims=True))
