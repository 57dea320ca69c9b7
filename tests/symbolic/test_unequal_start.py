import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from symbolic.unequal_start import (
    carlson_time,
    unequal_correction,
    unequal_escape_time,
    unequal_escape_until,
    unequal_start_residuals,
)

MP = mpmath.mp.clone()
MP.dps = 30


def starts_of(fewest, most):
    return st.lists(st.integers(1, 200).map(lambda k: Fraction(k, 20)), min_size=fewest, max_size=most)


def overlap(a, b):
    return abs(Fraction(a.value) - Fraction(b.value)) <= Fraction(a.radius) + Fraction(b.radius)


@pytest.mark.parametrize("r", range(1, 6))
def test_the_parametrisation_solves_the_leading_flow(r):
    assert unequal_start_residuals(r) == (0,) * r


@pytest.mark.parametrize("r", range(3, 9))
def test_the_equal_start_is_the_power_law(r):
    time = unequal_escape_time([1] * r)
    assert abs(Fraction(time.value) - Fraction(1, r - 2)) <= Fraction(time.radius)
    assert float(time.radius) < 1e-28


@settings(deadline=None, max_examples=15)
@given(starts_of(3, 3))
def test_three_layers_are_carlsons_integral(starts):
    assert overlap(unequal_escape_time(starts), carlson_time(starts))


@settings(deadline=None, max_examples=15)
@given(starts_of(3, 6), st.sampled_from([Fraction(1, 9), Fraction(2, 3), Fraction(7)]))
def test_homogeneity_and_symmetry(starts, factor):
    """t(lambda x) = lambda^{2-r} t(x), and the order of the layers does not matter."""
    time = unequal_escape_time(starts)
    scaled = unequal_escape_time([factor * x for x in reversed(starts)])
    weight = factor ** (2 - len(starts))
    assert abs(Fraction(scaled.value) - weight * Fraction(time.value)) <= Fraction(scaled.radius) + weight * Fraction(
        time.radius
    )


@settings(deadline=None, max_examples=5)
@given(starts_of(3, 6))
def test_against_mpmath(starts):
    squares = [MP.mpf(x.numerator) ** 2 / x.denominator**2 for x in starts]
    # s = e^w: the trapezoid rule is exponentially accurate (poles at imaginary distance pi: exp(-2 pi^2/h) = 1e-17 at
    # h = 1/2), and both tails of [-90, 90] are below e^-44.
    s = [MP.exp(MP.mpf(k) / 2) for k in range(-180, 181)]
    reference = MP.fsum(x / 4 / MP.sqrt(MP.fprod(q + x for q in squares)) for x in s)
    time = unequal_escape_time(starts)
    assert abs(MP.mpf(time.value) - reference) < MP.mpf(10) ** -14 * reference


def test_two_layers_until_a_growth_is_a_logarithm():
    """1/2 int_0^S ds/sqrt((a^2+s)(b^2+s)) = log((sqrt(a^2+S) + sqrt(b^2+S))/(a+b))."""
    time = unequal_escape_until(["1/2", 2], 12)
    reference = MP.log((MP.sqrt(MP.mpf("12.25")) + 4) / MP.mpf("2.5"))
    assert abs(MP.mpf(time.value) - reference) < MP.mpf(10) ** -27


def test_one_layer_until_a_growth_is_linear():
    time = unequal_escape_until([3], 16)
    assert abs(Fraction(time.value) - 2) <= Fraction(time.radius)


def test_the_leading_flow_itself_reaches_infinity_then():
    """Integrate dX_l/dt = prod_{m != l} X_m to X ~ 1e4: the rest of the time is below 1e-8 for r = 4."""
    starts = [0.5, 1.5, 2.0, 0.75]

    def flow(_t, x):
        return [x[1] * x[2] * x[3], x[0] * x[2] * x[3], x[0] * x[1] * x[3], x[0] * x[1] * x[2]]

    def large(_t, x):
        return x[0] - 1e4

    large.terminal = True
    solution = solve_ivp(flow, (0, 10), starts, "DOP853", events=large, rtol=1e-11, atol=1e-12)
    assert abs(float(unequal_escape_time(starts)) - solution.t[-1]) < 2e-8


def test_signs_and_sizes_are_checked():
    assert overlap(unequal_escape_time([-1, -2, 3]), unequal_escape_time([1, 2, 3]))
    with pytest.raises(ValueError, match="positive product"):
        unequal_escape_time([1, -2, 3])
    with pytest.raises(ValueError, match="diverges"):
        unequal_escape_time([1, 2])
    with pytest.raises(ValueError, match="three"):
        carlson_time([1, 2, 3, 4])
    with pytest.raises(ValueError, match="growth"):
        unequal_escape_until([1], 0)
    with pytest.raises(ValueError, match="at least 1"):
        unequal_start_residuals(0)


@pytest.mark.parametrize(("r", "q"), [(4, 2), (5, 2), (5, 3), (6, 3), (7, 4)])
def test_the_correction_of_an_equal_start_is_that_of_the_expansion(r, q):
    correction = unequal_correction([1] * r, q)
    assert abs(Fraction(correction.value) + Fraction(r + q - 1, r * (r - q - 1))) <= Fraction(correction.radius)


@pytest.mark.parametrize(("starts", "q"), [([1, 2, 3, 4, 5], 2), ([2, 1, 0.5, 3, 1, 1], 3), ([1, 3, 5, 7], 2)])
def test_the_correction_against_the_flow_with_a_small_c(starts, q):
    """dX_l/dt = prod X (1 + n_l c X_1^{q-1}) from the starts until the scales have grown a few hundredfold."""
    x, weights = np.array(starts, dtype=float), np.array([float(q)] + [1.0] * (len(starts) - 1))

    def elapsed(c, growth):
        def rates(_, state):
            X = state[:-1]
            force = X.prod() / X * (1 + weights * c * X[0] ** (q - 1))
            speed = (X * force).sum() / (X * X).sum()  # of the logarithm of |X|
            return np.append(force / speed, 1 / speed)

        run = solve_ivp(rates, (0, math.log(growth)), np.append(x, 0.0), "DOP853", rtol=1e-12, atol=1e-14)
        return run.y[-1, -1]

    # What lies beyond the end is a power of it, of order r - q - 1 and even steps above: one Richardson step.
    order = len(starts) - q - 1
    slopes = [(elapsed(1e-7, g) - elapsed(-1e-7, g)) / 2e-7 for g in (250.0, 500.0)]
    limit = slopes[1] + (slopes[1] - slopes[0]) / (2**order - 1)
    assert limit == pytest.approx(float(unequal_correction(starts, q)), rel=2e-5)


@settings(deadline=None, max_examples=10)
@given(starts_of(5, 6), st.sampled_from([Fraction(1, 9), Fraction(2, 3), Fraction(7)]))
def test_the_correction_is_homogeneous_and_symmetric_but_for_the_first_layer(starts, factor):
    correction = unequal_correction(starts, 3)
    others = unequal_correction([factor * starts[0], *(factor * x for x in reversed(starts[1:]))], 3)
    weight = factor ** (4 - len(starts))
    difference = abs(Fraction(others.value) - weight * Fraction(correction.value))
    assert difference <= Fraction(others.radius) + weight * Fraction(correction.radius)


@pytest.mark.parametrize(("starts", "q"), [([1, 1, 1], 2), ([1] * 4, 3), ([1] * 5, 1), ([1, 1, 1, -1, 1], 2)])
def test_the_correction_refuses_where_the_integral_diverges(starts, q):
    with pytest.raises(ValueError, match=r"converges|positive product"):
        unequal_correction(starts, q)
