import cmath
import math

import flint
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from numeric.ball_activations import taylor
from numeric.ball_strips import _CATALOGUE, quotient, strip_activation


def _logistic(z):
    return 1 / (1 + cmath.exp(-z))


# s' in complex float64, written independently of the balls
SLOPES = {
    "linear": lambda z: 1,
    "tanh": lambda z: 1 / cmath.cosh(z) ** 2,
    "erf": lambda z: 2 / math.sqrt(math.pi) * cmath.exp(-z * z),
    "sin": cmath.cos,
    "arctan": lambda z: 1 / (1 + z * z),
    "asinh": lambda z: 1 / cmath.sqrt(1 + z * z),
    "gelu": lambda z: 0.5 * (1 + special.erf(z / math.sqrt(2))) + z * cmath.exp(-z * z / 2) / math.sqrt(2 * math.pi),
    "silu": lambda z: _logistic(z) + z * _logistic(z) * (1 - _logistic(z)),
    "swish": lambda z: _logistic(z) + z * _logistic(z) * (1 - _logistic(z)),
    "snake": lambda z: 1 + cmath.sin(2 * z),
    "sigmoid": lambda z: _logistic(z) * (1 - _logistic(z)),
    "softplus": _logistic,
}
LARGEST = {"arctan": 0.98, "asinh": 0.98}  # heights at which the bound is known
HEIGHT = 1.5


@pytest.mark.parametrize("name", sorted(_CATALOGUE))
@given(x=st.floats(-12, 12), part=st.floats(-1, 1), height=st.floats(0.01, 1.0))
def test_bound_holds_on_the_strip(name, x, part, height):
    b = height * LARGEST.get(name, HEIGHT)
    bound = float(strip_activation(name).bound(flint.arb(b)))
    assert abs(SLOPES[name](complex(x, part * b))) <= bound * (1 + 1e-12)


@pytest.mark.parametrize("name", sorted(set(_CATALOGUE) - {"gelu", "silu", "swish", "softplus"}))
def test_bound_is_attained_where_it_is_sharp(name):
    b = 0.9 * LARGEST.get(name, HEIGHT)
    peak = {"snake": math.pi / 4}.get(name, 0.0)
    assert abs(SLOPES[name](complex(peak, b))) == pytest.approx(float(strip_activation(name).bound(flint.arb(b))))


@pytest.mark.parametrize("name", sorted(set(_CATALOGUE) - {"linear", "erf", "sin", "gelu", "snake"}))
def test_no_bound_beyond_the_nearest_pole(name):
    assert not strip_activation(name).bound(flint.arb("1.6")).is_finite()


@pytest.mark.parametrize("name", sorted(_CATALOGUE))
def test_value_and_slope_on_a_series(name):
    known = strip_activation(name)
    cap = flint.ctx.cap
    flint.ctx.cap = 6
    try:
        with flint.ctx.workprec(120):
            point = flint.arb("0.3")
            s, slope = known.pair(flint.arb_series([point, 1], prec=6))
            expected = taylor(known.value, point, 6)
            assert all(s[k].overlaps(expected[k]) for k in range(6))
            assert all(slope[k].overlaps((k + 1) * expected[k + 1]) for k in range(6))
            assert max(float(s[k].rad()) for k in range(6)) < 1e-30
            assert float(slope[0].mid()) == pytest.approx(SLOPES[name](0.3).real)
    finally:
        flint.ctx.cap = cap


def test_small_arguments_keep_their_relative_precision():
    with flint.ctx.workprec(80):
        s, _ = strip_activation("tanh").pair(flint.arb_series([flint.arb("1e-40"), flint.arb("1e-40")], prec=2))
        assert s[0].rel_accuracy_bits() > 70 and s[1].rel_accuracy_bits() > 70


def test_a_quotient_by_a_ball_around_zero_is_unknown():
    series = quotient(flint.arb_series([1, 1], prec=2), flint.arb_series([flint.arb(0, 1), 1], prec=2))
    assert not series[0].is_finite() and not series[1].is_finite()
    # 1 + z^2, from a product of balls, reaches below 0 here
    assert not strip_activation("arctan").slope(flint.arb_series([flint.arb(0, 3), 1], prec=2))[0].is_finite()


@pytest.mark.parametrize("name", ["relu", "quadratic", "gelu_tanh", "nonsense", None])
def test_activations_without_a_bound(name):
    with pytest.raises(ValueError, match="no bound on a strip is known"):
        strip_activation(name)
