"""T3: after time is rescaled by K the escape curves collapse, and how they deviate before (THEORY T3, section 3).

The line is eps^(2-L)/(L-2), what K t tends to. The next orders are part of every prediction; what is left for its
budget is the next omitted term, or the constant of the escape rule where it does not drop out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.claims._collapse import WIDTH, Collapse, collapse, line, optional, student
from verify.hypotheses import leaves_the_origin_at_first_order, smooth_at_the_origin
from verify.values import Budget, Evidence, Measurement, Prediction

# The level of E[yhat y]/E[y^2] that is read: every student here reaches it with every teacher.
LEVEL = 0.2
RULE = f"overlap:{LEVEL}"
# Local tolerance of the integration; what it leaves is measured by a second run and enters the budget.
RTOL = 1e-6
# Scales above the ladder, for the figure only: a few more rows of the same batch, of which nothing is decided.
SHOWN = (0.1, 0.03, 0.01, 0.003, 0.001)

ASSUMES = (
    smooth_at_the_origin("activation"),
    leaves_the_origin_at_first_order("activation"),
    Hypothesis("L >= 3 layers, all at scale eps, equal starts", lambda case: case.integer("L") >= 3),
)
OWN_TEACHER = Hypothesis("the teacher is the student's activation, beta = 1")


def _model(case: Case) -> Any:
    import numeric

    parameterisation = optional(case, "parameterisation") or "ntk"
    return numeric.ManifoldModel(
        case.word("activation"), case.integer("L"), WIDTH, parameterisation, teacher=optional(case, "teacher")
    )


def _ladder(case: Case, rungs: int) -> list[float]:
    return [case.real("eps") * 2.0**-k for k in range(rungs)]


def _law(case: Case) -> Collapse:
    return collapse(case, LEVEL)


def _residual(case: Case, rungs: int) -> Any:
    import numeric

    starts = numeric.bottleneck_starts(_ladder(case, rungs), case.integer("L"))
    return numeric.residual_escape(_model(case), starts, rule=RULE, rtol=RTOL)


def _stuck(run: Any) -> str:
    import numeric

    return next((status.advice for status in run.status if status is not numeric.RunStatus.ESCAPED), "")


def _slope(sizes: list[float], errors: list[float]) -> tuple[float, float]:
    """The local slope of the last two |sizes| on a halving ladder against eps, and its error."""
    (early, late), (e, f) = sizes[-2:], errors[-2:]
    return math.log2(abs(early / late)), (e / abs(early) + f / abs(late)) / math.log(2)


def _clock_deviations(run: Any) -> tuple[list[float], list[float]]:
    """K dt/d(line) - 1 between neighbouring rungs, in which the constant of the escape rule drops out; its errors."""
    rest, errors, lines = run.remainder.tolist(), run.remainder_errors.tolist(), run.leading.tolist()
    gaps = [late - early for early, late in pairwise(lines)]
    deviations = [(late - early) / gap for (early, late), gap in zip(pairwise(rest), gaps, strict=True)]
    return deviations, [(early + late) / gap for (early, late), gap in zip(pairwise(errors), gaps, strict=True)]


# --- the collapse -------------------------------------------------------------------------------------------------


def _measure_collapse(case: Case, _: Context) -> Measurement:
    import numeric

    depth = case.integer("L")
    if case.word("check") == "order":
        run = _residual(case, 2)
        if problem := _stuck(run):
            return Measurement(math.nan, problem=problem)
        sizes = (run.remainder / run.leading).tolist()
        slope, error = _slope(sizes, (run.remainder_errors / run.leading).tolist())
        return Measurement(
            slope,
            f"d log|K t/line - 1| / d log eps, from eps = {case.real('eps'):g}",
            "power of eps",
            Budget(discretisation=error),
        )
    shown = [eps for eps in SHOWN if eps > case.real("eps")] + [case.real("eps")]
    escape = numeric.manifold_escape(_model(case), numeric.bottleneck_starts(shown, depth), RULE)
    if problem := _stuck(escape):
        return Measurement(math.nan, problem=problem)
    last = line(shown[-1], depth)
    return Measurement(
        float(escape.times[-1]) / last,
        f"t / line at eps = {shown[-1]:g}, {RULE}",
        "time",
        Budget(discretisation=float(escape.errors[-1]) / last),
        series={"eps": tuple(shown), "t": tuple(escape.times.tolist())},
    )


def _collapse(case: Case) -> Prediction:
    law, eps = _law(case), case.real("eps")
    if case.word("check") == "curve":
        value = (1 + law.deviation(eps)) / law.rate
        # Eight points a decade for the figure, down to eps.
        shown = tuple(SHOWN[0] * 10 ** (-k / 8) for k in range(round(8 * math.log10(SHOWN[0] / eps)) + 1))
        return Prediction(
            value,
            f"t = line (1 {law.deviation(eps):+.3g}) / K, K = {law.rate:.9g}",
            "time",
            Budget(finite_eps=law.constant(eps) / law.rate),
            {
                "K": (law.rate,),
                "corrected eps": shown,
                "corrected ratio": tuple(1 + law.deviation(e) for e in shown),
            },
        )
    q, constant = law.q, case.integer("L") - 2  # the order of the escape rule's constant against the line
    if q is not None and q - 1 == constant:
        raise ValueError("at resonance, L = q + 1, the deviation carries a logarithm and has no pure order")
    if q is None or q - 1 > constant:
        # The constant itself is the escape rule's; what follows it is what the expansion names as its remainder.
        missing = (law.after_constant(eps) + law.after_constant(eps / 2)) / math.log(2)
        return Prediction(float(constant), "L - 2, the constant", "power of eps", Budget(finite_eps=missing))
    sizes = [law.deviation(e) for e in (eps, eps / 2)]
    missing = sum(law.constant(e) / abs(size) for e, size in zip((eps, eps / 2), sizes, strict=True)) / math.log(2)
    value = math.log2(abs(sizes[0] / sizes[1]))
    return Prediction(
        value,
        f"q - 1 = {q - 1}, {value - q + 1:+.3g} from the next orders",
        "power of eps",
        Budget(finite_eps=missing),
    )


def _rescaled(altered: Callable[[Case], float | None]) -> Callable[[Case, Prediction], Prediction | None]:
    """Another K; None in the cases that ask for the order, and where the altered K is the true one."""

    def alter(case: Case, truth: Prediction) -> Prediction | None:
        assert isinstance(truth.value, float)
        rate = altered(case) if case.word("check") == "curve" else None
        if rate is None or math.isclose(rate, _rate(case), rel_tol=1e-14):
            return None
        factor = _rate(case) / rate
        return replace(truth, value=truth.value * factor, budget=truth.budget.scaled(abs(factor)))

    return alter


def _printed_rate(case: Case) -> float | None:
    import symbolic

    if _law(case).q is None:
        return None  # class A: phi has no leading coefficient, and the print says nothing
    return float(symbolic.prefactor_as_printed(student(case), case.integer("L"), WIDTH, case.word("parameterisation")))


def _rate(case: Case) -> float:
    return _law(case).rate


def _without_slopes(case: Case) -> float:
    return _rate(case) / _alpha(case) ** (case.integer("L") - 1)


def _other_width_factor(case: Case) -> float:
    root = math.sqrt(WIDTH)
    return _rate(case) * (root if case.word("parameterisation") == "ntk" else 1 / root)


def _order(shift: Callable[[float], float]) -> Callable[[Case, Prediction], Prediction | None]:
    def alter(case: Case, truth: Prediction) -> Prediction | None:
        if case.word("check") != "order":
            return None
        assert isinstance(truth.value, float)
        return replace(truth, value=truth.value + shift(truth.value))

    return alter


# --- the first deviation ------------------------------------------------------------------------------------------


def _basis(early: float, late: float, depth: int, order: int) -> float:
    """What a term eps^order of K t/line - 1 is of K dt/d(line) - 1 between two scales."""
    power = order + 2 - depth  # of eps in K t
    return (late**power - early**power) / (line(late, depth) - line(early, depth)) / (depth - 2)


def _measure_deviation(case: Case, _: Context) -> Measurement:
    depth = case.integer("L")
    run = _residual(case, 3)
    if problem := _stuck(run):
        return Measurement(math.nan, problem=problem)
    deviations, errors = _clock_deviations(run)
    slope, _error = _slope(deviations, errors)
    order = round(slope)
    if abs(slope - order) > 0.25 or order == depth - 2:
        return Measurement(math.nan, problem=f"the deviation has no pure order below L - 2: local slope {slope:g}")
    *_rungs, early, late = _ladder(case, 3)
    basis = _basis(early, late, depth, order)
    return Measurement(
        deviations[-1] / basis,
        f"(K t/line - 1)/eps^{order}, eps = {early:.3g} to {late:.3g}; order {slope:.4f} measured",
        "",
        Budget(discretisation=errors[-1] / abs(basis)),
    )


def _deviation(case: Case) -> Prediction:
    law, depth = _law(case), case.integer("L")
    if law.order is None or law.logarithmic:
        raise ValueError("there is a first deviation of pure power only for L > q + 1")
    *_rungs, early, late = _ladder(case, 3)
    basis = _basis(early, late, depth, law.order)
    value = law.clock_deviation(early) / basis
    return Prediction(
        value,
        f"(L-2) A = {law.amplitude:.9g}, {value / law.amplitude - 1:+.3g} from the next orders at eps = {early:.3g}",
        budget=Budget(finite_eps=law.omitted(early) / abs(basis)),
    )


def _times(factor: Callable[[Case], float]) -> Callable[[Case, Prediction], Prediction | None]:
    """The coefficient of the first deviation times ``factor(case)``; the next orders stay as they are."""

    def alter(case: Case, truth: Prediction) -> Prediction | None:
        assert isinstance(truth.value, float)
        shift = (factor(case) - 1) * _law(case).amplitude
        return None if abs(shift) <= 1e-14 * abs(truth.value) else replace(truth, value=truth.value + shift)

    return alter


def _q(case: Case) -> int:
    return _law(case).q or 0


def _alpha(case: Case) -> float:
    import symbolic

    return float(symbolic.classify(student(case)).alpha)


def _moments_dropped(case: Case) -> float:
    """M_1/M_q, what the coefficient is multiplied by when M_q/M_1 is left out."""
    import symbolic

    return float(symbolic.moment(student(case), 1)) / float(symbolic.moment(student(case), _q(case)))


# --- the teacher's part -------------------------------------------------------------------------------------------


def _measure_order(case: Case, _: Context) -> Measurement:
    run = _residual(case, 3)
    if problem := _stuck(run):
        return Measurement(math.nan, problem=problem)
    slope, error = _slope(*_clock_deviations(run))
    return Measurement(
        slope,
        f"d log|K dt/d(line) - 1| / d log eps, from eps = {case.real('eps'):g}",
        "power of eps",
        Budget(discretisation=error),
    )


def _teacher_order(case: Case) -> Prediction:
    law = _law(case)
    if law.order is None:
        raise ValueError("the first deviation hides behind the constant of the escape rule: take more layers")
    rungs = _ladder(case, 2)
    sizes = [law.clock_deviation(eps) for eps in rungs]
    missing = sum(law.omitted(eps) / abs(size) for eps, size in zip(rungs, sizes, strict=True)) / math.log(2)
    value = math.log2(abs(sizes[0] / sizes[1]))
    text = f"order {law.order}, amplitude {law.amplitude:.6g}, {value - law.order:+.3g} from the next orders"
    return Prediction(value, text, "power of eps", Budget(finite_eps=missing))


def _activation_alone(case: Case, truth: Prediction) -> Prediction | None:
    order = _q(case) - 1
    return None if order == _law(case).order else replace(truth, value=float(order))


BOTH = (Witness.SYMBOLIC, Witness.NUMERIC)

CLAIMS = (
    Claim(
        id="universality.collapse",
        theorem="T3",
        title="escape curves collapse",
        latex=r"K\,\tau_\star\,(L-2)\,\varepsilon^{L-2} = 1 + O(\varepsilon^{\min(q-1,\,L-2)})",
        plain="After time is rescaled by K the escape curves of all smooth activations with alpha > 0 collapse.",
        source="authors' paper, figure of the rescaled escape times, with K corrected; THEORY T3, section 3",
        reading=Reading.CORRECTED,
        evidence=Evidence.NUMERICAL,
        witnesses=BOTH,
        assumes=(*ASSUMES, OWN_TEACHER),
        depends=("prefactor.hermite",),
        cases=tuple(
            case(tier, 0.2, activation=activation, L=depth, parameterisation=parameterisation, check=check, eps=eps)
            for tier, activation, depth, parameterisation, check, eps in (
                (Tier.SMOKE, "tanh", 4, "ntk", "curve", 1e-4),
                (Tier.SMOKE, "gelu", 4, "ntk", "curve", 1e-4),
                (Tier.STANDARD, "erf", 4, "ntk", "curve", 1e-4),
                (Tier.STANDARD, "sin", 4, "ntk", "curve", 1e-4),
                (Tier.STANDARD, "silu", 4, "ntk", "curve", 1e-4),
                (Tier.STANDARD, "linear", 4, "ntk", "curve", 1e-4),
                (Tier.STANDARD, "tanh", 5, "plain", "curve", 1e-2),
                (Tier.STANDARD, "gelu", 3, "plain", "curve", 1e-5),
                (Tier.FULL, "asinh", 4, "ntk", "curve", 1e-6),
                (Tier.FULL, "mish", 4, "ntk", "curve", 1e-6),
                (Tier.STANDARD, "tanh", 5, "ntk", "order", 1e-5),
                (Tier.STANDARD, "gelu", 4, "ntk", "order", 1e-5),
                (Tier.STANDARD, "tanh", 3, "ntk", "order", 1e-4),
                (Tier.FULL, "erf", 6, "plain", "order", 1e-4),
                (Tier.FULL, "silu", 5, "plain", "order", 1e-5),
                (Tier.FULL, "linear", 4, "ntk", "order", 1e-3),
            )
        ),
        predict=_collapse,
        measure=_measure_collapse,
        counterfeits=(
            Counterfeit("rescaled by the printed K", _rescaled(_printed_rate), nearest=True),
            Counterfeit("not rescaled", _rescaled(lambda _: 1.0)),
            Counterfeit("rescaled without alpha^(L-1)", _rescaled(_without_slopes)),
            # It speaks of the curves; the order is the same in both parameterisations.
            Counterfeit(
                "the other parameterisation's sqrt(N)", _rescaled(_other_width_factor), transplant="parameterisation"
            ),
            Counterfeit("one order higher", _order(lambda _: 1.0)),
            Counterfeit("no collapse: order 0", _order(lambda value: -value)),
        ),
    ),
    Claim(
        id="universality.deviation",
        theorem="T3",
        title="first deviation from the collapse",
        latex=r"\gamma_C = |(L-2)A|,\quad A = -\frac{a_q M_q}{\alpha M_1}\,\frac{L+q-1}{L\,(L-q-1)}\ \text{(ntk)}",
        plain="Before the limit K t leaves the line by the relative amount (L-2) A eps^(q-1), A as derived.",
        source="authors' paper, gamma_C; A: THEORY section 3",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=BOTH,
        assumes=(
            *ASSUMES,
            OWN_TEACHER,
            Hypothesis("phi has a first coefficient, of order q", lambda case: _q(case) > 0),
            Hypothesis("L > q + 1: the deviation is a power of eps", lambda case: case.integer("L") > _q(case) + 1),
        ),
        depends=("universality.collapse",),
        cases=tuple(
            case(tier, 0.45, activation=activation, L=depth, parameterisation=parameterisation, eps=eps)
            for tier, activation, depth, parameterisation, eps in (
                (Tier.SMOKE, "gelu", 4, "ntk", 1e-3),
                (Tier.STANDARD, "tanh", 5, "ntk", 1e-3),
                (Tier.STANDARD, "silu", 5, "plain", 1e-3),
                (Tier.STANDARD, "erf", 6, "plain", 1e-2),
                (Tier.FULL, "quadratic", 4, "ntk", 1e-3),
                (Tier.FULL, "sin", 5, "ntk", 1e-3),
                (Tier.FULL, "gelu", 6, "ntk", 1e-5),
                (Tier.FULL, "asinh", 6, "ntk", 1e-4),
            )
        ),
        predict=_deviation,
        measure=_measure_deviation,
        counterfeits=(
            Counterfeit(
                "layer 1 without its factor q",
                _times(lambda case: case.integer("L") / (case.integer("L") + _q(case) - 1)),
                nearest=True,
            ),
            Counterfeit("M_q/M_1 left out", _times(_moments_dropped)),
            Counterfeit("a_q in place of a_q/alpha", _times(_alpha)),
            Counterfeit("sign flipped", _times(lambda _: -1.0)),
            Counterfeit("A in place of (L-2) A", _times(lambda case: 1 / (case.integer("L") - 2))),
        ),
    ),
    Claim(
        id="universality.odd-teacher",
        theorem="T3",
        title="an odd teacher removes the O(eps) deviation",
        latex=r"M_2 = \mathbb{E}[y u^2] = 0 \;\Rightarrow\; K\,\dot\tau_\star = 1 + o(\varepsilon)\ \text{in class C}",
        plain="The order of the first deviation belongs to activation and teacher: an odd teacher removes O(eps).",
        source="THEORY section 2, last item",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=BOTH,
        assumes=ASSUMES,
        depends=("universality.collapse",),
        cases=tuple(
            case(tier, 0.4, activation=activation, teacher=teacher, L=depth, eps=eps)
            for tier, activation, teacher, depth, eps in (
                (Tier.SMOKE, "gelu", "tanh", 5, 1e-4),
                (Tier.STANDARD, "gelu", "gelu", 5, 1e-3),  # control: the same student, its own teacher
                (Tier.STANDARD, "mish", "erf", 5, 1e-3),
                (
                    Tier.STANDARD,
                    "tanh",
                    "gelu",
                    6,
                    1e-2,
                ),  # control: an even part of the teacher adds nothing to class B
                (Tier.FULL, "silu", "sin", 6, 1e-2),
                (Tier.FULL, "quadratic", "linear", 5, 1e-4),
            )
        ),
        predict=_teacher_order,
        measure=_measure_order,
        counterfeits=(
            Counterfeit("order q - 1: a property of the activation alone", _activation_alone, nearest=True),
            Counterfeit("one order higher", lambda _, truth: replace(truth, value=float(truth.value) + 1)),  # type: ignore[arg-type]
            Counterfeit("no collapse: order 0", lambda *_: Prediction(0.0)),
        ),
    ),
)
