import math

import pytest
import torch

from numeric.neuron_moments import (
    Neurons,
    Sample,
    mean_field_output,
    moment,
    moment_derivative,
    moment_indices,
    moment_scale,
    neuron_velocities,
)


def quadratic(z):
    return z + z**2 / 2


def setup(n_neurons=4, d=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    x = draw(40, d)
    weights = torch.rand(40, generator=generator, dtype=torch.float64)
    return Neurons(draw(n_neurons), draw(n_neurons, d)), Sample(x, torch.tanh(x[:, 0]), weights / weights.sum())


def test_velocities_are_those_of_the_definition() -> None:
    neurons, sample = setup()
    velocities = neuron_velocities(neurons, sample, torch.tanh)
    residual = mean_field_output(neurons, sample.inputs, torch.tanh) - sample.targets
    for i in range(4):
        z = sample.inputs @ neurons.w[i]
        da = -(sample.weights * residual * torch.tanh(z)).sum()
        slope = sample.weights * residual / torch.cosh(z) ** 2
        dw = -neurons.a[i] * (slope[:, None] * sample.inputs).sum(dim=0)
        assert torch.allclose(velocities.a[i], da, atol=1e-14)
        assert torch.allclose(velocities.w[i], dw, atol=1e-14)


def test_moment_derivatives_against_a_small_step() -> None:
    neurons, sample = setup()
    v = neuron_velocities(neurons, sample, quadratic)
    h = 1e-6
    ahead = Neurons(neurons.a + h * v.a, neurons.w + h * v.w)
    behind = Neurons(neurons.a - h * v.a, neurons.w - h * v.w)
    for p, q in moment_indices(4, 2):
        difference = (moment(ahead, p, q) - moment(behind, p, q)) / (2 * h)
        assert float(moment_derivative(neurons, v, p, q)) == pytest.approx(float(difference), rel=1e-6, abs=1e-7)


def test_the_indices_are_all_of_them_once() -> None:
    indices = list(moment_indices(3, 2))
    assert len(indices) == len(set(indices)) == math.comb(3 + 3, 3) - 1
    assert all(1 <= p + sum(q) <= 3 for p, q in indices)


@pytest.mark.parametrize("order", [2, 3])
def test_linear_nets_close_on_their_second_moments(order: int) -> None:
    """d<a^2> = -2 e.<aw>, d<aw> = -(<w w^T> + <a^2>) e with e = mean(a w) - E[y x] when E[x x^T] = 1 (THEORY 5)."""
    neurons, _ = setup()
    angles = 2 * math.pi * torch.arange(6, dtype=torch.float64) / 6
    x = math.sqrt(2) * torch.stack([torch.cos(angles), torch.sin(angles)], dim=1)
    y = x[:, 0] ** 3 + 0.2 * x[:, 1]
    sample = Sample(x, y, torch.full((6,), 1 / 6, dtype=torch.float64))
    v = neuron_velocities(neurons, sample, lambda z: z)
    e = (neurons.a[:, None] * neurons.w).mean(dim=0) - (y[:, None] * x).mean(dim=0)
    aw = (neurons.a[:, None] * neurons.w).mean(dim=0)
    ww = neurons.w.T @ neurons.w / 4
    a2 = (neurons.a**2).mean()
    assert torch.allclose(moment_derivative(neurons, v, 2, (0, 0)), -2 * e @ aw)
    d_aw = torch.stack([moment_derivative(neurons, v, 1, (1, 0)), moment_derivative(neurons, v, 1, (0, 1))])
    assert torch.allclose(d_aw, -(ww + a2 * torch.eye(2, dtype=torch.float64)) @ e)
    d_ww = torch.stack([moment_derivative(neurons, v, 0, q) for q in ((2, 0), (1, 1), (0, 2))])
    expected = -(torch.outer(aw, e) + torch.outer(e, aw))
    assert torch.allclose(d_ww, torch.stack([expected[0, 0], expected[0, 1], expected[1, 1]]))


def test_a_certificate_of_non_closure() -> None:
    """Prouhet-Tarry-Escott of degree 2: equal moments up to order 2, one different derivative (THEORY section 5)."""
    left, right = (0.0, 4.0, 5.0), (1.0, 2.0, 6.0)

    def paired(roots):
        t = torch.tensor(roots, dtype=torch.float64) / 8
        return Neurons(
            torch.cat([torch.ones(3), -torch.ones(3)]).double(), torch.cat([t, t])[:, None].expand(6, 1).contiguous()
        )

    x = torch.tensor([[-2.0], [-1.0], [0.0], [1.0], [2.0]], dtype=torch.float64)
    sample = Sample(x, quadratic(x[:, 0]), torch.tensor([0.1, 0.2, 0.4, 0.2, 0.1], dtype=torch.float64))
    one, other = paired(left), paired(right)
    for p, q in moment_indices(2, 1):
        assert float(moment(one, p, q) - moment(other, p, q)) == pytest.approx(0, abs=1e-14 * moment_scale(one, p, q))
    slopes = [moment_derivative(n, neuron_velocities(n, sample, quadratic), 1, (1,)) for n in (one, other)]
    # By hand: only mean(w^3) E[y x^2]/2 differs; mean(w^3) = 63/512 and 75/512, E[y x^2] = E[x^4]/2 = 9/5.
    assert float(slopes[0] - slopes[1]) == pytest.approx(-12 / 512 * 9 / 10, rel=1e-12)
    # A linear net sees no difference, at the same moment.
    linear = [moment_derivative(n, neuron_velocities(n, sample, lambda z: z), 1, (1,)) for n in (one, other)]
    assert float(linear[0] - linear[1]) == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: Neurons(torch.ones(2), torch.ones(3, 1)), "a \\(N\\)"),
        (lambda: Sample(torch.ones(3), torch.ones(3), torch.ones(3)), "inputs"),
        (lambda: moment(setup()[0], 1, (1,)), "one power for each"),
        (lambda: moment(setup()[0], -1, (1, 0)), "powers >= 0"),
    ],
)
def test_bad_input_gets_a_sentence(call, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()
