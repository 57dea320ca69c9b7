import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch.nn import functional

from numeric.universality import measure_universality, phi_coefficients


@dataclass(frozen=True)
class ByAutograd:
    """An activation with nothing but a value: its derivative comes from autograd, phi by plain subtraction."""

    function: Callable[[torch.Tensor], torch.Tensor]

    def value(self, z: torch.Tensor) -> torch.Tensor:
        return self.function(z)

    def derivative(self, z: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            point = z.clone().requires_grad_()
            return torch.autograd.grad((self.function(point) + 0 * point).sum(), point)[0]

    def phi(self, z: torch.Tensor) -> torch.Tensor:
        return z * self.derivative(z) - self.function(z)


SMOOTH = {
    "tanh": (torch.tanh, "B", 3, -2 / 3, 1),
    "erf": (torch.erf, "B", 3, -4 / (3 * math.sqrt(math.pi)), 2 / math.sqrt(math.pi)),
    "sin": (torch.sin, "B", 3, -1 / 3, 1),
    "arctan": (torch.arctan, "B", 3, -2 / 3, 1),
    "asinh": (torch.asinh, "B", 3, -1 / 3, 1),
    "sinh": (torch.sinh, "B", 3, 1 / 3, 1),
    "fifth": (lambda z: z + z**5, "B", 5, 4, 1),
    "gelu": (functional.gelu, "C", 2, 1 / math.sqrt(2 * math.pi), 0.5),
    "silu": (functional.silu, "C", 2, 0.25, 0.5),
    "hardswish": (functional.hardswish, "C", 2, 1 / 6, 0.5),
    "snake": (lambda z: z + torch.sin(z) ** 2, "C", 2, 1, 1),
    "narrow": (lambda z: z / (1 + 100 * z**2), "B", 3, -200, 1),
    "nearly linear": (lambda z: z + 1e-4 * z**2, "C", 2, 1e-4, 1),
    "sigmoid": (torch.sigmoid, "D", 0, -0.5, 0.25),
    "softplus": (functional.softplus, "D", 0, -math.log(2), 0.5),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_activations(name) -> None:
    function, kind, order, leading, alpha = SMOOTH[name]
    measured = measure_universality(ByAutograd(function))
    assert (measured.universality_class, measured.order, measured.smooth) == (kind, order, True)
    assert abs(measured.leading_coefficient - leading) <= measured.leading_error < 1e-6 * abs(leading)
    assert abs(measured.alpha - alpha) <= measured.alpha_error


@pytest.mark.parametrize(
    "function, smooth, alpha",
    [(lambda z: 2.5 * z, True, 2.5), (torch.relu, False, 0.5), (lambda z: functional.leaky_relu(z, 0.1), False, 0.55)],
)
def test_homogeneous_activations_are_class_a(function, smooth, alpha) -> None:
    measured = measure_universality(ByAutograd(function))
    assert measured.universality_class == "A"
    assert measured.homogeneous
    assert measured.smooth is smooth
    assert measured.order is None
    assert measured.alpha == pytest.approx(alpha, abs=1e-9)


OUTSIDE = {
    "abs": (torch.abs, "not positive"),
    "cos": (torch.cos, "not positive"),
    "gaussian": (lambda z: torch.exp(-(z**2)), "not positive"),
    "minus tanh": (lambda z: -torch.tanh(z), "not positive"),
    "z cubed": (lambda z: z**3, "not positive"),
    "softsign": (functional.softsign, "differ"),
    "elu": (functional.elu, "differ"),
    "selu": (functional.selu, "differ"),
    "celu 1/2": (lambda z: functional.celu(z, 0.5), "differ"),
    "squared relu": (lambda z: torch.relu(z) ** 2, "not positive"),
    "hardtanh": (functional.hardtanh, "neighbourhood"),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_activations_outside_the_classes(name) -> None:
    function, why = OUTSIDE[name]
    measured = measure_universality(ByAutograd(function))
    assert measured.universality_class == "outside"
    assert why in measured.reason
    assert measured.order is None


def test_a_high_order_is_undecided_rather_than_guessed() -> None:
    assert measure_universality(ByAutograd(lambda z: z + z**9)).universality_class == "undecided"
    assert measure_universality(ByAutograd(lambda z: z + z**9), highest=9).order == 9


def test_one_sided_expansions_of_elu() -> None:
    measured = measure_universality(ByAutograd(functional.elu))
    assert measured.right.coefficients[:3] == pytest.approx((0, 1, 0), abs=1e-6)
    assert measured.left.coefficients[:4] == pytest.approx((0, 1, 1 / 2, 1 / 6), abs=1e-5)


def test_the_linear_term_of_phi_always_cancels() -> None:
    fit = phi_coefficients(ByAutograd(functional.gelu))
    assert fit.is_zero(0)
    assert fit.is_zero(1)
    assert not fit.is_zero(2)
