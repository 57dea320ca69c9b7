import math

import pytest
import torch

from numeric.activations import activation
from numeric.losses import loss
from numeric.network import Network, default_gains, gradient, layer_norms, layer_scales, mean_loss, uniform_network

TANH = activation("tanh")


def test_forward_is_the_formula_of_the_page() -> None:
    net = uniform_network(3, 4, 2, TANH, "ntk")
    generator = torch.Generator().manual_seed(0)
    w1, w2, w3 = (torch.randn(shape, dtype=torch.float64, generator=generator) for shape in net.shapes)
    x = torch.randn(2, 5, dtype=torch.float64, generator=generator)
    expected = w3 / 2 @ torch.tanh(w2 / 2 @ torch.tanh(w1 @ x))  # sqrt(4) = 2; the first layer carries no factor
    torch.testing.assert_close(net.forward([w1, w2, w3], x), expected, rtol=1e-15, atol=1e-15)


def test_gradient_is_a_finite_difference() -> None:
    net = Network((2, 3, 5, 1), activation("gelu"), "gains", (0.7, 1.3, 0.4))
    generator = torch.Generator().manual_seed(1)
    weights = [torch.randn(shape, dtype=torch.float64, generator=generator) for shape in net.shapes]
    x = torch.randn(2, 6, dtype=torch.float64, generator=generator)
    y = torch.randn(1, 6, dtype=torch.float64, generator=generator)
    nodes = torch.softmax(torch.randn(6, dtype=torch.float64, generator=generator), 0)
    grads = gradient(net, weights, x, y, loss("mse"), nodes)
    step = 1e-6
    for layer in range(3):
        shifted = [w.clone() for w in weights]
        shifted[layer][0, 1] += step
        up = mean_loss(net, shifted, x, y, loss("mse"), nodes)
        shifted[layer][0, 1] -= 2 * step
        down = mean_loss(net, shifted, x, y, loss("mse"), nodes)
        # Central difference: step^2 and 1e-16/step, both below 1e-9.
        assert float((up - down) / (2 * step)) == pytest.approx(float(grads[layer][0, 1]), abs=1e-8)


def test_members_do_not_mix() -> None:
    net = uniform_network(3, 4, 2, TANH)
    generator = torch.Generator().manual_seed(2)
    weights = [torch.randn(3, *shape, dtype=torch.float64, generator=generator) for shape in net.shapes]
    x, y = torch.randn(2, 6, dtype=torch.float64), torch.randn(1, 6, dtype=torch.float64)
    together = gradient(net, weights, x, y, loss("mse"))
    alone = gradient(net, [w[1] for w in weights], x, y, loss("mse"))
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a[1], b, rtol=1e-12, atol=1e-14)


def test_gains_and_layer_scales() -> None:
    assert default_gains((8, 9, 16, 1), "ntk") == (1.0, 1 / 3, 1 / 4)
    net = uniform_network(3, 4, 2, TANH, "ntk")
    weights = [torch.ones(shape, dtype=torch.float64) for shape in net.shapes]
    norms = layer_norms(weights)
    torch.testing.assert_close(norms, torch.tensor([math.sqrt(8), 4.0, 2.0], dtype=torch.float64))
    torch.testing.assert_close(layer_scales(net, weights), norms / 2)  # X_l = |W_l|_F / sqrt(N)
    assert Network((2, 4, 1), TANH, "plain", (1.0, 0.3)).parameterisation == "gains"


def test_depth_one_and_width_one_are_networks() -> None:
    assert uniform_network(1, 1, 3, TANH).shapes == ((1, 3),)
    assert uniform_network(2, 1, 3, TANH, "ntk").gains == (1.0, 1.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: uniform_network(0, 4, 2, TANH),
        lambda: uniform_network(2, 0, 2, TANH),
        lambda: Network((3,), TANH),
        lambda: Network((3, 4, 1), TANH, "mup"),
        lambda: Network((3, 4, 1), TANH, "gains", (1.0, math.nan)),
        lambda: Network((3, 4, 1), TANH, "gains", (1.0,)),
        lambda: uniform_network(2, 4, 2, TANH).check([torch.zeros(4, 2), torch.zeros(1, 5)]),
    ],
)
def test_hostile(make) -> None:
    with pytest.raises(ValueError):
        make()
