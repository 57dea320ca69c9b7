from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolic.scale_series import ScaleSeries, one, zero

ORDER = 4


def identity(value: Fraction) -> Fraction:
    return value


def series(terms):
    return ScaleSeries(terms, ORDER, identity)


KEYS = st.tuples(st.integers(1, 4), st.integers(-4, 4), st.integers(0, 2))
SMALL = st.dictionaries(KEYS, st.fractions(-3, 3, max_denominator=5), max_size=4).map(
    lambda terms: series({key: value for key, value in terms.items() if value})
)


def derivative(x):
    """d/d(log w), term by term."""
    total = zero(ORDER, identity)
    for (n, p, j), c in x.terms.items():
        total = total + series({(n, p, j): c * p})
        if j:
            total = total + series({(n, p, j - 1): c * j})
    return total


@settings(deadline=None, max_examples=25)
@given(SMALL, SMALL)
def test_exp_turns_sums_into_products(a, b):
    assert (a + b).exp().terms == (a.exp() * b.exp()).terms


@settings(deadline=None, max_examples=25)
@given(SMALL)
def test_the_reciprocal_is_one(a):
    unit = one(ORDER, identity)
    assert ((unit + a) * a.reciprocal_of_one_plus()).terms == unit.terms


@settings(deadline=None, max_examples=25)
@given(SMALL, st.integers(-3, 3))
def test_relax_solves_its_equation_from_zero(source, rate):
    x = source.relax(rate)
    assert (derivative(x) + x.scaled(Fraction(rate))).terms == source.terms
    at_start = {}
    for (n, _, j), c in x.terms.items():
        if j == 0:  # w = 1: every power is 1 and log w = 0
            at_start[n] = at_start.get(n, 0) + c
    assert not any(at_start.values())


def test_truncation_and_shift():
    y = series({(1, 1, 0): Fraction(1)})
    assert (y * y * y * y * y).terms == {}
    assert y.shifted(3).terms == {(4, 4, 0): 1}
    assert y.shifted(4).terms == {}
    assert (y * y).at_order(2).terms == (y * y).terms


def test_only_small_series_are_substituted():
    with pytest.raises(ValueError, match=r"eps\^1"):
        one(ORDER, identity).exp()
