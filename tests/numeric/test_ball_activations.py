import flint
import numpy as np
import pytest

from numeric.ball_activations import ball_activation, taylor
from numeric.scalar_activations import CATALOGUE

ANALYTIC = sorted(name for name, s in CATALOGUE.items() if not s.kinks)


@pytest.mark.parametrize("name", ANALYTIC)
def test_balls_contain_the_float64_values_up_to_their_rounding(name):
    ball, floating = ball_activation(name), CATALOGUE[name]
    assert ball.odd == floating.odd
    for z in (-1.7, -0.3, 0.0, 0.25, 0.9, 2.5):
        with flint.ctx.workprec(100):
            s, ds = ball.pair(flint.arb(z))
            assert float(s.rad()) < 1e-25 and float(ds.rad()) < 1e-25
            value, slope = floating.evaluate(np.array(z))
            assert float(s.mid()) == pytest.approx(float(value), rel=4e-15, abs=1e-16)
            assert float(ds.mid()) == pytest.approx(float(slope), rel=4e-15, abs=1e-15)


@pytest.mark.parametrize("name", ANALYTIC)
def test_formula_pair_and_taylor_agree_as_balls(name):
    ball = ball_activation(name)
    with flint.ctx.workprec(120):
        for z in (flint.arb("0.3"), flint.arb("-1.1")):
            series = taylor(ball.formula, z, 2)
            s, ds = ball.pair(z)
            assert s.overlaps(series[0]) and ds.overlaps(series[1]) and s.overlaps(ball.formula(z))


def test_exact_coefficients():
    with flint.ctx.workprec(120):
        tanh = ball_activation("tanh").coefficients(7)
        for k, exact in enumerate([0, 1, 0, (-1, 3), 0, (2, 15), 0, (-17, 315)]):
            assert tanh[k].overlaps(flint.arb(flint.fmpq(*exact) if isinstance(exact, tuple) else exact))
            assert float(tanh[k].rad()) < 1e-30
        cap = flint.ctx.cap
        ball_activation("gelu").coefficients(50)
        assert flint.ctx.cap == cap


def test_unknown_or_kinked():
    for name in ("relu", "tahn", None):
        with pytest.raises(ValueError, match="no analytic activation is called"):
            ball_activation(name)
