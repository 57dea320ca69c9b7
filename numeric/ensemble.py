"""Gradients of many networks of one shape by a hand-written forward and backward pass on preallocated workspaces.

The state of M members is one tensor (M, stride): W_1, .., W_L of a member one after the other, then a spare column (the
flow keeps its time there), then padding to a multiple of `PAD` elements.  Members go through the passes in chunks whose
buffers fit the cache (CPU) or the memory (CUDA), samples in blocks.  The block depends on shapes only, never on M, so a
member's gradient does not depend on the batch that it is in.  For the same reason samples are padded with nodes of
weight zero to rows of whole cache lines: matrix kernels choose their instructions by the alignment of their operands.
A pass allocates nothing and makes no views: they are in the plan of its size (`numeric.workspace`), with calls bound to
them; what changes from pass to pass is cut from the weights, the gradients and the samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from numeric.activations import Activation
from numeric.data import Population
from numeric.kernels import Kernel, kernel
from numeric.layout import Layout
from numeric.losses import Loss, loss
from numeric.memory import is_out_of_memory, lacking, release
from numeric.network import Network
from numeric.products import Operand, products
from numeric.workspace import Plan, Workspace

_BUFFER_BYTES = 3 * 2**16  # one layer of one member: calls and sums weigh in smaller blocks, larger leave the cache
_CHUNK_BYTES = 5 * 2**19  # workspace of a chunk, per thread: a compromise of cache misses and the cost of a call
_COMPILED_CHUNK = 4  # times as much where kernels are compiled: a call of one takes 20 us, ten times another's
_CUDA_CHUNK_BYTES = 2**31
_LINE = 16  # elements: a cache line of float32, two of float64


class Ensemble:
    """Loss and gradient of M networks of one shape on a population (its own for each member, or one for all).

    activations: one for each member, in place of the network's; members are taken in runs of one activation, each with
    the numbers of an ensemble of that activation alone.  compiled: pointwise passes by `numeric.compiled`.  Raises
    ValueError when sizes do not fit.  Where the device runs out of memory the chunks are halved, which changes no
    number; MemoryError, one sentence, when a single member is too much.  Not for subclassing; not safe to share
    between threads (workspaces).
    """

    def __init__(
        self,
        net: Network,
        data: Population,
        criterion: Loss | None = None,
        *,
        activations: Sequence[Activation] | None = None,
        compiled: bool = False,
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
        each = (net.activation,) if activations is None else tuple(activations)
        if not each:
            raise ValueError("expected an activation for each member, got none")
        made = {one: kernel(one, compiled) for one in each}
        self._kernels = None if activations is None else tuple(made[one] for one in each)
        self._compiled = compiled
        self._stores_slope = any(k.stores_slope for k in made.values())
        self._runs = _runs([made[one] for one in each])
        self._dtype, self._device = dtype, torch.device(device)
        self._products = products(self._device)
        self._widest = max(net.widths[1:-1], default=1)
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
        if self._kernels is not None:
            other._kernels = tuple(self._kernels[i] for i in torch.arange(len(self._kernels))[index.cpu()].tolist())
            other._runs = _runs(other._kernels)
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
        """Raise ValueError when populations or activations of each member's own are not for this many members."""
        if self._kernels is not None and len(self._kernels) != members:
            raise ValueError(f"there are {len(self._kernels)} activations, the weights are for {members} members")
        for tensor in (self.data.covariates, self.data.targets):
            if tensor.ndim == 3 and tensor.shape[0] != members:
                raise ValueError(f"the population is for {tensor.shape[0]} members, the weights are for {members}")

    def gradient(self, state: Tensor, out: Tensor) -> Tensor:
        """Write grad of the expected loss into `out` (M, stride) in the layout of `state`; return the losses (M,)."""
        return self._run(state, out, self._loss)

    def losses(self, state: Tensor) -> Tensor:
        """The expected losses (M,), by a forward pass alone."""
        return self._run(state, None, self._loss)

    def overlaps(self, state: Tensor) -> Tensor:
        """E[yhat y]/E[y^2], (M,)."""
        return self._run(state, None, self._overlap) / self.data.second_moment()

    def workspace(self, members: int) -> Workspace:
        """The buffers for a pass over `members` members, allocated now if there are none yet."""
        room = min(self._chunk, members)
        if self._workspace is None or self._workspace.members < room:
            self._workspace = Workspace(
                self.net.shapes,
                self.net.gains,
                room,
                self._block,
                self._stores_slope,
                self._products,
                self._dtype,
                self._device,
            )
        return self._workspace

    def _run(self, state: Tensor, out: Tensor | None, head: _Head) -> Tensor:
        while True:
            try:
                with np.errstate(over="ignore", invalid="ignore"):  # a member that overflows is told by its status
                    return self._passes(state, out, head)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            self._shrink(state.shape[0])  # outside the handler, whose error holds the failed attempt's tensors

    def _passes(self, state: Tensor, out: Tensor | None, head: _Head) -> Tensor:
        members = state.shape[0]
        values = torch.zeros(members, 1, 1, dtype=self._dtype, device=self._device)
        workspace = self.workspace(members)
        operand = self._products.operand
        weights = [self._products.whole(operand(w)) for w in self.layout.views(state)]
        totals = operand(values)
        grads = None if out is None else [operand(g) for g in self.layout.views(out)]
        for rows, one in self._chunks(members):
            own = None if grads is None else [g[rows] for g in grads]
            self._chunk_pass([w[rows] for w in weights], rows, one, workspace, totals[rows], own, head)
        return values.view(-1)

    def _chunks(self, members: int) -> Iterator[tuple[slice, Kernel]]:
        """Members that go through a pass together: of one activation, and no more than fit the buffers."""
        end = 0
        for one, count in self._runs:
            begin, end = end, members if self._kernels is None else end + count
            for start in range(begin, end, self._chunk):
                yield slice(start, min(start + self._chunk, end)), one

    def _shrink(self, members: int) -> None:
        """Half as many members in a chunk; MemoryError when there is only one left."""
        self._workspace, self._blocks = None, {}
        release(self._device)
        chunk = min(self._chunk, members)
        if chunk == 1:
            raise lacking(f"one network of widths {self.net.widths} on {self.data.samples} samples", self._device)
        self._chunk = chunk // 2

    def _chunk_pass(
        self,
        weights: list[Operand],
        rows: slice,
        one: Kernel,
        workspace: Workspace,
        total: Operand,
        grads: list[Operand] | None,
        head: _Head,
    ) -> None:
        members, gains, turned, targets = rows.stop - rows.start, self.net.gains, [], []
        for begin in range(0, self.data.samples, self._block):
            block = self._samples(rows, begin)
            plan = workspace.plan(members, block.nodes.numel(), one)
            if begin == 0:
                # A gain goes with the weights, of which there are fewer than of anything else.
                weights = [
                    w if g == 1.0 else _scale(w, g, s) for w, g, s in zip(weights, gains, plan.scaled, strict=True)
                ]
                if grads is not None:
                    turned = [w.mT for w in weights]
                    targets = [self._products.rows(g, g.shape[2]) for g in grads]
            self._forward(weights, block.inputs, plan)
            head(plan, block)
            total += plan.top.sum
            if grads is not None:
                self._backward(turned, targets, block.right, plan, begin == 0)
        for grad, gain in zip(grads or [], gains, strict=False):
            if gain != 1.0:
                grad *= gain

    def _samples(self, rows: slice, begin: int) -> _Block:
        """Covariates, targets and node weights of some members and samples; the views are made once."""
        key = (rows.start, rows.stop, begin)
        if key not in self._blocks:
            columns = slice(begin, min(begin + self._block, self.data.samples))
            x, y = (
                (t[rows] if t.ndim == 3 else t.expand(rows.stop - rows.start, -1, -1))[:, :, columns]
                for t in (self.data.covariates, self.data.targets)
            )
            nodes, by = self.data.node_weights[columns], self._products
            inputs = by.operand(x)
            self._blocks[key] = _Block(
                by.columns(inputs, self._widest), by.across(inputs), y, by.operand(y), nodes, by.operand(nodes)
            )
        return self._blocks[key]

    def _forward(self, weights: list[Operand], inputs: Operand, plan: Plan) -> None:
        """h_l = s(z_l) of the hidden layers and the output, into the plan's buffers.  Gains are in the weights."""
        product, below = self._products.product, inputs
        for weight, layer in zip(weights, plan.layers, strict=False):
            product(weight, below, layer.z)
            layer.forward()
            below = layer.h
        product(weights[-1], below, plan.top.z)

    def _loss(self, plan: Plan, block: _Block) -> None:
        """delta <- the derivative of the loss times the node weights; value <- the loss."""
        top = plan.top
        if self._criterion.name == "mse":
            gap, by = top.gap, self._products
            gap -= block.targets_operand
            by.multiply(gap, block.nodes_operand, top.slope)
            by.product(top.row, top.column, top.sum)
            by.multiply(top.sum, 0.5, top.sum)
            return
        y, nodes = block.targets, block.nodes
        top.value.copy_((self._criterion.value(top.output, y) * nodes).sum(-1)[:, None, None])
        torch.mul(self._criterion.derivative(top.output, y), nodes, out=top.delta)

    def _overlap(self, plan: Plan, block: _Block) -> None:
        """value <- E[yhat y]."""
        plan.top.value.copy_(((plan.top.output * block.targets) * block.nodes).sum((1, 2), keepdim=True))

    def _backward(self, turned: list[Operand], grads: list[Operand], inputs: Operand, plan: Plan, first: bool) -> None:
        """grads_l <- delta_l h_{l-1}^T (added unless `first`), delta_{l-1} = (W_l^T delta_l) s'(z_{l-1})."""
        by, above, left = self._products, plan.top.h, plan.top.left
        for index in range(len(grads) - 1, -1, -1):
            right = plan.layers[index - 1].right if index else inputs
            if first:
                by.product(left, right, grads[index])
            else:
                by.add_product(left, right, plan.parts[index], grads[index])
            if index == 0:
                return
            layer = plan.layers[index - 1]
            (by.rank_one if self.net.widths[index + 1] == 1 else by.product)(turned[index], above, layer.scratch)
            layer.backward()
            above, left = layer.h, layer.left

    def _sample_block(self) -> int:
        """Samples per block: as many as fit the workspace, blocks of about one size; from shapes alone.

        Not from the activation either: a member may share its ensemble with others.
        """
        most = _CUDA_CHUNK_BYTES // self._bytes_per_unit(True) if self._device.type == "cuda" else _BUFFER_BYTES
        blocks = -(-self.data.samples // max(64, most // (self._widest * self._item_bytes)))
        return -(-self.data.samples // (blocks * _LINE)) * _LINE

    def _members_per_chunk(self) -> int:
        calls = _COMPILED_CHUNK if self._compiled else 1
        budget = _CUDA_CHUNK_BYTES if self._device.type == "cuda" else calls * _CHUNK_BYTES * torch.get_num_threads()
        return max(1, budget // (self._widest * self._block * self._bytes_per_unit(self._stores_slope)))

    def _bytes_per_unit(self, stores_slope: bool) -> int:
        """Workspace bytes per hidden unit and sample."""
        layers = max(1, self.net.depth - 1)
        return self._item_bytes * (1 + layers * (2 if stores_slope else 1))


@dataclass(frozen=True, slots=True)
class _Block:
    """Covariates (C, d, b), targets (C, k, b) and node weights (b,) of one chunk and block of samples.

    inputs, right: the covariates as the operands of the first product, and of one along the samples.
    """

    inputs: Operand
    right: Operand
    targets: Tensor
    targets_operand: Operand
    nodes: Tensor
    nodes_operand: Operand


def _runs(kernels: Sequence[Kernel]) -> list[tuple[Kernel, int]]:
    """Kernels and numbers of neighbouring members that share one."""
    return [(one, len(list(group))) for one, group in groupby(kernels)]


_Head = Callable[[Plan, _Block], None]


def _scale(weights: Operand, gain: float, out: Operand) -> Operand:
    out[:] = weights
    out *= gain
    return out


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
