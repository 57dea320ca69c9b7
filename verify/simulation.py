"""What ``saddle-escape simulate`` does, without its command line: a request in, members out, chunk by chunk.

Conventions (THEORY section 0): time is gradient-flow time, the loss is 1/2 E (yhat - y)^2, x ~ N(0, I_d), the teacher
is y = beta t(v.x) with |v| = 1. Layer scales are X_l = |W_l|_F / sqrt(width) in ntk and F_l = |W_l|_F in plain. On the
symmetric manifold the flow is an L-dimensional ODE; ``full`` integrates all weights instead.

The numeric witness is loaded on use, so that the help of the command stays fast.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from verify.typed_activation import read_activation

if TYPE_CHECKING:
    from numeric.activations import Activation
    from numeric.data import Population
    from numeric.manifold import ManifoldModel
    from numeric.network import Network

ESCAPED, UNTIL_REACHED = "escaped", "until-reached"
NO_RULE = "none"  # no escape rule: the run ends at ``until``
MOST_DIGITS = 13  # a relative tolerance of 1e-13 is what float64 still resolves in one step
LARGEST_NETWORK = 10**8  # weights of one member; a Runge-Kutta pair keeps about ten copies, 8 GB
LARGEST_ENSEMBLE = 10**6  # members of one request
_ODE_CHUNK = 64  # members of one ODE call: milliseconds each, so that Ctrl-C loses little
_FULL_CHUNK_WORK = 4e6  # weights x samples x members of one call of the full flow: about a second of it
_THREADED_WORK = 5e7  # below it a gradient takes milliseconds, and threads that wait for each other cost more


@dataclass(frozen=True)
class Request:
    """One call of simulate. Exactly one of ``epsilons`` and ``start`` is given; layers are counted from 1.

    ``activation``: a name or an expression in z, with ``parameters`` (name, value as text).
    ``small``: the layers at scale eps, empty for all. ``scales``: one number for the layers that are not small, or one
    per layer, which multiplies eps in the small ones. ``inputs`` and ``samples`` are the dimension of x and the size of
    the random batch of a He start. ``until`` is infinite for none.
    """

    activation: str
    layers: int
    parameters: tuple[tuple[str, str], ...] = ()
    width: int = 64
    epsilons: tuple[float, ...] = ()
    start: tuple[float, ...] = ()
    small: tuple[int, ...] = ()
    scales: tuple[float, ...] = (1.0,)
    parameterisation: str = "ntk"
    init: str = "manifold"
    seeds: int = 1
    seed: int = 0
    full: bool = False
    escape: str = "loss:0.5"
    until: float = math.inf
    digits: int = 10
    device: str = "cpu"
    teacher: str | None = None
    beta: float = 1.0
    inputs: int = 8
    samples: int = 64

    @property
    def ladder(self) -> tuple[float | None, ...]:
        """The scales eps, or one None for an explicit start."""
        return self.epsilons or (None,)

    @property
    def total(self) -> int:
        """Members in all: every eps with every seed."""
        return len(self.ladder) * self.seeds


@dataclass(frozen=True)
class Member:
    """One run. ``escape_time`` is None without escape, ``error_estimate`` None without a time; scales at the end."""

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


def check(request: Request) -> None:
    """Raise ValueError, one sentence, for a request that cannot be run; loads the numeric witness."""
    if bool(request.epsilons) == bool(request.start):
        raise ValueError("give either --eps or --start, and not both: the start is either a scale or every layer's own")
    if request.layers < 2 or request.width < 1:
        raise ValueError(f"expected at least 2 layers and width 1, got {request.layers} layers, width {request.width}")
    if request.start and len(request.start) != request.layers:
        raise ValueError(f"--start needs {request.layers} scales, one per layer, got {len(request.start)}")
    if request.start and not all(math.isfinite(x) for x in request.start):
        raise ValueError("the scales of --start must be finite")
    if request.start and (request.small or request.scales != (1.0,)):
        raise ValueError("--small and --scales belong to --eps; --start already gives every layer its scale")
    if not all(0 < eps < math.inf for eps in request.epsilons):
        raise ValueError("every --eps must be positive and finite: at eps = 0 the start is the saddle itself")
    if any(not 1 <= layer <= request.layers for layer in request.small) or len(set(request.small)) < len(request.small):
        raise ValueError(f"--small names layers from 1 to {request.layers}, each once, got {request.small}")
    if len(request.scales) not in (1, request.layers) or not all(math.isfinite(x) for x in request.scales):
        raise ValueError(f"--scales needs one finite number or {request.layers}, one per layer, got {request.scales}")
    if request.escape == NO_RULE and math.isinf(request.until):
        raise ValueError("--escape none runs to a given time: add --until T")
    if not request.until > 0:
        raise ValueError(f"--until must be a positive time, got {request.until:g}")
    if not 1 <= request.digits <= MOST_DIGITS:
        raise ValueError(f"--digits must lie between 1 and {MOST_DIGITS}, what float64 resolves, got {request.digits}")
    if request.total > LARGEST_ENSEMBLE:
        raise ValueError(f"{request.total} members are too many, at most {LARGEST_ENSEMBLE}")
    if not math.isfinite(request.beta):
        raise ValueError(f"--beta, the amplitude of the teacher, must be finite, got {request.beta}")
    _check_network(request)


def _check_network(request: Request) -> None:
    if request.init == "he" and not request.full:
        raise ValueError("random He weights leave the manifold: add --full to integrate all weights")
    if request.init == "he" and (request.start or request.scales != (1.0,)):
        raise ValueError("a He start takes --eps for its small layers; --start and --scales belong to --init manifold")
    if request.init == "manifold" and request.seeds > 1:
        raise ValueError("several seeds need random weights, --init he: on the manifold every seed is the same start")
    if not request.full:
        if request.device != "cpu":
            raise ValueError(f"the manifold ODE runs on the CPU; add --full to use the device {request.device!r}")
        return
    weights = request.width * (request.inputs + 1 + request.width * (request.layers - 2))
    if weights > LARGEST_NETWORK:
        raise ValueError(f"a network of {weights} weights is too large, at most {LARGEST_NETWORK}: leave out --full")
    _check_device(request.device)


def _check_device(name: str) -> None:
    import torch

    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"the device {name!r} is not available here: {str(error).splitlines()[0]}") from error


def members(request: Request) -> Iterator[tuple[Member, ...]]:
    """Run the request and yield its members, by eps and then by seed, in chunks; raises ValueError as `check` does."""
    check(request)
    yield from _full_members(request) if request.full else _ode_members(request)


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


def manifold_starts(request: Request) -> Any:
    """Layer scales at the start, an array (members, layers)."""
    import numpy as np

    import numeric

    if request.start:
        return np.array([request.start])
    scales = request.scales[0] if len(request.scales) == 1 else request.scales
    small = request.small or None
    if small is not None and len(request.scales) == 1:
        # One number is the scale of the layers that are not small; the small ones start at eps.
        scales = tuple(1.0 if layer in small else request.scales[0] for layer in range(1, request.layers + 1))
    return numeric.bottleneck_starts(request.epsilons, request.layers, small, scales)


def _scalar(text: str, parameters: dict[str, str]) -> Any:
    """The activation for the ODE; plain names of the catalogue need no torch, which saves seconds of loading."""
    import numeric

    if not parameters:
        with suppress(ValueError):
            return numeric.scalar_activation(text.strip().lower())
    return numeric.scalar_view(read_activation(text, parameters, numeric, float))


def _ode_members(request: Request) -> Iterator[tuple[Member, ...]]:

    model, starts = manifold_model(request), manifold_starts(request)
    for first in range(0, len(starts), _ODE_CHUNK):
        began = time.perf_counter()
        chunk = starts[first : first + _ODE_CHUNK]
        runs = _ode_to_time(request, model, chunk) if request.escape == NO_RULE else _ode_to_rule(request, model, chunk)
        spent = (time.perf_counter() - began) / len(chunk)
        yield tuple(replace(run, eps=request.ladder[first + m], seconds=spent) for m, run in enumerate(runs))


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
