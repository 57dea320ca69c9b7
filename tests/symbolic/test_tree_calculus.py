import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolic import trees
from symbolic.activations import activation, catalogue
from symbolic.translate import symbol, tree_to_sympy
from symbolic.tree_calculus import derivative, scale_leaf, substituted

POINTS = [sp.Rational(k, 7) for k in (-23, -9, -4, 3, 5, 16)]  # off every kink of the catalogue


@pytest.mark.parametrize("name", catalogue())
def test_the_derivative_of_every_activation_is_that_of_sympy(name):
    tree = activation(name).elementary
    expected = sp.diff(tree_to_sympy(tree), symbol())
    got = tree_to_sympy(derivative(tree, trees.Z))
    for point in POINTS:
        difference = (expected - got).subs(symbol(), point).doit()
        # 30 digits asked for; what is left is cancellation in evalf.
        assert abs(sp.N(difference, 30)) < sp.Float(10) ** -20, point


UNARY = sorted(set(trees.UNARY) - {"acosh", "asin", "acos", "atanh", "log"})


@settings(deadline=None, max_examples=15)
@given(st.sampled_from(UNARY), st.sampled_from(UNARY), st.integers(-2, 3))
def test_the_chain_rule_on_compositions(outer, inner, power):
    tree = trees.call(outer, trees.add(trees.power(trees.Z, 2), trees.power(trees.call(inner, trees.Z), power)))
    expected = sp.diff(tree_to_sympy(tree), symbol())
    difference = (expected - tree_to_sympy(derivative(tree, trees.Z))).subs(symbol(), sp.Rational(3, 7))
    scale = abs(sp.N(expected.subs(symbol(), sp.Rational(3, 7)), 30)) + 1
    assert abs(sp.N(difference, 30)) < scale * sp.Float(10) ** -20


def test_inverse_functions_and_the_logarithm_where_they_are_real():
    for name, point in (("asin", "1/3"), ("acos", "1/3"), ("atanh", "1/3"), ("acosh", "4/3"), ("log", "1/3")):
        tree = trees.call(name, trees.Z)
        difference = sp.diff(tree_to_sympy(tree), symbol()) - tree_to_sympy(derivative(tree, trees.Z))
        assert abs(sp.N(difference.subs(symbol(), sp.Rational(point)), 30)) < sp.Float(10) ** -25


def test_a_scale_is_a_leaf_of_its_own():
    leaf = scale_leaf(2)
    tree = trees.call("tanh", trees.mul(leaf, trees.Z))
    slope = substituted(derivative(tree, leaf), leaf, trees.rational("3/5"))
    z = symbol()
    assert sp.simplify(tree_to_sympy(slope) - z * (1 - sp.tanh(sp.Rational(3, 5) * z) ** 2)) == 0
    assert derivative(tree, scale_leaf(1)) == trees.rational(0)


def test_the_exponent_may_move():
    tree = trees.power(trees.rational(2), trees.Z)
    assert sp.simplify(tree_to_sympy(derivative(tree, trees.Z)) - 2 ** symbol() * sp.log(2)) == 0


def test_a_jump_has_no_derivative():
    with pytest.raises(ValueError, match="continuous"):
        derivative(trees.call("sign", trees.Z), trees.Z)
