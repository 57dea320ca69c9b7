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

_SMALL_PRODUCT = 1_000_000  # m n k up to which OpenBLAS takes its kernels for small matrices
_SMALL_OUTER = 1200  # entries of a b^T up to which it takes them where both operands lie along the sum
_COLUMNS = 8  # narrower pieces of a product would be slower than a product that is not small

Operand = Any  # a tensor or an array (C, rows, columns); has shape, mT and reshape


class Products(Protocol):
    """The products of a forward and backward pass on operands, views that are never copied.

    W h, for matrices of at most `widest` rows and columns, is `product(whole(W), columns(h, widest), columns(out,
    widest))`.  A product along the samples, a b^T for b (C, n, k), is `product(rows(a, n), across(b), rows(out, n))`.
    Operands are made once and used in many passes.  NumPy would warn of a member that overflows: the caller silences
    it.
    """

    def operand(self, tensor: Tensor) -> Operand:
        """The tensor as an operand; shares its memory."""

    def whole(self, operand: Operand) -> Operand:
        """A left operand, the same for every piece of the right one."""

    def columns(self, operand: Operand, widest: int) -> Operand:
        """The columns of a right operand, or of a result, in the pieces that a product takes."""

    def rows(self, operand: Operand, columns: int) -> Operand:
        """The rows of a left operand, or of a result of so many columns, in the pieces that a product takes."""

    def across(self, operand: Operand) -> Operand:
        """The transpose, as the right operand of a product with `rows`."""

    def product(self, a: Operand, b: Operand, out: Operand, /) -> object:
        """out <- a b."""

    def multiply(self, a: Operand, b: Operand, out: Operand, /) -> object:
        """out <- a * b, entry by entry with broadcasting."""

    def rank_one(self, a: Operand, b: Operand, out: Operand) -> object:
        """out <- a b where a has one column and b one row."""

    def add_product(self, a: Operand, b: Operand, part: Operand, out: Operand) -> None:
        """out <- out + a b; `part`, of the shape of `out`, may be written over."""


def products(device: torch.device) -> Products:
    """The products for a device and the present number of threads."""
    return NumpyProducts() if device.type == "cpu" and torch.get_num_threads() == 1 else TorchProducts()


class TorchProducts:
    """Products by torch, in one piece."""

    def operand(self, tensor: Tensor) -> Operand:
        """The tensor itself."""
        return tensor

    def whole(self, operand: Operand) -> Operand:
        """The operand itself."""
        return operand

    def columns(self, operand: Operand, widest: int) -> Operand:
        """The operand itself."""
        return operand

    def rows(self, operand: Operand, columns: int) -> Operand:
        """The operand itself."""
        return operand

    def across(self, operand: Operand) -> Operand:
        """The transpose."""
        return operand.mT

    def product(self, a: Operand, b: Operand, out: Operand, /) -> object:
        """out <- a b."""
        return torch.bmm(a, b, out=out)

    def multiply(self, a: Operand, b: Operand, out: Operand, /) -> object:
        """out <- a * b, entry by entry."""
        return torch.mul(a, b, out=out)

    def rank_one(self, a: Operand, b: Operand, out: Operand) -> object:
        """out <- a b where a has one column and b one row."""
        return torch.mul(a, b, out=out)

    def add_product(self, a: Operand, b: Operand, part: Operand, out: Operand) -> None:
        """out <- out + a b."""
        out.baddbmm_(a, b)


class NumpyProducts:
    """Products by NumPy, in pieces that OpenBLAS takes as small."""

    product = staticmethod(np.matmul)
    multiply = staticmethod(np.multiply)

    def operand(self, tensor: Tensor) -> Operand:
        """The array on the tensor's memory."""
        return tensor.numpy()

    def whole(self, operand: Operand) -> Operand:
        """(C, 1, rows, columns)."""
        return operand[:, None]

    def columns(self, operand: Operand, widest: int) -> Operand:
        """(C, rows, k) as (C, pieces, rows, columns of a piece)."""
        members, rows, count = operand.shape
        return operand.reshape(members, rows, -1, _columns(count, widest)).swapaxes(1, 2)

    def rows(self, operand: Operand, columns: int) -> Operand:
        """(C, rows, k) as (C, pieces, rows of a piece, k)."""
        members, rows, along = operand.shape
        return operand.reshape(members, -1, _rows(rows, columns), along)

    def across(self, operand: Operand) -> Operand:
        """The transpose, the same for every piece."""
        return operand.mT[:, None]

    def rank_one(self, a: Operand, b: Operand, out: Operand) -> object:
        """out <- a b where a has one column and b one row: by torch, whose broadcasting takes a third of the time."""
        return torch.mul(torch.from_numpy(a), torch.from_numpy(b), out=torch.from_numpy(out))

    def add_product(self, a: Operand, b: Operand, part: Operand, out: Operand) -> None:
        """out <- out + a b."""
        np.matmul(a, b, part)
        np.add(out, part, out)


@cache
def _columns(count: int, widest: int) -> int:
    """The most columns, a divisor of `count`, with which a piece is small; all where that would be too few."""
    small = (n for n in range(_COLUMNS, count + 1) if count % n == 0 and n * widest**2 <= _SMALL_PRODUCT)
    return max(small, default=count)


@cache
def _rows(rows: int, columns: int) -> int:
    """The most rows, a divisor of `rows`, with which a piece of the product is small; at least one."""
    return max(n for n in range(1, rows + 1) if rows % n == 0 and (n == 1 or n * columns <= _SMALL_OUTER))
