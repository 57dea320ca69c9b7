"""One-sided Taylor coefficients of an activation at 0, by truncated power series with ball coefficients (FLINT).

The numeric witness needs them for one purpose: phi(z) = z s'(z) - s(z) cancels near 0 (phi is O(z^q), its two terms
are O(z)), so there it is summed as sum_k (k-1) a_k z^k (THEORY section 0).  Balls tell an exact zero from a small
coefficient: at 256 bits a ball that contains 0 has a radius far below any coefficient of interest.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import flint

Tree = tuple[Any, ...]
Series = Any  # flint.arb_series

_BITS = 256
_LOST_BITS = 156  # a ball that contains 0 is 0 if its radius is below 2^(lost - working bits); else it is refused


class NotExpandableError(ValueError):
    """The expression has no one-sided power series at 0 (a pole, a branch point, an undecidable sign)."""


def taylor(tree: Tree, order: int, side: int = 1, bits: int = _BITS) -> tuple[float, ...]:
    """Coefficients a_0 .. a_order of `tree` at 0, as approached from the side +1 or -1, rounded to float64.

    `tree` is a neutral tree of nested tuples; `bits` is the working precision, of which 156 may be lost.
    Raises NotExpandableError where there is no power series.
    """
    with flint.ctx.workprec(bits):
        cap = flint.ctx.cap
        flint.ctx.cap = order + 1
        try:
            series = _expand(tree, order + 1, side)
            return tuple(_rounded(series[k]) for k in range(order + 1))
        except NotExpandableError:
            raise
        except (ArithmeticError, ValueError) as problem:
            raise NotExpandableError(f"no power series at 0: {problem}") from problem
        finally:
            flint.ctx.cap = cap


def _rounded(ball: Any) -> float:
    if not ball.is_finite():
        raise NotExpandableError("a coefficient is not finite at 0")
    if ball.contains(0):
        if float(ball.rad()) > 2.0 ** (_LOST_BITS - flint.ctx.prec):
            raise NotExpandableError("a coefficient at 0 is known too poorly")
        return 0.0
    return float(ball)


def _constant(value: Any, terms: int) -> Series:
    return flint.arb_series([value], prec=terms)


def _rational(value: Fraction | float | int) -> Any:
    fraction = Fraction(value)
    return flint.arb(flint.fmpq(fraction.numerator, fraction.denominator))


def _expand(tree: Tree, terms: int, side: int) -> Series:
    head = tree[0]
    if head == "z":
        return flint.arb_series([0, 1], prec=terms)
    if head == "rational":
        return _constant(_rational(Fraction(int(tree[1]), int(tree[2]))), terms)
    if head == "constant":
        return _constant({"pi": flint.arb.pi, "e": flint.arb.const_e}[tree[1]](), terms)
    if head == "piecewise":
        return _piecewise(tree[1:], terms, side)
    if head == "add":
        return sum((_expand(t, terms, side) for t in tree[1:]), _constant(0, terms))
    if head == "mul":
        product = _constant(1, terms)
        for factor in tree[1:]:
            product = product * _expand(factor, terms, side)
        return product
    if head == "pow":
        return _power(tree[1], tree[2], terms, side)
    if head == "call":
        return _call(tree[1], [_expand(argument, terms, side) for argument in tree[2:]], terms, side)
    raise NotExpandableError(f"unknown node {head!r}")


def _power(base: Tree, exponent: Tree, terms: int, side: int) -> Series:
    root = _expand(base, terms, side)
    if exponent[0] == "rational" and int(exponent[2]) == 1:
        count = int(exponent[1])
        power = _constant(1, terms)
        for _ in range(abs(count)):
            power = power * root
        return power if count >= 0 else 1 / power
    return (root.log() * _expand(exponent, terms, side)).exp()


def _sign(series: Series, terms: int, side: int) -> int:
    """Sign of the series on the given side of 0, from its first non-zero coefficient."""
    for k in range(terms):
        value = _rounded(series[k])
        if value != 0.0:
            return (1 if value > 0 else -1) * (side if k % 2 else 1)
    return 0


def _piecewise(branches: tuple[Tree, ...], terms: int, side: int) -> Series:
    for condition, value in branches:
        if condition[0] == "true":
            return _expand(value, terms, side)
        gap = _expand(condition[1], terms, side) - _expand(condition[2], terms, side)
        sign = _sign(gap, terms, side)
        if sign < 0 or (sign == 0 and condition[0] == "less_equal"):
            return _expand(value, terms, side)
    raise NotExpandableError("no branch applies at 0")


def _call(name: str, arguments: list[Series], terms: int, side: int) -> Series:
    z = arguments[0]
    if name in ("exp", "log", "sin", "cos", "tan", "asin", "acos", "atan", "sqrt", "erf", "erfc"):
        return getattr(z, name)()
    smooth = _SMOOTH.get(name)
    if smooth is not None:
        return smooth(*arguments)
    if name in ("max", "min"):
        best = z
        for other in arguments[1:]:
            sign = _sign(other - best, terms, side)
            best = other if sign == (1 if name == "max" else -1) else best
        return best
    return _kinked(name, arguments, terms, side)


def _kinked(name: str, arguments: list[Series], terms: int, side: int) -> Series:
    """Functions with a kink: the branch is chosen by the sign of the argument on this side of 0."""
    z = arguments[0]
    zero, one = _constant(0, terms), _constant(1, terms)
    if name == "hardtanh":
        return _clamp(z, -1, 1, terms, side)
    if name == "hardswish":
        return z * _clamp(z + 3, 0, 6, terms, side) / 6
    positive = _sign(z, terms, side) > 0
    negative = _sign(z, terms, side) < 0
    if name == "relu":
        return z if positive else zero
    if name == "squared_relu":
        return z * z if positive else zero
    if name == "leaky_relu":
        return z if positive else arguments[1] * z
    if name == "abs":
        return z if positive else -z
    if name == "sign":
        return one if positive else (-one if negative else zero)
    if name == "heaviside":
        return one if positive else zero
    if name == "softsign":
        return z / (1 + (z if positive else -z))
    if name == "elu":
        return z if positive else arguments[1] * (z.exp() - 1)
    if name == "selu":
        scale, alpha = (flint.arb(text) for text in _SELU)
        return scale * z if positive else scale * alpha * (z.exp() - 1)
    if name == "celu":
        return z if positive else arguments[1] * ((z / arguments[1]).exp() - 1)
    raise NotExpandableError(f"unknown function {name!r}")


def _clamp(z: Series, low: int, high: int, terms: int, side: int) -> Series:
    if _sign(z - low, terms, side) <= 0:
        return _constant(low, terms)
    if _sign(z - high, terms, side) >= 0:
        return _constant(high, terms)
    return z


_SELU = ("1.0507009873554804934193349852946", "1.6732632423543772848170429916717")


def _sinh(z: Series) -> Series:
    return (z.exp() - (-z).exp()) / 2


def _cosh(z: Series) -> Series:
    return (z.exp() + (-z).exp()) / 2


def _sigmoid(z: Series) -> Series:
    return 1 / (1 + (-z).exp())


def _tanh(z: Series) -> Series:
    return _sinh(z) / _cosh(z)


def _gelu(z: Series) -> Series:
    return z * (1 + (z / flint.arb(2).sqrt()).erf()) / 2


def _gelu_tanh(z: Series) -> Series:
    inner = (z + _rational(Fraction(44715, 1000000)) * z * z * z) * (2 / flint.arb.pi()).sqrt()
    return z * (1 + _tanh(inner)) / 2


_SMOOTH: dict[str, Callable[..., Series]] = {
    "sinh": _sinh,
    "cosh": _cosh,
    "tanh": _tanh,
    "asinh": lambda z: (z + (1 + z * z).sqrt()).log(),
    "acosh": lambda z: (z + (z * z - 1).sqrt()).log(),
    "atanh": lambda z: ((1 + z) / (1 - z)).log() / 2,
    "sigmoid": _sigmoid,
    "softplus": lambda z: (1 + z.exp()).log(),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": lambda z: z * _sigmoid(z),
    "swish": lambda z, beta: z * _sigmoid(beta * z),
    "mish": lambda z: z * _tanh((1 + z.exp()).log()),
    "snake": lambda z, a: z + (a * z).sin() * (a * z).sin() / a,
    "gaussian": lambda z: (-(z * z)).exp(),
    "logcosh": lambda z: _cosh(z).log(),
}
