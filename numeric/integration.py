"""The loop of an adaptive flow: live members step together, finished ones leave, ends inside a step are located."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from numeric.ensemble import Ensemble
from numeric.monitor import _ROOT_ITERATIONS, Bracket
from numeric.recorder import Recorder
from numeric.run_status import RunStatus
from numeric.stepper import Field, Segment, Stepper, logarithm, power

_SAFETY = 0.9
_SHRINK, _GROW = 0.2, 5.0
_BEYOND = 0.125  # of the last step: how far a step reaches past the end that is expected
_PROBE, _FARTHEST = 1e-3, 0.1  # of the last step: the difference quotient at an end, and the way from there to it
_LIVE, _CROSSED, _UNTIL, _NOT_FINITE, _UNDERFLOW, _SPENT, _AT_ONCE = range(7)
_STATUS = {
    _CROSSED: RunStatus.ESCAPED,
    _UNTIL: RunStatus.UNTIL_REACHED,
    _NOT_FINITE: RunStatus.NOT_FINITE,
    _UNDERFLOW: RunStatus.STEP_UNDERFLOW,
    _SPENT: RunStatus.BUDGET_SPENT,
    _AT_ONCE: RunStatus.ESCAPED,
}


@dataclass(frozen=True)
class Limits:
    """until: the end in time (inf for none).  budget: gradients per member.  poll: steps between compactions.

    crowd: share of the batch that may be live for a compaction; below 1 there are few sizes of batches.
    stop: whether an escape ends a member's flow.  rtol: sets how exactly an end is located.
    """

    until: float
    budget: int
    poll: int
    crowd: float
    stop: bool
    rtol: float


@dataclass
class Outcome:
    """What is known about all M members, filled as they finish."""

    state: Tensor
    escape: Tensor
    status: list[RunStatus]
    counts: Tensor  # evaluations, steps, rejected: (3, M)
    pending: list[tuple[Tensor, Segment, Tensor, int]] = field(default_factory=list)


@dataclass
class Batch:
    """The live members: ids, state, step h, field there, initial monitor, whether the rule is armed, how each ended."""

    ids: Tensor
    state: Tensor
    h: Tensor
    field: Field
    initial: Tensor
    armed: Tensor
    ended: Tensor

    def rows(self, index: Tensor) -> Batch:
        """The members at positions `index` of the batch."""
        parts = (self.initial[index], self.armed[index], self.ended[index])
        return Batch(self.ids[index], self.state[index], self.h[index], self.field.rows(index), *parts)

    def end(self, which: Tensor, code: int) -> None:
        """Mark live members as ended."""
        which = which & (self.ended == _LIVE)
        self.ended = torch.where(which, torch.full_like(self.ended, code), self.ended)


def integrate(
    ensemble: Ensemble, state: Tensor, stepper: Stepper, limits: Limits, growth: bool, recorder: Recorder | None
) -> Outcome:
    """Run all members of `state` (M, stride) to their ends.  Raises ValueError for a layer that is exactly zero."""
    members = state.shape[0]
    outcome = Outcome(
        state.clone(),
        torch.full((members,), math.nan, dtype=torch.float64, device=state.device),
        [RunStatus.BUDGET_SPENT] * members,
        torch.zeros(3, members, dtype=torch.int64, device=state.device),
    )
    batch = _start(ensemble, state, stepper, limits, growth, outcome)
    if recorder is not None:
        recorder.start(ensemble, state, batch.field)
    live = ensemble
    steps = 0
    while batch.ids.numel():
        if steps % limits.poll == 0 and _is_sparse(batch, limits.crowd):
            batch = _compact(batch, stepper, outcome)
            live = ensemble.select(batch.ids)
            continue
        _advance(live, batch, stepper, limits, growth, outcome, recorder)
        steps += 1
    _resolve(ensemble, stepper, limits, outcome)
    return outcome


def _is_sparse(batch: Batch, crowd: float) -> bool:
    """Whether members have ended, and so many that those who live are at most `crowd` of the batch."""
    live = int((batch.ended == _LIVE).sum())
    return live < batch.ended.numel() and live <= crowd * batch.ended.numel()


def _start(
    ensemble: Ensemble, state: Tensor, stepper: Stepper, limits: Limits, growth: bool, outcome: Outcome
) -> Batch:
    members = state.shape[0]
    first = stepper.field(ensemble, state, stepper.stages(members)[0])
    zero = (first.norms == 0).any(0)
    if bool(zero.any()):
        layer = int(zero.to(torch.int64).argmax()) + 1
        raise ValueError(
            f"layer {layer} is exactly zero (or its norm underflows) in a member: give it a positive scale"
        )
    outcome.counts[0] += 1
    h = torch.full_like(first.rates, 0.5 * limits.rtol ** (1.0 / (stepper.pair.error_order + 1)))
    batch = Batch(
        torch.arange(members, device=state.device),
        state.clone(),
        h if growth else h / first.rates,
        first,
        first.monitor,
        torch.full((members,), stepper.monitor.rule is not None, device=state.device),
        torch.zeros(members, dtype=torch.int64, device=state.device),
    )
    batch.end(~(first.rates.isfinite() & (first.rates > 0) & first.losses.isfinite()), _NOT_FINITE)
    if stepper.monitor.rule is not None:
        met = (batch.ended == _LIVE) & (stepper.monitor.gap(first.monitor, first.monitor) <= 0)
        outcome.escape[met] = 0.0
        batch.armed &= ~met
        if limits.stop:
            batch.end(met, _AT_ONCE)
    return batch


def _advance(
    ensemble: Ensemble,
    batch: Batch,
    stepper: Stepper,
    limits: Limits,
    growth: bool,
    outcome: Outcome,
    recorder: Recorder | None,
) -> None:
    """One trial step of the whole batch.  Decisions stay on the device unless something is recorded."""
    old, h = batch.field, batch.h
    new, fresh = stepper.step(ensemble, batch.state, h)
    time = new[:, ensemble.layout.parameters]
    error = stepper.error(h, old.norms, fresh.norms, time)
    good = error.isfinite() & fresh.losses.isfinite() & fresh.rates.isfinite() & (fresh.rates > 0)
    live = batch.ended == _LIVE
    accept = good & (error <= 1.0) & live
    cost = torch.stack([live * (stepper.pair.stages - 1), live, live & ~accept]).to(torch.int64)
    outcome.counts.index_add_(1, batch.ids, cost)
    if recorder is not None:
        recorder.step(ensemble, stepper, batch.ids, accept, batch.state, new, h)
    if stepper.monitor.rule is not None:
        crossed = accept & batch.armed & (stepper.monitor.gap(fresh.monitor, batch.initial) <= 0)
        if limits.stop:
            batch.end(crossed, _CROSSED)
        elif bool(crossed.any()):
            rows = crossed.nonzero()[:, 0]
            outcome.pending.append(
                (batch.ids[rows], stepper.record(rows, batch.state, h), batch.initial[rows], _CROSSED)
            )
            batch.armed &= ~crossed
    batch.end(accept & (time >= limits.until), _UNTIL)
    move = accept & (batch.ended == _LIVE)
    # A member that has ended keeps its state, step and first stage: its next trial step is the same step again, so the
    # stages of its last step are still there when it is taken out.
    first, last = stepper.stages(move.shape[0])[0], stepper.stages(move.shape[0])[-1]
    torch.where(move[:, None], new, batch.state, out=batch.state)
    torch.where(move[:, None], last, first, out=first)
    batch.field = old.where(move, fresh)
    _control(batch, stepper, limits, growth, outcome, move, good, error, old, fresh)


def _control(
    batch: Batch,
    stepper: Stepper,
    limits: Limits,
    growth: bool,
    outcome: Outcome,
    move: Tensor,
    good: Tensor,
    error: Tensor,
    old: Field,
    fresh: Field,
) -> None:
    """Choose the next steps, and end members whose step or budget is exhausted."""
    safe = torch.where(good, error, torch.ones_like(error)).clamp(min=1e-12)
    factor = (_SAFETY * power(safe, -1.0 / (stepper.pair.error_order + 1))).clamp(_SHRINK, _GROW)
    factor = torch.where(good, factor, torch.full_like(factor, _SHRINK))
    factor = torch.where(move, factor, factor.clamp(max=1.0))
    if not growth:
        # The time to blow-up shrinks like 1/rho: anticipate it instead of waiting for a rejection.
        factor = torch.where(move, factor * (old.rates / fresh.rates).clamp(max=1.0), factor)
    ahead = batch.h * factor
    if stepper.monitor.rule is not None:
        armed = move & batch.armed
        ahead = torch.where(armed, torch.minimum(ahead, _way_to_escape(batch, stepper, old, fresh)), ahead)
    live = batch.ended == _LIVE
    batch.h = torch.where(live, ahead, batch.h)
    tiny = 64.0 * torch.finfo(batch.h.dtype).eps
    travel = batch.h if growth else batch.h * batch.field.rates
    advance = travel / batch.field.rates  # the step in time
    passed = batch.state[:, stepper.time_column]
    stalled = (travel < tiny) & ((advance <= tiny * passed) | (travel < tiny**2))
    batch.end(stalled & ~good, _NOT_FINITE)
    batch.end(stalled, _UNDERFLOW)
    batch.end(outcome.counts[0][batch.ids] >= limits.budget, _SPENT)


def _way_to_escape(batch: Batch, stepper: Stepper, old: Field, fresh: Field) -> Tensor:
    """How far the escape should be, and a little, (A,); infinite where nothing can be said.

    What the rule watches moves away from its initial value exponentially in the growth clock, until it saturates; a
    step far beyond the escape, where the flow is another one, would be rejected.
    """
    begin, before, now = (stepper.monitor.gap(m, batch.initial) for m in (batch.initial, old.monitor, fresh.monitor))
    moved, moves = begin - before, begin - now
    seen = moved > math.sqrt(torch.finfo(begin.dtype).eps) * begin.abs()  # above rounding
    growth = logarithm(moves / moved) / batch.h
    way = logarithm(begin / moves) / growth
    usable = seen & (growth > 0) & (way > 0)
    return torch.where(usable, way + _BEYOND * batch.h, torch.full_like(way, math.inf))


def _compact(batch: Batch, stepper: Stepper, outcome: Outcome) -> Batch:
    """Take ended members out; keep the last step of those whose end lies inside it."""
    for code in torch.unique(batch.ended[batch.ended != _LIVE]).tolist():
        rows = (batch.ended == code).nonzero()[:, 0]
        ids = batch.ids[rows]
        for member in ids.tolist():
            outcome.status[member] = _STATUS[code]
        if code in (_CROSSED, _UNTIL):
            outcome.pending.append((ids, stepper.record(rows, batch.state, batch.h), batch.initial[rows], code))
        else:
            outcome.state[ids] = batch.state[rows]
    keep = (batch.ended == _LIVE).nonzero()[:, 0]
    first = stepper.stages(batch.ids.numel())[0][keep]
    stepper.stages(keep.numel())[0].copy_(first)
    return batch.rows(keep)


def _resolve(ensemble: Ensemble, stepper: Stepper, limits: Limits, outcome: Outcome) -> None:
    """Locate the ends that lie inside a step, all members of one kind together."""
    for code in (_CROSSED, _UNTIL):
        parts = [part for part in outcome.pending if part[3] == code]
        if not parts:
            continue
        ids = torch.cat([part[0] for part in parts])
        segment = Segment(
            torch.cat([part[1].start for part in parts]),
            torch.cat([part[1].stages for part in parts], dim=1),
            torch.cat([part[1].h for part in parts]),
        )
        members = ensemble.select(ids)
        segment = stepper.complete(members, segment)
        end = torch.full_like(segment.h, limits.until)
        initial = torch.cat([part[2] for part in parts])
        if code == _UNTIL:
            late = torch.ones_like(ids, dtype=torch.bool)
            theta = stepper.theta_of(segment, end)
        else:
            theta = _root(members, stepper, segment, initial, limits.rtol)
            late = stepper.time_at(segment, theta) > limits.until
            if bool(late.any()):
                theta = torch.where(late, stepper.theta_of(segment, end), theta)
        state = _landed(members, stepper, segment, theta, initial, end, late)
        outcome.counts[0][ids] += len(stepper.pair.extra) + stepper.pair.stages - 1
        if code == _CROSSED:
            times = state[:, stepper.time_column]
            outcome.escape[ids] = torch.where(late, torch.full_like(times, math.nan), times).to(torch.float64)
        if limits.stop or code == _UNTIL:
            outcome.state[ids] = state
            for member in ids[late].tolist():
                outcome.status[member] = RunStatus.UNTIL_REACHED


def _landed(
    ensemble: Ensemble, stepper: Stepper, segment: Segment, theta: Tensor, initial: Tensor, end: Tensor, late: Tensor
) -> Tensor:
    """The state (A, stride) at the end that the interpolant finds at theta (A,), with the accuracy of the pair.

    The interpolant is of lower order, and its error in an end at a long step is many tolerances.  A step of theta h
    ends next to the end; from there the derivative leads to it: to the time `end` where `late`, else to the root of the
    escape rule, with a difference quotient for the rule's slope.
    """
    stepper.stages(theta.numel())[0].copy_(segment.stages[0])
    state, fresh = stepper.step(ensemble, segment.start, segment.h * theta)
    derivative, column = stepper.stages(theta.numel())[-1], stepper.time_column
    rest = (end - state[:, column]) / derivative[:, column]
    if stepper.monitor.rule is not None:
        gap = stepper.monitor.gap(fresh.monitor, initial)
        probe = _PROBE * segment.h
        ahead = stepper.monitor.at(ensemble, state + derivative * probe[:, None])
        slope = (stepper.monitor.gap(ahead, initial) - gap) / probe
        rest = torch.where(late, rest, -gap / slope)
    bound = _FARTHEST * segment.h
    return state + derivative * torch.where(rest.isfinite(), rest.clamp(-bound, bound), 0.0)[:, None]


def _root(ensemble: Ensemble, stepper: Stepper, segment: Segment, initial: Tensor, rtol: float) -> Tensor:
    """The fraction theta at which the escape rule is met, to a hundredth of the tolerance in time."""
    monitor = stepper.monitor

    def gap(theta: Tensor) -> Tensor:
        return monitor.gap(monitor.at(ensemble, stepper.at(segment, theta)), initial)

    ones = torch.ones_like(segment.h)
    bracket = Bracket(gap(0.0 * ones), gap(ones))
    exact = 0.01 * rtol
    for _ in range(_ROOT_ITERATIONS):
        theta = bracket.guess()
        previous = stepper.time_at(segment, bracket.root)
        bracket.update(theta, gap(theta))
        now = stepper.time_at(segment, theta)
        narrow = stepper.time_at(segment, bracket.high) - stepper.time_at(segment, bracket.low)
        if bracket.settle(((now - previous).abs() <= exact * now) | (narrow <= exact * now)):
            break
    return bracket.root
