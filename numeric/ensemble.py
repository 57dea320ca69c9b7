"""Gradients of many networks of one shape by a hand-written forward and backward pass on preallocated workspaces.

The state of M members is one tensor (M, stride): W_1, .., W_L of a member one after the other, then a spare column (the
flow keeps its time there), then padding to a multiple of `PAD` elements.  Members go through the passes in chunks whose
buffers fit the cache (CPU) or the memory (CUDA), samples in blocks; the block depends on shapes only, never on M, so a
member's gradient does not depend on the batch that it is in.  For the same reason samples are padded with nodes of
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

_BUFFER_BYTES = 2**18  # one layer's buffer of one member: larger blocks of samples leave the second-level cache
_CHUNK_BYTES = 2**22  # workspace of a chunk of members: measured best where it fills a shared third-level cache
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
        self._item_bytes = torch.finfo(dtype).bits // 8
        self._block = self._sample_block()
        self._chunk = chunk or self._members_per_chunk()
        self._room = 0  # members for which buffers are allocated
        self._buffers: list[Tensor] = []
        self._slopes: list[Tensor] = []
        self._deltas: list[Tensor] = []
        self._grads: list[Tensor] = []

    def select(self, index: Tensor) -> Ensemble:
        """The ensemble of the members `index`; a population of each member's own is narrowed accordingly."""
        x, y = self.data.covariates, self.data.targets
        x = x[index] if x.ndim == 3 else x
        y = y[index] if y.ndim == 3 else y
        other = Ensemble.__new__(Ensemble)
        other.__dict__.update(self.__dict__)
        other.data = Population(x, y, self.data.node_weights)
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
        self._allocate(min(self._chunk, members))
        for start in range(0, members, self._chunk):
            rows = slice(start, min(start + self._chunk, members))
            weights = self.layout.views(state[rows])
            self._chunk_pass(
                weights, rows, values[rows], None if out is None else self.layout.views(out[rows]), overlap
            )
        return values

    def _shrink(self, members: int) -> None:
        """Half as many members in a chunk; MemoryError when there is only one left."""
        self._buffers, self._slopes, self._deltas, self._grads, self._room = [], [], [], [], 0
        release(self._device)
        chunk = min(self._chunk, members)
        if chunk == 1:
            raise lacking(f"one network of widths {self.net.widths} on {self.data.samples} samples", self._device)
        self._chunk = chunk // 2

    def _chunk_pass(self, weights: Weights, rows: slice, values: Tensor, out: Weights | None, overlap: bool) -> None:
        count = rows.stop - rows.start
        grads = [g[:count] for g in self._grads]
        x, y = (t[rows] if t.ndim == 3 else t.expand(count, -1, -1) for t in (self.data.covariates, self.data.targets))
        for begin in range(0, self.data.samples, self._block):
            columns = slice(begin, min(begin + self._block, self.data.samples))
            inputs, nodes = x[:, :, columns], self.data.node_weights[columns]
            hidden = self._forward(weights, inputs)
            output = self._output(weights, hidden, inputs)
            part, delta = self._loss(output, y[:, :, columns], nodes, overlap, rows)
            values.copy_(part) if begin == 0 else values.add_(part)
            if out is not None:
                self._backward(weights, inputs, hidden, delta, grads, 0.0 if begin == 0 else 1.0)
        if out is not None:
            for target, grad in zip(out, grads, strict=True):
                target.copy_(grad)

    def _forward(self, weights: Weights, inputs: Tensor) -> list[Tensor]:
        """h_l = s(z_l) of the hidden layers, each a view (C, n_l, b) of a flat buffer."""
        count, samples = inputs.shape[0], inputs.shape[2]
        hidden: list[Tensor] = []
        below = inputs
        for layer, weight in enumerate(weights[:-1]):
            size = count * weight.shape[1] * samples
            flat = self._buffers[layer][: padded(size)]
            z = flat[:size].view(count, weight.shape[1], samples)
            torch.baddbmm(z, weight, below, beta=0.0, alpha=self.net.gains[layer], out=z)
            self._kernel.forward(flat, self._slopes[layer][: flat.numel()] if self._slopes else flat)
            hidden.append(z)
            below = z
        return hidden

    def _output(self, weights: Weights, hidden: list[Tensor], inputs: Tensor) -> Tensor:
        below = hidden[-1] if hidden else inputs
        gain = self.net.gains[-1]
        output = torch.bmm(weights[-1], below)
        return output if gain == 1.0 else output.mul_(gain)

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
        weights: Weights,
        inputs: Tensor,
        hidden: list[Tensor],
        delta: Tensor,
        grads: list[Tensor],
        keep: float,
    ) -> None:
        """grads_l <- keep grads_l + g_l delta_l h_{l-1}^T, then delta_{l-1} = (g_l W_l^T delta_l) s'(z_{l-1})."""
        for layer in range(len(weights) - 1, -1, -1):
            below = hidden[layer - 1] if layer else inputs
            gain = self.net.gains[layer]
            grad = grads[layer]
            torch.baddbmm(grad, delta, below.mT, beta=keep, alpha=gain, out=grad)
            if layer == 0:
                return
            size = below.numel()
            flat = self._deltas[layer % 2][: padded(size)]
            p = flat[:size].view(below.shape)
            if delta.shape[1] == 1:
                torch.mul(weights[layer].mT, delta if gain == 1.0 else delta * gain, out=p)
            else:
                torch.baddbmm(p, weights[layer].mT, delta, beta=0.0, alpha=gain, out=p)
            slope = self._slopes[layer - 1][: flat.numel()] if self._slopes else flat
            self._kernel.backward(flat, self._buffers[layer - 1][: flat.numel()], slope)
            delta = p

    def _sample_block(self) -> int:
        """Samples per block: all of them if one member's workspace fits, else a power of two; from shapes alone."""
        widest = max(self.net.widths[1:-1], default=1)
        room = _CUDA_CHUNK_BYTES // self._bytes_per_unit() if self._device.type == "cuda" else _BUFFER_BYTES
        fits = max(64, room // (widest * self._item_bytes))
        return min(self.data.samples, 1 << (fits.bit_length() - 1))

    def _members_per_chunk(self) -> int:
        widest = max(self.net.widths[1:-1], default=1)
        return max(1, self._budget() // (widest * self._block * self._bytes_per_unit()))

    def _bytes_per_unit(self) -> int:
        """Workspace bytes per hidden unit and sample."""
        layers = max(1, self.net.depth - 1)
        return self._item_bytes * (2 + layers * (2 if self._kernel.stores_slope else 1))

    def _budget(self) -> int:
        return _CUDA_CHUNK_BYTES if self._device.type == "cuda" else _CHUNK_BYTES

    def _allocate(self, members: int) -> None:
        if members <= self._room:
            return

        def flat(width: int) -> Tensor:
            return torch.zeros(padded(members * width * self._block), dtype=self._dtype, device=self._device)

        hidden = self.net.widths[1:-1]
        self._buffers = [flat(width) for width in hidden]
        self._slopes = [flat(width) for width in hidden] if self._kernel.stores_slope else []
        self._deltas = [flat(max(hidden)) for _ in range(2)] if hidden else []
        self._grads = [
            torch.zeros(members, *shape, dtype=self._dtype, device=self._device) for shape in self.net.shapes
        ]
        self._room = members


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
