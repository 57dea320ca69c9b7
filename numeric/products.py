"""Batched products of small matrices, by the library that is fastest for them.

With one thread on a CPU that is NumPy's: its BLAS (OpenBLAS) has kernels for small products that do not pack their
operands, and `matmul` walks over the members in C.  In float64 they reach 45 Gflop/s at 16 x 16 x 64 and 52 at
64 x 64 x 192 where torch's batched product reaches 25 and 40, and a product of 1536 x 1536 matrices 50.  With more
threads, or on a GPU, products are torch's, which shares the members among its threads.  What is chosen depends on
shapes and on the number of threads alone, so that a member's result does not depend on its batch.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

SMALL_PRODUCT = 1_000_000  # m n k up to which OpenBLAS takes its kernels for small matrices
_SMALL_OUTER = 1200  # entries of a b^T up to which it takes them where both operands lie along the sum

Operand = Any  # a tensor or an array (C, rows, columns); has shape and mT


class Products(Protocol):
    """The products of a forward and backward pass on operands (C, rows, columns), views that are never copied."""

    most: int | None  # m n k beyond which a product should be split; None for no bound

    def operand(self, tensor: Tensor) -> Operand:
        """The tensor as `product` and `outer` take it; shares its memory."""

    def product(self, a: Operand, b: Operand, out: Operand) -> None:
        """out <- a b."""

    def outer(self, a: Operand, b: Operand, gain: float, keep: bool, out: Operand) -> None:
        """out <- gain a b^T for a (C, m, k) and b (C, n, k); added to what is in `out` (contiguous) if `keep`."""


def products(device: torch.device) -> Products:
    """The products for a device and the present number of threads."""
    return NumpyProducts() if device.type == "cpu" and torch.get_num_threads() == 1 else TorchProducts()


class TorchProducts:
    """Products by torch."""

    most: int | None = None

    def operand(self, tensor: Tensor) -> Operand:
        """The tensor itself."""
        return tensor

    def product(self, a: Operand, b: Operand, out: Operand) -> None:
        """out <- a b."""
        torch.bmm(a, b, out=out)

    def outer(self, a: Operand, b: Operand, gain: float, keep: bool, out: Operand) -> None:
        """out <- gain a b^T (+ out)."""
        torch.baddbmm(out, a, b.mT, beta=1.0 if keep else 0.0, alpha=gain, out=out)


class NumpyProducts:
    """Products by NumPy, those along the columns in tiles that OpenBLAS takes as small."""

    most: int | None = SMALL_PRODUCT

    def operand(self, tensor: Tensor) -> Operand:
        """The array on the tensor's memory."""
        return tensor.numpy()

    def product(self, a: Operand, b: Operand, out: Operand) -> None:
        """out <- a b; a member that overflows is told by its status, not by a warning."""
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(a, b, out=out)

    def outer(self, a: Operand, b: Operand, gain: float, keep: bool, out: Operand) -> None:
        """out <- gain a b^T (+ out)."""
        members, rows, columns = out.shape
        tile = (members, -1, _tile(rows, columns))
        right = b.mT[:, None]
        if keep:
            part = np.matmul(a.reshape(*tile, a.shape[2]), right).reshape(out.shape)
            if gain != 1.0:
                part *= gain
            out += part
            return
        np.matmul(a.reshape(*tile, a.shape[2]), right, out=out.reshape(*tile, columns))
        if gain != 1.0:
            out *= gain


@cache
def _tile(rows: int, columns: int) -> int:
    """The most rows, a divisor of `rows`, with which a tile of the outer product is small; at least one."""
    return max(n for n in range(1, rows + 1) if rows % n == 0 and (n == 1 or n * columns <= _SMALL_OUTER))
