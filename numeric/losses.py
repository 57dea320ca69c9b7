"""Losses in torch: value per sample and the derivative with respect to the network's output.

Conventions: outputs f and targets y have shape (..., k, n), k output units and n samples; a loss returns the value per
sample, shape (..., n), and the derivative, shape (..., k, n).  The caller takes the mean over samples, weighted for a
quadrature.  MSE carries the factor 1/2 of THEORY section 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor


@dataclass(frozen=True)
class Loss:
    """A differentiable loss.  value(f, y) -> (..., n) and derivative(f, y) -> (..., k, n), both pure."""

    name: str
    value: Callable[[Tensor, Tensor], Tensor] = field(repr=False, compare=False)
    derivative: Callable[[Tensor, Tensor], Tensor] = field(repr=False, compare=False)
    parameters: tuple[tuple[str, float], ...] = ()


def loss(name: str, **parameters: float) -> Loss:
    """The loss of that name; raises ValueError for an unknown name or parameter.

    "mse"; "logistic" (targets +-1); "huber" (delta, default 1); "cross_entropy" (targets are class probabilities,
    the k >= 2 outputs are logits).
    """
    if name not in _LOSSES:
        raise ValueError(f"unknown loss {name!r}; expected one of {', '.join(_LOSSES)}")
    allowed = {"delta"} if name == "huber" else set()
    if set(parameters) - allowed:
        raise ValueError(f"loss {name} takes {', '.join(allowed) or 'no parameters'}, got {', '.join(parameters)}")
    return _LOSSES[name](**parameters)


def loss_names() -> tuple[str, ...]:
    """Names of the losses."""
    return tuple(_LOSSES)


def _mse() -> Loss:
    def value(f: Tensor, y: Tensor) -> Tensor:
        return 0.5 * ((f - y) ** 2).sum(-2)

    return Loss("mse", value, lambda f, y: f - y)


def _logistic() -> Loss:
    def value(f: Tensor, y: Tensor) -> Tensor:
        return torch.logaddexp(-(y * f), torch.zeros_like(f)).sum(-2)

    return Loss("logistic", value, lambda f, y: -y * torch.sigmoid(-(y * f)))


def _huber(delta: float = 1.0) -> Loss:
    if not delta > 0:
        raise ValueError(f"the Huber loss needs delta > 0, got {delta}")

    def value(f: Tensor, y: Tensor) -> Tensor:
        gap = (f - y).abs()
        return torch.where(gap <= delta, 0.5 * gap**2, delta * (gap - 0.5 * delta)).sum(-2)

    return Loss("huber", value, lambda f, y: torch.clamp(f - y, -delta, delta), (("delta", delta),))


def _cross_entropy() -> Loss:
    def value(f: Tensor, y: Tensor) -> Tensor:
        return -(y * torch.log_softmax(f, dim=-2)).sum(-2)

    return Loss("cross_entropy", value, lambda f, y: torch.softmax(f, dim=-2) * y.sum(-2, keepdim=True) - y)


_LOSSES: Mapping[str, Callable[..., Loss]] = MappingProxyType(
    {"mse": _mse, "logistic": _logistic, "huber": _huber, "cross_entropy": _cross_entropy}
)
