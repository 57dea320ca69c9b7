from __future__ import annotations

from fractions import Fraction

import mpmath
import pytest

from symbolic.activations import activation
from symbolic.block_constants import stage_pair


@pytest.mark.parametrize("name", ["tanh", "sin", "erf", "asinh"])
def test_constants_against_quadrature(name: str) -> None:
    mp = mpmath.mp.clone()
    mp.dps = 20
    s = getattr(mp, name)

    def mean(f: object) -> mpmath.mpf:
        density = 1 / mp.sqrt(2 * mp.pi)
        return mp.quad(lambda g: f(g) * density * mp.exp(-g * g / 2), [-12, 0, 12])  # type: ignore[operator]

    pair = stage_pair(activation(name), 2, Fraction(3, 2), group_size=4)
    slope_square = mean(lambda g: mp.diff(s, g) ** 2)
    value_square, overlap = mean(lambda g: s(g) ** 2), mean(lambda g: g * s(g))
    # Numerical differentiation at 20 digits keeps about 13; the cut at 12 removes less than 1e-30.
    for found, expected in ((pair.A, slope_square), (pair.B, 4 * value_square), (pair.M, overlap**2 * 3 / 2)):
        assert abs(mp.mpf(found.value) - expected) < mp.mpf(10) ** -12
    A, B, M, rate, gain = (mp.mpf(c.value) for c in (pair.A, pair.B, pair.M, pair.growth_rate, pair.gain))
    assert abs(mp.det(mp.matrix([[rate + A, -M], [-M, rate + B]]))) < mp.mpf(10) ** -18  # all inputs carry 30 digits
    assert rate > -(A + B) / 2 and abs(gain - M**2 / (A * B)) < mp.mpf(10) ** -18


def test_closed_forms_for_sine() -> None:
    mp = mpmath.mp.clone()
    mp.dps = 40
    pair = stage_pair(activation("sin"), 1, 1)
    expected = 2 / mp.sinh(2)  # h^4 / (E[s'^2] E[s^2]) = e^-2 / ((1 - e^-4)/4)
    assert abs(mp.mpf(pair.gain.value) - expected) <= mp.mpf(pair.gain.radius)


def test_gain_never_exceeds_the_square_of_the_ratio_and_does_not_see_the_group_size() -> None:
    for name in ("tanh", "erf", "arctan"):
        pair = stage_pair(activation(name), 2, 1)
        assert pair.unstable is False and float(pair.gain) < Fraction(1, 4)
        assert float(pair.growth_rate) < 0
        larger = stage_pair(activation(name), 2, 1, group_size=7)
        assert abs(float(larger.gain) - float(pair.gain)) < 1e-14  # both enclosed to 30 digits, compared as floats
        assert stage_pair(activation(name), 1, 3).unstable is True


def test_linear_activation_saturates_the_bound() -> None:
    pair = stage_pair(activation("linear"), 1, 2)
    assert abs(float(pair.gain) - 4) < 1e-14 and pair.unstable is True  # 30 digits compared as floats
    assert stage_pair(activation("linear"), 1, 1).unstable is None  # G = 1: no ball can tell


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="odd"):
        stage_pair(activation("gelu"), 1, 1)
    with pytest.raises(ValueError, match="b_1 not 0"):
        stage_pair(activation("tanh"), 0, 1)


def test_the_slope_is_an_activation() -> None:
    import sympy

    from symbolic import activation, slope_of

    s = activation("tanh")
    assert (
        sympy.simplify(slope_of(s).expression.rewrite(sympy.exp) - s.expression.diff(s.symbol).rewrite(sympy.exp)) == 0
    )
