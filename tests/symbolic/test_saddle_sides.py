import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolic.saddle_sides import origin_identity, saddle_identity


@settings(deadline=None, max_examples=10)
@given(st.data())
def test_the_saddle_identity_for_any_placement(data):
    depth = data.draw(st.integers(2, 5))
    small = tuple(sorted(data.draw(st.sets(st.integers(1, depth), min_size=2, max_size=3))))
    sides = saddle_identity(depth, small)
    assert sides.measured
    assert sides.residual == {}
    assert saddle_identity(depth, small, "half").residual != {}


@pytest.mark.parametrize("depth,width,dimension", [(2, 1, 1), (2, 2, 1), (2, 2, 2), (2, 3, 1), (3, 1, 2)])
def test_the_origin(depth, width, dimension):
    assert origin_identity(depth, width, dimension).residual == {}


def test_altered_readings_are_not_identities():
    assert saddle_identity(4, (2, 4), "alpha-everywhere").residual
    assert saddle_identity(4, (2, 4), "input-overlap").residual
    assert origin_identity(2, 2, 2, "once").residual
    assert origin_identity(2, 2, 2, "no-alpha").residual


def test_the_determinant_of_the_smallest_net():
    """N = d = 1: the Hessian is [[0, -alpha Gamma], [-alpha Gamma, 0]]."""
    alpha, gamma = sp.symbols("alpha", positive=True), sp.Symbol("Gamma_1", real=True)
    assert set(origin_identity(2, 1, 1).measured) == {"det: lambda**2", f"det: {alpha**2 * gamma**2}"}


def test_one_small_layer_is_refused():
    with pytest.raises(ValueError, match="critical"):
        saddle_identity(3, (2,))
