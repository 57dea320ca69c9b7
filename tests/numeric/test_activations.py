import math

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from numeric.activations import activation, activation_from_tree, catalogue

CONTEXT = mpmath.mp.clone()
CONTEXT.prec = 600

# Independent definitions, in 600 bits: phi is formed there with all its cancellation, and digits remain.
REFERENCE = {
    "linear": lambda m, z: z,
    "relu": lambda m, z: z if z > 0 else m.mpf(0),
    "leaky_relu": lambda m, z: z if z > 0 else m.mpf(0.01) * z,
    "abs": lambda m, z: abs(z),
    "tanh": lambda m, z: m.tanh(z),
    "erf": lambda m, z: m.erf(z),
    "sin": lambda m, z: m.sin(z),
    "arctan": lambda m, z: m.atan(z),
    "asinh": lambda m, z: m.asinh(z),
    "sinh": lambda m, z: m.sinh(z),
    "softsign": lambda m, z: z / (1 + abs(z)),
    "gelu": lambda m, z: z * m.ncdf(z),
    "gelu_tanh": lambda m, z: z / 2 * (1 + m.tanh(m.sqrt(2 / m.pi) * (z + m.mpf("0.044715") * z**3))),
    "silu": lambda m, z: z / (1 + m.exp(-z)),
    "swish": lambda m, z: z / (1 + m.exp(-z)),
    "mish": lambda m, z: z * m.tanh(m.log1p(m.exp(z))),
    "sigmoid": lambda m, z: 1 / (1 + m.exp(-z)),
    "softplus": lambda m, z: m.log1p(m.exp(z)),
    "elu": lambda m, z: z if z > 0 else m.expm1(z),
    "selu": lambda m, z: (
        m.mpf("1.0507009873554804934193349852946")
        * (z if z > 0 else m.mpf("1.6732632423543772848170429916717") * m.expm1(z))
    ),
    "celu": lambda m, z: z if z > 0 else m.expm1(z),
    "hardtanh": lambda m, z: max(m.mpf(-1), min(m.mpf(1), z)),
    "hardswish": lambda m, z: z * max(m.mpf(0), min(m.mpf(6), z + 3)) / 6,
    "squared_relu": lambda m, z: z**2 if z > 0 else m.mpf(0),
    "quadratic": lambda m, z: z + z**2 / 2,
    "cubic": lambda m, z: z + m.mpf(-1.0 / 3.0) * z**3,
    "snake": lambda m, z: z + m.sin(z) ** 2,
    "gaussian": lambda m, z: m.exp(-(z**2)),
    "cos": lambda m, z: m.cos(z),
    "logcosh": lambda m, z: m.log(m.cosh(z)),
}
POINTS = [1e-30, 1e-12, 1e-6, 1e-3, 0.04, 0.3, 0.9, 2.2, 5.5]


def reference(name: str, z: float) -> tuple[float, float, float]:
    function = REFERENCE[name]
    at = CONTEXT.mpf(z)
    step = abs(at) * CONTEXT.mpf(2) ** -120  # a central difference: relative error 2^-240, rounding 2^-480
    value = function(CONTEXT, at)
    slope = (function(CONTEXT, at + step) - function(CONTEXT, at - step)) / (2 * step)
    return float(value), float(slope), float(at * slope - value)


def test_every_activation_of_the_catalogue_has_a_reference() -> None:
    assert set(catalogue()) == set(REFERENCE)


@pytest.mark.parametrize("name", sorted(REFERENCE))
def test_value_derivative_and_phi_against_600_bits(name: str) -> None:
    act = activation(name)
    points = [sign * point for point in POINTS for sign in (1, -1)]
    z = torch.tensor(points, dtype=torch.float64)
    for got_value, got_slope, got_phi, point in zip(act(z), act.derivative(z), act.phi(z), points, strict=True):
        value, slope, phi = reference(name, point)
        # A few roundings of the largest part; far in the tail of exp-like functions the argument's rounding enters.
        assert float(got_value) == pytest.approx(value, rel=2e-14, abs=1e-18)
        assert float(got_slope) == pytest.approx(slope, rel=2e-14, abs=4e-16)
        # phi relative to itself (not to z s'): 1e-17 absolute matters only where phi is zero to rounding.
        assert float(got_phi) == pytest.approx(phi, rel=3e-12, abs=1e-120 if abs(point) < 0.1 else 4e-15)


@pytest.mark.parametrize("name", sorted(REFERENCE))
def test_derivative_is_autograd_and_float32_stays_float32(name: str) -> None:
    act = activation(name)
    z = torch.linspace(-3.3, 3.1, 41, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(act(z).sum(), z)
    torch.testing.assert_close(act.derivative(z.detach()), slope, rtol=1e-13, atol=1e-14)
    single = z.detach().float()
    for function in (act.value, act.derivative, act.phi):
        assert function(single).dtype == torch.float32
        torch.testing.assert_close(function(single).double(), function(single.double()), rtol=2e-5, atol=2e-6)


@given(st.floats(-1e-2, 1e-2), st.sampled_from(["tanh", "gelu", "silu", "sin", "erf"]))
@settings(max_examples=40, deadline=None)
def test_phi_is_relatively_accurate_near_zero(z: float, name: str) -> None:
    if abs(z) < 1e-90:  # phi ~ z^3 underflows below
        z = 1e-90
    phi = float(activation(name).phi(torch.tensor([z], dtype=torch.float64)))
    assert phi == pytest.approx(reference(name, z)[2], rel=1e-13)


def test_extreme_arguments_are_finite() -> None:
    z = torch.tensor([-1e4, -800.0, 800.0, 1e4, 0.0], dtype=torch.float64)
    for name in set(catalogue()) - {"sinh"}:
        act = activation(name)
        for function in (act.value, act.derivative, act.phi):
            assert bool(function(z).isfinite().all()), name


def test_parameters_and_labels() -> None:
    half = activation("swish", beta=0.5)
    z = torch.tensor([1.3], dtype=torch.float64)
    assert float(half(z)) == pytest.approx(1.3 / (1 + math.exp(-0.65)), rel=1e-15)
    assert half.label == "swish(beta=0.5)"
    assert activation("tanh").label == "tanh"
    assert activation("leaky_relu", slope=0.2).kinks == (0.0,)


def test_a_typed_kink_closer_than_the_radius_of_convergence() -> None:
    z = ("z",)
    cut = ("rational", 1, 3)
    tree = ("piecewise", (("less", z, cut), ("call", "sin", z)), (("true",), ("pow", z, ("rational", 3, 1))))
    act = activation_from_tree(tree)
    points = torch.tensor([0.2, 0.4, 0.9], dtype=torch.float64)
    expected = torch.tensor([0.2 * math.cos(0.2) - math.sin(0.2), 2 * 0.4**3, 2 * 0.9**3], dtype=torch.float64)
    torch.testing.assert_close(act.phi(points), expected, rtol=1e-13, atol=0)


@pytest.mark.parametrize(
    ("name", "parameters", "word"),
    [("tahn", {}, "unknown activation"), ("tanh", {"beta": 1.0}, "no parameters"), ("snake", {"a": 0.0}, "divisor"),
     ("swish", {"beta": math.nan}, "finite")],
)  # fmt: skip
def test_hostile_inputs(name: str, parameters: dict[str, float], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        activation(name, **parameters)
