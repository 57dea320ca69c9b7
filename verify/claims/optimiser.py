"""T6: escape in discrete time: gradient descent, minibatches, heavy ball (THEORY section 4)."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.claims._optimiser import (
    ASSUMES,
    LEVEL,
    LIMIT,
    RATE,
    START,
    THRESHOLD,
    correction_on_nets,
    he_nets,
    substituted,
)
from verify.values import Budget, Evidence, Measurement, Prediction

WITNESSES = (Witness.SYMBOLIC, Witness.NUMERIC)
STEP = 0.01  # on the clock: eta K theta^{r-2} = 0.0125
# Of He nets: layers of order one have a curvature of order one, and the step must be far below its inverse. Two layers
# escape so soon that their ladder can start lower; a deeper net has a larger curvature and escapes later.
NET_STEP = {4: 0.25, 5: 0.125}
NET_LADDER = {(2, 4): (0.004, 0.002, 0.001), (3, 4): (0.04, 0.02, 0.01), (3, 5): (0.02, 0.01, 0.005)}
# The exponent of the counted steps. Two halvings: the second shows what the first still misses.
EXPONENT_LADDER = {3: (0.01, 0.005, 0.0025), 4: (0.1, 0.05, 0.025)}
EXPONENT_STEP = 0.1
# Minibatches on the clock: K_i = RATE times these; mean 1, far from equal.
SAMPLE_RATES = (0.2, 0.5, 0.9, 2.4)
MINIBATCH, PATHS = 2, 2000
SPREAD_LADDER = (1e-3, 5e-4, 2.5e-4, 1.25e-4)
SGD_LADDER, SGD_STEP, SGD_BATCH, SGD_SEEDS = (0.04, 0.02, 0.01, 0.005), 1.0, 8, 32


def _clock_values(eta: float, eps: float = START) -> dict[str, float]:
    return {"eta": eta, "eps": eps, "theta": THRESHOLD, "K": RATE}


def _momentum(case: Case) -> Fraction:
    return Fraction(str(dict(case.parameters).get("beta", 0)))


def _ball_step(case: Case) -> float:
    # With momentum the effective step is eta/(1 - beta), and its relaxation time 1/(1 - beta) counts once more.
    return STEP * (1 - float(_momentum(case))) ** 2


def _law(case: Case, order: int) -> Any:
    import symbolic

    beta = _momentum(case)
    r = case.integer("r")
    return symbolic.heavy_ball_steps(r, order, beta) if beta else symbolic.gradient_descent_steps(r, order)


def _predict(case: Case) -> Prediction:
    """Steps beyond the flow's: the terms up to eta^2 and the delay.

    The last terms kept, of the law and of the delay, are larger than all that follow, as eta F' is small: the budget.
    """
    import symbolic

    check = case.word("check")
    if check == "exponent":
        return Prediction(symbolic.escape_exponent(case.integer("r")), "-(r-2), as in the flow", "power of eps")
    if check == "net":
        term = _law(case, 2).terms[0]
        values = _clock_values(STEP)  # the first correction does not depend on the step
        growth = substituted(term, **(values | {"eps": START / 2})) - substituted(term, **values)
        return Prediction(growth, "(1+beta)(r-1)/(2(1-beta)) log 2", "steps")
    law, eta = _law(case, 4), _ball_step(case)
    values = _clock_values(eta)
    terms = [substituted(law.terms[k], **values) * eta**k for k in (0, 1, 2)]
    late = eta * substituted(law.next_delay, **values)
    return Prediction(
        math.fsum(terms) + substituted(law.delay) + late,
        "(1+beta)(r-1)/(2(1-beta)) log(theta/eps) + beta/(1-beta) + O(eta)",
        "steps",
        Budget(discretisation=abs(terms[2]) + abs(late)),
    )


def _optimiser(case: Case, eta: float) -> Any:
    import numeric

    beta = float(_momentum(case))
    return numeric.Optimiser("heavy_ball", eta, momentum=beta) if beta else numeric.Optimiser("gd", eta)


def _measure(case: Case, _: Context) -> Measurement:
    import numeric

    r, check, beta = case.integer("r"), case.word("check"), float(_momentum(case))
    if check == "net":
        depth = case.integer("L")
        return correction_on_nets(
            case, NET_LADDER[r, depth], lambda eta: _optimiser(case, eta), NET_STEP[depth] * (1 - beta), 1 - beta
        )
    if check == "exponent":
        ladder = EXPONENT_LADDER[r]
        counted = numeric.clock_steps(_optimiser(case, EXPONENT_STEP), r, RATE, ladder, THRESHOLD, LIMIT)
        slopes = numeric.local_slopes(ladder, counted)
        return Measurement(
            slopes.last,
            f"last local slope of n, eps = {ladder[-2]:g} to {ladder[-1]:g}",
            "power of eps",
            # theta and the logarithm enter at relative order eps^{r-2} log(1/eps); order 1/2 bounds it from the drift.
            Budget(discretisation=slopes.last_error, finite_eps=numeric.finite_scale_error(slopes, order=0.5)),
        )
    eta = _ball_step(case)
    steps = float(numeric.clock_steps(_optimiser(case, eta), r, RATE, [START], THRESHOLD, LIMIT)[0])
    flow = numeric.flow_steps(r, RATE, START, THRESHOLD, eta)
    return Measurement(
        steps - (1 - beta) * flow.value,
        f"n - {1 - beta:g} t/eta, eta = {eta:g}, eps = {START}, theta = {THRESHOLD:g}",
        "steps",
        # A sum of n increments of rounded numbers; each is worth at most one unit of the last place of n.
        Budget(discretisation=flow.error, rounding=steps * steps * 2.0**-53),
    )


def _correction(name: str, factor: Any, *, nearest: bool = False, plus: Any = None) -> Counterfeit:
    """The correction times factor(r, beta), plus plus(beta) steps; it says nothing of the exponent."""

    def alter(case: Case, truth: Prediction) -> Prediction | None:
        if case.word("check") == "exponent":
            return None
        r, beta = case.integer("r"), float(_momentum(case))
        delay = beta / (1 - beta) if case.word("check") == "steps" else 0.0
        value = (float(truth.value) - delay) * factor(r, beta) + delay  # type: ignore[arg-type]
        if plus is not None:
            value += plus(beta) if case.word("check") == "steps" else 0.0
        return None if value == truth.value else Prediction(value, budget=truth.budget)

    return Counterfeit(name, alter, nearest)


def _exponent(name: str, exponent: Any) -> Counterfeit:
    return Counterfeit(
        name,
        lambda case, _: Prediction(exponent(case.integer("r"))) if case.word("check") == "exponent" else None,
    )


def _sgd_predict(case: Case) -> Prediction:
    import symbolic

    r, check = case.integer("r"), case.word("check")
    if check == "spread":
        return Prediction(r - 1, "the spread of the samples' gradients is a multiple of y^(r-1)", "power of eps")
    if check == "net":
        return Prediction(symbolic.escape_exponent(r), "-(r-2), as in the flow", "power of eps")
    mean = math.fsum(SAMPLE_RATES) / len(SAMPLE_RATES)
    variance = math.fsum((k / mean - 1) ** 2 for k in SAMPLE_RATES) / len(SAMPLE_RATES) / MINIBATCH
    value = substituted(symbolic.sgd_steps(r).terms[0], v=variance, **_clock_values(STEP))
    return Prediction(value, "(1 + v)(r-1)/2 log(theta/eps)", "steps")


def _without_variance(r: int) -> float:
    import symbolic

    return substituted(symbolic.sgd_steps(r).terms[0], v=0.0, **_clock_values(STEP))


def _sgd_measure(case: Case, context: Context) -> Measurement:
    return {"steps": _sgd_steps, "spread": _sgd_spread, "net": _sgd_net}[case.word("check")](case, context)


def _sgd_steps(case: Case, context: Context) -> Measurement:
    import numeric

    r = case.integer("r")
    rates = [RATE * k for k in SAMPLE_RATES]
    excess, scatter = {}, {}
    for eta in (2 * STEP, STEP):
        sample = numeric.minibatch_steps(r, rates, MINIBATCH, START, THRESHOLD, eta, PATHS, context.seed, LIMIT)
        if sample.unfinished:
            return Measurement(math.nan, problem="a path did not escape within the number of steps")
        excess[eta] = float(sample.steps.mean()) - numeric.flow_steps(r, RATE, START, THRESHOLD, eta).value
        scatter[eta] = numeric.student_half_width(sample.steps, LEVEL)
    return Measurement(
        2 * excess[STEP] - excess[2 * STEP],
        f"mean n - t/eta of {PATHS} paths, minibatches of {MINIBATCH}, the term of order eta taken off",
        "steps",
        Budget(
            discretisation=abs(excess[STEP] - excess[2 * STEP]),  # the term taken off, for those that follow
            sampling=2 * scatter[STEP] + scatter[2 * STEP],
        ),
        evidence=Evidence.STATISTICAL,
    )


def _sgd_spread(case: Case, _: Context) -> Measurement:
    import numeric

    net, weights, data = he_nets(case, SPREAD_LADDER, range(1))
    small = tuple(range(1, case.integer("r") + 1))
    one = numeric.Population(data.covariates[0], data.targets[0], data.node_weights)
    spreads = [numeric.gradient_spread(net, [w[k] for w in weights], one, small)[0] for k in range(len(SPREAD_LADDER))]
    slopes = numeric.local_slopes(SPREAD_LADDER, spreads)
    return Measurement(
        slopes.last,
        f"d log(spread)/d log(eps), one sample's gradient in the small layers, eps = {SPREAD_LADDER[-1]:g}",
        "power of eps",
        Budget(discretisation=slopes.last_error, finite_eps=numeric.finite_scale_error(slopes, order=0.5)),
    )


def _sgd_net(case: Case, context: Context) -> Measurement:
    import numeric

    first = context.seed % 2**40  # the nets are drawn anew with every seed, too
    seeds = range(first, first + SGD_SEEDS)
    net, weights, data = he_nets(case, SGD_LADDER, seeds)
    draws = [seed for _ in SGD_LADDER for seed in seeds]
    steps = numeric.real_steps(net, weights, data, numeric.sgd(SGD_STEP, SGD_BATCH), LIMIT, seeds=draws)
    slopes = numeric.paired_slopes(SGD_LADDER, steps.reshape(len(SGD_LADDER), -1).T)
    bound = numeric.equivalence_bound(slopes, 0.0, LEVEL)
    return Measurement(
        bound.mean,
        f"difference slopes of n, {bound.seeds} He nets, minibatches of {SGD_BATCH} of 16, loss:0.5",
        "power of eps",
        Budget(discretisation=bound.numerical_error, sampling=bound.half_width, finite_eps=bound.drift),
        evidence=Evidence.STATISTICAL,
        problem="a net did not escape within the number of steps" if bound.missing else "",
    )


def _sgd_rival(name: str, spread: Any, net: Any, steps: Any, *, nearest: bool = False) -> Counterfeit:
    def alter(case: Case, truth: Prediction) -> Prediction | None:
        r, chosen = case.integer("r"), {"spread": spread, "net": net, "steps": steps}[case.word("check")]
        if chosen is None:
            return None
        value = chosen(r, float(truth.value))  # type: ignore[arg-type]
        return None if value == truth.value else Prediction(value)

    return Counterfeit(name, alter, nearest)


NETS = (
    ("tanh", 4, 3, Tier.STANDARD, 1.0),
    ("gelu", 4, 2, Tier.STANDARD, 1.0),
    ("gelu", 4, 3, Tier.FULL, 7.2),
    ("sin", 5, 3, Tier.FULL, 4.0),
)

CLAIMS = (
    Claim(
        id="optimiser.gd",
        theorem="T6",
        title="gradient descent",
        latex=r"n\eta - t_{\mathrm{flow}} = \tfrac{\eta}{2}(r-1)\ln(\theta/\varepsilon) + O(\eta^2)",
        plain="Gradient descent takes (r-1)/2 log(theta/eps) steps more than the flow; the exponent is the flow's.",
        source="THEORY section 4, discrete time and optimisers",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=WITNESSES,
        assumes=ASSUMES,
        cases=(
            case(Tier.SMOKE, 0.1, check="steps", r=3),
            case(Tier.STANDARD, 0.1, check="steps", r=2),
            case(Tier.STANDARD, 0.2, check="steps", r=4),
            case(Tier.FULL, 0.8, check="steps", r=6),
            case(Tier.STANDARD, 0.1, check="exponent", r=3),
            case(Tier.STANDARD, 0.2, check="exponent", r=4),
            *(case(tier, spent, check="net", r=r, L=L, activation=s) for s, L, r, tier, spent in NETS),
        ),
        predict=_predict,
        measure=_measure,
        counterfeits=(
            _correction("(r-2)/2 log(theta/eps)", lambda r, _: (r - 2) / (r - 1), nearest=True),
            _correction("r/2 log(theta/eps)", lambda r, _: r / (r - 1)),
            _correction("no correction: n = t/eta", lambda *_: 0.0),
            _correction("without the 1/2", lambda *_: 2.0),
            _exponent("exponent -(r-1)", lambda r: 1 - r),
            _exponent("no power law", lambda _: 0),
        ),
    ),
    Claim(
        id="optimiser.sgd",
        theorem="T6",
        title="minibatches",
        latex=r"\langle n\rangle\eta - t_{\mathrm{flow}} ="
        r" \tfrac{\eta}{2}(1+v)(r-1)\ln(\theta/\varepsilon) + O(\eta^2)",
        plain="Minibatch noise is a factor of the gradient: it leaves no floor, and the exponent is the flow's.",
        source="THEORY section 4, discrete time and optimisers",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=WITNESSES,
        assumes=(*ASSUMES, Hypothesis("v: relative variance of a minibatch's gradient; no other noise")),
        depends=("optimiser.gd",),
        cases=(
            case(Tier.SMOKE, 0.1, check="steps", r=3),
            case(Tier.STANDARD, 0.1, check="steps", r=4),
            case(Tier.FULL, 0.5, check="steps", r=5),
            *(
                case(tier, 0.05, check="spread", r=r, L=L, activation=s)
                for s, L, r, tier in (
                    ("tanh", 4, 3, Tier.SMOKE),
                    ("gelu", 5, 4, Tier.STANDARD),
                    ("linear", 3, 3, Tier.STANDARD),
                )
            ),
            case(Tier.STANDARD, 1.2, check="net", r=3, L=4, activation="tanh"),
            case(Tier.FULL, 10.0, check="net", r=3, L=4, activation="gelu"),
        ),
        predict=_sgd_predict,
        measure=_sgd_measure,
        counterfeits=(
            _sgd_rival(
                "noise of constant size: a floor",
                lambda *_: 0.0,
                lambda *_: 0.0,
                None,
                nearest=True,
            ),
            _sgd_rival("gradient descent's correction, without v", None, None, lambda r, _: _without_variance(r)),
            _sgd_rival("noise like y^r, from the loss", lambda r, _: r, None, lambda r, truth: truth * r / (r - 1)),
            _sgd_rival("exponent -(r-1)", None, lambda r, _: 1.0 - r, None),
        ),
    ),
    Claim(
        id="optimiser.heavy-ball",
        theorem="T6",
        title="heavy ball",
        latex=r"n = \frac{(1-\beta)\,t_{\mathrm{flow}}}{\eta}"
        r" + \frac{(1+\beta)(r-1)}{2(1-\beta)}\ln(\theta/\varepsilon)"
        r" + \frac{\beta}{1-\beta} + O(\eta)",
        plain="Momentum takes 1-beta times the flow's steps, plus a logarithm, plus beta/(1-beta) for a start at rest.",
        source="THEORY section 4, discrete time and optimisers; the delay of a start at rest is ours",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=WITNESSES,
        assumes=(*ASSUMES, Hypothesis("0 <= beta < 1, no dampening, the first step starts at rest")),
        depends=("optimiser.gd",),
        cases=(
            case(Tier.SMOKE, 0.2, check="steps", r=3, beta=0.5),
            case(Tier.STANDARD, 0.6, check="steps", r=4, beta=0.5),
            case(Tier.STANDARD, 0.4, check="steps", r=3, beta=0.8),
            case(Tier.FULL, 0.5, check="steps", r=3, beta=0.9),
            *(case(tier, spent, check="net", r=r, L=L, activation=s, beta=0.5) for s, L, r, tier, spent in NETS),
        ),
        predict=_predict,
        measure=_measure,
        counterfeits=(
            _correction("correction without 1/(1-beta)", lambda _, beta: 1 - beta, nearest=True),
            _correction("gradient descent's correction", lambda _, beta: (1 - beta) / (1 + beta)),
            _correction("1/(1-beta) in place of (1+beta)/(1-beta)", lambda _, beta: 1 / (1 + beta)),
            _correction("no steps lost at rest", lambda *_: 1.0, plus=lambda beta: -beta / (1 - beta)),
            _correction("1/(1-beta) steps lost at rest", lambda *_: 1.0, plus=lambda _: 1.0),
        ),
    ),
)
