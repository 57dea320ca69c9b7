"""T3: the prefactor of a leaky ReLU, and of a teacher that is not the student (THEORY section 2)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.claims._clock import measured_rate, predicted_rate
from verify.hypotheses import leaves_the_origin_at_first_order, smooth_at_the_origin
from verify.values import Evidence, Measurement, Prediction

WIDTH = 64
# Reached whatever the teacher: a student that cannot represent it may never halve the loss.
RULE = "overlap:0.2"
ALL_SMALL = Hypothesis("L >= 3 layers, all at scale eps, equal starts", lambda case: case.integer("L") >= 3)


def _times(factor: Callable[[Case], float]) -> Callable[[Case, Prediction], Prediction | None]:
    def alter(case: Case, truth: Prediction) -> Prediction | None:
        assert isinstance(truth.value, float)
        altered = truth.value * factor(case)
        return None if math.isclose(altered, truth.value, rel_tol=1e-14) else replace(truth, value=altered)

    return alter


def _other_width_factor(case: Case) -> float:
    return float(WIDTH ** (0.5 if case.word("parameterisation") == "ntk" else -0.5))


# --- leaky ReLU ---------------------------------------------------------------------------------------------------


def _measure_leaky(case: Case, _: Context) -> Measurement:
    import numeric
    from numeric.scalar_activations import leaky_relu

    student = leaky_relu(float(Fraction(case.word("slope"))))
    return measured_rate(numeric.ManifoldModel(student, case.integer("L"), WIDTH, case.word("parameterisation")), RULE)


def _leaky(case: Case) -> Prediction:
    import symbolic

    student = symbolic.activation("leaky_relu", slope=case.word("slope"))
    return predicted_rate("K = E[y s^(L-1)(u)] c", student, case.integer("L"), WIDTH, case.word("parameterisation"))


def _instead(share: Callable[[float, int], float]) -> Callable[[Case, Prediction], Prediction | None]:
    """Another value in place of (1 + a^L)/2."""

    def factor(case: Case) -> float:
        slope, depth = float(Fraction(case.word("slope"))), case.integer("L")
        return share(slope, depth) / ((1 + slope**depth) / 2)

    return _times(factor)


def _smooth_rate(case: Case, _: Prediction) -> Prediction:
    import symbolic

    return predicted_rate("", symbolic.activation("tanh"), case.integer("L"), WIDTH, case.word("parameterisation"))


# --- a teacher that differs from the student ----------------------------------------------------------------------


def _measure_teacher(case: Case, _: Context) -> Measurement:
    import numeric

    model = numeric.ManifoldModel(
        case.word("activation"),
        case.integer("L"),
        WIDTH,
        case.word("parameterisation"),
        teacher=case.word("teacher"),
        beta=float(Fraction(case.word("beta"))),
    )
    return measured_rate(model, RULE)


def _with_teacher(case: Case) -> Prediction:
    import symbolic

    return predicted_rate(
        "K = E[y u] alpha^(L-1) c",
        symbolic.activation(case.word("activation")),
        case.integer("L"),
        WIDTH,
        case.word("parameterisation"),
        teacher=symbolic.activation(case.word("teacher")),
        beta=case.word("beta"),
    )


def _hermite(case: Case, name: str) -> float:
    import symbolic

    return float(symbolic.hermite(symbolic.activation(case.word(name))))


def _alpha(case: Case, name: str) -> float:
    import symbolic

    return float(symbolic.classify(symbolic.activation(case.word(name))).alpha)


def _teachers_slope(case: Case) -> float:
    return (_alpha(case, "teacher") / _alpha(case, "activation")) ** (case.integer("L") - 1)


BOTH = (Witness.SYMBOLIC, Witness.NUMERIC)

CLAIMS = (
    Claim(
        id="prefactor.leaky-relu",
        theorem="T3",
        title="prefactor of a leaky ReLU",
        latex=r"K = \mathbb{E}[y\,\sigma^{(L-1)}(u)]/\sqrt{N} = (1 + a^L)/(2\sqrt{N})",
        plain="A leaky ReLU of slope a has K = (1 + a^L)/2 /sqrt(N), not h alpha^(L-1)/sqrt(N).",
        source="THEORY section 2",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=BOTH,
        assumes=(
            ALL_SMALL,
            Hypothesis("0 <= a < 1", lambda case: 0 <= Fraction(case.word("slope")) < 1),
            Hypothesis("the teacher is the student's activation, beta = 1"),
        ),
        cases=tuple(
            case(tier, 0.1, slope=slope, L=depth, parameterisation=parameterisation)
            for tier, slope, depth, parameterisation in (
                (Tier.SMOKE, "1/5", 4, "ntk"),
                (Tier.SMOKE, "1/2", 3, "plain"),
                (Tier.STANDARD, "0", 4, "ntk"),
                (Tier.STANDARD, "1/100", 3, "ntk"),
                (Tier.STANDARD, "4/5", 5, "plain"),
                (Tier.FULL, "9/10", 8, "ntk"),
                (Tier.FULL, "1/3", 6, "plain"),
            )
        ),
        predict=_leaky,
        measure=_measure_leaky,
        counterfeits=(
            Counterfeit("h alpha^(L-1), the mean slope", _instead(lambda a, n: ((1 + a) / 2) ** n), nearest=True),
            Counterfeit("h = E[s'(g)], alpha = 1", _instead(lambda a, _: (1 + a) / 2)),
            Counterfeit("a^(L-1) in place of a^L", _instead(lambda a, n: (1 + a ** (n - 1)) / 2)),
            Counterfeit("the other parameterisation", _times(_other_width_factor)),
            Counterfeit("transplant: tanh", _smooth_rate, transplant="activation"),
        ),
    ),
    Claim(
        id="prefactor.teacher",
        theorem="T3",
        title="prefactor with another teacher",
        latex=r"K = \mathbb{E}[y u]\,\alpha^{L-1}/\sqrt{N}",
        plain="With a teacher that is not the student's activation K has E[y u] of the teacher, alpha of the student.",
        source="THEORY section 2",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=BOTH,
        assumes=(
            smooth_at_the_origin("activation"),
            leaves_the_origin_at_first_order("activation"),
            ALL_SMALL,
            Hypothesis("positive alignment: E[y u] > 0", lambda case: _hermite(case, "teacher") > 0),
        ),
        depends=("prefactor.hermite",),
        cases=tuple(
            case(tier, 0.15, activation=activation, teacher=teacher, beta=beta, L=depth, parameterisation=named)
            for tier, activation, teacher, beta, depth, named in (
                (Tier.SMOKE, "gelu", "tanh", "1", 4, "ntk"),
                (Tier.SMOKE, "tanh", "gelu", "1", 3, "plain"),
                (Tier.STANDARD, "silu", "erf", "2", 4, "ntk"),
                (Tier.STANDARD, "linear", "sin", "1/2", 4, "ntk"),
                (Tier.STANDARD, "erf", "linear", "1/2", 5, "plain"),
                (Tier.STANDARD, "tanh", "relu", "1", 4, "ntk"),
                (Tier.FULL, "mish", "softplus", "1", 4, "ntk"),
                (Tier.FULL, "sin", "asinh", "3", 6, "plain"),
            )
        ),
        predict=_with_teacher,
        measure=_measure_teacher,
        counterfeits=(
            Counterfeit(
                "h of the student",
                _times(lambda case: _hermite(case, "activation") / _hermite(case, "teacher")),
                nearest=True,
            ),
            Counterfeit("alpha of the teacher", _times(_teachers_slope)),
            Counterfeit("alpha^L", _times(lambda case: _alpha(case, "activation"))),
            Counterfeit("beta left out", _times(lambda case: float(1 / Fraction(case.word("beta"))))),
            Counterfeit("the other parameterisation", _times(_other_width_factor)),
        ),
    ),
)
