import math

import pytest
import torch

from numeric.losses import loss, loss_names


@pytest.mark.parametrize("name", ["mse", "logistic", "huber", "cross_entropy"])
def test_derivative_is_autograd(name: str) -> None:
    generator = torch.Generator().manual_seed(3)
    f = (3 * torch.randn(2, 3, 7, dtype=torch.float64, generator=generator)).requires_grad_(True)
    y = torch.randn(2, 3, 7, dtype=torch.float64, generator=generator)
    y = torch.sign(y) if name == "logistic" else torch.softmax(y, -2) if name == "cross_entropy" else y
    criterion = loss(name)
    value = criterion.value(f, y)
    assert value.shape == (2, 7)
    (slope,) = torch.autograd.grad(value.sum(), f)
    torch.testing.assert_close(criterion.derivative(f.detach(), y), slope, rtol=1e-13, atol=1e-14)


def test_values() -> None:
    f, y = torch.tensor([[2.0], [0.0]]), torch.tensor([[-1.0], [1.0]])
    assert float(loss("mse").value(f, y)) == 0.5 * (9 + 1)
    assert float(loss("huber", delta=2.0).value(f, y)) == pytest.approx(2 * (3 - 1) + 0.5)
    assert float(loss("logistic").value(f, y)) == pytest.approx(math.log1p(math.exp(2)) + math.log(2))
    assert set(loss_names()) == {"mse", "logistic", "huber", "cross_entropy"}


@pytest.mark.parametrize(
    ("name", "parameters"), [("mae", {}), ("mse", {"delta": 1.0}), ("huber", {"delta": 0.0}), ("huber", {"gamma": 1.0})]
)
def test_hostile(name: str, parameters: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        loss(name, **parameters)
