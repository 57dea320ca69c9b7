"""The buffers of the ensembles' passes, and the views into them that a pass needs, made once for each size.

A view costs about as much as a product of small matrices, so that a pass must not make them anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from numeric.kernels import padded
from numeric.products import Operand, Products


@dataclass(frozen=True)
class Slot:
    """A layer's values (C, n_l, b): as a tensor, as an operand, and flat with padding, as pointwise kernels take it.

    slope: flat too, where s' is kept; `flat` itself where it is not.
    """

    tensor: Tensor
    operand: Operand
    flat: Tensor
    slope: Tensor


@dataclass(frozen=True)
class Plan:
    """The views for C members and b samples.

    hidden: h_l of the hidden layers.  deltas: the gradient there, two buffers in turn.  output (C, n_L, b).  grads: of
    each layer, (C, n_l, n_{l-1}), as tensors and as operands.
    """

    hidden: tuple[Slot, ...]
    deltas: tuple[Slot, ...]
    output: Tensor
    output_operand: Operand
    grads: tuple[Tensor, ...]
    grad_operands: tuple[Operand, ...]


class Workspace:
    """Buffers for at most `members` members and `block` samples.  Not safe to share between threads."""

    def __init__(
        self,
        shapes: Sequence[tuple[int, int]],
        members: int,
        block: int,
        stores_slope: bool,
        products: Products,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.members = members
        self._shapes, self._products = shapes, products
        self._plans: dict[tuple[int, int], Plan] = {}

        def flat(width: int) -> Tensor:
            return torch.zeros(padded(members * width * block), dtype=dtype, device=device)

        widths = [rows for rows, _ in shapes[:-1]]
        self._buffers = [flat(width) for width in widths]
        self._slopes = [flat(width) for width in widths] if stores_slope else self._buffers
        self._deltas = [flat(max(widths)) for _ in range(2)] if widths else []
        self._output = flat(shapes[-1][0])
        self._grads = [torch.zeros(members, *shape, dtype=dtype, device=device) for shape in shapes]

    def plan(self, count: int, samples: int) -> Plan:
        """The views for `count` members and `samples` samples."""
        key = (count, samples)
        if key not in self._plans:
            self._plans[key] = self._make(count, samples)
        return self._plans[key]

    def bytes(self) -> int:
        """Memory of all buffers."""
        distinct = {id(t): t for t in (*self._buffers, *self._slopes, *self._deltas, self._output, *self._grads)}
        return sum(t.numel() * t.element_size() for t in distinct.values())

    def _make(self, count: int, samples: int) -> Plan:
        operand = self._products.operand

        def slot(buffer: Tensor, slopes: Tensor, width: int) -> Slot:
            size = count * width * samples
            tensor = buffer[:size].view(count, width, samples)
            return Slot(tensor, operand(tensor), buffer[: padded(size)], slopes[: padded(size)])

        widths = [rows for rows, _ in self._shapes[:-1]]
        hidden = [slot(b, s, n) for b, s, n in zip(self._buffers, self._slopes, widths, strict=True)]
        deltas = [slot(self._deltas[i % 2], self._deltas[i % 2], n) for i, n in enumerate(widths)]
        last = self._shapes[-1][0]
        output = self._output[: count * last * samples].view(count, last, samples)
        grads = tuple(g[:count] for g in self._grads)
        return Plan(tuple(hidden), tuple(deltas), output, operand(output), grads, tuple(operand(g) for g in grads))
