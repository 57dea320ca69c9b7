import math

import pytest
import torch

import numeric
from numeric.block_saddle import block_network, small_kick_growth, stage_hessian, stage_saddle

LINEAR, TANH = numeric.activation("linear"), numeric.activation("tanh")


def test_a_linear_saddle_by_hand() -> None:
    # s(z) = z: E[s'^2] = E[s^2] = E[g s] E[s'] = 1, so A = b_1^2/n, B = n, M = b_2.
    found = stage_hessian(LINEAR, 2, (3.0, 2.0))
    exact = torch.tensor([[4.5, -2.0], [-2.0, 2.0]], dtype=torch.float64)
    assert torch.allclose(found.matrix, exact, rtol=0, atol=1e-12)
    assert found.coupling < 1e-12
    assert found.gradient < 1e-12
    assert found.growth == pytest.approx(-3.25 + math.sqrt(1.25**2 + 4), abs=1e-12)


def test_the_non_collective_pair_is_unstable_for_two_layers_and_neutral_for_three() -> None:
    two = stage_hessian(TANH, 2, (1.0, 0.5), collective=False)
    assert two.matrix.diagonal().abs().max() < 1e-12
    assert two.growth > 0.1
    three = stage_hessian(TANH, 2, (1.0, 0.5), (1.5,), collective=False)
    assert three.matrix.abs().max() < 1e-12


def test_for_three_layers_the_teacher_must_be_the_layer_chain() -> None:
    assert stage_hessian(TANH, 1, (1.0, 2.0), (1.5,)).gradient < 1e-12
    block = stage_saddle(TANH, 1, (1.0, 2.0), (1.5,))
    x = block.data.covariates
    plain = numeric.Population(x, torch.tensor([[1.0], [2.0]]).double() * torch.tanh(x), block.data.node_weights)
    loss = numeric.network_loss(block.net, plain)
    assert numeric.flat_gradient(loss, block.weights).abs().max() > 1e-2  # the same point, y_k = b_k s(u_k): no saddle


def test_scalar_output_adds_the_readouts() -> None:
    block = block_network(TANH, 2, [(0.5, 0.7)], (1.0, -2.0), (1.0, 1.0), outputs=1)
    assert torch.equal(block.weights[1], torch.tensor([[0.5, 0.5, -1.0, -1.0]], dtype=torch.float64))
    x = block.data.covariates
    expected = torch.tanh(0.5 * x[0]) - 2 * torch.tanh(0.7 * x[1])
    assert torch.allclose(block.net.forward(block.weights, x)[0], expected)
    assert torch.allclose(block.data.targets[0], torch.tanh(x[0]) + torch.tanh(x[1]))
    assert [tuple(g.shape) for g in block.gradient()] == [(4, 2), (1, 4)]


def test_a_kick_grows_at_the_linear_rate() -> None:
    growth = small_kick_growth(LINEAR, 1, (1.0, 2.0), time=8.0, step=0.5)
    # A = B = 1, M = 2: growth M - 1 = 1, and the other mode dies at rate 3.
    assert abs(growth.rate - 1.0) <= growth.drift + growth.discretisation
    assert growth.drift < 1e-4


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="at least two units"):
        stage_hessian(TANH, 1, (1.0, 1.0), collective=False)
    with pytest.raises(ValueError, match="1 or 2 outputs"):
        block_network(TANH, 1, [(1.0, 1.0)], (1.0, 1.0), (1.0, 1.0), outputs=3)
