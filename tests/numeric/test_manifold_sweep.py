import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad, solve_ivp

from numeric.manifold import ManifoldModel
from numeric.manifold_sweep import bottleneck_starts, manifold_escape
from numeric.run_status import RunStatus

E, U, B = RunStatus.ESCAPED, RunStatus.UNTIL_REACHED, RunStatus.BUDGET_SPENT


def scipy_escape(model, start, rule, horizon):
    """The slow obvious reference: integrate in t, with an event."""
    start = np.asarray(start, dtype=float)
    initial = float(model.loss(start))
    events = {
        "scale:0.3@1": lambda t, x: abs(x[0]) - 0.3,
        "loss:0.5": lambda t, x: 0.5 - float(model.loss(x)) / initial,
        "overlap:0.1": lambda t, x: float(model.overlap(x)) - 0.1,
    }
    event = events[rule]
    event.terminal, event.direction = True, 1.0
    run = solve_ivp(
        lambda t, x: model.rates(x),
        (0, horizon),
        start,
        "DOP853",
        events=event,
        rtol=1e-12,
        atol=1e-18,
        first_step=1e-3,
    )
    return float(run.t_events[0][0])


@pytest.mark.parametrize("rule", ["scale:0.3@1", "loss:0.5", "overlap:0.1"])
@pytest.mark.parametrize(
    ("model", "start"),
    [
        (ManifoldModel("tanh", 4), [0.03, 0.05, 0.07, 0.09]),
        (ManifoldModel("gelu", 3, 16), [0.1, 0.1, 0.1]),
        (ManifoldModel("silu", 3, [2, 5], "plain", "tanh", 1.5), [0.02, 0.5, 0.02]),
        (ManifoldModel("sin", 2, 8, "plain"), [0.01, 0.02]),
        (ManifoldModel("linear", 3, 4), [1e-3, 0.7, 0.9]),
        (ManifoldModel("relu", 3, 4), [0.05, 0.05, 0.1]),
        (ManifoldModel("tanh", 3, 4), [-0.05, 0.05, -0.1]),
    ],
)
def test_against_scipy_in_time(model, start, rule):
    ours = manifold_escape(model, start, rule)
    assert ours.status == (E,)
    expected = scipy_escape(model, start, rule, 5.0 * ours.times[0] + 10.0)
    # scipy locates events on a dense output of order 7, good to about 1e-9
    assert ours.times[0] == pytest.approx(expected, rel=2e-8)
    assert ours.errors[0] < 1e-7 * ours.times[0]


def linear_escape_time(N, L, eps, theta):
    """Equal start, linear, ntk: dX/dt = X^{L-1} (1 - sqrt(N) X^L) / sqrt N, one integral."""
    K = 1.0 / math.sqrt(N)
    leading = math.log(theta / eps) if L == 2 else (eps ** (2 - L) - theta ** (2 - L)) / (L - 2)
    correction, _ = quad(lambda x: math.sqrt(N) * x / (1.0 - math.sqrt(N) * x**L), eps, theta, epsrel=1e-13)
    return (leading + correction) / K


@pytest.mark.parametrize("L", [2, 3, 4, 6])
def test_linear_network_closed_form_over_eight_decades(L):
    N, theta, eps = 9, 0.3, np.geomspace(0.2, 1e-8, 9)
    exact = np.array([linear_escape_time(N, L, e, theta) for e in eps])
    for rtol in (1e-6, 1e-10):
        ours = manifold_escape(ManifoldModel("linear", L, N), bottleneck_starts(eps, L), f"scale:{theta}@1", rtol=rtol)
        assert ours.status == (E,) * 9
        error = np.abs(ours.times - exact)
        assert (error <= 20 * rtol * exact).all()
        # an estimate, not a bound: an error far below the tolerance may be underestimated by chance
        assert (error <= 10 * ours.errors + 0.1 * rtol * exact).all()
        np.testing.assert_allclose(ours.scales[:, 0], theta, rtol=10 * rtol)


def test_tolerance_controls_the_error():
    model, starts = ManifoldModel("tanh", 4), bottleneck_starts([0.2, 0.02], 4)
    exact = manifold_escape(model, starts, "scale:0.5@1", rtol=1e-13).times
    for rtol in (1e-4, 1e-7, 1e-10):
        ours = manifold_escape(model, starts, "scale:0.5@1", rtol=rtol)
        assert (np.abs(ours.times / exact - 1.0) < 30 * rtol).all()
        assert (np.abs(ours.times - exact) <= 10 * ours.errors + 0.1 * rtol * exact).all()


@pytest.mark.parametrize("rule", ["scale:0.5@1", "loss:0.5", "overlap:0.2"])
@pytest.mark.parametrize(("name", "small"), [("tanh", None), ("gelu", (1, 2, 4)), ("linear", (1, 2, 3))])
def test_times_alone_cost_less_and_are_as_good(name, small, rule):
    model, starts = ManifoldModel(name, 4), bottleneck_starts(np.geomspace(1e-6, 0.03, 8), 4, small, 0.45)
    exact = manifold_escape(model, starts, rule, rtol=1e-13, estimate_error=False)
    full = manifold_escape(model, starts, rule, rtol=1e-9)
    times = manifold_escape(model, starts, rule, rtol=1e-9, scales_rtol=1e-6)
    assert times.status == (E,) * 8
    assert times.evaluations.sum() < full.evaluations.sum()
    error = np.abs(times.times - exact.times)
    assert (error < 2e-9 * exact.times).all()
    # an error below the tolerance may be underestimated by chance
    assert (error <= 10 * times.errors + 0.5e-9 * exact.times).all()
    np.testing.assert_allclose(times.scales, exact.scales, rtol=1e-4)  # local errors of 1e-6 add up and grow


def test_plateau_costs_a_logarithm_of_its_length():
    eps = 10.0 ** -np.array([2, 4, 8, 16, 24])
    ours = manifold_escape(ManifoldModel("tanh", 4), bottleneck_starts(eps, 4), "scale:0.5@1")
    assert ours.status == (E,) * 5
    assert (ours.evaluations < 900 + 20 * np.log(1 / eps)).all()


def test_critical_depth_slopes_do_not_depend_on_layers_or_activation():
    for name, depth, small in [("tanh", 5, (1, 2, 3)), ("gelu", 4, (1, 3, 4)), ("linear", 3, None)]:
        eps = np.array([1e-5, 5e-6])
        t = manifold_escape(ManifoldModel(name, depth, 8), bottleneck_starts(eps, depth, small), "loss:0.5").times
        # r = 3; the next order is eps log(1/eps)
        assert math.log(t[1] / t[0]) / math.log(eps[1] / eps[0]) == pytest.approx(-1.0, abs=1e-3)


@given(st.permutations(range(5)), st.integers(1, 5))
@settings(max_examples=4, deadline=None)
def test_bitwise_invariance_under_permutation_and_batch(order, cut):
    model, eps = ManifoldModel("tanh", 3, 8), np.array([0.3, 0.1, 3e-2, 1e-4, 1e-7])
    starts = bottleneck_starts(eps, 3, scales=[1.0, 1.3, 0.8])
    whole = manifold_escape(model, starts, estimate_error=False)
    permuted = manifold_escape(model, starts[list(order)], estimate_error=False)
    part = manifold_escape(model, starts[:cut], estimate_error=False)
    assert np.array_equal(permuted.times, whole.times[list(order)])
    assert np.array_equal(part.times, whole.times[:cut])


def test_one_bad_member_does_not_touch_the_others():
    model = ManifoldModel("sinh", 3, 8)
    good = bottleneck_starts([0.1], 3)
    mixed = manifold_escape(model, np.concatenate([good, [[900.0, 900.0, 900.0]]]))
    assert mixed.times[0] == manifold_escape(model, good).times[0]
    assert mixed.status[1] not in (E, U) and math.isnan(mixed.times[1])


def test_wrong_sign_ends_with_a_status():
    model = ManifoldModel("linear", 4)
    start = [-1e-2, 1e-2, 1e-2, 1e-2]
    for until, status in ((math.inf, B), (1e6, U)):
        ours = manifold_escape(model, start, until=until, max_steps=60)
        assert ours.status == (status,) and math.isnan(ours.times[0]) and math.isnan(ours.errors[0])


def test_a_loss_without_a_finite_mean_is_named_as_the_cause():
    """sinh(sinh(g)) has no finite second moment: past the saddle the nodes far out make the flow as stiff as can be."""
    model = ManifoldModel("sinh", 4, 4)
    ours = manifold_escape(model, [[-0.1, 0.12, 0.14, 0.16], [0.1, 0.12, 0.14, 0.16]], max_steps=300)
    assert ours.status[0] is RunStatus.NOT_FINITE and "finite mean" in ours.status[0].advice
    # before that the quadrature does not see it, as no finite sample would
    assert manifold_escape(model, [-0.1, 0.12, 0.14, 0.16], "scale:0.3@1").status == (E,)


def test_a_gelu_net_of_the_wrong_sign_ends_in_a_slow_valley_and_the_advice_says_so():
    model, start = ManifoldModel("gelu", 3, 4), [-0.1, 0.1, 0.1]
    ours = manifold_escape(model, start, "loss:0.5", max_steps=200)
    assert ours.status == (B,) and "valley where the loss hardly falls" in B.advice
    assert manifold_escape(model, start, "scale:0.3@1").status == (E,)
    # an implicit method gets there: the loss falls by half at t = 11 500, long after the saddle (t = 3 400) is left
    run = solve_ivp(lambda t, x: model.rates(x), (0, 2e4), start, "Radau", rtol=1e-8, atol=1e-11)
    fraction = model.loss(run.y.T) / float(model.loss(start))
    assert 1e4 < run.t[np.argmax(fraction < 0.5)] < 1.3e4


def test_wrong_sign_with_one_smaller_layer_crosses_zero_and_escapes():
    model = ManifoldModel("linear", 3, 4)
    start = [-0.01, 0.3, 0.3]
    ours = manifold_escape(model, start, "scale:0.3@2")
    # layers 2 and 3 shrink below .3 first: the event is the upward crossing
    assert ours.status == (E,)


def test_unreachable_level_and_time_limit():
    model = ManifoldModel("tanh", 3, 4)
    starts = bottleneck_starts([0.1, 0.01], 3)
    assert manifold_escape(model, starts, "scale:7@1", max_steps=150).status == (B, B)
    limited = manifold_escape(model, starts, "scale:7@1", until=1e3)
    assert limited.status == (U, U) and (limited.end_times > 1e3).all()
    times = manifold_escape(model, starts).times
    early = manifold_escape(model, starts, until=float(np.sqrt(times.prod())))
    assert early.status == (E, U)


def test_a_start_that_has_escaped_already_takes_no_time():
    ours = manifold_escape(ManifoldModel("tanh", 3, 4), [[0.6, 0.1, 0.1]], "scale:0.5@1")
    assert ours.status == (E,) and ours.times[0] == 0.0


def test_the_saddle_itself_never_escapes_but_class_d_does():
    assert manifold_escape(ManifoldModel("tanh", 3), [0.0, 0.0, 0.0]).status == (B,)
    assert manifold_escape(ManifoldModel("tanh", 3), [0.0, 0.0, 0.0], until=1e9).status == (U,)
    assert manifold_escape(ManifoldModel("sigmoid", 3, 8), [0.0, 0.0, 0.0], "overlap:0.5").status == (E,)


def test_starts():
    np.testing.assert_allclose(bottleneck_starts([0.1, 0.2], 3), [[0.1] * 3, [0.2] * 3])
    np.testing.assert_allclose(bottleneck_starts(0.1, 3, (1, 3), 0.7), [[0.1, 0.7, 0.1]])
    np.testing.assert_allclose(bottleneck_starts(0.1, 3, (1, 3), [2.0, 0.7, 3.0]), [[0.2, 0.7, 0.3]])
    for bad in (0.0, -0.1, math.nan, [0.1, 0.0], [[0.1]]):
        with pytest.raises(ValueError, match="eps must be positive and finite"):
            bottleneck_starts(bad, 3)
    for bad, message in (((0,), "counted from 1 to 3"), ((4,), "counted from 1 to 3"), ((), "at least one layer")):
        with pytest.raises(ValueError, match=message):
            bottleneck_starts(0.1, 3, bad)
    with pytest.raises(ValueError, match="scales must be one finite number or 3"):
        bottleneck_starts(0.1, 3, (1,), [1.0, 2.0])


def test_smallest_double_is_refused_by_its_status():
    # eps^(L-1) underflows: no float64 rate exists
    ours = manifold_escape(ManifoldModel("tanh", 4), bottleneck_starts(1e-300, 4))
    assert ours.status == (B,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rtol": 0.0}, "rtol must lie strictly between 0 and 1"),
        ({"scales_rtol": 1e-11}, "scales_rtol must lie between rtol and 1"),
        ({"scales_rtol": math.nan}, "scales_rtol must lie between rtol and 1"),
        ({"rtol": math.nan}, "rtol must lie strictly between 0 and 1"),
        ({"rule": "half"}, "unknown escape rule 'half'"),
        ({"starts": [0.1, 0.1]}, "starts must be finite and of shape"),
        ({"starts": [0.1, 0.1, math.inf]}, "starts must be finite and of shape"),
        ({"until": 0.0}, "until must be positive"),
        ({"until": math.nan}, "until must be positive"),
        ({"max_steps": 0}, "max_steps at least 1"),
        ({"small": [5]}, "small layers are counted from 1 to 3"),
    ],
)
def test_hostile_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        manifold_escape(ManifoldModel("tanh", 3), **{"starts": [0.1, 0.1, 0.1], **arguments})


def test_empty_ensemble():
    ours = manifold_escape(ManifoldModel("tanh", 3), np.empty((0, 3)))
    assert ours.times.shape == (0,) and ours.status == ()


def test_explicit_small_layers_give_the_same_time():
    model = ManifoldModel("tanh", 4, 8)
    starts = bottleneck_starts([1e-3], 4, (2, 3, 4), 0.8)
    t = [manifold_escape(model, starts, small=s).times[0] for s in ((2, 3, 4), (1, 2, 3, 4), (3,), None)]
    for a, b in itertools.pairwise(t):
        assert a == pytest.approx(b, rel=1e-9)


@pytest.mark.parametrize("depth", [4, 5, 6, 7])
@pytest.mark.parametrize("rtol", [1e-9, 1e-10, 1e-11])
def test_a_landing_that_takes_several_steps_does_not_stall(depth, rtol):
    """A balanced linear net has errors at the level of rounding, so its last long step may miss the event by much."""
    model = ManifoldModel("linear", depth)
    eps = 1e-4 * 2.0 ** -np.arange(12)
    escape = manifold_escape(model, bottleneck_starts(eps, depth), "loss:0.5", rtol=rtol)
    assert set(escape.status) == {RunStatus.ESCAPED}
    assert escape.evaluations.max() < 1000
