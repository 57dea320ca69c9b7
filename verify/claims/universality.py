"""T3: after time is rescaled by K the escape curves collapse, and how they deviate before (THEORY T3, section 3).

The line is eps^(2-L)/(L-2), what K t tends to. Escape is read at E[yhat y]/E[y^2] = .2, a level
that every student here reaches with every teacher.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.hypotheses import leaves_the_origin_at_first_order, smooth_at_the_origin
from verify.values import Budget, Evidence, Measurement, Prediction

WIDTH = 64
RULE = "overlap:0.2"
# Local tolerance of the integration; what it leaves is measured by a second run and enters the budget.
RTOL = 1e-7
# Scales above the ladder, for the figure only: a few more rows of the same batch, of which nothing is decided.
SHOWN = (0.1, 0.03, 0.01, 0.003, 0.001)

ASSUMES = (
    smooth_at_the_origin("activation"),
    leaves_the_origin_at_first_order("activation"),
    Hypothesis("L >= 3 layers, all at scale eps, equal starts", lambda case: case.integer("L") >= 3),
)
OWN_TEACHER = Hypothesis("the teacher is the student's activation, beta = 1")


def _line(eps: float, depth: int) -> float:
    return eps ** (2 - depth) / (depth - 2)


def _parameter(case: Case, name: str) -> str | None:
    return str(dict(case.parameters)[name]) if name in dict(case.parameters) else None


def _model(case: Case) -> Any:
    import numeric

    parameterisation = _parameter(case, "parameterisation") or "ntk"
    return numeric.ManifoldModel(
        case.word("activation"), case.integer("L"), WIDTH, parameterisation, teacher=_parameter(case, "teacher")
    )


def _ladder(case: Case, rungs: int) -> list[float]:
    return [case.real("eps") * 2.0**-k for k in range(rungs)]


def _drift(values: list[float]) -> float:
    """How far the last of a sequence on a halving ladder is from its limit: order 1/2 bounds order 1 and more."""
    return abs(values[-1] - values[-2]) / (math.sqrt(2) - 1)


def _residual(case: Case, rungs: int) -> Any:
    import numeric

    starts = numeric.bottleneck_starts(_ladder(case, rungs), case.integer("L"))
    return numeric.residual_escape(_model(case), starts, rule=RULE, rtol=RTOL)


def _stuck(run: Any) -> str:
    import numeric

    return next((status.advice for status in run.status if status is not numeric.RunStatus.ESCAPED), "")


def _slopes(sizes: list[float], errors: list[float]) -> tuple[list[float], float]:
    """Local slopes of |sizes| against eps on a halving ladder, and the error of the last."""
    slopes = [math.log2(abs(early / late)) for early, late in pairwise(sizes)]
    return slopes, (errors[-1] / abs(sizes[-1]) + errors[-2] / abs(sizes[-2])) / math.log(2)


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
        run = _residual(case, 3)
        if problem := _stuck(run):
            return Measurement(math.nan, problem=problem)
        sizes = (run.remainder / run.leading).tolist()
        slopes, error = _slopes(sizes, (run.remainder_errors / run.leading).tolist())
        return Measurement(
            slopes[-1],
            f"d log|K t/line - 1| / d log eps, from eps = {case.real('eps'):g}",
            "power of eps",
            Budget(discretisation=error, finite_eps=_drift(slopes)),
        )
    ladder = _ladder(case, 2)
    shown = [eps for eps in SHOWN if eps > ladder[0]] + ladder
    escape = numeric.manifold_escape(_model(case), numeric.bottleneck_starts(shown, depth), RULE)
    if problem := _stuck(escape):
        return Measurement(math.nan, problem=problem)
    times = escape.times.tolist()
    lines = [_line(eps, depth) for eps in ladder]
    scaled = [time / line for time, line in zip(times[-2:], lines, strict=True)]
    return Measurement(
        scaled[-1],
        f"t / line at eps = {ladder[-1]:g}, {RULE}",
        "time",
        Budget(discretisation=float(escape.errors[-1]) / lines[-1], finite_eps=_drift(scaled)),
        series={"eps": tuple(shown), "t": tuple(times)},
    )


def _student(case: Case) -> Any:
    import symbolic

    return symbolic.activation(case.word("activation"))


def _collapse(case: Case) -> Prediction:
    import symbolic

    if case.word("check") == "order":
        q = symbolic.classify(_student(case)).order
        constant = case.integer("L") - 2  # the escape rule's constant against the line
        if q is not None and q - 1 == constant:
            raise ValueError("at resonance, L = q + 1, the deviation carries a logarithm and has no pure order")
        return Prediction(constant if q is None else min(q - 1, constant), "min(q - 1, L - 2)", "power of eps")
    rate = symbolic.prefactor(_student(case), case.integer("L"), WIDTH, case.word("parameterisation"))
    return _inverse(float(rate), "t = line / K")


def _inverse(rate: float, text: str = "") -> Prediction:
    return Prediction(1 / rate, text, "time")


def _rescaled(altered: Callable[[Case], float | None]) -> Callable[[Case, Prediction], Prediction | None]:
    """Another K; None in the cases that ask for the order, and where the altered K is the true one."""

    def alter(case: Case, truth: Prediction) -> Prediction | None:
        assert isinstance(truth.value, float | int)
        rate = altered(case) if case.word("check") == "curve" else None
        if rate is None or math.isclose(1 / rate, truth.value, rel_tol=1e-14):
            return None
        return _inverse(rate)

    return alter


def _printed_rate(case: Case) -> float | None:
    import symbolic

    if symbolic.classify(_student(case)).order is None:
        return None  # class A: phi has no leading coefficient, and the print says nothing
    return float(symbolic.prefactor_as_printed(_student(case), case.integer("L"), WIDTH, case.word("parameterisation")))


def _rate(case: Case) -> float:
    return 1 / float(_collapse(case).value)  # type: ignore[arg-type]


def _without_slopes(case: Case) -> float:
    import symbolic

    return _rate(case) / float(symbolic.classify(_student(case)).alpha) ** (case.integer("L") - 1)


def _other_width_factor(case: Case) -> float:
    root = math.sqrt(WIDTH)
    return _rate(case) * (root if case.word("parameterisation") == "ntk" else 1 / root)


def _order(shift: Callable[[Case, int], int]) -> Callable[[Case, Prediction], Prediction | None]:
    def alter(case: Case, truth: Prediction) -> Prediction | None:
        if case.word("check") != "order":
            return None
        assert isinstance(truth.value, int)
        return Prediction(shift(case, truth.value))

    return alter


# --- the first deviation ------------------------------------------------------------------------------------------


def _measure_deviation(case: Case, _: Context) -> Measurement:
    depth = case.integer("L")
    run = _residual(case, 4)
    if problem := _stuck(run):
        return Measurement(math.nan, problem=problem)
    deviations, errors = _clock_deviations(run)
    slopes, _error = _slopes(deviations, errors)
    order = round(slopes[-1])
    power = order + 2 - depth  # of eps in K t
    if abs(slopes[-1] - order) > 0.25 or power == 0:
        return Measurement(math.nan, problem=f"the deviation has no pure order below L - 2: local slope {slopes[-1]:g}")
    ladder = _ladder(case, 4)
    basis = [
        (late**power - early**power) / (_line(late, depth) - _line(early, depth)) / (depth - 2)
        for early, late in pairwise(ladder)
    ]
    amplitudes = [deviation / unit for deviation, unit in zip(deviations, basis, strict=True)]
    return Measurement(
        amplitudes[-1],
        f"(K t/line - 1)/eps^{order}, eps = {ladder[-2]:.3g} to {ladder[-1]:.3g}; order {slopes[-1]:.4f} measured",
        "",
        Budget(discretisation=errors[-1] / abs(basis[-1]), finite_eps=_drift(amplitudes)),
    )


def _corrections(case: Case) -> list[Any]:
    """The terms of K t that follow the line, the constant of the escape rule left out; largest first."""
    import symbolic

    teacher = _parameter(case, "teacher")
    escape = symbolic.predict_escape(
        _student(case),
        case.integer("L"),
        eps=case.real("eps"),
        width=WIDTH,
        parameterisation=_parameter(case, "parameterisation") or "ntk",
        teacher=None if teacher is None else symbolic.activation(teacher),
    )
    return [term for term in escape.terms if term.coefficient is not None][1:]


def _deviation(case: Case) -> Prediction:
    first = next(iter(_corrections(case)), None)
    if first is None or first.log_power:
        raise ValueError("there is a first deviation of pure power only for L > q + 1")
    return Prediction(
        (case.integer("L") - 2) * float(first.coefficient),
        f"(L-2) A, K t = line + A eps^{first.eps_power} + ...",
        series={"order of the correction": (float(first.eps_power + case.integer("L") - 2),)},
    )


def _times(factor: Callable[[Case], float]) -> Callable[[Case, Prediction], Prediction | None]:
    def alter(case: Case, truth: Prediction) -> Prediction | None:
        assert isinstance(truth.value, float)
        altered = factor(case) * truth.value
        return None if math.isclose(altered, truth.value, rel_tol=1e-14) else Prediction(altered)

    return alter


def _q(case: Case) -> int:
    import symbolic

    return int(symbolic.classify(_student(case)).order or 0)


def _alpha(case: Case) -> float:
    import symbolic

    return float(symbolic.classify(_student(case)).alpha)


def _moments_dropped(case: Case) -> float:
    """M_1/M_q, what the coefficient is multiplied by when M_q/M_1 is left out."""
    import symbolic

    return float(symbolic.moment(_student(case), 1)) / float(symbolic.moment(_student(case), _q(case)))


# --- the teacher's part -------------------------------------------------------------------------------------------


def _measure_order(case: Case, _: Context) -> Measurement:
    run = _residual(case, 4)
    if problem := _stuck(run):
        return Measurement(math.nan, problem=problem)
    slopes, error = _slopes(*_clock_deviations(run))
    return Measurement(
        slopes[-1],
        f"d log|K dt/d(line) - 1| / d log eps, from eps = {case.real('eps'):g}",
        "power of eps",
        Budget(discretisation=error, finite_eps=_drift(slopes)),
    )


def _teacher_order(case: Case) -> Prediction:
    first = next(iter(_corrections(case)), None)
    if first is None:
        raise ValueError("the first deviation hides behind the constant of the escape rule: take more layers")
    order = first.eps_power + case.integer("L") - 2
    return Prediction(order, f"K t = line + ({float(first.coefficient):.6g}) eps^{first.eps_power} ...", "power of eps")


def _activation_alone(case: Case, truth: Prediction) -> Prediction | None:
    return None if truth.value == _q(case) - 1 else Prediction(_q(case) - 1)


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
                (Tier.STANDARD, "gelu", 3, "plain", "curve", 1e-3),
                (Tier.FULL, "asinh", 4, "ntk", "curve", 1e-6),
                (Tier.FULL, "mish", 4, "ntk", "curve", 1e-6),
                (Tier.STANDARD, "tanh", 5, "ntk", "order", 1e-3),
                (Tier.STANDARD, "gelu", 4, "ntk", "order", 1e-3),
                (Tier.STANDARD, "tanh", 3, "ntk", "order", 1e-3),
                (Tier.FULL, "erf", 6, "plain", "order", 1e-3),
                (Tier.FULL, "silu", 5, "plain", "order", 1e-3),
                (Tier.FULL, "linear", 4, "ntk", "order", 1e-3),
            )
        ),
        predict=_collapse,
        measure=_measure_collapse,
        counterfeits=(
            Counterfeit("rescaled by the printed K", _rescaled(_printed_rate), nearest=True),
            Counterfeit("not rescaled", _rescaled(lambda _: 1.0)),
            Counterfeit("rescaled without alpha^(L-1)", _rescaled(_without_slopes)),
            Counterfeit("the other parameterisation's sqrt(N)", _rescaled(_other_width_factor)),
            Counterfeit("one order higher", _order(lambda _, order: order + 1)),
            Counterfeit("no collapse: order 0", _order(lambda *_: 0)),
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
                (Tier.SMOKE, "gelu", "tanh", 5, 1e-2),
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
                (Tier.FULL, "quadratic", "linear", 5, 1e-2),
            )
        ),
        predict=_teacher_order,
        measure=_measure_order,
        counterfeits=(
            Counterfeit("order q - 1: a property of the activation alone", _activation_alone, nearest=True),
            Counterfeit("one order higher", lambda _, truth: Prediction(float(truth.value) + 1)),  # type: ignore[arg-type]
            Counterfeit("no collapse: order 0", lambda *_: Prediction(0.0)),
        ),
    ),
)
