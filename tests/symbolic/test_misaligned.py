import math
from fractions import Fraction

import pytest
from scipy.integrate import quad

from symbolic.activations import activation
from symbolic.misaligned import misaligned_escape


def test_a_linear_net_never_escapes_from_an_equal_start_of_the_wrong_sign():
    escape = misaligned_escape(activation("linear"), (-1, 1, 1), 0.01)
    assert escape.scaled_time == math.inf
    assert escape.order is None


def test_a_unique_smallest_layer_passes_through_zero():
    """X_1 falls from 1/2 to 0 and grows again: both ways by quadrature in X_1 itself, the other two follow from it."""
    escape = misaligned_escape(activation("linear"), (Fraction(-1, 2), 1, Fraction(3, 2)), 0.01)

    def speed(x):
        return 1 / math.sqrt((x * x + 0.75) * (x * x + 2.0))

    expected = 100 * (quad(speed, 0, 0.5)[0] + quad(speed, 0, math.inf)[0])
    assert escape.scaled_time == pytest.approx(expected, rel=1e-10)
    assert (escape.order, escape.logarithm) == (Fraction(-1), False)


@pytest.mark.parametrize(
    "name,starts,order,logarithm",
    [
        ("tanh", (-1, 1, 1), Fraction(-2), True),
        ("tanh", (-1, 1, 1, 1), Fraction(-5), True),
        ("sinh", (-1, 1, 1), Fraction(-2), False),
        ("sinh", (-1, 1, 1, 1), Fraction(-4), False),
        ("gelu", (1, -1, 1), Fraction(-3, 2), False),
        ("gelu", (-1, 1, 1), Fraction(-3, 2), True),
    ],
)
def test_the_order_of_an_equal_start(name, starts, order, logarithm):
    """-(q + 1)(L - 2)/2 where layer 1 stops last; where it stops first each layer adds its own order."""
    coarse, fine = (misaligned_escape(activation(name), starts, eps) for eps in (1e-6, 1e-7))
    assert (fine.order, fine.logarithm) == (order, logarithm)
    slope = math.log10(fine.scaled_time / coarse.scaled_time)
    assert slope == pytest.approx(-float(order), abs=0.08 if logarithm else 1e-3)  # log(1/eps) adds 1/log


def test_sinh_against_the_beta_function():
    """sinh, L = 3: delta_1 = c eps^4, c = a_3 M_3 / M_1 = (1/6) 4; K t = pi / (sqrt c eps^2) - 1/eps."""
    eps = 1e-3
    escape = misaligned_escape(activation("sinh"), (-1, 1, 1), eps)
    assert escape.scaled_time == pytest.approx(math.pi / (math.sqrt(2 / 3) * eps**2) - 1 / eps, rel=1e-5)


def test_starts_that_are_not_covered():
    with pytest.raises(ValueError, match="negative"):
        misaligned_escape(activation("tanh"), (1, 1, 1), 0.01)
    with pytest.raises(ValueError, match="tie"):
        misaligned_escape(activation("tanh"), (-1, 1, 2), 0.01)
