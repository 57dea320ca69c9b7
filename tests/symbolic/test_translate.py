"""From neutral trees to SymPy: the expression means what the tree means."""

import math
from typing import Any

import pytest
import sympy
from flint import acb
from hypothesis import given, settings
from hypothesis import strategies as st

import symbolic
from symbolic import balls, trees
from symbolic.translate import symbol, tree_parity, tree_to_sympy

POINTS = (-3.3, -1.0625, -0.4, 0.3, 1.5, 4.1)


def ball_value(tree: Any, point: float) -> complex:
    return complex(balls.evaluate(trees.elementary(tree), acb(point), False))


@pytest.mark.parametrize("name", symbolic.catalogue())
def test_catalogue_expressions_and_balls_agree(name: str) -> None:
    activation = symbolic.activation(name)
    for point in POINTS:
        expected = float(activation.expression.subs(activation.symbol, sympy.Float(point, 30)))
        assert ball_value(activation.tree, point) == pytest.approx(expected, rel=1e-13, abs=1e-15)


def test_expressions_read_as_one_would_write_them() -> None:
    z = symbol()
    assert symbolic.activation("gelu").expression == z * (1 + sympy.erf(z / sympy.sqrt(2))) / 2
    assert symbolic.activation("mish").expression == z * sympy.tanh(sympy.log(1 + sympy.exp(z)))
    assert symbolic.activation("relu").expression == sympy.Max(0, z)
    assert symbolic.activation("leaky_relu", slope="1/5").expression.subs(z, -1) == -sympy.Rational(1, 5)
    assert symbolic.activation("softsign").expression == z / (1 + sympy.Abs(z))


def test_another_variable() -> None:
    t = sympy.Symbol("t", positive=True)
    assert tree_to_sympy(("call", "relu", ("z",)), -t) == 0
    assert tree_to_sympy(("call", "abs", ("z",)), -t) == t


@pytest.mark.parametrize("tree", [("y",), ("call", "system", ("z",))])
def test_unknown_nodes(tree: Any) -> None:
    with pytest.raises(ValueError, match="activation grammar"):
        tree_to_sympy(tree)


def test_piecewise_takes_the_first_branch_that_holds() -> None:
    tree = (
        "piecewise",
        (("less_equal", ("z",), ("rational", -1, 1)), ("rational", -1, 1)),
        (("less", ("z",), ("rational", 1, 1)), ("z",)),
        (("true",), ("rational", 1, 1)),
    )
    for point in POINTS:
        assert float(tree_to_sympy(tree).subs(symbol(), point)) == pytest.approx(max(-1, min(1, point)))
        assert ball_value(tree, point).real == pytest.approx(max(-1, min(1, point)))


leaves = st.one_of(st.just(trees.Z), st.fractions(-2, 2, max_denominator=4).map(trees.rational))


def _extended(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = ("sin", "cos", "tanh", "erf", "atan", "abs", "exp", "relu", "softsign", "sign", "heaviside", "logcosh")
    return st.one_of(
        st.builds(trees.call, st.sampled_from(names), inner),
        st.builds(trees.call, st.sampled_from(("max", "min")), inner, inner),
        st.builds(trees.add, inner, inner),
        st.builds(trees.mul, inner, inner),
        st.builds(trees.power, inner, st.sampled_from((2, 3))),
    )


trees_strategy = st.recursive(leaves, _extended, max_leaves=5)


@settings(max_examples=40, deadline=None)
@given(trees_strategy, st.sampled_from(POINTS))
def test_random_trees_mean_the_same_to_sympy_and_to_balls(tree: Any, point: float) -> None:
    ours = ball_value(tree, point)
    if not math.isfinite(ours.real) or abs(ours) > 1e12:
        return  # a ball that straddles a kink, or a value that double precision does not hold
    expected = float(tree_to_sympy(tree).subs(symbol(), sympy.Float(point, 40)).evalf(20))
    assert ours.real == pytest.approx(expected, rel=1e-9, abs=1e-9)  # exp(exp(...)) amplifies the ball's rounding


@settings(max_examples=50, deadline=None)
@given(trees_strategy)
def test_a_parity_that_is_claimed_holds(tree: Any) -> None:
    parity = tree_parity(trees.elementary(tree))
    if parity == "none":
        return
    for point in (0.7, 2.3):
        above, below = ball_value(tree, point), ball_value(tree, -point)
        assert below == pytest.approx(above if parity == "even" else -above, rel=1e-9, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize(
    "name, parity",
    [("tanh", "odd"), ("softsign", "odd"), ("cos", "even"), ("logcosh", "even"), ("gelu", "none"), ("cubic", "odd")],
)
def test_parity_of_members(name: str, parity: str) -> None:
    assert symbolic.activation(name).parity == parity
