import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolic.escape import EPS, THRESHOLD, escape_exponent
from symbolic.inequality import (
    COUNT,
    RATE,
    energy_inequality,
    inequality_escape,
    overlap_inequality,
    printed_inequality,
)


def test_as_printed_the_time_is_constant_for_every_r():
    escape = printed_inequality()
    assert sp.simplify(escape.time - COUNT / RATE * (THRESHOLD ** (1 / COUNT) - EPS**2)) == 0
    assert escape.exponent == 0
    assert escape.logarithm == sp.false


@pytest.mark.parametrize("corrected", [overlap_inequality, energy_inequality])
def test_the_corrected_readings_give_the_law(corrected):
    for r in (1, 2, 3, 5):
        escape = corrected(r)
        assert escape.exponent == escape_exponent(r)
        assert bool(escape.logarithm) == (r == 2)
    assert sp.simplify(corrected().exponent - sp.Min(0, 2 - COUNT)) == 0
    assert sp.solve(corrected().logarithm, COUNT) == [2]


def test_as_printed_the_exponent_is_not_that_of_the_law():
    assert [printed_inequality(r).exponent for r in (3, 4, 5)] == [0, 0, 0]
    assert [escape_exponent(r) for r in (3, 4, 5)] == [-1, -2, -3]


@settings(deadline=None, max_examples=6)
@given(
    st.fractions(min_value=0, max_value=3, max_denominator=4),
    st.fractions(min_value=0, max_value=6, max_denominator=3).filter(lambda s: s > 0),
)
def test_the_time_solves_the_equation_and_the_exponent_is_its_growth(power, start):
    p, s = sp.Rational(power), sp.Rational(start)
    escape = inequality_escape(p, s)
    assert sp.simplify(sp.diff(escape.time, THRESHOLD) - THRESHOLD ** (-p) / RATE) == 0
    assert sp.simplify(sp.expand_log(sp.powdenest(escape.time.subs(THRESHOLD, EPS**s), force=True))) == 0
    at = escape.time.subs({RATE: 1, THRESHOLD: sp.Rational(1, 3)})
    small = sp.Rational(1, 10**40)
    slope = sp.log(at.subs(EPS, small / 10) / at.subs(EPS, small)) / sp.log(sp.Rational(1, 10))
    # 40 decades down the subleading term is at most eps^{1/12} = 5e-4 of the leading one, a logarithm's slope 1/92.
    assert abs(slope.evalf(30) - escape.exponent) < 0.03


def test_a_start_that_is_not_small_is_refused():
    with pytest.raises(ValueError, match="must be positive"):
        inequality_escape(1, 0)
