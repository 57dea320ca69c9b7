import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolic.rate import ALPHA, effective_rate, layer_scales, small_scale
from symbolic.reduced_gains import symbolic_gains
from symbolic.saddle_hessian import first_nonzero_derivative, manifold_hessian, origin_hessian, origin_spectrum


@settings(deadline=None, max_examples=12)
@given(st.data())
def test_the_first_derivative_that_survives_has_order_r_and_is_minus_the_rate(data):
    depth = data.draw(st.integers(1, 5))
    small = tuple(sorted(data.draw(st.sets(st.integers(1, depth), min_size=1, max_size=4))))
    (found,) = first_nonzero_derivative(depth, small)
    assert found.order == len(small)
    assert found.layers == small
    mobility = symbolic_gains(depth).mobility
    assert sp.simplify(found.value + effective_rate(depth, small).expression / mobility) == 0


@pytest.mark.parametrize("depth,small", [(2, (1, 2)), (4, (2, 4)), (5, (1, 5))])
def test_two_small_layers_make_a_strict_saddle(depth, small):
    spectrum = manifold_hessian(depth, small).eigenvals()
    K = effective_rate(depth, small).expression
    assert {sp.simplify(value / K): times for value, times in spectrum.items()} == (
        {-1: 1, 1: 1} if depth == 2 else {-1: 1, 1: 1, 0: depth - 2}
    )


@pytest.mark.parametrize("depth,small", [(3, (1, 2, 3)), (4, (1, 3, 4)), (5, (2, 3, 4, 5))])
def test_three_or_more_small_layers_have_no_hessian(depth, small):
    assert manifold_hessian(depth, small) == sp.zeros(depth, depth)


def test_the_hessian_of_an_explicit_loss():
    """The slow reference: tanh, three layers, two small, three data points, all second derivatives by SymPy."""
    data = [(sp.Rational(1, 2), 1), (-1, sp.Rational(-1, 3)), (2, sp.Rational(3, 4))]
    x1, x2, x3 = small_scale(1), layer_scales(3)[1], small_scale(3)
    loss = sum((y - x3 * sp.tanh(x2 * sp.tanh(x1 * u))) ** 2 for u, y in data) / 6
    at = {x1: 0, x3: 0, x2: sp.Rational(3, 2)}
    reference = sp.hessian(loss, [x1, x2, x3]).subs(at)
    alignment = sum(u * y for u, y in data) / sp.Integer(3)
    derived = manifold_hessian(3, (1, 3))
    entry = derived[0, 2].subs({x2: sp.Rational(3, 2), ALPHA: 1, sp.Symbol("c2", positive=True): 1})
    entry = entry.subs({sp.Symbol(f"b_{i}", positive=True): 1 for i in (1, 2, 3)}).replace(
        lambda e: e.func.__name__ == "E", lambda _: alignment
    )
    assert reference == sp.Matrix([[0, 0, entry], [0, 0, 0], [entry, 0, 0]])


@pytest.mark.parametrize("width,dimension", [(1, 1), (2, 1), (2, 3), (3, 2)])
def test_the_origin_of_a_two_layer_network_is_a_strict_saddle(width, dimension):
    alignment = sp.sqrt(sum(sp.Symbol(f"Gamma_{j}", real=True) ** 2 for j in range(1, dimension + 1)))
    spectrum = origin_spectrum(2, width, dimension)
    plus = [times for value, times in spectrum.items() if sp.simplify(value**2 - (ALPHA * alignment) ** 2) == 0]
    assert plus == [width, width]
    assert spectrum.get(sp.Integer(0), 0) == width * (dimension + 1) - 2 * width
    assert sum(spectrum.values()) == width * (dimension + 1)


@pytest.mark.parametrize("depth,width,dimension", [(3, 2, 2), (4, 1, 2)])
def test_the_origin_of_a_deeper_network_has_a_vanishing_hessian(depth, width, dimension):
    hessian = origin_hessian(depth, width, dimension)
    assert hessian == sp.zeros(*hessian.shape)


def test_the_origin_against_an_explicit_loss():
    """sin for s, width 2, dimension 1, two data points: every second derivative of the composed loss."""
    data = [(sp.Rational(1, 2), 1), (sp.Integer(-1), sp.Rational(-1, 3))]
    w1, w2, a1, a2 = sp.symbols("w1 w2 a1 a2")
    loss = sum((y - a1 * sp.sin(w1 * u) - a2 * sp.sin(w2 * u)) ** 2 for u, y in data) / 4
    reference = sp.hessian(loss, [w1, w2, a1, a2]).subs(dict.fromkeys((w1, w2, a1, a2), 0))
    alignment = sum(u * y for u, y in data) / 2
    derived = origin_hessian(2, 2, 1).subs({sp.Symbol("Gamma_1", real=True): alignment, ALPHA: 1})
    assert reference == derived


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="critical"):
        manifold_hessian(3, (2,))
    with pytest.raises(ValueError, match="width"):
        origin_hessian(2, 0, 1)
