import math

import numpy as np
import pytest
import torch

from numeric.hessian import dense_hessian, hessian_product
from numeric.lanczos import count_eigenvalues, extreme_eigenvalues, power_iteration


def deep_loss(x, y, activation=torch.tanh):
    def loss(weights):
        z = x @ weights[0].T
        for w in weights[1:]:
            z = activation(z) @ w.T
        return 0.5 * (z[:, 0] - y).pow(2).mean()

    return loss


def data(n=64, d=3):
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x, torch.tanh(x[:, 0]) + 0.3 * x[:, 1]


def diagonal(values):
    spectrum = torch.tensor(values, dtype=torch.float64)
    return lambda v: spectrum * v


@pytest.mark.parametrize("end, expected", [("lowest", [-3.0, -1.0]), ("highest", [8.0, 9.0]), ("both", [-3.0, 9.0])])
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e9])
def test_ends_of_a_known_spectrum_at_any_scale(end, expected, scale) -> None:
    values = [-3.0, -1.0, *np.linspace(0, 1, 200), 8.0, 9.0]
    pairs = extreme_eigenvalues(diagonal([v * scale for v in values]), len(values), count=2, end=end)
    assert pairs.complete
    assert np.array(pairs.values) / scale == pytest.approx(expected, abs=1e-9)
    assert max(pairs.residuals) <= 1e-6 * scale


def test_a_tiny_operator_is_not_declared_converged_too_early() -> None:
    # An end without a gap needs many restarts; ARPACK's own test would pass at once at this scale.
    values = 1e-30 * np.linspace(0, 1, 400)
    pairs = extreme_eigenvalues(diagonal(values.tolist()), 400, count=1, end="highest")
    assert pairs.values[0] == pytest.approx(1e-30, rel=1e-9)
    assert pairs.residuals[0] < 1e-8 * 1e-30


def test_every_value_is_within_its_residual_of_an_eigenvalue() -> None:
    x, y = data()
    shapes = [(6, 3), (6, 6), (1, 6)]
    weights = [torch.randn(s, generator=torch.Generator().manual_seed(2), dtype=torch.float64) for s in shapes]
    loss = deep_loss(x, y)
    spectrum = torch.linalg.eigvalsh(dense_hessian(loss, weights)).numpy()
    pairs = extreme_eigenvalues(hessian_product(loss, weights), spectrum.size, count=4)
    assert spectrum.size > 32  # otherwise nothing iterative was tested
    for value, residual in zip(pairs.values, pairs.residuals, strict=True):
        assert np.abs(spectrum - value).min() <= residual + 1e-14
    assert np.allclose(pairs.values, [*spectrum[:2], *spectrum[-2:]], atol=1e-9)
    assert extreme_eigenvalues(hessian_product(loss, weights), spectrum.size, count=4).values == pairs.values


def test_the_origin_of_a_two_layer_net_is_a_strict_saddle_with_n_pairs() -> None:
    x, y = data()
    width = 5
    gamma = float((y[:, None] * x).mean(dim=0).norm())
    zeros = [torch.zeros(width, 3, dtype=torch.float64), torch.zeros(1, width, dtype=torch.float64)]
    spectrum = torch.linalg.eigvalsh(dense_hessian(deep_loss(x, y), zeros)).numpy()
    counts = count_eigenvalues(spectrum, (-gamma, 0.0, gamma), 1e-12)
    assert counts.counts == (width, 3 * width + width - 2 * width, width)
    assert counts.stray == 0


def test_large_net_beyond_a_dense_hessian() -> None:
    x, y = data(d=8)
    gamma = float((y[:, None] * x).mean(dim=0).norm())
    width = 2000  # 18000 weights: a dense Hessian would take 2.6 GB
    zeros = [torch.zeros(width, 8, dtype=torch.float64), torch.zeros(1, width, dtype=torch.float64)]
    pairs = extreme_eigenvalues(hessian_product(deep_loss(x, y), zeros), 9 * width)
    assert pairs.values[0] == pytest.approx(-gamma, rel=1e-9)
    assert pairs.products < 200
    # A +- pair: power iteration keeps turning between the two, and its residual says so (THEORY H3).
    blind = power_iteration(hessian_product(deep_loss(x, y), zeros), 9 * width, 60)
    assert abs(blind.value) < 0.2 * gamma
    assert blind.residual > 0.9 * gamma


def test_the_hessian_of_a_deeper_origin_is_exactly_zero() -> None:
    x, y = data()
    zeros = [torch.zeros(s, dtype=torch.float64) for s in [(4, 3), (4, 4), (1, 4)]]
    pairs = extreme_eigenvalues(hessian_product(deep_loss(x, y), zeros), 32, count=2)
    assert pairs.values == (0.0, 0.0) and pairs.residuals == (0.0, 0.0)
    assert power_iteration(hessian_product(deep_loss(x, y), zeros), 32, 5).value == 0.0


@pytest.mark.parametrize("depth, width", [(3, 4), (4, 5)])
def test_counts_at_the_balanced_point(depth: int, width: int) -> None:
    """THEORY section 4: -Hess/(K y^{r-2}) has r-1 once, +1 (N-1)(r-1) times, -1 (r-1)+(N-1)(r-1) times, else 0."""
    x, y = data()
    mean = (y[:, None] * x).mean(dim=0)
    scale = 1e-3
    ones = torch.ones(width, dtype=torch.float64) / math.sqrt(width)
    weights = [
        scale * torch.outer(ones, mean / mean.norm()),
        *[scale * torch.outer(ones, ones) for _ in range(depth - 2)],
        scale * ones[None, :],
    ]
    hessian = dense_hessian(deep_loss(x, y), weights)
    unit = float(mean.norm()) * scale ** (depth - 2)
    spectrum = torch.linalg.eigvalsh(-hessian / unit).numpy()
    # corrections of relative order y (the loss's own curvature, y**r against y**(r-2)) and y**2 from tanh
    counts = count_eigenvalues(spectrum, (depth - 1.0, 1.0, -1.0, 0.0), 1e-3)
    twice = (width - 1) * (depth - 1)
    rest = sum(w.numel() for w in weights) - 1 - 2 * twice - (depth - 1)
    assert counts.counts == (1, twice, (depth - 1) + twice, rest)


def test_small_operators_are_dense_and_complete() -> None:
    pairs = extreme_eigenvalues(diagonal([3.0, -1.0, 2.0]), 3, count=3)
    assert pairs.values == pytest.approx((-1, 2, 3))
    assert extreme_eigenvalues(diagonal([3.0, -1.0, 2.0]), 3, count=2, end="highest").values == pytest.approx((2, 3))


def test_counting_leaves_strays_uncounted() -> None:
    counts = count_eigenvalues(np.array([0.0, 1e-4, 0.5, 1.0]), (0.0, 1.0), 1e-3)
    assert counts.counts == (2, 1) and counts.stray == 1 and counts.spread == 1e-4


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: extreme_eigenvalues(diagonal([1.0]), 1, count=2), "between 1 and"),
        (lambda: extreme_eigenvalues(diagonal([1.0] * 40), 40, count=1), "both ends"),
        (lambda: extreme_eigenvalues(lambda v: v * math.nan, 40), "not finite"),
        (lambda: power_iteration(diagonal([1.0]), 1, 0), "at least one step"),
        (lambda: count_eigenvalues(np.zeros(2), (0.0, 1e-3), 1e-3), "closer"),
        (lambda: count_eigenvalues(np.zeros(2), (), 1e-3), "at least one level"),
    ],
)
def test_bad_input_gets_a_sentence(call, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()
