"""Fused in-place pointwise kernels for the ensembles' hand-written passes: h = s(z) and p *= s'(z) without allocation.

Two kinds.  Where s' is a function of s alone (linear, relu, tanh, sigmoid) only s(z) is stored, over z.
Elsewhere the forward kernel writes s and s' together, sharing their transcendental part.  Buffers are flat, with a
length that is a multiple of `PAD` elements: torch treats the remainder of a vectorised loop with other instructions,
and a member's result would depend on its place in the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from numeric.activations import Activation

PAD = 64


@dataclass(frozen=True)
class Kernel:
    """forward(z, slope): z <- s(z), and slope <- s'(z) if `stores_slope`.  backward(p, h, slope): p <- p s'(z)."""

    forward: Callable[[Tensor, Tensor], None]
    backward: Callable[[Tensor, Tensor, Tensor], None]
    stores_slope: bool


def kernel(activation: Activation) -> Kernel:
    """The fused kernel of an activation; a generic one, which allocates, where none is written here."""
    if not activation.parameters:
        if activation.name in _FROM_OUTPUT:
            forward, backward = _FROM_OUTPUT[activation.name]
            return Kernel(lambda z, slope: forward(z), lambda p, h, slope: backward(p, h), False)
        if activation.name in _WITH_SLOPE:
            return Kernel(_WITH_SLOPE[activation.name], _multiply, True)

    def generic(z: Tensor, slope: Tensor) -> None:
        slope.copy_(activation.derivative(z))
        z.copy_(activation.value(z))

    return Kernel(generic, _multiply, True)


def padded(count: int) -> int:
    """The next multiple of PAD."""
    return -(-count // PAD) * PAD


def _by_numpy(z: Tensor) -> bool:
    """Whether NumPy's loops pay: a third of torch's time for tanh (float32: a sixth), half for exp, but one thread."""
    return z.device.type == "cpu" and torch.get_num_threads() <= 2


def _multiply(p: Tensor, h: Tensor, slope: Tensor) -> None:
    p.mul_(slope)


def _nothing(*_: Tensor) -> None:
    return None


def _tanh(z: Tensor) -> None:
    if _by_numpy(z):
        np.tanh(z.numpy(), out=z.numpy())
    else:
        torch.tanh(z, out=z)


def _exp(z: Tensor) -> None:
    if _by_numpy(z):
        np.exp(z.numpy(), out=z.numpy())
    else:
        z.exp_()


def _tanh_backward(p: Tensor, h: Tensor) -> None:
    torch.ops.aten.tanh_backward.grad_input(p, h, grad_input=p)


def _sigmoid(z: Tensor) -> None:
    torch.sigmoid(z, out=z)


def _sigmoid_backward(p: Tensor, h: Tensor) -> None:
    torch.ops.aten.sigmoid_backward.grad_input(p, h, grad_input=p)


def _relu(z: Tensor) -> None:
    torch.clamp(z, min=0.0, out=z)


def _relu_backward(p: Tensor, h: Tensor) -> None:
    torch.ops.aten.threshold_backward.grad_input(p, h, 0.0, grad_input=p)


def _gelu(z: Tensor, slope: Tensor) -> None:
    # s' = Phi + z density, s = z Phi.  One scratch tensor: Phi and the density are both needed at the end.
    density = torch.mul(z, z)
    _exp(density.mul_(-0.5))
    density.mul_(z).mul_(1.0 / math.sqrt(2.0 * math.pi))
    torch.mul(z, math.sqrt(0.5), out=slope)
    slope.erf_().mul_(0.5).add_(0.5)
    z.mul_(slope)
    slope.add_(density)


def _silu(z: Tensor, slope: Tensor) -> None:
    # s = z g, s' = g + s (1 - g) = g + s - s g.
    torch.sigmoid(z, out=slope)
    z.mul_(slope)
    rest = torch.addcmul(z, z, slope, value=-1.0)
    slope.add_(rest)


def _erf(z: Tensor, slope: Tensor) -> None:
    torch.mul(z, z, out=slope)
    _exp(slope.neg_())
    slope.mul_(2.0 / math.sqrt(math.pi))
    z.erf_()


def _sin(z: Tensor, slope: Tensor) -> None:
    torch.cos(z, out=slope)
    z.sin_()


_FROM_OUTPUT: dict[str, tuple[Callable[[Tensor], None], Callable[[Tensor, Tensor], None]]] = {
    "linear": (_nothing, _nothing),
    "tanh": (_tanh, _tanh_backward),
    "sigmoid": (_sigmoid, _sigmoid_backward),
    "relu": (_relu, _relu_backward),
}

_WITH_SLOPE: dict[str, Callable[[Tensor, Tensor], None]] = {"gelu": _gelu, "silu": _silu, "erf": _erf, "sin": _sin}
