"""The stepper that follows an ensemble of flows until each member escapes, every member with a step of its own.

A chart holds M members: it maps its state [M, n] to layer scales and time, and gives the derivative of the state with
respect to the chart's clock or, for the members in which ``at_event`` is set, with respect to the escape observable g
(Henon's device: a step of size -g then ends on the event).  g < 0 before the escape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from numeric.dormand_prince import ORDER, STAGES, error_norm, step, step_factor
from numeric.run_status import RunStatus

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class Chart(Protocol):
    """What :func:`follow` needs of a chart; every method returns new arrays."""

    state: FloatArray

    def field(self, state: FloatArray, at_event: BoolArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """d state / d clock [M, n], the observable g [M], dg / d(own clock) [M] and d(own clock) / dt [M]."""

    def slopes(self, state: FloatArray, at_event: BoolArray) -> FloatArray:
        """The first of what ``field`` gives, for the stages of a step, which need nothing else."""

    def hold(self, members: BoolArray, speed: FloatArray) -> None:
        """From now on the clock of these members runs at this ``speed`` [M] at least, so that it does not stall."""

    def tolerance(self, state: FloatArray, new: FloatArray, rtol: FloatArray) -> FloatArray:
        """The tolerated local error [M, n], for a relative one of ``rtol`` [M]."""

    def first_step(self, slope: FloatArray) -> FloatArray:
        """Size of the first step [M] in the chart's own clock."""

    def smallest_step(self) -> FloatArray:
        """The step below which the clock cannot resolve [M]."""

    def times(self, state: FloatArray) -> FloatArray:
        """Gradient-flow time [M]."""

    def scales(self, state: FloatArray) -> FloatArray:
        """Layer scales [M, L]."""

    def keep(self, mask: BoolArray) -> None:
        """Drop the members outside ``mask``, the state included."""


@dataclass(frozen=True)
class End:
    """Where the members of a chart ended: arrays [M], states [M, n], scales [M, L]."""

    states: FloatArray
    scales: FloatArray
    times: FloatArray
    status: NDArray[np.object_]
    evaluations: NDArray[np.int64]


def follow(
    chart: Chart,
    rtol: float | FloatArray,
    until: float,
    max_steps: int,
    first_step_factor: float | FloatArray = 1.0,
) -> End:
    """Step all members of ``chart``, each with its own step, until it escapes or a status ends it.

    ``first_step_factor`` changes the first step and with it all others: for a second run whose errors are independent.
    It and ``rtol`` are one number, or one per member [M].
    """
    return _Run(chart, rtol, until, first_step_factor).finish(max_steps)


class _Run:
    """The members still running and, by their original index, the results of those that ended."""

    def __init__(
        self, chart: Chart, rtol: float | FloatArray, until: float, first_step_factor: float | FloatArray
    ) -> None:
        self.chart, self.until = chart, until
        count = chart.state.shape[0]
        self.rtol: FloatArray = np.broadcast_to(np.asarray(rtol, dtype=np.float64), (count,))
        self.index = np.arange(count)
        self.at_event, self.landing = np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_)
        self.slope, self.g, self.g_slope, self.speed = chart.field(chart.state, self.at_event)
        self.size, self.remaining = first_step_factor * chart.first_step(self.slope), np.full(count, np.nan)
        self.last_size, self.last_norm = self.size, np.full(count, np.nan)  # of the last accepted step
        self.end = End(
            chart.state.copy(),
            chart.scales(chart.state).copy(),
            chart.times(chart.state).copy(),
            np.full(count, RunStatus.BUDGET_SPENT, dtype=object),
            np.ones(count, dtype=np.int64),
        )

    def finish(self, max_steps: int) -> End:
        """Run to the end of every member or of the budget."""
        usable = np.isfinite(self.slope).all(axis=1) & np.isfinite(self.chart.state).all(axis=1)
        self._retire(np.asarray(~usable), RunStatus.NOT_FINITE)
        self._retire(np.asarray(self.g >= 0.0), RunStatus.ESCAPED)
        at_rest = RunStatus.UNTIL_REACHED if math.isfinite(self.until) else RunStatus.BUDGET_SPENT
        self._retire(~np.isfinite(self.size), at_rest)  # nothing moves: the start is a critical point
        for _ in range(max_steps):
            if self.index.size == 0:
                break
            self._step()
        self._retire(np.ones(self.index.size, dtype=np.bool_), RunStatus.BUDGET_SPENT)
        return self.end

    def _step(self) -> None:
        chart, at_event, size = self.chart, self.at_event, self.size
        new, errors = step(lambda y: chart.slopes(y, at_event), chart.state, self.slope, size)
        norm = error_norm(errors, chart.tolerance(chart.state, new, self.rtol), size)
        slope, g, g_slope, speed = chart.field(new, at_event)
        self.end.evaluations[self.index] += STAGES
        norm = np.where(np.isfinite(slope).all(axis=1), norm, np.inf)
        factor = step_factor(norm)
        crossing = (norm <= 1.0) & ~at_event & ~self.landing & (g >= 0.0)
        accepted = (norm <= 1.0) & ~crossing
        # A step across the event is taken again so that it ends near it; the last step then lands on it exactly.
        near = size
        if crossing.any():
            near = size * _crossing(self.g, size * self.g_slope, g, size * g_slope)
        plain = accepted & ~at_event & ~self.landing
        # What the error did over the last two steps it will do again (Gustafsson's predictive controller); a step in
        # the observable is measured in another unit than the one before it, and has no trend.
        trend = np.abs(size / self.last_size) * (self.last_norm / np.maximum(norm, 1e-10)) ** (1.0 / ORDER)
        factor = np.where(accepted, factor * np.where(plain, np.fmin(1.0, trend), 1.0), np.minimum(factor, 0.9))
        lost = (norm > 1.0) & (np.abs(size) * factor < chart.smallest_step())
        self.remaining = np.where(accepted & at_event, self.remaining - size, self.remaining)
        landed = accepted & self.landing
        arrived = accepted & at_event & (self.remaining == 0.0) | landed & (g == 0.0)
        self.size = np.where(crossing, near, size * factor)
        take = accepted[:, None]
        chart.state, self.slope = np.where(take, new, chart.state), np.where(take, slope, self.slope)
        self.g, self.g_slope = np.where(accepted, g, self.g), np.where(accepted, g_slope, self.g_slope)
        self.last_size, self.last_norm = np.where(plain, size, self.last_size), np.where(plain, norm, self.last_norm)
        chart.hold(accepted & (speed < self.speed), speed)
        self.speed = np.where(accepted, speed, self.speed)
        self.landing = crossing
        if landed.any():
            self.at_event = at_event | landed
            self.remaining = np.where(landed, -g, self.remaining)
            self.slope = np.where(landed[:, None], self.slope / self.g_slope[:, None], self.slope)
        overshoots = np.abs(self.size) >= np.abs(self.remaining)
        self.size = np.where(landed | self.at_event & overshoots, self.remaining, self.size)
        late = chart.times(chart.state) > self.until
        if not (lost | arrived | late).any():
            return
        reasons = np.full(self.index.size, None, dtype=object)
        reasons[lost] = RunStatus.STEP_UNDERFLOW
        reasons[lost & np.isinf(norm)] = RunStatus.NOT_FINITE
        reasons[arrived] = RunStatus.ESCAPED
        reasons[late] = RunStatus.UNTIL_REACHED
        for reason in RunStatus:
            self._retire(np.asarray(reasons == reason), reason)
            reasons = reasons[reasons != reason]

    def _retire(self, ended: BoolArray, reason: RunStatus) -> None:
        """Record the members that ended and drop them."""
        if not ended.any():
            return
        gone, chart = self.index[ended], self.chart
        self.end.states[gone] = chart.state[ended]
        self.end.scales[gone] = chart.scales(chart.state)[ended]
        self.end.times[gone] = chart.times(chart.state)[ended]
        self.end.status[gone] = reason
        keep = ~ended
        chart.keep(keep)
        self.index, self.slope, self.size = self.index[keep], self.slope[keep], self.size[keep]
        self.g, self.g_slope, self.remaining = self.g[keep], self.g_slope[keep], self.remaining[keep]
        self.at_event, self.landing, self.speed = self.at_event[keep], self.landing[keep], self.speed[keep]
        self.last_size, self.last_norm, self.rtol = self.last_size[keep], self.last_norm[keep], self.rtol[keep]


def _crossing(g0: FloatArray, d0: FloatArray, g1: FloatArray, d1: FloatArray) -> FloatArray:
    """The root in (0, 1) of the cubic with values g0 < 0 <= g1 and derivatives d0, d1 at the ends, by bisection."""
    low, high = np.zeros_like(g0), np.ones_like(g0)
    for _ in range(10):  # the last step, in the observable itself, does the rest
        x = 0.5 * (low + high)
        y = 1.0 - x
        value = y * y * ((1.0 + 2.0 * x) * g0 + x * d0) + x * x * ((1.0 + 2.0 * y) * g1 - y * d1)
        low, high = np.where(value < 0.0, x, low), np.where(value < 0.0, high, x)
    return 0.5 * (low + high)
