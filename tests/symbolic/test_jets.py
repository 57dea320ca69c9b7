"""Certified jets against SymPy's own derivatives at 60 digits, and closed forms in the tails."""

from fractions import Fraction

import mpmath
import pytest
import sympy

from symbolic import activation, certified_jet
from symbolic.series import NoExpansionError

POINTS = (Fraction(1, 1024), Fraction(-5, 4), Fraction(8))


@pytest.mark.parametrize("name", ["tanh", "gelu", "silu", "softplus", "erf", "asinh", "logcosh", "snake"])
def test_a_jet_is_the_rounded_derivative(name: str) -> None:
    entry = activation(name)
    for point in POINTS:
        jet = certified_jet(entry, point)
        for k, value in enumerate(jet):
            exact = sympy.diff(entry.expression, entry.symbol, k).subs(entry.symbol, sympy.Rational(point))
            # A derivative is a factorial times a rounded coefficient: two roundings.
            assert value == pytest.approx(float(sympy.N(exact, 60)), rel=2.5e-16, abs=0.0), (point, k)


def test_the_tails_keep_their_relative_accuracy() -> None:
    with mpmath.workdps(30):
        z = mpmath.mpf(-20)
        assert certified_jet(activation("gelu"), Fraction(-20), 0)[0] == float(z * mpmath.erfc(20 / mpmath.sqrt(2)) / 2)
        assert certified_jet(activation("tanh"), Fraction(20), 1)[1] == float(1 / mpmath.cosh(20) ** 2)


def test_polynomials_are_exact_and_a_piece_is_that_of_the_point() -> None:
    assert certified_jet(activation("cubic", a="1/2"), Fraction(3), 4) == (16.5, 14.5, 9.0, 3.0, 0.0)
    assert certified_jet(activation("relu"), Fraction(-1, 2), 2) == (0.0, 0.0, 0.0)
    assert certified_jet(activation("hardtanh"), Fraction(5, 4), 2) == (1.0, 0.0, 0.0)


def test_a_kink_has_no_jet() -> None:
    with pytest.raises(NoExpansionError, match="not smooth at 3"):
        certified_jet(activation("hardswish"), Fraction(3))
