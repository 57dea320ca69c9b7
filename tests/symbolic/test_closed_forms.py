"""Closed forms of Gaussian integrals, term by term, against the certified enclosures of the same integrals."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
import sympy
from flint import acb, arb
from hypothesis import given, settings
from hypothesis import strategies as st

import symbolic
from symbolic import balls, trees
from symbolic.closed_forms import expectation
from symbolic.exact import enclosure
from symbolic.moments import checked
from symbolic.pieces import IDENTITY, Interval, resolve
from symbolic.trees import Z, add, call, divide, mul, negative, power, rational

small = st.fractions(min_value=-2, max_value=2, max_denominator=4)
positive = st.fractions(min_value=Fraction(1, 4), max_value=2, max_denominator=4)


def line(slope: Fraction, offset: Fraction) -> Any:
    return add(mul(rational(slope), Z), rational(offset))


KERNELS = st.one_of(
    st.builds(lambda a, b: call("exp", line(a, b)), small, small),
    st.builds(lambda a, b: call("sin", line(a, b)), positive, small),
    st.builds(lambda a, b: call("cos", line(a, b)), positive, small),
    st.builds(lambda a, b: call("erf", line(a, b)), positive, small),
    st.builds(lambda a, b: call("exp", add(line(a, b), negative(power(Z, 2)))), small, small),
    st.builds(lambda a, b: call("abs", line(a, b)), positive, small),
    st.builds(lambda a, b: call("max", line(a, b), rational(-1), Z), small, small),
    st.builds(lambda a: mul(call("sin", mul(rational(a), Z)), call("cos", Z)), positive),
    st.builds(lambda a: call("celu", Z, rational(a)), positive),
    st.builds(lambda a: call("sinh", mul(rational(a), Z)), small),
)


@settings(max_examples=30, deadline=None)
@given(KERNELS, st.integers(0, 3), st.sampled_from([Fraction(1), Fraction(1, 3), Fraction(-3, 2)]))
def test_every_kernel_times_a_power_has_a_closed_form_inside_its_enclosure(kernel: Any, k: int, c: Fraction) -> None:
    activation = symbolic.activation_from_tree(kernel, "kernel")
    found = expectation(activation.tree, k, c)
    assert found is not None
    certified = symbolic.gaussian_expectation(symbolic.Chain((), k), symbolic.Chain.of((c, activation)), digits=20)
    checked(symbolic.Constant(found, certified.value, certified.radius), "kernel")  # raises when outside


@pytest.mark.parametrize("name, k", [("arctan", 1), ("asinh", 1), ("softsign", 1), ("softsign", 2), ("softsign", 3)])
@pytest.mark.parametrize("c", [Fraction(1, 2), Fraction(-2), Fraction(5, 3)])
def test_special_kernels(name: str, k: int, c: Fraction) -> None:
    activation = symbolic.activation(name)
    found = expectation(activation.tree, k, c)
    certified = symbolic.gaussian_expectation(symbolic.Chain((), k), symbolic.Chain.of((c, activation)), digits=20)
    assert found is not None
    checked(symbolic.Constant(found, certified.value, certified.radius), name)


@pytest.mark.parametrize("name", ["tanh", "mish", "sigmoid"])
def test_no_form_is_invented(name: str) -> None:
    assert expectation(symbolic.activation(name).tree, 1, Fraction(1)) is None


@pytest.mark.parametrize(
    "tree, expected",
    [
        (mul(Z, power(add(rational(1), call("exp", negative(Z))), -1)), sympy.Rational(1, 2)),
        (call("log", add(call("exp", Z), rational(1))), sympy.Rational(1, 2)),
        (power(rational(2), Z), sympy.log(2) * sympy.exp(sympy.log(2) ** 2 / 2)),
        (call("softplus", mul(rational(3), Z)), sympy.Rational(3, 2)),
        (mul(Z, call("tanh", power(Z, 3)), call("cos", Z), call("sigmoid", Z)), None),
    ],
)
def test_forms_that_are_recognised(tree: Any, expected: Any) -> None:
    found = expectation(tree, 1, Fraction(1))
    assert found is expected is None or sympy.simplify(found - expected) == 0


def test_divergence_has_no_closed_form() -> None:
    assert expectation(call("exp", power(Z, 2)), 0, Fraction(1)) is None
    assert expectation(call("exp", power(Z, 2)), 0, Fraction(1, 2)) == sympy.sqrt(2)


# --- pieces -----------------------------------------------------------------------------------------------------------

affine_trees = st.recursive(
    st.one_of(st.just(Z), small.map(rational)),
    lambda inner: st.one_of(
        st.builds(call, st.sampled_from(("max", "min")), inner, inner),
        st.builds(lambda t: call("abs", t), inner),
        st.builds(add, inner, inner),
        st.builds(lambda a, t: mul(rational(a), t), small, inner),
        st.builds(lambda t, a, b: ("piecewise", (("less", t, rational(0)), a), (("true",), b)), inner, inner, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None)
@given(affine_trees)
def test_pieces_of_piecewise_affine_functions(tree: Any) -> None:
    pieces = resolve(trees.elementary(tree), IDENTITY, Interval())
    assert pieces[0][0].low is None and pieces[-1][0].high is None
    for (left, _), (right, _) in pairwise(pieces):
        assert left.high == right.low
    for interval, piece in pieces:
        assert not _kinked(piece)
        inside = enclosure(interval.inside(), 100)
        ours = balls.evaluate(piece, acb(inside), False)
        whole = balls.evaluate(trees.elementary(tree), acb(inside), False)
        assert not whole.is_finite() or ours.overlaps(whole)


def _kinked(tree: Any) -> bool:
    if not isinstance(tree, tuple):
        return False
    own = tree[0] == "piecewise" or (tree[0] == "call" and tree[1] in ("max", "min", "abs"))
    return own or any(_kinked(part) for part in tree[1:])


def test_hardtanh_has_three_pieces_and_softsign_two() -> None:
    hardtanh = resolve(symbolic.activation("hardtanh").elementary, IDENTITY, Interval())
    assert [piece for _, piece in hardtanh] == [rational(-1), Z, rational(1)]
    softsign = resolve(symbolic.activation("softsign").elementary, IDENTITY, Interval())
    assert len(softsign) == 2
    assert softsign[1][1] == divide(Z, add(rational(1), Z))


def test_a_kink_inside_a_condition_is_seen() -> None:
    tree = ("piecewise", (("less", call("abs", Z), rational(1)), Z), (("true",), rational(0)))
    pieces = resolve(tree, IDENTITY, Interval())
    assert [piece for _, piece in pieces] == [rational(0), Z, Z, rational(0)]


def test_a_kink_that_is_not_affine_is_left_alone() -> None:
    tree = call("abs", add(power(Z, 2), rational(-1)))
    assert resolve(tree, IDENTITY, Interval()) == [(Interval(), tree)]
    activation = symbolic.activation_from_tree(tree, "kinked")
    # E|u^2 - 1| = 4 phi(1), by parts.
    found = symbolic.moment(activation, 0)
    assert abs(found.ball() - 4 * (-arb(1) / 2).exp() / (2 * arb.pi()).sqrt()) < 1e-14
