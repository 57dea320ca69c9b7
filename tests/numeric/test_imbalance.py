import pytest
import torch

from numeric.imbalance import imbalance_terms, random_case, random_cases, weights_after_gd_step

CASES = list(random_cases(activations=("linear", "tanh", "gelu", "sigmoid", "relu"), seeds=(0, 1)))


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.net.activation.name}-{c.loss.name}-{c.net.depth}-{c.seed}")
def test_identity_and_its_counterfeits(case) -> None:
    terms = imbalance_terms(case.net, case.weights, case.x, case.y, case.loss, case.layer)
    assert (
        terms.residual < 1e-13
    )  # float64 sums of a few hundred terms, relative to the scale of the two inner products
    assert terms.phi == pytest.approx(terms.slope - terms.value, abs=1e-13 * terms.scale)
    if case.net.activation.name in ("tanh", "gelu", "sigmoid"):
        for counterfeit in (-2 * terms.phi, 2 * terms.slope, terms.phi):
            assert abs(terms.rate - counterfeit) > 1e-6 * terms.scale


def test_rate_is_the_derivative_along_a_descent_step() -> None:
    case = next(c for c in CASES if c.net.activation.name == "gelu" and c.net.depth == 4)
    lower, upper = case.layer - 1, case.layer
    terms = imbalance_terms(case.net, case.weights, case.x, case.y, case.loss, case.layer)
    for step in (1e-1, 1e-3):
        moved, grads = weights_after_gd_step(case, step)
        before = case.weights[upper].norm() ** 2 - case.weights[lower].norm() ** 2
        after = moved[upper].norm() ** 2 - moved[lower].norm() ** 2
        exact = step * 2 * terms.phi + step**2 * (grads[upper].norm() ** 2 - grads[lower].norm() ** 2)
        assert float(after - before) == pytest.approx(float(exact), abs=1e-13)


@pytest.mark.parametrize("name", ["linear", "tanh", "relu"])
def test_matrix_form(name: str) -> None:
    case = next(c for c in CASES if c.net.activation.name == name and c.net.depth == 3)
    terms = imbalance_terms(case.net, case.weights, case.x, case.y, case.loss, case.layer)
    act, z, p = case.net.activation, terms.z, terms.p * terms.node_weights
    outer = (p * act.derivative(z)) @ z.mT - p @ act.value(z).mT
    expected = outer + outer.mT
    torch.testing.assert_close(terms.matrix_rate, expected, rtol=0, atol=1e-13 * terms.scale)
    diagonal = 2 * (p * act.phi(z)).sum(1)
    torch.testing.assert_close(terms.matrix_rate.diagonal(), diagonal, rtol=0, atol=1e-13 * terms.scale)
    size = float(terms.matrix_rate.abs().max()) / terms.scale
    off = float((terms.matrix_rate - torch.diag(terms.matrix_rate.diagonal())).abs().max()) / terms.scale
    assert (size < 1e-13) == (name == "linear")  # the whole matrix is conserved only for linear s
    assert (off < 1e-13) == (name == "linear")  # for ReLU only its diagonal is


def test_cases_are_paired_and_hostile_layers_refused() -> None:
    first, second = CASES[0], CASES[1]
    assert first.net.activation.name != second.net.activation.name
    assert all(torch.equal(a, b) for a, b in zip(first.weights, second.weights, strict=True))
    with pytest.raises(ValueError, match="layer must be in"):
        imbalance_terms(first.net, first.weights, first.x, first.y, first.loss, first.net.depth)


def test_a_case_of_given_widths_follows_from_its_seed() -> None:
    first, again, other = (random_case("gelu", "cross_entropy", (4, 9, 2, 3), 2, seed) for seed in (5, 5, 6))
    assert first.net.widths == (4, 9, 2, 3) and first.layer == 2
    assert (first.net.parameterisation, other.net.parameterisation) == ("ntk", "plain")
    assert all(torch.equal(a, b) for a, b in zip(first.weights, again.weights, strict=True))
    assert not torch.equal(first.x, other.x)
    torch.testing.assert_close(first.y.sum(0), torch.ones(32, dtype=torch.float64))  # class probabilities
    with pytest.raises(ValueError, match="layer must be in"):
        random_case("tanh", "mse", (2, 2, 1), 2, 0)
    with pytest.raises(ValueError, match="two outputs"):
        random_case("tanh", "cross_entropy", (2, 2, 1), 1, 0)
