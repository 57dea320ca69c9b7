"""Geometry of the weights on the plateau: distance from the symmetric manifold, rank one, alignment of neighbours.

Weights are given as the matrices W_1 (n_1, d), W_2 (n_2, n_1), ..., W_L (1, n_{L-1}); none of the measures depends on
gains or on the overall scale of a matrix.  Source: THEORY T4, T6 and section 4 ("preserved, not attracting").
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch


def symmetric_projection(weights: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """The nearest point of the symmetric manifold: W_1 to its mean row, every later matrix to its mean entry.

    The manifold is linear (identical rows in W_1, W_l = const 1 1^T beyond, W_L = const 1^T), so this is the
    orthogonal projection.
    """
    _check(weights)
    first = weights[0].mean(dim=0, keepdim=True).expand_as(weights[0])
    return (first, *(w.mean().expand_as(w) for w in weights[1:]))


def transverse_distance(weights: Sequence[torch.Tensor]) -> tuple[float, ...]:
    """Per layer, |W_l - P W_l|_F / |W_l|_F with P the projection on the symmetric manifold; 0 on it, at most 1."""
    near = symmetric_projection(weights)
    return tuple(_ratio((w - p).norm(), w.norm()) for w, p in zip(weights, near, strict=True))


def rank_one_fraction(weights: Sequence[torch.Tensor]) -> tuple[float, ...]:
    """Per layer, sigma_1^2 / |W_l|_F^2: 1 for a rank-one matrix."""
    _check(weights)
    return tuple(_ratio(torch.linalg.matrix_norm(w, ord=2) ** 2, w.norm() ** 2) for w in weights)


def neighbour_alignment(weights: Sequence[torch.Tensor]) -> tuple[float, ...]:
    """For l = 1..L-1, |cos| between the first left singular vector of W_l and the first right one of W_{l+1}.

    The absolute value, because singular vectors have no sign.  For matrices of rank one it is
    |W_{l+1} W_l|_F / (|W_{l+1}|_F |W_l|_F).
    """
    _check(weights)
    pairs = [torch.linalg.svd(w, full_matrices=False) for w in weights]
    return tuple(float((below[0][:, 0] @ above[2][0]).abs().clamp(max=1.0)) for below, above in pairwise(pairs))


def input_alignment(weights: Sequence[torch.Tensor], direction: torch.Tensor) -> float:
    """|cos| between the first right singular vector of W_1 and a direction of the input space, such as Gamma."""
    _check(weights)
    if direction.shape != weights[0].shape[1:]:
        raise ValueError(f"the direction needs {weights[0].shape[1]} entries, got shape {tuple(direction.shape)}")
    leading = torch.linalg.svd(weights[0], full_matrices=False)[2][0]
    return _ratio((leading @ direction).abs(), direction.norm())


def _ratio(part: torch.Tensor, whole: torch.Tensor) -> float:
    if float(whole) == 0.0:
        raise ValueError("a weight matrix (or direction) that is exactly zero has no direction to measure")
    return float((part / whole).clamp(max=1.0))


def _check(weights: Sequence[torch.Tensor]) -> None:
    if not weights or any(w.ndim != 2 for w in weights):
        raise ValueError("expected the weight matrices W_1, ..., W_L, each of two dimensions")
    for below, above in pairwise(weights):
        if above.shape[1] != below.shape[0]:
            raise ValueError(
                f"adjacent matrices do not fit: {tuple(below.shape)} is followed by {tuple(above.shape)}; pass one "
                "net, from W_1 to W_L"
            )
