import itertools
import math

import numpy as np
import pytest
from scipy.integrate import DOP853

from numeric import dormand_prince
from numeric.dormand_prince import STAGES, A, error_norm, step, step_factor


def test_coefficients_are_those_of_the_published_code():
    for row, weights in enumerate(A[:-1], start=1):
        assert weights == pytest.approx(DOP853.A[row, :row].tolist(), abs=1e-16)
    assert A[-1] == pytest.approx(DOP853.B.tolist(), abs=1e-16)


def test_quadrature_conditions_to_order_eight():
    nodes = [0.0, *(sum(row) for row in A[:-1])]
    for k in range(1, 9):
        # sum b_i c_i^{k-1} = 1/k; seventeen digits of the coefficients leave a few 1e-16
        assert sum(b * c ** (k - 1) for b, c in zip(A[-1], nodes, strict=True)) == pytest.approx(1 / k, abs=3e-15)


def oscillator(y):
    return np.stack([y[:, 1], -y[:, 0]], axis=1)


def integrate(steps):
    y = np.array([[0.0, 1.0]])
    size = np.array([2.0 / steps])
    for _ in range(steps):
        y, _ = step(oscillator, y, oscillator(y), size)
    return math.hypot(y[0, 0] - math.sin(2.0), y[0, 1] - math.cos(2.0))


def test_order_of_convergence_is_eight():
    errors = [integrate(n) for n in (2, 4, 8)]
    for coarse, fine in itertools.pairwise(errors):
        # order 8 up to the next term of the expansion, which is of relative size h
        assert 7.4 < math.log2(coarse / fine) < 8.6


def test_a_member_does_not_feel_the_others():
    rng = np.random.default_rng(0)
    y, size = rng.normal(size=(7, 2)), rng.uniform(0.1, 1.0, size=7)
    new, errors = step(oscillator, y, oscillator(y), size)
    for m in range(7):
        alone, alone_errors = step(oscillator, y[m : m + 1], oscillator(y[m : m + 1]), size[m : m + 1])
        assert np.array_equal(alone[0], new[m])
        assert np.array_equal(alone_errors[:, 0], errors[:, m])


def test_error_norm_bounds_the_error_and_not_a_number_becomes_infinite():
    y, size = np.array([[0.0, 1.0]]), np.array([0.5])
    new, errors = step(oscillator, y, oscillator(y), size)
    true = np.abs(new[0] - [math.sin(0.5), math.cos(0.5)]).max()
    assert true <= error_norm(errors, np.ones((1, 2)), size)[0] < 1e-3
    assert error_norm(np.full((2, 1, 2), np.nan), np.ones((1, 2)), size)[0] == np.inf
    assert error_norm(np.zeros((2, 1, 2)), np.ones((1, 2)), size)[0] == 0.0


def test_step_factor_is_clipped():
    assert step_factor(np.array([0.0, 1.0, np.inf])).tolist() == pytest.approx([8.0, 0.9, 0.2])
    assert dormand_prince.ORDER == 8 and STAGES == 12
