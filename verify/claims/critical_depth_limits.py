"""T5: where the critical-depth law ends: class D, and starts of the wrong sign (THEORY section 2)."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Erratum, Expect, Hypothesis, Reading, Tier, Witness, case
from verify.claims._critical_depth import expansion, net_of
from verify.hypotheses import leaves_the_origin_at_first_order, smooth_at_the_origin
from verify.values import Budget, Evidence, Measurement, Prediction

BOTH = (Witness.SYMBOLIC, Witness.NUMERIC)
SMOKE, STANDARD, FULL = Tier.SMOKE, Tier.STANDARD, Tier.FULL

LADDER_D = (1e-3, 1e-4, 1e-5)


def _half_mean_time(name: str, depth: int, width: int, parameterisation: str, eps: float, rtol: float) -> float:
    """The time at which E[yhat] reaches half of E[y], all layers at eps: the loss is not monotone there."""
    import numpy as np
    from scipy.integrate import solve_ivp

    import numeric

    model = numeric.ManifoldModel(name, depth, width, parameterisation)
    mean = float(model.rule.weights @ model.teacher.value(model.rule.nodes))

    def missing(_: float, X: Any) -> float:
        return float(model.rule.weights @ model.output(X)) - mean / 2

    missing.terminal = True  # type: ignore[attr-defined]
    # The mean relaxes at the rate (c a_L s(0))^2: a hundred of its inverses are more than enough.
    until = 100 / (float(model.mobilities[-1]) * float(model.gains[-1] * model.activation.value(np.zeros(1))[0]) ** 2)
    solution = solve_ivp(
        lambda _, X: model.rates(X),
        (0.0, until),
        np.full(depth, eps),
        method="DOP853",
        rtol=rtol,
        atol=rtol * eps,
        events=missing,
    )
    reached = solution.t_events[0]  # type: ignore[index]
    return float(reached[0]) if len(reached) else math.nan


def _measure_class_d(case: Case, _: Context) -> Measurement:
    name, depth, width, p = case.word("s"), case.integer("L"), case.integer("N"), case.word("parameterisation")
    times = [_half_mean_time(name, depth, width, p, eps, 1e-10) for eps in LADDER_D]
    if any(math.isnan(t) for t in times):
        return Measurement(math.nan, problem="E[yhat] did not reach half of E[y]")
    rough = _half_mean_time(name, depth, width, p, LADDER_D[0], 1e-8)
    # Four times the width and half the scale: a_L eps, which the start depends on, is the same, the rest shrinks.
    wide = _half_mean_time(name, depth, 4 * width, p, LADDER_D[0] / 2, 1e-10)
    wide *= 1.0 if p == "ntk" else 4.0
    return Measurement(
        {f"t at eps = {eps:g}": t for eps, t in zip(LADDER_D, times, strict=True)},
        "E[yhat] = E[y]/2",
        "time",
        # What goes like 1/N is 4/3 of its change, what goes like eps twice; half as much again for what follows.
        Budget(discretisation=abs(times[0] - rough), finite_width=3 * abs(times[0] - wide)),
    )


def _class_d(case: Case, name: str = "", exponent: int = 0) -> Prediction:
    """Only the last layer moves: E[yhat] relaxes to E[y] at the rate (c a_L s(0))^2 from a_L eps s(0)."""
    import symbolic

    s = symbolic.activation(name or case.word("s"))
    at_zero = float(symbolic.taylor(s, 0)[0])
    if at_zero == 0:
        raise ValueError("s(0) = 0: the origin is critical")
    gains = symbolic.named_gains(case.word("parameterisation"), case.integer("L"), case.integer("N"))
    gain, mean = float(gains.gains[-1]), float(symbolic.moment(s, 0).value)
    rate = float(gains.mobility) * gain**2 * at_zero**2
    times = {
        f"t at eps = {eps:g}": math.log(2 * (1 - gain * eps * at_zero / mean)) / rate * (LADDER_D[0] / eps) ** exponent
        for eps in LADDER_D
    }
    return Prediction(times, f"t = log(2 (1 - a_L eps s(0)/E[y])) / (c a_L s(0))^2, rate {rate:.9g}", "time")


def _mean_is_positive(case: Case) -> bool:
    import symbolic

    s = symbolic.activation(case.word("s"))
    return float(symbolic.taylor(s, 0)[0]) * float(symbolic.moment(s, 0).value) > 0


def _growing(case: Case, _: Prediction) -> Prediction:
    """The saturated time with a logarithm on top."""
    saturated = _class_d(case).value
    assert isinstance(saturated, dict)
    first = math.log(1 / LADDER_D[0])
    return Prediction(
        {k: t * math.log(1 / eps) / first for (k, t), eps in zip(saturated.items(), LADDER_D, strict=True)}
    )


def _slope_for_value(case: Case, truth: Prediction) -> Prediction:
    import symbolic

    found = symbolic.taylor(symbolic.activation(case.word("s")), 1)
    factor = float(found[0] / found[1]) ** 2
    assert isinstance(truth.value, dict)
    return Prediction({k: t * factor for k, t in truth.value.items()})


ELAPSED = (1.0, 30.0)  # in units of eps^{2-L}/K: the linear start has shrunk twofold and thirtyfold


def _start(case: Case) -> tuple[Fraction, ...]:
    return tuple(Fraction(x) for x in case.word("start").split(":"))


def _ladder(case: Case) -> tuple[float, float]:
    """Two scales: the imbalances of an equal start, eps^(2l) of X^2 for odd s, must stand out from rounding."""
    start = _start(case)
    if len({abs(x) for x in start}) > 1:
        return 1e-3, 5e-4
    return (0.02, 0.01) if len(start) == 3 else (0.03, 0.015)


def _stays(case: Case) -> bool:
    """A linear net at an equal start: the one that never escapes."""
    return case.word("activation") == "linear" and len({abs(x) for x in _start(case)}) == 1


def _measure_alignment(case: Case, _: Context) -> Measurement:
    import numpy as np

    import numeric

    start = np.array([float(x) for x in _start(case)])
    model = numeric.ManifoldModel(case.word("activation"), start.size)
    if _stays(case):
        X = _ladder(case)[-1] * start
        clock = float(np.abs(X / model.rates(X)).max())
        flow = numeric.manifold_trajectory(model, X, [clock * t for t in ELAPSED])
        logs = np.log(np.abs(flow.scales) / _ladder(case)[-1])
        error = float((flow.scales_error / np.abs(flow.scales).min(axis=1)).max())
        values = {
            f"log X_{k} at {t:g}": float(row[k - 1]) for t, row in zip(ELAPSED, logs, strict=True) for k in (1, 2)
        }
        return Measurement(values, f"eps = {_ladder(case)[-1]:g}", "", Budget(discretisation=error))
    escape = numeric.manifold_escape(model, np.outer(_ladder(case), start), "loss:0.5")
    stuck = [status for status in escape.status if status is not numeric.RunStatus.ESCAPED]
    if stuck:
        return Measurement(math.nan, problem=stuck[0].advice)
    values = {f"log t at eps = {eps:g}": math.log(t) for eps, t in zip(_ladder(case), escape.times, strict=True)}
    error = float((escape.errors / escape.times).max())
    return Measurement(values, "loss:0.5", "log of time", Budget(discretisation=error))


def _named(case: Case, times: tuple[float, float], budget: Budget, text: str = "") -> Prediction:
    logs = {f"log t at eps = {eps:g}": math.log(t) for eps, t in zip(_ladder(case), times, strict=True)}
    return Prediction(logs, text, "log of time", budget)


MECHANISMS = 3  # activation, end of the escape and self term may enter at one order


def _scale(case: Case) -> tuple[float, float]:
    """K, and the scale B of the corrections."""
    law = expansion(net_of(_aligned_case(case)))
    return law.rate, law.scale


def _aligned_case(case: Case) -> Case:
    depth = len(_start(case))
    return Case((("activation", case.word("activation")), ("r", depth), ("L", depth)), case.tier, case.seconds)


def _alignment(case: Case) -> Prediction:
    import symbolic

    start = _start(case)
    rate, scale = _scale(case)
    if _stays(case):
        r = len(start)
        values = {
            f"log X_{k} at {t:g}": -math.log(1 + (r - 2) * t) / (r - 2) + math.log(abs(start[k - 1]))
            for t in ELAPSED
            for k in (1, 2)
        }
        missing = MECHANISMS * (scale * _ladder(case)[-1]) ** r  # the self term, which is largest at the start
        return Prediction(values, "X^(2-r) = eps^(2-r) + (r-2) K t", "", Budget(finite_eps=missing))
    escapes = [
        symbolic.misaligned_escape(symbolic.activation(case.word("activation")), start, eps) for eps in _ladder(case)
    ]
    power = escapes[0].relative_error_power
    missing = MECHANISMS * (scale * _ladder(case)[0]) ** power
    if len({abs(x) for x in start}) > 1 and escapes[0].order == -power:
        # An unequal start spends its time at the scale eps itself, and there the correction may carry a logarithm; an
        # equal one spends it at smaller scales.
        missing *= math.log(1 / _ladder(case)[0])
    order = f"eps^({escapes[0].order}){' log(1/eps)' if escapes[0].logarithm else ''}"
    times = (escapes[0].scaled_time / rate, escapes[1].scaled_time / rate)
    return _named(case, times, Budget(finite_eps=missing), f"t ~ {order}, K = {rate:.9g}")


def _never(case: Case) -> Prediction:
    """Not one of these starts escapes, as the plain statement has it."""
    return _named(case, (math.inf, math.inf), Budget())


def _no_logarithm(case: Case, truth: Prediction) -> Prediction | None:
    """The power of eps alone, from the first time on."""
    import symbolic

    if _stays(case):
        return None
    escape = symbolic.misaligned_escape(symbolic.activation(case.word("activation")), _start(case), _ladder(case)[0])
    assert isinstance(truth.value, dict)
    first, _ = truth.value.values()
    if not escape.logarithm or escape.order is None:
        return None
    return _named(case, (math.exp(first), math.exp(first) * 2.0 ** float(-escape.order)), truth.budget)


def _as_aligned(case: Case, truth: Prediction) -> Prediction | None:
    """The time of the aligned start with the same scales: the sign does not matter."""
    import symbolic

    if _stays(case):
        return None
    sizes, (rate, _) = [abs(x) for x in _start(case)], _scale(case)
    value = float(symbolic.unequal_escape_time(sizes))
    early, late = (value * eps ** (2 - len(sizes)) / rate for eps in _ladder(case))
    return _named(case, (early, late), truth.budget)


def _grows(case: Case, _: Prediction) -> Prediction | None:
    """The linear start leaves at the clock of the aligned one."""
    if not _stays(case):
        return None
    r = len(_start(case))
    return Prediction({f"log X_{k} at {t:g}": math.log(1 + t) / (r - 2) for t in ELAPSED for k in (1, 2)})


ALIGNMENT_ASSUMES = (
    smooth_at_the_origin("activation"),
    leaves_the_origin_at_first_order("activation"),
    Hypothesis("all L >= 3 layers small, K prod X_l(0) < 0", lambda case: math.prod(_start(case)) < 0),
    Hypothesis("the teacher is the student's activation, beta = 1"),
)

CLAIMS = (
    Claim(
        id="critical-depth.class-d",
        theorem="T5",
        title="class D has no plateau",
        latex=r"s(0) \neq 0:\quad \tau \to \frac{\log 2}{(c\,a_L\,s(0))^2} \text{ as } \varepsilon \to 0",
        plain="In class D the time until E[yhat] reaches half of E[y] saturates as eps tends to zero.",
        source="THEORY section 2, class D",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=BOTH,
        assumes=(
            Hypothesis("s(0) != 0 and E[y] s(0) > 0", _mean_is_positive),
            Hypothesis("origin-critical: the gradient vanishes at X = 0", lambda _: False, assumed=False),
            Hypothesis("wide: a_L eps is small and 1/N is"),
        ),
        cases=tuple(
            case(tier, 0.05, s=s, L=depth, N=1000, parameterisation=p)
            for tier, s, depth, p in (
                (SMOKE, "sigmoid", 3, "ntk"),
                (STANDARD, "softplus", 2, "ntk"),
                (STANDARD, "sigmoid", 4, "plain"),
                (STANDARD, "softplus", 4, "ntk"),
                (FULL, "softplus", 6, "plain"),
            )
        ),
        predict=_class_d,
        measure=_measure_class_d,
        counterfeits=(
            Counterfeit("a logarithm remains: t grows like log(1/eps)", _growing, nearest=True),
            Counterfeit(
                "a power of eps, as in classes A to C",
                lambda case, _: _class_d(case, "", max(case.integer("L") - 2, 1)),
            ),
            Counterfeit("the slope alpha in place of s(0)", _slope_for_value),
            Counterfeit(
                "another activation of class D",
                lambda case, _: _class_d(case, "softplus" if case.word("s") == "sigmoid" else "sigmoid"),
                transplant="activation",
            ),
        ),
    ),
    Claim(
        id="critical-depth.alignment",
        theorem="T5",
        title="starts of the wrong sign",
        latex=r"K t = \int_0^\infty \frac{dw}{\prod_l\sqrt{w + \delta_l}} - K t_{\text{aligned}}"
        r" \text{ if } \min_l \delta_l = 0 \text{ once, else } t = \infty",
        plain="A start with K prod X_l(0) < 0 escapes iff one layer alone reaches zero: never for a linear net at an "
        "equal start, at the order of the law with one smallest layer, later for a nonlinear net at an equal start.",
        source="THEORY section 2, positive alignment; corrected here",
        reading=Reading.CORRECTED,
        evidence=Evidence.NUMERICAL,
        witnesses=BOTH,
        assumes=ALIGNMENT_ASSUMES,
        cases=tuple(
            # Twice as long with four layers: the time chart has to cross the whole plateau.
            case(tier, 0.7 if start.count(":") == 3 else 0.4, activation=s, L=start.count(":") + 1, start=start)
            for tier, s, start in (
                (SMOKE, "tanh", "-1:1:1"),
                (SMOKE, "linear", "-1:1:1"),
                (STANDARD, "sinh", "-1:1:1"),
                (STANDARD, "gelu", "1:-1:1"),
                (STANDARD, "silu", "1:1:-1"),
                (STANDARD, "tanh", "-1:1:1:1"),
                (STANDARD, "linear", "1:1:-1:1"),
                (STANDARD, "linear", "-1/2:1:3/2"),
                (STANDARD, "tanh", "1:-1/2:3/2"),
                (FULL, "sin", "1:-1:1"),
                (FULL, "asinh", "1:1:-1"),
                (FULL, "gelu", "1:-1/2:1"),
            )
        ),
        predict=_alignment,
        measure=_measure_alignment,
        counterfeits=(
            Counterfeit("a power of eps without its logarithm", _no_logarithm, nearest=True),
            Counterfeit("it escapes like the aligned start", _as_aligned),
            Counterfeit("it never escapes", lambda case, _: None if _stays(case) else _never(case)),
            Counterfeit("a linear net at an equal start leaves the saddle", _grows),
        ),
    ),
    Claim(
        id="critical-depth.alignment.as-printed",
        theorem="T5",
        title="a wrong sign never escapes",
        latex=r"K \prod_l X_l(0) < 0 \implies \tau_\star = \infty",
        plain="A start of the wrong sign, K prod X_l(0) < 0, never escapes.",
        source="THEORY section 2, positive alignment",
        reading=Reading.AS_PRINTED,
        evidence=Evidence.NUMERICAL,
        witnesses=BOTH,
        expect=Expect.REFUTED,
        assumes=ALIGNMENT_ASSUMES,
        cases=tuple(
            # Twice as long with four layers: the time chart has to cross the whole plateau.
            case(tier, 0.7 if start.count(":") == 3 else 0.4, activation=s, L=start.count(":") + 1, start=start)
            for tier, s, start in (
                (SMOKE, "tanh", "-1:1:1"),
                (STANDARD, "gelu", "1:-1:1"),
                (STANDARD, "tanh", "-1:1:1:1"),
                (STANDARD, "linear", "-1/2:1:3/2"),
            )
        ),
        predict=_never,
        measure=_measure_alignment,
        corrected=_alignment,
        counterfeits=(Counterfeit("it escapes like the aligned start", _as_aligned, nearest=True),),
        erratum=Erratum(
            printed="an equal start of the wrong sign, K prod X_l(0) < 0, never escapes",
            fails="the nonlinearity makes the layers unequal while they shrink, one of them passes through zero and "
            "the sign of the product turns: for tanh, L = 4, the escape time grows like eps^-5 log(1/eps). A single "
            "smallest layer does the same in a linear net",
            true="a linear net at an equal start never escapes; else the time is the integral of "
            "critical-depth.alignment over the limits of the imbalances",
            corrected="critical-depth.alignment",
        ),
    ),
)
