"""Activations on NumPy arrays: value and derivative in one call, for ordinary differential equations of few variables.

The networks have their own definitions in torch; a test checks that the two agree.  Conventions: ``erf`` is erf(z),
``gelu`` is z Phi(z), ``silu`` is z sigmoid(z).  At a kink the derivative is the mean of the two one-sided ones; no
quadrature node lies there.  Catalogue of THEORY T2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import special

FloatArray = NDArray[np.float64]
Pair = tuple[FloatArray, FloatArray]


@dataclass(frozen=True)
class ScalarActivation:
    """An activation s on float64 arrays.

    ``evaluate(z)`` returns s(z) and s'(z) of the shape of z.  ``alpha`` is s'(0) (at a kink the mean of the one-sided
    values), ``odd`` says s(-z) = -s(z), ``kinks`` are the points where s is not analytic on the real line.
    """

    name: str
    evaluate: Callable[[FloatArray], Pair]
    alpha: float
    odd: bool = False
    kinks: tuple[float, ...] = ()

    def value(self, z: FloatArray) -> FloatArray:
        """s(z)."""
        return self.evaluate(np.asarray(z, dtype=np.float64))[0]

    def derivative(self, z: FloatArray) -> FloatArray:
        """s'(z)."""
        return self.evaluate(np.asarray(z, dtype=np.float64))[1]


def scalar_activation(activation: str | ScalarActivation) -> ScalarActivation:
    """The activation of that name; an instance is returned as it is.  Raises ValueError for an unknown name."""
    if isinstance(activation, ScalarActivation):
        return activation
    try:
        return CATALOGUE[activation]
    except (KeyError, TypeError):
        raise ValueError(f"unknown activation {activation!r}: choose one of {', '.join(sorted(CATALOGUE))}") from None


# --- smooth, bounded ---------------------------------------------------------------------------------------------


def _tanh(z: FloatArray) -> Pair:
    # NumPy's own keeps the relative precision near 0, and does not depend on the place in the array: a test compares.
    s = np.asarray(np.tanh(z))
    return s, np.asarray(1.0 - s * s)


def _erf(z: FloatArray) -> Pair:
    return special.erf(z), (2.0 / math.sqrt(math.pi)) * np.exp(-z * z)


def _sin(z: FloatArray) -> Pair:
    return np.sin(z), np.cos(z)


def _arctan(z: FloatArray) -> Pair:
    return np.arctan(z), 1.0 / (1.0 + z * z)


def _sigmoid(z: FloatArray) -> Pair:
    s = special.expit(z)
    return s, s * special.expit(-z)


def _gaussian(z: FloatArray) -> Pair:
    s = np.exp(-z * z)
    return s, -2.0 * z * s


def _cos(z: FloatArray) -> Pair:
    return np.cos(z), -np.sin(z)


# --- smooth, unbounded -------------------------------------------------------------------------------------------


def _linear(z: FloatArray) -> Pair:
    return np.array(z), np.ones_like(z)


def _asinh(z: FloatArray) -> Pair:
    return np.arcsinh(z), 1.0 / np.sqrt(1.0 + z * z)


def _sinh(z: FloatArray) -> Pair:
    with np.errstate(over="ignore"):  # an overflow is infinite, which the flow reports as not finite
        return np.sinh(z), np.cosh(z)


def _logcosh(z: FloatArray) -> Pair:
    # cosh z = 1 + 2 sinh(z/2)^2 keeps the relative precision near 0; far out |z| - log 2 + ... does not overflow.
    a = np.abs(z)
    near = np.log1p(2.0 * np.sinh(0.5 * np.minimum(a, 1.0)) ** 2)
    return np.where(a < 1.0, near, a + np.log1p(0.5 * np.expm1(-2.0 * a))), _tanh(z)[0]


def _softplus(z: FloatArray) -> Pair:
    return np.logaddexp(0.0, z), special.expit(z)


def _gelu(z: FloatArray) -> Pair:
    cdf = special.ndtr(z)
    return z * cdf, cdf + z * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


def _gelu_tanh(z: FloatArray) -> Pair:
    # (1 + tanh x)/2 is sigmoid(2 x): accurate where 1 + tanh cancels.
    c = 2.0 * math.sqrt(2.0 / math.pi)
    x = c * (z + 0.044715 * z**3)
    p = special.expit(x)
    return z * p, p + z * p * special.expit(-x) * c * (1.0 + 3.0 * 0.044715 * z * z)


def _mish(z: FloatArray) -> Pair:
    t, dt = _tanh(np.logaddexp(0.0, z))
    return z * t, t + z * dt * special.expit(z)


def swish(beta: float = 1.0, name: str | None = None) -> ScalarActivation:
    """z sigmoid(beta z); SiLU is beta = 1."""

    def evaluate(z: FloatArray) -> Pair:
        p = special.expit(beta * z)
        return z * p, p + beta * z * p * special.expit(-beta * z)

    return ScalarActivation(name or f"swish({beta:g})", evaluate, 0.5)


def monomial(power: int, a: float, name: str) -> ScalarActivation:
    """z + a z^power."""

    def evaluate(z: FloatArray) -> Pair:
        return z + a * z**power, 1.0 + power * a * z ** (power - 1)

    return ScalarActivation(name, evaluate, 1.0, odd=power % 2 == 1)


def snake(frequency: float = 1.0) -> ScalarActivation:
    """z + sin(a z)^2 / a."""

    def evaluate(z: FloatArray) -> Pair:
        return z + np.sin(frequency * z) ** 2 / frequency, 1.0 + np.sin(2.0 * frequency * z)

    return ScalarActivation("snake" if frequency == 1.0 else f"snake({frequency:g})", evaluate, 1.0)


# --- with kinks --------------------------------------------------------------------------------------------------


def leaky_relu(slope: float = 0.01) -> ScalarActivation:
    """z for z > 0, slope z below; ReLU is slope 0."""

    def evaluate(z: FloatArray) -> Pair:
        return np.where(z > 0.0, z, slope * z), _sides(z, 1.0, slope)

    name = "relu" if slope == 0.0 else "leaky_relu" if slope == 0.01 else f"leaky_relu({slope:g})"
    return ScalarActivation(name, evaluate, 0.5 * (1.0 + slope), kinks=(0.0,))


def elu(a: float = 1.0, *, scale: float = 1.0, width: float = 1.0, name: str = "elu") -> ScalarActivation:
    """scale z for z > 0, scale a (exp(z / width) - 1) below: ELU, SELU (scale, a) and CELU (width = a)."""

    def evaluate(z: FloatArray) -> Pair:
        below = np.minimum(z, 0.0) / width
        left = scale * a * np.expm1(below)
        return np.where(z > 0.0, scale * z, left), _sides(z, scale, scale * a / width * np.exp(below))

    return ScalarActivation(name, evaluate, 0.5 * scale * (1.0 + a / width), kinks=(0.0,))


def _absolute(z: FloatArray) -> Pair:
    return np.abs(z), np.sign(z)


def _squared_relu(z: FloatArray) -> Pair:
    p = np.maximum(z, 0.0)
    return p * p, 2.0 * p


def _softsign(z: FloatArray) -> Pair:
    d = 1.0 + np.abs(z)
    return z / d, 1.0 / (d * d)


def _hardtanh(z: FloatArray) -> Pair:
    return np.clip(z, -1.0, 1.0), 0.5 * (np.sign(z + 1.0) - np.sign(z - 1.0))


def _hardswish(z: FloatArray) -> Pair:
    p = np.clip(z + 3.0, 0.0, 6.0) / 6.0
    inside = 0.5 * (np.sign(z + 3.0) - np.sign(z - 3.0))
    return z * p, p + z * inside / 6.0


def _sides(z: FloatArray, right: float, left: FloatArray | float) -> FloatArray:
    """``right`` for z > 0, ``left`` for z < 0, their mean at 0."""
    return np.where(z > 0.0, right, np.where(z < 0.0, left, 0.5 * (right + left)))


_SELU_SCALE, _SELU_A = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717

_ALL = (
    ScalarActivation("linear", _linear, 1.0, odd=True),
    ScalarActivation("tanh", _tanh, 1.0, odd=True),
    ScalarActivation("erf", _erf, 2.0 / math.sqrt(math.pi), odd=True),
    ScalarActivation("sin", _sin, 1.0, odd=True),
    ScalarActivation("arctan", _arctan, 1.0, odd=True),
    ScalarActivation("asinh", _asinh, 1.0, odd=True),
    ScalarActivation("sinh", _sinh, 1.0, odd=True),
    monomial(3, -1.0 / 3.0, "cubic"),
    monomial(2, 0.5, "quadratic"),
    ScalarActivation("gelu", _gelu, 0.5),
    ScalarActivation("gelu_tanh", _gelu_tanh, 0.5),
    swish(name="silu"),
    swish(name="swish"),
    ScalarActivation("mish", _mish, 0.6),
    snake(),
    ScalarActivation("sigmoid", _sigmoid, 0.25),
    ScalarActivation("softplus", _softplus, 0.5),
    ScalarActivation("gaussian", _gaussian, 0.0),
    ScalarActivation("cos", _cos, 0.0),
    ScalarActivation("logcosh", _logcosh, 0.0),
    leaky_relu(0.0),
    leaky_relu(),
    ScalarActivation("abs", _absolute, 0.0, kinks=(0.0,)),
    ScalarActivation("squared_relu", _squared_relu, 0.0, kinks=(0.0,)),
    ScalarActivation("softsign", _softsign, 1.0, odd=True, kinks=(0.0,)),
    elu(),
    elu(_SELU_A, scale=_SELU_SCALE, name="selu"),
    elu(name="celu"),
    ScalarActivation("hardtanh", _hardtanh, 1.0, odd=True, kinks=(-1.0, 1.0)),
    ScalarActivation("hardswish", _hardswish, 0.5, kinks=(-3.0, 3.0)),
)
CATALOGUE: Mapping[str, ScalarActivation] = MappingProxyType({activation.name: activation for activation in _ALL})
