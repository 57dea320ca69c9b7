"""Pointwise functions and their derivatives in torch, accurate in both tails and near zero.

One table, `FUNCTIONS`: name -> (s, s').  The catalogue of activations and the translation of typed expressions read it.
Everything keeps the dtype and the device of its argument.  A derivative at a kink takes the right-hand value, except
at 0 for `relu`, `abs` and their kin, where it is torch's autograd convention (0), so that back-propagation by hand and
by autograd agree at every point.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

Function = Callable[..., Tensor]

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946
_GELU_CUBE = 0.044715


def _sech_squared(z: Tensor) -> Tensor:
    """1/cosh(z)^2 = 4 e / (1 + e)^2 with e = exp(-2|z|): no cancellation (1 - tanh^2 has it) and no overflow."""
    decay = torch.exp(-2.0 * z.abs())
    return 4.0 * decay / (1.0 + decay) ** 2


def _normal_density(z: Tensor) -> Tensor:
    density: Tensor = torch.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return density


def _normal_distribution(z: Tensor) -> Tensor:
    # 1 + erf (and torch.special.ndtr) cancel in the lower tail.
    distribution: Tensor = 0.5 * torch.erfc(z * -math.sqrt(0.5))
    return distribution


def _gelu_derivative(z: Tensor) -> Tensor:
    return _normal_distribution(z) + z * _normal_density(z)


def _gelu_tanh_argument(z: Tensor) -> Tensor:
    return (z + _GELU_CUBE * z**3) * math.sqrt(2.0 / math.pi)


def _gelu_tanh(z: Tensor) -> Tensor:
    # (1 + tanh t)/2 is sigmoid(2t): accurate where 1 + tanh cancels.
    return z * torch.sigmoid(2.0 * _gelu_tanh_argument(z))


def _gelu_tanh_derivative(z: Tensor) -> Tensor:
    argument = _gelu_tanh_argument(z)
    slope: Tensor = math.sqrt(2.0 / math.pi) * (1.0 + 3.0 * _GELU_CUBE * z * z)
    return torch.sigmoid(2.0 * argument) + 0.5 * z * slope * _sech_squared(argument)


def _sigmoid_derivative(z: Tensor) -> Tensor:
    return torch.sigmoid(z) * torch.sigmoid(-z)


def _swish(z: Tensor, beta: Tensor | float) -> Tensor:
    return z * torch.sigmoid(beta * z)


def _swish_derivative(z: Tensor, beta: Tensor | float) -> Tensor:
    gate = torch.sigmoid(beta * z)
    return gate + beta * z * gate * torch.sigmoid(-(beta * z))


def _softplus(z: Tensor) -> Tensor:
    return torch.logaddexp(z, torch.zeros_like(z))


def _mish(z: Tensor) -> Tensor:
    return z * torch.tanh(_softplus(z))


def _mish_derivative(z: Tensor) -> Tensor:
    plus = _softplus(z)
    return torch.tanh(plus) + z * _sech_squared(plus) * torch.sigmoid(z)


def _leaky_relu(z: Tensor, slope: Tensor | float) -> Tensor:
    return torch.where(z > 0, z, slope * z)


def _leaky_relu_derivative(z: Tensor, slope: Tensor | float) -> Tensor:
    return torch.where(z > 0, torch.ones_like(z), slope * torch.ones_like(z))


def _elu(z: Tensor, a: Tensor | float) -> Tensor:
    return torch.where(z > 0, z, a * torch.expm1(torch.clamp(z, max=0.0)))


def _elu_derivative(z: Tensor, a: Tensor | float) -> Tensor:
    return torch.where(z > 0, torch.ones_like(z), a * torch.exp(torch.clamp(z, max=0.0)))


def _celu(z: Tensor, a: Tensor | float) -> Tensor:
    return torch.where(z > 0, z, a * torch.expm1(torch.clamp(z, max=0.0) / a))


def _celu_derivative(z: Tensor, a: Tensor | float) -> Tensor:
    return torch.where(z > 0, torch.ones_like(z), torch.exp(torch.clamp(z, max=0.0) / a))


def _hardtanh_derivative(z: Tensor) -> Tensor:
    return ((z > -1) & (z < 1)).to(z.dtype)


def _hardswish(z: Tensor) -> Tensor:
    return z * torch.clamp(z + 3.0, min=0.0, max=6.0) / 6.0


def _hardswish_derivative(z: Tensor) -> Tensor:
    inner = (2.0 * z + 3.0) / 6.0
    return torch.where(z < -3, torch.zeros_like(z), torch.where(z < 3, inner, torch.ones_like(z)))


def _snake(z: Tensor, a: Tensor | float) -> Tensor:
    return z + torch.sin(a * z) ** 2 / a


def _snake_derivative(z: Tensor, a: Tensor | float) -> Tensor:
    return 1.0 + torch.sin(2.0 * a * z)


def _gaussian(z: Tensor) -> Tensor:
    return torch.exp(-z * z)


def _logcosh(z: Tensor) -> Tensor:
    # log cosh z = |z| + log1p(e^{-2|z|}) - log 2 loses digits near 0, where log1p(2 sinh(z/2)^2) has them all.
    small = torch.log1p(2.0 * torch.sinh(torch.clamp(z, -1.0, 1.0) / 2.0) ** 2)
    large = z.abs() + torch.log1p(torch.exp(-2.0 * z.abs())) - math.log(2.0)
    return torch.where(z.abs() < 1, small, large)


FUNCTIONS: Mapping[str, tuple[Function, Function]] = MappingProxyType(
    {
        "exp": (torch.exp, torch.exp),
        "log": (torch.log, torch.reciprocal),
        "sin": (torch.sin, torch.cos),
        "cos": (torch.cos, lambda z: -torch.sin(z)),
        "tan": (torch.tan, lambda z: 1.0 / torch.cos(z) ** 2),
        "asin": (torch.asin, lambda z: torch.rsqrt((1.0 - z) * (1.0 + z))),
        "acos": (torch.acos, lambda z: -torch.rsqrt((1.0 - z) * (1.0 + z))),
        "atan": (torch.atan, lambda z: 1.0 / (1.0 + z * z)),
        "sinh": (torch.sinh, torch.cosh),
        "cosh": (torch.cosh, torch.sinh),
        "tanh": (torch.tanh, _sech_squared),
        "asinh": (torch.asinh, lambda z: torch.rsqrt(1.0 + z * z)),
        "acosh": (torch.acosh, lambda z: torch.rsqrt((z - 1.0) * (z + 1.0))),
        "atanh": (torch.atanh, lambda z: 1.0 / ((1.0 - z) * (1.0 + z))),
        "sqrt": (torch.sqrt, lambda z: 0.5 * torch.rsqrt(z)),
        "erf": (torch.erf, lambda z: 2.0 / math.sqrt(math.pi) * torch.exp(-z * z)),
        "erfc": (torch.erfc, lambda z: -2.0 / math.sqrt(math.pi) * torch.exp(-z * z)),
        "sigmoid": (torch.sigmoid, _sigmoid_derivative),
        "softplus": (_softplus, torch.sigmoid),
        "relu": (torch.relu, lambda z: (z > 0).to(z.dtype)),
        "gelu": (lambda z: z * _normal_distribution(z), _gelu_derivative),
        "gelu_tanh": (_gelu_tanh, _gelu_tanh_derivative),
        "silu": (lambda z: z * torch.sigmoid(z), lambda z: _swish_derivative(z, 1.0)),
        "swish": (_swish, _swish_derivative),
        "mish": (_mish, _mish_derivative),
        "leaky_relu": (_leaky_relu, _leaky_relu_derivative),
        "elu": (_elu, _elu_derivative),
        "selu": (
            lambda z: SELU_SCALE * _elu(z, SELU_ALPHA),
            lambda z: SELU_SCALE * _elu_derivative(z, SELU_ALPHA),
        ),
        "celu": (_celu, _celu_derivative),
        "hardtanh": (lambda z: torch.clamp(z, -1.0, 1.0), _hardtanh_derivative),
        "hardswish": (_hardswish, _hardswish_derivative),
        "softsign": (lambda z: z / (1.0 + z.abs()), lambda z: (1.0 + z.abs()) ** -2),
        "squared_relu": (lambda z: torch.relu(z) ** 2, lambda z: 2.0 * torch.relu(z)),
        "snake": (_snake, _snake_derivative),
        "gaussian": (_gaussian, lambda z: -2.0 * z * _gaussian(z)),
        "logcosh": (_logcosh, torch.tanh),
        "sign": (torch.sign, torch.zeros_like),
        "abs": (torch.abs, torch.sign),
        "heaviside": (lambda z: (z > 0).to(z.dtype), torch.zeros_like),
    }
)
