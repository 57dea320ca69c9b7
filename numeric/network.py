"""The network family of THEORY section 0: yhat = W_L s(g .. W_2 s(W_1 x)) with gains, and its autograd gradient.

Conventions: z_1 = g_1 W_1 x, z_l = g_l W_l s(z_{l-1}), yhat = z_L, no biases.  W_l is (..., n_l, n_{l-1}); leading
dimensions are ensemble members.  Samples are columns: x is (..., d, n) and yhat (..., k, n).  The gradient flow is
dW/dt = -grad in every parameterisation; "plain" has g_l = 1, "ntk" has g_1 = 1 and g_l = 1/sqrt(n_{l-1}) for l >= 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from numeric.activations import Activation
from numeric.losses import Loss

Weights = list[Tensor]


@dataclass(frozen=True)
class Network:
    """A feed-forward network without biases.

    widths: (d, n_1, ..., n_{L-1}, k), so depth L = len(widths) - 1 counts weight matrices.  parameterisation: "plain",
    "ntk", or "gains" when `gains` (g_1, ..., g_L) are given.  Raises ValueError for sizes or gains that make no sense.
    """

    widths: tuple[int, ...]
    activation: Activation
    parameterisation: str = "plain"
    gains: tuple[float, ...] = field(default=())

    def __post_init__(self) -> None:
        if len(self.widths) < 2 or min(self.widths) < 1:
            raise ValueError(f"widths must be (d, n_1, ..., k), at least two positive integers, got {self.widths}")
        gains = self.gains
        if not gains:
            gains = default_gains(self.widths, self.parameterisation)
            object.__setattr__(self, "gains", gains)
        elif self.parameterisation in ("plain", "ntk") and gains != default_gains(self.widths, self.parameterisation):
            object.__setattr__(self, "parameterisation", "gains")
        if len(gains) != self.depth or not all(math.isfinite(g) and g != 0 for g in gains):
            raise ValueError(f"expected {self.depth} finite non-zero gains, one per layer, got {gains}")

    @property
    def depth(self) -> int:
        """L, the number of weight matrices."""
        return len(self.widths) - 1

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Shapes (n_l, n_{l-1}) of W_1 .. W_L."""
        return tuple(zip(self.widths[1:], self.widths[:-1], strict=True))

    def preactivations(self, weights: Sequence[Tensor], x: Tensor) -> list[Tensor]:
        """All z_1 .. z_L (z_L = yhat), each (..., n_l, n)."""
        z = [self.gains[0] * (weights[0] @ x)]
        for gain, weight in zip(self.gains[1:], weights[1:], strict=True):
            z.append(gain * (weight @ self.activation.value(z[-1])))
        return z

    def forward(self, weights: Sequence[Tensor], x: Tensor) -> Tensor:
        """The output yhat, shape (..., k, n)."""
        return self.preactivations(weights, x)[-1]

    def check(self, weights: Sequence[Tensor]) -> None:
        """Raise ValueError unless the last two dimensions of each weight are this network's."""
        got = tuple(tuple(weight.shape[-2:]) for weight in weights)
        if got != self.shapes:
            raise ValueError(f"expected weights of shapes {self.shapes}, got {got}")


def uniform_network(
    depth: int,
    width: int,
    inputs: int,
    activation: Activation,
    parameterisation: str = "plain",
    outputs: int = 1,
) -> Network:
    """A network of L = depth layers whose hidden layers all have the same width.  Raises ValueError for depth < 1."""
    if depth < 1 or width < 1:
        raise ValueError(f"a network needs depth >= 1 and width >= 1, got depth {depth} and width {width}")
    return Network((inputs, *([width] * (depth - 1)), outputs), activation, parameterisation)


def default_gains(widths: Sequence[int], parameterisation: str) -> tuple[float, ...]:
    """g_1 .. g_L of "plain" (all 1) or "ntk" (1, then 1/sqrt(fan-in)).  Raises ValueError for another name."""
    if parameterisation == "plain":
        return (1.0,) * (len(widths) - 1)
    if parameterisation == "ntk":
        return (1.0, *(1.0 / math.sqrt(n) for n in widths[1:-1]))
    raise ValueError(f"unknown parameterisation {parameterisation!r}; expected 'plain' or 'ntk'")


def mean_loss(
    net: Network, weights: Sequence[Tensor], x: Tensor, y: Tensor, loss: Loss, node_weights: Tensor | None = None
) -> Tensor:
    """The expected loss, shape (...): the mean over samples, or the sum with `node_weights` (n,) of a quadrature."""
    values = loss.value(net.forward(weights, x), y)
    return values.mean(-1) if node_weights is None else (values * node_weights).sum(-1)


def gradient(
    net: Network, weights: Sequence[Tensor], x: Tensor, y: Tensor, loss: Loss, node_weights: Tensor | None = None
) -> Weights:
    """grad_{W_l} of the expected loss for l = 1 .. L, by autograd; members (leading dimensions) do not mix."""
    net.check(weights)
    leaves = [weight.detach().clone().requires_grad_(True) for weight in weights]
    total = mean_loss(net, leaves, x, y, loss, node_weights).sum()
    return [g.detach() for g in torch.autograd.grad(total, leaves)]


def layer_norms(weights: Sequence[Tensor]) -> Tensor:
    """Frobenius norms |W_l|_F, shape (..., L)."""
    return torch.stack([torch.linalg.matrix_norm(weight) for weight in weights], dim=-1)


def layer_scales(net: Network, weights: Sequence[Tensor]) -> Tensor:
    """The layer scales X_l = |W_l|_F / unit_l, shape (..., L), with the units of `scale_units` (THEORY section 0)."""
    norms = layer_norms(weights)
    return norms / torch.as_tensor(scale_units(net), dtype=norms.dtype, device=norms.device)


def scale_units(net: Network) -> tuple[float, ...]:
    """|W_l|_F of a layer of scale 1: in "ntk" sqrt(n_l), and sqrt(n_{L-1}) for the last; else 1, so that X_l = F_l."""
    if net.parameterisation != "ntk":
        return (1.0,) * net.depth
    hidden = [math.sqrt(n) for n in net.widths[1:-1]]
    return (*hidden, hidden[-1] if hidden else 1.0)
