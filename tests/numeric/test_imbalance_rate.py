from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numeric.imbalance_rate import manifold_imbalance_rates
from numeric.manifold import ManifoldModel


def plain_difference(model, X):
    return np.diff(2 * X * model.rates(X), axis=-1)


@settings(deadline=None, max_examples=20)
@given(
    st.sampled_from(["tanh", "gelu", "silu", "erf"]),
    st.sampled_from(["ntk", "plain"]),
    st.lists(st.floats(0.2, 1.2), min_size=2, max_size=5),
)
def test_far_from_the_saddle_it_is_the_difference_of_float_rates(activation, parameterisation, scales):
    model, X = ManifoldModel(activation, len(scales), 9, parameterisation), np.array(scales)
    found = manifold_imbalance_rates(model, X)
    # Each term of the float difference carries the rounding of a sum over about a hundred nodes, and either side the
    # error of its quadrature, which finer or shifted nodes show.
    slack = 1e-13 * np.abs(2 * X * model.rates(X)).max() + 2 * found.errors[0]
    slack = slack + 2 * np.abs(plain_difference(model.refined(), X) - plain_difference(model, X))
    assert np.all(np.abs(found.rates[0] - plain_difference(model, X)) <= slack)


def test_near_the_saddle_against_the_identity_in_floats():
    """dDelta_l/dt = -2 c^2 E[(y - yhat) P_l phi(z_l)], phi from its series: -2/3 z^3 for tanh, to a relative z^2."""
    eps, width = 1e-6, 16
    model = ManifoldModel("tanh", 3, width)
    u, w = model.rule.nodes, model.rule.weights
    y = np.tanh(u)
    z1 = eps * u
    z2 = eps * z1
    P1, P2 = 4.0 * eps * eps, 4.0 * eps  # sqrt(N) X_3 s'(z_2) X_2 and sqrt(N) X_3
    expected = [-2 / width * np.sum(w * y * P * (-2 / 3) * z**3) for P, z in ((P1, z1), (P2, z2))]
    found = manifold_imbalance_rates(model, [eps] * 3)
    np.testing.assert_allclose(found.rates[0], expected, rtol=1e-10)  # what is left out is of relative order eps^2
    assert np.all(found.errors[0] < 1e-15 * np.abs(found.rates[0]))


@pytest.mark.parametrize("eps", [1e-3, 1e-25])
def test_a_linear_net_conserves_its_imbalances(eps):
    found = manifold_imbalance_rates(ManifoldModel("linear", 4, 5), [[eps, 2 * eps, 3 * eps, eps]])
    # All that is left is the working precision of 192 bits, on terms of order eps^4.
    assert np.all(np.abs(found.rates) <= found.errors + 1e-50 * eps**4)
    assert np.all(found.errors < 1e-50 * eps**4)


def test_an_exact_finite_difference_of_one_euler_step():
    """Delta after one tiny step of the float flow, where the step is exact in rationals."""
    model, X = ManifoldModel("gelu", 3, 7, "plain"), np.array([0.5, 0.25, 0.75])
    rate = [Fraction(v) for v in model.rates(X)]
    step = Fraction(1, 2**60)
    after = [Fraction(x) + step * v for x, v in zip(X, rate, strict=True)]
    gained = [
        (after[i + 1] ** 2 - after[i] ** 2 - Fraction(X[i + 1]) ** 2 + Fraction(X[i]) ** 2) / step for i in (0, 1)
    ]
    np.testing.assert_allclose(manifold_imbalance_rates(model, X).rates[0], [float(g) for g in gained], atol=1e-14)


@pytest.mark.parametrize("scales", [[0.1, 0.1], [0.1, 0.0, 0.1], [0.1, np.nan, 0.1], np.ones((1, 1, 3))])
def test_wrong_scales_are_refused(scales):
    with pytest.raises(ValueError, match="scales must be"):
        manifold_imbalance_rates(ManifoldModel("tanh", 3), scales)


def test_a_kinked_activation_is_refused():
    with pytest.raises(ValueError, match="no analytic activation"):
        manifold_imbalance_rates(ManifoldModel("relu", 3), [0.1] * 3)
