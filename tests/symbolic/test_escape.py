import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolic.escape import EPS, THRESHOLD, Regime, escape_exponent, escape_integral, escape_law


@pytest.mark.parametrize("r", range(1, 11))
def test_the_exponent_is_the_one_of_the_theorem(r):
    assert escape_exponent(r) == -max(r - 2, 0)


def test_the_four_values_of_the_revised_write_up():
    """int_.01^.1 y^{-(r-1)} dy = .09, 2.3, 90, 4950 for r = 1, 2, 3, 4 (the second rounded there: ln 10)."""
    at = {EPS: sp.Rational(1, 100), THRESHOLD: sp.Rational(1, 10)}
    values = [sp.simplify(sp.expand_log(escape_integral(r).subs(at), force=True)) for r in (1, 2, 3, 4)]
    assert values[0] == sp.Rational(9, 100)
    assert sp.simplify(values[1] - sp.log(10)) == 0
    assert values[2:] == [90, 4950]


@pytest.mark.parametrize("r", range(1, 9))
def test_the_integral_solves_the_clock(r):
    time = escape_integral(r)
    assert sp.simplify(sp.diff(time, THRESHOLD) - THRESHOLD ** (1 - r)) == 0
    assert sp.simplify(time.subs(THRESHOLD, EPS)) == 0


def test_regimes_and_leading_terms():
    laws = [escape_law(4, r) for r in (1, 2, 3, 4)]
    assert [law.regime for law in laws] == [Regime.CONSTANT, Regime.LOGARITHM, Regime.POWER, Regime.POWER]
    assert [law.leading for law in laws] == [THRESHOLD, -sp.log(EPS), 1 / EPS, 1 / (2 * EPS**2)]
    assert [law.logarithm for law in laws] == [False, True, False, False]


@settings(deadline=None, max_examples=10)
@given(st.data())
def test_the_law_depends_on_the_number_of_small_layers_only(data):
    depth = data.draw(st.integers(1, 6))
    small = tuple(data.draw(st.sets(st.integers(1, depth), min_size=1)))
    law = escape_law(depth, small)
    reference = escape_law(len(small))
    assert (law.exponent, law.regime, law.leading) == (reference.exponent, reference.regime, reference.leading)
    assert law.rate.small == tuple(sorted(small))


@pytest.mark.parametrize("r", [0, -1, 2.5, True, "3"])
def test_only_counts_are_accepted(r):
    with pytest.raises(ValueError, match="r >= 1"):
        escape_exponent(r)
