"""Two ways to follow the manifold flow: in the logarithm of the layer scales and, as a fallback, in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from numeric.escape_rule import EscapeRule
from numeric.manifold import ManifoldModel

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_FIRST_STEP = 0.5  # of the clock; the controller corrects it after one step
_SMALLEST_STEP = 1e-13
_SHARE = 0.01  # of the tolerance of the time, for what the scales contribute in one of some tens of steps


class _Observable:
    """The escape observable of a rule, scaled to be negative before the escape and zero at it."""

    def __init__(self, rule: EscapeRule, reference: FloatArray) -> None:
        self.rule, self.reference = rule, reference

    def __call__(self, model: ManifoldModel, X: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """dX/dt [M, L], g [M], dg/dt [M]."""
        rule = self.rule
        if rule.kind == "scale":
            rates = model.evaluate(X)[0]
            scale = X[:, rule.layer - 1]
            return rates, np.log(np.abs(scale) / rule.level), rates[:, rule.layer - 1] / scale
        rates, value, rate = model.evaluate(X, rule.kind)
        if rule.kind == "loss":
            return rates, rule.level - value / self.reference, -rate / self.reference
        return rates, value - rule.level, rate

    def keep(self, mask: BoolArray) -> None:
        self.reference = self.reference[mask]


class LogChart:
    """State (log|X_1|, ..., log|X_L|, R), clock v; see the module ``manifold_sweep``."""

    def __init__(
        self,
        model: ManifoldModel,
        rule: EscapeRule,
        X: FloatArray,
        start_times: FloatArray,
        reference: FloatArray,
        small: BoolArray,
        slack: float = 1.0,
    ) -> None:
        self._model, self._observable, self._slack = model, _Observable(rule, reference), slack
        self._growth = np.zeros(X.shape[0])
        self._signs, self._mean = np.sign(X), small / small.sum(axis=1, keepdims=True)
        self._exponent = small.sum(axis=1) - 2.0
        self._start_times, self._held = start_times, np.zeros(X.shape[0])
        self._rate = (model.rates(X) / X * self._mean).sum(axis=1)
        logs = np.log(np.abs(X))
        self._origin = np.vecdot(logs, self._mean)
        self.state = np.concatenate([logs, np.zeros((X.shape[0], 1))], axis=1)

    @staticmethod
    def applies(model: ManifoldModel, X: FloatArray, small: BoolArray) -> BoolArray:
        """The members whose small layers grow in the geometric mean."""
        rate = np.where(small, model.rates(X) / X, 0.0).sum(axis=1)
        return np.asarray((X != 0.0).all(axis=1) & (rate > 0.0) & np.isfinite(rate))

    def field(self, state: FloatArray, at_event: BoolArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """As in :class:`~numeric.event_stepper.Chart`."""
        X = self.scales(state)
        rates, g, g_rate = self._observable(self._model, X)
        rates /= X
        growth = np.vecdot(rates, self._mean)
        speed = np.maximum(growth, self._held)
        slope = self._slopes(state, rates, growth, np.where(at_event, g_rate, speed) if at_event.any() else speed)
        return slope, g, g_rate / speed, speed

    def slopes(self, state: FloatArray, at_event: BoolArray) -> FloatArray:
        """As in :class:`~numeric.event_stepper.Chart`."""
        if at_event.any():
            return self.field(state, at_event)[0]
        X = self.scales(state)
        rates = self._model.evaluate(X)[0]
        rates /= X
        growth = np.vecdot(rates, self._mean)
        return self._slopes(state, rates, growth, np.maximum(growth, self._held))

    def _slopes(self, state: FloatArray, rates: FloatArray, growth: FloatArray, clock: FloatArray) -> FloatArray:
        """d state / d clock from the relative rates and their mean over the small layers."""
        self._growth = growth
        slope = np.empty_like(state)
        np.divide(rates, clock[:, None], out=slope[:, :-1])
        share = np.exp(-self._exponent * self._advance(state))
        share *= growth
        slope[:, -1] = (self._rate - share) / clock
        return slope

    def hold(self, members: BoolArray, speed: FloatArray) -> None:
        """Past its maximum dv/dt tends to zero; there the clock goes on with time."""
        self._held = np.where(members, np.maximum(self._held, speed), self._held)

    def tolerance(self, state: FloatArray, new: FloatArray, rtol: FloatArray) -> FloatArray:
        """Relative in the scales and in the time.

        An error d of a logarithm moves the time by d over the growth rate: late in a run far less than the tolerance of
        the time, and then the tolerance of the scales is up to ``slack`` times as large.
        """
        tolerated, time = np.empty_like(state), np.abs(self._scaled_time(new))
        tolerated[:, :-1] = rtol[:, None]
        tolerated[:, -1] = rtol * time
        if self._slack > 1.0:
            tolerated[:, :-1] *= np.clip(_SHARE * self._growth / self._rate * time, 1.0, self._slack)[:, None]
        return tolerated

    def first_step(self, slope: FloatArray) -> FloatArray:
        """As in :class:`~numeric.event_stepper.Chart`."""
        return np.full(slope.shape[0], _FIRST_STEP)

    def smallest_step(self) -> FloatArray:
        """As in :class:`~numeric.event_stepper.Chart`."""
        return np.full(self.state.shape[0], _SMALLEST_STEP)

    def times(self, state: FloatArray) -> FloatArray:
        """As in :class:`~numeric.event_stepper.Chart`."""
        return np.asarray(self._start_times + self._scaled_time(state) / self._rate)

    def scales(self, state: FloatArray) -> FloatArray:
        """As in :class:`~numeric.event_stepper.Chart`."""
        X: FloatArray = self._signs * np.exp(state[:, :-1])
        return X

    def keep(self, mask: BoolArray) -> None:
        """As in :class:`~numeric.event_stepper.Chart`."""
        self._signs, self._mean, self._exponent = self._signs[mask], self._mean[mask], self._exponent[mask]
        self._start_times, self._rate, self._origin = self._start_times[mask], self._rate[mask], self._origin[mask]
        self._model = self._model.select(mask)
        self.state, self._held, self._growth = self.state[mask], self._held[mask], self._growth[mask]
        self._observable.keep(mask)

    def _advance(self, state: FloatArray) -> FloatArray:
        """v - v_0 [M]."""
        advance: FloatArray = np.vecdot(state[:, :-1], self._mean) - self._origin
        return advance

    def _scaled_time(self, state: FloatArray) -> FloatArray:
        """rho_0 t [M]."""
        advance, kappa = self._advance(state), self._exponent
        safe = np.where(kappa == 0.0, 1.0, kappa)
        return np.where(kappa == 0.0, advance, -np.expm1(-kappa * advance) / safe) + state[:, -1]


class TimeChart:
    """State (X_1, ..., X_L), clock t, for members that the logarithmic chart cannot carry."""

    def __init__(
        self,
        model: ManifoldModel,
        rule: EscapeRule,
        X: FloatArray,
        start_times: FloatArray,
        reference: FloatArray,
        small: BoolArray,
        slack: float = 1.0,
    ) -> None:
        del small, slack
        self._model, self._observable = model, _Observable(rule, reference)
        self.state = np.concatenate([X, start_times[:, None]], axis=1)

    def field(self, state: FloatArray, at_event: BoolArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """As in :class:`~numeric.event_stepper.Chart`."""
        rates, g, g_rate = self._observable(self._model, self.scales(state))
        clock = np.where(at_event, g_rate, 1.0)
        ones = np.ones(rates.shape[0])
        return np.column_stack([rates, ones]) / clock[:, None], g, g_rate, ones

    def slopes(self, state: FloatArray, at_event: BoolArray) -> FloatArray:
        """As in :class:`~numeric.event_stepper.Chart`."""
        return self.field(state, at_event)[0]

    def hold(self, members: BoolArray, speed: FloatArray) -> None:
        """Time never slows down."""

    def tolerance(self, state: FloatArray, new: FloatArray, rtol: FloatArray) -> FloatArray:
        """Relative in the norm of the scales (a scale may pass through zero) and in the time."""
        X = np.maximum(np.abs(state), np.abs(new))
        X[:, :-1] = np.maximum(X[:, :-1], 1e-3 * X[:, :-1].max(axis=1, keepdims=True))
        return rtol[:, None] * X

    def first_step(self, slope: FloatArray) -> FloatArray:
        """As in :class:`~numeric.event_stepper.Chart`."""
        largest = np.abs(self.state[:, :-1]).max(axis=1)
        speed = np.abs(slope[:, :-1]).max(axis=1) / np.where(largest > 0.0, largest, 1e-3)
        return np.where(speed > 0.0, 0.01 / speed, np.nan)

    def smallest_step(self) -> FloatArray:
        """As in :class:`~numeric.event_stepper.Chart`."""
        return 4.0 * float(np.finfo(np.float64).eps) * self.state[:, -1]

    def times(self, state: FloatArray) -> FloatArray:
        """As in :class:`~numeric.event_stepper.Chart`."""
        return state[:, -1]

    def scales(self, state: FloatArray) -> FloatArray:
        """As in :class:`~numeric.event_stepper.Chart`."""
        return state[:, :-1]

    def keep(self, mask: BoolArray) -> None:
        """As in :class:`~numeric.event_stepper.Chart`."""
        self.state, self._model = self.state[mask], self._model.select(mask)
        self._observable.keep(mask)
