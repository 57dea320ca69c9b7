from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolic.activations import activation
from symbolic.moments import hermite
from symbolic.teacher_alignment import Mode, alignment, alignment_as_printed

FUNCTIONS = {"tanh": np.tanh, "silu": lambda z: z / (1 + np.exp(-z)), "sin": np.sin}
COVARIANCE = [["1", "0.6"], ["0.6", "4"]]


def quadrature(name, modes, covariance):
    """E[y x] in two dimensions by the trapezoid rule in whitened coordinates.

    The nearest pole of tanh(s g), s = 3, is at distance .5: the error is exp(-2 pi .5/.06), below rounding.
    """
    grid = np.arange(-9, 9.01, 0.06)
    a, b = np.meshgrid(grid, grid)
    weight = np.exp(-(a**2 + b**2) / 2) * 0.06**2 / (2 * np.pi)
    root = np.linalg.cholesky(np.array(covariance, dtype=float))
    x = np.einsum("ij,jkl->ikl", root, np.stack([a, b]))
    y = sum(
        float(m.amplitude) * FUNCTIONS[name](np.einsum("i,ikl->kl", np.array(m.direction, dtype=float), x))
        for m in modes
    )
    return np.sum(weight * y * x, axis=(1, 2))


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@pytest.mark.parametrize("covariance", [[["1", "0"], ["0", "1"]], [["1", "0"], ["0", "4"]], COVARIANCE])
def test_the_vector_against_quadrature_in_two_dimensions(name, covariance):
    modes = [Mode.of(2, ["3/5", "4/5"]), Mode.of("-0.7", ["-1/2", "3/2"])]
    found = alignment(activation(name), modes, covariance)
    expected = quadrature(name, modes, covariance)
    # Trapezoid and tail are below 1e-15; float64 sums of 90000 terms keep 1e-12.
    assert np.allclose([float(x) for x in found.vector], expected, rtol=0, atol=1e-12)
    assert abs(float(found.norm) - np.linalg.norm(expected)) < 1e-12


def test_one_unit_mode_is_beta_h():
    found = alignment(activation("tanh"), [Mode.of("3/2", [1, 0, 0])])
    assert abs(Fraction(found.norm.value) - Fraction(3, 2) * Fraction(hermite(activation("tanh")).value)) < Fraction(
        1, 10**28
    )
    assert [float(x) for x in found.vector[1:]] == [0, 0]


def test_as_printed_is_right_for_unit_spreads_and_wrong_at_spread_two():
    tanh = activation("tanh")
    unit = [Mode.of(1, [1, 0]), Mode.of(1, [0, 1])]
    assert alignment(tanh, unit) == alignment_as_printed(tanh, unit)
    wide = [Mode.of(1, [1, 0]), Mode.of(1, [0, 2])]
    ratio = float(alignment(tanh, wide).norm) / float(alignment_as_printed(tanh, wide).norm)
    assert abs(ratio - 1) > 0.05
    correlated = alignment(tanh, unit, COVARIANCE), alignment_as_printed(tanh, unit, COVARIANCE)
    assert abs(float(correlated[0].norm) - float(correlated[1].norm)) > 0.05


def test_opposite_modes_cancel():
    found = alignment(activation("erf"), [Mode.of(1, [1, 0]), Mode.of(1, [-1, 0])])
    assert abs(float(found.norm)) < 1e-14


@settings(deadline=None, max_examples=8)
@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 5))
def test_linear_teachers_have_gamma_sigma_v(a, b, beta):
    if (a, b) == (0, 0):
        return
    found = alignment(activation("linear"), [Mode.of(beta, [a, b])], COVARIANCE)
    expected = [beta * (a + Fraction(3, 5) * b), beta * (Fraction(3, 5) * a + 4 * b)]
    for value, exact in zip(found.vector, expected, strict=True):
        assert abs(Fraction(value.value) - exact) <= Fraction(value.radius) + Fraction(1, 10**25)


@pytest.mark.parametrize(
    "modes,covariance,message",
    [
        ([], None, "at least one"),
        ([Mode.of(1, [1]), Mode.of(1, [1, 2])], None, "one dimension"),
        ([Mode.of(1, [1, 0])], [[1, 2], [3, 1]], "symmetric"),
        ([Mode.of(1, [1, 0])], [[1]], "symmetric"),
        ([Mode.of(1, [1, 0])], [[0, 0], [0, 1]], "v > 0"),
    ],
)
def test_bad_arguments_are_refused(modes, covariance, message):
    with pytest.raises(ValueError, match=message):
        alignment(activation("tanh"), modes, covariance)
