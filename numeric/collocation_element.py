"""One element of the Chebyshev collocation of the manifold flow in the logarithm of one layer's scale.

Newton's method in float64, then deferred correction with residuals in ball arithmetic; see ``high_precision``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import flint
import numpy as np
from numpy.typing import NDArray

from numeric.ball_manifold import BallManifold
from numeric.chebyshev import ChebyshevGrid, antiderivative, chebyshev_grid, column, series_value
from numeric.manifold import ManifoldModel

FloatArray = NDArray[np.float64]
Ball = Any  # flint.arb
Newton = tuple[FloatArray, FloatArray]

GAIN = 11  # decimal digits that one sweep gains: the relative error of the float64 Jacobian is about 1e-12
FIRST_DIGITS = 12  # what Newton's method in float64 leaves
_GUARD_BITS = 32
_NEWTON_STEPS = 12
_CONVERGED = 1e-8  # last change of Newton's method: what is left, its square, is below the first sweep's gain


@dataclass(frozen=True)
class Collocation:
    """What all elements share: the degree, the decimal digits wanted after each sweep, rates good to as many."""

    model: ManifoldModel
    degree: int
    levels: tuple[int, ...]
    balls: tuple[BallManifold, ...]

    @property
    def bits(self) -> int:
        """The working precision of the last sweep."""
        return bits_for(self.levels[-1])


def collocation(model: ManifoldModel, digits: int) -> Collocation:
    """For a time with that many digits; raises ValueError for an activation that is not analytic."""
    levels = (*range(FIRST_DIGITS + GAIN, digits + 3, GAIN), digits + 3)
    balls = tuple(BallManifold(model, level, bits_for(level)) for level in levels)
    return Collocation(model, 6 + round(1.55 * digits), levels, balls)


def bits_for(digits: int) -> int:
    """Working precision for that many decimal digits."""
    return math.ceil(digits * math.log2(10.0)) + _GUARD_BITS


class Element:
    """One element [left, right] of v; unknowns are the logs of the other layers at the Chebyshev nodes."""

    def __init__(
        self, shared: Collocation, lead: int, signs: list[int], left: Ball, right: Ball, logs: list[Ball]
    ) -> None:
        self.shared, self.lead, self.signs, self.start = shared, lead, signs, logs
        self.grid: ChebyshevGrid = chebyshev_grid(self.shared.degree, self.shared.bits)
        self.half = ((right - left) / 2).mid()
        self.v = [(left + self.half * (1 + x)).mid() for x in self.grid.nodes]
        self.others = [m for m in range(self.shared.model.depth) if m != self.lead]
        self.values: list[list[Ball]] = []  # logs of the other layers at the nodes
        self.inverse: list[Ball] = []  # dt/dv at the nodes

    def solve(self, newton: Newton | None = None) -> tuple[Ball, list[Ball], tuple[float, float, float]]:
        """Time spent, logs at the right end, and the truncation, iteration and rounding error of the time.

        ``newton``: what :meth:`newton` gives, from a start that differs by the error of float64 at most.
        """
        y, jacobian = newton or self.newton()
        values = [[flint.arb(float(y[i, m])) for i in range(y.shape[0])] for m in range(y.shape[1])]
        count = y.shape[0]
        operator = np.linalg.inv(self._linearised(jacobian))
        rates: list[list[Ball]] = []
        scale, change = flint.arb(0), np.zeros((len(self.others), count))
        for level, balls in zip(self.shared.levels, self.shared.balls, strict=True):
            with flint.ctx.workprec(bits_for(level)):
                rates = self._rates(values, balls)
                residual = self._residual(values, rates)
            scale = max(abs(r).upper() for column_ in residual for r in column_)
            if scale.is_zero():
                change = np.zeros_like(change)
                continue
            if not float(scale) < 1e-3:
                raise ValueError(
                    "the collocation does not converge: the leading layer's scale must increase up to the escape"
                )
            flat = np.array([float((r / scale).mid()) for column_ in residual for r in column_])
            change = (operator @ flat).reshape(len(self.others), count)
            values = [
                [(x + scale * flint.arb(float(c))).mid() for x, c in zip(row, delta, strict=True)]
                for row, delta in zip(values, change, strict=True)
            ]
        return self._finish(values, rates, scale, change)

    def _finish(
        self, values: list[list[Ball]], rates: list[list[Ball]], scale: Ball, change: FloatArray
    ) -> tuple[Ball, list[Ball], tuple[float, float, float]]:
        """The time of the element from the rates of the last sweep, and its error.

        These rates belong to the values before the last correction, scale * change.
        """
        last = len(self.v) - 1
        inverse = [1 / w[self.lead] for w in rates]
        # To first order the last correction changes 1/w_lead by the factor 1 - (d log w_lead / dy) . change.
        shifts = (self._lead_gradient(values) * change.T).sum(axis=1)
        inverse = [x * (1 - scale * flint.arb(float(shift))) for x, shift in zip(inverse, shifts, strict=True)]
        self.values, self.inverse = values, inverse
        integral = self.grid.integration * column(inverse)
        time = self.half * integral[last, 0]
        # The integral of T_k is at most 1/k: what follows the last coefficients is integrated to about this.
        tail = float(self.half) * self._last_coefficients(inverse) / last
        tail += sum(self._last_coefficients(row) for row in values) * abs(float(time.mid()))
        spent = abs(float(time.mid()))
        last_change = float(scale) * float(np.abs(change).max())
        remaining = max(10.0**-GAIN, last_change) * last_change  # what the next sweep would change
        ends = self.ends(row[last] for row in values)
        errors = (tail, 2.0 * self.shared.model.depth * remaining * spent, float(time.rad()))
        return time.mid(), ends, errors

    def ends(self, others: Iterable[Ball]) -> list[Ball]:
        """Logs of all scales at the right end, from those of the other layers."""
        logs = list(self.start)
        for m, value in zip(self.others, others, strict=True):
            logs[m] = value
        logs[self.lead] = self.v[-1]
        return logs

    def logs(self, v: Ball) -> list[Ball]:
        """Logs of all scales at ``v``, from the Chebyshev series."""
        result = list(self.start)
        for row, m in enumerate(self.others):
            result[m] = series_value(self._series(self.values[row]), self._position(v)).mid()
        result[self.lead] = v
        return result

    def scales(self, v: Ball) -> list[Ball]:
        """Layer scales at ``v``."""
        return [s * x.exp() for s, x in zip(self.signs, self.logs(v), strict=True)]

    def time_beyond(self, v: Ball) -> Ball:
        """The time from the right end to ``v``."""
        integral = antiderivative(self._series(self.inverse))
        return (self.half * (series_value(integral, self._position(v)) - series_value(integral, flint.arb(1)))).mid()

    def last_coefficients(self) -> float:
        """The largest of the last coefficients of any layer: about the truncation error of the logs."""
        return max((self._last_coefficients(row) for row in self.values), default=0.0)

    def _position(self, v: Ball) -> Ball:
        """From v to [-1, 1]."""
        return 1 + (v - self.v[-1]) / self.half

    def _series(self, values: list[Ball]) -> list[Ball]:
        c = self.grid.coefficients * column([x.mid() for x in values])
        return [c[k, 0] for k in range(len(values))]

    def _last_coefficients(self, values: list[Ball]) -> float:
        """The largest of the last four Chebyshev coefficients."""
        return max(float(abs(c).mid()) for c in self._series(values)[-4:])

    def _rates(self, values: list[list[Ball]], balls: BallManifold) -> list[list[Ball]]:
        """Relative rates w [nodes][L]."""
        result = []
        for i, v in enumerate(self.v):
            logs = [v] * self.shared.model.depth
            for row, m in enumerate(self.others):
                logs[m] = values[row][i]
            result.append(balls.relative_rates([s * x.exp() for s, x in zip(self.signs, logs, strict=True)]))
        return result

    def _residual(self, values: list[list[Ball]], rates: list[list[Ball]]) -> list[list[Ball]]:
        """start + half * integral of f - value, per other layer and node."""
        lead, residual = self.lead, []
        for row, m in enumerate(self.others):
            integral = self.grid.integration * column([w[m] / w[lead] for w in rates])
            residual.append(
                [(self.start[m] + self.half * integral[i, 0] - values[row][i]).mid() for i in range(len(self.v))]
            )
        return residual

    def newton(self) -> tuple[FloatArray, FloatArray]:
        """Float64 solution [nodes, L-1] and the Jacobian df/dy [nodes, L-1, L-1] at it."""
        count, n = len(self.v), len(self.others)
        start = np.array([float(self.start[m]) for m in self.others])
        v = np.array([float(x) for x in self.v])
        y = start + np.outer(v - v[0], np.exp(2.0 * (start - v[0])) < 100.0)  # small layers grow like the leading one
        for _ in range(_NEWTON_STEPS):
            f, jacobian = self._slope(v, y), self._jacobian(v, y)
            residual = start + float(self.half) * self.grid.floating_integration @ f - y
            change = np.linalg.solve(self._linearised(jacobian), residual.T.reshape(-1)).reshape(n, count).T
            y = y + np.clip(change, -1.0, 1.0)
            if not np.isfinite(y).all() or np.abs(change).max() < 1e-11:
                break
        if not (np.isfinite(y).all() and np.abs(change).max() < _CONVERGED):
            raise ValueError("the flow leaves the region where the leading layer's scale increases before the escape")
        if not (self._lead_rate(v, y) > 0.0).all():
            raise ValueError("the leading layer's scale must increase all the way up to the escape, and it does not")
        return y, self._jacobian(v, y)

    def _slope(self, v: FloatArray, y: FloatArray) -> FloatArray:
        """f = w_m / w_lead [nodes, L-1] in float64."""
        X = self._floating_scales(v, y)
        w = self.shared.model.rates(X) / X
        return np.asarray(w[:, self.others] / w[:, self.lead, None])

    def _jacobian(self, v: FloatArray, y: FloatArray, h: float = 2e-3) -> FloatArray:
        """df_a/dy_b [nodes, a, b] by central differences of order six."""
        result = np.empty((v.size, y.shape[1], y.shape[1]))
        for b in range(y.shape[1]):
            step = h * np.eye(y.shape[1])[b]
            d = [self._slope(v, y + k * step) - self._slope(v, y - k * step) for k in (1, 2, 3)]
            result[:, :, b] = (45.0 * d[0] - 9.0 * d[1] + d[2]) / (60.0 * h)
        return result

    def _lead_gradient(self, values: list[list[Ball]], h: float = 2e-3) -> FloatArray:
        """d log w_lead / dy [nodes, L-1] by central differences of order four."""
        v = np.array([float(x) for x in self.v])
        y = np.array([[float(x) for x in row] for row in values]).T
        gradient = np.empty_like(y)
        for b in range(y.shape[1]):
            step = h * np.eye(y.shape[1])[b]
            d = [np.log(self._lead_rate(v, y + k * step) / self._lead_rate(v, y - k * step)) for k in (1, 2)]
            gradient[:, b] = (8.0 * d[0] - d[1]) / (12.0 * h)
        return gradient

    def _lead_rate(self, v: FloatArray, y: FloatArray) -> FloatArray:
        """w_lead [nodes] in float64."""
        X = self._floating_scales(v, y)
        return np.asarray(self.shared.model.rates(X)[:, self.lead] / X[:, self.lead])

    def _floating_scales(self, v: FloatArray, y: FloatArray) -> FloatArray:
        logs = np.empty((v.size, self.shared.model.depth))
        logs[:, self.lead], logs[:, self.others] = v, y
        return np.asarray(np.array(self.signs) * np.exp(logs))

    def _linearised(self, jacobian: FloatArray) -> FloatArray:
        """I - half * S * J, unknowns ordered layer by layer."""
        count, n = jacobian.shape[0], jacobian.shape[1]
        S = float(self.half) * self.grid.floating_integration
        blocks = S[None, :, None, :] * jacobian.transpose(1, 2, 0)[:, None, :, :]
        return np.eye(n * count) - blocks.reshape(n * count, n * count)
