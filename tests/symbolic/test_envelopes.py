"""Growth bounds: range and envelope contain the function at points of the tail."""

from typing import Any

import pytest
from flint import acb, arb, fmpq
from hypothesis import given, settings
from hypothesis import strategies as st

import symbolic
from symbolic import balls, envelopes, trees

START = 3


def assert_bounded(tree: Any, side: int, offset: Any) -> None:
    try:
        growth = envelopes.growth(tree, envelopes.tail_variable(arb(START), side))
    except ValueError:
        return  # no bound was found, which is always allowed
    u = arb(fmpq(offset.numerator, offset.denominator)) + START
    value = balls.evaluate(tree, acb(side * u), False)
    if not value.is_finite() or not value.imag.contains(0):
        return
    real = value.real
    assert not real < growth.low and not real > growth.high
    envelope = growth.factor * (1 + u) ** growth.degree * (growth.rate * u + growth.curvature * u * u).exp()
    assert not abs(real) > envelope


offsets = st.fractions(min_value=0, max_value=9, max_denominator=8)
sides = st.sampled_from((1, -1))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(symbolic.catalogue()), sides, offsets)
def test_the_catalogue(name: str, side: int, offset: Any) -> None:
    assert_bounded(symbolic.activation(name).elementary, side, offset)


@pytest.mark.parametrize("name", symbolic.catalogue())
def test_every_member_has_a_bound(name: str) -> None:
    for side in (1, -1):
        envelopes.growth(symbolic.activation(name).elementary, envelopes.tail_variable(arb(START), side))


constants = st.fractions(-3, 3, max_denominator=4).map(trees.rational)
FUNCTIONS = (
    "sin",
    "cos",
    "tanh",
    "erf",
    "atan",
    "asinh",
    "abs",
    "exp",
    "log",
    "sinh",
    "cosh",
    "relu",
    "softplus",
    "gelu",
)


def _extended(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(trees.call, st.sampled_from(FUNCTIONS), inner),
        st.builds(trees.call, st.sampled_from(("max", "min")), inner, inner),
        st.builds(trees.add, inner, inner),
        st.builds(trees.mul, inner, inner),
        st.builds(trees.power, inner, st.sampled_from((-2, -1, 2, 3))),
        st.builds(
            lambda t, a, b: ("piecewise", (("less", t, trees.rational(0)), a), (("true",), b)), inner, inner, inner
        ),
    )


@settings(max_examples=100, deadline=None)
@given(st.recursive(st.one_of(st.just(trees.Z), constants), _extended, max_leaves=6), sides, offsets)
def test_random_trees(tree: Any, side: int, offset: Any) -> None:
    assert_bounded(trees.elementary(tree), side, offset)


def test_the_exponential_keeps_its_rate() -> None:
    tree = trees.call("exp", trees.add(trees.negative(trees.power(trees.Z, 2)), trees.Z))
    growth = envelopes.growth(tree, envelopes.tail_variable(arb(START), 1))
    assert growth.curvature == -1 and growth.rate == 1
