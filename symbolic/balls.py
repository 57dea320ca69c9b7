"""Ball evaluation of elementary trees on complex balls, fit for certified integration.

The rule of Arb's integrator: with ``analytic`` set, a value must be finite only if the function is analytic on the
whole ball. Poles take care of themselves; branch cuts and kinks are checked here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flint import acb, arb, fmpq

from symbolic.trees import Tree

Ball = Any  # flint.acb

_ENTIRE_OR_MEROMORPHIC = ("exp", "sin", "cos", "tan", "sinh", "cosh", "tanh", "erf")


def undefined() -> Ball:
    """The ball that says nothing."""
    return acb(arb.nan())


def evaluate(tree: Tree, z: Ball, analytic: bool, done: dict[Tree, Ball] | None = None) -> Ball:
    """A ball that contains the tree's value on the ball z; not finite when it cannot be bounded there."""
    cache = {} if done is None else done
    if tree not in cache:
        cache[tree] = _RULES[tree[0]](tree, z, analytic, cache)
    return cache[tree]


def _variable(_tree: Tree, z: Ball, _analytic: bool, _done: dict[Tree, Ball]) -> Ball:
    return z


def _rational(tree: Tree, _z: Ball, _analytic: bool, _done: dict[Tree, Ball]) -> Ball:
    return acb(fmpq(tree[1], tree[2]))


def _constant(tree: Tree, _z: Ball, _analytic: bool, _done: dict[Tree, Ball]) -> Ball:
    return acb(arb.pi() if tree[1] == "pi" else arb.const_e())


def _add(tree: Tree, z: Ball, analytic: bool, done: dict[Tree, Ball]) -> Ball:
    value = evaluate(tree[1], z, analytic, done)
    for term in tree[2:]:
        value = value + evaluate(term, z, analytic, done)
    return value


def _mul(tree: Tree, z: Ball, analytic: bool, done: dict[Tree, Ball]) -> Ball:
    value = evaluate(tree[1], z, analytic, done)
    for factor in tree[2:]:
        value = value * evaluate(factor, z, analytic, done)
    return value


def _pow(tree: Tree, z: Ball, analytic: bool, done: dict[Tree, Ball]) -> Ball:
    base, exponent = evaluate(tree[1], z, analytic, done), tree[2]
    if exponent[0] == "rational" and exponent[2] == 1:
        return base ** exponent[1]
    if exponent[0] == "rational" and exponent[2] == 2:
        root = base.sqrt(analytic=analytic)
        return root ** exponent[1]
    if tree[1] == ("constant", "e"):
        return evaluate(exponent, z, analytic, done).exp()
    return (evaluate(exponent, z, analytic, done) * base.log(analytic=analytic)).exp()


def _call(tree: Tree, z: Ball, analytic: bool, done: dict[Tree, Ball]) -> Ball:
    name, arguments = tree[1], [evaluate(argument, z, analytic, done) for argument in tree[2:]]
    first = arguments[0]
    if name in _ENTIRE_OR_MEROMORPHIC:
        return getattr(first, name)()
    if name == "log":
        return first.log(analytic=analytic)
    if name in _CUT:
        if analytic and _CUT[name](first):
            return undefined()
        return _asinh(first, analytic) if name == "asinh" else getattr(first, name)()
    if name == "abs":
        return first.real_abs(analytic=analytic)
    if name == "sign":
        return first.real_sgn(analytic=analytic)
    if name == "heaviside":
        return first.real_heaviside(analytic=analytic)
    combine = acb.real_max if name == "max" else acb.real_min
    for other in arguments[1:]:
        first = combine(first, other, analytic=analytic)
    return first


def _asinh(z: Ball, analytic: bool) -> Ball:
    """log(z + sqrt(1 + z^2)) for Re z >= 0, by oddness elsewhere: tighter on wide balls than Arb's route by asin."""
    if z.real < 0:
        return -_asinh(-z, analytic)
    return (z + (1 + z * z).sqrt(analytic=analytic)).log(analytic=analytic)


def _on_imaginary_cut(z: Ball) -> bool:
    return bool(z.real.contains(0) and not (abs(z.imag) < 1))


def _on_real_cut(z: Ball) -> bool:
    return bool(z.imag.contains(0) and not (abs(z.real) < 1))


def _below_one(z: Ball) -> bool:
    return bool(z.imag.contains(0) and not (z.real > 1))


_CUT: dict[str, Callable[[Ball], bool]] = {
    "atan": _on_imaginary_cut,
    "asinh": _on_imaginary_cut,
    "asin": _on_real_cut,
    "acos": _on_real_cut,
    "atanh": _on_real_cut,
    "acosh": _below_one,
}


def _piecewise(tree: Tree, z: Ball, analytic: bool, done: dict[Tree, Ball]) -> Ball:
    """The branch that the whole ball is in; the hull of all that it may be in where it straddles a border."""
    hull: Ball | None = None
    for condition, value in tree[1:]:
        holds = _condition(condition, z, analytic, done)
        if holds is False:
            continue
        if holds is None and analytic:
            return undefined()
        branch = evaluate(value, z, analytic, done)
        hull = branch if hull is None else hull.union(branch)
        if holds is True:
            return hull
    return undefined()


def _condition(condition: Tree, z: Ball, analytic: bool, done: dict[Tree, Ball]) -> bool | None:
    """True or False when the whole ball agrees, else None; "less" and "less_equal" differ on a null set only."""
    if condition[0] == "true":
        return True
    gap = (evaluate(condition[2], z, analytic, done) - evaluate(condition[1], z, analytic, done)).real
    if gap > 0:
        return True
    return False if gap < 0 else None


_RULES: dict[str, Callable[[Tree, Ball, bool, dict[Tree, Ball]], Ball]] = {
    "z": _variable,
    "rational": _rational,
    "constant": _constant,
    "add": _add,
    "mul": _mul,
    "pow": _pow,
    "call": _call,
    "piecewise": _piecewise,
}
