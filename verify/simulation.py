"""What ``saddle-escape simulate`` does, without its command line: a request in, members out, chunk by chunk.

Conventions (THEORY section 0): time is gradient-flow time, the loss is 1/2 E (yhat - y)^2, x ~ N(0, I_d), the teacher
is y = beta t(v.x) with |v| = 1. Layer scales are X_l = |W_l|_F / sqrt(width) in ntk and F_l = |W_l|_F in plain. On the
symmetric manifold the flow is an L-dimensional ODE; ``full`` integrates all weights instead.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from verify.simulation_request import MOST_DIGITS, NO_RULE, Request, check, exact_starts, manifold_starts
from verify.typed_activation import read_activation

if TYPE_CHECKING:
    from numeric.activations import Activation
    from numeric.data import Population
    from numeric.manifold import ManifoldModel
    from numeric.network import Network

ESCAPED, UNTIL_REACHED = "escaped", "until-reached"
_ODE_CHUNK = 64  # members of one ODE call: milliseconds each, so that Ctrl-C loses little
_FULL_CHUNK_WORK = 4e6  # weights x samples x members of one call of the full flow: about a second of it
_THREADED_WORK = 5e7  # below it a gradient takes milliseconds, and threads that wait for each other cost more


@dataclass(frozen=True)
class Member:
    """One run. ``escape_time`` is None without escape, ``error_estimate`` None without a time; scales at the end.

    ``decimal``: the escape time with all its digits where they are more than a float's, else None.
    ``enclosure``: two decimal strings between which the escape time lies by proof, where that was asked for.
    ``refusal``: why the digits or the proof that were asked for cannot be had, else empty; the rest is float64's then.
    """

    eps: float | None
    seed: int | None
    escape_time: float | None
    error_estimate: float | None
    status: str
    advice: str
    evaluations: int
    layer_scales: tuple[float, ...]
    loss: float
    end_time: float
    seconds: float
    decimal: str | None = None
    enclosure: tuple[str, str] | None = None
    refusal: str = ""


def members(request: Request) -> Iterator[tuple[Member, ...]]:
    """Run the request and yield its members, by eps and then by seed, in chunks; raises ValueError as `check` does."""
    check(request)
    beyond = request.precise or request.certified
    kind = _full_members if request.full else _ball_members if beyond else _ode_members
    yield from kind(request)


def student_and_teacher(request: Request) -> tuple[Activation, Activation]:
    """The network's activation and the teacher's, as torch runs them; ValueError with one sentence."""
    import numeric

    student = read_activation(request.activation, dict(request.parameters), numeric, float)
    return student, student if request.teacher is None else read_activation(request.teacher, {}, numeric, float)


def manifold_model(request: Request) -> ManifoldModel:
    """The L-dimensional model of the request."""
    import numeric

    student = _scalar(request.activation, dict(request.parameters))
    model: ManifoldModel = numeric.ManifoldModel(
        student,
        request.layers,
        request.width,
        request.parameterisation,
        teacher=student if request.teacher is None else _scalar(request.teacher, {}),
        beta=request.beta,
    )
    return model


def _scalar(text: str, parameters: dict[str, str]) -> Any:
    """The activation for the ODE; plain names of the catalogue need no torch, which saves seconds of loading."""
    import numeric

    if not parameters:
        with suppress(ValueError):
            return numeric.scalar_activation(text.strip().lower())
    return numeric.scalar_view(read_activation(text, parameters, numeric, float))


def _ode_members(request: Request) -> Iterator[tuple[Member, ...]]:

    import numpy as np

    with np.errstate(all="ignore"):  # what leaves the range of float64 is told by the status
        model, starts = manifold_model(request), manifold_starts(request)
    for first in range(0, len(starts), _ODE_CHUNK):
        began = time.perf_counter()
        chunk = starts[first : first + _ODE_CHUNK]
        with np.errstate(all="ignore"):
            runs = (_ode_to_time if request.escape == NO_RULE else _ode_to_rule)(request, model, chunk)
        spent = (time.perf_counter() - began) / len(chunk)
        yield tuple(replace(run, eps=request.ladder[first + m], seconds=spent) for m, run in enumerate(runs))


def _ball_members(request: Request) -> Iterator[tuple[Member, ...]]:
    """One member at a time, in ball arithmetic.

    A member that does not escape, or not before ``until``, is reported from float64, which is what finds that out.
    """
    import numpy as np

    import numeric

    model = manifold_model(request)
    for activation in (model.activation, model.teacher):
        numeric.ball_activation(activation.name)  # refuses what is not analytic, before anything has run
    rough = replace(request, digits=min(request.digits, MOST_DIGITS - 1))
    solve = _certified if request.certified else _precise
    for m, (eps, start) in enumerate(zip(request.ladder, exact_starts(request), strict=True)):
        began = time.perf_counter()
        with np.errstate(all="ignore"):  # what leaves the range of float64 is told by the status
            found = _ode_to_rule(rough, model, manifold_starts(request)[m : m + 1])[0]
        if found.status == ESCAPED and found.end_time > 0.0:
            try:
                found = solve(request, model, start, found)
            except ValueError as error:
                if m == 0:
                    raise
                found = replace(found, refusal=str(error))  # what is done is not lost
        yield (replace(found, eps=eps, seconds=time.perf_counter() - began),)


def _precise(request: Request, model: ManifoldModel, start: Sequence[Fraction], found: Member) -> Member:
    """With many digits; the evaluations are those at collocation nodes in ball arithmetic."""
    import numpy as np

    import numeric

    run = numeric.precise_escape(model, start, request.escape, request.digits)
    scales = np.array([float(x) for x in run.scales])
    return replace(
        found,
        escape_time=float(run.time),
        error_estimate=float(run.error),
        evaluations=run.elements * (run.degree + 1) * run.sweeps,
        layer_scales=tuple(scales.tolist()),
        loss=float(model.loss(scales)),
        end_time=float(run.time),
        decimal=run.time,
    )


def _certified(request: Request, model: ManifoldModel, start: Sequence[Fraction], found: Member) -> Member:
    """With an enclosure of the time; loss and scales are float64's."""
    import numeric

    run = numeric.validated_escape(model, start, request.escape, request.digits)
    lower, upper = Fraction(run.lower), Fraction(run.upper)
    middle = float((lower + upper) / 2)
    return replace(
        found,
        escape_time=middle,
        error_estimate=float((upper - lower) / 2),
        end_time=middle,
        enclosure=(run.lower, run.upper),
    )


def _ode_to_rule(request: Request, model: ManifoldModel, starts: Any) -> list[Member]:
    import numeric

    run = numeric.manifold_escape(
        model, starts, request.escape, small=request.small or None, rtol=10.0**-request.digits, until=request.until
    )
    scales, ends = run.scales.copy(), run.end_times.copy()
    late = [m for m, status in enumerate(run.status) if status.value == UNTIL_REACHED]
    if late:
        # The last step went past the limit: report the state at it.
        way = numeric.manifold_trajectory(model, starts[late], [request.until])
        scales[late], ends[late] = way.scales[0], request.until
    losses = model.loss(scales)
    return [
        _member(run.times[m], run.errors[m], status, run.evaluations[m], scales[m], losses[m], ends[m])
        for m, status in enumerate(run.status)
    ]


def _ode_to_time(request: Request, model: ManifoldModel, starts: Any) -> list[Member]:
    import numeric

    tolerance = 10.0**-request.digits
    way = numeric.manifold_trajectory(model, starts, [request.until], rtol=tolerance, atol=1e-3 * tolerance)
    return [
        _member(math.nan, math.nan, status, way.evaluations[m], way.scales[0, m], way.loss[0, m], request.until)
        for m, status in enumerate(way.status)
    ]


def _full_members(request: Request) -> Iterator[tuple[Member, ...]]:
    import torch

    import numeric

    net, options = full_network(request), full_options(request)
    pairs = [(eps, seed) for eps in request.ladder for seed in range(request.seed, request.seed + request.seeds)]
    work = work_of(request, net)
    size = max(1, min(len(pairs), int(_FULL_CHUNK_WORK / work)))
    for first in range(0, len(pairs), size):
        began = time.perf_counter()
        chunk = pairs[first : first + size]
        weights, data = full_start(request, net, chunk)
        with threads_for(work * len(chunk)):
            run = numeric.gradient_flow(
                net,
                weights,
                data.to(device=request.device, dtype=torch.float64),
                escape=None if request.escape == NO_RULE else request.escape,
                until=None if math.isinf(request.until) else request.until,
                estimate_error=request.escape != NO_RULE,
                options=options,
            )
        spent = (time.perf_counter() - began) / len(chunk)
        named = [(eps, seed if request.init == "he" else None) for eps, seed in chunk]
        yield tuple(
            replace(
                _member(
                    run.escape_times[m],
                    run.error_estimates[m],
                    run.status[m],
                    run.evaluations[m],
                    run.scales[m],
                    run.losses[m],
                    run.times[m],
                ),
                eps=eps,
                seed=seed,
                seconds=spent,
            )
            for m, (eps, seed) in enumerate(named)
        )


@contextmanager
def threads_for(work: float) -> Iterator[None]:
    """One thread of torch's while gradients of that much work (weights x samples x members) are small."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1 if work < _THREADED_WORK else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def full_network(request: Request) -> Network:
    """The network of all weights; on the manifold two input dimensions suffice, since only v.x matters."""
    import numeric

    inputs = request.inputs if request.init == "he" else 2
    activation = student_and_teacher(request)[0]
    return numeric.uniform_network(request.layers, request.width, inputs, activation, request.parameterisation)


def work_of(request: Request, net: Network) -> int:
    """Weights x samples of one member; a quadrature has about 200 nodes."""
    return sum(a * b for a, b in net.shapes) * (request.samples if request.init == "he" else 200)


def full_options(request: Request) -> Any:
    """Tolerance, pair and clock of the full flow: the high-order pair where many digits are asked for.

    A run to a given time is stepped in time, so that it ends there to rounding; one to an escape in the growth clock.
    """
    import numeric

    method = "dop853" if request.digits > 8 else "tsit5"
    clock = "growth" if math.isinf(request.until) else "time"
    return numeric.FlowOptions(rtol=10.0**-request.digits, method=method, clock=clock, device=request.device)


def full_start(request: Request, net: Network, chunk: Sequence[tuple[float | None, int]]) -> tuple[Any, Population]:
    """Weights (members, n_l, n_{l-1}) and data of the members (eps, seed) of ``chunk``.

    On the manifold the expectation is a quadrature along v, which keeps the gradient tangent; a He start has the same
    batch of ``samples`` Gaussian inputs at every eps, one batch per seed.
    """
    import torch

    import numeric

    taught = student_and_teacher(request)[1]
    v = torch.zeros(net.widths[0], dtype=torch.float64)
    v[0] = 1.0
    teacher = numeric.teacher(taught, v[None, :], [request.beta])
    if request.init == "manifold":
        x, node_weights = numeric.product_quadrature(v, _line_quadrature(request))
        starts = torch.from_numpy(manifold_starts(request))
        rows = [request.ladder.index(eps) for eps, _ in chunk]
        return numeric.manifold_start(net, starts[rows], v), numeric.population(x, teacher, node_weights)
    small = request.small or tuple(range(1, request.layers + 1))
    drawn = [numeric.he_start(net, [seed], small, float(eps or 0.0)) for eps, seed in chunk]
    weights = [torch.cat(layer) for layer in zip(*drawn, strict=True)]
    x = numeric.gaussian_batch([seed for _, seed in chunk], net.widths[0], request.samples)
    return weights, numeric.population(x, teacher)


def _line_quadrature(request: Request) -> Any:
    """Nodes and weights for v.x: the manifold model's own rule, mirrored where it covers the half line only."""
    import torch

    rule = manifold_model(request).rule
    nodes, weights = torch.from_numpy(rule.nodes.copy()), torch.from_numpy(rule.weights.copy())
    if rule.even_only:
        inner = nodes > 0
        weights = torch.where(inner, 0.5 * weights, weights)
        nodes, weights = torch.cat([-nodes[inner].flip(0), nodes]), torch.cat([weights[inner].flip(0), weights])
    return nodes, weights


def _member(
    escape_time: Any, error: Any, status: Any, evaluations: Any, scales: Any, loss: Any, end_time: Any
) -> Member:
    """A member from what the numeric witness returns, arrays or tensors; eps, seed and seconds are filled in later."""
    escaped = status.value == ESCAPED
    return Member(
        eps=None,
        seed=None,
        escape_time=float(escape_time) if escaped else None,
        error_estimate=float(error) if escaped and math.isfinite(error) else None,
        status=status.value,
        advice=status.advice,
        evaluations=int(evaluations),
        layer_scales=tuple(float(x) for x in scales),
        loss=float(loss),
        end_time=float(end_time),
        seconds=0.0,
    )
