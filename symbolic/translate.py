"""From neutral trees and exact constants to SymPy, and what the structure of a tree shows."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache, reduce
from typing import Any

import sympy

from symbolic import trees
from symbolic.exact import Exact, Generator
from symbolic.trees import Tree

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": sympy.exp,
    "log": sympy.log,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "asin": sympy.asin,
    "acos": sympy.acos,
    "atan": sympy.atan,
    "sinh": sympy.sinh,
    "cosh": sympy.cosh,
    "tanh": sympy.tanh,
    "asinh": sympy.asinh,
    "acosh": sympy.acosh,
    "atanh": sympy.atanh,
    "erf": sympy.erf,
    "erfc": sympy.erfc,
    "sqrt": sympy.sqrt,
    "abs": sympy.Abs,
    "sign": sympy.sign,
    "heaviside": lambda z: sympy.Heaviside(z, sympy.Rational(1, 2)),
    "max": sympy.Max,
    "min": sympy.Min,
    "mish": lambda z: z * sympy.tanh(sympy.log(1 + sympy.exp(z))),
}
_ODD = ("sin", "tan", "asin", "atan", "sinh", "tanh", "asinh", "atanh", "erf", "sign")
_EVEN = ("cos", "cosh", "abs")


@lru_cache(maxsize=1)
def symbol() -> sympy.Symbol:
    """The variable of every activation: a real symbol z."""
    return sympy.Symbol("z", real=True)


def tree_to_sympy(tree: Tree, variable: sympy.Expr | None = None) -> sympy.Expr:
    """The tree as a SymPy expression in ``variable`` (default: the real symbol z)."""
    z = symbol() if variable is None else variable
    kind, parts = tree[0], tree[1:]
    if kind == "z":
        return z
    if kind == "rational":
        return sympy.Rational(parts[0], parts[1])
    if kind == "constant":
        return sympy.pi if parts[0] == "pi" else sympy.E
    if kind == "add":
        return sympy.Add(*(tree_to_sympy(part, z) for part in parts))
    if kind == "mul":
        return sympy.Mul(*(tree_to_sympy(part, z) for part in parts))
    if kind == "pow":
        return sympy.Pow(tree_to_sympy(parts[0], z), tree_to_sympy(parts[1], z))
    if kind == "piecewise":
        return sympy.Piecewise(*((tree_to_sympy(value, z), _condition(condition, z)) for condition, value in parts))
    if kind == "call":
        return _call(parts[0], parts[1:], z)
    raise ValueError(f"expected a node of the activation grammar, got {tree!r:.80}")


def _condition(condition: Tree, z: sympy.Expr) -> Any:
    if condition[0] == "true":
        return True
    relation = sympy.Lt if condition[0] == "less" else sympy.Le
    return relation(tree_to_sympy(condition[1], z), tree_to_sympy(condition[2], z))


def _call(name: str, arguments: Tree, z: sympy.Expr) -> sympy.Expr:
    if name in _FUNCTIONS:
        return _FUNCTIONS[name](*(tree_to_sympy(argument, z) for argument in arguments))
    if name in trees.MACROS:
        return tree_to_sympy(trees.MACROS[name](*arguments), z)
    raise ValueError(f"expected a function of the activation grammar, got {name!r}")


def exact_to_sympy(element: Exact) -> sympy.Expr:
    """The exact constant as a SymPy expression."""
    if not element.terms:
        return sympy.S.Zero
    value = element.rational()
    if value is not None:
        return sympy.Rational(int(value.p), int(value.q))
    terms = []
    for monomial, coefficient in element.sorted_terms():
        factors = [_generator(g) ** sympy.Rational(int(e.p), int(e.q)) for g, e in monomial]
        terms.append(sympy.Mul(sympy.Rational(int(coefficient.p), int(coefficient.q)), *factors))
    return sympy.Add(*terms)


def fraction_to_sympy(value: Fraction) -> sympy.Rational:
    """The fraction as a SymPy rational."""
    return sympy.Rational(value.numerator, value.denominator)


def _generator(generator: Generator) -> sympy.Expr:
    if generator.kind == "pi":
        return sympy.pi
    if generator.kind == "prime":
        return sympy.Integer(generator.prime)
    assert generator.argument is not None
    argument = exact_to_sympy(generator.argument)
    return argument if generator.kind == "sum" else _FUNCTIONS[generator.kind](argument)


def tree_parity(tree: Tree) -> str:
    """``"odd"``, ``"even"`` or ``"none"``: what the structure of an elementary tree shows about s(-z)."""
    value = _parity(tree)
    return {1: "even", -1: "odd", 0: "even", None: "none"}[value]


def _parity(tree: Tree) -> int | None:
    """+1 even, -1 odd, 0 constant (even), None unknown."""
    kind, parts = tree[0], tree[1:]
    if kind == "z":
        return -1
    if kind in ("rational", "constant"):
        return 0
    if kind == "add":
        return _common([_parity(part) for part in parts])
    if kind == "mul":
        return reduce(_product, (_parity(part) for part in parts))
    if kind == "pow":
        return _power_parity(_parity(parts[0]), parts[1])
    if kind == "call" and len(parts) == 2:
        return _composed(parts[0], _parity(parts[1]))
    return None


def _common(parities: list[int | None]) -> int | None:
    if None in parities:
        return None
    kinds = {1 if parity == 0 else parity for parity in parities}
    return kinds.pop() if len(kinds) == 1 else None


def _product(left: int | None, right: int | None) -> int | None:
    if left is None or right is None:
        return None
    if left == 0 or right == 0:
        return left or right
    return left * right


def _power_parity(base: int | None, exponent: Tree) -> int | None:
    if base in (0, 1) and exponent[0] == "rational":
        return base
    if base == -1 and exponent[0] == "rational" and exponent[2] == 1:
        return 1 if exponent[1] % 2 == 0 else -1
    return None


def _composed(name: str, inner: int | None) -> int | None:
    if inner in (0, 1):
        return inner
    if inner == -1 and name in _ODD:
        return -1
    if inner == -1 and name in _EVEN:
        return 1
    return None
