import math

import pytest
import torch

from numeric.activations import activation
from numeric.data import gaussian_batch, population, single_mode_population, teacher
from numeric.losses import loss
from numeric.network import Network, gradient, layer_scales, uniform_network
from numeric.starts import aligned_start, he_start, manifold_gradient, manifold_start

TANH = activation("tanh")
V = torch.tensor([1.0, 0.0], dtype=torch.float64)


@pytest.mark.parametrize("parameterisation", ["plain", "ntk"])
@pytest.mark.parametrize("width", [1, 2, 7, 64])
def test_manifold_start_reduces_the_network_to_its_scales(parameterisation: str, width: int) -> None:
    net = uniform_network(4, width, 2, TANH, parameterisation)
    scales = (0.3, 0.5, 0.7, 0.9)
    weights = manifold_start(net, scales, V)
    torch.testing.assert_close(layer_scales(net, weights), torch.tensor(scales, dtype=torch.float64))
    u = torch.tensor([[0.7, -1.1], [0.2, 0.4]], dtype=torch.float64)
    root = math.sqrt(width)
    z = (scales[0] if parameterisation == "ntk" else scales[0] / root) * u[:1]
    for scale in scales[1:3]:
        z = scale * torch.tanh(z)
    torch.testing.assert_close(net.forward(weights, u), root * scales[3] * torch.tanh(z), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("width", [2, 5, 64])
@pytest.mark.parametrize("name", ["tanh", "gelu", "sigmoid"])
def test_gradient_at_the_manifold_is_tangent(width: int, name: str) -> None:
    act = activation(name)
    parts = manifold_gradient(
        uniform_network(4, width, 2, act, "ntk"), (0.3, 0.5, 0.7, 0.9), V, single_mode_population(act)
    )
    assert float((parts.normal / parts.tangent.max()).max()) < 1e-14
    assert parts.sideways < 1e-14
    assert float(parts.tangent.min()) > 1e-4


def test_the_reduction_to_scalars_needs_product_nodes() -> None:
    x = gaussian_batch([0], 2, 40)[0]
    data = population(x, teacher(TANH, [[1.0, 0.0]]))
    parts = manifold_gradient(uniform_network(3, 8, 2, TANH), (0.3, 0.5, 0.7), V, data)
    assert float(parts.normal.max()) < 1e-15  # identical rows stay identical on any data
    assert parts.sideways > 1e-3  # but the common row leaves the teacher's direction on a random batch


def test_printed_symmetric_manifold_is_not_invariant() -> None:
    """Identical but not constant rows in a hidden layer: the gradient leaves the set (THEORY section 2)."""
    net = uniform_network(3, 4, 2, TANH)
    weights = manifold_start(net, (0.5, 0.5, 0.5), V)
    weights[1] = torch.tensor([[0.1, 0.2, 0.3, -0.4]], dtype=torch.float64).expand(4, 4).contiguous()
    data = single_mode_population(TANH)
    first = gradient(net, weights, data.covariates, data.targets, loss("mse"), data.node_weights)[0]
    assert float((first - first.mean(0)).norm()) > 1e-2 * float(first.norm())


def test_aligned_start_is_balanced_rank_one() -> None:
    net = uniform_network(4, 6, 3, TANH)
    weights = aligned_start(net, [0.2] * 4, torch.tensor([0.0, 3.0, 4.0]), seeds=(0, 1))
    for weight in weights:
        values = torch.linalg.svdvals(weight)
        torch.testing.assert_close(values[:, 0], torch.full((2,), 0.2, dtype=torch.float64))
        assert float(values[:, 1:].abs().max() if values.shape[1] > 1 else 0.0) < 1e-15
    product = weights[3] @ weights[2] @ weights[1] @ weights[0]
    expected = 0.2**4 * torch.tensor([0.0, 0.6, 0.8], dtype=torch.float64).expand(2, 1, 3)
    torch.testing.assert_close(product, expected)


def test_he_start_is_paired_over_eps_and_scaled() -> None:
    net = uniform_network(3, 50, 8, TANH)
    weights = he_start(net, (5, 6), small=(2,), eps=(0.1, 0.01))
    assert weights[0].shape == (4, 50, 8)
    assert torch.equal(weights[0][0], weights[0][2]) and not torch.equal(weights[0][0], weights[0][1])
    torch.testing.assert_close(weights[1][0] * 0.1, weights[1][2])
    assert float(weights[0].var()) == pytest.approx(2 / 8, rel=0.15)  # 1600 draws: five standard errors
    alone = he_start(net, (6,), small=(2,), eps=0.01)
    assert all(torch.equal(a[3], b[0]) for a, b in zip(weights, alone, strict=True))


@pytest.mark.parametrize(
    "make",
    [
        lambda net: manifold_start(net, (0.1, 0.2), V),
        lambda net: manifold_start(net, (0.1, 0.2, math.nan), V),
        lambda net: manifold_start(net, (0.1, 0.2, 0.3), torch.zeros(2)),
        lambda net: he_start(net, (), (1,), 0.1),
        lambda net: he_start(net, (0,), (1,), 0.0),
        lambda net: he_start(net, (0,), (1,), -0.1),
        lambda net: he_start(net, (0,), (4,), 0.1),
        lambda net: he_start(net, (0,), (1,), ()),
        lambda net: aligned_start(Network((2, 3, 2), TANH), (0.1, 0.1), V),
    ],
)
def test_hostile(make) -> None:
    with pytest.raises(ValueError):
        make(uniform_network(3, 4, 2, TANH))
