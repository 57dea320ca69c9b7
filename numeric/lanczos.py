"""Ends of the spectrum of a symmetric operator that is only known by its products, each with a rigorous error.

For a symmetric H and a unit vector v, some eigenvalue lies within ``|H v - theta v|`` of ``theta = v.H v``: that
residual is returned with every value, whatever the iteration thought of its own convergence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from numeric.hessian import Product

Array = NDArray[np.float64]
End = Literal["lowest", "highest", "both"]

_ARPACK_NAMES: Mapping[End, Literal["SA", "LA", "BE"]] = MappingProxyType(
    {"lowest": "SA", "highest": "LA", "both": "BE"}
)


@dataclass(frozen=True)
class EigenPairs:
    """Eigenvalues (k) in increasing order, unit vectors (entries, k), residuals (k), products spent.

    ``complete`` is False when the iteration stopped before it found all that were asked for.
    """

    values: tuple[float, ...]
    residuals: tuple[float, ...]
    vectors: Array
    products: int
    complete: bool


@dataclass(frozen=True)
class PowerIteration:
    """Where power iteration ended: Rayleigh quotient, residual |H v - theta v|, last H v norm, products spent."""

    value: float
    residual: float
    growth: float
    products: int


def extreme_eigenvalues(
    product: Product,
    entries: int,
    *,
    count: int = 2,
    end: End = "both",
    seed: int = 0,
    tolerance: float = 1e-10,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> EigenPairs:
    """Return ``count`` eigenvalues at an end of the spectrum (``both``: split, an odd one goes to the upper end).

    Implicitly restarted Lanczos (ARPACK) from a start drawn from ``seed``; operators of at most ``max(32, 4 count)``
    entries are decomposed densely.  The operator is scaled to unit size first: ARPACK's test of convergence has an
    absolute floor, below which the small Hessians near a saddle would pass unconverged.  An operator that maps the
    random start to exactly zero is reported as zero (at r >= 3 the Hessian at the saddle is).  Of a multiple eigenvalue
    the iteration may return fewer copies than there are: count copies with a dense Hessian.
    """
    if not 1 <= count <= entries:
        raise ValueError(f"count must be between 1 and the {entries} entries, got {count}")
    if end == "both" and count < 2:
        raise ValueError("both ends of a spectrum need count >= 2; ask for the lowest or the highest")
    spent = 0

    def apply(v: Array) -> Array:
        nonlocal spent
        spent += 1
        vector = torch.from_numpy(np.ascontiguousarray(v, dtype=np.float64).ravel()).to(device, dtype)
        return np.asarray(product(vector).detach().cpu().numpy(), dtype=np.float64)

    start = np.random.default_rng(seed).standard_normal(entries)
    size = float(np.linalg.norm(apply(start)) / np.linalg.norm(start))
    if not np.isfinite(size):
        raise ValueError("the Hessian product is not finite at these weights")
    if size == 0.0:
        return EigenPairs((0.0,) * count, (0.0,) * count, np.eye(entries, count), spent, True)
    complete = True
    vectors: Any  # the stubs of eigsh allow for complex vectors, which a real operator does not have
    if entries <= max(32, 4 * count):
        matrix = np.column_stack([apply(column) for column in np.eye(entries)])
        values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        kept = _ends(entries, count, end)
        vectors = vectors[:, kept]
    else:
        operator = LinearOperator((entries, entries), matvec=lambda v: apply(v) / size, dtype=np.float64)
        try:
            _, vectors = eigsh(operator, k=count, which=_ARPACK_NAMES[end], v0=start, tol=tolerance)
        except ArpackNoConvergence as failure:
            vectors, complete = failure.eigenvectors, False
    images = np.column_stack([apply(v) for v in vectors.T]) if vectors.size else np.empty((entries, 0))
    values = np.einsum("ik,ik->k", vectors, images)
    residuals = np.linalg.norm(images - vectors * values, axis=0)
    order = np.argsort(values)
    return EigenPairs(
        tuple(values[order].tolist()), tuple(residuals[order].tolist()), vectors[:, order], spent, complete
    )


def power_iteration(
    product: Product, entries: int, steps: int, *, seed: int = 0, dtype: torch.dtype = torch.float64
) -> PowerIteration:
    """Run plain power iteration from a random start.

    With eigenvalues +-K of equal size it does not converge: the residual stays of size K (THEORY H3).
    """
    if steps < 1:
        raise ValueError(f"power iteration needs at least one step, got {steps}")
    start = torch.from_numpy(np.random.default_rng(seed).standard_normal(entries)).to(dtype)
    v = start / start.norm()
    for done in range(1, steps + 1):
        image = product(v)
        growth = float(image.norm())
        value = float(v @ image)
        residual = float((image - value * v).norm())
        if growth == 0.0:
            return PowerIteration(0.0, 0.0, 0.0, done)
        if done < steps:
            v = image / growth
    return PowerIteration(value, residual, growth, steps)


@dataclass(frozen=True)
class SpectrumCounts:
    """How many eigenvalues lie at each level; ``stray`` lie at none; ``spread`` is the largest distance accepted."""

    levels: tuple[float, ...]
    counts: tuple[int, ...]
    stray: int
    spread: float


def count_eigenvalues(eigenvalues: Array, levels: tuple[float, ...], tolerance: float) -> SpectrumCounts:
    """Assign each eigenvalue to the nearest level within ``tolerance``.

    Raises ValueError when two levels are closer than twice the tolerance: then the counts would be arbitrary.
    """
    if not levels:
        raise ValueError("at least one level is needed to count eigenvalues")
    gaps = np.diff(np.sort(np.asarray(levels)))
    if gaps.size and float(gaps.min()) <= 2 * tolerance:
        raise ValueError(f"levels {levels} lie closer than twice the tolerance {tolerance:g}: no count is meaningful")
    distance = np.abs(np.asarray(eigenvalues, dtype=np.float64)[:, None] - np.asarray(levels)[None, :])
    nearest, gap = distance.argmin(axis=1), distance.min(axis=1)
    inside = gap <= tolerance
    counts = tuple(int(np.sum(inside & (nearest == k))) for k in range(len(levels)))
    return SpectrumCounts(levels, counts, int(np.sum(~inside)), float(gap[inside].max(initial=0.0)))


def _ends(entries: int, count: int, end: End) -> list[int]:
    """Indices of an increasing spectrum, as ARPACK's SA, LA and BE choose them (BE: the odd one at the upper end)."""
    low = {"lowest": count, "highest": 0, "both": count // 2}[end]
    return [*range(low), *range(entries - (count - low), entries)]
