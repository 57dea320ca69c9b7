"""Fused in-place pointwise kernels for the ensembles' hand-written passes: h = s(z) and p s'(z) without allocation.

Two kinds.  Where s' is a function of s alone (linear, relu, tanh, sigmoid) only s(z) is kept, over z.
Elsewhere the forward kernel leaves s' in the place of z, sharing its transcendental part with s.  Buffers are flat,
with a length that is a multiple of `PAD` elements: torch treats the remainder of a vectorised loop with other
instructions, and a member's result would depend on its place in the batch.  A kernel is bound to its buffers once and
called many times.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from numeric.activations import Activation
from numeric.compiled import Call, compiled_forward

PAD = 64

Bind = Callable[[Tensor, Tensor, Tensor], Call]


@dataclass(frozen=True, eq=False)
class Kernel:
    """The passes of an activation, to be bound to buffers.

    forward(z, h, scratch)(): h <- s(z), and z keeps what the backward pass needs, s'(z) or z, if `stores_slope`; else z
    and h are one buffer.  backward(p, z, h)(): h <- p s'(z), where z and h are as the forward pass left them.  linear:
    both do nothing, so that p must be h already.
    """

    forward: Bind
    backward: Bind
    stores_slope: bool = True
    linear: bool = False


def kernel(activation: Activation, compiled: bool = False) -> Kernel:
    """The fused kernel of an activation; a generic one, which allocates, where none is written here.

    compiled: its definitions as one pass by `numeric.compiled`.
    """
    if compiled and activation.tree != ("z",):  # torch.compile would write z before it has copied it
        return Kernel(partial(compiled_forward, activation), _multiply)
    if not activation.parameters:
        if activation.name in _FROM_OUTPUT:
            return Kernel(*_FROM_OUTPUT[activation.name], stores_slope=False, linear=activation.name == "linear")
        if activation.name in _WITH_SLOPE:
            return Kernel(*_WITH_SLOPE[activation.name])
    return Kernel(lambda z, h, scratch: partial(_generic, activation, z, h), _multiply)


def padded(count: int) -> int:
    """The next multiple of PAD."""
    return -(-count // PAD) * PAD


def _by_numpy(z: Tensor) -> bool:
    """Whether NumPy's loops pay: a third of torch's time for tanh (float32: a sixth), half for exp, but one thread."""
    return z.device.type == "cpu" and torch.get_num_threads() <= 2


def _in_place(by_numpy: np.ufunc, by_torch: Callable[..., Tensor], z: Tensor) -> Call:
    if _by_numpy(z):
        return partial(by_numpy, z.numpy(), z.numpy())
    return partial(by_torch, z, out=z)


def _nothing(*_: Tensor) -> Call:
    return lambda: None


def _multiply(p: Tensor, z: Tensor, h: Tensor) -> Call:
    return partial(torch.mul, p, z, out=h)


def _tanh(z: Tensor, h: Tensor, scratch: Tensor) -> Call:
    return _in_place(np.tanh, torch.tanh, h)


def _tanh_backward(p: Tensor, z: Tensor, h: Tensor) -> Call:
    return partial(torch.ops.aten.tanh_backward.grad_input, p, h, grad_input=h)


def _sigmoid(z: Tensor, h: Tensor, scratch: Tensor) -> Call:
    return partial(torch.sigmoid, h, out=h)


def _sigmoid_backward(p: Tensor, z: Tensor, h: Tensor) -> Call:
    return partial(torch.ops.aten.sigmoid_backward.grad_input, p, h, grad_input=h)


def _relu(z: Tensor, h: Tensor, scratch: Tensor) -> Call:
    return partial(torch.clamp, h, min=0.0, out=h)


def _relu_backward(p: Tensor, z: Tensor, h: Tensor) -> Call:
    return partial(torch.ops.aten.threshold_backward.grad_input, p, h, 0.0, grad_input=h)


def _gelu(z: Tensor, h: Tensor, scratch: Tensor) -> Call:
    # s = z Phi, s' = Phi + z exp(-z^2/2)/sqrt(2 pi).
    if _fused_gelu(z):
        return partial(torch.ops.aten.gelu.out, z, out=h)
    zero, half = z.new_zeros(()), z.new_full((), 0.5)
    exp = _in_place(np.exp, torch.exp, scratch)

    def run() -> None:
        torch.mul(z, math.sqrt(0.5), out=h)
        torch.addcmul(zero, h, h, value=-1.0, out=scratch)
        exp()
        torch.add(half, h.erf_(), alpha=0.5, out=h)
        torch.addcmul(h, z, scratch, value=1.0 / math.sqrt(2.0 * math.pi), out=scratch)
        h.mul_(z)
        z.copy_(scratch)

    return run


def _gelu_backward(p: Tensor, z: Tensor, h: Tensor) -> Call:
    if _fused_gelu(z):
        return partial(torch.ops.aten.gelu_backward.grad_input, p, z, grad_input=h)
    return _multiply(p, z, h)


def _fused_gelu(z: Tensor) -> bool:
    """Whether torch's own passes pay, which make erf in both: on GPUs, and by a quarter in float32, not in float64."""
    return z.device.type != "cpu" or z.dtype == torch.float32


def _silu(z: Tensor, h: Tensor, scratch: Tensor) -> Call:
    # s = z g, s' = g + s (1 - g) = g - s g + s.
    def run() -> None:
        torch.sigmoid(z, out=scratch)
        torch.mul(z, scratch, out=h)
        torch.addcmul(scratch, h, scratch, value=-1.0, out=z).add_(h)

    return run


def _erf(z: Tensor, h: Tensor, scratch: Tensor) -> Call:
    exp = _in_place(np.exp, torch.exp, z)

    def run() -> None:
        torch.erf(z, out=h)
        torch.mul(z, z, out=z).neg_()
        exp()
        z.mul_(2.0 / math.sqrt(math.pi))

    return run


def _sin(z: Tensor, h: Tensor, scratch: Tensor) -> Call:
    if _by_numpy(z) and z.dtype == torch.float32:  # two fifths of torch's time; in float64 more than twice
        sin, cos = partial(np.sin, z.numpy(), h.numpy()), partial(np.cos, z.numpy(), z.numpy())
    else:
        sin, cos = partial(torch.sin, z, out=h), partial(torch.cos, z, out=z)

    def run() -> None:
        sin()
        cos()

    return run


def _generic(activation: Activation, z: Tensor, h: Tensor) -> None:
    h.copy_(activation.value(z))
    z.copy_(activation.derivative(z))


_FROM_OUTPUT: dict[str, tuple[Bind, Bind]] = {
    "linear": (_nothing, _nothing),
    "tanh": (_tanh, _tanh_backward),
    "sigmoid": (_sigmoid, _sigmoid_backward),
    "relu": (_relu, _relu_backward),
}

_WITH_SLOPE: dict[str, tuple[Bind, Bind]] = {
    "gelu": (_gelu, _gelu_backward),
    "silu": (_silu, _multiply),
    "erf": (_erf, _multiply),
    "sin": (_sin, _multiply),
}
