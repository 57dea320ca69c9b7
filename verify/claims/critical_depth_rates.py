"""T5: the constant, the logarithm and the prefactor of the critical-depth law (THEORY T5, section 3)."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.claims._critical_depth import (
    ASSUMES,
    LADDER,
    RULE,
    expansion,
    measured_rate,
    measured_times,
    multiplied,
    net_of,
)
from verify.values import Budget, Combination, Evidence, Measurement, Prediction

BOTH = (Witness.SYMBOLIC, Witness.NUMERIC)
SMOKE, STANDARD, FULL = Tier.SMOKE, Tier.STANDARD, Tier.FULL


# Two small layers: the time is a logarithm, and small scales cost nothing; what follows it is O(eps^(q-1)).
LOGARITHMIC = tuple(1e-6 * 2.0**-k for k in range(4))


def _measure_constant(case: Case, context: Context) -> Measurement:
    return _measure_slope(case) if case.integer("r") == 1 else _measure_additive(case, context)


def _measure_slope(case: Case) -> Measurement:
    """-dT/deps at eps = 0 from starts at eps = 0, where the flow is regular, and on the ladder."""
    import numpy as np

    import numeric

    net = net_of(case)
    model = numeric.ManifoldModel(net.activation, net.depth, net.width, net.parameterisation)
    scales = [1.0 if layer in net.small else net.scales[layer - 1] for layer in range(1, net.depth + 1)]
    starts = numeric.bottleneck_starts(LADDER, net.depth, net.small, scales)
    empty = starts[:1].copy()
    empty[0, net.small[0] - 1] = 0.0
    # loss:F is relative to the loss at the start, which depends on eps at first order here; this rule does not.
    escape = numeric.manifold_escape(model, np.vstack([empty, starts]), "overlap:0.5", small=net.small)
    stuck = [status for status in escape.status if status is not numeric.RunStatus.ESCAPED]
    if stuck:
        return Measurement(math.nan, problem=stuck[0].advice)
    limit, *times = escape.times.tolist()
    quotients = [(limit - t) / eps for eps, t in zip(LADDER, times, strict=True)]
    # One Richardson step takes off the term O(eps); what remains shrinks fourfold, so its change bounds it.
    before, last = (2 * b - a for a, b in pairwise(quotients))
    rounding = 3 * float(escape.errors[0] + escape.errors[-1]) / LADDER[-1]  # weights 2 and 1
    return Measurement(
        last,
        f"-dT/deps at eps = 0, where T = {limit:.6g}; overlap:0.5",
        "time",
        Budget(discretisation=rounding, finite_eps=abs(last - before)),
        series={"eps": LADDER, "t": tuple(times)},
    )


def _measure_additive(case: Case, _: Context) -> Measurement:
    import numeric

    net = net_of(case)
    model = numeric.ManifoldModel(net.activation, net.depth, net.width, net.parameterisation)
    starts = numeric.bottleneck_starts(LADDER, net.depth, net.small)
    escape = numeric.residual_escape(model, starts, net.small, f"loss:{float(Fraction(case.word('F')))}")
    stuck = [status for status in escape.status if status is not numeric.RunStatus.ESCAPED]
    if stuck:
        return Measurement(math.nan, problem=stuck[0].advice)
    before, last = escape.remainder.tolist()[-2:]
    # The rest is O(eps^2) and shrinks fourfold: its change bounds it.
    return Measurement(
        last,
        f"K t - log(1/eps) at eps = {LADDER[-1]:g}, loss:{case.word('F')}",
        "",
        Budget(discretisation=float(escape.remainder_errors[-1]), finite_eps=abs(last - before)),
    )


def _constant(case: Case) -> Prediction:
    import symbolic

    net = net_of(case)
    if "F" not in dict(case.parameters):
        if net.r != 1:
            raise ValueError("with two small layers or more the time is not Theta(1)")
        rate = expansion(net).rate
        return Prediction(1 / rate, f"T = (C - eps)/K_eff, K_eff = {rate:.9g}", "time")
    if net.r != 2 or net.depth != 2 or net.activation != "linear":
        raise ValueError("the constant is known in closed form for the two-layer linear net")
    gains = symbolic.named_gains(net.parameterisation, net.depth, net.width)
    constant = symbolic.logarithm_constant(gains, Fraction(case.word("F")))
    return Prediction(float(constant), f"K t = log(1/eps) + {constant}")


def _of_slope(name: str, factor: object, *, nearest: bool = False) -> Counterfeit:
    """Counterfeits of the cases r = 1: ``factor(case)`` times the slope, None where it is 1."""

    def alter(case: Case, truth: Prediction) -> Prediction | None:
        value = factor(case) if case.integer("r") == 1 else 1.0  # type: ignore[operator]
        return None if math.isclose(value, 1.0) else multiplied(truth, value)

    return Counterfeit(name, alter, nearest=nearest)


def _of_additive(name: str, shift: object) -> Counterfeit:
    def alter(case: Case, truth: Prediction) -> Prediction | None:
        moved = shift(case) if case.integer("r") == 2 else 0.0  # type: ignore[operator]
        return None if math.isclose(moved, 0.0, abs_tol=1e-12) else Prediction(float(truth.value) + moved)  # type: ignore[arg-type]

    return Counterfeit(name, alter)


def _half_share(case: Case) -> float:
    """From the share 1 - sqrt F, at which the loss is F of its start, to one half: log-odds over two."""
    root = math.sqrt(Fraction(case.word("F")))
    return -math.log((1 - root) / root) / 2


def _measure_logarithm(case: Case, _: Context) -> Measurement:
    ladder = LOGARITHMIC
    times = measured_times(net_of(case), RULE, ladder)
    if times.problem:
        return Measurement(math.nan, problem=times.problem)
    # Between neighbours log(1/eps) grows by log 2.
    rates = [(late - early) / math.log(2) for early, late in pairwise(times.values)]
    rounding = (times.errors[-1] + times.errors[-2]) / math.log(2)
    return Measurement(
        rates[-1],
        f"dt/dlog(1/eps), eps = {ladder[-2]:.3g} to {ladder[-1]:.3g}, {RULE}",
        "time",
        Budget(discretisation=rounding),
        # After two more halvings a power law 1/eps would have added four times as much.
        {"two rungs earlier": rates[-3]},
    )


def _inverse_rate(case: Case) -> Prediction:
    law, eps = expansion(net_of(case)), LOGARITHMIC[-2]
    value = law.gain(eps) / law.rate / math.log(2)
    text = f"t = log(1/eps)/K_eff, K_eff = {law.rate:.9g}, {value * law.rate - 1:+.3g} from the next orders"
    return Prediction(value, text, "time", Budget(finite_eps=value * law.omitted(eps)))


def _scaled(factor: float) -> Counterfeit:
    return Counterfeit(f"t = {factor:g} log(1/eps)/K_eff", lambda _, truth: multiplied(truth, factor))


def _measure_clock(case: Case, _: Context) -> Measurement:
    value, error, problem = measured_rate(net_of(case))
    return Measurement(
        value,
        f"growth of int y^(1-r) dy over that of t, eps = {LADDER[-2]:g} to {LADDER[-1]:g}, {RULE}",
        "1/time",
        Budget(discretisation=error),
        problem=problem,
    )


def _clock(case: Case) -> Prediction:
    return expansion(net_of(case)).clock()


def _alpha(case: Case) -> float:
    import symbolic

    return float(symbolic.classify(symbolic.activation(case.word("activation"))).alpha)


def _without_chain(case: Case) -> float:
    """E[y u] over E[y g(u)], g the layers of order one below the first small one."""
    import symbolic

    net = net_of(case)
    if net.small[0] == 1:
        return 1.0
    gains = symbolic.named_gains(net.parameterisation, net.depth, net.width)
    coefficient = symbolic.effective_rate(net.depth, net.small, gains, net.scales).coefficient
    outside = float(coefficient.subs(dict.fromkeys(coefficient.free_symbols, _alpha(case))))  # alpha alone is free
    overlap = float(symbolic.moment(symbolic.activation(net.activation), 1).value)
    return overlap * outside / expansion(net).rate


def _without_scales(case: Case) -> float:
    net = net_of(case)
    others = range(net.small[0] + 1, net.depth + 1)
    return 1 / math.prod(net.scales[m - 1] for m in others if m not in net.small)


def _changed(name: str, factor: object, *, nearest: bool = False) -> Counterfeit:
    """K_eff times ``factor(case)``; None where the counterfeit says the same."""

    def alter(case: Case, truth: Prediction) -> Prediction | None:
        value = factor(case)  # type: ignore[operator]
        return None if math.isclose(value, 1.0, rel_tol=1e-12) else multiplied(truth, value)

    return Counterfeit(name, alter, nearest=nearest)


def _alpha_below(case: Case) -> float:
    return float(_alpha(case) ** (net_of(case).small[0] - 1))


CLAIMS = (
    Claim(
        id="critical-depth.constant",
        theorem="T5",
        title="one small layer: a constant; two: the constant under the logarithm",
        latex=r"K_{\mathrm{eff}}\,\tau_\star = C - \varepsilon + O(\varepsilon^2),\quad r = 1",
        plain="With one small layer the time is Theta(1) with slope -1/K_eff in eps; the constant under the logarithm "
        "of the two-layer linear net is known in closed form.",
        source="authors' write-up, Theorem 2 (Critical-Depth Escape Law), r = 1; THEORY section 3",
        reading=Reading.CORRECTED,
        evidence=Evidence.NUMERICAL,
        witnesses=BOTH,
        assumes=(Hypothesis("r = 1, or r = L = 2 and s linear", lambda case: case.integer("r") <= 2), *ASSUMES),
        cases=(
            *(
                case(tier, 0.2, r=1, L=depth, activation=s, placement=where, scales="mixed", parameterisation=p)
                for tier, depth, s, where, p in (
                    (SMOKE, 3, "gelu", "spread", "ntk"),
                    (STANDARD, 3, "tanh", "first", "plain"),
                    (STANDARD, 4, "tanh", "last", "ntk"),
                    (STANDARD, 5, "silu", "last", "plain"),
                    (STANDARD, 4, "linear", "spread", "ntk"),
                    (FULL, 6, "erf", "spread", "ntk"),
                    (FULL, 2, "sin", "last", "ntk"),
                )
            ),
            *(
                case(tier, 0.3, r=2, L=2, activation="linear", parameterisation=p, F=fraction)
                for tier, p, fraction in (
                    (STANDARD, "ntk", "1/2"),
                    (STANDARD, "plain", "1/2"),
                    (STANDARD, "ntk", "1/4"),
                    (FULL, "plain", "1/10"),
                )
            ),
        ),
        predict=_constant,
        measure=_measure_constant,
        counterfeits=(
            _of_slope("E[y u] in place of E[y g(u)]", lambda case: 1 / _without_chain(case), nearest=True),
            _of_slope("the time grows like log(1/eps)/K_eff", lambda _: 1 / LADDER[-1]),
            _of_slope("the start enters at second order only", lambda _: 0.0),
            _of_additive("C = 0", lambda case: -float(_constant(case).value)),  # type: ignore[arg-type]
            _of_additive("the threshold is half of the teacher, p = 1/2", _half_share),
        ),
    ),
    Claim(
        id="critical-depth.logarithm",
        theorem="T5",
        title="critical-depth logarithm",
        latex=r"\tau_\star = \Theta(\log(1/\varepsilon)),\quad r = 2",
        plain="With two layers at scale eps the escape time grows like log(1/eps), at the rate 1/K_eff.",
        source="authors' write-up, Theorem 2 (Critical-Depth Escape Law), r = 2; K_eff from THEORY section 3",
        reading=Reading.CORRECTED,
        evidence=Evidence.NUMERICAL,
        witnesses=BOTH,
        assumes=(Hypothesis("r = 2", lambda case: case.integer("r") == 2), *ASSUMES),
        cases=(
            case(SMOKE, 0.1, r=2, L=2, activation="tanh"),
            case(STANDARD, 0.1, r=2, L=2, activation="gelu"),
            case(STANDARD, 0.1, r=2, L=4, activation="tanh"),
            case(SMOKE, 0.1, r=2, L=4, activation="gelu"),
            case(STANDARD, 0.1, r=2, L=4, activation="linear"),
        ),
        predict=_inverse_rate,
        measure=_measure_logarithm,
        counterfeits=(
            Counterfeit(
                "power law 1/eps",
                lambda *_: Prediction(Combination({"two rungs earlier": 4.0})),
                nearest=True,
            ),
            Counterfeit("Theta(1), no growth", lambda *_: Prediction(0.0)),
            _scaled(2.0),
            _scaled(0.5),
        ),
    ),
    Claim(
        id="critical-depth.prefactor",
        theorem="T5",
        title="the prefactor K_eff",
        latex=r"\tau_\star \sim \frac{1}{K_{\mathrm{eff}}}\int_\varepsilon y^{-(r-1)}dy,\quad"
        r" K_{\mathrm{eff}} = c^2\alpha^{L-i_1}\prod_{m \geq i_1} a_m"
        r"\prod_{m > i_1}\xi_m\,\mathbb{E}[y\,g(u)]",
        plain="The clock of r small layers runs at K_eff: the overlap with the frozen layers below, times the scales "
        "and slopes above.",
        source="THEORY section 3, r < L small layers",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=BOTH,
        assumes=(Hypothesis("r >= 2", lambda case: case.integer("r") >= 2), *ASSUMES),
        depends=("critical-depth.exponent",),
        cases=tuple(
            case(tier, 0.15, r=r, L=depth, activation=s, placement=where, scales="mixed", parameterisation=p)
            for tier, r, depth, s, where, p in (
                (SMOKE, 3, 5, "gelu", "spread", "ntk"),
                (STANDARD, 4, 5, "tanh", "last", "plain"),
                (STANDARD, 3, 4, "tanh", "spread", "ntk"),
                (STANDARD, 3, 5, "linear", "last", "plain"),
                (STANDARD, 4, 6, "linear", "spread", "ntk"),
                (STANDARD, 4, 6, "silu", "spread", "plain"),
                (STANDARD, 4, 5, "gelu", "first", "ntk"),
                (STANDARD, 5, 6, "tanh", "first", "ntk"),
                (STANDARD, 2, 4, "erf", "last", "ntk"),
                (STANDARD, 2, 4, "gelu", "spread", "plain"),
                (FULL, 3, 6, "sin", "last", "plain"),
                (FULL, 5, 6, "silu", "last", "ntk"),
                (FULL, 6, 6, "gelu", "first", "plain"),
                (FULL, 3, 6, "asinh", "spread", "ntk"),
            )
        ),
        predict=_clock,
        measure=_measure_clock,
        counterfeits=(
            _changed("E[y u] in place of E[y g(u)]", _without_chain, nearest=True),
            _changed("the scales of the other layers left out", _without_scales),
            _changed("alpha^(L-1) wherever the small layers are", _alpha_below),
        ),
    ),
)
