"""Gradients of many networks of one shape by a hand-written forward and backward pass on preallocated workspaces.

The state of M members is one tensor (M, stride): W_1, .., W_L of a member one after the other, then a spare column (the
flow keeps its time there), then padding to a multiple of `PAD` elements.  Members go through the passes in chunks whose
buffers fit the cache (CPU) or the memory (CUDA), samples in blocks: on one thread those for which matrix products are
fastest (`numeric.products`).  The block depends on shapes and the number of threads only, never on M, so a member's
gradient does not depend on the batch that it is in.  For the same reason samples are padded with nodes of
weight zero to rows of whole cache lines: matrix kernels choose their instructions by the alignment of their operands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from numeric.data import Population
from numeric.kernels import kernel, padded
from numeric.losses import Loss, loss
from numeric.memory import is_out_of_memory, lacking, release
from numeric.network import Network, Weights
from numeric.products import Operand, products
from numeric.workspace import Plan, Workspace

_BUFFER_BYTES = 2**18  # one layer's buffer of one member: larger blocks of samples leave the second-level cache
_CHUNK_BYTES = 3 * 2**20  # workspace of a chunk of members: a compromise of cache misses and the cost of a call
_CUDA_CHUNK_BYTES = 2**31
_LINE = 16  # elements: a cache line of float32, two of float64


@dataclass(frozen=True)
class Layout:
    """Where the weights of one member lie in its flat state row."""

    shapes: tuple[tuple[int, int], ...]

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Start of each W_l; the last entry is the number of parameters, the index of the spare column."""
        starts = [0]
        for rows, columns in self.shapes:
            starts.append(starts[-1] + rows * columns)
        return tuple(starts)

    @property
    def parameters(self) -> int:
        """Number of weights of one member; also the index of the spare column."""
        return self.offsets[-1]

    @property
    def stride(self) -> int:
        """Length of a row of the state."""
        return padded(self.parameters + 1)

    def views(self, state: Tensor) -> Weights:
        """The weights (M, n_l, n_{l-1}) as views into `state` (M, stride)."""
        return [
            state[:, start : start + rows * columns].view(-1, rows, columns)
            for start, (rows, columns) in zip(self.offsets[:-1], self.shapes, strict=True)
        ]

    def flatten(self, weights: Sequence[Tensor], dtype: torch.dtype, device: torch.device | str) -> Tensor:
        """A new state (M, stride) from weights of shape (M, n_l, n_{l-1}) or (n_l, n_{l-1}).

        Raises ValueError for other shapes or an empty ensemble.
        """
        parts = [weight.unsqueeze(0) if weight.ndim == 2 else weight for weight in weights]
        members = max((part.shape[0] for part in parts), default=0)
        if members == 0:
            raise ValueError("an ensemble needs at least one member, got none")
        got = tuple(tuple(part.shape[1:]) for part in parts)
        if got != self.shapes or any(part.shape[0] not in (1, members) for part in parts):
            raise ValueError(f"expected weights of shapes {self.shapes} for each of {members} members, got {got}")
        state = torch.zeros(members, self.stride, dtype=dtype, device=device)
        for view, part in zip(self.views(state), parts, strict=True):
            view.copy_(part)
        return state

    def norms(self, state: Tensor) -> Tensor:
        """Frobenius norms per layer, (M, L)."""
        bounds = self.offsets
        return torch.stack(
            [torch.linalg.vector_norm(state[:, a:b], dim=1) for a, b in pairwise(bounds)],
            dim=1,
        )


class Ensemble:
    """Loss and gradient of M networks of one shape on a population (its own for each member, or one for all).

    Raises ValueError when sizes do not fit.  Where the device runs out of memory the chunks are halved, which changes
    no number; MemoryError, one sentence, when a single member is too much.  Not for subclassing; not safe to share
    between threads (workspaces).
    """

    def __init__(
        self,
        net: Network,
        data: Population,
        criterion: Loss | None = None,
        *,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
        chunk: int | None = None,
    ) -> None:
        if data.covariates.shape[-2] != net.widths[0] or data.targets.shape[-2] != net.widths[-1]:
            raise ValueError(
                f"the network maps {net.widths[0]} inputs to {net.widths[-1]} outputs, but the population has "
                f"{data.covariates.shape[-2]} and {data.targets.shape[-2]}"
            )
        if chunk is not None and chunk < 1:
            raise ValueError(f"chunk must be a positive number of members, got {chunk}")
        self.net = net
        self.layout = Layout(net.shapes)
        self.data = _aligned(data.to(device=device, dtype=dtype))
        self._criterion = criterion or loss("mse")
        self._kernel = kernel(net.activation)
        self._dtype, self._device = dtype, torch.device(device)
        self._products = products(self._device)
        self._item_bytes = torch.finfo(dtype).bits // 8
        self._block = self._sample_block()
        self._chunk = chunk or self._members_per_chunk()
        self._workspace: Workspace | None = None
        self._blocks: dict[tuple[int, int, int], _Block] = {}

    def select(self, index: Tensor) -> Ensemble:
        """The ensemble of the members `index`; a population of each member's own is narrowed accordingly."""
        x, y = self.data.covariates, self.data.targets
        x = x[index] if x.ndim == 3 else x
        y = y[index] if y.ndim == 3 else y
        other = Ensemble.__new__(Ensemble)
        other.__dict__.update(self.__dict__)
        other.data = Population(x, y, self.data.node_weights)
        other._blocks = {}
        return other

    def on_samples(self, index: Tensor) -> Ensemble:
        """The ensemble on the samples index (M, b) of each member's population, with equal weights; for minibatches."""
        members, size = index.shape
        x, y = self.data.covariates, self.data.targets
        x = x.expand(members, -1, -1).gather(2, index[:, None, :].expand(-1, x.shape[-2], -1))
        y = y.expand(members, -1, -1).gather(2, index[:, None, :].expand(-1, y.shape[-2], -1))
        other = Ensemble.__new__(Ensemble)
        other.__dict__.update(self.__dict__)
        other.data = _aligned(Population(x, y, self.data.node_weights.new_full((size,), 1.0 / size)))
        other._blocks = {}
        return other

    def check_members(self, members: int) -> None:
        """Raise ValueError when a population of each member's own is not for this many members."""
        for tensor in (self.data.covariates, self.data.targets):
            if tensor.ndim == 3 and tensor.shape[0] != members:
                raise ValueError(f"the population is for {tensor.shape[0]} members, the weights are for {members}")

    def gradient(self, state: Tensor, out: Tensor) -> Tensor:
        """Write grad of the expected loss into `out` (M, stride) in the layout of `state`; return the losses (M,)."""
        return self._run(state, out, overlap=False)

    def losses(self, state: Tensor) -> Tensor:
        """The expected losses (M,), by a forward pass alone."""
        return self._run(state, None, overlap=False)

    def overlaps(self, state: Tensor) -> Tensor:
        """E[yhat y]/E[y^2], (M,)."""
        return self._run(state, None, overlap=True)

    def workspace(self, members: int) -> Workspace:
        """The buffers for a pass over `members` members, allocated now if there are none yet."""
        room = min(self._chunk, members)
        if self._workspace is None or self._workspace.members < room:
            self._workspace = Workspace(
                self.net.shapes,
                room,
                self._block,
                self._kernel.stores_slope,
                self._products,
                self._dtype,
                self._device,
            )
        return self._workspace

    def _run(self, state: Tensor, out: Tensor | None, overlap: bool) -> Tensor:
        while True:
            try:
                return self._passes(state, out, overlap)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            self._shrink(state.shape[0])  # outside the handler, whose error holds the failed attempt's tensors

    def _passes(self, state: Tensor, out: Tensor | None, overlap: bool) -> Tensor:
        members = state.shape[0]
        values = torch.empty(members, dtype=self._dtype, device=self._device)
        workspace = self.workspace(members)
        for start in range(0, members, self._chunk):
            rows = slice(start, min(start + self._chunk, members))
            weights = self.layout.views(state[rows])
            grads = None if out is None else self.layout.views(out[rows])
            self._chunk_pass(weights, rows, workspace, values[rows], grads, overlap)
        return values

    def _shrink(self, members: int) -> None:
        """Half as many members in a chunk; MemoryError when there is only one left."""
        self._workspace, self._blocks = None, {}
        release(self._device)
        chunk = min(self._chunk, members)
        if chunk == 1:
            raise lacking(f"one network of widths {self.net.widths} on {self.data.samples} samples", self._device)
        self._chunk = chunk // 2

    def _chunk_pass(
        self, weights: Weights, rows: slice, workspace: Workspace, values: Tensor, out: Weights | None, overlap: bool
    ) -> None:
        # A gain goes with the weights, of which there are fewer than of anything else.
        scaled = [w if gain == 1.0 else w * gain for w, gain in zip(weights, self.net.gains, strict=True)]
        operands = [self._products.operand(w) for w in scaled]
        for begin in range(0, self.data.samples, self._block):
            block = self._samples(rows, begin)
            plan = workspace.plan(rows.stop - rows.start, block.nodes.numel())
            self._forward(operands, block.operand, plan)
            part, delta = self._loss(plan.output, block.targets, block.nodes, overlap, rows)
            values.copy_(part) if begin == 0 else values.add_(part)
            if out is not None:
                self._backward(scaled, operands, block.operand, delta, plan, begin > 0)
        if out is not None:
            for target, grad in zip(out, plan.grads, strict=True):
                target.copy_(grad)

    def _samples(self, rows: slice, begin: int) -> _Block:
        """Covariates, targets and node weights of some members and samples; the views are made once."""
        key = (rows.start, rows.stop, begin)
        if key not in self._blocks:
            columns = slice(begin, min(begin + self._block, self.data.samples))
            x, y = (
                (t[rows] if t.ndim == 3 else t.expand(rows.stop - rows.start, -1, -1))[:, :, columns]
                for t in (self.data.covariates, self.data.targets)
            )
            self._blocks[key] = _Block(self._products.operand(x), y, self.data.node_weights[columns])
        return self._blocks[key]

    def _forward(self, weights: list[Operand], inputs: Operand, plan: Plan) -> None:
        """h_l = s(z_l) of the hidden layers and the output, into the plan's buffers.  Gains are in the weights."""
        below = inputs
        for weight, slot in zip(weights, plan.hidden, strict=False):
            self._products.product(weight, below, slot.operand)
            self._kernel.forward(slot.flat, slot.slope)
            below = slot.operand
        self._products.product(weights[-1], below, plan.output_operand)

    def _loss(self, output: Tensor, y: Tensor, nodes: Tensor, overlap: bool, rows: slice) -> tuple[Tensor, Tensor]:
        if overlap:
            second = ((self.data.targets**2) * self.data.node_weights).sum((-2, -1))
            second = second[rows] if second.ndim else second
            return ((output * y) * nodes).sum((1, 2)) / second, output
        if self._criterion.name == "mse":
            gap = output.sub_(y)
            delta = gap * nodes
            return 0.5 * (delta * gap).sum((1, 2)), delta
        value = (self._criterion.value(output, y) * nodes).sum(-1)
        return value, self._criterion.derivative(output, y) * nodes

    def _backward(
        self,
        scaled: Weights,
        weights: list[Operand],
        inputs: Operand,
        delta: Tensor,
        plan: Plan,
        keep: bool,
    ) -> None:
        """grads_l <- g_l delta_l h_{l-1}^T (+ grads_l if `keep`), delta_{l-1} = (g_l W_l^T delta_l) s'(z_{l-1})."""
        above = self._products.operand(delta)
        for layer in range(len(weights) - 1, -1, -1):
            below = plan.hidden[layer - 1].operand if layer else inputs
            self._products.outer(above, below, self.net.gains[layer], keep, plan.grad_operands[layer])
            if layer == 0:
                return
            slot, values = plan.deltas[layer - 1], plan.hidden[layer - 1]
            if layer == len(weights) - 1 and delta.shape[1] == 1:
                torch.mul(scaled[layer].mT, delta, out=slot.tensor)
            else:
                self._products.product(weights[layer].mT, above, slot.operand)
            self._kernel.backward(slot.flat, values.flat, values.slope)
            above = slot.operand

    def _sample_block(self) -> int:
        """Samples per block: as many as fit the workspace, blocks of about one size; from shapes alone."""
        widest = max(self.net.widths[1:-1], default=1)
        most = _CUDA_CHUNK_BYTES // self._bytes_per_unit() if self._device.type == "cuda" else _BUFFER_BYTES
        most //= widest * self._item_bytes
        if self._products.most is not None:
            most = min(most, self._products.most // widest**2)
        blocks = -(-self.data.samples // max(64, most))
        return -(-self.data.samples // (blocks * _LINE)) * _LINE

    def _members_per_chunk(self) -> int:
        widest = max(self.net.widths[1:-1], default=1)
        return max(1, self._budget() // (widest * self._block * self._bytes_per_unit()))

    def _bytes_per_unit(self) -> int:
        """Workspace bytes per hidden unit and sample."""
        layers = max(1, self.net.depth - 1)
        return self._item_bytes * (2 + layers * (2 if self._kernel.stores_slope else 1))

    def _budget(self) -> int:
        return _CUDA_CHUNK_BYTES if self._device.type == "cuda" else _CHUNK_BYTES


@dataclass(frozen=True)
class _Block:
    """Covariates (C, d, b) as an operand, targets (C, k, b) and node weights (b,) of one chunk and block."""

    operand: Operand
    targets: Tensor
    nodes: Tensor


def _aligned(data: Population) -> Population:
    """The same expectation with n a multiple of `_LINE`: copies of the first sample, of weight zero."""
    extra = -data.samples % _LINE
    if extra == 0:
        return data
    x, y, nodes = data.covariates, data.targets, data.node_weights
    return Population(
        torch.cat([x, x[..., :1].expand(*x.shape[:-1], extra)], dim=-1),
        torch.cat([y, y[..., :1].expand(*y.shape[:-1], extra)], dim=-1),
        torch.cat([nodes, nodes.new_zeros(extra)]),
    )
