import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from numeric.inequality import inequality_escape_time, inequality_escape_time_from_log


def antiderivative(power: float, start: float, threshold: float) -> float:
    if power == 1:
        return math.log(threshold / start)
    return (threshold ** (1 - power) - start ** (1 - power)) / (1 - power)


@given(st.floats(-1, 3).filter(lambda p: abs(p - 1) > 0.05), st.floats(1e-8, 0.4), st.floats(0.1, 10))
def test_the_measured_time_is_the_integral_within_its_error(power: float, start: float, rate: float) -> None:
    measured = inequality_escape_time(power, start, 0.5, rate=rate)
    exact = antiderivative(power, start, 0.5) / rate
    assert measured.value == pytest.approx(exact, rel=1e-11)
    assert measured.error < 1e-11 * measured.value
    assert measured.log_value == pytest.approx(math.log(measured.value))


@pytest.mark.parametrize("power, start", [(2 / 3, 1e-3), (4 / 3, 1e-6), (1.0, 1e-4), (0.75, 1e-4)])
def test_against_the_flow_in_time_with_an_event(power: float, start: float) -> None:
    def reached(_t: float, y: np.ndarray) -> float:
        return float(y[0]) - math.log(0.5)

    reached.terminal = True
    measured = inequality_escape_time(power, start, 0.5)
    flow = solve_ivp(
        lambda _t, y: np.exp((power - 1) * y),
        (0, 2 * measured.value),
        [math.log(start)],
        method="DOP853",
        events=reached,
        rtol=1e-11,
        atol=1e-12,
    )
    assert flow.t_events[0][0] == pytest.approx(measured.value, rel=1e-8)


def test_the_printed_power_gives_order_one_and_the_overlap_gives_the_escape_law() -> None:
    r, eps = 4, 1e-3
    # d gamma/dt >= gamma**(1 - 1/r) from eps**(2 r): bounded as eps -> 0, tends to r theta**(1/r)
    assert inequality_escape_time(1 - 1 / r, eps ** (2 * r), 0.1).value == pytest.approx(r * 0.1**0.25, rel=1e-5)
    # with the overlap, power 2 - 2/r from eps**r: eps**-(r - 2), with r/(r - 2) in front
    time = inequality_escape_time(2 - 2 / r, eps**r, 0.1).value
    assert time * eps ** (r - 2) == pytest.approx(r / (r - 2), rel=1e-5)


def test_starts_below_the_smallest_float_and_times_above_the_largest() -> None:
    r = 8
    deep = inequality_escape_time_from_log(1.5 - 1 / r, 2 * r * math.log(1e-30), math.log(0.1))
    assert deep.log_value == pytest.approx((0.5 - 1 / r) * 2 * r * math.log(1e30) - math.log(0.5 - 1 / r), rel=1e-12)
    assert math.isfinite(deep.value)
    beyond = inequality_escape_time_from_log(3.0, -1000.0, 0.0)
    assert beyond.value == math.inf
    assert beyond.log_value == pytest.approx(2000 - math.log(2))


@pytest.mark.parametrize(
    "start, threshold, rate", [(0, 1, 1), (-1, 1, 1), (1, 0.5, 1), (0.1, 1, 0), (0.1, math.inf, 1), (math.nan, 1, 1)]
)
def test_bad_input_is_refused(start: float, threshold: float, rate: float) -> None:
    with pytest.raises(ValueError):
        inequality_escape_time(0.5, start, threshold, rate=rate)


def test_no_way_to_go_takes_no_time() -> None:
    assert inequality_escape_time(0.5, 0.1, 0.1).value == 0
