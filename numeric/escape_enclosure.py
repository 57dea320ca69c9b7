"""A validated enclosure of the escape time of the manifold flow, for nonlinear activations and any depth.

The flow of the L scales is written with s = log(X_lead(t)/X_lead(0)) as the independent variable, x_m = log|X_m|:

    dx_m/ds = f_m = w_m/w_lead,   dt/ds = 1/w_lead,   s from 0 to S = log(level/X_lead(0)),

w the relative rates.  Take any functions y_m(s), polynomials on each interval [a, b] (they come from the collocation of
``high_precision``, but nothing below trusts them), and let e = x - y.  On an interval with centre c and radius r three
things are enclosed:

1. Field.  w is replaced by a finite sum w^h (``validated_field``); |w_m - w_m^h| <= eps_m for all scales of a tube
   |x_m - y_m| <= R, hence |f_m - f_m^h| <= q = (|f_m^h| eps_lead + eps_m)/(w_lead^h - eps_lead).
2. Defect.  D = f^h(s, y(s)) - y'(s) = sum_{k<p} D_k(c) (s - c)^k + D_p (s - c)^p with D_p in the p-th Taylor
   coefficient at the ball c +- r (Lagrange): automatic differentiation on power series of balls.  Let d bound |D|.
3. Growth.  e' = J e + (D + f - f^h), J the mean of the Jacobian of f^h on the segment from y to x.  The tube is
   covered by balls on which J is enclosed, and with the logarithmic norm of the maximum norm,
   mu = max_m (J_mm + sum_{j != m} |J_mj|), |e(s)| <= e^{mu (s - a)} |e(a)| + (d + q) (s - a) max(1, e^{mu (s - a)}).
   On the plateau f_m ~ X_lead^2/X_m^2, so that mu is about -2: errors die out.

At the start, and between intervals, |e| gets the difference of x (of the old y) and the new y.  If the bound stays
below R on the whole interval, the solution exists there and never leaves the tube; then w_lead > 0, X_lead increases,
and it reaches the level for the first time at s = S.  If the bound does not, R grows, and in the end the attempt is
refused.

The time is int 1/w_lead^h(s, y(s)) ds, enclosed by its Taylor form like D, and the change of 1/w_lead between there and
the truth: at most (e^{Lambda |e|} - 1) for the state, Lambda the sum of |d log w_lead^h/dx_j|, and eps_lead/(w_lead^h -
eps_lead) for the field, both relative.  All numbers are balls with outward rounding: nothing is estimated.

Under a rule of kind loss S is not known.  The loss decreases, so that a place where it is certainly above its level and
one where it is certainly below enclose the escape.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint
import numpy as np

from numeric.balanced_integral import outward
from numeric.ball_manifold import exact
from numeric.escape_rule import EscapeRule, parse_escape_rule
from numeric.high_precision import CollocationPiece, CollocationSolution, collocation_solution
from numeric.manifold import ManifoldModel
from numeric.validated_field import TrapezoidRule, ValidatedField

Ball = Any  # flint.arb
Series = Any  # flint.arb_series

_GUARD_DIGITS = 3  # of the tolerances of an interval: there are tens to hundreds of intervals
_SOLUTION_DIGITS = 8  # by so much the approximate solution is better: its defect near the end is larger than its error
_GUARD_BITS = 48
_COARSE_BITS = 64  # where the balls are wide, so that precision would be wasted
_FIRST_RADIUS, _SMALLEST_RADIUS = 0.2, 1e-9  # of the intervals; a start near a singularity needs small ones
_LARGEST_RADIUS = 0.5  # a rate changes by e^(+-L radius) over the ball from which a remainder is bounded
_WIDEST_TUBE = 0.1  # in log X: beyond this the approximate solution is no approximation
_NEAR = 0.01  # so far before an approximate end a march goes in any case
_ATTEMPTS = 6  # with tubes that grow by 4 and cells half as large


@dataclass(frozen=True)
class ValidatedEscape:
    """``lower`` <= escape time <= ``upper``, decimal strings rounded outwards; ``digits``: correct ones of the ball.

    ``deviation``: the proven bound of |log X_m - approximate solution| over all layers and the whole flow.
    ``intervals``: how many Taylor forms.
    """

    lower: str
    upper: str
    digits: float
    deviation: float
    intervals: int


def validated_escape(
    model: ManifoldModel,
    start: Sequence[str | float | Fraction],
    rule: str | EscapeRule = "scale:0.5@1",
    digits: int = 12,
) -> ValidatedEscape:
    """A rigorous enclosure of the time at which ``rule``, of kind scale or loss, is met, about ``digits`` wide.

    ``start``: L layer scales, not zero; strings and fractions are exact, floats read by their shortest decimal form.
    Raises ValueError for a rule of kind overlap, an activation without a bound on a strip (``ball_strips``), digits
    outside 5 .. 40, or where the solution cannot be followed (the rule's layer, or under the rule loss some layer, must
    increase up to the escape).
    """
    if not 5 <= digits <= 40:
        raise ValueError(f"digits must lie between 5 and 40, got {digits!r}")
    parsed = parse_escape_rule(rule, model.depth)
    if parsed.kind == "overlap":
        raise ValueError(f"a validated time needs a rule of kind scale or loss (scale:0.5@1, loss:0.5), got {parsed}")
    ValidatedField(model)  # refuses an activation before any work is done
    solution = collocation_solution(model, start, parsed, max(10, digits + _SOLUTION_DIGITS))
    return validate_solution(model, start, parsed, digits, solution)


def validate_solution(
    model: ManifoldModel,
    start: Sequence[str | float | Fraction],
    rule: EscapeRule,
    digits: int,
    solution: CollocationSolution,
) -> ValidatedEscape:
    """The enclosure from a given approximate solution, good or bad: a bad one widens it or is refused."""
    cap = flint.ctx.cap
    with flint.ctx.workprec(math.ceil((digits + _GUARD_DIGITS) * math.log2(10.0)) + _GUARD_BITS):
        try:
            march = _March(model, [exact(x) for x in start], solution.lead, digits)
            level = exact(rule.level)
            if rule.kind == "scale":
                return march.up_to_scale(solution.pieces, level)
            return march.up_to_loss(solution.pieces, solution.end, level)
        finally:
            flint.ctx.cap = cap


@dataclass(frozen=True)
class _Form:
    """The Taylor form on one interval.

    ``radius``: reaches from the centre to both ``ends`` (relative to it); ``logs``: the polynomials y; ``defect``: a
    bound of |D|; ``time``: the integral of 1/w_lead^h along y; ``remainder``: the size of its last terms.
    """

    center: Ball
    radius: Ball
    ends: tuple[Ball, Ball]
    logs: list[list[Ball]]
    defect: Ball
    time: Ball
    remainder: float


@dataclass(frozen=True)
class _Cell:
    """Upper bounds on one ball of a tube: mu, q, 1/w_lead^h, its relative change by the field error, and Lambda."""

    growth: Ball
    field: Ball
    inverse: Ball
    inverse_change: Ball
    stiffness: Ball


class _March:
    """The intervals from left to right.

    ``left``: the end of the last interval, and there ``logs``, which is y, ``bound``, of |e|, and ``time``, the ball of
    the time spent; ``widest``: the largest bound so far; ``rule``: the quadrature of the present piece.
    """

    rule: TrapezoidRule

    def __init__(self, model: ManifoldModel, X: list[Ball], lead: int, digits: int) -> None:
        self.model, self.field, self.digits, self.lead = model, ValidatedField(model), digits, lead
        self.others = [m for m in range(model.depth) if m != self.lead]
        self.signs = [1 if x > 0 else -1 for x in X]
        self.start, self.origin = X, abs(X[self.lead])
        self.tolerance = 10.0 ** -(digits + _GUARD_DIGITS)
        self.order = 7 + round(0.9 * digits)  # the fastest among those tried for 8, 12 and 20 digits
        self.cover = 0.1 / model.depth  # radius of the cells of a tube: a rate changes there by about e^(+-L radius)
        self.logs = [abs(X[m]).log() for m in self.others]
        self.left, self.radius = flint.arb(0), _FIRST_RADIUS
        self.bound, self.time, self.widest = flint.arb(0), flint.arb(0), flint.arb(0)
        self.intervals = 0

    def up_to_scale(self, pieces: Sequence[CollocationPiece], level: Ball) -> ValidatedEscape:
        """The time at which the leading layer's scale is ``level``."""
        self._march(pieces, (level / self.origin).log())
        return self._result(self.time)

    def up_to_loss(self, pieces: Sequence[CollocationPiece], end: Ball, fraction: Ball) -> ValidatedEscape:
        """The time at which the loss is that fraction of its initial value.

        Along a gradient flow the loss decreases, so that two places with the loss certainly above and certainly below
        enclose the escape; they are taken on both sides of the approximate ``end``.
        """
        last = pieces[-1]
        near = (end - min(_NEAR, 0.5 * float(end - last.left))).mid()
        self._march(pieces, near)
        level = self._loss_of(self.start) * fraction
        for power in range(_ATTEMPTS):
            side = flint.arb(self.tolerance * 32.0**power)
            march = copy.copy(self)
            march._march([last], (end - side).mid())
            before, earliest = march._loss(), march.time
            march._march([last], (end + side).mid())
            if before > level and march._loss() < level:
                return march._result(earliest.union(march.time))
        raise ValueError("the loss at the escape cannot be told from its level: ask for fewer digits")

    def _loss(self) -> Ball:
        """A ball of the loss at the place that has been reached."""
        X: list[Any] = [None] * self.model.depth
        X[self.lead] = self.left.exp() * (self.signs[self.lead] * self.origin)
        for m, x in zip(self.others, self.logs, strict=True):
            X[m] = (x + flint.arb(0, self.bound)).exp() * self.signs[m]
        return self._loss_of(X)

    def _loss_of(self, X: list[Ball]) -> Ball:
        rule = self.field.choose_for_loss(np.array([float(x) for x in X]), self.tolerance * self.model.target_power)
        return self.field.loss(X, rule)

    def _march(self, pieces: Sequence[CollocationPiece], end: Ball) -> None:
        """Over the pieces from where the march stands to ``end``."""
        for piece, right in zip(pieces, [*(p.left for p in pieces[1:]), end], strict=True):
            self.rule = self._quadrature(piece, right)
            while self.left is not right:
                self._advance(piece, right)

    def _result(self, time: Ball) -> ValidatedEscape:
        if not time.is_finite():
            raise ValueError("the time cannot be enclosed")
        shown = self.digits + 5
        return ValidatedEscape(
            outward(time.lower(), shown, -1),
            outward(time.upper(), shown, 1),
            time.rel_accuracy_bits() * math.log10(2.0),
            float(self.widest),
            self.intervals,
        )

    def _advance(self, piece: CollocationPiece, right: Ball) -> None:
        """One interval towards ``right``."""
        left, radius = self.left, self.radius
        if not left < right:
            raise ValueError("the pieces of the approximate solution must follow each other up to the escape")
        while radius > _SMALLEST_RADIUS:
            length = float(right - left)
            parts = math.ceil(length / (2.0 * radius) - 0.05)
            end = right if parts <= 1 else (left + flint.arb(length / parts)).mid()
            form = self._taylor_form(piece, left, end)
            if form is not None and form.remainder <= self.tolerance:
                self._follow(form)
                ratio = (self.tolerance / max(form.remainder, 1e-300)) ** (1.0 / self.order)
                self.radius = min(_LARGEST_RADIUS, 1.5 * radius, float(form.radius) * max(0.7, 0.9 * ratio))
                self.left, self.intervals = end, self.intervals + 1
                return
            radius = 0.6 * min(radius, length / 2.0)
        raise ValueError("the flow cannot be enclosed: the layer's scale must increase all the way up to the escape")

    def _taylor_form(self, piece: CollocationPiece, left: Ball, right: Ball) -> _Form | None:
        """Step 2 of the module's text; None when the rate of the leading layer is not certainly positive."""
        center = ((left + right) / 2).mid()
        ends = (left - center, right - center)
        r, p = _largest(abs(e) for e in ends), self.order
        logs = local_polynomials(piece, center, p)
        flint.ctx.cap = p + 1
        with flint.ctx.workprec(_COARSE_BITS):
            around = self._slopes(flint.arb(center, r), [spread(row, r) for row in logs])
        at = self._slopes(center, logs) if around is not None else None
        if around is None or at is None:
            return None
        (f, inverse), (wide_f, wide_inverse) = at, around
        remainders = [abs(g[p]) * r**p for g in wide_f]
        # y has degree p, so that y' has no term of order p
        defects = [
            sum((abs(g[k] - (k + 1) * row[k + 1]) * r**k for k in range(p)), remainder)
            for row, g, remainder in zip(logs, f, remainders, strict=True)
        ]
        tail = (abs(wide_inverse[p]) * 2 * r ** (p + 1) / (p + 1)).upper()
        powers = ((ends[1] ** (k + 1) - ends[0] ** (k + 1)) / (k + 1) for k in range(p))
        time = sum((inverse[k] * power for k, power in enumerate(powers)), flint.arb(0, tail))
        remainder = float(_largest([*remainders, tail / time.mid()]))
        return _Form(center, r, ends, logs, _largest(defects), time, remainder)

    def _quadrature(self, piece: CollocationPiece, right: Ball) -> TrapezoidRule:
        """A rule for the scales at the right end of a piece, where they are largest; chosen in float64."""
        logs = [row[0] for row in local_polynomials(piece, right.mid(), 0)]
        X = np.empty(self.model.depth)
        X[self.lead] = self.signs[self.lead] * float(self.origin * right.exp())
        X[self.others] = [self.signs[m] * float(x.exp()) for m, x in zip(self.others, logs, strict=True)]
        return self.field.choose(X, self.lead, self.model.rates(X) / X, self.tolerance)

    def _slopes(self, s: Ball, logs: list[list[Ball]]) -> tuple[list[Series], Series] | None:
        """Power series of f_m and 1/w_lead from those of s and of the logs, whose first terms may be wide balls."""
        X: list[Any] = [None] * self.model.depth
        X[self.lead] = flint.arb_series([s, 1]).exp() * (self.signs[self.lead] * self.origin)
        for m, row in zip(self.others, logs, strict=True):
            X[m] = flint.arb_series(row).exp() * self.signs[m]
        w = self.field.rates(X, self.rule)
        if not w[self.lead][0] > 0:
            return None
        inverse = 1 / w[self.lead]
        return [w[m] * inverse for m in self.others], inverse

    def _follow(self, form: _Form) -> None:
        """Steps 1 and 3 and the time on one interval: updates bound, time, logs and widest."""
        jumps = [abs(x - value_at(row, form.ends[0])) for x, row in zip(self.logs, form.logs, strict=True)]
        start = (self.bound + _largest(jumps)).upper()
        tube = (4 * (start + 2 * form.radius * (form.defect + self.tolerance))).upper()
        cells = math.ceil(float(form.radius) / self.cover)
        for _ in range(_ATTEMPTS):
            if not tube < _WIDEST_TUBE:
                break
            with flint.ctx.workprec(_COARSE_BITS):
                grown = self._grow(form, start, tube, cells)
            if grown is not None:
                self.bound, widest, error = grown
                self.widest = _largest([self.widest, widest])
                self.time += form.time + flint.arb(0, error)
                self.logs = [value_at(row, form.ends[1]) for row in form.logs]
                return
            tube, cells = 4 * tube, 2 * cells
        raise ValueError("the approximate solution is too far from a solution: no tube around it can be validated")

    def _grow(self, form: _Form, start: Ball, tube: Ball, cells: int) -> tuple[Ball, Ball, Ball] | None:
        """|e| at the right end, its maximum, and the error of the time, if |e| stays below ``tube``; else None.

        The cells cut [-radius, radius] into equal parts; the ends of the interval may lie a rounding error inside.
        """
        r = (form.radius / cells).upper()
        longest = 2 * r
        shortest = 2 * form.radius / cells - (2 * form.radius - (form.ends[1] - form.ends[0]))
        bound, widest, error = start, start, flint.arb(0)
        for k in range(cells):
            middle = (form.radius * (2 * k + 1 - cells) / cells).mid()
            cell = self._cell(form, flint.arb(middle, r * (1 + flint.arb(2) ** -20)), tube)
            if cell is None:
                return None
            source = (form.defect + cell.field) * longest * _largest([(cell.growth * longest).exp(), flint.arb(1)])
            most = (bound * _largest([(cell.growth * longest).exp(), flint.arb(1)]) + source).upper()
            if not most < tube:
                return None
            lasting = longest if cell.growth > 0 else shortest
            bound = (bound * (cell.growth * lasting).exp() + source).upper()
            widest = _largest([widest, most])
            error += longest * cell.inverse * ((cell.stiffness * most).expm1() + cell.inverse_change)
        return bound, widest, error.upper()

    def _cell(self, form: _Form, offset: Ball, tube: Ball) -> _Cell | None:
        """Bounds for s - center in ``offset`` and logs within ``tube`` of y; None unless w_lead > 0 there."""
        X: list[Any] = [None] * self.model.depth
        X[self.lead] = (form.center + offset).exp() * (self.signs[self.lead] * self.origin)
        for m, row in zip(self.others, form.logs, strict=True):
            X[m] = (value_at(row, offset) + flint.arb(0, tube)).exp() * self.signs[m]
        eps = [e / abs(x).lower() for e, x in zip(self.field.errors(X, self.rule), X, strict=True)]
        flint.ctx.cap = 2  # derivatives along log X_j: the series X_j (1 + h)
        norms, stiffness = [flint.arb(0)] * len(self.others), flint.arb(0)
        for j in self.others:
            w = self.field.rates([flint.arb_series([x, x] if m == j else [x]) for m, x in enumerate(X)], self.rule)
            safe = w[self.lead][0] - eps[self.lead]
            if not safe > 0:
                return None
            f = [w[m] / w[self.lead] for m in self.others]
            norms = [a + (g[1] if m == j else abs(g[1])) for a, g, m in zip(norms, f, self.others, strict=True)]
            stiffness += abs(w[self.lead][1] / w[self.lead][0])
        field = [(abs(g[0]) * eps[self.lead] + eps[m]) / safe for g, m in zip(f, self.others, strict=True)]
        bounds = (_largest(norms), _largest(field), 1 / w[self.lead][0], eps[self.lead] / safe, stiffness)
        return _Cell(*(b.upper() for b in bounds))


def _largest(values: Iterable[Ball]) -> Ball:
    """An exact upper bound of all; infinite when one of them is infinite or no number."""
    uppers = [value.upper() for value in values]
    return max(uppers) if all(u.is_finite() for u in uppers) else flint.arb.pos_inf()


def local_polynomials(piece: CollocationPiece, center: Ball, degree: int) -> list[list[Ball]]:
    """Exact coefficients 0 .. degree in powers of s - center of the piece's functions, cut off there."""
    length = max(len(c) for c in piece.coefficients)
    with flint.ctx.workprec(flint.ctx.prec + 2 * length):  # powers lose 1.3 bits a degree
        x = flint.arb_poly([(center - piece.left) / piece.half - 1, 1 / piece.half])
        powers = [flint.arb_poly(chebyshev_to_powers(c))(x) for c in piece.coefficients]
        return [[power[k].mid() for k in range(degree + 1)] for power in powers]


def chebyshev_to_powers(coefficients: Sequence[Ball]) -> list[Ball]:
    """Power coefficients of sum_k c_k T_k, by Clenshaw's recurrence on polynomials."""
    x2, ahead, last = flint.arb_poly([0, 2]), flint.arb_poly([0]), flint.arb_poly([0])
    for c in reversed(coefficients[1:]):
        ahead, last = x2 * ahead - last + c, ahead
    return list((flint.arb_poly([0, 1]) * ahead - last + coefficients[0]).coeffs())


def value_at(coefficients: Sequence[Ball], s: Ball) -> Ball:
    """sum_k c_k s^k."""
    return flint.arb_poly(list(coefficients))(s)


def spread(coefficients: Sequence[Ball], r: Ball) -> list[Ball]:
    """Taylor coefficients of sum_k c_k s^k at every point of [-r, r], as balls around those at 0."""
    sizes = flint.arb_poly([abs(c) for c in coefficients])
    moved = sizes(flint.arb_poly([r, 1]))
    return [flint.arb(c.mid(), (moved[k] - abs(c)).upper() + c.rad()) for k, c in enumerate(coefficients)]
