"""Populations: covariates, targets and the expectation weights; teachers, quadratures, Gaussian batches, real data.

Samples are columns: covariates (d, n), or (M, d, n) when each ensemble member has its own; targets (k, n) or (M, k, n);
node_weights (n,) sum to 1.  A finite batch is an exact instance of the theory, its mean being E (THEORY section 4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from numeric.activations import Activation


@dataclass(frozen=True)
class Population:
    """What an expectation runs over.  Shapes in the module's docstring; raises ValueError when they do not fit."""

    covariates: Tensor
    targets: Tensor
    node_weights: Tensor

    def __post_init__(self) -> None:
        x, y, w = self.covariates, self.targets, self.node_weights
        if x.ndim not in (2, 3) or y.ndim not in (2, 3) or w.ndim != 1:
            raise ValueError(
                f"expected x (d, n), y (k, n), weights (n,), got {tuple(x.shape)}, {tuple(y.shape)}, {tuple(w.shape)}"
            )
        if not x.shape[-1] == y.shape[-1] == w.shape[0] > 0:
            raise ValueError(
                f"x, y and weights must share n >= 1 samples, got {x.shape[-1]}, {y.shape[-1]}, {w.shape[0]}"
            )

    @property
    def samples(self) -> int:
        """n."""
        return self.covariates.shape[-1]

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Population:
        """The same population on another device or in another dtype."""
        return Population(
            *(t.to(device=device, dtype=dtype) for t in (self.covariates, self.targets, self.node_weights))
        )

    def correlation(self) -> Tensor:
        """E[y x], shape (..., k, d): Gamma is its norm (THEORY T8)."""
        return (self.targets * self.node_weights) @ self.covariates.mT

    def second_moment(self) -> Tensor:
        """E[y^2], shape (...)."""
        return ((self.targets**2) * self.node_weights).sum((-2, -1))


@dataclass(frozen=True)
class Teacher:
    """y = sum_k beta_k s(v_k . x), one output; modes (m, d) with rows v_k, amplitudes (m,)."""

    modes: Tensor
    amplitudes: Tensor
    activation: Activation

    def __post_init__(self) -> None:
        if self.modes.ndim != 2 or self.amplitudes.shape != self.modes.shape[:1]:
            raise ValueError(
                f"expected modes (m, d), amplitudes (m,), got {tuple(self.modes.shape)}, {tuple(self.amplitudes.shape)}"
            )

    def __call__(self, x: Tensor) -> Tensor:
        """Targets (..., 1, n) of covariates (..., d, n)."""
        modes, amplitudes = self.modes.to(x), self.amplitudes.to(x)
        return (amplitudes @ self.activation.value(modes @ x)).unsqueeze(-2)


def teacher(
    activation: Activation, modes: Sequence[Sequence[float]] | Tensor, amplitudes: Sequence[float] | Tensor = (1.0,)
) -> Teacher:
    """A single- or multi-mode teacher from plain numbers, in float64."""
    return Teacher(
        torch.as_tensor(modes, dtype=torch.float64), torch.as_tensor(amplitudes, dtype=torch.float64), activation
    )


def population(x: Tensor, y: Tensor | Teacher, node_weights: Tensor | None = None) -> Population:
    """A population from covariates (d, n), targets (k, n), (n,) or a teacher; uniform weights by default."""
    targets = y(x) if isinstance(y, Teacher) else y
    targets = targets.unsqueeze(0) if targets.ndim == 1 else targets
    n = x.shape[-1]
    if n == 0:
        raise ValueError("a population needs at least one sample, got none")
    weights = torch.full((n,), 1.0 / n, dtype=x.dtype, device=x.device) if node_weights is None else node_weights
    return Population(x, targets, weights)


def gaussian_batch(
    seeds: Sequence[int],
    inputs: int,
    samples: int,
    covariance: Tensor | None = None,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Covariates x ~ N(0, Sigma), shape (S, d, n), one independent batch per seed, drawn on the CPU."""
    draws = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(_mix(seed, 1))
        draws.append(torch.randn(inputs, samples, generator=generator, dtype=torch.float64))
    x = torch.stack(draws)
    if covariance is not None:
        x = covariance_root(covariance) @ x
    return x.to(dtype)


def covariance_root(covariance: Tensor) -> Tensor:
    """Lower-triangular C with C C^T = Sigma; raises ValueError unless Sigma is symmetric positive definite."""
    sigma = covariance.to(torch.float64)
    root: Tensor
    root, info = torch.linalg.cholesky_ex(sigma)
    if int(info) != 0 or not torch.allclose(sigma, sigma.mT):
        raise ValueError(f"the covariance must be symmetric positive definite, got {sigma.tolist()}")
    return root


def trapezoid(half_width: float = 9.0, step: float = 0.2) -> tuple[Tensor, Tensor]:
    """Nodes u and weights of E f(u), u ~ N(0, 1): exponentially accurate for analytic f (THEORY section 3)."""
    count = round(half_width / step)
    u = torch.arange(-count, count + 1, dtype=torch.float64) * step
    weights = torch.exp(-0.5 * u * u)
    return u, weights / weights.sum()


def gauss_hermite(nodes: int) -> tuple[Tensor, Tensor]:
    """Gauss-Hermite nodes and weights for N(0, 1): exact for polynomials of degree < 2 nodes."""
    if nodes < 1:
        raise ValueError(f"a quadrature needs at least one node, got {nodes}")
    u, w = np.polynomial.hermite_e.hermegauss(nodes)
    return torch.from_numpy(u), torch.from_numpy(w / w.sum())


def product_quadrature(
    direction: Tensor, main: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """Nodes x (d, n) and weights (n,) of E over N(0, I_d), with the fine rule `main` along the unit vector `direction`.

    The other d - 1 directions use `other` (default two-point Gauss-Hermite), so that E[f(v.x) x] is parallel to v
    exactly, as the reduction of THEORY section 2 needs.  Raises ValueError for a zero direction.
    """
    direction = direction.to(torch.float64)
    d, length = direction.numel(), direction.norm()
    if not float(length) > 0:
        raise ValueError("the quadrature's direction must be a non-zero vector")
    other = gauss_hermite(2) if other is None else other
    axes = [main] + [other] * (d - 1)
    grid = torch.stack([g.reshape(-1) for g in torch.meshgrid(*(axis[0] for axis in axes), indexing="ij")])
    weights = torch.ones(grid.shape[1], dtype=torch.float64)
    for part in torch.meshgrid(*(axis[1] for axis in axes), indexing="ij"):
        weights = weights * part.reshape(-1)
    return _frame(direction / length) @ grid, weights


def _frame(v: Tensor) -> Tensor:
    """An orthogonal matrix whose first column is the unit vector v (Householder; exact when v is the first axis)."""
    first = torch.zeros_like(v)
    first[0] = 1.0
    mirror = v - first
    square = float(mirror @ mirror)
    eye = torch.eye(v.numel(), dtype=v.dtype)
    return eye if square == 0.0 else eye - (2.0 / square) * torch.outer(mirror, mirror)


def single_mode_population(
    activation: Activation, inputs: int = 2, amplitude: float = 1.0, half_width: float = 9.0, step: float = 0.2
) -> Population:
    """y = amplitude s(v.x), x ~ N(0, I_d), v the first axis, by trapezoid times two-point product quadrature."""
    if inputs < 1:
        raise ValueError(f"the input dimension must be >= 1, got {inputs}")
    v = torch.zeros(inputs, dtype=torch.float64)
    v[0] = 1.0
    x, weights = product_quadrature(v, trapezoid(half_width, step))
    return population(x, teacher(activation, v.unsqueeze(0), [amplitude]), weights)


def linear_population(covariance: Tensor, target: Tensor) -> Population:
    """d nodes with the second moments of x ~ N(0, Sigma), y = target . x: all that a deep linear net with MSE sees."""
    root = covariance_root(covariance)
    d = root.shape[0]
    x: Tensor = root * math.sqrt(d)
    return population(x, target.to(torch.float64).reshape(-1, d) @ x)


def real_population(x: np.ndarray, y: np.ndarray, standardise: bool = True) -> Population:
    """Real covariates, rows are samples: x (n, d), y (n,) or (n, k); columns are standardised, constant ones dropped.

    Raises ValueError for non-finite entries or for sizes that do not agree.
    """
    rows = np.asarray(x, dtype=np.float64)
    targets = np.asarray(y, dtype=np.float64).reshape(len(rows), -1)
    if not (np.isfinite(rows).all() and np.isfinite(targets).all()):
        raise ValueError("real covariates and targets must be finite: remove or impute missing values first")
    if standardise:
        rows = rows - rows.mean(0)
        deviation = rows.std(0)
        rows = rows[:, deviation > 0] / deviation[deviation > 0]
        targets = targets - targets.mean(0)
    return population(torch.from_numpy(rows.T.copy()), torch.from_numpy(targets.T.copy()))


def _mix(seed: int, stream: int) -> int:
    """A generator seed for an independent stream of draws of the same paired seed."""
    return (int(seed) * 0x9E3779B97F4A7C15 + stream * 0xBF58476D1CE4E5B9) % 2**63
