"""Elementary functions of series: each one undoes its inverse, exactly, at and away from 0."""

from fractions import Fraction

import pytest
from flint import fmpq

from symbolic import elementary, exact
from symbolic.power_series import PowerSeries, from_rationals

LENGTH = 8


def series(values: list[Fraction]) -> PowerSeries:
    return from_rationals([fmpq(v.numerator, v.denominator) for v in values])


@pytest.mark.parametrize(
    "outer, inner",
    [
        ("exp", "log"),
        ("sin", "asin"),
        ("tan", "atan"),
        ("sinh", "asinh"),
        ("tanh", "atanh"),
        ("cosh", "acosh"),
        ("cos", "acos"),
    ],
)
@pytest.mark.parametrize("start", [Fraction(0), Fraction(1, 3), Fraction(5, 4)])
def test_functions_invert_each_other(outer: str, inner: str, start: Fraction) -> None:
    z = series([start, Fraction(1)] + [Fraction(0)] * 6)
    in_domain = {"log": start > 0, "asin": start < 1, "acos": start < 1, "atanh": start < 1, "acosh": start > 1}
    if not in_domain.get(inner, True):
        with pytest.raises(ValueError):
            elementary.FUNCTIONS[inner](z)
        return
    identity = elementary.FUNCTIONS[outer](elementary.FUNCTIONS[inner](z))
    for power in range(LENGTH):
        assert exact.is_zero(identity.coefficient(power) - z.coefficient(power)), power
