import math

import flint
import numpy as np
import pytest

from numeric.high_precision import precise_escape
from numeric.manifold import ManifoldModel
from numeric.manifold_sweep import bottleneck_starts, manifold_escape


def arb(text):
    return flint.arb(text)


@pytest.mark.parametrize("digits", [20, 35])
def test_linear_two_layers_against_the_logistic_closed_form(digits):
    # q = X^2: q' = (2/sqrt N) q (1 - sqrt(N) q), N = 16
    ours = precise_escape(ManifoldModel("linear", 2, 16), ["1e-3", "1e-3"], "scale:0.4@1", digits)
    with flint.ctx.workprec(250):
        q = [arb("1e-6"), arb("0.16")]
        logit = [(x / (1 - 4 * x)).log() for x in q]
        exact = 2 * (logit[1] - logit[0])
        error = abs(arb(ours.time) - exact)
        assert error < arb(ours.error) + exact * arb(10) ** -digits
        assert float((error / exact).mid()) < 10.0 ** (2 - digits)
    assert ours.digits > digits - 4


def test_linear_three_unequal_layers_against_a_ball_integral():
    # X_l^2 - X_1^2 is conserved: dX_1/dt = X_2 X_3 (1 - sqrt(N) X_1 X_2 X_3)/sqrt(N), N = 4
    ours = precise_escape(ManifoldModel("linear", 3, 4), ["0.01", "0.02", "0.03"], "scale:0.3@1", 25)
    with flint.ctx.workprec(150):

        def integrand(x, _):
            product = ((x * x + flint.acb("0.0003")) * (x * x + flint.acb("0.0008"))).sqrt()
            return 2 / (product * (1 - 2 * x * product))

        exact = flint.acb.integral(integrand, flint.acb("0.01"), flint.acb("0.3")).real
        error = abs(arb(ours.time) - exact)
        assert error < arb(ours.error) + exact * arb(10) ** -25


@pytest.mark.parametrize(
    ("model", "start"),
    [
        (ManifoldModel("tanh", 4), ["1e-3"] * 4),
        (ManifoldModel("gelu", 3, 16, "plain", "tanh"), ["0.02", "-0.5", "-0.03"]),
    ],
)
def test_nonlinear_against_float64_and_itself_with_more_digits(model, start):
    short, long = precise_escape(model, start, "scale:0.3@1", 18), precise_escape(model, start, "scale:0.3@1", 26)
    with flint.ctx.workprec(150):
        difference = abs(arb(short.time) - arb(long.time))
        assert difference < arb(short.error) + arb(long.error)
    assert long.digits > 23
    starts = [float(x) for x in start]
    double = manifold_escape(model, starts, "scale:0.3@1", rtol=1e-12, estimate_error=False)
    assert double.times[0] == pytest.approx(float(long.time), rel=1e-11)
    np.testing.assert_allclose(double.scales[0], [float(x) for x in long.scales], rtol=1e-9)


def test_precision_of_the_context_is_left_alone():
    before = flint.ctx.prec
    precise_escape(ManifoldModel("linear", 2, 16), ["0.1", "0.1"], "scale:0.4@1", 12)
    assert flint.ctx.prec == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "loss:0.5"}, "needs a rule of kind scale"),
        ({"digits": 5}, "digits must lie between 10 and 200"),
        ({"start": [0.1, 0.1]}, "start needs 3 layer scales"),
        ({"start": [0.0, 0.1, 0.1]}, "start must be finite, not zero and below the level"),
        ({"start": [0.9, 0.1, 0.1]}, "start must be finite, not zero and below the level"),
        ({"model": ManifoldModel("relu", 3)}, "no analytic activation is called 'relu'"),
        ({"start": [-0.1, 0.1, 0.1]}, "scale"),
        ({"rule": "scale:9@1"}, "scale"),
    ],
)
def test_hostile_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        precise_escape(**{"model": ManifoldModel("tanh", 3), "start": [0.1, 0.1, 0.1], "digits": 12, **arguments})


def test_plateau_law_at_forty_digits():
    # K t = eps^{-2}/2 + 1.199857959 log(1/eps) + const: the constant drops out of a difference of three rungs
    model = ManifoldModel("linear", 3, 4)
    times = [precise_escape(model, [eps] * 3, "scale:0.3@1", 20).time for eps in ("1e-5", "1e-6")]
    K, difference = 0.5, float(flint.arb(times[1]) - flint.arb(times[0]))
    assert K * difference == pytest.approx(9e5, rel=1e-9)  # eps^{-1}/1, next order eps^2
    assert bottleneck_starts(1e-5, 3).shape == (1, 3) and math.isfinite(difference)
