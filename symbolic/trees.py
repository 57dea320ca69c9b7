"""Activations as neutral trees, and the rewriting of named activations into elementary functions.

A tree is plain data (nested tuples of strings and integers):
``("z",) | ("rational", p, q) | ("constant", "pi" | "e") | ("add", t, ...) | ("mul", t, ...) | ("pow", base, exponent) |
("call", name, t, ...) | ("piecewise", (condition, t), ...)`` with condition ``("less", a, b) | ("less_equal", a, b) |
("true",)``; the first branch whose condition holds is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

Tree = tuple[Any, ...]

Z: Tree = ("z",)
PI: Tree = ("constant", "pi")
TRUE: Tree = ("true",)
UNARY = (
    "exp",
    "log",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "erf",
)
KINKED = ("abs", "sign", "heaviside")
# Klambauer et al., Self-Normalizing Neural Networks (2017), to the digits that every framework ships.
SELU_SCALE = Fraction("1.0507009873554804934193349852946")
SELU_ALPHA = Fraction("1.6732632423543772848170429916717")


def rational(value: Fraction | int | str) -> Tree:
    """The tree of an exact rational number."""
    fraction = Fraction(value)
    return ("rational", fraction.numerator, fraction.denominator)


def add(*terms: Tree) -> Tree:
    """Sum of trees."""
    return ("add", *terms)


def mul(*factors: Tree) -> Tree:
    """Product of trees."""
    return ("mul", *factors)


def power(base: Tree, exponent: Fraction | int | Tree) -> Tree:
    """Power of a tree."""
    return ("pow", base, exponent if isinstance(exponent, tuple) else rational(exponent))


def call(name: str, *arguments: Tree) -> Tree:
    """A named function of trees."""
    return ("call", name, *arguments)


def negative(tree: Tree) -> Tree:
    """The tree times -1."""
    return mul(rational(-1), tree)


def divide(numerator: Tree, denominator: Tree) -> Tree:
    """Quotient of two trees."""
    return mul(numerator, power(denominator, -1))


def substituted(tree: Tree, argument: Tree) -> Tree:
    """The tree with ``argument`` in place of z."""
    if tree == Z:
        return argument
    return tuple(substituted(part, argument) if isinstance(part, tuple) else part for part in tree)


def where_negative(tree: Tree, below: Tree, above: Tree) -> Tree:
    """``below`` where the tree is negative, ``above`` elsewhere."""
    return ("piecewise", (("less", tree, rational(0)), below), (TRUE, above))


def _sigmoid(z: Tree) -> Tree:
    return power(add(rational(1), call("exp", negative(z))), -1)


def _softplus(z: Tree) -> Tree:
    return call("log", add(rational(1), call("exp", z)))


def _gelu(z: Tree) -> Tree:
    return mul(rational(Fraction(1, 2)), z, add(rational(1), call("erf", mul(z, power(rational(2), Fraction(-1, 2))))))


def _gelu_tanh(z: Tree) -> Tree:
    # Hendrycks and Gimpel's approximation, with their constant .044715.
    inner = add(z, mul(rational("0.044715"), power(z, 3)))
    root = power(divide(rational(2), PI), Fraction(1, 2))
    return mul(rational(Fraction(1, 2)), z, add(rational(1), call("tanh", mul(root, inner))))


def _mish(z: Tree) -> Tree:
    # tanh(log w) = (w^2 - 1)/(w^2 + 1) with w = 1 + e^z, divided by w^2 so that no tail overflows.
    inverse = power(add(rational(1), call("exp", z)), -2)
    return mul(z, add(rational(1), negative(inverse)), power(add(rational(1), inverse), -1))


def _relu(z: Tree) -> Tree:
    return call("max", z, rational(0))


def _elu(z: Tree, a: Tree) -> Tree:
    return where_negative(z, mul(a, add(call("exp", z), rational(-1))), z)


def _celu(z: Tree, a: Tree) -> Tree:
    return where_negative(z, mul(a, add(call("exp", divide(z, a)), rational(-1))), z)


def _selu(z: Tree) -> Tree:
    return mul(rational(SELU_SCALE), _elu(z, rational(SELU_ALPHA)))


def _hardtanh(z: Tree) -> Tree:
    return call("min", rational(1), call("max", rational(-1), z))


def _hardswish(z: Tree) -> Tree:
    clipped = call("min", rational(6), call("max", rational(0), add(z, rational(3))))
    return mul(rational(Fraction(1, 6)), z, clipped)


def _snake(z: Tree, a: Tree) -> Tree:
    # Ziyin, Hartwig and Ueda (2020): z + sin(a z)^2 / a.
    return add(z, divide(power(call("sin", mul(a, z)), 2), a))


MACROS: dict[str, Callable[..., Tree]] = {
    "sqrt": lambda z: power(z, Fraction(1, 2)),
    "erfc": lambda z: add(rational(1), negative(call("erf", z))),
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "relu": _relu,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": lambda z: mul(z, _sigmoid(z)),
    "swish": lambda z, beta: mul(z, _sigmoid(mul(beta, z))),
    "mish": _mish,
    "leaky_relu": lambda z, slope: where_negative(z, mul(slope, z), z),
    "elu": _elu,
    "selu": _selu,
    "celu": _celu,
    "hardtanh": _hardtanh,
    "hardswish": _hardswish,
    "softsign": lambda z: divide(z, add(rational(1), call("abs", z))),
    "squared_relu": lambda z: power(_relu(z), 2),
    "snake": _snake,
    "gaussian": lambda z: call("exp", negative(power(z, 2))),
    "logcosh": lambda z: call("log", call("cosh", z)),
}
ARITY = {
    **dict.fromkeys(UNARY, 1),
    **dict.fromkeys(KINKED, 1),
    **dict.fromkeys(MACROS, 1),
    **dict.fromkeys(("swish", "leaky_relu", "elu", "celu", "snake"), 2),
}


def elementary(tree: Tree) -> Tree:
    """The tree with every named activation written out in elementary functions, kinks and piecewise.

    Raises ValueError for a node that is not part of the grammar or has the wrong number of arguments.
    """
    kind = tree[0] if isinstance(tree, tuple) and tree else None
    if kind in ("z", "rational", "constant"):
        _check_leaf(tree)
        return tree
    if kind in ("add", "mul", "pow"):
        if kind == "pow" and len(tree) != 3:
            raise ValueError(f"expected a base and an exponent in a power, got {len(tree) - 1} parts")
        return (kind, *(elementary(part) for part in tree[1:]))
    if kind == "piecewise":
        return ("piecewise", *((_condition(condition), elementary(value)) for condition, value in tree[1:]))
    if kind == "call":
        return _elementary_call(tree)
    raise ValueError(f"expected a node of the activation grammar, got {tree!r:.80}: see symbolic.trees")


def _check_leaf(tree: Tree) -> None:
    if tree[0] == "rational" and (len(tree) != 3 or tree[2] == 0):
        raise ValueError(f"expected ('rational', p, q) with q != 0, got {tree!r}")
    if tree[0] == "constant" and tree[1:] not in (("pi",), ("e",)):
        raise ValueError(f"expected the constant pi or e, got {tree!r}")


def _condition(condition: Tree) -> Tree:
    if condition[0] == "true":
        return condition
    if condition[0] in ("less", "less_equal") and len(condition) == 3:
        return (condition[0], elementary(condition[1]), elementary(condition[2]))
    raise ValueError(f"expected a condition less, less_equal or true, got {condition!r:.80}")


def _elementary_call(tree: Tree) -> Tree:
    name, arguments = tree[1], tree[2:]
    if name in ("max", "min"):
        if not arguments:
            raise ValueError(f"expected at least one argument of {name}, got none")
        return ("call", name, *(elementary(argument) for argument in arguments))
    if name not in ARITY:
        raise ValueError(f"expected a function of the activation grammar, got {name!r}")
    if len(arguments) != ARITY[name]:
        raise ValueError(f"expected {ARITY[name]} argument(s) of {name}, got {len(arguments)}")
    if name in MACROS:
        return elementary(MACROS[name](*arguments))
    return ("call", name, elementary(arguments[0]))
