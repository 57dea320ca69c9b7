"""Second derivatives of a loss with respect to all weights, by autograd: dense, or as products with a vector.

A loss is any function of a sequence of weight tensors that returns a scalar; the weights are flattened in the order
given.  Products need memory of the order of one backward pass, so they also serve networks whose Hessian would not fit
(see `numeric.lanczos`).  Only the device and dtype of the weights are used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from numeric.data import Population
from numeric.losses import Loss as Criterion
from numeric.losses import loss as criterion_named
from numeric.network import Network, mean_loss

Loss = Callable[[Sequence[torch.Tensor]], torch.Tensor]
Product = Callable[[torch.Tensor], torch.Tensor]

_LARGEST_DENSE = 8192  # 512 MiB in float64; above it a full decomposition takes minutes


def network_loss(net: Network, data: Population, criterion: Criterion | None = None) -> Loss:
    """The expected loss of ``net`` on ``data`` as a function of its weights (default: 1/2 E (yhat - y)^2)."""
    chosen = criterion or criterion_named("mse")

    def loss(weights: Sequence[torch.Tensor]) -> torch.Tensor:
        return mean_loss(net, weights, data.covariates, data.targets, chosen, data.node_weights)

    return loss


def flat_gradient(loss: Loss, weights: Sequence[torch.Tensor]) -> torch.Tensor:
    """The gradient of the loss as one vector."""
    return _flat(_gradient(loss, _leaves(weights), create_graph=False))


def hessian_product(loss: Loss, weights: Sequence[torch.Tensor]) -> Product:
    """Return ``v -> H v`` at ``weights``, exact (back-propagation through the gradient), one graph for all products.

    ``v`` is a vector with as many entries as there are weights, or a batch of them (..., entries).
    """
    leaves = _leaves(weights)
    gradient = _flat(_gradient(loss, leaves, create_graph=True))

    def product(v: torch.Tensor) -> torch.Tensor:
        if v.shape[-1] != gradient.numel():
            raise ValueError(f"Hessian products need vectors of {gradient.numel()} entries, got shape {tuple(v.shape)}")
        if not gradient.requires_grad:  # the loss is linear in all weights
            return torch.zeros_like(v)
        columns = [
            _flat(
                torch.autograd.grad(
                    gradient, leaves, row.to(gradient), retain_graph=True, allow_unused=True, materialize_grads=True
                )
            )
            for row in v.reshape(-1, v.shape[-1])
        ]
        return torch.stack(columns).reshape(v.shape)

    return product


def dense_hessian(loss: Loss, weights: Sequence[torch.Tensor]) -> torch.Tensor:
    """The Hessian as a symmetric matrix (entries, entries).

    Raises ValueError above 8192 weights: use `hessian_product` with `numeric.extreme_eigenvalues` there.
    """
    entries = sum(w.numel() for w in weights)
    if entries > _LARGEST_DENSE:
        raise ValueError(
            f"a dense Hessian of {entries} weights is too large (at most {_LARGEST_DENSE}); use hessian_product with "
            "extreme_eigenvalues"
        )
    like = weights[0]
    columns = hessian_product(loss, weights)(torch.eye(entries, dtype=like.dtype, device=like.device))
    return (columns + columns.T) / 2


def directional_derivatives(
    loss: Loss, weights: Sequence[torch.Tensor], direction: Sequence[torch.Tensor], order: int
) -> list[float]:
    """d^k/dh^k of loss(weights + h direction) at h = 0 for k = 1 ... order, by repeated back-propagation through h.

    ValueError unless order >= 1 and the direction has the shapes of the weights.
    """
    if order < 1 or [w.shape for w in weights] != [d.shape for d in direction]:
        raise ValueError(f"expected order >= 1 and a direction shaped like the weights, got order {order}")
    h = torch.zeros((), dtype=weights[0].dtype, device=weights[0].device, requires_grad=True)
    with torch.enable_grad():
        value = loss([w.detach() + h * d.detach() for w, d in zip(weights, direction, strict=True)])
        found: list[float] = []
        for _ in range(order):
            if value.requires_grad:
                (value,) = torch.autograd.grad(value, h, create_graph=True, allow_unused=True, materialize_grads=True)
            else:  # a constant: every further derivative is zero
                value = torch.zeros_like(h)
            found.append(float(value.detach()))
    return found


def _leaves(weights: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    if not weights:
        raise ValueError("a Hessian needs at least one weight tensor")
    return [w.detach().clone().requires_grad_() for w in weights]


def _gradient(loss: Loss, leaves: list[torch.Tensor], *, create_graph: bool) -> tuple[torch.Tensor, ...]:
    with torch.enable_grad():
        value = loss(leaves)
        if value.numel() != 1:
            raise ValueError(f"the loss must return one number, got a tensor of shape {tuple(value.shape)}")
        return torch.autograd.grad(
            value.reshape(()), leaves, create_graph=create_graph, allow_unused=True, materialize_grads=True
        )


def _flat(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.cat([t.reshape(-1) for t in tensors])
