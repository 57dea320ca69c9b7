import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from numeric.activations import activation
from numeric.data import Population, linear_population
from numeric.flow import FlowOptions
from numeric.leading_order import LinearBottleneck, bottleneck_net, leading_order_at, stages_to_blow_up
from numeric.network import Network, uniform_network
from numeric.off_manifold import single_mode_batches
from numeric.starts import aligned_start, he_start


def he_problem(name="gelu", depth=5, small=(2, 3, 4), seeds=(0, 1), width=6, inputs=4, batch=20):
    net = uniform_network(depth, width, inputs, activation(name))
    data = single_mode_batches(net, seeds, batch)
    weights = he_start(net, seeds)
    return net, weights, data, bottleneck_net(net, weights, small, data)


@pytest.mark.parametrize(("name", "small"), [("gelu", (2, 3, 4)), ("tanh", (1, 2, 3)), ("silu", (3, 4, 5))])
@pytest.mark.parametrize("parameterisation", ["plain", "ntk"])
def test_the_overlap_is_that_of_the_network_for_vanishing_small_layers(name, small, parameterisation) -> None:
    # E[y yhat] / delta^3 -> f as the small layers shrink by delta: the activations from there on straighten.
    net = uniform_network(5, 6, 4, activation(name), parameterisation)
    data = single_mode_batches(net, (0, 1), 20)
    weights = he_start(net, (0, 1))
    problem = bottleneck_net(net, weights, small, data)
    f = leading_order_at(problem.net, problem.weights, problem.data).overlap
    delta = 1e-6
    shrunk = [delta * w if layer in small else w for layer, w in enumerate(weights, start=1)]
    yhat = net.forward(shrunk, data.covariates)
    correlation = ((yhat * data.targets).sum(-2) * data.node_weights).sum(-1) / delta**3
    torch.testing.assert_close(correlation, f, rtol=1e-4, atol=0)
    behind = net.activation.derivative(torch.zeros((), dtype=torch.float64)) ** (5 - small[0])
    gamma = leading_order_at(problem.net, problem.weights, problem.data).gamma
    torch.testing.assert_close(problem.bare_gamma * behind, gamma)


def test_gradients_are_products_of_the_neighbouring_vectors() -> None:
    *_, problem = he_problem()
    at = leading_order_at(problem.net, problem.weights, problem.data)
    for member in range(2):
        w = [x[member] for x in problem.weights]
        # a m^T is of rank one: any row and column that is not zero gives both vectors
        u, size, v = torch.linalg.svd(problem.data.correlation()[member])
        a, m = size[0] * u[:, 0], v[0]
        forward = [m, w[0] @ m, w[1] @ w[0] @ m]
        backward = [a @ w[2] @ w[1], a @ w[2], a]
        for layer in range(3):
            expected = backward[layer].norm() * forward[layer].norm()
            assert float(at.gradient_norms[member, layer]) == pytest.approx(float(expected))
        for interface in range(2):
            A, B = backward[interface], forward[interface + 1]
            assert float(at.cosines[member, interface]) == pytest.approx(float(A @ B / (A.norm() * B.norm())))
        assert float(at.overlap[member]) == pytest.approx(float(a @ w[2] @ w[1] @ w[0] @ m))
        assert float(at.gamma[member]) == pytest.approx(float(size[0]))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_theorem_a_at_random_weights(seed: int, r: int) -> None:
    *_, problem = he_problem("tanh", 6, tuple(range(1, r + 1)), (seed,))
    at = leading_order_at(problem.net, problem.weights, problem.data)
    assert float(at.log_imbalance) >= -1e-12 and float(at.log_misalignment) >= -1e-12
    f = at.overlap.abs()
    bound = math.log(r) + (2 / r) * at.gamma.log() + (2 - 2 / r) * f.log()
    torch.testing.assert_close(at.total.log(), bound + at.log_imbalance + at.log_misalignment / r)


def aligned(scale=0.5, r=3):
    data = linear_population(torch.eye(3, dtype=torch.float64), torch.tensor([2.0, 0.0, 1.0], dtype=torch.float64))
    net = uniform_network(r, 4, 3, activation("linear"))
    weights = aligned_start(net, (scale,) * r, data.correlation()[0])
    return bottleneck_net(net, weights, range(1, r + 1), data)


@pytest.mark.parametrize("r", [3, 4, 6])
def test_a_balanced_aligned_start_blows_up_when_its_scalar_does(r: int) -> None:
    # dy/dt = Gamma y^{r-1}: t* = y(0)^{2-r} / ((r-2) Gamma), Gamma = |(2, 0, 1)|.
    (stage,) = stages_to_blow_up(aligned(r=r))
    exact = 0.5 ** (2 - r) / ((r - 2) * math.sqrt(5))
    assert abs(float(stage.time_left) - exact) <= 2 * float(stage.error) + 1e-12
    assert float(stage.error) < 1e-7 * exact
    assert float(stage.order.log_imbalance) == pytest.approx(0, abs=1e-12)
    assert float(stage.order.log_misalignment) == pytest.approx(0, abs=1e-12)


def test_stages_tell_the_time_that_is_left() -> None:
    *_, problem = he_problem(seeds=(0, 1, 2))
    options = FlowOptions(rtol=1e-9, method="dop853")
    start, middle, late = stages_to_blow_up(problem, (10.0, 1e12), options)
    for stage in (start, middle, late):
        assert bool((stage.error < 1e-6 * stage.time_left).all())
    assert bool((start.time_left >= middle.time_left).all()) and bool((middle.time_left > late.time_left).all())
    # Late the flow is balanced and aligned, and what is left is r f / ((r - 2) f').
    torch.testing.assert_close(late.time_left, 3 * late.order.overlap / late.order.total, rtol=1e-6, atol=0)
    (again,) = stages_to_blow_up(problem, (), options)
    torch.testing.assert_close(again.time_left, start.time_left, rtol=1e-7, atol=0)


def test_what_makes_no_sense_is_refused() -> None:
    net, weights, data, problem = he_problem()
    with pytest.raises(ValueError, match="contiguous"):
        bottleneck_net(net, weights, (1, 3), data)
    with pytest.raises(ValueError, match="contiguous"):
        bottleneck_net(net, weights, (), data)
    with pytest.raises(ValueError, match="increasing"):
        stages_to_blow_up(problem, (2.0, 1.0))
    with pytest.raises(ValueError, match="three layers"):
        stages_to_blow_up(bottleneck_net(net, weights, (2, 3), data))
    two = Network((4, 3, 2), activation("linear"))
    with pytest.raises(ValueError, match="one output"):
        bottleneck_net(two, he_start(two, (0, 1)), (1, 2), Population(data.covariates, data.targets, data.node_weights))


def test_a_member_that_does_not_arrive_is_not_a_number() -> None:
    problem = aligned()
    assert isinstance(problem, LinearBottleneck)
    (stage,) = stages_to_blow_up(problem, (), FlowOptions(rtol=1e-9, method="dop853", budget=20))
    assert math.isnan(float(stage.time_left))
