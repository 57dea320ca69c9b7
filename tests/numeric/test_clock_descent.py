import math

import numpy as np
import pytest
from scipy.integrate import cumulative_trapezoid

from numeric.clock_descent import clock_steps, flow_steps, mean_passage, minibatch_steps, sampled_passage
from numeric.equivalence import student_half_width
from numeric.optimisers import Optimiser

LIMIT = 100_000


def test_two_layers_grow_by_a_factor_a_step() -> None:
    """r = 2: y_n = eps (1 + eta K)^n, so n is a logarithm; degree 6 at spacing 0.065 leaves about 0.065^6."""
    steps = clock_steps(Optimiser("gd", 0.05), 2, 1.3, [0.01, 0.2], 0.77, LIMIT)
    assert steps == pytest.approx([math.log(0.77 / eps) / math.log1p(0.05 * 1.3) for eps in (0.01, 0.2)], abs=3e-7)


def test_heavy_ball_of_two_layers_is_the_linear_recursion() -> None:
    beta, x = 0.6, 0.05 * 1.3
    y, before, trace = 0.1, 0.1, [0.1]
    while y < 2:
        y, before = y + beta * (y - before) + x * y, y
        trace.append(y)
    (steps,) = clock_steps(Optimiser("heavy_ball", 0.05, momentum=beta), 2, 1.3, [0.1], trace[-3], LIMIT)
    assert steps == pytest.approx(len(trace) - 3, abs=1e-6)


def test_sign_descent_walks_and_a_start_without_escape_is_nan() -> None:
    assert clock_steps(Optimiser("sign", 0.01), 5, 1.0, [0.1], 0.5, LIMIT)[0] == pytest.approx(40, rel=1e-10)
    assert np.isnan(clock_steps(Optimiser("gd", 1e-3), 4, 1.0, [0.1], 0.5, 10)[0])


def test_members_do_not_disturb_each_other() -> None:
    together = clock_steps(Optimiser("adam", 0.01, beta2=0.9), 3, 1.0, [0.05, 0.2], 1.0, LIMIT)
    alone = [clock_steps(Optimiser("adam", 0.01, beta2=0.9), 3, 1.0, [eps], 1.0, LIMIT)[0] for eps in (0.05, 0.2)]
    assert together.tolist() == alone


def test_the_flow_counts_its_time_over_the_step() -> None:
    assert flow_steps(4, 1.3, 0.1, 1.0, 0.02).value == pytest.approx((100 - 1) / (2 * 1.3 * 0.02), rel=1e-11)


def test_minibatches_of_equal_samples_are_gradient_descent() -> None:
    (exact,) = clock_steps(Optimiser("gd", 0.002), 4, 1.3, [0.3], 1.0, LIMIT)
    sample = minibatch_steps(4, [1.3, 1.3], 2, 0.3, 1.0, 0.002, 3, 1, LIMIT)
    # The overshoot is measured in flow time: half a step's curvature, (r-1)/2 eta K at most.
    assert sample.steps == pytest.approx([exact] * 3, abs=1.5 * 0.002 * 1.3)
    assert sample.unfinished == 0


def test_the_control_of_minibatches_has_mean_zero() -> None:
    """Without the control the mean number of steps is the same, with a wider interval."""
    rates, eta = [0.4, 2.2], 0.05
    sample = minibatch_steps(3, rates, 1, 0.3, 1.0, eta, 4000, 3, LIMIT).steps
    generator = np.random.default_rng(8)
    plain = []
    for _ in range(4000):
        y, n = 0.3, 0
        while y < 1.0:
            y, n = y + eta * generator.choice(rates) * y * y, n + 1
        plain.append(n - (1.0 - 1 / y) / (1.3 * eta))
    gap = abs(float(np.mean(sample)) - float(np.mean(plain)))
    assert gap < student_half_width(plain, 1 - 1e-6) + student_half_width(sample, 1 - 1e-6)
    assert np.std(sample) < 0.4 * np.std(plain)


def test_passage_of_the_linear_clock_is_a_double_integral() -> None:
    """r = 4 from 0 against the double integral itself on a fine grid."""
    rate, noise, theta = 1.3, 0.2, 0.7
    y = np.linspace(0, theta, 20001)
    weight = np.exp(2 * rate * y**4 / 4 / noise**2)
    inner = cumulative_trapezoid(weight, y, initial=0)
    slow = float(np.trapezoid(2 / noise**2 * inner / weight, y))
    (passage,) = mean_passage(4, rate, noise, [0.0], theta)
    assert passage.value == pytest.approx(slow, rel=1e-6)
    assert passage.error < 1e-6 * passage.value


@pytest.mark.parametrize("r", [3, 4])
def test_paths_take_the_mean_passage_time(r: int) -> None:
    (passage,) = mean_passage(r, 1.0, 1.0, [0.0], 3.0)
    fine, rough = sampled_passage(r, 1.0, 1.0, 3.0, 0.005, 3000, 5, LIMIT)
    bias = abs(float((fine - rough).mean())) / (math.sqrt(2) - 1)
    assert abs(float(fine.mean()) - passage.value) < student_half_width(fine, 1 - 1e-6) + bias
    assert not np.isnan([fine, rough]).any()


@pytest.mark.parametrize(
    "make",
    [
        lambda: clock_steps(Optimiser("gd", 0.1), 3, 1.0, [2.0], 1.0, 9),
        lambda: clock_steps(Optimiser("gd", 0.1), 3, 1.0, [], 1.0, 9),
        lambda: clock_steps(Optimiser("gd", 0.1, noise=1.0), 3, 1.0, [0.1], 1.0, 9),
        lambda: minibatch_steps(2, [1.0], 1, 0.1, 1.0, 0.1, 5, 0, 9),
        lambda: minibatch_steps(3, [1.0, -1.0], 1, 0.1, 1.0, 0.1, 5, 0, 9),
        lambda: mean_passage(3, 1.0, 0.0, [0.0], 1.0),
        lambda: mean_passage(3, 1.0, 0.1, [1.0], 1.0),
    ],
)
def test_hostile(make) -> None:
    with pytest.raises(ValueError):
        make()
