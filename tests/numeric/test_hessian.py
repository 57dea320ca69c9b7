import pytest
import torch

from numeric.activations import activation
from numeric.data import gaussian_batch, population, teacher
from numeric.hessian import dense_hessian, directional_derivatives, flat_gradient, hessian_product, network_loss
from numeric.network import uniform_network


def small_net(weights):
    x = torch.linspace(-1, 1, 7, dtype=torch.float64)[:, None] * torch.tensor([[1.0, 0.5]], dtype=torch.float64)
    hidden = torch.tanh(x @ weights[0].T)
    return 0.5 * ((hidden @ weights[1].T)[:, 0] - x[:, 0] ** 2).pow(2).mean()


def random_weights(*shapes):
    generator = torch.Generator().manual_seed(4)
    return [torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in shapes]


def test_the_hessian_of_a_quadratic_form_is_its_matrix() -> None:
    a = random_weights((5, 5))[0]
    symmetric = a + a.T
    start = random_weights((2, 1), (3,))

    def quadratic(w):
        return 0.5 * torch.cat([v.reshape(-1) for v in w]) @ symmetric @ torch.cat([v.reshape(-1) for v in w])

    assert torch.allclose(dense_hessian(quadratic, start), symmetric, atol=1e-14)


def test_against_central_differences_of_the_gradient() -> None:
    weights = random_weights((3, 2), (1, 3))
    direction = random_weights((9,))[0]
    pieces = [direction[:6].reshape(3, 2), direction[6:].reshape(1, 3)]
    h = 1e-5
    forward = flat_gradient(small_net, [w + h * p for w, p in zip(weights, pieces, strict=True)])
    backward = flat_gradient(small_net, [w - h * p for w, p in zip(weights, pieces, strict=True)])
    product = hessian_product(small_net, weights)(direction)
    assert torch.allclose(product, (forward - backward) / (2 * h), atol=1e-8)


def test_products_batches_and_the_dense_matrix_agree() -> None:
    weights = random_weights((3, 2), (1, 3))
    dense = dense_hessian(small_net, weights)
    batch = random_weights((4, 9))[0]
    assert torch.allclose(hessian_product(small_net, weights)(batch), batch @ dense, atol=1e-13)
    assert torch.equal(dense, dense.T)


def test_a_linear_loss_and_an_unused_weight_have_zero_blocks() -> None:
    weights = random_weights((2,), (3,))
    assert torch.count_nonzero(dense_hessian(lambda w: 3 * w[0].sum(), weights)) == 0
    partly = dense_hessian(lambda w: (w[0] ** 2).sum(), weights)
    assert torch.allclose(partly, torch.diag(torch.tensor([2.0, 2, 0, 0, 0], dtype=torch.float64)))


def test_the_weights_are_left_alone() -> None:
    weights = random_weights((3, 2), (1, 3))
    before = [w.clone() for w in weights]
    dense_hessian(small_net, weights)
    assert all(torch.equal(a, b) and not a.requires_grad for a, b in zip(weights, before, strict=True))


@pytest.mark.parametrize("name", ["tanh", "gelu"])
@pytest.mark.parametrize("parameterisation", ["plain", "ntk"])
def test_the_saddle_of_a_two_layer_network_has_plus_minus_alpha_gamma(name, parameterisation) -> None:
    """THEORY H1; in ntk the gain 1/sqrt(N) of the second layer multiplies the eigenvalues. alpha(GELU) = 1/2."""
    width, inputs = 4, 3
    net = uniform_network(2, width, inputs, activation(name), parameterisation)
    x = gaussian_batch([3], inputs, 50)[0]
    data = population(x, teacher(activation("tanh"), [[0.6, 0.8, 0.0]], [1.5]))
    zeros = [torch.zeros(shape, dtype=torch.float64) for shape in net.shapes]
    spectrum = torch.linalg.eigvalsh(dense_hessian(network_loss(net, data), zeros))
    alpha = {"tanh": 1.0, "gelu": 0.5}[name]
    size = alpha * float(data.correlation().norm()) * {"plain": 1.0, "ntk": width**-0.5}[parameterisation]
    expected = torch.tensor([-size] * width + [0.0] * (width * (inputs + 1) - 2 * width) + [size] * width).double()
    assert torch.allclose(spectrum, expected, atol=1e-12)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: dense_hessian(lambda w: w[0].sum(), [torch.zeros(9000)]), "too large"),
        (lambda: dense_hessian(lambda w: w[0], [torch.zeros(3)]), "one number"),
        (lambda: hessian_product(small_net, []), "at least one weight"),
        (lambda: hessian_product(lambda w: w[0].pow(2).sum(), [torch.zeros(3)])(torch.zeros(4)), "3 entries"),
    ],
)
def test_bad_input_gets_a_sentence(call, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()


def test_directional_derivatives_of_a_known_function() -> None:
    """exp(a.w) along v: (a.v)^k exp(a.w); a polynomial ends in zeros."""
    (w,), (v,) = random_weights((3,)), random_weights((3,))
    a = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    found = directional_derivatives(lambda weights: torch.exp(a @ weights[0]), [w], [v], 5)
    rate, value = float(a @ v), float(torch.exp(a @ w))
    assert found == pytest.approx([rate**k * value for k in range(1, 6)], rel=1e-12)
    cube = directional_derivatives(lambda weights: weights[0].sum() ** 2, [w], [v], 4)
    assert cube == pytest.approx([2 * float(w.sum() * v.sum()), 2 * float(v.sum()) ** 2, 0.0, 0.0])


def test_directional_derivatives_agree_with_the_hessian() -> None:
    weights, direction = random_weights((3, 2), (1, 3)), random_weights((3, 2), (1, 3))
    first, second = directional_derivatives(small_net, weights, direction, 2)
    flat = torch.cat([d.reshape(-1) for d in direction])
    assert first == pytest.approx(float(flat_gradient(small_net, weights) @ flat), rel=1e-12)
    assert second == pytest.approx(float(flat @ hessian_product(small_net, weights)(flat)), rel=1e-12)
    with pytest.raises(ValueError, match="order"):
        directional_derivatives(small_net, weights, direction, 0)
