import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from numeric import integration
from numeric.activations import activation
from numeric.data import Population, linear_population, single_mode_population
from numeric.ensemble import Ensemble
from numeric.flow import FlowOptions, gradient_flow
from numeric.losses import loss
from numeric.monitor import Monitor
from numeric.network import Network, gradient, uniform_network
from numeric.off_manifold import single_mode_batches
from numeric.run_status import RunStatus
from numeric.starts import he_start, manifold_start
from numeric.stepper import Stepper
from numeric.tableaux import tableau

TANH = activation("tanh")
V = torch.tensor([1.0, 0.0], dtype=torch.float64)


def scipy_escape(net: Network, weights: list[torch.Tensor], data: Population, rtol: float, fraction: float) -> float:
    """Escape time of one member by SciPy's DOP853 in plain time, with autograd gradients and SciPy's own event."""
    sizes = [w.numel() for w in weights]

    def split(flat: np.ndarray) -> list[torch.Tensor]:
        parts = torch.from_numpy(flat.copy()).split(sizes)
        return [part.view(shape) for part, shape in zip(parts, net.shapes, strict=True)]

    def rhs(_: float, flat: np.ndarray) -> np.ndarray:
        grads = gradient(net, split(flat), data.covariates, data.targets, loss("mse"), data.node_weights)
        return -torch.cat([g.reshape(-1) for g in grads]).numpy()

    def value(flat: np.ndarray) -> float:
        gap = net.forward(split(flat), data.covariates) - data.targets
        return float(0.5 * (gap**2 * data.node_weights).sum())

    start = torch.cat([w.reshape(-1) for w in weights]).numpy()
    first = value(start)

    def event(_: float, flat: np.ndarray) -> float:
        return value(flat) - fraction * first

    event.terminal = True  # type: ignore[attr-defined]
    run = solve_ivp(rhs, (0.0, 1e6), start, method="DOP853", rtol=rtol, atol=1e-14, events=event)
    return float(run.t_events[0][0])


def members(name: str, depth: int, small: range, eps: float, seeds: range, width: int = 6) -> tuple:  # type: ignore[type-arg]
    net = uniform_network(depth, width, 3, activation(name))
    return net, he_start(net, seeds, small, eps), single_mode_batches(net, seeds, 24)


@pytest.mark.parametrize("method", ["tsit5", "dop853"])
@pytest.mark.parametrize("clock", ["growth", "time"])
def test_escape_times_are_scipy_s(method: str, clock: str) -> None:
    net, weights, data = members("tanh", 3, range(1, 4), 0.15, range(2))
    options = FlowOptions(rtol=1e-9, method=method, clock=clock)
    result = gradient_flow(net, weights, data, options=options)
    assert result.status == (RunStatus.ESCAPED,) * 2
    for member in range(2):
        part = Population(data.covariates[member], data.targets[member], data.node_weights)
        expected = scipy_escape(net, [w[member] for w in weights], part, 1e-10, 0.5)
        assert float(result.escape_times[member]) == pytest.approx(expected, rel=2e-8)
    # At the escape the loss is half of its initial value: the event is on the trajectory, not near it.
    first = gradient_flow(net, weights, data, until=1e-12, escape=None).losses
    torch.testing.assert_close(result.losses, 0.5 * first, rtol=1e-9, atol=0)


@pytest.mark.parametrize("method", ["tsit5", "dop853"])
def test_error_of_the_escape_time_follows_the_tolerance(method: str) -> None:
    net, weights, data = members("gelu", 4, range(1, 4), 0.01, range(2), width=4)
    exact = gradient_flow(net, weights, data, options=FlowOptions(rtol=1e-11, method="dop853")).escape_times
    for rtol in (1e-4, 1e-7):
        run = gradient_flow(net, weights, data, estimate_error=True, options=FlowOptions(rtol=rtol, method=method))
        error = (run.escape_times - exact).abs()
        assert float((error / exact).max()) < 3 * rtol
        assert bool(
            (run.error_estimates > 0.3 * error).all()
        )  # ten times looser: an honest, usually generous, estimate


@pytest.mark.parametrize("rule", ["loss:0.5", "scale:1.2@1", "overlap:0.5"])
def test_an_end_inside_a_long_step_is_as_exact_as_the_step(rule: str) -> None:
    """A first long step ends behind the escape: the interpolant alone misses by up to twenty tolerances here."""
    net, weights, data = members("tanh", 4, range(1, 4), 0.3, range(8), width=8)
    exact = gradient_flow(net, weights, data, escape=rule, options=FlowOptions(rtol=1e-11, method="dop853"))
    run = gradient_flow(net, weights, data, escape=rule, options=FlowOptions(rtol=1e-3))
    torch.testing.assert_close(run.escape_times, exact.escape_times, rtol=2e-3, atol=0)


def test_steps_do_not_reach_far_beyond_the_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    net, weights, data = members("tanh", 4, range(1, 4), 0.03, range(4), width=16)
    guided = gradient_flow(net, weights, data, options=FlowOptions(rtol=1e-4))
    monkeypatch.setattr(integration, "_way_to_escape", lambda batch, *_: torch.full_like(batch.h, math.inf))
    blind = gradient_flow(net, weights, data, options=FlowOptions(rtol=1e-4))
    torch.testing.assert_close(guided.escape_times, blind.escape_times, rtol=1e-4, atol=0)
    assert int(guided.evaluations.sum()) < 0.9 * int(blind.evaluations.sum())
    assert int(guided.rejected.sum()) < int(blind.rejected.sum())


def test_order_of_convergence_of_the_stepper() -> None:
    """Fixed steps through dF/dt = F (1 - F^2), whose solution is known: error ~ h^order."""
    net = uniform_network(2, 1, 1, activation("linear"))
    ensemble = Ensemble(net, linear_population(torch.eye(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)))
    start, end = 0.3, 1.0
    exact = (1.0 + (1.0 / start**2 - 1.0) * math.exp(-2.0 * end)) ** -0.5
    for name, order, ladder in (("tsit5", 5, (2, 32)), ("dop853", 8, (2, 8))):
        errors = []
        for steps in ladder:
            stepper = Stepper(ensemble, tableau(name), 1, 1e-6, False, Monitor(None, torch.ones(2)))
            state = ensemble.layout.flatten([torch.full((1, 1), start, dtype=torch.float64)] * 2, torch.float64, "cpu")
            h = torch.tensor([end / steps], dtype=torch.float64)
            stepper.field(ensemble, state, stepper.stages(1)[0])
            for _ in range(steps):
                new, _ = stepper.step(ensemble, state, h)
                state = new.clone()
                stepper.stages(1)[0].copy_(stepper.stages(1)[-1])
            errors.append(abs(float(state[0, 0]) - exact))
            assert float(state[0, stepper.time_column]) == pytest.approx(end, rel=1e-14)
        slope = math.log(errors[0] / errors[1]) / math.log(ladder[1] / ladder[0])
        assert order - 0.3 < slope < order + 1.0


def manifold_scalars(scales: tuple[float, ...], width: int, times: np.ndarray) -> np.ndarray:
    """The L-dimensional ODE of THEORY section 0 in ntk, by SciPy: dX_l/dt = -(1/N) dLoss/dX_l."""
    data = single_mode_population(TANH)
    u, w = data.covariates[0].numpy(), data.node_weights.numpy()
    y, root, depth = data.targets[0].numpy(), math.sqrt(width), len(scales)

    def rhs(_: float, x: np.ndarray) -> np.ndarray:
        h = [u]
        for scale in x[:-1]:
            h.append(np.tanh(scale * h[-1]))
        delta = w * (root * x[-1] * h[-1] - y) * root
        out = np.zeros(depth)
        out[-1] = (delta * h[-1]).sum()
        delta = delta * x[-1]
        for layer in range(depth - 2, -1, -1):
            delta = delta * (1 - h[layer + 1] ** 2)
            out[layer] = (delta * h[layer]).sum()
            delta = delta * x[layer]
        return -out / width

    run = solve_ivp(rhs, (0.0, times[-1]), np.array(scales), method="DOP853", rtol=1e-12, atol=1e-15, t_eval=times)
    return run.y.T


def test_the_full_network_is_the_manifold_ode() -> None:
    scales, width = (0.3, 0.4, 0.5), 8
    net = uniform_network(3, width, 2, TANH, "ntk")
    times = np.array([0.0, 1.0, 5.0, 12.0, 30.0, 60.0])
    options = FlowOptions(rtol=1e-10, method="dop853")
    run = gradient_flow(
        net,
        manifold_start(net, scales, V),
        single_mode_population(TANH),
        escape=None,
        saved_times=times,
        options=options,
    )
    assert run.status == (RunStatus.UNTIL_REACHED,)
    assert run.saved is not None
    np.testing.assert_allclose(run.saved.scales[0].numpy(), manifold_scalars(scales, width, times), rtol=1e-8)
    assert run.saved.losses[0, -1] < run.saved.losses[0, 0]
    # To the flow's tolerance: saved states are read off the interpolant, the end is reached by a step of its own.
    torch.testing.assert_close(run.saved.scales[0, -1], run.scales[0], rtol=1e-10, atol=0)


def test_saved_times_are_the_same_with_any_step_and_go_on_after_the_escape() -> None:
    net, weights, data = members("tanh", 3, range(1, 4), 0.2, range(2))
    times = torch.linspace(0, 120, 13, dtype=torch.float64)
    runs = [
        gradient_flow(net, weights, data, saved_times=times, stop_at_escape=False, keep_states=True, options=options)
        for options in (FlowOptions(rtol=1e-7), FlowOptions(rtol=1e-9, method="dop853"))
    ]
    first, second = runs
    assert first.saved is not None and second.saved is not None and first.saved.states is not None
    assert bool((first.escape_times < 120).all())
    assert bool(first.saved.losses.isfinite().all())
    torch.testing.assert_close(first.saved.losses, second.saved.losses, rtol=3e-6, atol=1e-8)
    torch.testing.assert_close(first.escape_times, second.escape_times, rtol=1e-6, atol=0)
    stopped = gradient_flow(net, weights, data, saved_times=times, options=FlowOptions(rtol=1e-7))
    assert stopped.saved is not None
    late = times[None, :] > stopped.escape_times[:, None] + 5
    assert bool(stopped.saved.losses[late].isnan().all())
    assert torch.equal(stopped.escape_times, first.escape_times)


@pytest.mark.parametrize(("rule", "low"), [("scale:0.5@1", False), ("scale:0.4@3", False), ("overlap:0.1", False)])
def test_other_escape_rules(rule: str, low: bool) -> None:
    net, weights, data = members("tanh", 3, range(1, 4), 0.1, range(3))
    run = gradient_flow(net, weights, data, escape=rule, options=FlowOptions(rtol=1e-9))
    assert run.status == (RunStatus.ESCAPED,) * 3
    if rule.startswith("scale"):
        layer = int(rule[-1]) - 1
        torch.testing.assert_close(run.scales[:, layer], torch.full((3,), float(rule[6:9]), dtype=torch.float64))
    else:
        overlap = ((net.forward(run.weights, data.covariates) * data.targets) * data.node_weights).sum((1, 2))
        torch.testing.assert_close(
            overlap / data.second_moment(), torch.full((3,), 0.1, dtype=torch.float64), rtol=1e-8, atol=0
        )


@pytest.mark.parametrize("name", ["tanh", "gelu"])
def test_bitwise_invariance(name: str) -> None:
    net, weights, data = members(name, 4, range(1, 4), 0.1, range(6), width=4)
    whole = gradient_flow(net, weights, data)

    def part(order: list[int], **batching: float) -> torch.Tensor:
        some = Population(data.covariates[order], data.targets[order], data.node_weights)
        options = FlowOptions(**batching)  # type: ignore[arg-type]
        return gradient_flow(net, [w[order] for w in weights], some, options=options).escape_times

    assert torch.equal(part([3, 1, 5, 0, 4, 2]), whole.escape_times[[3, 1, 5, 0, 4, 2]])
    for member in (0, 5):
        assert torch.equal(part([member]), whole.escape_times[[member]])
    assert torch.equal(part([4, 2]), whole.escape_times[[4, 2]])
    assert torch.equal(part(list(range(6)), chunk=1), whole.escape_times)
    assert torch.equal(part(list(range(6)), chunk=4, poll=5), whole.escape_times)
    assert torch.equal(part(list(range(6)), crowd=0.5), whole.escape_times)


def test_members_of_several_activations_flow_as_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("tanh", "gelu", "tanh", "silu", "gelu")
    net, weights, data = members("relu", 3, range(1, 4), 0.2, range(5))
    acts = [activation(name) for name in names]
    saved = [0.5, 2.0]
    run = gradient_flow(net, weights, data, activations=acts, escape="loss:0.7", until=60.0, saved_times=saved)
    assert run.saved is not None
    for name in set(names):
        rows = [m for m, other in enumerate(names) if other == name]
        own = Population(data.covariates[rows], data.targets[rows], data.node_weights)
        plain, part = Network(net.widths, activation(name)), [w[rows] for w in weights]
        alone = gradient_flow(plain, part, own, escape="loss:0.7", until=60.0, saved_times=saved)
        assert alone.saved is not None
        assert alone.status == tuple(run.status[m] for m in rows)
        for got, want in (
            (run.escape_times, alone.escape_times),
            (run.evaluations, alone.evaluations),
            (run.saved.scales, alone.saved.scales),
            *zip(run.weights, alone.weights, strict=True),
        ):
            torch.testing.assert_close(got[rows], want, rtol=0, atol=0, equal_nan=True)
    # Where memory lacks, the halves keep their activations.
    passes = Ensemble._passes

    def scarce(ensemble: Ensemble, state: torch.Tensor, *rest: object) -> torch.Tensor:
        if state.shape[0] > 2:
            raise MemoryError("three do not fit")
        return passes(ensemble, state, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Ensemble, "_passes", scarce)
    again = gradient_flow(net, weights, data, activations=acts, escape="loss:0.7", until=60.0)
    torch.testing.assert_close(again.escape_times, run.escape_times, rtol=0, atol=0, equal_nan=True)
    with pytest.raises(ValueError, match="there are 4 activations"):
        gradient_flow(net, weights, data, activations=acts[:4])


def test_thread_count_changes_nothing_to_ten_digits() -> None:
    net, weights, data = members("tanh", 3, range(1, 4), 0.2, range(2))
    threads = torch.get_num_threads()
    try:
        times = []
        for count in (1, 2):
            torch.set_num_threads(count)
            times.append(gradient_flow(net, weights, data, options=FlowOptions(rtol=1e-3)).escape_times)
    finally:
        torch.set_num_threads(threads)
    torch.testing.assert_close(times[0], times[1], rtol=1e-10, atol=0)


def test_a_plateau_costs_the_logarithm() -> None:
    net = uniform_network(4, 6, 3, TANH)
    eps = (1e-2, 1e-4, 1e-6)
    weights = he_start(net, (1,), range(1, 4), eps)
    data = single_mode_batches(net, (1,), 24, copies=3)
    run = gradient_flow(net, weights, data)
    first, second, third = run.evaluations.tolist()
    assert run.status == (RunStatus.ESCAPED,) * 3
    assert float(run.escape_times[2] / run.escape_times[1]) == pytest.approx(100, rel=0.01)  # r = 3: exponent -1
    assert 0.5 < (third - second) / (second - first) < 1.6  # the same cost for each factor of 100
    assert third < 400


def test_anticipating_the_blow_up_leaves_few_rejections() -> None:
    net, weights, data = members("tanh", 4, range(1, 4), 0.003, range(4))
    for clock, most in (("growth", 0.25), ("time", 0.05)):
        run = gradient_flow(net, weights, data, options=FlowOptions(rtol=1e-5, clock=clock))
        assert run.status == (RunStatus.ESCAPED,) * 4
        # A deterministic count, not a time: a plain controller in t rejects about half of its steps.
        assert int(run.rejected.sum()) <= most * int(run.steps.sum())
        assert int(run.evaluations.max()) <= 150


def test_nan_in_one_member_and_wrong_sign_do_not_touch_the_others() -> None:
    net, weights, data = members("tanh", 3, range(1, 4), 0.1, range(3))
    clean = gradient_flow(net, weights, data)
    spoiled = data.targets.clone()
    spoiled[1, 0, 3] = torch.nan
    run = gradient_flow(net, weights, Population(data.covariates, spoiled, data.node_weights))
    assert run.status == (RunStatus.ESCAPED, RunStatus.NOT_FINITE, RunStatus.ESCAPED)
    assert torch.equal(run.escape_times[[0, 2]], clean.escape_times[[0, 2]])
    assert run.escape_times[1].isnan()
    (sentence,) = run.failures()
    assert sentence.startswith("member 1: ") and "NaN" in sentence


def test_budget_until_and_exact_saddle() -> None:
    net, weights, data = members("tanh", 3, range(1, 4), 0.01, range(2))
    spent = gradient_flow(net, weights, data, options=FlowOptions(budget=20))
    assert spent.status == (RunStatus.BUDGET_SPENT,) * 2 and int(spent.evaluations.max()) < 20 + 6
    early = gradient_flow(net, weights, data, until=5.0)
    assert early.status == (RunStatus.UNTIL_REACHED,) * 2
    torch.testing.assert_close(early.times, torch.full((2,), 5.0, dtype=torch.float64), rtol=1e-12, atol=0)
    silent = Population(data.covariates, torch.zeros_like(data.targets), data.node_weights)
    at_rest = gradient_flow(net, [0 * w + 1e-120 for w in weights], silent)  # the gradient underflows to zero
    assert at_rest.status == (RunStatus.NOT_FINITE,) * 2


def test_wrong_sign_never_escapes_and_is_a_status() -> None:
    net = uniform_network(3, 4, 2, TANH)
    weights = manifold_start(net, (-0.1, 0.1, 0.1), V)
    run = gradient_flow(net, weights, single_mode_population(TANH), options=FlowOptions(budget=600))
    assert run.status[0].failed and run.escape_times.isnan().all()


def test_time_dependence_of_a_deep_linear_scalar() -> None:
    """Width 1, depth 2, balanced: dF/dt = F (1 - F^2) has the logistic solution (u = F^2)."""
    net = uniform_network(2, 1, 1, activation("linear"))
    data = linear_population(torch.eye(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64))
    eps = 1e-3
    weights = [torch.full((1, 1), eps, dtype=torch.float64)] * 2
    run = gradient_flow(net, weights, data, escape="overlap:0.5", options=FlowOptions(rtol=1e-10, method="dop853"))
    exact = 0.5 * math.log((0.5 / 0.5) / (eps**2 / (1 - eps**2)))
    assert float(run.escape_times[0]) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"options": {"rtol": 0.0}}, "rtol"),
        ({"options": {"rtol": math.nan}}, "rtol"),
        ({"options": {"method": "euler"}}, "method"),
        ({"options": {"clock": "sundial"}}, "clock"),
        ({"options": {"budget": 0}}, "budget"),
        ({"escape": None}, "needs an end"),
        ({"escape": "loss:2"}, "0 < F < 1"),
        ({"escape": "scale:1@9"}, "layer 9"),
        ({"options": {"crowd": 0.0}}, "crowd"),
        ({"until": -1.0}, "until"),
        ({"saved_times": [2.0, 1.0]}, "increasing"),
        ({"weights": "zero"}, "exactly zero"),
        ({"weights": "tiny"}, "exactly zero"),
        ({"weights": "none"}, "at least one member"),
        ({"weights": "short"}, "shapes"),
    ],
)
def test_hostile(change: dict, word: str) -> None:  # type: ignore[type-arg]
    net, weights, data = members("tanh", 3, range(1, 4), 0.1, range(2))
    shared = Population(data.covariates[0], data.targets[0], data.node_weights)
    kind = change.pop("weights", "")
    if kind in ("zero", "tiny"):
        weights[1] = weights[1] * (0.0 if kind == "zero" else 1e-300)
    if kind == "none":
        weights = [w[:0] for w in weights]
    if kind == "short":
        weights = weights[:2]
    settings = change.pop("options", {})

    def run() -> None:
        gradient_flow(net, weights, shared, options=FlowOptions(**settings), **change)

    with pytest.raises(ValueError, match=word):
        run()


@pytest.mark.parametrize("method", ["tsit5", "dop853"])
def test_a_run_ends_exactly_at_until_in_the_growth_clock(method: str) -> None:
    """In the growth clock a step spans an unknown time: the end inside it is located to rounding, not nearly."""
    act = activation("tanh")
    net = uniform_network(3, 4, 2, act, "ntk")
    weights = manifold_start(net, (0.3, 0.5, 0.7), torch.tensor([1.0, 0.0]))
    data = single_mode_population(act, inputs=2)
    for until in (0.7, 3.0, 11.0):
        options = FlowOptions(rtol=1e-8, method=method)
        end = gradient_flow(net, weights, data, until=until, escape=None, options=options)
        assert float(end.times[0]) == pytest.approx(until, rel=1e-14)
