import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import Polynomial, chebyshev

from numeric.taylor_fit import _powers, fit_taylor

EXACT = {
    "exp": (np.exp, [1 / math.factorial(k) for k in range(7)]),
    "sin": (np.sin, [0, 1, 0, -1 / 6, 0, 1 / 120, 0]),
    "arctan": (np.arctan, [0, 1, 0, -1 / 3, 0, 1 / 5, 0]),
    "runge": (lambda z: 1 / (1 + 25 * z**2), [1, 0, -25, 0, 625, 0, -15625]),
    "log": (lambda z: np.log(1 + z), [0, 1, -1 / 2, 1 / 3, -1 / 4, 1 / 5, -1 / 6]),
}


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("side", ["both", "right", "left"])
def test_known_series_within_the_stated_error(name, side) -> None:
    function, exact = EXACT[name]
    with np.errstate(all="ignore"):
        fit = fit_taylor(function, 6, side=side)
    for k, (value, error) in enumerate(zip(fit.coefficients, fit.errors, strict=True)):
        assert abs(value - exact[k]) <= error, (k, value, exact[k], error)
    assert fit.errors[2] < 1e-4 * max(1, abs(exact[2]))  # and the error is small enough to be of use


@settings(max_examples=50)
@given(st.lists(st.floats(-3, 3), min_size=7, max_size=7))
def test_polynomials_are_recovered(coefficients: list[float]) -> None:
    fit = fit_taylor(Polynomial(coefficients), noise=Polynomial(np.abs(coefficients)))
    for value, error, exact in zip(fit.coefficients, fit.errors, coefficients, strict=True):
        assert abs(value - exact) <= error
        assert error < 1e-5


def test_zero_is_told_from_small() -> None:
    fit = fit_taylor(lambda z: np.sin(z) + 1e-6 * z**2)
    assert [fit.is_zero(k) for k in range(6)] == [True, False, False, False, True, False]


def test_a_kink_shows_in_the_errors_and_disappears_on_one_side() -> None:
    function = lambda z: np.abs(z) + z**2  # noqa: E731
    assert fit_taylor(function).errors[2] > 1
    right, left = fit_taylor(function, side="right"), fit_taylor(function, side="left")
    assert right.coefficients[1] == pytest.approx(1, abs=1e-9)
    assert left.coefficients[1] == pytest.approx(-1, abs=1e-9)
    assert right.coefficients[2] == pytest.approx(1, abs=1e-6) == left.coefficients[2]


def test_the_conversion_matrix_is_numpys() -> None:
    for n in (0, 1, 5, 12):
        unit = np.eye(13)[n]
        assert np.array_equal(_powers(12, "both")[n][: n + 1], chebyshev.cheb2poly(unit)[: n + 1])
        shifted = Polynomial(chebyshev.cheb2poly(unit))(Polynomial([-1, 2])).coef
        assert np.array_equal(_powers(12, "right")[n][: n + 1], shifted[: n + 1])


def test_a_function_without_values_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        fit_taylor(lambda z: np.full_like(z, np.nan))
    with pytest.raises(ValueError, match="between 0 and 10"):
        fit_taylor(np.sin, 11)
