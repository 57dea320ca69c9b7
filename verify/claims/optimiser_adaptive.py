"""T6: optimisers that normalise the gradient: sign descent and Adam (THEORY section 4)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.claims._optimiser import ASSUMES, LEVEL, LIMIT, RATE, START, THRESHOLD, he_nets, substituted
from verify.values import Budget, Evidence, Measurement, Prediction

WITNESSES = (Witness.SYMBOLIC, Witness.NUMERIC)
SIGN_STEP = 1e-3
# Without a blow-up all of the escape is at order one, and the exponent 0 shows on a wide ladder only.
SIGN_LADDER = tuple(0.05 * 8.0**-k for k in range(4))
SIGN_NET_STEP, SIGN_SEEDS = 0.002, range(16)
# The claim is about the usual small steps; three of them, each twice the one before, show the term of order eta.
ADAM_STEP = 2e-4
ADAM_THRESHOLD = 0.5  # as in the theory's number, eps_c = .039
CROSSOVER_STEP, CROSSOVER_RUNGS, CROSSOVER_ROUNDS = 1e-3, 16, 2
CROSSOVER_LADDER = (0.4, 0.001)  # scales within which eps_c is looked for
NET_LADDER, NET_STEP, NET_DELTA, NET_SEEDS = (0.02, 0.01, 0.005, 0.0025), 0.02, 0.08, range(8)
CHAIN_STEP, CHAIN_LADDER = 0.02, {3: (0.01, 0.005, 0.0025), 4: (0.04, 0.02, 0.01)}
CHAIN_DELTA = {3: 0.02, 4: 0.01}


def _sign_predict(case: Case) -> Prediction:
    import symbolic

    if case.word("check") == "net":
        return Prediction(0.0, "no blow-up: the steps do not grow as eps shrinks", "power of eps")
    steps = substituted(symbolic.sign_descent_steps(), eta=SIGN_STEP, eps=START, theta=THRESHOLD)
    return Prediction(steps, "(theta - eps)/eta", "steps")


def _chain(case: Case, starts: list[list[float]]) -> tuple[Any, Any, Any]:
    """Nets of width 1 with one input, at the layer scales ``starts``, and the exact Gaussian population."""
    import torch

    import numeric

    activation = numeric.activation(case.word("activation"))
    net = numeric.uniform_network(case.integer("L"), 1, 1, activation, "plain")
    columns = torch.tensor(starts, dtype=torch.float64).T
    return net, [column[:, None, None] for column in columns], numeric.single_mode_population(activation, 1)


def _sign_measure(case: Case, _: Context) -> Measurement:
    import numeric

    r, check = case.integer("r"), case.word("check")
    if check == "net":
        net, weights, data = he_nets(case, SIGN_LADDER, SIGN_SEEDS)
        counted = numeric.real_steps(net, weights, data, numeric.Optimiser("sign", SIGN_NET_STEP), LIMIT)
        table = counted.reshape(len(SIGN_LADDER), -1).T
        return _exponent(numeric.paired_slopes(SIGN_LADDER, table, differences=False), "local slopes of n")
    optimiser = numeric.Optimiser("sign", SIGN_STEP)
    if check == "chain":
        start = [START if layer < r else 1.0 for layer in range(case.integer("L"))]
        net, weights, data = _chain(case, [start])
        steps = float(numeric.real_steps(net, weights, data, optimiser, LIMIT, f"scale:{THRESHOLD}@1")[0])
    else:
        steps = float(numeric.clock_steps(optimiser, r, RATE, [START], THRESHOLD, LIMIT)[0])
    return Measurement(
        steps,
        f"steps from {START} to {THRESHOLD:g}, eta = {SIGN_STEP:g}",
        "steps",
        # Each of the n sums is rounded by at most half a unit of theta, which is worth that over eta in steps.
        Budget(rounding=steps * THRESHOLD * 2.0**-52 / SIGN_STEP),
    )


def _exponent(slopes: Any, what: str) -> Measurement:
    import numeric

    bound = numeric.equivalence_bound(slopes, 0.0, LEVEL)
    return Measurement(
        bound.mean,
        f"{what}, {bound.seeds} He nets, loss:0.5",
        "power of eps",
        Budget(discretisation=bound.numerical_error, sampling=bound.half_width, finite_eps=bound.drift),
        evidence=Evidence.STATISTICAL,
        problem="a net did not escape within the number of steps" if bound.missing else "",
    )


def _rival(name: str, *, nearest: bool = False, **by_check: Callable[[Case, float], float]) -> Counterfeit:
    """Another value for the checks that are named; it says nothing of the others."""

    def alter(case: Case, truth: Prediction) -> Prediction | None:
        other = by_check.get(case.word("check"))
        if other is None:
            return None
        value = other(case, float(truth.value))  # type: ignore[arg-type]
        return None if value == truth.value else Prediction(value, budget=truth.budget)

    return Counterfeit(name, alter, nearest)


def _flow_steps(case: Case, _: float) -> float:
    import symbolic

    r = case.integer("r")
    return substituted(symbolic.gradient_descent_steps(r, 1).terms[-1], eps=START, theta=THRESHOLD, K=RATE) / SIGN_STEP


def _numbers(case: Case, eta: float = ADAM_STEP) -> dict[str, float]:
    names = dict(case.parameters)
    return {
        "K": float(names["K"]),
        "theta": ADAM_THRESHOLD,
        "delta": float(names["delta"]),
        "eps": float(names.get("eps", 1.0)),
        "eta": eta,
    }


def _adam_predict(case: Case) -> Prediction:
    import symbolic

    r, check = case.integer("r"), case.word("check")
    if check == "net":
        return Prediction(symbolic.escape_exponent(r), "-(r-2), below eps_c", "power of eps")
    if check == "crossover":
        crossover = substituted(symbolic.adam_crossover(r), **_numbers(case))
        # Leading in eps: theta^{2-r} is left out, a relative change of (eps_c/theta)^{r-2}/(r-2).
        omitted = crossover * (crossover / ADAM_THRESHOLD) ** (r - 2) / (r - 2)
        return Prediction(crossover, "(delta/((r-2) K theta))^(1/(r-2))", "scale", Budget(finite_eps=omitted))
    if check == "chain":
        if case.integer("L") != r:
            raise ValueError("the chain of Adam's claim has all its layers small")
        rate = symbolic.prefactor(symbolic.activation(case.word("activation")), r, 1, "plain")
        values = {"K": float(rate.value), "theta": 1.0, "delta": CHAIN_DELTA.get(r, NET_DELTA), "eta": CHAIN_STEP}
        ladder = CHAIN_LADDER.get(r, CHAIN_LADDER[4])
        law = symbolic.adam_steps(r)
        grown = substituted(law, **values, eps=ladder[-1]) - substituted(law, **values, eps=ladder[-2])
        return Prediction(CHAIN_STEP * grown, "eta (n(eps/2) - n(eps)), n = (theta - eps + delta t)/eta", "eta x steps")
    steps = substituted(symbolic.adam_steps(r), **_numbers(case))
    memory = substituted(symbolic.adam_memory(r, case.real("beta1"), case.real("beta2")), **_numbers(case))
    return Prediction(
        steps + memory, f"(theta - eps + delta t_flow)/eta, and {memory:.4g} from the moments' memories", "steps"
    )


def _adam(case: Case, eta: float) -> Any:
    import numeric

    names = dict(case.parameters)
    return numeric.Optimiser(
        "adam",
        eta,
        beta1=float(names.get("beta1", 0.0)),
        beta2=float(names.get("beta2", 0.0)),
        delta=float(names["delta"]),
    )


def _adam_measure(case: Case, context: Context) -> Measurement:
    measures = {"steps": _adam_steps, "crossover": _adam_crossover, "chain": _adam_chain, "net": _adam_net}
    return measures[case.word("check")](case, context)


def _adam_steps(case: Case, _: Context) -> Measurement:
    import numeric

    r, eps = case.integer("r"), case.real("eps")
    etas = (ADAM_STEP, 2 * ADAM_STEP, 4 * ADAM_STEP)
    n1, n2, n4 = (
        float(numeric.clock_steps(_adam(case, eta), r, case.real("K"), [eps], ADAM_THRESHOLD, LIMIT)[0]) for eta in etas
    )
    # n = a/eta + b + c eta + ...: the three runs give c eta, whatever a and b are.
    late = (n1 - n2 - 2 * (n2 - n4)) / 3
    return Measurement(
        n1 - late,
        f"steps at eta = {ADAM_STEP:g}, the term of order eta taken off",
        "steps",
        Budget(discretisation=abs(late), rounding=n1 * n1 * 2.0**-53),
    )


def _adam_crossover(case: Case, _: Context) -> Measurement:
    """eps at which delta costs as many steps as the way itself, theta/eta, found on ladders that close in on it."""
    found = {eta: _crossover_at(case, eta) for eta in (2 * CROSSOVER_STEP, CROSSOVER_STEP)}
    fine, rough = found[CROSSOVER_STEP], found[2 * CROSSOVER_STEP]
    # The term of order eta is what the two steps show; between rungs the excess is interpolated as a power of eps.
    return Measurement(
        2 * fine - rough,
        "eps at which n - n(delta = 0) = theta/eta",
        "scale",
        Budget(discretisation=abs(fine - rough)),
    )


def _crossover_at(case: Case, eta: float) -> float:
    import numpy as np

    import numeric

    r, rate = case.integer("r"), case.real("K")
    target = ADAM_THRESHOLD / eta
    high, low = CROSSOVER_LADDER
    for _ in range(CROSSOVER_ROUNDS):
        ladder = np.geomspace(high, low, CROSSOVER_RUNGS)
        # Twice the way and as much again for delta: whoever needs more lies below eps_c.
        steps = numeric.clock_steps(_adam(case, eta), r, rate, ladder.tolist(), ADAM_THRESHOLD, int(3 * target))
        excess = steps - (ADAM_THRESHOLD - ladder) / eta
        k = int(np.argmax(~(excess < target)))
        high, low = float(ladder[k - 1]), float(ladder[k])
    x, y = np.log(ladder[[k - 2, k - 1, k]]), np.log(excess[[k - 2, k - 1, k]])
    return float(np.exp(np.interp(math.log(target), y, x)))


def _adam_chain(case: Case, _: Context) -> Measurement:
    import numpy as np

    import numeric

    depth = case.integer("L")
    ladder = CHAIN_LADDER[depth]
    net, weights, data = _chain(case, [[eps] * depth for eps in ladder])
    growth = {}
    for eta in (2 * CHAIN_STEP, CHAIN_STEP):
        optimiser = numeric.Optimiser("adam", eta, beta1=0.9, beta2=0.9, delta=CHAIN_DELTA[depth])
        growth[eta] = eta * np.diff(numeric.real_steps(net, weights, data, optimiser, LIMIT))
    settled = 2 * growth[CHAIN_STEP] - growth[2 * CHAIN_STEP]
    ratio = ladder[-2] / ladder[-1]
    return Measurement(
        float(settled[-1]),
        f"eta (n({ladder[-1]:g}) - n({ladder[-2]:g})), loss:0.5, the term of order eta taken off",
        "eta x steps",
        Budget(
            discretisation=float(abs(growth[CHAIN_STEP] - growth[2 * CHAIN_STEP])[-1]),
            # The corrections are of relative order eps or smaller; order 1/2 bounds them from the drift of the growth
            # in units of what a power -(r-2) would give.
            finite_eps=float(abs(settled[-1] - settled[-2] * ratio ** (depth - 2))) / (math.sqrt(2) - 1),
        ),
    )


def _adam_net(case: Case, _: Context) -> Measurement:
    import numeric

    net, weights, data = he_nets(case, NET_LADDER, NET_SEEDS)
    optimiser = numeric.Optimiser("adam", NET_STEP, beta2=0.99, delta=NET_DELTA)
    steps = numeric.real_steps(net, weights, data, optimiser, LIMIT)
    table = steps.reshape(len(NET_LADDER), -1).T
    return _exponent(numeric.paired_slopes(NET_LADDER, table), "difference slopes of n")


def _steps_without(name: str, expression: Callable[[Case], float], *, nearest: bool = False) -> Counterfeit:
    return _rival(name, nearest=nearest, steps=lambda case, _: expression(case))


def _adam_law(case: Case, **changes: float) -> float:
    import symbolic

    return substituted(symbolic.adam_steps(case.integer("r")), **(_numbers(case) | changes))


def _power(case: Case, power: Callable[[int], float], delta: float) -> float:
    """(delta/(K theta))^power(r)."""
    values = _numbers(case)
    return float((delta / (values["K"] * values["theta"])) ** power(case.integer("r")))


CLAIMS = (
    Claim(
        id="optimiser.sign",
        theorem="T6",
        title="sign descent",
        latex=r"n = (\theta-\varepsilon)/\eta",
        plain="Sign descent crosses the plateau in (theta-eps)/eta steps: no blow-up, and no dependence on r or K.",
        source="THEORY section 4, discrete time and optimisers",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=WITNESSES,
        assumes=(*ASSUMES, Hypothesis("no gradient vanishes exactly, and on the clock all have one sign")),
        depends=("optimiser.gd",),
        cases=(
            case(Tier.SMOKE, 0.1, check="steps", r=3),
            case(Tier.STANDARD, 0.1, check="steps", r=8),
            case(Tier.STANDARD, 0.3, check="chain", r=3, L=3, activation="tanh"),
            case(Tier.STANDARD, 0.3, check="chain", r=3, L=5, activation="gelu"),
            case(Tier.STANDARD, 0.3, check="net", r=3, L=4, activation="tanh"),
            case(Tier.FULL, 0.4, check="net", r=4, L=5, activation="gelu"),
        ),
        predict=_sign_predict,
        measure=_sign_measure,
        counterfeits=(
            _rival(
                "theta/eta, eps forgotten",
                nearest=True,
                steps=lambda *_: THRESHOLD / SIGN_STEP,
                chain=lambda *_: THRESHOLD / SIGN_STEP,
            ),
            _rival(
                "the flow's law",
                steps=_flow_steps,
                chain=_flow_steps,
                net=lambda case, _: 2.0 - case.integer("r"),
            ),
            _rival("one power of eps", net=lambda *_: -1.0),
        ),
    ),
    Claim(
        id="optimiser.adam",
        theorem="T6",
        title="Adam",
        latex=r"n = n_{\delta=0} + \frac{\delta}{\eta}\,t_{\mathrm{flow}},\quad"
        r" \varepsilon_c = \Bigl(\frac{\delta}{(r-2)K\theta}\Bigr)^{1/(r-2)}",
        plain="Adam's steps do not blow up until eps < eps_c; below, its epsilon delta brings the flow's law back.",
        source="THEORY section 4, discrete time and optimisers; the memories' share is ours",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=WITNESSES,
        assumes=(
            Hypothesis("r >= 3", lambda case: case.integer("r") >= 3),
            *ASSUMES,
            Hypothesis("the moments' memories are short against the escape: eta/(1 - beta2) << theta"),
        ),
        depends=("optimiser.sign",),
        cases=(
            case(Tier.SMOKE, 0.3, check="crossover", r=8, K=1, delta=1e-8),
            case(Tier.STANDARD, 0.3, check="crossover", r=4, K=1.25, delta=1e-3),
            case(Tier.STANDARD, 0.4, check="steps", r=8, K=1, eps=0.08, delta=1e-8, beta1=0.0, beta2=0.0),
            case(Tier.STANDARD, 0.8, check="steps", r=8, K=1, eps=0.04, delta=1e-8, beta1=0.5, beta2=0.9),
            case(Tier.STANDARD, 0.8, check="steps", r=4, K=1.25, eps=0.1, delta=0.01, beta1=0.0, beta2=0.9),
            case(Tier.FULL, 2.0, check="steps", r=3, K=1.25, eps=0.02, delta=0.05, beta1=0.9, beta2=0.95),
            case(Tier.FULL, 0.8, check="chain", r=3, L=3, activation="tanh"),
            case(Tier.STANDARD, 2.0, check="chain", r=3, L=3, activation="gelu"),
            case(Tier.FULL, 3.0, check="chain", r=4, L=4, activation="tanh"),
            case(Tier.STANDARD, 2.2, check="net", r=3, L=4, activation="tanh"),
            case(Tier.FULL, 3.0, check="net", r=3, L=5, activation="sin"),
        ),
        predict=_adam_predict,
        measure=_adam_measure,
        counterfeits=(
            _rival(
                "eps_c without (r-2), steps without the memories",
                nearest=True,
                crossover=lambda case, truth: truth * (case.integer("r") - 2) ** (1 / (case.integer("r") - 2)),
                steps=lambda case, _: _adam_law(case),
                net=lambda case, _: 1.0 - case.integer("r"),
            ),
            _rival(
                "no crossover: no power law at any eps",
                steps=lambda case, _: _adam_law(case, delta=0.0),
                chain=lambda *_: CHAIN_STEP,
                net=lambda *_: 0.0,
            ),
            _rival(
                "gradient descent's law",
                steps=lambda case, _: _adam_law(case, delta=1.0) - _adam_law(case, delta=0.0),
                chain=lambda case, truth: truth / CHAIN_DELTA[case.integer("r")],
            ),
            _rival(
                "exponent 1/(r-1)",
                crossover=lambda case, _: _power(
                    case, lambda r: 1 / (r - 1), case.real("delta") / (case.integer("r") - 2)
                ),
            ),
            _rival(
                "half of delta t_flow",
                chain=lambda _, truth: truth / 2,
                steps=lambda case, truth: truth - (_adam_law(case) - _adam_law(case, delta=0.0)) / 2,
            ),
        ),
    ),
)
