import math

import flint
import mpmath
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


@pytest.mark.parametrize("rule", ["loss:0.5", "loss:0.9", "loss:0.001", "overlap:0.1", "overlap:0.9"])
@pytest.mark.parametrize("digits", [16, 30])
def test_rules_of_the_output_of_two_linear_layers_against_the_closed_form(rule, digits):
    # N = 16, y = beta u: yhat = 4 q u, q' = (2/sqrt N) q (beta - 4 q), the loss is (beta - 4 q)^2/2
    ours = precise_escape(ManifoldModel("linear", 2, 16, beta=1.5), ["1e-3", "1e-3"], rule, digits)
    kind, level = rule.split(":")
    with flint.ctx.workprec(250):
        beta, start, level = arb("1.5"), arb("1e-6"), arb(level)
        end = beta * level / 4 if kind == "overlap" else (beta - level.sqrt() * (beta - 4 * start)) / 4
        exact = 2 / beta * ((end / start) * (beta - 4 * start) / (beta - 4 * end)).log()
        error = abs(arb(ours.time) - exact)
        assert error < arb(ours.error) + exact * arb(10) ** -(digits + 1)
        assert float((error / exact).mid()) < 10.0 ** (1 - digits)
        for scale in ours.scales:
            assert float((abs(arb(scale) / end.sqrt() - 1)).mid()) < 10.0 ** (1 - digits)
    assert ours.digits > digits - 1 and ours.root < 10.0**-digits


@pytest.mark.parametrize("rule", ["loss:0.3", "overlap:0.25"])
def test_rules_of_the_output_of_three_unequal_linear_layers_against_an_integral(rule):
    """plain, N = 4: yhat = p u with p = F_1 F_2 F_3; the squares differ by constants."""
    ours = precise_escape(ManifoldModel("linear", 3, 4, "plain"), ["0.3", "-0.02", "-0.01"], rule, 26)
    context = mpmath.mp.clone()
    context.dps = 40
    a, b, c = (context.mpf(x) ** 2 for x in ("0.3", "0.02", "0.01"))
    product = lambda s: context.sqrt((a + s) * (b + s) * (c + s))  # noqa: E731
    level = context.mpf(rule.split(":")[1])
    p = level if rule.startswith("overlap") else 1 - context.sqrt(level) * (1 - product(0))
    end = context.findroot(lambda s: product(s) - p, 0.4)
    # F_l' = (1 - p) p/F_l, so that every F_l^2 grows by s with s' = 2 p (1 - p)
    exact = context.quad(lambda s: 1 / (2 * product(s) * (1 - product(s))), [0, 1e-4, 1e-3, 1e-2, 0.1, end])
    assert abs(context.mpf(ours.time) / exact - 1) < context.mpf(10) ** -26
    assert ours.digits > 26


@pytest.mark.parametrize("rule", ["loss:0.5", "overlap:0.1"])
@pytest.mark.parametrize(
    ("model", "start"),
    [
        (ManifoldModel("tanh", 4), ["1e-3"] * 4),
        (ManifoldModel("tanh", 3), ["0.01", "1", "0.02"]),
        (ManifoldModel("silu", 3, [2, 5], "plain", "tanh", 1.5), ["0.02", "0.5", "0.02"]),
        (ManifoldModel("sigmoid", 2, 4), ["0.3", "0.01"]),
    ],
)
def test_rules_of_the_output_against_float64_and_more_digits(model, start, rule):
    starts = [float(x) for x in start]
    double = manifold_escape(model, starts, rule, rtol=1e-12)
    if not double.times[0] > 0.0:  # the sigmoid net starts with more overlap
        with pytest.raises(ValueError, match=r"meets the rule overlap:0\.1 already"):
            precise_escape(model, start, rule, 14)
        return
    short, long = precise_escape(model, start, rule, 14), precise_escape(model, start, rule, 20)
    assert double.times[0] == pytest.approx(float(long.time), rel=1e-10)
    np.testing.assert_allclose(double.scales[0], [float(x) for x in long.scales], rtol=1e-9)
    with flint.ctx.workprec(150):
        assert abs(arb(short.time) - arb(long.time)) < arb(short.error) + arb(long.error)
    assert long.digits > 19
    end = [float(x) for x in long.scales]
    if rule.startswith("overlap"):
        assert model.overlap(end) == pytest.approx(0.1, rel=1e-12)
    else:
        assert model.loss(end) / model.loss(starts) == pytest.approx(float(rule[5:]), rel=1e-12)


def test_a_late_escape_after_the_layers_have_turned():
    """Beyond the overlap of the escape the scales rotate towards the minimum and the first one shrinks again."""
    model, start = ManifoldModel("tanh", 4), ["0.01"] * 4
    double = manifold_escape(model, [0.01] * 4, "loss:0.01", rtol=1e-12)
    short, long = precise_escape(model, start, "loss:0.01", 13), precise_escape(model, start, "loss:0.01", 18)
    assert double.times[0] == pytest.approx(float(long.time), rel=1e-10)
    with flint.ctx.workprec(150):
        assert abs(arb(short.time) - arb(long.time)) < arb(short.error) + arb(long.error)
    assert long.digits > 16


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
        ({"rule": "half"}, "unknown escape rule"),
        ({"rule": "loss:0.5", "start": [0.0, 0.1, 0.1]}, "start must be finite and not zero"),
        ({"rule": "loss:0.5", "start": [-0.1, 0.1, 0.1]}, "passes through zero before the rule loss:0.5 is met"),
        ({"rule": "overlap:0.1", "start": [0.6, 0.6, 0.6]}, "meets the rule overlap:0.1 already"),
        (
            {"rule": "loss:0.5", "start": [900.0] * 3, "model": ManifoldModel("sinh", 3)},
            "does not meet the rule loss:0.5: the",
        ),
        ({"rule": "loss:0.001", "model": ManifoldModel("relu", 3)}, "no analytic activation is called 'relu'"),
        ({"digits": 5}, "digits must lie between 10 and 200"),
        ({"start": [0.1, 0.1]}, "start needs 3 layer scales"),
        ({"start": [0.0, 0.1, 0.1]}, "start must be finite and not zero"),
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
