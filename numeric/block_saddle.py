"""The block-aligned ansatz in float64: two groups of n units, its gradient, and the Hessian at the stage-1 saddle.

THEORY section 5 (last part). x = (u_1, u_2) standard Gaussians, the coordinates along the two orthonormal modes. Rows
of group k of W_1 equal X_k e_k, hidden blocks are X_k / n per entry, a_k / n is each output weight of group k; all
weights off the blocks vanish. One output: y = sum_k b_k s(u_k); two outputs: y_k = b_k S(u_k), S the layer chain
S(u) = s(X s(... s(u))) with the scales of group 1, S = s for L = 2. The loss is 1/2 E |yhat - y|^2. Everything is by
autograd on the full network; nothing here knows the formulas of the theorem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from numeric.activations import Activation
from numeric.data import Population, trapezoid
from numeric.hessian import dense_hessian, flat_gradient, network_loss
from numeric.network import Network

HALF_WIDTH = 8.0  # the density there is 1e-14 of its maximum
STEP = 0.25  # for poles at distance pi/2 (tanh) the rule errs by exp(-2 pi (pi/2) / 0.25) = 1e-17


@dataclass(frozen=True)
class BlockNetwork:
    """A network at a point of the ansatz, and its population."""

    net: Network
    weights: list[Tensor]
    data: Population
    group_size: int

    def gradient(self) -> list[Tensor]:
        """dLoss/dW_l in the shapes of the weights."""
        flat = flat_gradient(network_loss(self.net, self.data), self.weights)
        parts = torch.split(flat, [w.numel() for w in self.weights])
        return [part.reshape(w.shape) for part, w in zip(parts, self.weights, strict=True)]


@dataclass(frozen=True)
class StageHessian:
    """Second derivatives along normalised directions: tilt of group 1 towards mode 2, weights from it to output 2.

    ``matrix`` is 2 x 2, collective or non-collective. ``coupling`` is the largest entry of H d for the two directions d
    outside their span: 0 when the pair decouples. ``gradient`` is the largest entry of the gradient: 0 at a saddle.
    """

    matrix: Tensor
    coupling: float
    gradient: float

    @property
    def growth(self) -> float:
        """The largest eigenvalue of -matrix."""
        return -float(torch.linalg.eigvalsh(self.matrix)[0])


@dataclass(frozen=True)
class KickGrowth:
    """ln(d(t) / d(3t/4)) / (t/4) of the displacement d, and its errors.

    ``drift``: the change against the stretch before, which bounds what the second eigenvalue still contributes.
    ``discretisation``: what the integrator's tolerance allows.
    """

    rate: float
    drift: float
    discretisation: float


def block_network(
    activation: Activation,
    group_size: int,
    scales: Sequence[tuple[float, float]],
    amplitudes: tuple[float, float],
    teacher: tuple[float, float],
    outputs: int = 2,
    step: float = STEP,
) -> BlockNetwork:
    """The network of depth L = len(scales) + 1 at a point of the ansatz; scales are (X_1, X_2) of layers 1 .. L-1.

    Raises ValueError for a group without units, no layer, or a number of outputs other than 1 and 2.
    """
    n, units = group_size, 2 * group_size
    if n < 1 or not scales or outputs not in (1, 2):
        raise ValueError(f"expected n >= 1, a layer and 1 or 2 outputs, got {n}, {len(scales)} and {outputs}")

    def blocks(rows: int, columns: int, pair: tuple[float, float], divisor: int) -> Tensor:
        full = torch.zeros(2 * rows, 2 * columns, dtype=torch.float64)
        for k, value in enumerate(pair):
            full[k * rows : (k + 1) * rows, k * columns : (k + 1) * columns] = value / divisor
        return full

    readout = blocks(1, n, amplitudes, n)
    weights = [blocks(n, 1, scales[0], 1), *(blocks(n, n, pair, n) for pair in scales[1:])]
    weights.append(readout if outputs == 2 else readout.sum(0, keepdim=True))
    u, w = trapezoid(HALF_WIDTH, step)
    x = torch.stack([g.reshape(-1) for g in torch.meshgrid(u, u, indexing="ij")])
    signal = activation.value(x)
    for first, _ in scales[1:]:
        signal = activation.value(first * signal)
    targets = torch.tensor(teacher, dtype=torch.float64)[:, None] * signal
    data = Population(x, targets if outputs == 2 else targets.sum(0, keepdim=True), (w[:, None] * w).reshape(-1))
    widths = (2, *(units,) * len(scales), outputs)
    return BlockNetwork(Network(widths, activation), weights, data, n)


def stage_saddle(
    activation: Activation, group_size: int, teacher: tuple[float, float], hidden: Sequence[float], step: float = STEP
) -> BlockNetwork:
    """The stage-1 saddle: group 1 equals the teacher's first mode, group 2 is at 0; L = len(hidden) + 2."""
    scales = [(1.0, 0.0), *((x, 0.0) for x in hidden)]
    return block_network(activation, group_size, scales, (teacher[0], 0.0), teacher, step=step)


def stage_hessian(
    activation: Activation,
    group_size: int,
    teacher: tuple[float, float],
    hidden: Sequence[float] = (),
    collective: bool = True,
    step: float = STEP,
) -> StageHessian:
    """The pair's Hessian at the stage-1 saddle; ``hidden`` are the scales of layers 2 .. L-1.

    The directions are (1, ..., 1)/sqrt(n), or (1, -1, 0, ...)/sqrt(2) for a non-collective pair, which needs n >= 2
    (ValueError otherwise).
    """
    block = stage_saddle(activation, group_size, teacher, hidden, step)
    loss = network_loss(block.net, block.data)
    hessian, directions = dense_hessian(loss, block.weights), _pair(block, collective)
    moved = hessian @ directions.T
    matrix = directions @ moved
    return StageHessian(
        matrix,
        float((moved - directions.T @ matrix).abs().max()),
        float(flat_gradient(loss, block.weights).abs().max()),
    )


def small_kick_growth(
    activation: Activation,
    group_size: int,
    teacher: tuple[float, float],
    time: float,
    collective: bool = True,
    kick: float = 1e-6,
    rtol: float = 1e-9,
    step: float = STEP,
) -> KickGrowth:
    """The growth rate from the full gradient flow, L = 2, started ``kick`` off the saddle along both directions.

    The displacement d(t) along the pair's tilt is followed over two stretches of a quarter of ``time`` each.
    """
    block = stage_saddle(activation, group_size, teacher, (), step)
    loss, directions = network_loss(block.net, block.data), _pair(block, collective)
    shapes = [w.shape for w in block.weights]
    centre = torch.cat([w.reshape(-1) for w in block.weights])

    def velocity(_: float, displacement: np.ndarray) -> np.ndarray:
        parts = torch.split(centre + torch.from_numpy(displacement), [shape.numel() for shape in shapes])
        flat: np.ndarray = -flat_gradient(loss, [p.reshape(s) for p, s in zip(parts, shapes, strict=True)]).numpy()
        return flat

    times = [time / 2, 3 * time / 4, time]
    start = (kick * directions.sum(0)).numpy()
    # The state is the displacement itself, so that tolerances are relative to it.
    solution = solve_ivp(velocity, (0.0, time), start, "DOP853", times, rtol=rtol, atol=rtol * kick)
    half, later, last = (abs(float(torch.from_numpy(y) @ directions[0])) for y in solution.y.T)
    before, rate = (float(np.log(b / a)) / (time / 4) for a, b in ((half, later), (later, last)))
    # At most rtol and atol a step, 12 evaluations each, on either end of the stretch.
    local = 2 * rtol * (1 + kick / later) * solution.nfev / 12
    return KickGrowth(rate, abs(rate - before), local / (time / 4))


def _pair(block: BlockNetwork, collective: bool) -> Tensor:
    """The two normalised directions as rows over all weights: tilt of group 1, weights from group 1 to output 2."""
    n = block.group_size
    if not collective and n < 2:
        raise ValueError("a non-collective pair needs a group of at least two units")
    profile = torch.tensor([1.0] * n if collective else [1.0, -1.0, *(0.0,) * (n - 2)], dtype=torch.float64)
    profile /= profile.norm()
    rows = []
    for layer in (0, len(block.weights) - 1):
        direction = [torch.zeros_like(w) for w in block.weights]
        if layer == 0:
            direction[0][:n, 1] = profile
        else:
            direction[-1][1, :n] = profile
        rows.append(torch.cat([d.reshape(-1) for d in direction]))
    return torch.stack(rows)
