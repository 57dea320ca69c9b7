"""A neutral expression tree (nested tuples, as a user types an activation) made into torch functions.

Values and derivatives are computed together by forward differentiation on (value, derivative) pairs, rule by rule, so
that no automatic differentiation runs and every dtype and device works.  Nodes are listed in `translate`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from numeric.pointwise import FUNCTIONS

Tree = tuple[Any, ...]
Dual = tuple[Tensor, Tensor | None]  # derivative None means identically zero


def translate(tree: Tree) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """The functions s and s' of a neutral tree, pointwise on tensors of any shape, dtype and device.

    Nodes: ("z",), ("rational", p, q), ("constant", "pi" | "e"), ("add", t, ...), ("mul", t, ...), ("pow", base,
    exponent), ("call", name, argument, ...), ("piecewise", (condition, value), ...) with conditions ("less", a, b),
    ("less_equal", a, b), ("true",).  Raises ValueError for an unknown node or function.
    """
    check(tree)

    def value(z: Tensor) -> Tensor:
        return _evaluate(tree, z)[0].expand_as(z)

    def derivative(z: Tensor) -> Tensor:
        slope = _evaluate(tree, z)[1]
        return torch.zeros_like(z) if slope is None else slope.expand_as(z)

    return value, derivative


def check(tree: Tree) -> None:
    """Raise ValueError with one sentence if `tree` is not a neutral tree that this package can evaluate."""
    if not isinstance(tree, tuple) or not tree or not isinstance(tree[0], str):
        raise ValueError(f"expected a nested tuple such as ('call', 'tanh', ('z',)), got {tree!r}")
    head, rest = tree[0], tree[1:]
    if head in ("z", "true"):
        return
    if head == "rational":
        if len(rest) != 2 or int(rest[1]) == 0:
            raise ValueError(f"expected ('rational', p, q) with integers and q != 0, got {tree!r}")
    elif head == "constant":
        if rest not in (("pi",), ("e",)):
            raise ValueError(f"expected ('constant', 'pi') or ('constant', 'e'), got {tree!r}")
    elif head == "call":
        _check_call(tree)
    elif head == "piecewise":
        for condition, value in rest:
            check(condition)
            check(value)
    elif head in ("add", "mul", "pow", "less", "less_equal"):
        for part in rest:
            check(part)
    else:
        raise ValueError(
            f"unknown node {head!r} in an expression; expected one of z, rational, add, mul, pow, call, ..."
        )


def _check_call(tree: Tree) -> None:
    name, arguments = tree[1], tree[2:]
    if name not in FUNCTIONS and name not in ("max", "min"):
        raise ValueError(f"unknown function {name!r}; known are {', '.join(sorted([*FUNCTIONS, 'max', 'min']))}")
    wanted = 2 if name in ("swish", "leaky_relu", "elu", "celu", "snake") else 1
    if name in ("max", "min"):
        wanted = max(2, len(arguments))
    if len(arguments) != wanted:
        raise ValueError(f"{name} takes {wanted} argument(s), got {len(arguments)}")
    for argument in arguments:
        check(argument)
    if name in FUNCTIONS and any(depends_on_z(argument) for argument in arguments[1:]):
        raise ValueError(f"the second argument of {name} must be a constant, write the formula out if it varies with z")


def depends_on_z(tree: Tree) -> bool:
    """Whether the leaf ("z",) occurs in the tree."""
    return tree == ("z",) or any(isinstance(part, tuple) and depends_on_z(part) for part in tree)


def _evaluate(tree: Tree, z: Tensor) -> Dual:
    head = tree[0]
    if head == "z":
        return z, torch.ones_like(z)
    if head == "rational":
        return torch.full_like(z, int(tree[1]) / int(tree[2])), None
    if head == "constant":
        return torch.full_like(z, math.pi if tree[1] == "pi" else math.e), None
    if head == "add":
        return _add([_evaluate(part, z) for part in tree[1:]])
    if head == "mul":
        return _multiply([_evaluate(part, z) for part in tree[1:]])
    if head == "pow":
        return _power(tree[1], tree[2], z)
    if head == "piecewise":
        return _piecewise(tree[1:], z)
    return _call(tree[1], [_evaluate(argument, z) for argument in tree[2:]])


def _add(parts: list[Dual]) -> Dual:
    total, slope = parts[0]
    for value, change in parts[1:]:
        total = total + value
        slope = change if slope is None else slope if change is None else slope + change
    return total, slope


def _multiply(parts: list[Dual]) -> Dual:
    total, slope = parts[0]
    for value, change in parts[1:]:
        left = None if slope is None else slope * value
        right = None if change is None else total * change
        total = total * value
        slope = right if left is None else left if right is None else left + right
    return total, slope


def _power(base: Tree, exponent: Tree, z: Tensor) -> Dual:
    root, root_slope = _evaluate(base, z)
    if exponent[0] == "rational":
        top, bottom = int(exponent[1]), int(exponent[2])
        power: int | float = top // bottom if top % bottom == 0 else top / bottom
        value = root**power
        return value, None if root_slope is None or power == 0 else power * root ** (power - 1) * root_slope
    height, height_slope = _evaluate(exponent, z)
    value = root**height
    parts: list[Dual] = []
    if root_slope is not None:
        parts.append((value, height * root ** (height - 1) * root_slope))
    if height_slope is not None:
        parts.append((value, value * torch.log(root) * height_slope))
    slopes = [slope for _, slope in parts if slope is not None]
    return value, None if not slopes else sum(slopes[1:], slopes[0])


def _call(name: str, arguments: list[Dual]) -> Dual:
    if name in ("max", "min"):
        best, slope = arguments[0]
        slope = torch.zeros_like(best) if slope is None else slope
        for other, change in arguments[1:]:
            wins = other > best if name == "max" else other < best
            slope = torch.where(wins, torch.zeros_like(other) if change is None else change, slope)
            best = torch.where(wins, other, best)
        return best, slope
    function, derivative = FUNCTIONS[name]
    inner, inner_slope = arguments[0]
    extra = [value for value, _ in arguments[1:]]
    value = function(inner, *extra)
    return value, None if inner_slope is None else derivative(inner, *extra) * inner_slope


def _piecewise(branches: tuple[Tree, ...], z: Tensor) -> Dual:
    value, slope = torch.full_like(z, math.nan), torch.full_like(z, math.nan)
    for condition, branch in reversed(branches):
        there, change = _evaluate(branch, z)
        change = torch.zeros_like(z) if change is None else change
        if condition[0] == "true":
            value, slope = there, change
            continue
        left, right = _evaluate(condition[1], z)[0], _evaluate(condition[2], z)[0]
        holds = left < right if condition[0] == "less" else left <= right
        value, slope = torch.where(holds, there, value), torch.where(holds, change, slope)
    return value, slope
