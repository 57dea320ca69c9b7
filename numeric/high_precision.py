"""Escape times of the manifold flow to 30, 50 or more digits (python-flint).

The logarithm v of the scale of the escaping layer is the independent variable, x_m = log|X_m| of the other layers are
the unknowns: dx_m/dv = w_m / w_l, dt/dv = 1 / w_l with w = X'/X.  The interval from log X_l(0) to the escape is cut
into elements that shrink towards the end; on each, Chebyshev collocation is solved by Newton's method in float64 and
then by deferred correction: a sweep evaluates the residual of the integral equation in ball arithmetic and solves for
the correction with the float64 Jacobian, which gains about eleven digits.  Early sweeps run at the precision that they
can reach.

A rule of kind scale ends at v = log theta.  Under the rules loss and overlap the float64 sweep says which layer may
lead and near which v the escape lies; the elements end there, and the root of the rule's number, evaluated in ball
arithmetic on the last element's Chebyshev series, is found by Newton's method with the float64 slope.
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

from numeric.ball_manifold import exact
from numeric.chebyshev import column
from numeric.collocation_element import Collocation, Element, Newton, collocation
from numeric.escape_rule import EscapeRule, parse_escape_rule
from numeric.manifold import ManifoldModel
from numeric.manifold_sweep import manifold_escape
from numeric.run_status import RunStatus

FloatArray = NDArray[np.float64]
Ball = Any  # flint.arb
_Piece = tuple[Ball, Ball, Newton]  # left, right, solution and Jacobian in float64

_LAST_ELEMENT = 0.4  # length of the last element, where the nearest complex singularity is at a distance of about .6
_GROWTH = 1.9  # ratio of the lengths of neighbouring elements
_FEW_ELEMENTS = 12  # with more of them another layer may lead better
_HALVINGS = 8  # of an element in which Newton's method fails or the series is too short
_SHARE = 0.1  # of the wanted error, for the truncation of one element
_NEAREST = 0.65  # length of the last element over the distance of a singularity beyond it: .4 of .6, as above
_SEARCH_RTOL = 1e-12  # of the float64 sweep that looks for the escape
_ROOT_STEPS = 40  # a step gains the digits of the float64 slope, ten or more; few near a minimum, where slopes cancel


@dataclass(frozen=True)
class PreciseEscape:
    """``time`` and ``error``: decimal strings, the error an estimate (not an enclosure) of |time - true|.

    ``truncation``, ``iteration``, ``quadrature``, ``rounding``, ``root``: its parts, relative to the time; the last is
    that of the place of the escape, zero where the rule fixes it.  ``scales``: the state at the escape.  ``elements``,
    ``degree``, ``sweeps``: the discretisation.
    """

    time: str
    error: str
    truncation: float
    iteration: float
    quadrature: float
    rounding: float
    root: float
    scales: tuple[str, ...]
    elements: int
    degree: int
    sweeps: int

    @property
    def digits(self) -> float:
        """Correct decimal digits according to the estimate."""
        relative = self.truncation + self.iteration + self.quadrature + self.rounding + self.root
        return math.inf if relative == 0.0 else -math.log10(relative)


def precise_escape(
    model: ManifoldModel,
    start: Sequence[str | float | Fraction],
    rule: str | EscapeRule = "scale:0.5@1",
    digits: int = 30,
) -> PreciseEscape:
    """The time at which ``rule`` is met, to about ``digits`` digits.

    ``start``: L layer scales; decimal strings and fractions are exact, floats are read by their shortest decimal form,
    as is the level of the rule.  The scale of the rule's layer, or under the rules loss and overlap that of some
    layer, must increase all the way.  Raises ValueError for a start of wrong length or sign, or that meets
    the rule already, an activation that is not analytic, digits outside 10 .. 200, a flow that does not escape, or if
    the solution leaves the region where the method converges.
    """
    return _solve(model, start, rule, digits)[0]


@dataclass(frozen=True)
class CollocationPiece:
    """The solution that ``precise_escape`` finds on one element, with no bound of its error.

    Chebyshev coefficients (exact balls) of log|X_m| of each layer but the leading one, in x = (s - left)/half - 1; s is
    the logarithm of the leading layer's scale over its start.
    """

    left: Ball
    half: Ball
    coefficients: tuple[tuple[Ball, ...], ...]


@dataclass(frozen=True)
class CollocationSolution:
    """``pieces`` from left to right; ``lead``: the leading layer, from 0; ``end``: s at the escape, an exact ball."""

    lead: int
    pieces: tuple[CollocationPiece, ...]
    end: Ball


def collocation_solution(
    model: ManifoldModel,
    start: Sequence[str | float | Fraction],
    rule: str | EscapeRule = "scale:0.5@1",
    digits: int = 30,
) -> CollocationSolution:
    """The solution behind ``precise_escape``; the same arguments and errors."""
    _, solver = _solve(model, start, rule, digits)
    origin = solver.elements[0].v[0]
    pieces = []
    with flint.ctx.workprec(solver.shared.bits):
        for element in solver.elements:
            columns = [element.grid.coefficients * column(row) for row in element.values]
            coefficients = tuple(tuple(c[k, 0].mid() for k in range(c.nrows())) for c in columns)
            pieces.append(CollocationPiece((element.v[0] - origin).mid(), element.half, coefficients))
        return CollocationSolution(solver.lead, tuple(pieces), (solver.end - origin).mid())


def _solve(
    model: ManifoldModel, start: Sequence[str | float | Fraction], rule: str | EscapeRule, digits: int
) -> tuple[PreciseEscape, _Solver]:
    parsed = parse_escape_rule(rule, model.depth)
    if not 10 <= digits <= 200:
        raise ValueError(f"digits must lie between 10 and 200, got {digits!r}")
    if len(start) != model.depth:
        raise ValueError(f"start needs {model.depth} layer scales, got {len(start)}")
    solver = _Solver(model, parsed, digits)
    with flint.ctx.workprec(solver.shared.bits), np.errstate(all="ignore"):  # what is not finite is refused
        X = [exact(x) for x in start]
        if not all(x.is_finite() and x != 0 for x in X):
            raise ValueError(f"start must be finite and not zero, got {start!r}")
        if parsed.kind != "scale":
            return solver.solve_for_number(X), solver
        if not abs(X[parsed.layer - 1]) < exact(parsed.level):
            raise ValueError(f"start must be finite, not zero and below the level {parsed.level:g}, got {start!r}")
        return solver.solve(X, parsed.layer - 1, exact(parsed.level).log()), solver


def _float64_escape(model: ManifoldModel, rule: EscapeRule, start: FloatArray) -> FloatArray:
    """Layer scales at the escape."""
    run = manifold_escape(model, start, rule, rtol=_SEARCH_RTOL, estimate_error=False)
    if run.status[0] is not RunStatus.ESCAPED:
        raise ValueError(f"the flow does not meet the rule {rule}: {run.status[0].advice}")
    if not run.times[0] > 0.0:
        raise ValueError(f"the start meets the rule {rule} already, got {start.tolist()}")
    if (np.sign(run.scales[0]) != np.sign(start)).any():
        raise ValueError(
            f"a layer's scale passes through zero before the rule {rule} is met: ask for a float's digits at most"
        )
    return np.asarray(run.scales[0])


def _leads(model: ManifoldModel, start: FloatArray, end: FloatArray) -> list[tuple[float, float, int]]:
    """(length of the last element, growth, layer) of the layers that may lead from ``start`` to ``end``, best first."""
    rates = model.rates(end)
    growth, w = np.log(np.abs(end / start)), rates / end
    candidates = []
    for lead in np.flatnonzero((growth > 0.0) & (w > 0.0)):
        # d log w / dv along the flow: where w tends to zero, its logarithm has a singularity.
        h = 1e-4 / w[lead]
        ahead, behind = (float((model.rates(x) / x)[lead]) for x in (end + h * rates, end - h * rates))
        if ahead > 0.0 and behind > 0.0:
            decay = abs(math.log(ahead / behind)) / 2e-4
            last = _NEAREST / max(decay, _NEAREST / _LAST_ELEMENT)
            candidates.append((last, float(growth[lead]), int(lead)))
    return sorted(candidates, key=lambda c: (-c[0], -c[1], c[2]))


class _Solver:
    """Elements from left to right; logs are balls whose radii are dropped between sweeps."""

    def __init__(self, model: ManifoldModel, rule: EscapeRule, digits: int) -> None:
        self.model, self.rule, self.digits, self.lead = model, rule, digits, 0
        self.shared: Collocation = collocation(model, digits)
        self.elements: list[Element] = []  # of the last march
        self.end: Ball = flint.arb(0)  # where it ended

    def solve_for_number(self, X: list[Ball]) -> PreciseEscape:
        """Under the rules loss and overlap: with a layer that increases all the way and needs few elements."""
        start = np.array([float(x) for x in X])
        end = _float64_escape(self.model, self.rule, start)
        refusal = (
            f"no layer's scale increases all the way until the rule {self.rule} is met, as it must for more digits"
        )
        plans: list[tuple[int, int, list[_Piece]]] = []
        for last, _, lead in _leads(self.model, start, end):
            try:
                plan = self._plan(X, lead, flint.arb(math.log(abs(end[lead]))), last)
            except ValueError as error:
                refusal = str(error)
                continue
            plans.append((len(plan), lead, plan))
            if len(plan) <= _FEW_ELEMENTS:
                break
        if not plans:
            raise ValueError(refusal)
        _, self.lead, plan = min(plans, key=lambda p: p[:2])
        return self._march(X, plan)

    def solve(self, X: list[Ball], lead: int, end: Ball) -> PreciseEscape:
        """Up to a level of the scale of the layer ``lead``, whose logarithm is ``end``."""
        return self._march(X, self._plan(X, lead, end, _LAST_ELEMENT))

    def _plan(self, X: list[Ball], lead: int, end: Ball, last: float) -> list[_Piece]:
        """Elements in which Newton's method in float64 converges, with what it finds.

        ``lead``: the layer whose logarithm is the independent variable, up to ``end``; ``last``: the length of the last
        element; those before it are longer, and halved where the flow asks for it.
        """
        self.lead = lead
        edges = _edges(abs(X[lead]).log().mid(), end.mid(), last)
        signs, logs = _signs_and_logs(X)
        todo = [(left, right, _HALVINGS) for left, right in pairwise(edges)][::-1]
        plan: list[_Piece] = []
        while todo:
            left, right, halvings = todo.pop()
            element = Element(self.shared, self.lead, signs, left, right, logs)
            try:
                newton = element.newton()
            except ValueError:
                if not halvings:
                    raise
                middle = ((left + right) / 2).mid()
                todo += [(middle, right, halvings - 1), (left, middle, halvings - 1)]
                continue
            plan.append((left, right, newton))
            logs = element.ends(flint.arb(float(y)) for y in newton[0][-1])
        return plan

    def _march(self, X: list[Ball], plan: list[_Piece]) -> PreciseEscape:
        """March over the elements and collect time and error estimates."""
        signs, logs = _signs_and_logs(X)
        time, truncation, iteration, rounding, root = flint.arb(0), 0.0, 0.0, 0.0, 0.0
        todo: list[tuple[Ball, Ball, Newton | None, int]] = [(*piece, _HALVINGS) for piece in reversed(plan)]
        self.elements = []
        while todo:
            left, right, newton, halvings = todo.pop()
            element = Element(self.shared, self.lead, signs, left, right, logs)
            try:
                increment, ends, errors = element.solve(newton)
                short = errors[0] > _SHARE * 10.0**-self.digits * abs(float((time + increment).mid()))
            except ValueError:
                if not halvings:
                    raise
                short = True
            if short and halvings:
                middle = ((left + right) / 2).mid()
                todo += [(middle, right, None, halvings - 1), (left, middle, None, halvings - 1)]
                continue
            time, logs = time + increment, ends
            self.elements.append(element)
            truncation, iteration, rounding = (
                a + b for a, b in zip((truncation, iteration, rounding), errors, strict=True)
            )
        final = [s * x.exp() for s, x in zip(signs, logs, strict=True)]
        quadrature = max(self.shared.balls[-1].quadrature_error(x) for x in (X, final))
        if self.rule.kind != "scale":
            increment, logs, root = self._to_the_root(element, X)
            time += increment
            final = [s * x.exp() for s, x in zip(signs, logs, strict=True)]
        self.end = logs[self.lead]
        relative = [float(e) / abs(float(time.mid())) for e in (truncation, iteration, rounding, root)]
        total = sum(relative) + quadrature
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
            relative[3],
            tuple(x.mid().str(self.digits, radius=False) for x in final),
            len(self.elements),
            self.shared.degree,
            len(self.shared.levels),
        )

    def _to_the_root(self, element: Element, start: list[Ball]) -> tuple[Ball, list[Ball], float]:
        """Time from the end of the last ``element`` to the escape (of either sign), logs there, and error of the time.

        The end is within the error of float64 of the escape, so that the series is evaluated hardly outside its range.
        """
        balls = self.shared.balls[-1]
        reference, moved = (balls.loss(start, shifted=s) for s in (False, True))
        level = exact(self.rule.level)
        v, slope, speed = element.v[-1], math.nan, math.nan

        def number(X: list[Ball], *, shifted: bool = False) -> Ball:
            """Minus the distance to the level: negative before the escape."""
            if self.rule.kind == "overlap":
                return balls.overlap(X, shifted=shifted) - level
            return level - balls.loss(X, shifted=shifted) / (moved if shifted else reference)

        for _ in range(_ROOT_STEPS):
            X = element.scales(v)
            residual = number(X)
            speed, slope = self._slope(X, float(reference))
            change = (-residual / slope).mid()
            if not abs(change) < _NEAREST * element.half:
                break
            v = (v + change).mid()
            if abs(change) < exact(10) ** -(self.digits + 3):
                # A wrong node sum or state moves the root in proportion; ``change`` bounds what Newton's method leaves.
                nodes = abs(float((number(X, shifted=True) - residual).mid()))
                state = element.last_coefficients() * self._sensitivity(X, float(reference))
                error = (nodes + state + float(residual.rad())) / slope + abs(float(change))
                return element.time_beyond(v), element.logs(v), error / speed
        raise ValueError(f"the root of the rule {self.rule} is not found: ask for no more digits than float64 has")

    def _slope(self, X: list[Ball], reference: float) -> tuple[float, float]:
        """dv/dt and the derivative of the rule's number with respect to v, in float64."""
        point = np.array([[float(x) for x in X]])
        kind = self.rule.kind
        assert kind != "scale"
        rates, _, rate = self.model.evaluate(point, kind)
        speed = float(rates[0, self.lead] / point[0, self.lead])
        return speed, float(rate[0]) / speed * (1.0 if kind == "overlap" else -1.0 / reference)

    def _sensitivity(self, X: list[Ball], reference: float, h: float = 1e-4) -> float:
        """Sum over the layers of |d number / d log X_m|, in float64 by central differences."""
        point = np.array([float(x) for x in X])
        moved = point * np.exp(h * np.vstack([np.eye(point.size), -np.eye(point.size)]))
        values = self.model.overlap(moved) if self.rule.kind == "overlap" else self.model.loss(moved) / reference
        return float(np.abs(values[: point.size] - values[point.size :]).sum() / (2.0 * h))


def _signs_and_logs(X: list[Ball]) -> tuple[list[int], list[Ball]]:
    return [1 if x > 0 else -1 for x in X], [abs(x).log().mid() for x in X]


def _edges(left: Ball, right: Ball, last: float) -> list[Ball]:
    """Element edges from left to right, with lengths that grow geometrically from ``last`` away from the right end."""
    total = float(right - left)
    lengths = [last]
    while sum(lengths) < total:
        lengths.append(lengths[-1] * _GROWTH)
    scale = total / sum(lengths)
    edges = [right]
    for length in lengths[:-1]:
        edges.append((edges[-1] - flint.arb(scale * length)).mid())
    return [left, *reversed(edges)]
