"""Truncated series against a slow obvious reference: lists of fractions, multiplied term by term."""

from fractions import Fraction

import pytest
from flint import fmpq
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolic import exact
from symbolic.exact import PI, number
from symbolic.power_series import (
    PowerSeries,
    compose,
    from_coefficients,
    from_rationals,
    rational_power,
    reciprocal,
    variable,
)

LENGTH = 8
fractions = st.fractions(min_value=-2, max_value=2, max_denominator=5)
lists = st.lists(fractions, min_size=LENGTH, max_size=LENGTH)


def series(values: list[Fraction]) -> PowerSeries:
    return from_rationals([fmpq(v.numerator, v.denominator) for v in values])


def values(result: PowerSeries, length: int = LENGTH) -> list[Fraction]:
    return [Fraction(str(result.coefficient(k).rational())) for k in range(length)]


def slow_product(a: list[Fraction], b: list[Fraction]) -> list[Fraction]:
    return [sum((a[j] * b[k - j] for j in range(k + 1)), Fraction(0)) for k in range(LENGTH)]


def slow_composition(outer: list[Fraction], inner: list[Fraction]) -> list[Fraction]:
    power, total = [Fraction(1)] + [Fraction(0)] * (LENGTH - 1), [Fraction(0)] * LENGTH
    for coefficient in outer:
        total = [t + coefficient * p for t, p in zip(total, power, strict=True)]
        power = slow_product(power, inner)
    return total


@settings(max_examples=20, deadline=None)
@given(lists, lists)
def test_product_and_composition(a: list[Fraction], b: list[Fraction]) -> None:
    assert values(series(a) * series(b)) == slow_product(a, b)
    inner = [Fraction(0), *b[1:]]
    assert values(compose(series(a), series(inner))) == slow_composition(a, inner)


@settings(max_examples=20, deadline=None)
@given(lists)
def test_reciprocal_with_poles(a: list[Fraction]) -> None:
    if not any(a):
        with pytest.raises(ZeroDivisionError):
            reciprocal(series(a))
        return
    one = (series(a) * reciprocal(series(a))).normalised()
    assert one.shift == 0
    assert values(one, one.length) == [1] + [0] * (one.length - 1)


@settings(max_examples=15, deadline=None)
@given(lists, st.integers(-3, 3), st.integers(1, 3))
def test_rational_powers(a: list[Fraction], p: int, q: int) -> None:
    base = series([Fraction(1), *a[1:]])
    rooted = rational_power(base, fmpq(p, q))
    assert values(rational_power(rooted, fmpq(q))) == values(rational_power(base, fmpq(p)))


def test_mixed_constants() -> None:
    z = from_coefficients([exact.Exact(), exact.power(PI, fmpq(1, 2)), number(1)] + [exact.Exact()] * 5)
    square = z * z
    assert square.coefficient(2) == PI
    assert square.coefficient(3) == exact.power(PI, fmpq(1, 2)).scaled(fmpq(2))


def test_order_is_guarded() -> None:
    with pytest.raises(ValueError, match="expand to a higher order"):
        variable(3).coefficient(3)
