import math

import mpmath
import numpy as np
import pytest
import torch

from numeric.activations import activation, catalogue
from numeric.scalar_activations import CATALOGUE, ScalarActivation, elu, leaky_relu, scalar_activation, snake, swish

GRID = np.concatenate([np.linspace(-9.0, 9.0, 181) + 0.0123, [-30.0, -1e-3, -1e-9, 1e-12, 1e-5, 25.0]])


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_derivative_against_a_complex_free_difference(name):
    s = CATALOGUE[name]
    z = GRID[(np.abs(GRID) < 9.1) & (np.abs(GRID) > 1e-4)]
    for kink in s.kinks:
        z = z[np.abs(z - kink) > 1e-3]
    h = 1e-4
    difference = (s.value(z - 2 * h) - 8 * s.value(z - h) + 8 * s.value(z + h) - s.value(z + 2 * h)) / (12 * h)
    scale = 1.0 + np.abs(s.value(z)) + np.abs(s.derivative(z))
    # fourth-order difference: h^4 s^(5)/30 + eps |s| / h
    np.testing.assert_allclose(difference / scale, s.derivative(z) / scale, atol=3e-11)


@pytest.mark.parametrize("name", sorted(set(CATALOGUE) & set(catalogue())))
def test_agrees_with_the_torch_definition(name):
    ours, theirs = CATALOGUE[name], activation(name)
    z = GRID[np.abs(GRID) > 0]
    tensor = torch.from_numpy(z)
    # relative near 0, where the flow lives; in the tails (s' -> 0, torch's ndtr) both keep the absolute precision only
    near = np.abs(z) < 1.0
    np.testing.assert_allclose(ours.value(z)[near], theirs.value(tensor).numpy()[near], rtol=5e-15, atol=0)
    np.testing.assert_allclose(ours.value(z), theirs.value(tensor).numpy(), rtol=5e-15, atol=5e-15)
    np.testing.assert_allclose(ours.derivative(z), theirs.derivative(tensor).numpy(), rtol=5e-15, atol=5e-15)


def test_every_activation_of_the_networks_is_here():
    assert set(catalogue()) <= set(CATALOGUE)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_slope_parity_and_kinks_are_as_stated(name):
    s = CATALOGUE[name]
    h = 1e-8
    # one-sided curvature leaves h, rounding 1e-16/h
    assert s.alpha == pytest.approx(float(s.value(np.array(h)) - s.value(np.array(-h))) / (2 * h), abs=3e-8)
    is_odd = np.allclose(s.value(-GRID[:-6]), -s.value(GRID[:-6]), rtol=0, atol=1e-12)
    assert s.odd == is_odd


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("tanh", lambda c, z: c.tanh(z)),
        ("logcosh", lambda c, z: c.log(c.cosh(z))),
        ("asinh", lambda c, z: c.asinh(z)),
        ("gelu", lambda c, z: z * c.ncdf(z)),
        ("mish", lambda c, z: z * c.tanh(c.log1p(c.exp(z)))),
    ],
)
def test_relative_precision_down_to_small_arguments(name, reference):
    context = mpmath.mp.clone()
    context.dps = 40
    for z in (1e-12, -3e-7, 1e-3, 0.7, -1.2):
        exact = float(reference(context, context.mpf(z)))
        assert float(CATALOGUE[name].value(np.array(z))) == pytest.approx(exact, rel=4e-16)


def test_saturation_does_not_overflow():
    with np.errstate(over="raise", invalid="raise"):
        for name in ("tanh", "sigmoid", "softplus", "silu", "gelu", "mish", "logcosh", "erf"):
            s, ds = CATALOGUE[name].evaluate(np.array([-700.0, 700.0]))
            assert np.isfinite(s).all() and np.isfinite(ds).all()


def test_parameters():
    z = np.array([-2.0, 1.5])
    np.testing.assert_allclose(swish(2.0).value(z), z / (1 + np.exp(-2 * z)), rtol=1e-15)
    np.testing.assert_allclose(leaky_relu(0.2).value(z), [-0.4, 1.5])
    np.testing.assert_allclose(elu(0.5, width=0.5).value(z), [0.5 * math.expm1(-4.0), 1.5])
    np.testing.assert_allclose(snake(3.0).value(z), z + np.sin(3 * z) ** 2 / 3)


def test_lookup():
    mine = ScalarActivation("mine", lambda z: (z, z), 1.0)
    assert scalar_activation(mine) is mine
    assert scalar_activation("tanh").name == "tanh"
    for unknown in ("tahn", "", None, ["tanh"]):
        with pytest.raises(ValueError, match=r"unknown activation .* choose one of"):
            scalar_activation(unknown)


def test_tanh_keeps_its_relative_precision_and_does_not_depend_on_the_place_in_the_array():
    z = np.concatenate([np.geomspace(1e-300, 1e-3, 301), np.geomspace(1e-3, 25.0, 301)])
    s, slope = scalar_activation("tanh").evaluate(z)
    with mpmath.workdps(40):
        exact = [mpmath.tanh(mpmath.mpf(float(x))) for x in z]
        assert max(abs(mpmath.mpf(float(a)) / b - 1) for a, b in zip(s, exact, strict=True)) < 3e-16
    np.testing.assert_array_equal(slope, 1.0 - s * s)
    for size in (1, 3, 8, 17):
        parts = [scalar_activation("tanh").value(z[k : k + size].copy()) for k in range(0, z.size, size)]
        np.testing.assert_array_equal(np.concatenate(parts), s)
