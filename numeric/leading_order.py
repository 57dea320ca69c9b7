"""The leading order of a bottleneck: overlap f, gradients G_l = df/dW_l, Gamma, and the flow dW_l/dt = G_l to blow-up.

For a contiguous bottleneck of r layers b, .., b+r-1 in a frozen network, f = E[y yhat] with every activation from layer
b on replaced by its slope alpha at 0:  f = a.W_{b+r-1} ... W_b m,  m = E[y h_{b-1}(x)],  a = the frozen layers behind
multiplied together, times alpha^{L-b} and the gains.  A batch is an exact instance, with E its mean.  `bottleneck_net`
makes of it a deep linear net of r layers with vector targets y a, whose E[yhat.y] is f.  Source: THEORY section 4,
Theorems A and B.  Every quantity has one entry per member (M).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from numeric.activations import activation
from numeric.data import Population
from numeric.flow import FlowOptions, gradient_flow
from numeric.losses import Loss
from numeric.network import Network, Weights

CORRELATION = Loss("correlation", lambda f, y: -(f * y).sum(-2), lambda f, y: -y)
"""-E[yhat.y]: the gradient flow on it is the leading-order flow of a deep linear net."""

# Where a run towards the blow-up ends: f there, in units of E|y|^2. What is left of the time is extrapolated from both;
# their difference is part of the error.
_FAR, _FARTHER = 1e24, 1e27


@dataclass(frozen=True)
class LinearBottleneck:
    """A deep linear net of r layers, its weights (M, n_l, n_{l-1}) and its population.

    bare_gamma (M): |a||m| without the factor alpha^{L-b}, which the population's targets contain.
    """

    net: Network
    weights: Weights
    data: Population
    bare_gamma: Tensor


@dataclass(frozen=True)
class LeadingOrder:
    """f, Gamma (M), |G_l|_F and |W_l|_op (M, r), cos_l between backward and forward vector at interface l (M, r-1)."""

    overlap: Tensor
    gamma: Tensor
    gradient_norms: Tensor
    operator_norms: Tensor
    cosines: Tensor

    @property
    def total(self) -> Tensor:
        """T = sum_l |G_l|_F^2, the rate df/dt of the leading-order flow."""
        return (self.gradient_norms**2).sum(-1)

    @property
    def log_imbalance(self) -> Tensor:
        """ln of arithmetic over geometric mean of |G_l|_F^2: >= 0, and 0 iff the layers are balanced."""
        squares = self.gradient_norms**2
        return squares.mean(-1).log() - squares.log().mean(-1)

    @property
    def log_misalignment(self) -> Tensor:
        """-sum_l ln cos_l^2 >= 0, and 0 iff the neighbours are aligned."""
        return -(self.cosines**2).log().sum(-1)


@dataclass(frozen=True)
class Stage:
    """The leading-order flow when f passed a level: what is there, and the time left to the blow-up (M), with an error.

    A member that started above the level is still at its start.
    """

    order: LeadingOrder
    time_left: Tensor
    error: Tensor


def bottleneck_net(net: Network, weights: Sequence[Tensor], small: Sequence[int], data: Population) -> LinearBottleneck:
    """The bottleneck `small` (1-based, contiguous) of `net` at `weights` (M, n_l, n_{l-1}), to leading order.

    Raises ValueError for layers that are not contiguous, weights that do not fit, or more than one output.
    """
    first, last = min(small, default=0), max(small, default=0)
    if sorted(small) != list(range(first, last + 1)) or not 1 <= first <= last <= net.depth:
        raise ValueError(f"expected contiguous layers in 1 .. {net.depth}, got {list(small)}")
    if net.widths[-1] != 1:
        raise ValueError(f"the leading order is written for one output, got {net.widths[-1]}")
    net.check(weights)
    hidden = data.covariates
    for gain, weight in zip(net.gains[: first - 1], weights[: first - 1], strict=True):
        hidden = net.activation.value(gain * (weight @ hidden))
    behind = math.prod(net.gains[first - 1 :]) * torch.ones(1, 1, dtype=torch.float64)
    for weight in reversed(weights[last:]):
        behind = behind @ weight
    members = weights[0].shape[0]
    hidden = hidden.expand(members, -1, -1)
    bare = Population(hidden, (behind.mT @ data.targets).expand(members, -1, -1), data.node_weights)
    slope = float(net.activation.derivative(torch.zeros((), dtype=torch.float64)))
    return LinearBottleneck(
        Network((*net.widths[first - 1 : last], net.widths[last]), activation("linear")),
        [weight.clone() for weight in weights[first - 1 : last]],
        Population(hidden, slope ** (net.depth - first) * bare.targets, data.node_weights),
        torch.linalg.matrix_norm(bare.correlation()),  # E[y h] a^T is of rank one
    )


def leading_order_at(net: Network, weights: Sequence[Tensor], data: Population) -> LeadingOrder:
    """Everything that Theorem A speaks of, of a deep linear net such as `bottleneck_net` gives; G_l by autograd."""
    leaves = [weight.detach().clone().requires_grad_(True) for weight in weights]
    overlap = ((net.forward(leaves, data.covariates) * data.targets).sum(-2) * data.node_weights).sum(-1)
    gradients = torch.autograd.grad(overlap.sum(), leaves)
    left, size, right = torch.linalg.svd(data.correlation(), full_matrices=False)  # Gamma (a/|a|) (m/|m|)^T
    forward, backward = [right[..., 0, :].unsqueeze(-1)], [left[..., :, 0].unsqueeze(-2)]
    for weight in weights[:-1]:
        forward.append(weight @ forward[-1])
    for weight in reversed(weights[1:]):
        backward.append(backward[-1] @ weight)
    cosines = [
        (a @ b)[..., 0, 0] / (a.norm(dim=(-2, -1)) * b.norm(dim=(-2, -1)))
        for a, b in zip(backward[:0:-1], forward[1:], strict=True)
    ]
    return LeadingOrder(
        overlap.detach(),
        size[..., 0],
        torch.stack([g.norm(dim=(-2, -1)) for g in gradients], dim=-1),
        torch.stack([torch.linalg.matrix_norm(w, ord=2) for w in weights], dim=-1),
        torch.stack(cosines, dim=-1),
    )


def stages_to_blow_up(
    problem: LinearBottleneck, levels: Sequence[float] = (), options: FlowOptions | None = None
) -> tuple[Stage, ...]:
    """Run dW_l/dt = G_l to its blow-up: the start, then f = level E|y|^2 for each of the increasing `levels`.

    The run ends at f = 1e27 E|y|^2. Balanced and aligned, f' = c f^{2-2/r}, so that r f/((r-2) f') is left there; the
    error is what changes when it ends a thousand times earlier, plus what changes at ten times the tolerance. A
    member that never blows up within the budget has NaN. Raises ValueError for r < 3, where nothing blows up in finite
    time, and for levels that are not positive and increasing below 1e24.
    """
    if problem.net.depth < 3:
        raise ValueError(f"the leading-order flow blows up for three layers or more, got {problem.net.depth}")
    marks = [*levels, _FAR]
    if not all(0 < a < b for a, b in pairwise(marks)):
        raise ValueError(f"levels must be positive and increasing below {_FAR:g}, got {list(levels)}")
    options = options or FlowOptions(rtol=1e-9, method="dop853")
    loose = FlowOptions(rtol=min(0.5, 10 * options.rtol), method=options.method)
    orders, left, shift = _legs(problem, levels, options)
    rough_orders, rough_left, _ = _legs(problem, levels, loose)
    # Close to the blow-up two runs stop at states that differ more than their clocks: the event is located to a
    # fraction of the time. What they must agree on is the dimensionless time left * T/f of a point of the trajectory.
    changes = [
        (1 - (rough * at.total / at.overlap) / (time * order.total / order.overlap)).abs()
        for order, time, at, rough in zip(orders, left, rough_orders, rough_left, strict=True)
    ]
    return tuple(
        Stage(order, time, shift + time * change) for order, time, change in zip(orders, left, changes, strict=True)
    )


def _legs(
    problem: LinearBottleneck, levels: Sequence[float], options: FlowOptions
) -> tuple[list[LeadingOrder], list[Tensor], Tensor]:
    """What is there at each stage, the time left, and how much the extrapolated end differs between the far points."""
    net, data, weights = problem.net, problem.data, problem.weights
    orders, durations = [leading_order_at(net, weights, data)], []
    for level in (*levels, _FAR, _FARTHER):
        run = gradient_flow(net, weights, data, criterion=CORRELATION, escape=f"overlap:{level!r}", options=options)
        weights = run.weights
        durations.append(run.escape_times)
        orders.append(leading_order_at(net, weights, data))
    factor = net.depth / (net.depth - 2)
    rest = [factor * order.overlap / order.total for order in orders[-2:]]
    shift = (durations[-1] + rest[1] - rest[0]).abs()
    left = [rest[1]]
    for duration in reversed(durations):
        left.append(left[-1] + duration)
    return orders[:-2], left[:1:-1], shift
