"""T8 on real covariates: a batch is an exact instance, with Gamma = |mean(y x)| and not that of Stein's identity.

THEORY sections 4 and 6. Covariates are standardised; targets are the data set's labels, centred, or a teacher s(v.x).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.claims._data import ALIGNED, SPAN, clock, measure_times
from verify.hypotheses import leaves_the_origin_at_first_order, smooth_at_the_origin
from verify.values import Evidence, Measurement, Prediction

# What the leading order omits is of order |x|^(q-1) eps^(q-1), and real covariates are long: |x| is 3 to 30 here.
EPS = 1e-5
NAME = "ln tau"


def _direction(which: str, columns: int) -> tuple[float, ...]:
    """The teacher's v, up to its length: all columns alike, or the first one."""
    return {"even": (1.0,) * columns, "first": (1.0,) + (0.0,) * (columns - 1)}[which]


def _measure(case: Case, context: Context) -> Measurement:
    import numeric
    from verify.real_data import load

    data = load(case.word("data"))
    population = numeric.real_population(data.rows, data.labels)
    if case.word("target") != "labels":
        v = _direction(case.word("target"), data.rows.shape[1])
        size = math.hypot(*v)
        taught = numeric.teacher(numeric.activation(case.word("activation")), [[x / size for x in v]])
        population = numeric.population(population.covariates, taught)
    return measure_times(case, population, 0.0, [NAME], EPS, context.seed)


@cache
def _sample(data: str) -> Any:
    import symbolic
    from verify.real_data import load

    return symbolic.Sample.of(load(data).rows.tolist())


def _teacher(data: str, target: str, activation: str) -> Any:
    import symbolic
    from verify.real_data import load

    return symbolic.SampleTeacher(symbolic.activation(activation), _direction(target, load(data).rows.shape[1]))


@cache
def _gammas(data: str, target: str, activation: str, standardise: bool = True) -> tuple[float, float]:
    """Gamma and the sum of the absolute overlaps, from the witness's own mean over the sample."""
    import symbolic
    from verify.real_data import load

    targets = load(data).labels.tolist() if target == "labels" else _teacher(data, target, activation)
    found = symbolic.sample_alignment(_sample(data), targets, standardise=standardise)
    return float(found.norm), float(found.absolute_sum)


def _of(case: Case) -> tuple[str, str, str]:
    return case.word("data"), case.word("target"), case.word("activation")


def _predict(case: Case) -> Prediction:
    gamma, _ = _gammas(*_of(case))
    return Prediction(
        {NAME: math.log(clock(case, EPS, SPAN * EPS) / gamma)},
        f"tau = int y^(1-r) dy / (Gamma alpha^(L-1)), Gamma = |mean(y x)| = {gamma:.9g}",
        "ln time",
    )


def _with_gamma(other: Callable[[Case], float | None]) -> Callable[[Case, Prediction], Prediction | None]:
    """A counterfeit with another Gamma, or with None where it is the true one."""

    def alter(case: Case, truth: Prediction) -> Prediction | None:
        assert isinstance(truth.value, dict)
        gamma = other(case)
        return (
            None if gamma is None else Prediction({NAME: truth.value[NAME] + math.log(_gammas(*_of(case))[0] / gamma)})
        )

    return alter


@cache
def _stein_gamma(data: str, target: str, activation: str) -> float | None:
    import symbolic

    if target == "labels":
        return None  # no teacher, so that Stein's identity says nothing
    return float(symbolic.sample_alignment_by_stein(_sample(data), _teacher(data, target, activation)))


CLAIMS = (
    Claim(
        id="data.real-covariates",
        theorem="T8",
        title="real covariates",
        latex=r"\tau \,\hat\Gamma \alpha^{L-1} \Big/ \int_\varepsilon^\theta y^{1-r}\,dy \to 1,\quad "
        r"\hat\Gamma = \Bigl\lVert \tfrac1n \sum_i y_i x_i \Bigr\rVert",
        plain="On a real data set the clock is set by the sample's own Gamma = |mean(y x)|, not by Stein's identity.",
        source="authors' revised write-up, the data's contribution to the clock; THEORY section 6",
        reading=Reading.CORRECTED,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(
            smooth_at_the_origin("activation"),
            leaves_the_origin_at_first_order("activation"),
            Hypothesis(
                "the first r >= 2 of L layers start at the scale eps, the others at 1",
                lambda case: 2 <= case.integer("r") <= case.integer("L"),
            ),
            Hypothesis("a fixed batch whose Gamma = |mean(y x)| > 0; nothing is assumed of its distribution"),
            ALIGNED,
        ),
        depends=("data.escape",),
        cases=tuple(
            case(tier, seconds, data=data, target=target, activation=activation, r=r, L=depth)
            for tier, seconds, data, target, activation, r, depth in (
                (Tier.SMOKE, 0.3, "digits", "even", "tanh", 3, 3),
                (Tier.STANDARD, 0.2, "breast_cancer", "labels", "gelu", 2, 3),
                (Tier.STANDARD, 0.2, "digits", "first", "gelu", 2, 2),
                (Tier.STANDARD, 0.2, "breast_cancer", "even", "tanh", 2, 4),
                (Tier.STANDARD, 0.2, "breast_cancer", "even", "gelu", 3, 4),
                (Tier.STANDARD, 0.2, "digits", "labels", "tanh", 3, 5),
                (Tier.FULL, 0.2, "breast_cancer", "first", "silu", 3, 5),
                (Tier.FULL, 0.2, "digits", "even", "gelu", 4, 4),
                (Tier.FULL, 5.5, "mnist", "labels", "tanh", 3, 3),
                (Tier.FULL, 2.5, "mnist", "even", "gelu", 2, 3),
            )
        ),
        predict=_predict,
        measure=_measure,
        counterfeits=(
            Counterfeit(
                "Stein's Gamma, as if the covariates were Gaussian",
                _with_gamma(lambda c: _stein_gamma(*_of(c))),
                nearest=True,
            ),
            Counterfeit("the sum of the absolute overlaps", _with_gamma(lambda c: _gammas(*_of(c))[1])),
            Counterfeit("covariates not standardised", _with_gamma(lambda c: _gammas(*_of(c), standardise=False)[0])),
        ),
    ),
)
