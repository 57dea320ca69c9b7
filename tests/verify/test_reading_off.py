"""How measured ladders are read off in the claims on the balance law and on the logarithms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.claim import Tier, case
from verify.claims import _bottleneck as net
from verify.claims import _imbalance_drift as drift
from verify.claims import _log_coefficient as log

SIZES = st.floats(-3, 3)


@given(SIZES, SIZES, SIZES, SIZES, SIZES)
def test_a_logarithm_below_a_power_is_found_within_its_budget(B, C, c, d, e):
    """R = B/x + C log(1/x) + c + d x log x + e x."""
    x = np.array(log.POWER)
    remainder = B / x + C * np.log(1 / x) + c + d * x * np.log(x) + e * x
    value, rounding, finite = log._below_a_power(log.POWER, remainder, 1e-16 * np.abs(B / x) + 1e-15)
    assert abs(value - C) <= rounding + finite
    assert finite <= 0.02  # of the order of the corrections at 1e-4


@given(SIZES, SIZES, SIZES)
def test_a_logarithm_alone_is_found_within_its_budget(C, c, d):
    ladder = tuple(1e-8 * factor for factor in log.LOGARITHMIC)
    x = np.array(ladder)
    remainder = C * np.log(1 / x) + c + d * x
    value, rounding, finite = log._logarithm(ladder, remainder, np.full(3, 1e-14))
    assert abs(value - C) <= rounding + finite


@given(
    st.integers(2, 9), st.floats(0.1, 10), st.floats(-1, 1), st.sampled_from([0.5, 1.0, 2.0]), st.sampled_from([-1, 1])
)
def test_a_power_law_with_a_correction_is_read_off_within_its_budget(p, C, b, order, sign):
    scales = [4e-4, 2e-4, 1e-4]
    x = np.array(scales)
    values = (sign * C * x**p * (1 + b * x**order))[:, None]
    measured = drift.read_off(scales, values, np.zeros_like(values), "")
    # Beyond the first power of the correction its square is left over.
    slack = measured.budget.total * (1 + 4 * abs(b) * math.sqrt(scales[0])) + 1e-12
    assert abs(measured.value["exponent, l = 1"] - p) <= slack
    assert abs(measured.value["ln of the size, l = 1"] - math.log(C) - p * math.log(scales[-1])) <= slack
    assert measured.value["sign, l = 1"] == sign


@pytest.mark.parametrize(("placement", "small"), [("first", (1, 2, 3)), ("last", (3, 4, 5)), ("ends", (1, 4, 5))])
def test_placements(placement, small):
    of = case(Tier.SMOKE, 0.1, activation="tanh", r=3, L=5, placement=placement, xi=0.7)
    assert net.small_layers(of) == small
    starts = net.starts(of, [1e-3])[0]
    assert [layer for layer, x in enumerate(starts, 1) if x == 1e-3] == list(small)
    assert sorted(set(starts)) == [1e-3, 0.7]


def test_more_small_layers_than_layers_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        net.small_layers(case(Tier.SMOKE, 0.1, r=4, L=3))
    with pytest.raises(ValueError, match="placement"):
        net.small_layers(case(Tier.SMOKE, 0.1, r=2, L=3, placement="middle"))
