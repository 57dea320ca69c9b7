import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from numeric.activations import activation, catalogue
from numeric.data import Population, gaussian_batch, population, teacher
from numeric.ensemble import Ensemble
from numeric.kernels import kernel, padded
from numeric.losses import loss
from numeric.network import Network, mean_loss
from numeric.products import NumpyProducts, Products, TorchProducts
from numeric.starts import he_start

DOUBLE = torch.float64


def per_member_population(seeds: range, inputs: int, samples: int, outputs: int = 1) -> Population:
    x = gaussian_batch(seeds, inputs, samples)
    y = torch.tanh(x[:, :1]).repeat(1, outputs, 1) + 0.1 * gaussian_batch([s + 99 for s in seeds], outputs, samples)
    nodes = torch.softmax(gaussian_batch([1], 1, samples)[0, 0], 0)
    return Population(x, y, nodes)


def reference(net: Network, weights: list[torch.Tensor], data: Population, name: str) -> list[torch.Tensor]:
    """torch.func.vmap(grad) of the plain forward pass: slow and obvious."""

    def one(layers: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return mean_loss(net, layers, x, y, loss(name), data.node_weights)

    axes = (0, 0 if data.covariates.ndim == 3 else None, 0 if data.targets.ndim == 3 else None)
    return torch.func.vmap(torch.func.grad(one), in_dims=axes)(weights, data.covariates, data.targets)


def relative_gap(ensemble: Ensemble, grads: torch.Tensor, expected: list[torch.Tensor]) -> float:
    got = ensemble.layout.views(grads)
    return max(float((a - b).norm() / b.norm().clamp(min=1e-300)) for a, b in zip(got, expected, strict=True))


@given(
    name=st.sampled_from(sorted(set(catalogue()) - {"gaussian", "cos", "logcosh", "sinh"})),
    criterion=st.sampled_from(["mse", "logistic", "huber", "cross_entropy"]),
    widths=st.lists(st.integers(1, 7), min_size=2, max_size=5),
    parameterisation=st.sampled_from(["plain", "ntk", "gains"]),
    members=st.integers(1, 4),
    samples=st.sampled_from([1, 5, 70]),
)
@settings(max_examples=20, deadline=None)
def test_gradient_against_vmap_of_grad(
    name: str, criterion: str, widths: list[int], parameterisation: str, members: int, samples: int
) -> None:
    if criterion == "cross_entropy":
        widths = [*widths[:-1], 3]
    gains = tuple(0.5 + 0.3 * k for k in range(len(widths) - 1)) if parameterisation == "gains" else ()
    net = Network(tuple(widths), activation(name), parameterisation, gains)
    data = per_member_population(range(members), widths[0], samples, widths[-1])
    if criterion == "logistic":
        data = Population(data.covariates, torch.sign(data.targets), data.node_weights)
    weights = he_start(net, range(members))
    ensemble = Ensemble(net, data, loss(criterion), chunk=2)
    state = ensemble.layout.flatten(weights, DOUBLE, "cpu")
    grads = torch.zeros_like(state)
    values = ensemble.gradient(state, grads)
    expected = reference(net, weights, data, criterion)
    scale = max(float(g.norm()) for g in expected)
    for got, want in zip(ensemble.layout.views(grads), expected, strict=True):
        assert float((got - want).norm()) <= 1e-13 * max(scale, 1e-12)
    direct = mean_loss(net, weights, data.covariates, data.targets, loss(criterion), data.node_weights)
    torch.testing.assert_close(values, direct, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(ensemble.losses(state), values, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["linear", "tanh", "gelu", "relu", "sigmoid", "silu", "erf", "sin", "softsign"])
def test_sample_blocks_do_not_change_the_gradient(name: str) -> None:
    net = Network((3, 6, 5, 1), activation(name), "ntk")
    data = per_member_population(range(3), 3, 210)
    weights = he_start(net, range(3))
    ensemble = Ensemble(net, data)
    ensemble._block = 64  # three full blocks and a ragged one
    state = ensemble.layout.flatten(weights, DOUBLE, "cpu")
    grads = torch.full_like(state, torch.nan)
    ensemble.gradient(state, grads)
    assert relative_gap(ensemble, grads, reference(net, weights, data, "mse")) < 1e-13


@pytest.mark.parametrize("name", ["tanh", "gelu", "softsign", "linear"])
@pytest.mark.parametrize("shape", [(3, 5, 7, 1), (8, 16, 16, 16, 1), (4, 33, 1), (3, 160, 150, 1)])
@pytest.mark.parametrize("by", [NumpyProducts(), TorchProducts()])
def test_bitwise_the_same_in_any_batch(
    name: str, shape: tuple[int, ...], by: Products, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("numeric.ensemble.products", lambda device: by)
    net = Network(shape, activation(name), "plain")
    members = 7
    data = per_member_population(range(members), shape[0], 37)
    weights = he_start(net, range(members))

    def run(order: list[int], chunk: int | None) -> tuple[torch.Tensor, torch.Tensor]:
        index = torch.tensor(order)
        part = Population(data.covariates[index], data.targets[index], data.node_weights)
        ensemble = Ensemble(net, part, chunk=chunk)
        state = ensemble.layout.flatten([w[index] for w in weights], DOUBLE, "cpu")
        grads = torch.zeros_like(state)
        return ensemble.gradient(state, grads), grads

    losses, grads = run(list(range(members)), None)
    for order, chunk in (
        ([6, 2, 4, 0, 1, 3, 5], None),
        (list(range(7)), 1),
        (list(range(7)), 3),
        ([4], None),
        ([5, 4], 2),
    ):
        got_losses, got = run(order, chunk)
        assert torch.equal(got, grads[order])
        assert torch.equal(got_losses, losses[order])


def test_a_member_that_overflows_warns_nobody() -> None:
    net = Network((3, 5, 4, 1), activation("quadratic"))
    data = per_member_population(range(3), 3, 20)
    ensemble = Ensemble(net, data)
    state = ensemble.layout.flatten(he_start(net, range(3)), DOUBLE, "cpu")
    clean, grads = torch.zeros_like(state), torch.zeros_like(state)
    ensemble.gradient(state, clean)
    state[1] *= 1e200
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = ensemble.gradient(state, grads)
    assert values.isfinite().tolist() == [True, False, True]
    assert torch.equal(grads[[0, 2]], clean[[0, 2]])


MIXED = ("tanh", "tanh", "gelu", "linear", "softsign", "gelu", "tanh")


@pytest.mark.parametrize("chunk", [None, 2])
def test_members_of_several_activations(chunk: int | None) -> None:
    net = Network((3, 5, 7, 1), activation("relu"), "ntk")
    data = per_member_population(range(7), 3, 100)
    weights = he_start(net, range(7))
    acts = [activation(name) for name in MIXED]
    ensemble = Ensemble(net, data, activations=acts, chunk=chunk)
    ensemble.check_members(7)
    state = ensemble.layout.flatten(weights, DOUBLE, "cpu")
    grads = torch.full_like(state, torch.nan)
    values, overlaps = ensemble.gradient(state, grads), ensemble.overlaps(state)
    index = torch.tensor([6, 0, 4, 1])
    part, narrowed = ensemble.select(index), torch.full_like(state[index], torch.nan)
    part.check_members(4)
    assert torch.equal(part.gradient(state[index], narrowed), values[index])
    for got, want in zip(ensemble.layout.views(narrowed), ensemble.layout.views(grads), strict=True):
        assert torch.equal(got, want[index])
    for name in set(MIXED):
        rows = torch.tensor([m for m, other in enumerate(MIXED) if other == name])
        own = Population(data.covariates[rows], data.targets[rows], data.node_weights)
        plain = Network(net.widths, activation(name), "ntk")
        alone, out = Ensemble(plain, own), torch.full_like(state[rows], torch.nan)
        assert torch.equal(alone.gradient(state[rows], out), values[rows])
        assert torch.equal(alone.overlaps(state[rows]), overlaps[rows])
        mine = [w[rows] for w in ensemble.layout.views(grads)]
        assert all(torch.equal(a, b) for a, b in zip(alone.layout.views(out), mine, strict=True))
        expected = reference(plain, [w[rows] for w in weights], own, "mse")
        assert relative_gap(alone, out, expected) < 1e-13


def test_activations_on_shared_samples_and_minibatches() -> None:
    net = Network((3, 5, 1), activation("relu"))
    data = population(gaussian_batch([0], 3, 40)[0], teacher(activation("tanh"), [[1.0, 0.0, 0.0]]))
    weights = he_start(net, range(3))
    acts = [activation("swish", beta=beta) for beta in (1.0, 2.0, 1.0)]
    mixed = Ensemble(net, data, activations=acts)
    state = mixed.layout.flatten(weights, DOUBLE, "cpu")
    draw = torch.arange(60).view(3, 20) % 40
    for m, act in enumerate(acts):
        one = Ensemble(Network(net.widths, act), data)
        assert torch.equal(one.losses(state[m : m + 1]), mixed.losses(state)[m : m + 1])
        small = one.on_samples(draw[m : m + 1]).losses(state[m : m + 1])
        assert torch.equal(small, mixed.on_samples(draw).losses(state)[m : m + 1])


def test_nan_in_one_member_stays_there() -> None:
    net = Network((3, 5, 1), activation("tanh"))
    data = per_member_population(range(3), 3, 20)
    spoiled = data.targets.clone()
    spoiled[1, 0, 4] = torch.nan
    weights = he_start(net, range(3))
    clean, dirty = Ensemble(net, data), Ensemble(net, Population(data.covariates, spoiled, data.node_weights))
    state = clean.layout.flatten(weights, DOUBLE, "cpu")
    first, second = torch.zeros_like(state), torch.zeros_like(state)
    clean.gradient(state, first)
    values = dirty.gradient(state, second)
    assert torch.equal(first[[0, 2]], second[[0, 2]])
    assert values.isnan().tolist() == [False, True, False]


def test_select_overlaps_and_float32() -> None:
    net = Network((3, 5, 1), activation("gelu"))
    data = per_member_population(range(4), 3, 30)
    weights = he_start(net, range(4))
    ensemble = Ensemble(net, data)
    state = ensemble.layout.flatten(weights, DOUBLE, "cpu")
    output = net.forward(weights, data.covariates)
    overlap = ((output * data.targets) * data.node_weights).sum((1, 2)) / data.second_moment()
    torch.testing.assert_close(ensemble.overlaps(state), overlap, rtol=1e-13, atol=0)
    index = torch.tensor([2, 0])
    torch.testing.assert_close(
        ensemble.select(index).losses(state[index]), ensemble.losses(state)[index], rtol=0, atol=0
    )
    single = Ensemble(net, data, dtype=torch.float32)
    small = single.layout.flatten(weights, torch.float32, "cpu")
    grads, wide = torch.zeros_like(small), torch.zeros_like(state)
    single.gradient(small, grads)
    ensemble.gradient(state, wide)
    assert grads.dtype == torch.float32
    assert float((grads.double() - wide).norm() / wide.norm()) < 1e-5  # a few dozen float32 roundings


def test_kernels_are_the_activation() -> None:
    for name in catalogue():
        act = activation(name)
        z = torch.linspace(-3.2, 3.1, padded(100), dtype=DOUBLE)
        fused = kernel(act)
        kept, p = z.clone(), torch.full_like(z, 2.0)
        h = torch.full_like(z, torch.nan) if fused.stores_slope else kept
        fused.forward(kept, h, torch.full_like(z, torch.nan))()
        torch.testing.assert_close(h, act.value(z), rtol=1e-14, atol=1e-15)
        fused.backward(p, kept, p if fused.linear else h)()
        torch.testing.assert_close(p if fused.linear else h, 2.0 * act.derivative(z), rtol=1e-13, atol=2e-15)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda net, data: Ensemble(net, population(torch.zeros(2, 5), torch.zeros(1, 5))), "maps 3 inputs"),
        (lambda net, data: Ensemble(net, data, chunk=0), "chunk"),
        (lambda net, data: Ensemble(net, data).layout.flatten([], DOUBLE, "cpu"), "at least one member"),
        (lambda net, data: Ensemble(net, data).layout.flatten(he_start(net, [0])[:1], DOUBLE, "cpu"), "shapes"),
        (lambda net, data: Ensemble(net, data).check_members(5), "members"),
        (lambda net, data: Ensemble(net, data, activations=[net.activation] * 3).check_members(2), "3 activations"),
        (lambda net, data: Ensemble(net, data, activations=[]), "an activation for each member"),
    ],
)
def test_hostile(make, word: str) -> None:
    net = Network((3, 5, 1), activation("tanh"))
    with pytest.raises(ValueError, match=word):
        make(net, per_member_population(range(2), 3, 10))


def test_teacher_populations_fit() -> None:
    net = Network((2, 3, 1), activation("tanh"))
    data = population(gaussian_batch([0], 2, 9)[0], teacher(activation("tanh"), [[1.0, 0.0]]))
    ensemble = Ensemble(net, data)  # one population for all members
    weights = he_start(net, range(3))
    state = ensemble.layout.flatten(weights, DOUBLE, "cpu")
    grads = torch.zeros_like(state)
    ensemble.gradient(state, grads)
    assert relative_gap(ensemble, grads, reference(net, weights, data, "mse")) < 1e-13
