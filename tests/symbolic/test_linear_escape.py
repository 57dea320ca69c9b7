import math

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from symbolic.linear_escape import logarithm_constant, logistic_residual
from symbolic.reduced_gains import ntk_gains, plain_gains


@pytest.mark.parametrize("gains", [ntk_gains(2, sp.Symbol("N", positive=True)), plain_gains(2, 7)])
def test_the_learnt_share_obeys_the_logistic_equation(gains):
    assert logistic_residual(gains) == 0


def test_the_constant_of_the_usual_rule():
    expected = math.log(math.sqrt(2) - 1) / 2
    half = sp.Rational(1, 2)
    assert float(logarithm_constant(plain_gains(2, 64), half)) == pytest.approx(expected, abs=1e-14)
    assert float(logarithm_constant(ntk_gains(2, 64), half)) == pytest.approx(expected - math.log(64) / 4, abs=1e-14)


@given(fraction=st.fractions(0, 1).filter(lambda f: 0.01 < f < 0.99), width=st.integers(1, 99))
def test_the_constant_against_quadrature(fraction, width):
    """K t = int dX / (X (1 - A X^2)) from eps to the scale at which the loss has fallen, at eps = 1e-5."""
    eps, A = 1e-5, math.sqrt(width)
    end = math.sqrt((1 - math.sqrt(fraction) * (1 - A * eps**2)) / A)
    time = quad(lambda v: 1 / (1 - A * math.exp(2 * v)), math.log(eps), math.log(end))[0]
    constant = float(logarithm_constant(ntk_gains(2, width), sp.Rational(fraction.numerator, fraction.denominator)))
    assert time + math.log(eps) == pytest.approx(constant, abs=1e-7)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="two layers"):
        logarithm_constant(ntk_gains(3, 4), sp.Rational(1, 2))
    with pytest.raises(ValueError, match="fraction"):
        logarithm_constant(ntk_gains(2, 4), 1)
