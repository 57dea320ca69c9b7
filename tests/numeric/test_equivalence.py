import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numeric.equivalence import (
    calibrated_ratios,
    equivalence_bound,
    paired_slopes,
    student_half_width,
)

LADDER = 0.01 * 0.5 ** np.arange(5)


def ensemble(exponent, bias=0.0, scatter=0.0, seeds=8, constant=1.0):
    """Times A_s eps**-(exponent) (1 + B_s eps) + C: paired seeds, each with a prefactor and a bias of its own."""
    rng = np.random.default_rng(7)
    prefactors = np.exp(rng.normal(size=(seeds, 1)))
    biases = bias * (1 + scatter * rng.normal(size=(seeds, 1)))
    return prefactors * LADDER**-exponent * (1 + biases * LADDER) + constant


@pytest.mark.parametrize("exponent", [1, 2, 3, 6])
def test_a_true_exponent_passes_and_its_rivals_are_refuted(exponent: int) -> None:
    result = equivalence_bound(paired_slopes(LADDER, ensemble(exponent, bias=2, scatter=0.3)), -exponent)
    assert result.passes
    assert result.seeds == 8
    assert result.refutes(-exponent - 1) and result.refutes(-exponent + 1)
    assert not result.refutes(-exponent)


def test_the_prefactors_of_the_seeds_do_not_enter() -> None:
    # Prefactors scatter by a factor of e; unpaired slopes would scatter by more than 1.
    result = equivalence_bound(paired_slopes(LADDER, ensemble(1)), -1)
    assert result.bound < 1e-9


def test_the_bound_by_hand() -> None:
    slopes = paired_slopes(LADDER, ensemble(2, bias=3, scatter=0.5), np.full((8, 5), 1e-9))
    last, previous = np.array(slopes.last), np.array(slopes.previous)
    t_995_7 = 3.4994832973504937  # Student's table, 7 degrees of freedom
    expected = abs(last.mean() + 2) + t_995_7 * last.std(ddof=1) / math.sqrt(8) + abs(last.mean() - previous.mean())
    assert equivalence_bound(slopes, -2).bound == pytest.approx(expected + slopes.numerical_error, rel=1e-12)
    assert equivalence_bound(slopes, -2).level == 0.99


def test_noise_can_neither_pass_nor_refute() -> None:
    rng = np.random.default_rng(0)
    noisy = ensemble(1) * np.exp(0.2 * rng.normal(size=(8, 5)))
    noisy = np.maximum.accumulate(noisy * np.arange(1, 6), axis=1) + np.arange(5)
    result = equivalence_bound(paired_slopes(LADDER, noisy), -1)
    assert not result.passes
    assert not any(result.refutes(rival) for rival in (-1.5, -1, -0.5))


def test_a_wrong_exponent_fails() -> None:
    result = equivalence_bound(paired_slopes(LADDER, ensemble(2)), -1)
    assert not result.passes and result.refutes(-1)


def test_a_member_that_did_not_escape_forbids_both_verdicts() -> None:
    times = ensemble(2)
    times[3, 4] = math.inf
    result = equivalence_bound(paired_slopes(LADDER, times), -2)
    assert result.missing == 1 and result.seeds == 7
    assert result.bound < 0.05
    assert not result.passes and not result.refutes(-5)


def test_no_seed_or_one_seed_has_no_interval() -> None:
    one = equivalence_bound(paired_slopes(LADDER, ensemble(2, seeds=1)), -2)
    assert one.bound == math.inf and not one.refutes(0)
    none = equivalence_bound(paired_slopes(LADDER, np.full((2, 5), math.nan)), -2)
    assert not none.passes and not none.refutes(0)


def test_plain_slopes_for_r_equal_one() -> None:
    times = np.exp(np.random.default_rng(1).normal(size=(8, 1))) * (1 - LADDER)
    assert equivalence_bound(paired_slopes(LADDER, times, differences=False), 0).passes


def test_integration_errors_enter_the_bound() -> None:
    exact = ensemble(1)
    loose = paired_slopes(LADDER, exact, 0.02 * exact)
    assert loose.numerical_error > 0.05
    assert not equivalence_bound(loose, -1).passes


def test_the_interval_covers_at_its_level() -> None:
    rng = np.random.default_rng(3)
    level, hits = 0.9, 0
    for _ in range(2000):
        sample = rng.normal(size=6)
        hits += abs(sample.mean()) <= student_half_width(sample, level)
    # binomial with 2000 trials at .9: one in 1e5 falls outside 4.4 standard deviations
    assert abs(hits - 1800) < 4.4 * math.sqrt(2000 * 0.9 * 0.1)


@given(st.floats(0.01, 100), st.integers(0, 3))
def test_one_calibration_removes_the_common_factor_and_nothing_else(factor: float, reference: int) -> None:
    rng = np.random.default_rng(5)
    predictions = np.array([1.0, 2.0, 0.5, 4.0])
    times = factor * predictions * np.exp(rng.normal(size=(6, 1)))
    times[:, 3] *= 1.1 * np.exp(1e-3 * rng.normal(size=6))
    intervals = {i.condition: i for i in calibrated_ratios(times, predictions, reference=reference)}
    assert reference not in intervals and len(intervals) == 3
    if reference != 3:
        assert not intervals[3].contains(1) and intervals[3].contains(1.1)
        assert all(intervals[c].ratio == pytest.approx(1, abs=1e-12) for c in intervals if c != 3)


def test_ratio_intervals_are_simultaneous() -> None:
    rng = np.random.default_rng(11)
    alarms = 0
    for _ in range(400):
        times = np.exp(rng.normal(size=(5, 1)) + 0.1 * rng.normal(size=(5, 6)))
        alarms += not all(i.contains(1) for i in calibrated_ratios(times, np.ones(6), level=0.9))
    # at most 40 are expected (Bonferroni is conservative); 27 more is 4.5 standard deviations
    assert alarms < 67


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: paired_slopes(LADDER, np.ones((2, 4))), "shape"),
        (lambda: paired_slopes(LADDER[:3], np.ones((2, 3))), "at least 4"),
        (lambda: paired_slopes(LADDER, ensemble(1), np.ones(5)), "shape of the times"),
        (lambda: student_half_width([1, 2], 1.0), "level"),
        (lambda: calibrated_ratios(np.ones((3, 2)), [1.0]), "one prediction"),
        (lambda: calibrated_ratios([[1.0, math.inf]], [1, 1]), "positive and finite"),
        (lambda: calibrated_ratios(np.ones((3, 2)), [1, 1], reference=2), "reference"),
    ],
)
def test_bad_input_gets_a_sentence(call, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()
