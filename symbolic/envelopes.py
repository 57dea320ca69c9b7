"""Rigorous growth bounds on a tail u >= R (or u <= -R), for the explicit bound of a truncated Gaussian integral.

A :class:`Growth` holds a range [low, high] of f on the tail and an envelope
``|f(u)| <= factor * (1 + |u|)^degree * exp(rate |u| + curvature u^2)``; a polynomial of degree at most 2
in |u| is carried along exactly, so that exp of it keeps its true rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from flint import arb, fmpq

from symbolic.trees import Tree

Ball = Any  # flint.arb
INFINITY = arb.pos_inf()


@dataclass(frozen=True)
class Growth:
    """Range and envelope of a function on one tail (class docstring of the module)."""

    low: Ball
    high: Ball
    factor: Ball
    degree: Ball
    rate: Ball
    curvature: Ball
    polynomial: tuple[Ball, Ball, Ball] | None = None

    def tightened(self) -> Growth:
        """A bounded function needs no more than its bound as envelope."""
        if self.low.is_finite() and self.high.is_finite():
            return replace(
                self, factor=_largest(abs(self.low), abs(self.high)), degree=arb(0), rate=arb(0), curvature=arb(0)
            )
        return self

    @property
    def bounded(self) -> bool:
        """Whether the range is finite."""
        return bool(self.low.is_finite() and self.high.is_finite())


def _largest(*values: Ball) -> Ball:
    return reduce(lambda a, b: a.max(b), values).upper()


def _smallest(*values: Ball) -> Ball:
    return reduce(lambda a, b: a.min(b), values).lower()


def tail_variable(start: Ball, side: int) -> Growth:
    """The variable u itself on u >= start (side 1) or u <= -start (side -1)."""
    low, high = (start, INFINITY) if side > 0 else (-INFINITY, -start)
    zero = arb(0)
    return Growth(low, high, arb(1), arb(1), zero, zero, (zero, arb(side), zero))


def constant(value: Ball) -> Growth:
    """A constant."""
    zero = arb(0)
    return Growth(value.lower(), value.upper(), abs(value).upper(), zero, zero, zero, (value, zero, zero))


def _bounded(low: Any, high: Any) -> Growth:
    zero, low, high = arb(0), arb(low).lower(), arb(high).upper()
    return Growth(low, high, _largest(abs(low), abs(high)), zero, zero, zero)


def growth(tree: Tree, variable: Growth) -> Growth:
    """Growth of an elementary tree whose variable z grows as given.

    Raises ValueError where the rules find no bound (a pole or a branch point that may lie on the tail).
    """
    kind = tree[0]
    if kind == "z":
        return variable
    if kind == "rational":
        return constant(arb(fmpq(tree[1], tree[2])))
    if kind == "constant":
        return constant(arb.pi() if tree[1] == "pi" else arb.const_e())
    if kind == "add":
        return reduce(_sum, (growth(part, variable) for part in tree[1:])).tightened()
    if kind == "mul":
        return reduce(product, (growth(part, variable) for part in tree[1:])).tightened()
    if kind == "pow":
        return _pow(tree, variable).tightened()
    if kind == "piecewise":
        return _piecewise(tree, variable).tightened()
    arguments = [growth(argument, variable) for argument in tree[2:]]
    return _CALLS[tree[1]](*arguments).tightened()


def _sum(left: Growth, right: Growth) -> Growth:
    polynomial = None
    if left.polynomial and right.polynomial:
        a, b = left.polynomial, right.polynomial
        polynomial = (a[0] + b[0], a[1] + b[1], a[2] + b[2])
    return Growth(
        (left.low + right.low).lower(),
        (left.high + right.high).upper(),
        (left.factor + right.factor).upper(),
        _largest(left.degree, right.degree),
        _largest(left.rate, right.rate),
        _largest(left.curvature, right.curvature),
        polynomial,
    )


def _times(a: Ball, b: Ball) -> Ball:
    """Product of two ends of ranges; an infinite end is never attained, so 0 * infinity is 0."""
    if (a.is_zero() and not b.is_finite()) or (b.is_zero() and not a.is_finite()):
        return arb(0)
    return a * b


def product(left: Growth, right: Growth) -> Growth:
    """Growth of a product."""
    ends = [_times(a, b) for a in (left.low, left.high) for b in (right.low, right.high)]
    polynomial = None
    if left.polynomial and right.polynomial:
        polynomial = _polynomial_product(left.polynomial, right.polynomial)
    return Growth(
        _smallest(*ends),
        _largest(*ends),
        (left.factor * right.factor).upper(),
        (left.degree + right.degree).upper(),
        (left.rate + right.rate).upper(),
        (left.curvature + right.curvature).upper(),
        polynomial,
    )


def _polynomial_product(a: tuple[Ball, ...], b: tuple[Ball, ...]) -> tuple[Ball, Ball, Ball] | None:
    cubic, quartic = a[1] * b[2] + a[2] * b[1], a[2] * b[2]
    if not (cubic.is_zero() and quartic.is_zero()):
        return None
    return (a[0] * b[0], a[0] * b[1] + a[1] * b[0], a[0] * b[2] + a[1] * b[1] + a[2] * b[0])


def _pow(tree: Tree, variable: Growth) -> Growth:
    base, exponent = growth(tree[1], variable), tree[2]
    if exponent[0] != "rational":
        if tree[1] == ("constant", "e"):
            return _exp(growth(exponent, variable))
        return _exp(product(growth(exponent, variable), _log(base)))
    return rational_power(base, fmpq(exponent[1], exponent[2]))


def rational_power(base: Growth, exponent: Any) -> Growth:
    """Growth of a rational power; a negative one needs a range that excludes 0."""
    if exponent == 0:
        return constant(arb(1))
    if exponent < 0:
        return rational_power(_reciprocal(base), -exponent)
    if exponent.q != 1 and not base.low >= 0:
        raise ValueError("no bound on the tail for a root of an expression that may be negative there")
    low, high = _power_range(base, exponent)
    power = arb(exponent)
    polynomial = base.polynomial
    if exponent != 1 and polynomial is not None:
        polynomial = _polynomial_product(polynomial, polynomial) if exponent == 2 else None
    scaled = ((base.degree * power).upper(), (base.rate * power).upper(), (base.curvature * power).upper())
    return Growth(low, high, (base.factor**power).upper(), *scaled, polynomial)


def _power_range(base: Growth, exponent: Any) -> tuple[Ball, Ball]:
    def end(value: Ball) -> Ball:
        if not value.is_finite():
            return INFINITY if value > 0 or int(exponent.p) % 2 == 0 else -INFINITY
        return value ** int(exponent.p) if exponent.q == 1 else value ** arb(exponent)

    ends = [end(base.low), end(base.high)]
    if exponent.q == 1 and exponent.p % 2 == 0 and base.low < 0 and base.high > 0:
        return arb(0), _largest(*ends)
    return _smallest(*ends), _largest(*ends)


def _reciprocal(base: Growth) -> Growth:
    if base.low > 0:
        return _bounded(1 / base.high if base.high.is_finite() else 0, 1 / base.low)
    if base.high < 0:
        return _bounded(1 / base.high, 1 / base.low if base.low.is_finite() else 0)
    raise ValueError("no bound on the tail for a quotient whose denominator may vanish there")


def _exponential_envelope(inner: Growth, absolute: bool) -> tuple[Ball, Ball, Ball]:
    """log-factor, rate and curvature of exp(f), or of exp(|f|)."""
    if inner.polynomial is not None:
        parts = [abs(c) for c in inner.polynomial] if absolute else list(inner.polynomial)
        return parts[0].upper(), parts[1].upper(), parts[2].upper()
    bound = abs(inner.high).max(abs(inner.low)) if absolute else inner.high
    if bound.is_finite():
        return bound.upper(), arb(0), arb(0)
    if inner.rate.is_zero() and inner.curvature <= 0 and inner.degree <= 1:
        return inner.factor, inner.factor, arb(0)
    if inner.rate.is_zero() and inner.curvature <= 0 and inner.degree <= 2:
        return 2 * inner.factor, arb(0), 2 * inner.factor
    raise ValueError("no bound on the tail: an exponential of something that grows faster than u^2")


def _exp(inner: Growth) -> Growth:
    low = inner.low.exp().lower() if inner.low.is_finite() else arb(0)
    high = inner.high.exp().upper() if inner.high.is_finite() else INFINITY
    if not inner.high.is_finite() and inner.high < 0:
        high = arb(0)
    logarithm, rate, curvature = _exponential_envelope(inner, absolute=False)
    return Growth(low, high, logarithm.exp().upper(), arb(0), rate, curvature)


def _hyperbolic(inner: Growth, name: str) -> Growth:
    logarithm, rate, curvature = _exponential_envelope(inner, absolute=True)
    low = getattr(inner.low, name)().lower() if inner.low.is_finite() else -INFINITY
    high = getattr(inner.high, name)().upper() if inner.high.is_finite() else INFINITY
    if name == "cosh":
        ends = [value.cosh() if value.is_finite() else INFINITY for value in (inner.low, inner.high)]
        low = arb(1) if inner.low <= 0 and inner.high >= 0 else _smallest(*ends)
        high = _largest(*ends)
    return Growth(low, high, logarithm.exp().upper(), arb(0), rate, curvature)


def _log(inner: Growth) -> Growth:
    """log f <= log factor + degree log(1 + |u|) + rate |u| + curvature u^2, and log(1 + |u|) <= 1 + |u|."""
    if not inner.low > 0:
        raise ValueError("no bound on the tail for log of an expression that may vanish there")
    low = inner.low.log().lower()
    high = inner.high.log().upper() if inner.high.is_finite() else INFINITY
    if inner.polynomial is not None and inner.polynomial[1].is_zero() and inner.polynomial[2].is_zero():
        return constant(inner.polynomial[0].log())
    parts = [_largest(arb(0), part) for part in (inner.degree, inner.rate, inner.curvature)]
    factor = (abs(low) + abs(inner.factor.log()) + parts[0] + parts[1] + parts[2]).upper()
    return Growth(low, high, factor, arb(2) if parts[2] > 0 else arb(1), arb(0), arb(0))


def _monotone(name: str, at_minus_infinity: Ball, at_infinity: Ball) -> Callable[[Growth], Growth]:
    def rule(inner: Growth) -> Growth:
        low = getattr(inner.low, name)().lower() if inner.low.is_finite() else at_minus_infinity
        high = getattr(inner.high, name)().upper() if inner.high.is_finite() else at_infinity
        if not inner.low.is_finite() and inner.low > 0:
            low = at_infinity
        return replace(inner, low=low, high=high, polynomial=None)

    return rule


def _inside(name: str, border: int) -> Callable[[Growth], Growth]:
    def rule(inner: Growth) -> Growth:
        if not (inner.low >= -border and inner.high <= border):
            raise ValueError(f"no bound on the tail: {name} of an expression that may leave its domain")
        ends = [getattr(inner.low, name)(), getattr(inner.high, name)()]
        return _bounded(_smallest(*ends), _largest(*ends))

    return rule


def _tan(_inner: Growth) -> Growth:
    raise ValueError("no bound on the tail: tan has poles")


def _acosh(inner: Growth) -> Growth:
    if not inner.low >= 1:
        raise ValueError("no bound on the tail: acosh of an expression that may leave its domain")
    high = inner.high.acosh().upper() if inner.high.is_finite() else INFINITY
    return replace(inner, low=inner.low.acosh().lower(), high=high, polynomial=None)


def _abs(inner: Growth) -> Growth:
    high = _largest(abs(inner.low), abs(inner.high))
    inside = inner.low <= 0 and inner.high >= 0
    low = arb(0) if inside else _smallest(abs(inner.low), abs(inner.high))
    polynomial = inner.polynomial if inner.low >= 0 else None
    if inner.high <= 0 and inner.polynomial is not None:
        a, b, c = inner.polynomial
        polynomial = (-a, -b, -c)
    return replace(inner, low=low, high=high, polynomial=polynomial)


def _extremum(direction: int) -> Callable[..., Growth]:
    def pair(left: Growth, right: Growth) -> Growth:
        pick = _largest if direction > 0 else _smallest
        if left.low >= right.high:
            return left if direction > 0 else right
        if right.low >= left.high:
            return right if direction > 0 else left
        both = replace(_sum(left, right), polynomial=None)
        low, high = pick(left.low, right.low), pick(left.high, right.high)
        return replace(both, low=low, high=high)

    return lambda *arguments: reduce(pair, arguments)


def _piecewise(tree: Tree, variable: Growth) -> Growth:
    hull: Growth | None = None
    for condition, value in tree[1:]:
        gap = _gap(condition, variable)
        if gap is not None and gap.high < 0:
            continue
        branch = growth(value, variable)
        hull = branch if hull is None else _hull(hull, branch)
        if gap is None or gap.low > 0:
            return hull
    raise ValueError("a piecewise function that is not defined on the whole tail")


def _gap(condition: Tree, variable: Growth) -> Growth | None:
    if condition[0] == "true":
        return None
    minus = product(constant(arb(-1)), growth(condition[1], variable))
    return _sum(growth(condition[2], variable), minus)


def _hull(left: Growth, right: Growth) -> Growth:
    both = _sum(left, right)
    return replace(both, low=_smallest(left.low, right.low), high=_largest(left.high, right.high), polynomial=None)


_HALF_PI = arb.pi() / 2
_CALLS: dict[str, Callable[..., Growth]] = {
    "exp": _exp,
    "log": _log,
    "sin": lambda _inner: _bounded(-1, 1),
    "cos": lambda _inner: _bounded(-1, 1),
    "tan": _tan,
    "asin": _inside("asin", 1),
    "acos": _inside("acos", 1),
    "atan": _monotone("atan", -_HALF_PI.upper(), _HALF_PI.upper()),
    "sinh": lambda inner: _hyperbolic(inner, "sinh"),
    "cosh": lambda inner: _hyperbolic(inner, "cosh"),
    "tanh": _monotone("tanh", arb(-1), arb(1)),
    "asinh": _monotone("asinh", -INFINITY, INFINITY),
    "acosh": _acosh,
    "atanh": _inside("atanh", 1),
    "erf": _monotone("erf", arb(-1), arb(1)),
    "abs": _abs,
    "sign": lambda _inner: _bounded(-1, 1),
    "heaviside": lambda _inner: _bounded(0, 1),
    "max": _extremum(1),
    "min": _extremum(-1),
}
