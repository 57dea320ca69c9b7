"""Formulas of the theory in ball arithmetic: an expression in a_k, alpha, M_k, b_l, c2, xi_m becomes a number."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from typing import Any

import flint
import sympy as sp
from flint import arb, fmpq

from symbolic.activations import Activation
from symbolic.certified_constants import CertifiedConstants, gain_ball
from symbolic.chains import working_bits
from symbolic.classes import classify
from symbolic.moments import Constant, constant_from_ball
from symbolic.normal_form import make_bottleneck
from symbolic.rate import ALPHA
from symbolic.reduced_gains import ReducedGains, named_gains

Ball = Any  # flint.arb
Scalar = Fraction | int | float | str


def network_constants(
    activation: Activation,
    depth: int,
    small: object = None,
    width: int = 64,
    parameterisation: str | ReducedGains = "ntk",
    scales: Sequence[Scalar] | None = None,
    teacher: Activation | None = None,
    beta: Scalar = 1,
    digits: int = 30,
) -> CertifiedConstants:
    """The constants of one network and teacher, checked (arguments as in `predict_escape`).

    ValueError when the hypotheses of the leading law fail: class D, outside, or arguments out of range.
    """
    found = classify(activation)
    if found.universality_class == "D":
        raise ValueError(
            f"{activation.name} is of class D, s(0) != 0: the origin is not critical and the escape time saturates as "
            "eps -> 0, so there is no law to predict; choose an activation of class A, B or C"
        )
    if found.universality_class == "outside":
        raise ValueError(f"{activation.name} is outside the theory: {found.reason} Choose a smooth one with s'(0) > 0")
    gains = parameterisation if isinstance(parameterisation, ReducedGains) else _gains(parameterisation, depth, width)
    return CertifiedConstants(
        make_bottleneck(depth, small),
        activation,
        activation if teacher is None else teacher,
        Fraction(beta),
        gains,
        _checked_scales(depth, scales),
        found.universality_class == "A",
        digits + 5,
    )


def certified_value(expression: sp.Expr, constants: CertifiedConstants, digits: int = 30) -> Constant:
    """The enclosure of a rational expression in alpha, a_k, M_k (and derivatives M_k_1_0...), b_l, c2 and xi_m.

    ValueError for a symbol that is none of these, or a homogeneous activation, which has no such constants.
    """
    if constants.homogeneous:
        raise ValueError("a homogeneous activation has no Taylor constants: use its own formulas")
    with flint.ctx.workprec(working_bits(digits + 10)):
        values = {symbol: _symbol_ball(symbol, constants) for symbol in expression.free_symbols}
        return constant_from_ball(_evaluated(expression, values), digits)


def positive_fraction(value: Scalar, name: str) -> Fraction:
    """The exact value of a positive number; ValueError otherwise."""
    number = Fraction(value)
    if number <= 0:
        raise ValueError(f"{name} must be positive, got {value!r}")
    return number


def fraction_ball(value: Fraction) -> Ball:
    """A rational number at the working precision."""
    return arb(fmpq(value.numerator, value.denominator))


def _evaluated(expression: sp.Expr, values: dict[sp.Symbol, Ball]) -> Ball:
    """Sums, products and powers of symbols and rationals; an exponent is an integer or half of one."""
    if expression.is_Symbol:
        return values[expression]
    if expression.is_Rational:
        return arb(fmpq(int(expression.p), int(expression.q)))
    parts = [_evaluated(part, values) for part in expression.args] if not expression.is_Pow else []
    if expression.is_Add:
        return sum(parts, arb(0))
    if expression.is_Mul:
        return reduce(operator.mul, parts, arb(1))
    if expression.is_Pow and (2 * expression.exp).is_Integer:
        base, twice = _evaluated(expression.base, values), int(2 * expression.exp)
        return base ** (twice // 2) if twice % 2 == 0 else base.sqrt() ** twice
    raise ValueError(f"expected sums, products and powers of the constants, got {expression}")


def _symbol_ball(symbol: sp.Symbol, constants: CertifiedConstants) -> Ball:
    if symbol == ALPHA:
        return constants.taylor(1)
    kind, *indices = symbol.name.split("_")
    numbers = [int(index) for index in indices if index.isdigit()]
    if kind == "c2":
        return gain_ball(constants.gains.mobility)
    if not numbers or kind not in ("a", "M", "b", "xi"):
        raise ValueError(f"expected a constant of the theory (alpha, a_k, M_k, b_l, c2, xi_m), got {symbol}")
    if kind == "a":
        return constants.taylor(numbers[0])
    if kind == "M":
        return constants.moment(numbers[0], tuple(numbers[1:]) or (0,) * len(constants.net.before))
    if kind == "b":
        return gain_ball(constants.gains.gains[numbers[0] - 1])
    return fraction_ball(constants.scales[numbers[0] - 1])


def _gains(parameterisation: str, depth: int, width: int) -> ReducedGains:
    if isinstance(width, bool) or not isinstance(width, int) or width < 1:
        raise ValueError(f"width must be an integer >= 1, got {width!r}")
    return named_gains(parameterisation, depth, width)


def _checked_scales(depth: int, scales: Sequence[Scalar] | None) -> tuple[Fraction, ...]:
    if scales is None:
        return (Fraction(1),) * depth
    if len(scales) != depth:
        raise ValueError(f"expected one scale per layer, {depth} of them, got {len(scales)}")
    return tuple(positive_fraction(scale, "scale") for scale in scales)
