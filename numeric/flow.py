"""Adaptive gradient flow dW/dt = -grad of one network or an ensemble, with escape events and saved times.

The error norm is max_l |err_l|_F/(rtol |W_l|_F), relative in every layer however small, and |err_t|/(rtol t).  Finished
members leave the batch.  An end inside a step is located on the pair's own interpolant by a bracketed root and reached
by a step of its own, so that it is as exact as the pair.  Nothing that one member does touches another: escape times
are bit for bit the same under permutation and for any chunk size and batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

import torch
from torch import Tensor

from numeric.activations import Activation
from numeric.data import Population
from numeric.ensemble import Ensemble
from numeric.escape_rule import EscapeRule, parse_escape_rule
from numeric.integration import Limits, Outcome, integrate
from numeric.losses import Loss
from numeric.memory import is_out_of_memory, lacking, release
from numeric.monitor import Monitor
from numeric.network import Network, Weights, scale_units
from numeric.recorder import Recorder
from numeric.run_status import RunStatus
from numeric.stepper import Stepper
from numeric.tableaux import tableau


@dataclass(frozen=True)
class SavedStates:
    """The flow at given times: times (T,), losses (M, T), scales X_l (M, T, L), states (M, T, stride) if asked for.

    Entries after a member's end are NaN.
    """

    times: Tensor
    losses: Tensor
    scales: Tensor
    states: Tensor | None


@dataclass(frozen=True)
class FlowResult:
    """The flow of M members.

    status: one per member.  escape_times (M,): NaN without escape.  error_estimates (M,): |difference from a run at ten
    times the tolerance|, NaN unless asked for.  times (M,): where the member stopped.  evaluations (M,): gradients,
    rejected steps included.  steps, rejected (M,).  losses (M,), scales (M, L): X_l at the stop.  weights: W_l there,
    (M, n_l, n_{l-1}).  saved: the requested times.  seconds: wall time.
    """

    status: tuple[RunStatus, ...]
    escape_times: Tensor
    error_estimates: Tensor
    times: Tensor
    evaluations: Tensor
    steps: Tensor
    rejected: Tensor
    losses: Tensor
    scales: Tensor
    weights: Weights = field(repr=False)
    saved: SavedStates | None = field(repr=False)
    seconds: float

    @property
    def members(self) -> int:
        """M."""
        return len(self.status)

    def failures(self) -> tuple[str, ...]:
        """One sentence with cause and advice for each member that ended neither in its escape nor at `until`."""
        return tuple(f"member {m}: {s.advice}" for m, s in enumerate(self.status) if s.failed)


@dataclass(frozen=True)
class FlowOptions:
    """How to integrate.  Raises ValueError with one sentence for values that make no sense.

    rtol: relative tolerance per step.  method: "tsit5", or "dop853" for rtol below about 1e-8.  clock: "growth" or
    "time".  budget: gradient evaluations per member.  poll: steps between looks at who has finished, by default 1
    on the CPU and 8 on CUDA.  crowd: the finished leave when at most this share of the batch is live, by default 1 on
    the CPU and 1/2 on CUDA, where batches of sizes that halve find their kernels and their memory again.
    chunk: members per workspace, by default what fits the cache.  compiled: pointwise passes by torch.compile.
    """

    rtol: float = 1e-6
    method: str = "tsit5"
    clock: str = "growth"
    budget: int = 100_000
    poll: int | None = None
    crowd: float | None = None
    chunk: int | None = None
    compiled: bool = False
    dtype: torch.dtype = torch.float64
    device: torch.device | str = "cpu"

    def __post_init__(self) -> None:
        least = 10.0 * torch.finfo(self.dtype).eps
        if not (math.isfinite(self.rtol) and least <= self.rtol < 1.0):
            raise ValueError(f"rtol must lie in [{least:.1e}, 1) for {self.dtype}, got {self.rtol}")
        if self.clock not in ("growth", "time"):
            raise ValueError(f"unknown clock {self.clock!r}; expected 'growth' or 'time'")
        if self.budget < 1 or (self.poll is not None and self.poll < 1):
            raise ValueError(f"budget and poll must be positive, got {self.budget} and {self.poll}")
        if self.crowd is not None and not 0.0 < self.crowd <= 1.0:
            raise ValueError(f"crowd must lie in (0, 1], got {self.crowd}")
        tableau(self.method)


def gradient_flow(
    net: Network,
    weights: Sequence[Tensor],
    data: Population,
    *,
    criterion: Loss | None = None,
    activations: Sequence[Activation] | None = None,
    escape: str | EscapeRule | None = "loss:0.5",
    until: float | None = None,
    saved_times: Sequence[float] | Tensor | None = None,
    keep_states: bool = False,
    stop_at_escape: bool = True,
    estimate_error: bool = False,
    options: FlowOptions | None = None,
) -> FlowResult:
    """Integrate the gradient flow from `weights` ((M, n_l, n_{l-1}) or unbatched) until escape, `until`, or the budget.

    activations: one for each member, by default the network's.  saved_times: increasing times at which to record; their
    last one is `until` if that is not given.  With stop_at_escape False the escape time is recorded and the flow goes
    on.  Time is gradient-flow time, dW/dt = -grad.
    Members are integrated together, or in smaller batches where the device runs out of memory: no number depends on it.
    Raises ValueError for weights that do not fit, a layer that is exactly zero (the growth clock divides by |W_l|), or
    a run that could never stop (neither escape nor until); MemoryError when a single member is too much.
    """
    options = options or FlowOptions()
    times = None if saved_times is None else _checked_times(saved_times)
    if until is None and times is not None and len(times):
        until = float(times[-1])
    if until is not None and not until > 0:
        raise ValueError(f"until must be a positive time, got {until}")
    if until is None and (escape is None or not stop_at_escape):
        raise ValueError("the flow needs an end: give an escape rule or `until`")
    rule = None if escape is None else parse_escape_rule(escape, net.depth)
    began = perf_counter()
    problem = _Problem(net, data, criterion, activations, rule, math.inf if until is None else float(until), options)
    result = _solve(problem, weights, times, keep_states, stop_at_escape)
    if estimate_error:
        loose = replace(problem, options=replace(options, rtol=min(0.5, 10.0 * options.rtol)))
        other = _solve(loose, weights, None, False, True)
        result = replace(result, error_estimates=(result.escape_times - other.escape_times).abs())
    return replace(result, seconds=perf_counter() - began)


@dataclass(frozen=True)
class _Problem:
    net: Network
    data: Population
    criterion: Loss | None
    activations: Sequence[Activation] | None
    rule: EscapeRule | None
    until: float
    options: FlowOptions

    def solve(self, weights: Sequence[Tensor], times: Tensor | None, keep_states: bool, stop: bool) -> FlowResult:
        options = self.options
        device = torch.device(options.device)
        ensemble = Ensemble(
            self.net,
            self.data,
            self.criterion,
            activations=self.activations,
            compiled=options.compiled,
            dtype=options.dtype,
            device=device,
            chunk=options.chunk,
        )
        state = ensemble.layout.flatten(weights, options.dtype, device)
        ensemble.check_members(state.shape[0])
        units = torch.tensor(scale_units(self.net), dtype=options.dtype, device=device)
        growth = options.clock == "growth"
        monitor = Monitor(self.rule, units)
        stepper = Stepper(ensemble, tableau(options.method), state.shape[0], options.rtol, growth, monitor)
        recorder = None if times is None else Recorder(times, state, units, keep_states)
        poll = options.poll or (8 if device.type == "cuda" else 1)
        if recorder or not stop:
            poll = 1
        crowd = options.crowd or (0.5 if device.type == "cuda" else 1.0)
        limits = Limits(self.until, options.budget, poll, crowd, stop, options.rtol)
        outcome = integrate(ensemble, state, stepper, limits, growth, recorder)
        return _result(ensemble, outcome, units, recorder)


def _solve(
    problem: _Problem, weights: Sequence[Tensor], times: Tensor | None, keep_states: bool, stop: bool
) -> FlowResult:
    """``problem.solve``, or where the device's memory does not take that, the halves of the ensemble one by one."""
    try:
        return problem.solve(weights, times, keep_states, stop)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
    # Outside the handler, whose error holds the failed attempt's tensors.
    release(problem.options.device)
    members = max((weight.shape[0] for weight in weights if weight.ndim == 3), default=1)
    if members == 1:
        what = f"the flow of one network of widths {problem.net.widths} on {problem.data.samples} samples"
        raise lacking(what, problem.options.device)
    halves = []
    for rows in (slice(0, members // 2), slice(members // 2, members)):
        part = [w[rows] if w.ndim == 3 and w.shape[0] == members else w for w in weights]
        data = problem.data
        x, y = (t[rows] if t.ndim == 3 else t for t in (data.covariates, data.targets))
        each = None if problem.activations is None else problem.activations[rows]
        own = replace(problem, data=Population(x, y, data.node_weights), activations=each)
        halves.append(_solve(own, part, times, keep_states, stop))
    return _joined(halves)


def _joined(parts: Sequence[FlowResult]) -> FlowResult:
    """The flows of several ensembles as the flow of one."""

    def both(name: str, of: Sequence[object] = parts) -> Tensor:
        return torch.cat([getattr(part, name) for part in of])

    saved = [part.saved for part in parts if part.saved is not None]
    return FlowResult(
        status=tuple(status for part in parts for status in part.status),
        escape_times=both("escape_times"),
        error_estimates=both("error_estimates"),
        times=both("times"),
        evaluations=both("evaluations"),
        steps=both("steps"),
        rejected=both("rejected"),
        losses=both("losses"),
        scales=both("scales"),
        weights=[torch.cat(layers) for layers in zip(*(part.weights for part in parts), strict=True)],
        saved=SavedStates(
            saved[0].times,
            both("losses", saved),
            both("scales", saved),
            None if saved[0].states is None else both("states", saved),
        )
        if saved
        else None,
        seconds=0.0,
    )


def _result(ensemble: Ensemble, outcome: Outcome, units: Tensor, recorder: Recorder | None) -> FlowResult:
    layout = ensemble.layout
    saved = None
    if recorder is not None:
        saved = SavedStates(recorder.times, recorder.losses, recorder.scales, recorder.states)
    return FlowResult(
        status=tuple(outcome.status),
        escape_times=outcome.escape,
        error_estimates=torch.full_like(outcome.escape, math.nan),
        times=outcome.state[:, layout.parameters].clone(),
        evaluations=outcome.counts[0],
        steps=outcome.counts[1],
        rejected=outcome.counts[2],
        losses=ensemble.losses(outcome.state),
        scales=layout.norms(outcome.state) / units,
        weights=layout.views(outcome.state),
        saved=saved,
        seconds=0.0,
    )


def _checked_times(times: Sequence[float] | Tensor) -> Tensor:
    values = torch.as_tensor(times, dtype=torch.float64).reshape(-1).cpu()
    if not bool((values >= 0).all()) or not bool((values[1:] > values[:-1]).all()) or not bool(values.isfinite().all()):
        raise ValueError("saved times must be finite, non-negative and increasing")
    return values
