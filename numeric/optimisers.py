"""Fixed-step optimisers on ensembles in lockstep: GD, SGD, heavy ball, sign, RMSprop, Adam, noise, weight decay.

The update rules are torch.optim's (momentum without dampening, Adam with bias correction, delta outside the square
root), except that delta = 0 is allowed and then 0/0 counts as 0.  Noise: W <- W - eta grad + sigma sqrt(eta) xi, the
Euler step of dW = -grad dt + sigma dB.  Random numbers come from one generator per member, so that a member's run does
not depend on the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from numeric.activations import Activation
from numeric.data import Population, _mix
from numeric.ensemble import Ensemble
from numeric.escape_rule import EscapeRule, parse_escape_rule
from numeric.losses import Loss
from numeric.monitor import Monitor
from numeric.network import Network, Weights, scale_units
from numeric.run_status import RunStatus

_POLL = 16  # steps between looks at who has finished
_NOISE_BLOCK = 16  # steps of noise drawn at once


@dataclass(frozen=True)
class Optimiser:
    """name: "gd", "heavy_ball", "sign", "rmsprop" or "adam".  Raises ValueError for values that make no sense.

    momentum: of heavy ball.  beta1, beta2: of Adam.  smoothing: RMSprop's alpha.  delta: Adam's and RMSprop's epsilon.
    noise: sigma of additive noise.  batch: samples per step, drawn with replacement (0: all).  weight_decay: lambda of
    the penalty lambda |W|^2 / 2, added to the gradient.
    """

    name: str
    learning_rate: float
    momentum: float = 0.9
    beta1: float = 0.9
    beta2: float = 0.999
    smoothing: float = 0.99
    delta: float = 1e-8
    noise: float = 0.0
    batch: int = 0
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in _UPDATES:
            raise ValueError(f"unknown optimiser {self.name!r}; expected one of {', '.join(_UPDATES)}")
        if not 0.0 < self.learning_rate < math.inf:
            raise ValueError(f"the learning rate must be positive and finite, got {self.learning_rate}")
        for label in ("momentum", "beta1", "beta2", "smoothing"):
            if not 0.0 <= getattr(self, label) < 1.0:
                raise ValueError(f"{label} must lie in [0, 1), got {getattr(self, label)}")
        for label in ("delta", "noise", "batch", "weight_decay"):
            if not 0.0 <= getattr(self, label) < math.inf:
                raise ValueError(f"{label} must be non-negative and finite, got {getattr(self, label)}")


@dataclass(frozen=True)
class Descent:
    """A run of M members.

    status: one per member (ESCAPED, BUDGET_SPENT or NOT_FINITE).  escape_steps (M,): the first step n after which the
    rule holds, -1 without escape; the flow time is n times the learning rate.  steps (M,): steps taken.  losses (M,),
    scales (M, L) and weights: at the end.  recorded_losses (M, T), recorded_scales (M, T, L): every `record_every`
    steps from step 0 on, NaN after a member's end.
    """

    status: tuple[RunStatus, ...]
    escape_steps: Tensor
    steps: Tensor
    losses: Tensor
    scales: Tensor
    weights: Weights = field(repr=False)
    recorded_losses: Tensor | None = field(repr=False, default=None)
    recorded_scales: Tensor | None = field(repr=False, default=None)


def descend(
    net: Network,
    weights: Sequence[Tensor],
    data: Population,
    optimiser: Optimiser,
    steps: int,
    *,
    criterion: Loss | None = None,
    activations: Sequence[Activation] | None = None,
    escape: str | EscapeRule | None = "loss:0.5",
    seeds: Sequence[int] | None = None,
    record_every: int = 0,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Descent:
    """At most `steps` steps from `weights` ((M, n_l, n_{l-1}) or unbatched); members stop when they escape.

    activations: one for each member, by default the network's.  seeds: of minibatches and noise, one per member
    (default 0 .. M - 1).  The escape rule is judged on the full population before every step.  Raises ValueError for
    sizes that do not fit or a negative number of steps.
    """
    if steps < 0 or record_every < 0:
        raise ValueError(f"steps and record_every must not be negative, got {steps} and {record_every}")
    ensemble = Ensemble(net, data, criterion, activations=activations, dtype=dtype, device=device)
    state = ensemble.layout.flatten(weights, dtype, device)
    ensemble.check_members(state.shape[0])
    members = state.shape[0]
    names = tuple(range(members)) if seeds is None else tuple(seeds)
    if len(names) != members:
        raise ValueError(f"expected one seed per member, {members}, got {len(names)}")
    units = torch.tensor(scale_units(net), dtype=dtype, device=device)
    monitor = Monitor(None if escape is None else parse_escape_rule(escape, net.depth), units)
    run = _Run(ensemble, data, optimiser, monitor, units, state, names, record_every, steps)
    for step in range(steps):
        if step % _POLL == 0 and not run.compact():
            break
        run.advance(step)
    return run.finish(steps)


@dataclass
class _Live:
    """The members still running: ids, state, optimiser slots, initial monitor, generators, first crossing, validity."""

    ids: Tensor
    state: Tensor
    slots: list[Tensor]
    initial: Tensor
    generators: list[torch.Generator]
    crossed: Tensor
    broken: Tensor


class _Run:
    def __init__(
        self,
        ensemble: Ensemble,
        data: Population,
        optimiser: Optimiser,
        monitor: Monitor,
        units: Tensor,
        state: Tensor,
        seeds: tuple[int, ...],
        record_every: int,
        steps: int,
    ) -> None:
        members = state.shape[0]
        self._all, self._ensemble, self._optimiser, self._monitor, self._units = (
            ensemble,
            ensemble,
            optimiser,
            monitor,
            units,
        )
        self._samples = data.samples
        self._every = record_every
        count = steps // record_every + 1 if record_every else 0
        self._losses = state.new_full((members, count), math.nan)
        self._scales = state.new_full((members, count, units.numel()), math.nan)
        self._final = state.clone()
        self._escape = torch.full((members,), -1, dtype=torch.int64, device=state.device)
        self._steps = torch.zeros(members, dtype=torch.int64, device=state.device)
        self._status = [RunStatus.BUDGET_SPENT] * members
        self._noise: Tensor | None = None
        self._live = _Live(
            torch.arange(members, device=state.device),
            state.clone(),
            [torch.zeros_like(state) for _ in range(_SLOTS[optimiser.name])],
            state.new_zeros(members),
            [torch.Generator().manual_seed(_mix(seed, 7)) for seed in seeds],
            torch.full((members,), -1, dtype=torch.int64, device=state.device),
            torch.zeros(members, dtype=torch.bool, device=state.device),
        )
        self._gradient = torch.zeros_like(state)

    def advance(self, step: int) -> None:
        """Judge the escape at the present state, then take one step."""
        live = self._live
        gradient = self._gradient[: live.ids.numel()]
        self._judge(step, gradient)
        minibatch = self._optimiser.batch
        if minibatch and minibatch < self._samples:
            self._minibatch().gradient(live.state, gradient)
        gradient[:, self._all.layout.parameters :] = 0.0
        if self._optimiser.weight_decay:
            gradient.add_(live.state, alpha=self._optimiser.weight_decay)
        change = _UPDATES[self._optimiser.name](self._optimiser, gradient, live.slots, step)
        if self._optimiser.noise:
            scale = self._optimiser.noise * math.sqrt(self._optimiser.learning_rate)
            change = change + scale * self._draw_noise(step)
        moving = (live.crossed < 0) & ~live.broken
        live.state = torch.where(moving[:, None], live.state + change, live.state)
        self._steps.index_add_(0, live.ids, moving.to(torch.int64))

    def _judge(self, step: int, gradient: Tensor) -> None:
        live = self._live
        losses = self._ensemble.gradient(live.state, gradient)
        norms = self._all.layout.norms(live.state)
        values = self._monitor.values(self._ensemble, live.state, losses, norms)
        if step == 0:
            live.initial = values
        live.broken = live.broken | ~(losses.isfinite() & norms.isfinite().all(1))
        if self._monitor.rule is not None:
            met = (self._monitor.gap(values, live.initial) <= 0) & (live.crossed < 0) & ~live.broken
            live.crossed = torch.where(met, torch.full_like(live.crossed, step), live.crossed)
        if self._every and step % self._every == 0:
            going = live.ids[(live.crossed < 0) | (live.crossed == step)]
            rows = (live.crossed < 0) | (live.crossed == step)
            self._losses[going, step // self._every] = losses[rows]
            self._scales[going, step // self._every] = norms[rows] / self._units

    def _minibatch(self) -> Ensemble:
        """The ensemble on fresh samples, drawn with replacement, each member's from its own generator."""
        size = self._optimiser.batch
        index = torch.stack([torch.randint(self._samples, (size,), generator=g) for g in self._live.generators])
        return self._ensemble.on_samples(index.to(self._live.state.device))

    def _draw_noise(self, step: int) -> Tensor:
        if self._noise is None or step % _NOISE_BLOCK == 0:
            shape = (_NOISE_BLOCK, self._all.layout.parameters)
            draws = [torch.randn(shape, generator=g, dtype=torch.float64) for g in self._live.generators]
            self._noise = torch.stack(draws, dim=1).to(self._live.state)
        padding = self._live.state.shape[1] - self._all.layout.parameters
        return torch.nn.functional.pad(self._noise[step % _NOISE_BLOCK], (0, padding))

    def compact(self) -> bool:
        """Take finished members out; whether any is left."""
        live = self._live
        over = (live.crossed >= 0) | live.broken
        if not bool(over.any()):
            return live.ids.numel() > 0
        self._store(over)
        keep = (~over).nonzero()[:, 0]
        self._noise = None if self._noise is None else self._noise[:, keep]
        self._live = _Live(
            live.ids[keep],
            live.state[keep],
            [slot[keep] for slot in live.slots],
            live.initial[keep],
            [live.generators[i] for i in keep.tolist()],
            live.crossed[keep],
            live.broken[keep],
        )
        self._ensemble = self._all.select(self._live.ids)
        return keep.numel() > 0

    def _store(self, rows: Tensor) -> None:
        live = self._live
        ids = live.ids[rows]
        self._final[ids] = live.state[rows]
        self._escape[ids] = live.crossed[rows]
        for member, broken, crossed in zip(
            ids.tolist(), live.broken[rows].tolist(), live.crossed[rows].tolist(), strict=True
        ):
            if broken:
                self._status[member] = RunStatus.NOT_FINITE
            elif crossed >= 0:
                self._status[member] = RunStatus.ESCAPED

    def finish(self, steps: int) -> Descent:
        """Judge the state after the last step and collect everything."""
        if self._live.ids.numel():
            self._judge(steps, self._gradient[: self._live.ids.numel()])
            self._store(torch.ones_like(self._live.broken))
        layout = self._all.layout
        return Descent(
            status=tuple(self._status),
            escape_steps=self._escape,
            steps=self._steps,
            losses=self._all.losses(self._final),
            scales=layout.norms(self._final) / self._units,
            weights=layout.views(self._final),
            recorded_losses=self._losses if self._every else None,
            recorded_scales=self._scales if self._every else None,
        )


def _gd(o: Optimiser, gradient: Tensor, slots: list[Tensor], step: int) -> Tensor:
    return -o.learning_rate * gradient


def _heavy_ball(o: Optimiser, gradient: Tensor, slots: list[Tensor], step: int) -> Tensor:
    slots[0].mul_(o.momentum).add_(gradient)
    return -o.learning_rate * slots[0]


def _sign(o: Optimiser, gradient: Tensor, slots: list[Tensor], step: int) -> Tensor:
    return -o.learning_rate * torch.sign(gradient)


def _rmsprop(o: Optimiser, gradient: Tensor, slots: list[Tensor], step: int) -> Tensor:
    slots[0].mul_(o.smoothing).addcmul_(gradient, gradient, value=1.0 - o.smoothing)
    return -o.learning_rate * _quotient(gradient, slots[0].sqrt() + o.delta)


def _adam(o: Optimiser, gradient: Tensor, slots: list[Tensor], step: int) -> Tensor:
    first, second = slots
    first.mul_(o.beta1).add_(gradient, alpha=1.0 - o.beta1)
    second.mul_(o.beta2).addcmul_(gradient, gradient, value=1.0 - o.beta2)
    correction1 = 1.0 - o.beta1 ** (step + 1)
    correction2 = 1.0 - o.beta2 ** (step + 1)
    denominator = second.sqrt() / math.sqrt(correction2) + o.delta
    return -(o.learning_rate / correction1) * _quotient(first, denominator)


def _quotient(top: Tensor, bottom: Tensor) -> Tensor:
    """top / bottom, and 0 where both vanish (delta = 0 before the first gradient, or in the state's padding)."""
    return torch.where(bottom == 0, torch.zeros_like(top), top / bottom)


_UPDATES: dict[str, Callable[[Optimiser, Tensor, list[Tensor], int], Tensor]] = {
    "gd": _gd,
    "heavy_ball": _heavy_ball,
    "sign": _sign,
    "rmsprop": _rmsprop,
    "adam": _adam,
}
_SLOTS = {"gd": 0, "heavy_ball": 1, "sign": 0, "rmsprop": 1, "adam": 2}


def sgd(learning_rate: float, batch: int, momentum: float = 0.0) -> Optimiser:
    """Minibatch gradient descent, with heavy-ball momentum if it is not 0."""
    plain = Optimiser("gd", learning_rate, batch=batch)
    return replace(plain, name="heavy_ball", momentum=momentum) if momentum else plain
