"""Substitution into elementary trees and their derivative with respect to any leaf.

A leaf is ("z",) or a scale ("scale", m) that stands for xi_m until a number is put in its place. Derivatives are those
off the kinks; a Gaussian expectation does not see the kinks of a continuous function, and `sign` and `heaviside`, which
jump, are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from symbolic import trees
from symbolic.trees import Tree

ZERO: Tree = trees.rational(0)
ONE: Tree = trees.rational(1)


def scale_leaf(layer: int) -> Tree:
    """The leaf that stands for xi_layer."""
    return ("scale", layer)


def substituted(tree: Tree, leaf: Tree, value: Tree) -> Tree:
    """The tree with every occurrence of the leaf replaced."""
    if tree == leaf:
        return value
    return tuple(substituted(part, leaf, value) if isinstance(part, tuple) else part for part in tree)


def derivative(tree: Tree, leaf: Tree) -> Tree:
    """d tree / d leaf, simplified where factors or terms vanish. ValueError for a function that jumps."""
    kind = tree[0]
    if tree == leaf:
        return ONE
    if kind in ("z", "scale", "rational", "constant"):
        return ZERO
    if kind == "add":
        return _sum(*(derivative(term, leaf) for term in tree[1:]))
    if kind == "mul":
        return _sum(*(_leibniz(tree[1:], position, leaf) for position in range(len(tree) - 1)))
    if kind == "pow":
        return _power_derivative(tree, leaf)
    if kind == "piecewise":
        return ("piecewise", *((condition, derivative(value, leaf)) for condition, value in tree[1:]))
    return _call_derivative(tree, leaf)


def _leibniz(factors: tuple[Tree, ...], position: int, leaf: Tree) -> Tree:
    others = factors[:position] + factors[position + 1 :]
    return _product(derivative(factors[position], leaf), *others)


def _power_derivative(tree: Tree, leaf: Tree) -> Tree:
    base, exponent = tree[1], tree[2]
    by_base = _product(exponent, trees.power(base, _sum(exponent, trees.rational(-1))), derivative(base, leaf))
    moving = derivative(exponent, leaf)
    return by_base if moving == ZERO else _sum(by_base, _product(tree, trees.call("log", base), moving))


def _call_derivative(tree: Tree, leaf: Tree) -> Tree:
    name, arguments = tree[1], tree[2:]
    inner = derivative(arguments[0], leaf)
    if name in ("max", "min"):
        return _extremum_derivative(name, arguments, leaf)
    if inner == ZERO:
        return ZERO
    if name == "abs":
        return trees.where_negative(arguments[0], _product(trees.rational(-1), inner), inner)
    if name not in _OUTER:
        raise ValueError(f"expected a continuous activation, got one with {name}: its derivative is not a function")
    return _product(_OUTER[name](arguments[0]), inner)


def _extremum_derivative(name: str, arguments: tuple[Tree, ...], leaf: Tree) -> Tree:
    """max(a, b, ...) = where(a < b, b, a), folded from the left."""
    value, slope = arguments[0], derivative(arguments[0], leaf)
    for other in arguments[1:]:
        gap = trees.add(value, trees.negative(other)) if name == "max" else trees.add(other, trees.negative(value))
        slope = trees.where_negative(gap, derivative(other, leaf), slope)
        value = trees.call(name, value, other)
    return slope


def _sum(*terms: Tree) -> Tree:
    """A sum without zeros; rational terms are added up."""
    if all(term[0] == "rational" for term in terms):
        return trees.rational(sum((_fraction(term) for term in terms), start=_fraction(ZERO)))
    kept = [term for term in terms if term != ZERO]
    return kept[0] if len(kept) == 1 else trees.add(*kept)


def _product(*factors: Tree) -> Tree:
    """A product without ones, zero if a factor is."""
    if ZERO in factors:
        return ZERO
    kept = [factor for factor in factors if factor != ONE]
    return ONE if not kept else kept[0] if len(kept) == 1 else trees.mul(*kept)


def _fraction(term: Tree) -> Fraction:
    return Fraction(term[1], term[2])


def _one_plus_square(z: Tree, sign: int) -> Tree:
    return trees.add(ONE, trees.mul(trees.rational(sign), trees.power(z, 2)))


def _gaussian_density(z: Tree) -> Tree:
    root = trees.power(trees.PI, Fraction(-1, 2))
    return trees.mul(trees.rational(2), root, trees.call("exp", trees.negative(trees.power(z, 2))))


HALF_INVERSE = Fraction(-1, 2)
_OUTER: dict[str, Callable[[Tree], Tree]] = {
    "exp": lambda z: trees.call("exp", z),
    "log": lambda z: trees.power(z, -1),
    "sin": lambda z: trees.call("cos", z),
    "cos": lambda z: trees.negative(trees.call("sin", z)),
    "tan": lambda z: _one_plus_square(trees.call("tan", z), 1),
    "sinh": lambda z: trees.call("cosh", z),
    "cosh": lambda z: trees.call("sinh", z),
    "tanh": lambda z: _one_plus_square(trees.call("tanh", z), -1),
    "asin": lambda z: trees.power(_one_plus_square(z, -1), HALF_INVERSE),
    "acos": lambda z: trees.negative(trees.power(_one_plus_square(z, -1), HALF_INVERSE)),
    "atan": lambda z: trees.power(_one_plus_square(z, 1), -1),
    "asinh": lambda z: trees.power(_one_plus_square(z, 1), HALF_INVERSE),
    "acosh": lambda z: trees.power(trees.add(trees.power(z, 2), trees.rational(-1)), HALF_INVERSE),
    "atanh": lambda z: trees.power(_one_plus_square(z, -1), -1),
    "erf": _gaussian_density,
}
