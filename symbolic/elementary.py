"""Elementary functions of a truncated series, exactly.

Each function is expanded at the constant term c of its argument (a known Taylor series with coefficients in the ring of
``symbolic.exact``, from its differential equation) and composed with what is left of the argument.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from flint import fmpq

from symbolic import exact, exact_functions
from symbolic.exact import PI, Exact
from symbolic.power_series import (
    PowerSeries,
    _without_constant,
    compose,
    constant_series,
    from_coefficients,
    from_rationals,
    rational_power,
    reciprocal,
)

HALF = fmpq(1, 2)


def split(series: PowerSeries) -> tuple[Exact, PowerSeries]:
    """The constant term and the remainder; raises ValueError when the series has a pole."""
    if series.shift < 0:
        series = series.normalised()
        if series.shift < 0 and series.length > 0:
            raise ValueError(f"a function of an argument with a pole of order {-series.shift}")
    series = series.starting_at(0) if series.shift > 0 else series
    if series.length <= 0:
        raise ValueError("an argument that is not known to any order")
    constant = series.coefficient(0)
    if constant.terms and exact.is_zero(constant):
        constant = Exact()
    return constant, _without_constant(series)


@lru_cache(maxsize=256)
def _exp_coefficients(length: int) -> tuple[Any, ...]:
    values, value = [], fmpq(1)
    for k in range(length):
        values.append(value)
        value = value / (k + 1)
    return tuple(values)


def exp(series: PowerSeries) -> PowerSeries:
    """exp of the series."""
    constant, rest = split(series)
    grown = compose(from_rationals(_exp_coefficients(rest.length)), rest)
    return grown.times(exact_functions.exponential(constant)) if constant.terms else grown


def log(series: PowerSeries) -> PowerSeries:
    """log of a series with a positive constant term; raises ValueError otherwise."""
    constant, rest = split(series)
    if not constant.terms:
        raise ValueError("log at 0")
    value = exact_functions.logarithm(constant)
    outer = from_rationals([fmpq(0)] + [fmpq((-1) ** (k + 1), k) for k in range(1, rest.length)])
    scaled = rest if constant == exact.number(1) else rest.times(exact.power(constant, fmpq(-1)))
    return compose(outer, scaled) + constant_series(value, rest.length)


def _sine_and_cosine(series: PowerSeries, square: int) -> tuple[Exact, PowerSeries, PowerSeries]:
    """Constant term c, and (sin, cos) of the rest for square = -1 or (sinh, cosh) for square = +1."""
    constant, rest = split(series)
    inverse_factorials = _exp_coefficients(rest.length)
    signed = [value * (square ** (k // 2)) for k, value in enumerate(inverse_factorials)]
    odd = from_rationals([v if k % 2 else fmpq(0) for k, v in enumerate(signed)])
    even = from_rationals([fmpq(0) if k % 2 else v for k, v in enumerate(signed)])
    return constant, compose(odd, rest), compose(even, rest)


def sin(series: PowerSeries) -> PowerSeries:
    """sin of the series, by the addition theorem."""
    constant, odd, even = _sine_and_cosine(series, -1)
    if not constant.terms:
        return odd
    return even.times(exact_functions.odd_function("sin", constant)) + odd.times(exact_functions.cosine(constant))


def cos(series: PowerSeries) -> PowerSeries:
    """cos of the series, by the addition theorem."""
    constant, odd, even = _sine_and_cosine(series, -1)
    if not constant.terms:
        return even
    return even.times(exact_functions.cosine(constant)) - odd.times(exact_functions.odd_function("sin", constant))


def _hyperbolic_pair(constant: Exact) -> tuple[Exact, Exact]:
    grown, decayed = exact_functions.exponential(constant), exact_functions.exponential(-constant)
    return (grown - decayed).scaled(HALF), (grown + decayed).scaled(HALF)


def sinh(series: PowerSeries) -> PowerSeries:
    """sinh of the series."""
    constant, odd, even = _sine_and_cosine(series, 1)
    if not constant.terms:
        return odd
    sine, cosine = _hyperbolic_pair(constant)
    return even.times(sine) + odd.times(cosine)


def cosh(series: PowerSeries) -> PowerSeries:
    """cosh of the series."""
    constant, odd, even = _sine_and_cosine(series, 1)
    if not constant.terms:
        return even
    sine, cosine = _hyperbolic_pair(constant)
    return even.times(cosine) + odd.times(sine)


@lru_cache(maxsize=256)
def _tangent_coefficients(length: int, square: int) -> tuple[Any, ...]:
    """Taylor coefficients of tan (square = +1) or tanh (square = -1): y' = 1 + square y^2."""
    values = [fmpq(0)] * max(length, 2)
    values[1] = fmpq(1)
    for k in range(2, length - 1, 2):
        convolution = sum((values[j] * values[k - j] for j in range(1, k, 2)), fmpq(0))
        values[k + 1] = square * convolution / (k + 1)
    return tuple(values[:length])


def tan(series: PowerSeries) -> PowerSeries:
    """tan of the series."""
    constant, rest = split(series)
    if constant.terms:
        return sin(series) * reciprocal(cos(series))
    return compose(from_rationals(_tangent_coefficients(rest.length, 1)), rest)


def tanh(series: PowerSeries) -> PowerSeries:
    """tanh of the series: (e^{2f} - 1)/(e^{2f} + 1) away from 0."""
    constant, rest = split(series)
    if not constant.terms:
        return compose(from_rationals(_tangent_coefficients(rest.length, -1)), rest)
    squared = exp(series + series)
    one = constant_series(exact.number(1), squared.length)
    return (squared - one) * reciprocal(squared + one)


def _integrated(derivative: PowerSeries, value: Exact) -> PowerSeries:
    """The antiderivative of a series of shift 0, with the given constant term."""
    if derivative.shift != 0:
        derivative = derivative.starting_at(0)
    coefficients = [value] + [derivative.coefficient(k).scaled(fmpq(1, k + 1)) for k in range(derivative.length - 1)]
    return from_coefficients(coefficients)


def _by_derivative(
    series: PowerSeries, value: Callable[[Exact], Exact], base_exponent: Any, square: int
) -> PowerSeries:
    """A function g with g' = (1 + square w^2)^exponent, at the series."""
    constant, rest = split(series)
    length = rest.length
    shifted = from_coefficients([constant, exact.number(1), *[Exact()] * max(length - 2, 0)][:length])
    inside = (shifted * shifted).times(exact.number(square)) + constant_series(exact.number(1), length)
    outer = _integrated(rational_power(inside, base_exponent), value(constant))
    return compose(outer, rest)


def atan(series: PowerSeries) -> PowerSeries:
    """Arctan of the series."""
    return _by_derivative(series, lambda c: exact_functions.odd_function("atan", c), fmpq(-1), 1)


def asinh(series: PowerSeries) -> PowerSeries:
    """Inverse hyperbolic sine of the series."""
    return _by_derivative(series, _asinh_value, -HALF, 1)


def _asinh_value(constant: Exact) -> Exact:
    if not constant.terms:
        return Exact()
    return exact_functions.logarithm(constant + exact.power(constant * constant + exact.number(1), HALF))


def asin(series: PowerSeries) -> PowerSeries:
    """Arcsin of a series with constant term inside (-1, 1)."""
    return _by_derivative(series, lambda c: exact_functions.odd_function("asin", c), -HALF, -1)


def acos(series: PowerSeries) -> PowerSeries:
    """Arccos of a series with constant term inside (-1, 1)."""
    arcsine = asin(series)
    return constant_series(PI.scaled(HALF), arcsine.length) - arcsine


def atanh(series: PowerSeries) -> PowerSeries:
    """Inverse hyperbolic tangent of a series with constant term inside (-1, 1)."""
    return _by_derivative(series, _atanh_value, fmpq(-1), -1)


def _atanh_value(constant: Exact) -> Exact:
    if not constant.terms:
        return Exact()
    one = exact.number(1)
    return (exact_functions.logarithm(one + constant) - exact_functions.logarithm(one - constant)).scaled(HALF)


def acosh(series: PowerSeries) -> PowerSeries:
    """Inverse hyperbolic cosine of a series with constant term above 1."""
    one = constant_series(exact.number(1), series.length)
    return log(series + rational_power(series * series - one, HALF))


def erf(series: PowerSeries) -> PowerSeries:
    """Error function of the series: erf' = 2/sqrt(pi) exp(-w^2)."""
    constant, rest = split(series)
    length = rest.length
    shifted = from_coefficients([constant, exact.number(1), *[Exact()] * max(length - 2, 0)][:length])
    slope = exp(-(shifted * shifted)).times(exact.power(PI, -HALF).scaled(fmpq(2)))
    return compose(_integrated(slope, exact_functions.odd_function("erf", constant)), rest)


FUNCTIONS: dict[str, Callable[[PowerSeries], PowerSeries]] = {
    "exp": exp,
    "log": log,
    "sin": sin,
    "cos": cos,
    "tan": tan,
    "asin": asin,
    "acos": acos,
    "atan": atan,
    "sinh": sinh,
    "cosh": cosh,
    "tanh": tanh,
    "asinh": asinh,
    "acosh": acosh,
    "atanh": atanh,
    "erf": erf,
}
