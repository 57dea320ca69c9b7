"""Escape times of the manifold flow to 30, 50 or more digits (python-flint).

The logarithm v of the scale of the escaping layer is the independent variable, x_m = log|X_m| of the other layers are
the unknowns: dx_m/dv = w_m / w_l, dt/dv = 1 / w_l with w = X'/X.  The interval from log X_l(0) to log theta is cut into
elements that shrink towards the end; on each, Chebyshev collocation is solved by Newton's method in float64 and then by
deferred correction: a sweep evaluates the residual of the integral equation in ball arithmetic and solves for the
correction with the float64 Jacobian, which gains about eleven digits.  Early sweeps run at the precision that they can
reach.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import flint
import numpy as np
from numpy.typing import NDArray

from numeric.ball_manifold import BallManifold, exact
from numeric.chebyshev import ChebyshevGrid, chebyshev_grid, column
from numeric.escape_rule import EscapeRule, parse_escape_rule
from numeric.manifold import ManifoldModel

FloatArray = NDArray[np.float64]
Ball = Any  # flint.arb

_GAIN = 11  # decimal digits that one sweep gains: the relative error of the float64 Jacobian is about 1e-12
_FIRST_DIGITS = 12  # what Newton's method in float64 leaves
_GUARD_BITS = 32
_LAST_ELEMENT = 0.4  # length of the last element, where the nearest complex singularity is at a distance of about .6
_GROWTH = 1.9  # ratio of the lengths of neighbouring elements
_NEWTON_STEPS = 12


@dataclass(frozen=True)
class PreciseEscape:
    """``time`` and ``error``: decimal strings, the error an estimate (not an enclosure) of |time - true|.

    ``truncation``, ``iteration``, ``quadrature``, ``rounding``: its parts, relative to the time.  ``scales``: the
    state at the escape.  ``elements``, ``degree``, ``sweeps``: the discretisation.
    """

    time: str
    error: str
    truncation: float
    iteration: float
    quadrature: float
    rounding: float
    scales: tuple[str, ...]
    elements: int
    degree: int
    sweeps: int

    @property
    def digits(self) -> float:
        """Correct decimal digits according to the estimate."""
        relative = self.truncation + self.iteration + self.quadrature + self.rounding
        return math.inf if relative == 0.0 else -math.log10(relative)


def precise_escape(
    model: ManifoldModel,
    start: Sequence[str | float | Fraction],
    rule: str | EscapeRule = "scale:0.5@1",
    digits: int = 30,
) -> PreciseEscape:
    """The time at which the scale of the rule's layer reaches its level, to about ``digits`` digits.

    ``start``: L layer scales; decimal strings and fractions are exact, floats are read by their shortest decimal form.
    The scale of the rule's layer must increase all the way.  Raises ValueError for a rule that is not of kind scale, a
    start of wrong length or sign, an activation that is not analytic, digits outside 10 .. 200, or if the solution
    leaves the region where the method converges.
    """
    parsed = parse_escape_rule(rule, model.depth)
    if parsed.kind != "scale":
        raise ValueError(f"the high-precision escape time needs a rule of kind scale (scale:0.5@1), got {parsed}")
    if not 10 <= digits <= 200:
        raise ValueError(f"digits must lie between 10 and 200, got {digits!r}")
    if len(start) != model.depth:
        raise ValueError(f"start needs {model.depth} layer scales, got {len(start)}")
    solver = _Solver(model, parsed.layer - 1, digits)
    with flint.ctx.workprec(solver.bits):
        X = [exact(x) for x in start]
        if not all(x.is_finite() and x != 0 for x in X) or not abs(X[parsed.layer - 1]) < exact(parsed.level):
            raise ValueError(f"start must be finite, not zero and below the level {parsed.level:g}, got {start!r}")
        return solver.solve(X, exact(parsed.level).log())


class _Solver:
    """Elements from left to right; logs are balls whose radii are dropped between sweeps."""

    def __init__(self, model: ManifoldModel, lead: int, digits: int) -> None:
        self.model, self.lead, self.digits = model, lead, digits
        self.degree = 6 + round(1.55 * digits)
        self.levels = [*range(_FIRST_DIGITS + _GAIN, digits + 3, _GAIN), digits + 3]  # digits wanted after each sweep
        self.bits = _bits(digits + 3)
        self.balls = [BallManifold(model, level, _bits(level)) for level in self.levels]

    def solve(self, X: list[Ball], end: Ball) -> PreciseEscape:
        """Halve the elements until the truncation error is below the wanted digits, or three times."""
        edges = _edges(abs(X[self.lead]).log().mid(), end.mid())
        for _ in range(3):
            result = self._march(X, edges)
            if result.truncation <= 10.0**-self.digits:
                return result
            edges = [*(e for a, b in pairwise(edges) for e in (a, ((a + b) / 2).mid())), edges[-1]]
        return self._march(X, edges)

    def _march(self, X: list[Ball], edges: list[Ball]) -> PreciseEscape:
        """March over the elements and collect time and error estimates."""
        signs = [1 if x > 0 else -1 for x in X]
        logs = [abs(x).log().mid() for x in X]
        time, truncation, iteration, rounding = flint.arb(0), 0.0, 0.0, 0.0
        for left, right in pairwise(edges):
            element = _Element(self, signs, left, right, logs)
            increment, ends, errors = element.solve()
            time += increment
            logs = ends
            truncation, iteration, rounding = (
                a + b for a, b in zip((truncation, iteration, rounding), errors, strict=True)
            )
        final = [s * x.exp() for s, x in zip(signs, logs, strict=True)]
        quadrature = self.balls[-1].quadrature_error(final)
        relative = [float(e) / abs(float(time.mid())) for e in (truncation, iteration, rounding)]
        total = relative[0] + relative[1] + relative[2] + quadrature
        error = total * abs(float(time.mid()))
        # As many digits as the estimate vouches for and two more, so that printing adds no error of its own.
        shown = max(self.digits, math.ceil(-math.log10(total)) if total > 0.0 else 0) + 2
        return PreciseEscape(
            time.mid().str(shown, radius=False),
            f"{error:.2e}",
            relative[0],
            relative[1],
            quadrature,
            relative[2],
            tuple(x.mid().str(self.digits, radius=False) for x in final),
            len(edges) - 1,
            self.degree,
            len(self.levels),
        )


class _Element:
    """One element [left, right] of v; unknowns are the logs of the other layers at the Chebyshev nodes."""

    def __init__(self, solver: _Solver, signs: list[int], left: Ball, right: Ball, logs: list[Ball]) -> None:
        self.solver, self.signs, self.start = solver, signs, logs
        self.grid: ChebyshevGrid = chebyshev_grid(solver.degree, solver.bits)
        self.half = ((right - left) / 2).mid()
        self.v = [(left + self.half * (1 + x)).mid() for x in self.grid.nodes]
        self.others = [m for m in range(solver.model.depth) if m != solver.lead]

    def solve(self) -> tuple[Ball, list[Ball], tuple[float, float, float]]:
        """Time spent, logs at the right end, and the truncation, iteration and rounding error of the time."""
        y, jacobian = self._newton()
        values = [[flint.arb(float(y[i, m])) for i in range(y.shape[0])] for m in range(y.shape[1])]
        count = y.shape[0]
        operator = np.linalg.inv(self._linearised(jacobian))
        rates: list[list[Ball]] = []
        scale, change = flint.arb(0), np.zeros((len(self.others), count))
        for level, balls in zip(self.solver.levels, self.solver.balls, strict=True):
            with flint.ctx.workprec(_bits(level)):
                rates = self._rates(values, balls)
                residual = self._residual(values, rates)
            scale = max(abs(r).upper() for column_ in residual for r in column_)
            if scale.is_zero():
                change = np.zeros_like(change)
                continue
            if not float(scale) < 1e-3:
                raise ValueError("the collocation does not converge: the layer's scale must increase up to the level")
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
        solver, last = self.solver, len(self.v) - 1
        inverse = [1 / w[solver.lead] for w in rates]
        # To first order the last correction changes 1/w_lead by the factor 1 - (d log w_lead / dy) . change.
        shifts = (self._lead_gradient(values) * change.T).sum(axis=1)
        inverse = [x * (1 - scale * flint.arb(float(shift))) for x, shift in zip(inverse, shifts, strict=True)]
        integral = self.grid.integration * column(inverse)
        time = self.half * integral[last, 0]
        # The integral of T_k is at most 1/k: what follows the last coefficients is integrated to about this.
        tail = float(self.half) * self._last_coefficients(inverse) / last
        tail += sum(self._last_coefficients(row) for row in values) * abs(float(time.mid()))
        spent = abs(float(time.mid()))
        remaining = 10.0**-_GAIN * float(scale) * float(np.abs(change).max())  # what the next sweep would change
        ends = list(self.start)
        for row, m in enumerate(self.others):
            ends[m] = values[row][last]
        ends[solver.lead] = self.v[last]
        errors = (tail, 2.0 * solver.model.depth * remaining * spent, float(time.rad()))
        return time.mid(), ends, errors

    def _last_coefficients(self, values: list[Ball]) -> float:
        """The largest of the last four Chebyshev coefficients."""
        c = self.grid.coefficients * column([x.mid() for x in values])
        return max(float(abs(c[k, 0]).mid()) for k in range(len(values) - 4, len(values)))

    def _rates(self, values: list[list[Ball]], balls: BallManifold) -> list[list[Ball]]:
        """Relative rates w [nodes][L]."""
        result = []
        for i, v in enumerate(self.v):
            logs = [v] * self.solver.model.depth
            for row, m in enumerate(self.others):
                logs[m] = values[row][i]
            result.append(balls.relative_rates([s * x.exp() for s, x in zip(self.signs, logs, strict=True)]))
        return result

    def _residual(self, values: list[list[Ball]], rates: list[list[Ball]]) -> list[list[Ball]]:
        """start + half * integral of f - value, per other layer and node."""
        lead, residual = self.solver.lead, []
        for row, m in enumerate(self.others):
            integral = self.grid.integration * column([w[m] / w[lead] for w in rates])
            residual.append(
                [(self.start[m] + self.half * integral[i, 0] - values[row][i]).mid() for i in range(len(self.v))]
            )
        return residual

    def _newton(self) -> tuple[FloatArray, FloatArray]:
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
        if not np.isfinite(y).all():
            raise ValueError("the flow leaves the region where the layer's scale increases before it reaches the level")
        if not (self._lead_rate(v, y) > 0.0).all():
            raise ValueError("the scale of the rule's layer must increase all the way up to the level, and it does not")
        return y, self._jacobian(v, y)

    def _slope(self, v: FloatArray, y: FloatArray) -> FloatArray:
        """f = w_m / w_lead [nodes, L-1] in float64."""
        X = self._floating_scales(v, y)
        w = self.solver.model.rates(X) / X
        return np.asarray(w[:, self.others] / w[:, self.solver.lead, None])

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
        return np.asarray(self.solver.model.rates(X)[:, self.solver.lead] / X[:, self.solver.lead])

    def _floating_scales(self, v: FloatArray, y: FloatArray) -> FloatArray:
        logs = np.empty((v.size, self.solver.model.depth))
        logs[:, self.solver.lead], logs[:, self.others] = v, y
        return np.asarray(np.array(self.signs) * np.exp(logs))

    def _linearised(self, jacobian: FloatArray) -> FloatArray:
        """I - half * S * J, unknowns ordered layer by layer."""
        count, n = jacobian.shape[0], jacobian.shape[1]
        S = float(self.half) * self.grid.floating_integration
        blocks = S[None, :, None, :] * jacobian.transpose(1, 2, 0)[:, None, :, :]
        return np.eye(n * count) - blocks.reshape(n * count, n * count)


def _edges(left: Ball, right: Ball) -> list[Ball]:
    """Element edges from left to right, with lengths that grow geometrically away from the right end."""
    total = float(right - left)
    lengths = [_LAST_ELEMENT]
    while sum(lengths) < total:
        lengths.append(lengths[-1] * _GROWTH)
    scale = total / sum(lengths)
    edges = [right]
    for length in lengths[:-1]:
        edges.append((edges[-1] - flint.arb(scale * length)).mid())
    return [left, *reversed(edges)]


def _bits(digits: int) -> int:
    return math.ceil(digits * math.log2(10.0)) + _GUARD_BITS
