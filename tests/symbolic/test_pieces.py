"""Kinks with affine arguments: cuts, active branches, and what is left alone."""

from itertools import pairwise
from typing import Any

from flint import acb, arb
from hypothesis import given, settings
from hypothesis import strategies as st

import symbolic
from symbolic import balls, trees
from symbolic.exact import enclosure
from symbolic.pieces import IDENTITY, Interval, resolve
from symbolic.trees import Z, add, call, divide, mul, power, rational

small = st.fractions(min_value=-2, max_value=2, max_denominator=4)
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
