import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from numeric.manifold import ManifoldModel
from numeric.manifold_flow import manifold_trajectory
from numeric.run_status import RunStatus


def test_reference_trajectory_against_scipy():
    model, start, times = ManifoldModel("tanh", 4), [0.03, 0.05, 0.07, 0.09], np.linspace(0.0, 6000.0, 13)
    ours = manifold_trajectory(model, start, times)
    peer = solve_ivp(lambda t, x: model.rates(x), (0, 6000), start, "DOP853", times, rtol=1e-12, atol=1e-15)
    # the peer's dense output carries about 1e-9
    np.testing.assert_allclose(ours.scales, peer.y.T, atol=5e-9)
    np.testing.assert_allclose(ours.loss, model.loss(ours.scales), rtol=1e-14)
    assert ours.status == (RunStatus.UNTIL_REACHED,)
    assert (np.diff(ours.loss) < 0).all()
    assert ours.scales_error.max() < 1e-8 and ours.loss_error.max() < 1e-8


def test_against_an_implicit_method_of_another_family():
    model, start = ManifoldModel("gelu", 3, 8, "plain", "tanh", 1.5), [0.2, 0.1, 0.3]
    ours = manifold_trajectory(model, start, [5.0, 40.0])
    peer = solve_ivp(lambda t, x: model.rates(x), (0, 40), start, "Radau", [5.0, 40.0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.scales, peer.y.T, atol=1e-7)  # what Radau of order 5 delivers


@pytest.mark.parametrize("rtol", [1e-6, 1e-9, 1e-12])
def test_linear_two_layers_is_a_logistic_and_the_estimate_covers_the_error(rtol):
    N, eps = 16, 0.01
    model, times = ManifoldModel("linear", 2, N), np.array([0.0, 5.0, 12.0, 20.0, 60.0])
    ours = manifold_trajectory(model, [eps, eps], times, rtol=rtol, atol=1e-3 * rtol)
    # q = X^2: q' = (2/sqrt N) q (1 - sqrt(N) q)
    growth = np.exp(2.0 * times / math.sqrt(N))
    q = eps**2 * growth / (1.0 + math.sqrt(N) * eps**2 * (growth - 1.0))
    error = np.abs(ours.scales - np.sqrt(q)[:, None]).max(axis=1)
    assert error.max() <= 200 * rtol  # local errors grow with the solution, by 1/eps at most
    assert (error <= 3 * ours.scales_error + 1e-15).all()


def test_members_are_independent_bit_for_bit():
    model, times = ManifoldModel("tanh", 3), [0.0, 50.0, 300.0]
    starts = np.random.default_rng(0).uniform(0.05, 0.3, size=(5, 3))
    together = manifold_trajectory(model, starts, times)
    for m in (0, 3):
        alone = manifold_trajectory(model, starts[m], times)
        assert np.array_equal(alone.scales, together.scales[:, m])
    backwards = manifold_trajectory(model, starts[::-1], times)
    assert np.array_equal(backwards.scales[:, ::-1], together.scales)


def test_budget_and_blow_up_are_reported():
    model = ManifoldModel("tanh", 3)
    spent = manifold_trajectory(model, [0.1, 0.1, 0.1], [1e6], max_steps=5)
    assert spent.status == (RunStatus.BUDGET_SPENT,) and np.isnan(spent.scales).all()
    for status in RunStatus:
        assert status.advice
    huge = manifold_trajectory(ManifoldModel("sinh", 3), [[0.1, 0.1, 0.1], [90.0, 90.0, 90.0]], [1.0])
    assert huge.status == (RunStatus.UNTIL_REACHED, RunStatus.NOT_FINITE)
    assert np.isfinite(huge.scales[:, 0]).all() and np.isnan(huge.scales[:, 1]).all()


def test_a_start_on_the_saddle_stays():
    ours = manifold_trajectory(ManifoldModel("tanh", 3), [0.0, 0.0, 0.0], [0.0, 1e3])
    assert not ours.scales.any() and ours.status == (RunStatus.UNTIL_REACHED,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rtol": 0.0}, "rtol and atol must lie strictly between 0 and 1"),
        ({"atol": -1.0}, "rtol and atol must lie strictly between 0 and 1"),
        ({"times": [2.0, 1.0]}, "strictly increasing"),
        ({"times": []}, "strictly increasing"),
        ({"times": [-1.0]}, "not negative"),
        ({"times": [math.nan]}, "times must be finite"),
        ({"start": [0.1, 0.1]}, "start must be finite, of shape"),
        ({"start": [0.1, 0.1, math.nan]}, "start must be finite, of shape"),
    ],
)
def test_hostile_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        manifold_trajectory(ManifoldModel("tanh", 3), **{"start": [0.1, 0.1, 0.1], "times": [1.0], **arguments})
