"""Splitting a tree with kinks into pieces without them.

abs, sign, heaviside, max, min and piecewise whose deciding argument is affine in u are resolved: the line is cut at the
zeros and each piece gets the tree with the active branch only. A kink with another argument stays where it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cmp_to_key
from itertools import pairwise

from flint import fmpq

from symbolic import exact, exact_functions, trees
from symbolic.exact import PI, Exact, number
from symbolic.trees import Tree

ZERO, ONE = number(0), number(1)
LARGEST_POWER = 64


@dataclass(frozen=True)
class Interval:
    """An interval of u; None stands for an infinite end."""

    low: Exact | None = None
    high: Exact | None = None

    @property
    def whole_line(self) -> bool:
        """Whether both ends are infinite."""
        return self.low is None and self.high is None

    def inside(self) -> Exact:
        """A point strictly inside."""
        if self.low is None:
            return ZERO if self.high is None else self.high - ONE
        return self.low + ONE if self.high is None else (self.low + self.high).scaled(fmpq(1, 2))

    def holds(self, point: Exact) -> bool:
        """Whether the point lies strictly inside."""
        above = self.low is None or exact.sign(point - self.low) > 0
        return above and (self.high is None or exact.sign(self.high - point) > 0)


@dataclass(frozen=True)
class Affine:
    """The function offset + slope * u."""

    offset: Exact
    slope: Exact

    def scaled(self, factor: Exact) -> Affine:
        """The function times a constant."""
        return Affine(self.offset * factor, self.slope * factor)

    def at(self, u: Exact) -> Exact:
        """The value at u."""
        return self.offset + self.slope * u


IDENTITY = Affine(ZERO, ONE)


def affine(tree: Tree, argument: Affine | None) -> Affine | None:
    """The tree as an affine function of u when z is the given affine function and the tree is written as one."""
    kind, parts = tree[0], tree[1:]
    if kind == "z":
        return argument
    if kind == "rational":
        return Affine(number(fmpq(parts[0], parts[1])), ZERO)
    if kind == "constant":
        return Affine(PI if parts[0] == "pi" else exact_functions.exponential(ONE), ZERO)
    if kind not in ("add", "mul", "pow"):
        return None
    values = [affine(part, argument) for part in parts]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    if kind == "add":
        return Affine(exact.total(v.offset for v in known), exact.total(v.slope for v in known))
    return _product(known) if kind == "mul" else _power(known[0], parts[1])


def _product(values: list[Affine]) -> Affine | None:
    result = Affine(ONE, ZERO)
    for value in values:
        if result.slope.terms and value.slope.terms:
            return None
        slope = result.slope * value.offset + result.offset * value.slope
        result = Affine(result.offset * value.offset, slope)
    return result


def _power(base: Affine, exponent: Tree) -> Affine | None:
    if exponent == trees.rational(1):
        return base
    if base.slope.terms or exponent[0] != "rational" or abs(exponent[1]) > LARGEST_POWER:
        return None
    if not base.offset.terms and exponent[1] < 0:
        return None
    if exponent[2] != 1 and exact.sign(base.offset) < 0:
        return None
    return Affine(exact.power(base.offset, fmpq(exponent[1], exponent[2])), ZERO)


def resolve(tree: Tree, argument: Affine | None, interval: Interval) -> list[tuple[Interval, Tree]]:
    """The tree cut into pieces of the interval on which its affine kinks are resolved; z is the given function of u."""
    if argument is None:
        return [(interval, tree)]
    cuts = [cut for cut in _zeros(tree, argument) if interval.holds(cut)]
    ends = [interval.low, *_ordered(cuts), interval.high]
    pieces = []
    for low, high in pairwise(ends):
        piece = Interval(low, high)
        chosen = _specialised(tree, argument, piece.inside())
        # Resolving the inner kinks may have made the argument of an outer one affine.
        pieces += [(piece, tree)] if chosen == tree else resolve(chosen, argument, piece)
    return pieces


def _compare(a: Exact, b: Exact) -> int:
    return exact.sign(a - b)


def _ordered(points: list[Exact]) -> list[Exact]:
    kept: list[Exact] = []
    for point in sorted(points, key=cmp_to_key(_compare)):
        if not kept or not exact.is_zero(point - kept[-1]):
            kept.append(point)
    return kept


def _deciding(tree: Tree) -> list[Tree]:
    """The trees whose signs decide which branch of this node is taken."""
    if tree[0] == "piecewise":
        conditions = [condition for condition, _ in tree[1:] if condition[0] != "true"]
        return [trees.add(condition[2], trees.negative(condition[1])) for condition in conditions]
    if tree[0] == "call" and tree[1] in ("max", "min"):
        arguments = tree[2:]
        pairs = [(a, b) for position, a in enumerate(arguments) for b in arguments[position + 1 :]]
        return [trees.add(a, trees.negative(b)) for a, b in pairs]
    return [tree[2]] if tree[0] == "call" and tree[1] in trees.KINKED else []


def _zeros(tree: Tree, argument: Affine) -> list[Exact]:
    found = []
    for deciding in _deciding(tree):
        line = affine(deciding, argument)
        if line is not None and not exact.is_zero(line.slope):
            found.append(-line.offset * exact.power(line.slope, fmpq(-1)))
    return found + [zero for part in tree if isinstance(part, tuple) for zero in _zeros(part, argument)]


def _specialised(tree: Tree, argument: Affine, inside: Exact) -> Tree:
    """The tree with every node replaced whose deciding signs are all known at a point inside the piece."""
    signs = [_sign(deciding, argument, inside) for deciding in _deciding(tree)]
    if signs and None not in signs:
        return _specialised(_branch(tree, [sign or 0 for sign in signs]), argument, inside)
    return tuple(_specialised(part, argument, inside) if isinstance(part, tuple) else part for part in tree)


def _sign(tree: Tree, argument: Affine, inside: Exact) -> int | None:
    line = affine(tree, argument)
    return None if line is None else exact.sign(line.at(inside))


def _branch(tree: Tree, signs: list[int]) -> Tree:
    """The active branch of a kinked node, from the signs of its deciding trees in their order."""
    if tree[0] == "piecewise":
        remaining = iter(signs)
        value: Tree
        for condition, value in tree[1:]:
            if condition[0] == "true":
                return value
            sign = next(remaining)
            if sign > 0 or (sign == 0 and condition[0] == "less_equal"):
                return value
        raise ValueError("a piecewise function that is not defined on the whole line")
    name = tree[1]
    if name in ("max", "min"):
        return _extremum(tree, signs)
    sign = signs[0]
    if name == "abs":
        inner: Tree = tree[2]
        return inner if sign >= 0 else trees.negative(inner)
    return trees.rational(sign) if name == "sign" else ("rational", 1 + sign, 2)


def _extremum(tree: Tree, signs: list[int]) -> Tree:
    direction, arguments = (1 if tree[1] == "max" else -1), tree[2:]
    pairs = [(a, b) for a in range(len(arguments)) for b in range(a + 1, len(arguments))]
    beaten = {b if direction * sign >= 0 else a for (a, b), sign in zip(pairs, signs, strict=True)}
    best: Tree = next(argument for position, argument in enumerate(arguments) if position not in beaten)
    return best
