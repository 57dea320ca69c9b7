from dataclasses import replace
from fractions import Fraction

import flint
import numpy as np
import pytest

from numeric.manifold import ManifoldModel
from numeric.validated_field import TrapezoidRule, ValidatedField

MODELS = [
    (ManifoldModel("tanh", 3, 5), [0.3, -0.4, 0.5]),
    (ManifoldModel("gelu", 3, [2, 7], "plain", "tanh", 0.7), [0.3, 0.4, 0.5]),
    (ManifoldModel("silu", 2, 3, gains=[0.5, -2.0], mobilities=[0.25, 0.5]), [0.7, 0.6]),
    (ManifoldModel("sigmoid", 4, 3, teacher="sin"), [0.2, 0.3, 1.0, 0.4]),
    (ManifoldModel("erf", 2, 2, beta=-2.0), [0.05, 0.01]),
]


@pytest.fixture(autouse=True)
def precision():
    cap = flint.ctx.cap
    flint.ctx.cap = 1
    with flint.ctx.workprec(150):
        yield
    flint.ctx.cap = cap


def series(X):
    return [flint.arb_series([flint.arb(x)]) for x in X]


def fine(field):
    return TrapezoidRule(Fraction(1, 16), 16 * 14, field.even, 1.0)


@pytest.mark.parametrize(("model", "X"), MODELS)
def test_rates_agree_with_float64(model, X):
    field = ValidatedField(model)
    rates = [float(w[0].mid()) for w in field.rates(series(X), fine(field))]
    np.testing.assert_allclose(rates, model.rates(np.array(X)) / X, rtol=3e-14)


@pytest.mark.parametrize(("model", "X"), MODELS)
@pytest.mark.parametrize("step", [Fraction(2, 5), Fraction(4, 5), Fraction(5, 4)])
@pytest.mark.parametrize("radius", [3, 12])
def test_the_bound_covers_the_error_of_a_coarse_rule(model, X, step, radius):
    field = ValidatedField(model)
    exact = field.rates(series(X), fine(field))
    for height in (0.2, 0.6, 1.2):
        rule = TrapezoidRule(step, radius // step, field.even, height)
        coarse = field.rates(series(X), rule)
        bounds = field.errors([flint.arb(x) for x in X], rule)
        for a, b, x, bound in zip(coarse, exact, X, bounds, strict=True):
            assert abs((a[0] - b[0]) * x).mid() <= bound


@pytest.mark.parametrize(("model", "X"), MODELS)
@pytest.mark.parametrize("radius", [2, 3])
def test_the_bound_covers_the_nodes_left_out(model, X, radius):
    field = ValidatedField(model)
    exact = field.rates(series(X), fine(field))
    rule = TrapezoidRule(Fraction(1, 16), 16 * radius, field.even, 1.0)  # the strip's part is about 1e-40
    short, bounds = field.rates(series(X), rule), field.errors([flint.arb(x) for x in X], rule)
    for a, b, x, bound in zip(short, exact, X, bounds, strict=True):
        assert 0 < abs((a[0] - b[0]) * x).mid() <= bound


@pytest.mark.parametrize(("model", "X"), MODELS)
def test_the_chosen_rule_keeps_its_promise_and_is_not_much_finer_than_needed(model, X):
    field = ValidatedField(model)
    speeds, lead = model.rates(np.array(X)) / X, 1
    signed = np.abs(speeds)  # the choice reads sizes only
    rule = field.choose(np.array(X), lead, signed, 1e-12)
    bounds = field.errors([flint.arb(x) for x in X], rule)
    assert all(b < 1.01e-12 * 2 * signed[lead] * abs(x) for b, x in zip(bounds, X, strict=True))  # strip and tail
    coarser = replace(rule, step=rule.step * Fraction(5, 4))
    assert max(float(b) / abs(x) for b, x in zip(field.errors(map(flint.arb, X), coarser), X, strict=True)) > (
        1e-12 * signed[lead]
    )


@pytest.mark.parametrize(("model", "X"), MODELS)
def test_the_ball_of_the_loss(model, X):
    field = ValidatedField(model)
    balls = [flint.arb(x) for x in X]
    exact = field.loss(balls, fine(field))
    assert float(exact.mid()) == pytest.approx(model.loss(np.array(X)), rel=1e-13)
    narrow = field.loss(balls, field.choose_for_loss(np.array(X), 1e-12))
    assert narrow.overlaps(exact) and 0.0 < float(narrow.rad()) < 2e-12
    for step, count in ((Fraction(4, 5), 5), (Fraction(5, 4), 9)):
        coarse = field.loss(balls, TrapezoidRule(step, count, field.even, 0.6))
        assert coarse.contains(exact.mid()) and float(coarse.rad()) > 1e-9


def test_a_strip_that_reaches_a_pole_has_no_bound():
    field = ValidatedField(ManifoldModel("tanh", 2))
    rule = TrapezoidRule(Fraction(1, 5), 60, True, 1.6)
    assert not any(b.is_finite() for b in field.errors([flint.arb("0.1")] * 2, rule))


def test_a_rate_that_is_not_positive_has_no_rule():
    with pytest.raises(ValueError, match="no quadrature rule"):
        ValidatedField(ManifoldModel("tanh", 2)).choose(np.array([0.1, 0.1]), 0, np.zeros(2), 1e-9)


def test_short_series_are_noticed():
    flint.ctx.cap = 3
    field = ValidatedField(ManifoldModel("tanh", 2))
    with pytest.raises(RuntimeError, match="cut short"):
        field.rates([flint.arb_series([1, 1], prec=2)] * 2, TrapezoidRule(Fraction(1), 3, True, 1.0))
