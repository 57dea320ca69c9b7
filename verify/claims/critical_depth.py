"""T5: the exponent of the critical-depth law, measured on the symmetric manifold (THEORY T5, section 3).

Slopes are differences between neighbours on a ladder of eps, and the next orders that the symbolic witness predicts
are part of the prediction: what is left for the budget is the next omitted term.
"""

from __future__ import annotations

import math

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.claims._critical_depth import (
    ASSUMES,
    LADDER,
    RULE,
    SHOWN,
    Net,
    Times,
    expansion,
    measured_all,
    measured_slope,
    measured_times,
    net_of,
    of_all,
    placed,
    shifted,
    slope_of,
    times_and_slopes,
)
from verify.values import Budget, Evidence, Measurement, Prediction

SPAN = f"slope of t(eps/2) - t(eps), eps = {LADDER[0]:g} to {LADDER[-1]:g}"
AT_LEAST_THREE = Hypothesis("r >= 3", lambda case: case.integer("r") >= 3)


def _measure_exponent(case: Case, _: Context) -> Measurement:
    shown = measured_times(net_of(case), RULE, SHOWN)
    rungs = len(LADDER)
    value, error, problem = slope_of(Times(shown.values[-rungs:], shown.errors[-rungs:], shown.problem))
    return Measurement(
        value,
        f"{SPAN}, {RULE}",
        "power of eps",
        Budget(discretisation=error),
        problem=problem,
        series={} if problem else times_and_slopes(shown),
    )


def _exponent(case: Case) -> Prediction:
    return expansion(net_of(case)).slope()


def _law(case: Case) -> int:
    import symbolic

    return symbolic.escape_exponent(case.integer("r"))


def _rival(case: Case, exponent: int, truth: Prediction) -> Prediction | None:
    """The same corrections on another exponent; None where that is the exponent of the law."""
    law = _law(case)
    return None if exponent == law else shifted(truth, exponent - law)


def _off_by_one(name: str, shift: int, *, nearest: bool = False) -> Counterfeit:
    return Counterfeit(name, lambda case, truth: _rival(case, 2 - case.integer("r") + shift, truth), nearest=nearest)


def _power_law(case: Case, truth: Prediction) -> Prediction | None:
    return _rival(case, -1, truth) if case.integer("r") == 2 else None


def _nets(case: Case) -> dict[str, Net]:
    """The nets of one case of depth-independence: other depths at the same r, and another width."""
    r, shallow = case.integer("r"), net_of(case)
    nets = {}
    for depth in (r, r + 1, r + 3):
        net = net_of(case, depth=depth, small=placed("first", r, depth), scales=(1.0,) * depth)
        nets[f"L={depth},N={net.width}"] = net
    narrow = 4
    nets[f"L={shallow.depth},N={narrow}"] = net_of(case, width=narrow)
    return nets


def _measure_nets(case: Case, _: Context) -> Measurement:
    return measured_all({k: measured_slope(net) for k, net in _nets(case).items()}, f"{SPAN}, {RULE}", "power of eps")


def _same_exponent(case: Case) -> Prediction:
    return of_all({name: expansion(net).slope() for name, net in _nets(case).items()})


def _per_net(name: str, shift: object, *, nearest: bool = False) -> Counterfeit:
    """A counterfeit whose exponent is off by ``shift(r, net)``."""

    def alter(case: Case, truth: Prediction) -> Prediction:
        assert isinstance(truth.value, dict)
        moved = {k: truth.value[k] + shift(case.integer("r"), net) for k, net in _nets(case).items()}  # type: ignore[operator]
        return Prediction(moved, truth.text, truth.unit, truth.budget)

    return Counterfeit(name, alter, nearest=nearest)


PLACEMENTS = ("first", "last", "spread")


def _places(case: Case) -> dict[str, Net]:
    r, depth = case.integer("r"), case.integer("L")
    return {where: net_of(case, small=placed(where, r, depth)) for where in PLACEMENTS}


def _measure_places(case: Case, _context: Context) -> Measurement:
    """Slopes, and how much faster the small layers escape in first place than elsewhere."""
    nets = _places(case)
    runs = {where: measured_times(net) for where, net in nets.items()}
    slopes = {f"slope, {where}": slope_of(times) for where, times in runs.items()}
    gains = {}
    for where, times in runs.items():
        gain = times.values[-1] - times.values[-2]
        gains[where] = (gain, (times.errors[-1] + times.errors[-2]) / abs(gain), times.problem)
    first, first_error, _ = gains["first"]
    ratios = {
        f"clock, {where} to first": (first / gain, first / gain * (error + first_error), problem)
        for where, (gain, error, problem) in gains.items()
        if where != "first"
    }
    return measured_all({**slopes, **ratios}, f"{SPAN}, {RULE}", "")


def _placement(case: Case) -> Prediction:
    nets = _places(case)
    slopes = {f"slope, {where}": expansion(net).slope() for where, net in nets.items()}
    first = expansion(nets["first"])
    ratios = {}
    for where in PLACEMENTS[1:]:
        other = expansion(nets[where])
        eps = LADDER[-2]
        ratio = other.rate / first.rate * first.gain(eps) / other.gain(eps)
        missing = ratio * (first.omitted(eps) + other.omitted(eps))
        ratios[f"clock, {where} to first"] = Prediction(ratio, budget=Budget(finite_eps=missing))
    text = f"exponent {_law(case)} for each placement, clocks in the ratio of K_eff"
    return of_all({**slopes, **ratios}, text)


def _same_clock(_: Case, truth: Prediction) -> Prediction:
    assert isinstance(truth.value, dict)
    values = {k: 1.0 if k.startswith("clock") else v for k, v in truth.value.items()}
    return Prediction(values, truth.text, truth.unit, truth.budget)


def _counted_to_the_last(case: Case, truth: Prediction) -> Prediction:
    """The exponent as if every layer up to the last small one were small."""
    assert isinstance(truth.value, dict)
    reach = {f"slope, {where}": net.small[-1] - net.r for where, net in _places(case).items()}
    values = {k: v - reach.get(k, 0) for k, v in truth.value.items()}
    return Prediction(values, truth.text, truth.unit, truth.budget)


def _slopes_shifted(_: Case, truth: Prediction) -> Prediction:
    assert isinstance(truth.value, dict)
    values = {k: v - 1 if k.startswith("slope") else v for k, v in truth.value.items()}
    return Prediction(values, truth.text, truth.unit, truth.budget)


RULES = ("loss:0.9", "loss:0.2", "scale:0.1@1", "overlap:0.05")
THRESHOLDS = (0.01, 0.02)  # far below the scale at which the flow saturates, far above eps
MECHANISMS = 3  # activation, drift of the other layers, saturation: all three may enter at one order


def _measure_threshold(case: Case, _: Context) -> Measurement:
    net = net_of(case)
    if case.word("check") == "exponent":
        return measured_all({rule: measured_slope(net, rule) for rule in RULES}, SPAN, "power of eps")
    early, late = (measured_times(net, f"scale:{theta}@1", LADDER[:1]) for theta in THRESHOLDS)
    return Measurement(
        late.values[0] - early.values[0],
        f"t at X_1 = {THRESHOLDS[1]} minus t at X_1 = {THRESHOLDS[0]}, eps = {LADDER[0]:g}",
        "time",
        Budget(discretisation=late.errors[0] + early.errors[0]),
        problem=late.problem or early.problem,
    )


def _threshold(case: Case) -> Prediction:
    import symbolic

    net = net_of(case)
    if case.word("check") == "exponent":
        return of_all({rule: expansion(net).slope() for rule in RULES})
    known = symbolic.threshold_time(
        symbolic.activation(net.activation),
        net.depth,
        net.small,
        LADDER[0],
        THRESHOLDS,
        net.width,
        net.parameterisation,
        net.scales,
    )
    law = expansion(net)
    omitted = sum(law.correction(known.order, theta, known.scale) for theta in THRESHOLDS)
    text = f"int dy y^(1-r) / K_eff, K_eff = {known.rate:.9g}, with the next orders of the clock and of X_1 / Y"
    return Prediction(
        known.scaled_time / known.rate, text, "time", Budget(finite_eps=MECHANISMS * omitted / known.rate)
    )


def _multiplies(case: Case, truth: Prediction) -> Prediction | None:
    """The threshold as a factor: t = (theta/eps)^(r-2) / ((r-2) K_eff)."""
    r, rate = case.integer("r"), expansion(net_of(case)).rate
    if case.word("check") != "constant":
        return None
    low, high = (
        math.log(theta) * math.log(1 / LADDER[0]) if r == 2 else (theta / LADDER[0]) ** (r - 2) / (r - 2)
        for theta in THRESHOLDS
    )
    return Prediction((high - low) / rate, budget=truth.budget)


def _if_constant(value: float) -> Counterfeit:
    return Counterfeit(
        "the threshold does not enter",
        lambda case, _: Prediction(value) if case.word("check") == "constant" else None,
    )


def _if_exponent(name: str, shift: float, *, nearest: bool = False) -> Counterfeit:
    return Counterfeit(
        name,
        lambda case, truth: shifted(truth, shift) if case.word("check") == "exponent" else None,
        nearest=nearest,
    )


EXPONENT_SOURCE = "authors' write-up, Theorem 2 (Critical-Depth Escape Law)"
BOTH = (Witness.SYMBOLIC, Witness.NUMERIC)
SMOKE, STANDARD, FULL = Tier.SMOKE, Tier.STANDARD, Tier.FULL

CLAIMS = (
    Claim(
        id="critical-depth.exponent",
        theorem="T5",
        title="critical-depth exponent",
        latex=r"\tau_\star = \Theta(\varepsilon^{-(r-2)}),\quad r \geq 3",
        plain="With r >= 3 of L layers at scale eps the escape time grows like eps^-(r-2); with r = 2 like no power.",
        source=EXPONENT_SOURCE,
        reading=Reading.AS_PRINTED,
        evidence=Evidence.NUMERICAL,
        witnesses=BOTH,
        assumes=(Hypothesis("r >= 2", lambda case: case.integer("r") >= 2), *ASSUMES),
        cases=tuple(
            case(
                SMOKE if (r, depth, activation) in {(2, 4, "tanh"), (3, 5, "tanh"), (4, 5, "gelu")} else STANDARD,
                0.1,
                r=r,
                L=depth,
                activation=activation,
            )
            for r, depths in ((2, (2, 4)), (3, (3, 5)), (4, (4, 5)), (5, (5, 7)))
            for depth in depths
            for activation in ("tanh", "gelu", "linear")
        )
        + tuple(
            case(FULL, 0.1, r=r, L=depth, activation=activation)
            for r, depth, activation in ((3, 8, "silu"), (4, 8, "sin"), (5, 6, "erf"), (6, 8, "tanh"), (8, 8, "linear"))
        ),
        predict=_exponent,
        measure=_measure_exponent,
        counterfeits=(
            _off_by_one("exponent -(r-1)", -1, nearest=True),
            Counterfeit(
                "exponent -(L-2), depth in place of r",
                lambda case, truth: _rival(case, 2 - case.integer("L"), truth) if case.integer("L") > 2 else None,
            ),
            _off_by_one("exponent -(r-3)", 1),
            Counterfeit("a power law 1/eps at r = 2", _power_law),
        ),
    ),
    Claim(
        id="critical-depth.depth-independence",
        theorem="T5",
        title="depth, width and activation do not enter the exponent",
        latex=r"\partial\log\tau_\star/\partial\log\varepsilon \to -(r-2)"
        r" \text{ for every } L \geq r,\ N \text{ and } \sigma",
        plain="At the same r the exponent is the same for every depth, width and activation.",
        source=EXPONENT_SOURCE,
        reading=Reading.AS_PRINTED,
        evidence=Evidence.NUMERICAL,
        witnesses=BOTH,
        assumes=(AT_LEAST_THREE, *ASSUMES),
        depends=("critical-depth.exponent",),
        cases=tuple(
            case(tier, 0.35, r=r, L=depth, activation=activation, N=width)
            for tier, r, depth, activation, width in (
                (SMOKE, 3, 4, "gelu", 64),
                (STANDARD, 3, 3, "tanh", 256),
                (STANDARD, 4, 6, "tanh", 64),
                (STANDARD, 4, 4, "linear", 16),
                (STANDARD, 5, 6, "silu", 64),
                (FULL, 5, 5, "sin", 1024),
                (FULL, 3, 3, "asinh", 2),
            )
        ),
        predict=_same_exponent,
        measure=_measure_nets,
        counterfeits=(
            _per_net(
                "the exponent has a finite-width correction, -(r-2)(1 + 1/N)",
                lambda r, net: -(r - 2) / net.width,
                nearest=True,
            ),
            _per_net("the exponent is -(L-2)", lambda r, net: r - net.depth),
            _per_net("each further layer adds -1/L to it", lambda r, net: -(net.depth - r) / net.depth),
        ),
    ),
    Claim(
        id="critical-depth.placement",
        theorem="T5",
        title="where the small layers are",
        latex=r"\tau_\star \sim I_r(\varepsilon)/K_{\mathrm{eff}},\quad"
        r" K_{\mathrm{eff}} = c^2\alpha^{L-i_1}\prod_{m \geq i_1} a_m"
        r"\prod_{m > i_1}\xi_m\,\mathbb{E}[y\,g(u)]",
        plain="The exponent does not depend on which r layers are small; the prefactor does, through K_eff.",
        source="THEORY section 3 (the paper scales the first r layers)",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=BOTH,
        assumes=(Hypothesis("2 <= r < L", lambda case: 2 <= case.integer("r") < case.integer("L")), *ASSUMES),
        depends=("critical-depth.exponent",),
        cases=tuple(
            case(tier, 0.4, r=r, L=depth, activation=activation, scales="mixed", parameterisation=parameterisation)
            for tier, r, depth, activation, parameterisation in (
                (SMOKE, 3, 4, "gelu", "ntk"),
                (STANDARD, 3, 5, "tanh", "plain"),
                (FULL, 4, 6, "tanh", "ntk"),
                (STANDARD, 2, 4, "silu", "ntk"),
                (STANDARD, 4, 5, "linear", "plain"),
                (FULL, 5, 6, "gelu", "plain"),
                (FULL, 3, 6, "erf", "ntk"),
            )
        ),
        predict=_placement,
        measure=_measure_places,
        counterfeits=(
            Counterfeit("one prefactor for every placement", _same_clock, nearest=True),
            Counterfeit("every layer up to the last small one counts", _counted_to_the_last),
            Counterfeit("exponent -(r-1)", _slopes_shifted),
        ),
        indifferent={
            "parameterisation": "exponents and the ratio of two clocks are the same in both parameterisations, up to "
            "corrections below the omitted orders",
        },
    ),
    Claim(
        id="critical-depth.threshold",
        theorem="T5",
        title="the threshold moves the constant only",
        latex=r"K_{\mathrm{eff}}\,[\tau(\theta_2) - \tau(\theta_1)] = \int_{\theta_1}^{\theta_2} y^{-(r-1)}\,dy",
        plain="Another escape threshold adds a constant to the escape time and leaves the exponent as it is.",
        source="authors' revised write-up, escape integral; THEORY T5",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=BOTH,
        assumes=(Hypothesis("r >= 2", lambda case: case.integer("r") >= 2), *ASSUMES),
        depends=("critical-depth.exponent",),
        cases=tuple(
            case(tier, 0.15, r=r, L=depth, activation=activation, check=check)
            for tier, r, depth, activation, check in (
                (SMOKE, 3, 4, "gelu", "exponent"),
                (SMOKE, 3, 3, "tanh", "constant"),
                (STANDARD, 4, 4, "tanh", "exponent"),
                (STANDARD, 5, 5, "linear", "exponent"),
                (STANDARD, 2, 3, "tanh", "constant"),
                (STANDARD, 2, 2, "gelu", "constant"),
                (STANDARD, 4, 5, "silu", "constant"),
                (STANDARD, 3, 4, "linear", "constant"),
                (FULL, 5, 6, "gelu", "exponent"),
                (FULL, 4, 4, "sin", "constant"),
            )
        ),
        predict=_threshold,
        measure=_measure_threshold,
        counterfeits=(
            Counterfeit("the threshold multiplies the time, (theta/eps)^(r-2)", _multiplies, nearest=True),
            _if_constant(0.0),
            _if_exponent("exponent -(r-1)", -1.0),
            _if_exponent("a tenth of the exponent comes from the threshold", 0.1),
        ),
    ),
)
