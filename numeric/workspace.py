"""The buffers of the ensembles' passes, and the views and bound calls that a pass needs, made once for each size.

A view costs about as much as a product of small matrices, so that a pass must not make them anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from numeric.compiled import Call
from numeric.kernels import Kernel, padded
from numeric.products import Operand, Products


@dataclass(frozen=True, slots=True)
class Layer:
    """A hidden layer of C members, n units and b samples.

    z: where the product of the layer goes.  forward(): h <- s(z), and what s' needs is kept.  scratch: where W^T delta
    of the layer above goes.  backward(): h <- scratch * s'(z), the delta of this layer, over values that nobody needs
    any more.  left, right: h as an operand of products along the samples, as a delta and as values.
    """

    z: Operand
    h: Operand
    left: Operand
    right: Operand
    scratch: Operand
    forward: Call
    backward: Call


@dataclass(frozen=True, slots=True)
class Top:
    """The output of the network and its delta, the derivative of the loss there, (C, n_L, b), and the loss (C, 1, 1).

    Tensors, and the same memory as operands: z, h, left as in `Layer`; gap, slope, sum with the shapes of the tensors;
    row and column for the scalar product of output and delta.
    """

    output: Tensor
    delta: Tensor
    value: Tensor
    z: Operand
    h: Operand
    left: Operand
    gap: Operand
    slope: Operand
    sum: Operand
    row: Operand
    column: Operand


@dataclass(frozen=True, slots=True)
class Plan:
    """The views for C members and b samples.

    parts: room for the gradients of one block of samples, layer by layer in one memory.  scaled: room for W_l g_l where
    g_l is not 1.
    """

    layers: tuple[Layer, ...]
    top: Top
    parts: tuple[Operand, ...]
    scaled: tuple[Operand, ...]


class Workspace:
    """Buffers for at most `members` members and `block` samples.  Not safe to share between threads."""

    def __init__(
        self,
        shapes: Sequence[tuple[int, int]],
        gains: Sequence[float],
        members: int,
        block: int,
        stores_slope: bool,
        products: Products,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.members = members
        self._shapes, self._products = shapes, products
        self._plans: dict[tuple[int, int, Kernel], Plan] = {}

        def flat(size: int) -> Tensor:
            return torch.zeros(padded(members * size), dtype=dtype, device=device)

        widths = [rows for rows, _ in shapes[:-1]]
        self._widest = max(widths, default=1)
        self._values = [flat(width * block) for width in widths]
        self._kept = [flat(width * block) for width in widths] if stores_slope else self._values
        self._scratch = flat(max(widths, default=0) * block)
        self._output, self._delta = flat(shapes[-1][0] * block), flat(shapes[-1][0] * block)
        self._value = flat(1)
        self._part = flat(max(map(prod, shapes)))
        self._scaled = [flat(0 if gain == 1.0 else prod(shape)) for gain, shape in zip(gains, shapes, strict=True)]

    def plan(self, count: int, samples: int, kernel: Kernel) -> Plan:
        """The views for `count` members and `samples` samples, with the calls of `kernel` bound to them."""
        key = (count, samples, kernel)
        if key not in self._plans:
            self._plans[key] = self._make(count, samples, kernel)
        return self._plans[key]

    def bytes(self) -> int:
        """Memory of all buffers."""
        layers = {id(t): t for t in (*self._values, *self._kept)}.values()
        buffers = (*layers, self._scratch, self._output, self._delta, self._value, self._part, *self._scaled)
        return sum(t.numel() * t.element_size() for t in buffers)

    def _make(self, count: int, samples: int, kernel: Kernel) -> Plan:
        by, widest = self._products, self._widest

        def view(buffer: Tensor, *shape: int) -> Tensor:
            return buffer[: count * prod(shape)].view(count, *shape)

        def columns(buffer: Tensor, rows: int) -> Operand:
            return by.columns(by.operand(view(buffer, rows, samples)), widest)

        def layer(values: Tensor, kept: Tensor, rows: int, below: int) -> Layer:
            size = padded(count * rows * samples)
            h = values[:size]
            z = kept[:size] if kernel.stores_slope else h
            scratch = h if kernel.linear else self._scratch[:size]
            operand = by.operand(view(h, rows, samples))
            return Layer(
                columns(z, rows),
                columns(h, rows),
                by.rows(operand, below),
                by.across(operand),
                columns(scratch, rows),
                kernel.forward(z, h, scratch),
                kernel.backward(scratch, z, h),
            )

        last, below = self._shapes[-1]
        output, delta, value = (
            view(self._output, last, samples),
            view(self._delta, last, samples),
            view(self._value, 1, 1),
        )
        top = Top(
            output,
            delta,
            value,
            columns(self._output, last),
            columns(self._delta, last),
            by.rows(by.operand(delta), below),
            by.operand(output),
            by.operand(delta),
            by.operand(value),
            by.operand(output.view(count, 1, -1)),
            by.operand(delta.view(count, -1, 1)),
        )
        return Plan(
            tuple(layer(v, k, *shape) for v, k, shape in zip(self._values, self._kept, self._shapes, strict=False)),
            top,
            tuple(by.rows(by.operand(view(self._part, *shape)), shape[1]) for shape in self._shapes),
            tuple(
                by.whole(by.operand(view(buffer, *shape))) if buffer.numel() else buffer
                for buffer, shape in zip(self._scaled, self._shapes, strict=True)
            ),
        )
