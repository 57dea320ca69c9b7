"""Moments of the neurons of a two-layer net and their time derivatives, for the question of closure (THEORY T7).

Conventions of THEORY section 5, mean-field: ``yhat(x) = (1/N) sum_i a_i s(w_i.x)``, loss 1/2 E (yhat - y)^2, time
scaled so that ``da_i/dt = -E[r s(w_i.x)]`` and ``dw_i/dt = -a_i E[r s'(w_i.x) x]`` with ``r = yhat - y``.  Both come
from autograd of the loss (-N times its gradient), not from these formulas.  Moments are
``M_{p,q} = (1/N) sum_i a_i^p prod_j w_ij^{q_j}``, of order ``p + |q|``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import torch

MultiIndex = tuple[int, ...]


@dataclass(frozen=True)
class Sample:
    """Inputs (n, d), targets (n) and weights (n) of an expectation: a batch, or the nodes of a quadrature."""

    inputs: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor

    def __post_init__(self) -> None:
        n = self.inputs.shape[0]
        if self.inputs.ndim != 2 or self.targets.shape != (n,) or self.weights.shape != (n,):
            raise ValueError(
                f"a sample needs inputs (n, d), targets (n) and weights (n), got {tuple(self.inputs.shape)}, "
                f"{tuple(self.targets.shape)}, {tuple(self.weights.shape)}"
            )


@dataclass(frozen=True)
class Neurons:
    """Output weights ``a`` (N) and input rows ``w`` (N, d)."""

    a: torch.Tensor
    w: torch.Tensor

    def __post_init__(self) -> None:
        if self.w.ndim != 2 or self.a.shape != self.w.shape[:1] or self.a.numel() == 0:
            raise ValueError(f"neurons need a (N) and w (N, d), got {tuple(self.a.shape)} and {tuple(self.w.shape)}")


def mean_field_output(
    neurons: Neurons, inputs: torch.Tensor, activation: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """yhat (n) at inputs (n, d)."""
    return activation(inputs @ neurons.w.T) @ neurons.a / neurons.a.numel()


def neuron_velocities(neurons: Neurons, sample: Sample, activation: Callable[[torch.Tensor], torch.Tensor]) -> Neurons:
    """(da/dt, dw/dt) in mean-field time, by autograd: -N times the gradient of 1/2 E (yhat - y)^2."""
    a = neurons.a.detach().clone().requires_grad_()
    w = neurons.w.detach().clone().requires_grad_()
    with torch.enable_grad():
        residual = mean_field_output(Neurons(a, w), sample.inputs, activation) - sample.targets
        loss = 0.5 * (sample.weights * residual**2).sum()
        gradient_a, gradient_w = torch.autograd.grad(loss, (a, w))
    scale = -float(neurons.a.numel())
    return Neurons(scale * gradient_a, scale * gradient_w)


def moment(neurons: Neurons, p: int, q: MultiIndex) -> torch.Tensor:
    """M_{p,q}, a scalar tensor."""
    _check_index(neurons, p, q)
    return _monomial(neurons, p, q).mean()


def moment_scale(neurons: Neurons, p: int, q: MultiIndex) -> float:
    """(1/N) sum_i |a_i|^p prod |w_ij|^q_j: the size of the terms of the moment, for a relative comparison."""
    _check_index(neurons, p, q)
    return float(_monomial(Neurons(neurons.a.abs(), neurons.w.abs()), p, q).mean())


def moment_derivative(neurons: Neurons, velocities: Neurons, p: int, q: MultiIndex) -> torch.Tensor:
    """dM_{p,q}/dt along the velocities: the gradient of the moment, by autograd, times the velocities."""
    _check_index(neurons, p, q)
    a = neurons.a.detach().clone().requires_grad_()
    w = neurons.w.detach().clone().requires_grad_()
    with torch.enable_grad():
        value = _monomial(Neurons(a, w), p, q).mean()
        by_a, by_w = torch.autograd.grad(value, (a, w), allow_unused=True, materialize_grads=True)
    return (by_a * velocities.a).sum() + (by_w * velocities.w).sum()


def moment_indices(order: int, dimension: int) -> Iterator[tuple[int, MultiIndex]]:
    """All (p, q) with 1 <= p + |q| <= order, by order and then lexicographically."""
    for total in range(1, order + 1):
        for index in product(range(total + 1), repeat=dimension + 1):
            if sum(index) == total:
                yield index[0], index[1:]


def _monomial(neurons: Neurons, p: int, q: MultiIndex) -> torch.Tensor:
    term = neurons.a**p
    for j, power in enumerate(q):
        if power:
            term = term * neurons.w[:, j] ** power
    return term


def _check_index(neurons: Neurons, p: int, q: MultiIndex) -> None:
    if len(q) != neurons.w.shape[1] or p < 0 or min(q, default=0) < 0:
        raise ValueError(
            f"the moment ({p}, {q}) needs powers >= 0 and one power for each of the {neurons.w.shape[1]} input "
            "dimensions"
        )
