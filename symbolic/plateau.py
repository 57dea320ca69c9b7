"""Preserved, not attracting: how perturbations of the balanced plateau evolve (THEORY section 4).

Near the saddle the overlap f = a.W_r ... W_1 m drives dW_l/dt = df/dW_l. At the balanced, aligned W_l = y (rank one)
the second derivative of f is y^{r-2} times a matrix of numbers, and with dy/dt = y^{r-1} a mode of eigenvalue lambda
grows like y^lambda: lambda = 1 keeps its distance relative to y, lambda = -1 decays, r - 1 is the shift along the flow
in time. The matrix comes from differentiating the composed product, its spectrum from its characteristic polynomial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from types import MappingProxyType

import sympy as sp

SPECTRUM = sp.Symbol("lambda")


def plateau_hessian(widths: Sequence[int]) -> sp.ImmutableMatrix:
    """d^2 f / dW dW / y^{r-2} at the balanced point, for layers W_l of shape widths[l] x widths[l-1], l = 1 ... r.

    Coordinates in which m, a and every interface direction are the first unit vector. ValueError for fewer than two
    layers or a width below 1.
    """
    if len(widths) < 3 or min(widths) < 1:
        raise ValueError(f"expected widths n_0 ... n_r >= 1 of at least two layers, got {tuple(widths)}")
    scale = sp.Symbol("y", positive=True)
    layers = [
        sp.Matrix(rows, columns, lambda i, j, k=k: sp.Symbol(f"W_{k}_{i}_{j}"))
        for k, (columns, rows) in enumerate(pairwise(widths), start=1)
    ]
    product = layers[0]
    for layer in layers[1:]:
        product = layer * product
    entries = [w for layer in layers for w in layer]
    overlap = sp.Poly(product[0, 0], *entries)
    balanced = {W[i, j]: scale if i == j == 0 else 0 for W in layers for i in range(W.rows) for j in range(W.cols)}
    first = [overlap.diff(w) for w in entries]

    def second(i: int, j: int) -> sp.Expr:
        if first[i].is_zero or first[j].is_zero:
            return sp.Integer(0)
        return sp.cancel(first[i].diff(entries[j]).as_expr().subs(balanced) / scale ** (len(layers) - 2))

    return sp.ImmutableMatrix(len(entries), len(entries), second)


def plateau_spectrum(widths: Sequence[int]) -> dict[sp.Expr, int]:
    """Eigenvalues of `plateau_hessian` with multiplicities: r - 1, +1, -1 and 0 (for r = 2 the first two coincide)."""
    return dict(_spectrum(tuple(widths)))


@cache
def _spectrum(widths: tuple[int, ...]) -> Mapping[sp.Expr, int]:
    polynomial = plateau_hessian(widths).charpoly(SPECTRUM).as_expr()
    return MappingProxyType(sp.roots(sp.Poly(polynomial, SPECTRUM)))
