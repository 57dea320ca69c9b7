"""One Runge-Kutta step for a whole ensemble, each member with its own step and clock, and the dense output of a step.

In the growth clock sigma the flow is dW/dsigma = -grad/rho, dt/dsigma = 1/rho with rho^2 = sum_l
(|grad_l|/|W_l|)^2: a plateau of any length takes O(log 1/eps) units of sigma.  (The sum is within sqrt(L) of the
largest ratio and smooth; at the kinks of the maximum a high-order pair loses its order and half of its steps.)  The
time t is a component of the state (the spare column of `Layout`), under error control like the weights.  In the time
clock rho is replaced by 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from numeric.ensemble import Ensemble
from numeric.kernels import padded
from numeric.monitor import Monitor
from numeric.tableaux import Tableau

_NEWTON_ITERATIONS = 12  # quadratic from a linear guess; bisection steps where Newton leaves the bracket
_THIRD_ORDER_WEIGHT = 0.01  # of Hairer's combination err5^2 / sqrt(err5^2 + 0.01 err3^2)


@dataclass(frozen=True)
class Field:
    """What an evaluation at a state gives besides the derivative.

    losses (A,), weight norms |W_l|_F (A, L), growth rates rho (A,), and the monitored number of the escape rule (A,).
    """

    losses: Tensor
    norms: Tensor
    rates: Tensor
    monitor: Tensor

    def where(self, mask: Tensor, new: Field) -> Field:
        """`new` where the mask (A,) is set, this elsewhere."""
        return Field(
            torch.where(mask, new.losses, self.losses),
            torch.where(mask[:, None], new.norms, self.norms),
            torch.where(mask, new.rates, self.rates),
            torch.where(mask, new.monitor, self.monitor),
        )

    def rows(self, index: Tensor) -> Field:
        """The members `index`."""
        return Field(self.losses[index], self.norms[index], self.rates[index], self.monitor[index])


class Stepper:
    """Stage buffers for at most `members` rows and the arithmetic of a step.  Rows never mix."""

    def __init__(
        self, ensemble: Ensemble, pair: Tableau, members: int, rtol: float, growth: bool, monitor: Monitor
    ) -> None:
        self.pair = pair
        self.monitor = monitor
        self._layout = ensemble.layout
        self._rtol, self._growth = rtol, growth
        stages = pair.stages
        like = ensemble.data.covariates
        self._k = like.new_zeros(stages, members, self._layout.stride)
        self._sum = like.new_zeros(members, self._layout.stride)
        self._next = like.new_zeros(members, self._layout.stride)

    @property
    def time_column(self) -> int:
        """The column of the state that holds the time."""
        return self._layout.parameters

    def field(self, ensemble: Ensemble, state: Tensor, out: Tensor, monitored: bool = True) -> Field:
        """Write d(state)/d(clock) into `out`; return what the evaluation gave besides."""
        losses = ensemble.gradient(state, out)
        norms = self._layout.norms(state)
        rates = _root_sum_of_squares(self._layout.norms(out) / norms)
        speed = 1.0 / rates if self._growth else torch.ones_like(rates)
        out.mul_(-speed[:, None])
        out[:, self._layout.parameters] = speed
        out[:, self._layout.parameters + 1 :] = 0.0
        return Field(losses, norms, rates, self.monitor.values(ensemble, state, losses, norms) if monitored else losses)

    def stages(self, count: int) -> Tensor:
        """The stage buffer (stages, count, stride) of the current batch; stage 0 is the derivative at its start."""
        return self._k[:, :count]

    def step(self, ensemble: Ensemble, state: Tensor, h: Tensor) -> tuple[Tensor, Field]:
        """Trial step of size h (A,) from `state`, stage 0 being set: the new state (a buffer) and its field."""
        k = self.stages(state.shape[0])
        new = self._next[: state.shape[0]]
        for index, row in enumerate(self.pair.a[:-1], start=1):
            torch.addcmul(state, self._combine(k, row), h[:, None], out=new)
            self.field(ensemble, new, k[index], monitored=False)
        torch.addcmul(state, self._combine(k, self.pair.a[-1]), h[:, None], out=new)
        return new, self.field(ensemble, new, k[-1])

    def error(self, h: Tensor, old_norms: Tensor, new_norms: Tensor, time: Tensor) -> Tensor:
        """Error of the trial step over rtol: the largest over layers of |err_l|/|W_l|, and of the time, (A,)."""
        k = self.stages(h.shape[0])
        parts = [self._norms(self._combine(k, row)) for row in self.pair.error]
        size = parts[0]
        if len(parts) == 2:
            weight = (parts[0] ** 2 + _THIRD_ORDER_WEIGHT * parts[1] ** 2).sqrt()
            size = torch.where(weight > 0, parts[0] ** 2 / weight, weight)
        scale = torch.cat([torch.maximum(old_norms, new_norms), time.abs()[:, None]], dim=1)
        return (size * h[:, None] / (self._rtol * scale)).amax(dim=1)

    def _norms(self, total: Tensor) -> Tensor:
        time = total[:, self._layout.parameters].abs()
        return torch.cat([self._layout.norms(total), time[:, None]], dim=1)

    def _combine(self, k: Tensor, row: tuple[float, ...]) -> Tensor:
        total = self._sum[: k.shape[1]]
        torch.mul(k[0], row[0], out=total)
        for stage, coefficient in enumerate(row[1:], start=1):
            if coefficient != 0.0:
                total.add_(k[stage], alpha=coefficient)
        return total

    def record(self, rows: Tensor, state: Tensor, h: Tensor) -> Segment:
        """A copy of the current step of some rows, for dense output later."""
        return Segment(state[rows].clone(), self._k[:, rows].clone(), h[rows].clone())

    def complete(self, ensemble: Ensemble, segment: Segment) -> Segment:
        """The segment with the further stages that the pair's interpolant needs (none for Tsit5)."""
        stages = [*segment.stages]
        for row in self.pair.extra:
            total = stages[0] * row[0]
            for stage, coefficient in zip(stages[1:], row[1:], strict=True):
                if coefficient != 0.0:
                    total.add_(stage, alpha=coefficient)
            point = segment.start + total * segment.h[:, None]
            derivative = torch.empty_like(point)
            self.field(ensemble, point, derivative, monitored=False)
            stages.append(derivative)
        return Segment(segment.start, torch.stack(stages), segment.h)

    def at(self, segment: Segment, theta: Tensor) -> Tensor:
        """State (A, stride) at the fraction theta (A,) of a completed segment."""
        total = torch.zeros_like(segment.start)
        for stage, row in zip(segment.stages, self.pair.dense, strict=True):
            total.add_(stage * _horner(row, theta)[:, None])
        return segment.start + total * segment.h[:, None]

    def time_at(self, segment: Segment, theta: Tensor) -> Tensor:
        """The time component of `at`, (A,)."""
        return _horner(self._time_polynomial(segment), theta) + segment.start[:, self.time_column]

    def theta_of(self, segment: Segment, times: Tensor) -> Tensor:
        """The fraction theta at which the (increasing) time of the segment equals `times`, by safeguarded Newton."""
        polynomial = self._time_polynomial(segment)
        slope = [(power + 1) * coefficient for power, coefficient in enumerate(polynomial)]
        target = times - segment.start[:, self.time_column]
        low, high = torch.zeros_like(times), torch.ones_like(times)
        theta = (target / _horner(polynomial, high)).clamp(0.0, 1.0)
        for _ in range(_NEWTON_ITERATIONS):
            value = _horner(polynomial, theta) - target
            low, high = torch.where(value < 0, theta, low), torch.where(value < 0, high, theta)
            newton = theta - value / _horner_plain(slope, theta)
            # Not strictly between: at the root itself the bracket is closed, and bisecting would leave it again.
            theta = torch.where((newton >= low) & (newton <= high), newton, 0.5 * (low + high))
        return theta

    def _time_polynomial(self, segment: Segment) -> list[Tensor]:
        """Coefficients (A,) of theta, theta^2, .. of the time, without any reduction that could depend on A."""
        degree = len(self.pair.dense[0])
        total = [torch.zeros_like(segment.h) for _ in range(degree)]
        for stage, row in zip(segment.stages, self.pair.dense, strict=True):
            total = [
                part + coefficient * stage[:, self.time_column] for part, coefficient in zip(total, row, strict=True)
            ]
        return [part * segment.h for part in total]


@dataclass(frozen=True)
class Segment:
    """One step of A members: start (A, stride), stages (s, A, stride), h (A,)."""

    start: Tensor
    stages: Tensor
    h: Tensor


def _root_sum_of_squares(ratios: Tensor) -> Tensor:
    """Over the second dimension, column by column: a reduction kernel might depend on the number of rows."""
    total = torch.zeros_like(ratios[:, 0])
    for column in ratios.unbind(1):
        total = total + column * column
    return total.sqrt()


def power(values: Tensor, exponent: float) -> Tensor:
    """values ** exponent for a short vector."""
    return _in_padded_buffer(values).pow_(exponent)[: values.numel()]


def logarithm(values: Tensor) -> Tensor:
    """log(values) for a short vector."""
    return _in_padded_buffer(values).log_()[: values.numel()]


def _in_padded_buffer(values: Tensor) -> Tensor:
    """A copy with ones behind it, so that no entry of a vectorised function depends on its position."""
    buffer = torch.ones(padded(values.numel()), dtype=values.dtype, device=values.device)
    buffer[: values.numel()] = values
    return buffer


def _horner(coefficients: Sequence[float | Tensor], theta: Tensor) -> Tensor:
    """c_1 theta + c_2 theta^2 + ..."""
    return _horner_plain(coefficients, theta) * theta


def _horner_plain(coefficients: Sequence[float | Tensor], theta: Tensor) -> Tensor:
    """c_1 + c_2 theta + ..."""
    total = torch.zeros_like(theta)
    for coefficient in reversed(coefficients):
        total = total * theta + coefficient
    return total
