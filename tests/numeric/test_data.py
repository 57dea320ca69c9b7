import math

import numpy as np
import pytest
import torch

from numeric.activations import activation
from numeric.data import (
    Population,
    covariance_root,
    gauss_hermite,
    gaussian_batch,
    linear_population,
    population,
    product_quadrature,
    real_population,
    single_mode_population,
    teacher,
    trapezoid,
)

TANH = activation("tanh")


def test_quadratures_integrate_gaussian_moments() -> None:
    for u, w in (trapezoid(), gauss_hermite(12)):
        for power, moment in ((0, 1), (1, 0), (2, 1), (3, 0), (4, 3), (6, 15)):
            assert float((w * u**power).sum()) == pytest.approx(moment, abs=1e-12)
    u, w = trapezoid()
    assert float((w * torch.cos(2 * u)).sum()) == pytest.approx(math.exp(-2), rel=1e-13)


def test_product_quadrature_is_isotropic_and_keeps_the_direction() -> None:
    v = torch.tensor([1.0, -2.0, 2.0], dtype=torch.float64)
    x, w = product_quadrature(v, trapezoid(9.0, 0.3))
    torch.testing.assert_close((w * x) @ x.mT, torch.eye(3, dtype=torch.float64), rtol=0, atol=1e-12)
    unit = v / 3
    correlation = (w * torch.tanh(unit @ x)) @ x.mT
    assert float((correlation - (correlation @ unit) * unit).norm()) < 1e-15


def test_single_mode_population_has_stein_s_correlation() -> None:
    data = single_mode_population(TANH, inputs=2, amplitude=1.5)
    u, w = trapezoid()
    h = float((w / torch.cosh(u) ** 2).sum())  # E[s'(g)] = E[g s(g)]
    torch.testing.assert_close(
        data.correlation(), torch.tensor([[1.5 * h, 0.0]], dtype=torch.float64), rtol=1e-12, atol=1e-15
    )
    assert float(data.second_moment()) == pytest.approx(2.25 * float((w * torch.tanh(u) ** 2).sum()), rel=1e-12)


def test_multi_mode_teacher() -> None:
    x = torch.tensor([[1.0, 0.5], [2.0, -1.0]], dtype=torch.float64)
    y = teacher(TANH, [[1.0, 0.0], [0.6, 0.8]], [2.0, -1.0])(x)
    expected = 2 * torch.tanh(x[0]) - torch.tanh(0.6 * x[0] + 0.8 * x[1])
    torch.testing.assert_close(y, expected.unsqueeze(0))


def test_batches_are_paired_and_correlated() -> None:
    x = gaussian_batch([3, 4], 2, 20000)
    assert torch.equal(x[1], gaussian_batch([4], 2, 20000)[0])
    assert not torch.equal(x[0], x[1])
    sigma = torch.tensor([[1.0, 0.6], [0.6, 2.0]])
    y = gaussian_batch([3], 2, 20000, sigma)[0]
    torch.testing.assert_close(y, covariance_root(sigma) @ x[0])
    sample = y @ y.mT / 20000
    assert float((sample - sigma.double()).abs().max()) < 0.1  # five standard errors of a variance-2 entry


def test_linear_population_has_exact_second_moments() -> None:
    sigma = torch.tensor([[1.0, 0.6, 0.0], [0.6, 2.0, 0.1], [0.0, 0.1, 0.5]], dtype=torch.float64)
    beta = torch.tensor([1.0, -0.5, 2.0], dtype=torch.float64)
    data = linear_population(sigma, beta)
    x, w = data.covariates, data.node_weights
    torch.testing.assert_close((x * w) @ x.mT, sigma, rtol=0, atol=1e-14)
    torch.testing.assert_close(data.correlation()[0], sigma @ beta, rtol=0, atol=1e-14)
    assert float(data.second_moment()) == pytest.approx(float(beta @ sigma @ beta), rel=1e-14)


def test_real_population_is_standardised() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(3.0, 2.0, (50, 4))
    rows[:, 2] = 7.0
    data = real_population(rows, rows[:, 0] + 1.0)
    assert data.covariates.shape == (3, 50)
    assert float(data.covariates.mean(1).abs().max()) < 1e-13
    assert float(data.targets.mean().abs()) < 1e-13


@pytest.mark.parametrize(
    "make",
    [
        lambda: population(torch.zeros(2, 0), torch.zeros(1, 0)),
        lambda: Population(torch.zeros(2, 3), torch.zeros(1, 4), torch.ones(3)),
        lambda: Population(torch.zeros(3), torch.zeros(1, 3), torch.ones(3)),
        lambda: covariance_root(torch.tensor([[1.0, 2.0], [2.0, 1.0]])),
        lambda: covariance_root(torch.tensor([[1.0, 0.2], [0.0, 1.0]])),
        lambda: product_quadrature(torch.zeros(2), trapezoid()),
        lambda: gauss_hermite(0),
        lambda: single_mode_population(TANH, inputs=0),
        lambda: teacher(TANH, [[1.0, 0.0]], [1.0, 2.0]),
        lambda: real_population(np.array([[1.0, np.nan]]), np.array([1.0])),
    ],
)
def test_hostile(make) -> None:
    with pytest.raises(ValueError):
        make()
