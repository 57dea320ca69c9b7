import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numeric.estimators import (
    difference_slopes,
    extrapolate_slopes,
    finite_scale_error,
    local_slopes,
    measured_order,
)

LADDER = 1e-2 * 0.5 ** np.arange(6)


@given(st.floats(0.2, 6.0), st.floats(1e-3, 1e3), st.floats(0.3, 0.8))
def test_a_pure_power_has_its_exponent_as_every_slope(power: float, factor: float, ratio: float) -> None:
    scales = 0.1 * ratio ** np.arange(5)
    slopes = local_slopes(scales, factor * scales**-power)
    assert np.allclose(slopes.values, -power, rtol=0, atol=1e-12)
    assert slopes.scales[0] == pytest.approx(math.sqrt(scales[0] * scales[1]))


@given(st.floats(0.5, 5.0), st.floats(-0.5, 50.0))
def test_difference_slopes_do_not_see_an_additive_constant(power: float, constant: float) -> None:
    times = LADDER**-power + constant
    assert np.allclose(difference_slopes(LADDER, times).values, -power, atol=1e-9)


def test_a_logarithm_has_difference_slope_zero_and_local_slope_not() -> None:
    times = 3 * np.log(1 / LADDER) + 2
    assert np.allclose(difference_slopes(LADDER, times).values, 0, atol=1e-12)
    assert abs(local_slopes(LADDER, times).last) > 0.05


@given(st.lists(st.floats(-1, 1), min_size=6, max_size=6), st.sampled_from([local_slopes, difference_slopes]))
def test_the_error_encloses_the_truth_whatever_the_errors_do_within_their_size(signs, slope) -> None:
    exact = LADDER**-1.5
    errors = 1e-3 * exact
    disturbed = slope(LADDER, exact + np.array(signs) * errors, errors)
    for value, error in zip(disturbed.values, disturbed.errors, strict=True):
        assert abs(value + 1.5) <= error


def test_the_error_is_attained_by_the_worst_case() -> None:
    errors = 1e-4 * LADDER[:2] ** -1.0
    worst = local_slopes(LADDER[:2], LADDER[:2] ** -1.0 + errors * [1, -1], errors)
    assert abs(worst.last + 1) == pytest.approx(worst.last_error, rel=1e-3)


def test_a_time_that_is_all_error_has_an_infinite_slope_error() -> None:
    assert local_slopes([0.1, 0.05], [1.0, 2.0], [0.0, 2.0]).last_error == math.inf


@given(st.floats(0.5, 3.0), st.floats(-5, 5))
def test_extrapolation_removes_the_bias_of_the_order_it_is_given(order: float, bias: float) -> None:
    # t with d ln t / d ln eps = -2 + bias eps**order exactly
    times = np.exp(-2 * np.log(LADDER) + bias * LADDER**order / order)
    slopes = local_slopes(LADDER, times)
    limit = extrapolate_slopes(slopes, order)
    assert abs(limit.value + 2) <= 1e-9
    assert abs(limit.value + 2) <= limit.error


def test_extrapolation_measures_the_order_when_it_is_not_told() -> None:
    times = np.exp(-2 * np.log(LADDER) + 3 * LADDER**1.5)
    slopes = local_slopes(LADDER, times)
    assert measured_order(slopes) == pytest.approx(1.5, abs=1e-6)
    limit = extrapolate_slopes(slopes)
    assert abs(limit.value + 2) < 1e-8 < abs(slopes.last + 2)


def test_finite_scale_error_is_the_remaining_bias() -> None:
    for order in (1.0, 2.0):
        slopes = local_slopes(LADDER, np.exp(-2 * np.log(LADDER) + 3 * LADDER**order / order))
        assert finite_scale_error(slopes, order) == pytest.approx(abs(slopes.last + 2), rel=1e-6)
    # told only that the order is at least 1, it overestimates the bias of order 2
    assert finite_scale_error(slopes) > abs(slopes.last + 2)


def test_slopes_that_do_not_settle_are_refused() -> None:
    slopes = local_slopes(LADDER, np.exp(-2 * np.log(LADDER) + 3 * np.log(LADDER) ** 2))
    with pytest.raises(ValueError, match="do not settle"):
        extrapolate_slopes(slopes)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (([0.1], [1.0]), "at least 2 scales"),
        (([0.1, 0.2], [1.0, 2.0]), "strictly decreasing"),
        (([0.1, 0.05], [1.0, -2.0]), "positive and finite"),
        (([0.1, 0.05], [1.0, math.inf]), "did not escape"),
        (([0.1, 0.05], [1.0, 2.0], [0.1, math.nan]), "numbers >= 0"),
        (([0.1, 0.05], [1.0]), "one length"),
        (([0.1, -0.05], [1.0, 2.0]), "positive"),
    ],
)
def test_bad_ladders_get_one_clear_sentence(arguments, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        local_slopes(*arguments)


def test_difference_slopes_want_a_geometric_growing_ladder() -> None:
    with pytest.raises(ValueError, match="geometric"):
        difference_slopes([0.1, 0.05, 0.03], [1, 2, 3])
    with pytest.raises(ValueError, match="times that grow"):
        difference_slopes([0.1, 0.05, 0.025], [3, 2, 1])
    with pytest.raises(ValueError, match="at least 3"):
        difference_slopes([0.1, 0.05], [1, 2])
