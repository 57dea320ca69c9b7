import math
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import elliprf

from numeric.high_precision import precise_escape
from numeric.manifold import ManifoldModel
from numeric.manifold_sweep import bottleneck_starts, manifold_escape
from numeric.residual import leading_integral, residual_escape
from numeric.run_status import RunStatus


@pytest.mark.parametrize(
    ("activation", "depth", "small", "rule"),
    [
        ("tanh", 4, (1, 2, 3, 4), "scale:0.5@1"),
        ("gelu", 3, (1, 2, 3), "overlap:0.1"),
        ("tanh", 5, (3, 4, 5), "loss:0.7"),
        ("sin", 3, (2,), "scale:0.3@2"),
    ],
)
def test_total_time_agrees_with_the_sweep_in_log_scale(activation, depth, small, rule):
    model = ManifoldModel(activation, depth, [3, 5, 7, 2][: depth - 1], "ntk", "tanh", 1.2)
    starts = bottleneck_starts([1e-3], depth, small, np.linspace(0.6, 1.3, depth))
    ours = residual_escape(model, starts, small, rule, rtol=1e-10)
    peer = manifold_escape(model, starts, rule, rtol=1e-11, estimate_error=False)
    assert ours.status == (RunStatus.ESCAPED,)
    # two formulations that share the quadrature and the pair, not the variables; rtol 1e-10 in the coarser one
    np.testing.assert_allclose(ours.times, peer.times, rtol=1e-9)
    np.testing.assert_allclose(ours.rate * ours.times, ours.leading + ours.remainder, rtol=1e-14)


@pytest.mark.parametrize("L", [2, 3, 4, 6])
def test_linear_remainder_in_closed_form(L):
    N, theta, eps = 9, 0.3, np.array([1e-2, 1e-12, 1e-30])
    model, rule = ManifoldModel("linear", L, N), f"scale:{theta}@1"
    ours = residual_escape(model, bottleneck_starts(eps, L), rule=rule, rtol=1e-11)
    for k, e in enumerate(eps):
        integral, _ = quad(lambda x: math.sqrt(N) * x / (1 - math.sqrt(N) * x**L), e, theta, epsrel=1e-13)
        exact = integral + (math.log(theta) if L == 2 else -(theta ** (2 - L)) / (L - 2))
        error = abs(ours.remainder[k] - exact)
        assert error < 1e-9 * abs(exact)
        assert error < 3 * ours.remainder_errors[k] + 1e-13 * abs(exact)
    leading = -np.log(eps) if L == 2 else eps ** (2.0 - L) / (L - 2)
    np.testing.assert_allclose(ours.leading, leading, rtol=1e-13)


def moment(f):
    u = np.arange(-9, 9.05, 0.1)
    return float(0.1 * np.sum(f(u) * np.exp(-u * u / 2)) / math.sqrt(2 * math.pi))


def logarithm(model, small, scales, eps=(1e-7, 1e-8)):
    ours = residual_escape(model, bottleneck_starts(eps, model.depth, small, scales), small, "overlap:0.1", rtol=1e-9)
    return (ours.remainder[1] - ours.remainder[0]) / math.log(eps[0] / eps[1])


def test_resonant_logarithm_of_tanh_down_to_1e_minus_30():
    # L = q + 1 = 4: the coefficient is -(2 q/(q+1)) c, c = (a_3/alpha) M_3/M_1
    exact = -1.5 * (-1 / 3) * moment(lambda u: np.tanh(u) * u**3) / moment(lambda u: np.tanh(u) * u)
    eps = np.array([1e-20, 1e-30])
    ours = residual_escape(ManifoldModel("tanh", 4), bottleneck_starts(eps, 4), rule="scale:0.5@1", rtol=1e-11)
    measured = (ours.remainder[1] - ours.remainder[0]) / math.log(1e10)
    assert measured == pytest.approx(exact, rel=1e-10)
    assert measured == pytest.approx(1.199857959, abs=5e-10)
    # the estimate belongs to the second run, of tolerance 1e-9, on a remainder of 84
    assert ours.remainder_errors.max() < 1e-6


def test_logarithm_of_an_even_order_at_r_3():
    # q = 2, r = 3 < L: -(4/3) c_eff, c_eff = (a_2/alpha) (M_2/M_1) sum over layers between the first two small ones
    gelu = ManifoldModel("gelu", 4, 8)
    y = gelu.activation.value
    c = (math.sqrt(1 / (2 * math.pi)) / 0.5) * moment(lambda u: y(u) * u**2) / moment(lambda u: y(u) * u)
    xi = 0.7
    # small layers 1, 3, 4: j = 1, 2 with factors 1 and alpha xi
    exact = -(4 / 3) * c * (1 + 0.5 * xi)
    assert logarithm(gelu, (1, 3, 4), [1, xi, 1, 1]) == pytest.approx(exact, rel=3e-6)


def test_logarithm_from_the_layers_of_order_one_linear():
    # class A, r = 4 < L: -S/2, S = sum over O(1) layers of (d log K_eff / d xi)^2 = sum 1/xi^2
    xi = np.array([0.8, 1.25])
    measured = logarithm(ManifoldModel("linear", 6, 8), (2, 3, 4, 6), [xi[0], 1, 1, 1, xi[1], 1])
    assert measured == pytest.approx(-0.5 * float((1 / xi**2).sum()), rel=1e-6)


def test_logarithm_with_a_nonlinear_layer_before_the_bottleneck():
    # q = 3, r = 4: -(3/2) c_eff - S/2 with G(u) = tanh(xi u)
    xi = 0.9
    yg = moment(lambda u: np.tanh(u) * np.tanh(xi * u))
    slope = moment(lambda u: np.tanh(u) * u / np.cosh(xi * u) ** 2) / yg
    c = -(1 / 3) * moment(lambda u: np.tanh(u) * np.tanh(xi * u) ** 3) / yg
    measured = logarithm(ManifoldModel("tanh", 5, 16), (2, 3, 4, 5), [xi, 1, 1, 1, 1])
    assert measured == pytest.approx(-1.5 * c - 0.5 * slope**2, rel=1e-6)


def test_leading_integral_is_carlsons_and_elementary():
    q, s = np.array([[1.0, 4.0, 9.0], [1e-6, 2e-6, 1e-4], [1.0, 1.0, 1.0]]), np.array([0.0, 1e-6, 3.0])
    np.testing.assert_allclose(leading_integral(q, s), elliprf(*(q + s[:, None]).T), rtol=1e-13)
    equal = leading_integral(np.full((1, 5), 0.01), np.zeros(1))
    assert equal[0] == pytest.approx(0.1**-3 / 3, rel=1e-14)


def test_unequal_mobilities_and_signs():
    model = ManifoldModel("tanh", 3, gains=[1.0, 1.0, 3.0], mobilities=[0.5, 2.0, 1.0])
    starts = np.array([[-0.01, -0.02, 0.015]])
    ours, peer = residual_escape(model, starts, rtol=1e-10), manifold_escape(model, starts, rtol=1e-11)
    np.testing.assert_allclose(ours.times, peer.times, rtol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"starts": [0.0, 0.1, 0.1]}, "starts must be finite, not zero"),
        ({"starts": [0.1, 0.1]}, "starts must be finite, not zero"),
        ({"starts": [-0.1, 0.1, 0.1]}, "must be positive, or there is no leading law"),
        ({"rtol": 0.0}, "rtol must lie strictly between 0 and 1"),
        ({"rule": "x"}, "unknown escape rule"),
        ({"small": (7,)}, "small layers are counted from 1 to 3"),
        ({"model": ManifoldModel("relu", 3)}, "the residual form needs s analytic"),
        ({"starts": [1e-300, 1e-300, 1e-300], "model": ManifoldModel("tanh", 3)}, "below"),
    ],
)
def test_hostile_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        residual_escape(**{"model": ManifoldModel("tanh", 3), "starts": [0.1, 0.1, 0.1], **arguments})


def test_a_level_out_of_reach_ends_with_the_budget():
    ours = residual_escape(ManifoldModel("tanh", 3), [0.1, 0.1, 0.1], rule="scale:9@1", max_steps=40)
    assert ours.status == (RunStatus.BUDGET_SPENT,) and math.isnan(ours.remainder[0]) and math.isnan(ours.times[0])


@pytest.mark.parametrize(
    ("activation", "small", "arrays"),
    [
        ("tanh", (1, 2, 3, 4), {}),
        ("gelu", (2, 3, 4), {}),
        ("silu", (1, 3, 4), {"gains": [1.0, 0.5, 2.0, 3.0], "mobilities": [0.5, 2.0, 1.0, 1.5]}),
    ],
)
def test_imbalance_growth_at_the_escape_is_the_difference_of_the_squares(activation, small, arrays):
    model = ManifoldModel(activation, 4, **arrays)
    starts = bottleneck_starts([0.02, 0.01], 4, small, [1.0, 0.8, 1.0, 1.2])
    ours = residual_escape(model, starts, small, "overlap:0.3")
    direct = np.diff(ours.scales**2 - starts**2, axis=1)
    # Two sums of the same numbers, of order one; the tolerance of the run does not enter.
    np.testing.assert_allclose(ours.imbalance_growth, direct, atol=1e-13)
    assert np.all(ours.imbalance_errors < 1e-8)


def test_imbalance_growth_far_below_the_rounding_of_the_squares():
    """tanh, L = 4, eps = 1e-3 to Y = 4e-3: twenty digits of the scales by another method give Delta_3 = 2.6e-20."""
    model, eps = ManifoldModel("tanh", 4), 1e-3
    peer = precise_escape(model, ["0.001"] * 4, "scale:0.004@1", digits=30)
    X = [Decimal(x) for x in peer.scales]
    expected = [float(b * b - a * a) for a, b in pairwise(X)]
    ours = residual_escape(model, [[eps] * 4], rule="scale:0.004@1")
    assert expected[2] < 1e-19
    errors = np.abs(ours.imbalance_growth[0] - expected)
    np.testing.assert_array_less(errors, 3 * ours.imbalance_errors[0] + 1e-14 * np.abs(expected))
    np.testing.assert_allclose(ours.imbalance_growth[0], expected, rtol=1e-5)
