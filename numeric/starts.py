"""Initial weights: on the symmetric manifold, balanced and aligned, He-normal with chosen layers scaled; paired seeds.

Random starts are drawn on the CPU in float64, one generator per (seed, layer): member m of every eps, width-compatible
activation and device sees the same draw, which is what a paired comparison needs (THEORY section 4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from numeric.data import Population, _mix
from numeric.losses import Loss, loss
from numeric.network import Network, Weights, gradient, scale_units


def manifold_start(net: Network, scales: Sequence[float] | Tensor, direction: Tensor) -> Weights:
    """Weights on the symmetric manifold: rows of W_1 along `direction`, every other W_l constant, layer scales X_l.

    scales: (L,) or (M, L) (then the weights get a leading M).  X_l is F_l = |W_l|_F in "plain" and |W_l|_F/sqrt(N) in
    "ntk" (THEORY section 0).  Raises ValueError for the wrong number of scales or a zero direction.
    """
    x = torch.as_tensor(scales, dtype=torch.float64)
    if x.shape[-1] != net.depth or not bool(torch.isfinite(x).all()):
        raise ValueError(f"expected {net.depth} finite layer scales, one per layer, got {x.tolist()}")
    if direction.numel() != net.widths[0] or not float(direction.norm()) > 0:
        raise ValueError(f"expected a non-zero direction of {net.widths[0]} components, got {direction.tolist()}")
    unit = (direction.to(torch.float64) / direction.norm()).reshape(1, -1)
    patterns = [unit.expand(net.widths[1], -1) / math.sqrt(net.widths[1])]
    patterns += [
        torch.full(shape, 1.0 / math.sqrt(shape[0] * shape[1]), dtype=torch.float64) for shape in net.shapes[1:]
    ]
    return _scaled(net, patterns, x)


def aligned_start(
    net: Network, scales: Sequence[float] | Tensor, direction: Tensor, seeds: Sequence[int] = (0,)
) -> Weights:
    """Balanced, aligned, rank-one weights W_l = X_l u_l u_{l-1}^T, u_0 = direction, random unit u_l, u_L = (1,).

    Shapes (S, n_l, n_{l-1}).  With equal scales this is the equality case of Theorem A (THEORY section 4).  One
    output only.
    """
    x = torch.as_tensor(scales, dtype=torch.float64).expand(len(seeds), net.depth)
    if net.widths[-1] != 1:
        raise ValueError(f"an aligned start needs one output, got {net.widths[-1]}")
    members = []
    for seed in seeds:
        vectors = [direction.to(torch.float64) / direction.norm()]
        for layer, width in enumerate(net.widths[1:-1], start=1):
            draw = torch.randn(width, generator=_generator(seed, layer), dtype=torch.float64)
            vectors.append(draw / draw.norm())
        vectors.append(torch.ones(1, dtype=torch.float64))
        members.append([torch.outer(b, a) for a, b in pairwise(vectors)])
    return _scaled(net, [torch.stack(layer) for layer in zip(*members, strict=True)], x)


def he_start(
    net: Network, seeds: Sequence[int], small: Sequence[int] = (), eps: Sequence[float] | float = 1.0, gain: float = 2.0
) -> Weights:
    """He-normal weights, variance gain/fan_in, layers in `small` (1-based) multiplied by eps.

    seeds: S of them; eps: one number or E of them.  Member e * S + s has eps_e and seed_s, the same draw for every eps.
    Shapes (E S, n_l, n_{l-1}).  Raises ValueError for no members, a layer out of range, or eps that is not positive.
    """
    ladder = [float(eps)] if isinstance(eps, (int, float)) else [float(e) for e in eps]
    if not ladder or not seeds:
        raise ValueError("an ensemble needs at least one seed and one eps, got none")
    if not all(0.0 < e < math.inf for e in ladder):
        raise ValueError(f"eps must be positive and finite, got {ladder}")
    if any(not 1 <= layer <= net.depth for layer in small):
        raise ValueError(f"small layers must be in 1 .. {net.depth}, got {list(small)}")
    weights = []
    for layer, shape in enumerate(net.shapes, start=1):
        draws = [torch.randn(shape, generator=_generator(seed, layer), dtype=torch.float64) for seed in seeds]
        base = torch.stack(draws) * math.sqrt(gain / shape[1])
        factors = ladder if layer in small else [1.0] * len(ladder)
        weights.append(torch.cat([base * factor for factor in factors]))
    return weights


@dataclass(frozen=True)
class ManifoldGradient:
    """The gradient at a point of the symmetric manifold, split per layer (norms, (L,)).

    tangent: the part along the manifold of identical rows (any common row of W_1, constant W_l).  normal: the rest,
    which vanishes (THEORY T4).  sideways: the part of the first layer's common row perpendicular to `direction`,
    which vanishes for one mode with product quadrature and does not on a random batch.
    """

    tangent: Tensor
    normal: Tensor
    sideways: float


def manifold_gradient(
    net: Network,
    scales: Sequence[float],
    direction: Tensor,
    data: Population,
    criterion: Loss | None = None,
) -> ManifoldGradient:
    """Autograd gradient of the full network at the manifold point with these layer scales, float64, and its parts."""
    weights = manifold_start(net, scales, direction)
    grads = gradient(net, weights, data.covariates, data.targets, criterion or loss("mse"), data.node_weights)
    rows = grads[0].mean(0, keepdim=True)
    tangents = [rows.expand_as(grads[0])] + [g.mean().expand_as(g) for g in grads[1:]]
    normal = torch.stack([(g - t).norm() for g, t in zip(grads, tangents, strict=True)])
    unit = direction.to(torch.float64) / direction.norm()
    sideways = (rows[0] - (rows[0] @ unit) * unit).norm() * math.sqrt(net.widths[1])
    return ManifoldGradient(torch.stack([t.norm() for t in tangents]), normal, float(sideways))


def _scaled(net: Network, patterns: Sequence[Tensor], scales: Tensor) -> Weights:
    """Unit-norm patterns times X_l unit_l; scales (L,) or (M, L)."""
    norms = scales * torch.tensor(scale_units(net), dtype=torch.float64)
    return [norms[..., layer, None, None] * pattern for layer, pattern in enumerate(patterns)]


def _generator(seed: int, layer: int) -> torch.Generator:
    return torch.Generator().manual_seed(_mix(seed, 1000 + layer))
