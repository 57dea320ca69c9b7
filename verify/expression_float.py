"""The functions of the grammar on single floats: to bound constants, and as a third opinion in tests.

Plain formulas with no care for the last digits; nothing that is verified is computed here.
"""

import math
from collections.abc import Callable, Sequence

from verify.expression_tree import Tree

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _sigmoid(z: float) -> float:
    return 1.0 / (1.0 + math.exp(-z)) if z >= 0 else math.exp(z) / (1.0 + math.exp(z))


def _softplus(z: float) -> float:
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


def _tan(z: float) -> float:
    return math.nan if abs(math.cos(z)) < 1e-13 else math.tan(z)  # the pole itself is no float


def _elu(z: float, a: float) -> float:
    return z if z >= 0 else a * math.expm1(z)


def _gelu_tanh(z: float) -> float:
    return z * _sigmoid(2.0 * math.sqrt(2.0 / math.pi) * (z + 0.044715 * z**3))


def _sign(z: float) -> float:
    return math.copysign(1.0, z) if z else 0.0


_FUNCTIONS: dict[str, Callable[..., float]] = {
    "pow": math.pow,
    **{
        name: getattr(math, name)
        for name in ("exp", "log", "sqrt", "erf", "erfc", "sin", "cos", "asin", "acos", "atan")
    },
    **{name: getattr(math, name) for name in ("sinh", "cosh", "tanh", "asinh", "acosh", "atanh")},
    "tan": _tan,
    "abs": abs,
    "sign": _sign,
    "heaviside": lambda z: (1.0 + _sign(z)) / 2.0,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "relu": lambda z: max(z, 0.0),
    "gelu": lambda z: z * math.erfc(-z / math.sqrt(2.0)) / 2.0,
    "gelu_tanh": _gelu_tanh,
    "silu": lambda z: z * _sigmoid(z),
    "mish": lambda z: z * math.tanh(_softplus(z)),
    "selu": lambda z: _SELU_SCALE * _elu(z, _SELU_ALPHA),
    "hardtanh": lambda z: max(-1.0, min(1.0, z)),
    "hardswish": lambda z: z * min(max(z + 3.0, 0.0), 6.0) / 6.0,
    "softsign": lambda z: z / (1.0 + abs(z)),
    "squared_relu": lambda z: max(z, 0.0) ** 2,
    "gaussian": lambda z: math.exp(-z * z),
    "logcosh": lambda z: abs(z) + math.log1p(math.exp(-2.0 * abs(z))) - math.log(2.0),
    "swish": lambda z, beta: z * _sigmoid(beta * z),
    "leaky_relu": lambda z, slope: z if z >= 0 else slope * z,
    "elu": _elu,
    "celu": lambda z, a: z if z >= 0 else a * math.expm1(z / a),
    "snake": lambda z, a: z + math.sin(a * z) ** 2 / a,
    "max": max,
    "min": min,
}


def function_value(name: str, arguments: Sequence[float]) -> float:
    """The value, nan where it is no real number (or an argument is nan), +-inf where it overflows."""
    if any(math.isnan(argument) for argument in arguments):
        return math.nan
    try:
        return float(_FUNCTIONS[name](*arguments))
    except OverflowError:
        return math.inf
    except (ValueError, ZeroDivisionError):
        return math.nan


def tree_value(tree: Tree, z: float) -> float:
    """The value of an expression tree at `z`, nan where it is no real number, inf where it overflows."""
    kind = tree[0]
    if kind == "z":
        return z
    if kind == "rational":
        return float(tree[1] / tree[2])
    if kind == "constant":
        return math.pi if tree[1] == "pi" else math.e
    if kind == "piecewise":
        for condition, branch in tree[1:]:
            sides = [tree_value(side, z) for side in condition[1:]]
            if not sides or (sides[0] < sides[1] if condition[0] == "less" else sides[0] <= sides[1]):
                return tree_value(branch, z)
    parts = [tree_value(part, z) for part in tree[1:] if isinstance(part, tuple)]
    if kind == "add":
        return sum(parts)
    if kind == "mul":
        return math.prod(parts)
    return function_value(tree[1] if kind == "call" else "pow", parts)
