"""The numeric witness's own activations: s, s' and phi = z s' - s, pointwise in torch, any device, float64 or float32.

Conventions of THEORY section 0.  `phi` does not cancel near 0: where |z| is small it is the sum of (k-1) a_k z^k, its
one-sided Taylor coefficients from `numeric.taylor`; elsewhere z s' - s, whose terms differ there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType

import torch
from torch import Tensor

from numeric.pointwise import FUNCTIONS
from numeric.taylor import NotExpandableError, Tree, taylor
from numeric.translate import translate

Pointwise = Callable[[Tensor], Tensor]

_SERIES_ORDER = 40
_Z: Tree = ("z",)


@dataclass(frozen=True)
class Activation:
    """A pointwise activation.

    name, parameters: as in the catalogue ("expression" for a typed one).  value, derivative, phi: s, s' and z s' - s as
    functions of a tensor of any shape.  tree: the neutral expression it was made from.  kinks: points where s' jumps,
    at which a quadrature must be split.
    """

    name: str
    parameters: tuple[tuple[str, float], ...]
    value: Pointwise = field(repr=False, compare=False)
    derivative: Pointwise = field(repr=False, compare=False)
    phi: Pointwise = field(repr=False, compare=False)
    tree: Tree = field(repr=False)
    kinks: tuple[float, ...] = ()

    def __call__(self, z: Tensor) -> Tensor:
        """The value s(z)."""
        return self.value(z)

    @property
    def label(self) -> str:
        """The name, with its parameters in brackets if there are any."""
        inside = ", ".join(f"{key}={number:g}" for key, number in self.parameters)
        return f"{self.name}({inside})" if inside else self.name


@dataclass(frozen=True)
class _Entry:
    tree: Callable[..., Tree]
    defaults: Mapping[str, float] = field(default_factory=dict)
    kinks: tuple[float, ...] = ()


def activation(name: str, **parameters: float) -> Activation:
    """The catalogue's activation `name`, for instance activation("swish", beta=1.5).

    Raises ValueError for an unknown name or parameter, or a parameter that is not finite.
    """
    entry = _CATALOGUE.get(name)
    if entry is None:
        raise ValueError(f"unknown activation {name!r}; expected one of {', '.join(_CATALOGUE)}")
    unknown = set(parameters) - set(entry.defaults)
    if unknown:
        allowed = ", ".join(entry.defaults) or "no parameters"
        raise ValueError(f"activation {name} takes {allowed}, got {', '.join(sorted(unknown))}")
    values = {**entry.defaults, **{key: float(number) for key, number in parameters.items()}}
    for key, number in values.items():
        if not math.isfinite(number) or (number == 0 and name in _DIVIDES_BY_PARAMETER):
            raise ValueError(f"parameter {key} of {name} must be finite and a divisor must not be 0, got {number}")
    return _build(name, tuple(values.items()))


def catalogue() -> tuple[str, ...]:
    """Names of all activations of THEORY T2 that `activation` knows."""
    return tuple(_CATALOGUE)


def activation_from_tree(tree: Tree, name: str = "expression") -> Activation:
    """An activation from a neutral expression tree (see `numeric.translate`).  Raises ValueError for a bad tree."""
    value, derivative = translate(tree)
    return Activation(name, (), value, derivative, _phi(tree, value, derivative), tree)


@lru_cache(maxsize=256)
def _build(name: str, parameters: tuple[tuple[str, float], ...]) -> Activation:
    entry = _CATALOGUE[name]
    tree = entry.tree(*(_number(value) for _, value in parameters))
    value, derivative = translate(tree)
    if len(tree) == 3 and tree[0] == "call" and tree[2] == _Z:
        value, derivative = FUNCTIONS[tree[1]]
    return Activation(name, parameters, value, derivative, _phi(tree, value, derivative), tree, entry.kinks)


def _phi(tree: Tree, value: Pointwise, derivative: Pointwise) -> Pointwise:
    right, left = (_side(tree, side, lambda z: z * derivative(z) - value(z)) for side in (+1, -1))

    def phi(z: Tensor) -> Tensor:
        plain = z * derivative(z) - value(z)
        for expansion, where in ((right, z >= 0), (left, z < 0)):
            if expansion is not None:
                radius, coefficients = expansion
                near = where & (z.abs() < radius)
                plain = torch.where(near, _horner(coefficients, torch.where(near, z, torch.zeros_like(z))), plain)
        return plain

    return phi


def _horner(coefficients: tuple[float, ...], z: Tensor) -> Tensor:
    total = torch.full_like(z, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total * z + coefficient
    return total


def _side(tree: Tree, side: int, plain: Pointwise) -> tuple[float, tuple[float, ...]] | None:
    """Radius and coefficients (k-1) a_k of the series of phi on one side of 0; None if there is no usable series."""
    try:
        a = taylor(tree, _SERIES_ORDER, side)
    except NotExpandableError:
        return None
    phi = tuple((k - 1) * coefficient for k, coefficient in enumerate(a))
    leading = next((k for k, c in enumerate(phi) if c != 0.0), None)
    for exponent in range(12):
        radius = 2.0**-exponent
        if leading is not None:
            tail = max(abs(c) * radius ** (k - leading) for k, c in enumerate(phi) if k > _SERIES_ORDER - 8)
            if tail > 1e-18 * abs(phi[leading]):  # the first omitted terms must be below a rounding of the leading one
                continue
        # A kink of a typed expression may lie nearer than the radius of convergence: there the two forms differ.
        z = side * radius * torch.linspace(1.0 / 64, 1.0, 64, dtype=torch.float64)
        if bool(((_horner(phi, z) - plain(z)).abs() <= 1e-13 * (1.0 + plain(z).abs())).all()):
            return radius, phi
    return None


def _number(value: float) -> Tree:
    fraction = Fraction(value)
    return ("rational", fraction.numerator, fraction.denominator)


def _call(name: str) -> Callable[..., Tree]:
    return lambda *parameters: ("call", name, _Z, *parameters)


def _monomial(power: int) -> Callable[[Tree], Tree]:
    return lambda a: ("add", _Z, ("mul", a, ("pow", _Z, ("rational", power, 1))))


_DIVIDES_BY_PARAMETER = ("snake", "celu")
_CATALOGUE: Mapping[str, _Entry] = MappingProxyType(
    {
        "linear": _Entry(lambda: _Z),
        "relu": _Entry(_call("relu"), kinks=(0.0,)),
        "leaky_relu": _Entry(_call("leaky_relu"), {"slope": 0.01}, kinks=(0.0,)),
        "abs": _Entry(_call("abs"), kinks=(0.0,)),
        "tanh": _Entry(_call("tanh")),
        "erf": _Entry(_call("erf")),
        "sin": _Entry(_call("sin")),
        "arctan": _Entry(_call("atan")),
        "asinh": _Entry(_call("asinh")),
        "sinh": _Entry(_call("sinh")),
        "softsign": _Entry(_call("softsign"), kinks=(0.0,)),
        "gelu": _Entry(_call("gelu")),
        "gelu_tanh": _Entry(_call("gelu_tanh")),
        "silu": _Entry(_call("silu")),
        "swish": _Entry(_call("swish"), {"beta": 1.0}),
        "mish": _Entry(_call("mish")),
        "sigmoid": _Entry(_call("sigmoid")),
        "softplus": _Entry(_call("softplus")),
        "elu": _Entry(_call("elu"), {"a": 1.0}, kinks=(0.0,)),
        "selu": _Entry(_call("selu"), kinks=(0.0,)),
        "celu": _Entry(_call("celu"), {"a": 1.0}, kinks=(0.0,)),
        "hardtanh": _Entry(_call("hardtanh"), kinks=(-1.0, 1.0)),
        "hardswish": _Entry(_call("hardswish"), kinks=(-3.0, 3.0)),
        "squared_relu": _Entry(_call("squared_relu"), kinks=(0.0,)),
        "quadratic": _Entry(_monomial(2), {"a": 0.5}),
        "cubic": _Entry(_monomial(3), {"a": -1.0 / 3.0}),
        "snake": _Entry(_call("snake"), {"a": 1.0}),
        "gaussian": _Entry(_call("gaussian")),
        "cos": _Entry(_call("cos")),
        "logcosh": _Entry(_call("logcosh")),
    }
)
