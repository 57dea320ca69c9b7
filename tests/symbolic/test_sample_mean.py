import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolic.activations import activation
from symbolic.moments import hermite
from symbolic.sample_mean import Sample, SampleTeacher, sample_alignment, sample_alignment_by_stein

ROWS = [[1.0, 10.0], [2.0, -3.0], [4.0, 0.5], [-1.5, 2.25]]
numbers = st.integers(-50, 50).map(float)
samples = st.lists(st.tuples(numbers, numbers, numbers), min_size=4, max_size=8).filter(
    lambda rows: all(len({row[j] for row in rows}) > 1 for j in range(3))
)


def by_hand(rows, targets, standardise):
    """mean(y x) by loops, the slow and obvious way."""
    x = np.array(rows)
    y = np.array(targets)
    if standardise:
        x = (x - x.mean(0)) / np.sqrt(((x - x.mean(0)) ** 2).mean(0))
        y = y - y.mean()
    return [math.fsum(y[i] * x[i, j] for i in range(len(x))) / len(x) for j in range(x.shape[1])]


@given(samples, st.booleans(), st.data())
@settings(max_examples=40, deadline=None)
def test_the_mean_of_labels_against_loops(rows, standardise, data):
    labels = data.draw(st.lists(numbers, min_size=len(rows), max_size=len(rows)))
    found = sample_alignment(Sample.of(rows), labels, standardise=standardise)
    expected = by_hand(rows, labels, standardise)
    scale = 1e-12 * (1 + max(map(abs, labels)) * 50)
    assert float(found.norm) == pytest.approx(math.hypot(*expected), abs=scale)
    assert float(found.absolute_sum) == pytest.approx(math.fsum(map(abs, expected)), abs=scale)


@pytest.mark.parametrize("standardise", [True, False])
def test_a_teacher_is_asked_along_its_unit_direction(standardise):
    x = np.array(ROWS)
    if standardise:
        x = (x - x.mean(0)) / x.std(0)
    y = np.tanh(x @ np.array([3.0, -4.0]) / 5)
    teacher = SampleTeacher(activation("tanh"), (3.0, -4.0))
    found = sample_alignment(Sample.of(ROWS), teacher, standardise=standardise)
    assert float(found.norm) == pytest.approx(np.linalg.norm(y @ x / len(x)), rel=1e-14)


def test_the_enclosure_is_as_narrow_as_was_asked():
    found = sample_alignment(Sample.of(ROWS, digits=30), SampleTeacher(activation("gelu"), (1.0, 1.0)))
    assert float(found.norm.radius) < 1e-29 * float(found.norm)


def test_the_labels_are_centred_only_with_the_covariates():
    raw = sample_alignment(Sample.of(ROWS), [1.0] * 4, standardise=False)
    assert float(raw.norm) == pytest.approx(math.hypot(5.5 / 4, 9.75 / 4), rel=1e-15)
    assert float(sample_alignment(Sample.of(ROWS), [1.0] * 4).norm) == pytest.approx(0, abs=1e-20)


def test_stein_is_right_for_a_linear_teacher_on_any_sample_and_wrong_for_tanh():
    sample = Sample.of(ROWS)
    linear = SampleTeacher(activation("linear"), (1.0, 2.0))
    exact = float(sample_alignment(sample, linear).norm)
    assert float(sample_alignment_by_stein(sample, linear)) == pytest.approx(exact, rel=1e-15)
    tanh = SampleTeacher(activation("tanh"), (1.0, 2.0))
    assert abs(float(sample_alignment_by_stein(sample, tanh)) / float(sample_alignment(sample, tanh).norm) - 1) > 0.01


def test_stein_of_one_column_is_the_hermite_coefficient():
    sample = Sample.of([[-1.0], [0.0], [5.0]])
    found = sample_alignment_by_stein(sample, SampleTeacher(activation("gelu"), (2.0,)))
    assert float(found) == pytest.approx(float(hermite(activation("gelu"))), rel=1e-15)


@pytest.mark.parametrize(
    ("rows", "labels", "words"),
    [
        ([], [], "at least one row"),
        ([[1.0], [1.0, 2.0]], [0.0, 0.0], "one length"),
        ([[1.0], [math.nan]], [0.0, 1.0], "finite"),
        ([[1.0, 2.0], [1.0, 3.0]], [0.0, 1.0], "column 1 .* constant"),
        ([[1.0], [2.0]], [0.0], "2 of them, got 1"),
    ],
)
def test_what_is_no_sample_is_refused(rows, labels, words):
    with pytest.raises(ValueError, match=words):
        sample_alignment(Sample.of(rows), labels)


@pytest.mark.parametrize("direction", [(1.0,), (0.0, 0.0)])
def test_a_direction_that_does_not_fit_is_refused(direction):
    with pytest.raises(ValueError, match="direction of 2 entries"):
        sample_alignment(Sample.of(ROWS), SampleTeacher(activation("tanh"), direction))
