from itertools import pairwise

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolic.plateau import plateau_hessian, plateau_spectrum


def counts_of_the_theory(widths):
    """r - 1 once, +1 for every transverse interface direction, -1 for those and for the r - 1 imbalances, else 0."""
    r, transverse = len(widths) - 1, sum(n - 1 for n in widths[1:-1])
    total = sum(a * b for a, b in pairwise(widths))
    counts = {}
    for value, times in ((r - 1, 1), (1, transverse), (-1, r - 1 + transverse), (0, total - r - 2 * transverse)):
        counts[value] = counts.get(value, 0) + times
    return {value: times for value, times in counts.items() if times}


@settings(deadline=None, max_examples=8)
@given(st.lists(st.integers(1, 3), min_size=3, max_size=5))
def test_the_counts_of_the_theory(widths):
    assert plateau_spectrum(widths) == counts_of_the_theory(widths)


@pytest.mark.parametrize("N,r", [(2, 2), (2, 3), (3, 3)])
def test_square_layers_in_the_form_of_the_theory(N, r):
    spectrum = plateau_spectrum([N] * r + [1])
    if r > 2:
        assert spectrum[r - 1] == 1
        assert spectrum[1] == (N - 1) * (r - 1)
    assert spectrum[-1] == (r - 1) + (N - 1) * (r - 1)


def test_against_the_plain_hessian_of_the_product():
    """The slow reference: sp.hessian of (W_3 W_2 W_1)_11 with every entry a symbol."""
    y = sp.Symbol("y", positive=True)
    shapes = [(2, 2), (2, 2), (1, 2)]
    layers = [sp.Matrix(*shape, sp.symbols(f"a{k}_:{shape[0] * shape[1]}")) for k, shape in enumerate(shapes)]
    entries = [w for W in layers for w in W]
    balanced = {W[i, j]: y if i == j == 0 else 0 for W in layers for i in range(W.rows) for j in range(W.cols)}
    hessian = sp.hessian((layers[2] * layers[1] * layers[0])[0, 0], entries).subs(balanced)
    assert sp.Matrix(hessian / y) == sp.Matrix(plateau_hessian((2, 2, 2, 1)))


def test_the_shift_along_the_flow_has_eigenvalue_r_minus_one():
    """dy/dt = y^{r-1}: its linearisation is (r - 1) y^{r-2}, along the velocity, equal in the r aligned entries."""
    hessian = sp.Matrix(plateau_hessian((2, 2, 2, 1)))
    velocity = sp.zeros(hessian.rows, 1)
    for start in (0, 4, 8):  # the (1, 1) entries of the three layers
        velocity[start] = 1
    assert hessian * velocity == 2 * velocity


@pytest.mark.parametrize("widths", [(2, 2), (2, 0, 1), ()])
def test_bad_widths_are_refused(widths):
    with pytest.raises(ValueError, match="widths"):
        plateau_hessian(widths)
