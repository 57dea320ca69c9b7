import flint
import numpy as np
import pytest

from numeric.ball_manifold import BallManifold, exact
from numeric.manifold import ManifoldModel


@pytest.mark.parametrize(
    "model",
    [
        ManifoldModel("tanh", 3, 5),
        ManifoldModel("gelu", 3, [2, 7], "plain", "tanh", 0.7),
        ManifoldModel("silu", 2, 3, gains=[0.5, 2.0], mobilities=[0.25, 0.5]),
        ManifoldModel("mish", 2, 3),
    ],
)
def test_rates_agree_with_float64(model):
    X = np.array([0.3, -0.4, 0.5])[: model.depth]
    with flint.ctx.workprec(100):
        rates = BallManifold(model, 16, 100).relative_rates([exact(float(x)) for x in X])
    np.testing.assert_allclose([float(w) for w in rates], model.rates(X) / X, rtol=3e-14)


@pytest.mark.parametrize("model", [ManifoldModel("tanh", 3, 5), ManifoldModel("gelu", 3, [2, 7], "plain", "tanh", 0.7)])
def test_loss_and_overlap_agree_with_float64_and_with_other_nodes(model):
    X = np.array([0.3, -0.4, 0.5])
    with flint.ctx.workprec(100):
        balls, point = BallManifold(model, 20, 100), [exact(float(x)) for x in X]
        assert float(balls.loss(point)) == pytest.approx(float(model.loss(X)), rel=1e-14)
        assert float(balls.overlap(point)) == pytest.approx(float(model.overlap(X)), rel=1e-13)
        for number in (balls.loss, balls.overlap):
            assert 0.0 < abs(float((number(point) - number(point, shifted=True)).mid())) < 1e-19


def test_more_digits_change_less_than_the_quadrature_error_says():
    model = ManifoldModel("tanh", 3)
    with flint.ctx.workprec(220):
        X = [exact("0.5")] * 3
        coarse, fine = BallManifold(model, 20, 220), BallManifold(model, 45, 220)
        difference = max(
            float(abs(a / b - 1).mid()) for a, b in zip(coarse.relative_rates(X), fine.relative_rates(X), strict=True)
        )
        assert fine.quadrature_error(X) < 1e-44
        assert difference <= 2 * coarse.quadrature_error(X) < 1e-18


def test_exact_reading_of_numbers():
    with flint.ctx.workprec(200):
        assert exact(0.1).overlaps(exact("1/10")) and exact("1e-6").overlaps(exact("0.000001"))
        assert not exact(0.1).overlaps(flint.arb(0.1))
