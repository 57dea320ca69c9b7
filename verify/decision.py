"""The decision: does a measurement agree with a prediction? Pure, total, and ignorant of what is expected.

CONTRACT "Deciding": *holds* iff |measured - predicted| <= budget; *refuted* iff it exceeds three budgets, or an exact
residual is not zero; *undecided* in between, when the budget is not finite, or when the measurement has a problem.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from verify.values import Budget, Combination, Form, Measured, Measurement, Prediction


class IncomparableError(ValueError):
    """The prediction and the measurement speak of different things."""


# Between one and three budgets a disagreement may still be an error estimate that was a little too small;
# beyond three it is not.
REFUTED_BEYOND = 3.0


class Outcome(enum.Enum):
    """What the comparison says."""

    HOLDS = "holds"
    REFUTED = "refuted"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Decision:
    """Outcome of one comparison.

    predicted, measured: what was compared, of the worst component where there are several. component: its name, or "".
    ratio: |measured - predicted| / tolerance; infinite for an exact residual that is not zero.
    """

    outcome: Outcome
    predicted: float | str | None
    measured: float | str | None
    budget: Budget
    ratio: float
    component: str = ""
    note: str = ""


def decide(prediction: Prediction, measurement: Measurement) -> Decision:
    """Compare ``measurement`` with ``prediction``; ``IncomparableError`` when they speak of different things."""
    budget = prediction.budget + measurement.budget
    if measurement.problem:
        return Decision(Outcome.UNDECIDED, None, None, budget, math.nan, note=measurement.problem)
    predicted, measured = _evaluated(prediction, measurement), measurement.value
    if isinstance(predicted, Form | str) or isinstance(measured, Form | str):
        return _decide_exact(predicted, measured, budget)
    if isinstance(predicted, Fraction | int) and isinstance(measured, Fraction | int):
        return _decide_rational(Fraction(predicted), Fraction(measured), budget)
    if isinstance(predicted, Mapping) != isinstance(measured, Mapping):
        raise IncomparableError(
            f"predicted {predicted!r} and measured {measured!r} are of different shapes: compare like with like"
        )
    if isinstance(predicted, Mapping) and isinstance(measured, Mapping):
        if predicted.keys() != measured.keys() or not predicted:
            raise IncomparableError(
                f"predicted names {sorted(predicted)}, measured names {sorted(measured)}: they must be the same"
            )
        decisions = [_decide_number(float(predicted[name]), float(measured[name]), budget, name) for name in predicted]
        # NaN first, before infinity too: a component that cannot be judged must not hide behind one that can.
        return max(decisions, key=lambda decision: (math.isnan(decision.ratio), decision.ratio))
    assert not isinstance(predicted, Mapping)
    assert not isinstance(measured, Mapping)
    return _decide_number(float(predicted), float(measured), budget)


def _evaluated(prediction: Prediction, measurement: Measurement) -> Measured:
    """The predicted value, with every combination evaluated on the ingredients that the measurement brings."""
    value = prediction.value
    if isinstance(value, Combination):
        return _combined(value, measurement)
    if isinstance(value, Mapping):
        return {
            name: _combined(part, measurement) if isinstance(part, Combination) else part
            for name, part in value.items()
        }
    return value


def _combined(combination: Combination, measurement: Measurement) -> float:
    try:
        return combination.evaluate(measurement.ingredients)
    except ValueError as error:
        raise IncomparableError(str(error)) from error


def _decide_number(predicted: float, measured: float, budget: Budget, component: str = "") -> Decision:
    distance, tolerance = abs(measured - predicted), budget.total
    if predicted == measured:
        distance = 0.0  # also for equal infinities
    ratio = 0.0 if distance == 0.0 else (distance / tolerance if tolerance > 0 else math.inf)
    if not math.isfinite(tolerance) or math.isnan(distance):
        outcome, ratio = Outcome.UNDECIDED, math.nan
    elif distance <= tolerance:
        outcome = Outcome.HOLDS
    elif distance > REFUTED_BEYOND * tolerance:
        outcome = Outcome.REFUTED
    else:
        outcome = Outcome.UNDECIDED
    return Decision(outcome, predicted, measured, budget, ratio, component)


def _decide_rational(predicted: Fraction, measured: Fraction, budget: Budget) -> Decision:
    equal = predicted == measured
    return Decision(
        Outcome.HOLDS if equal else Outcome.REFUTED, str(predicted), str(measured), budget, 0.0 if equal else math.inf
    )


def _decide_exact(predicted: object, measured: object, budget: Budget) -> Decision:
    if isinstance(predicted, Form) and isinstance(measured, Form):
        residual = measured - predicted
        equal = not residual.terms
        # For an identity the reader wants the residual, not two copies of a long polynomial.
        return Decision(
            Outcome.HOLDS if equal else Outcome.REFUTED,
            "0",
            str(residual),
            budget,
            0.0 if equal else math.inf,
            "residual",
        )
    if isinstance(predicted, str) and isinstance(measured, str):
        equal = predicted == measured
        return Decision(
            Outcome.HOLDS if equal else Outcome.REFUTED, predicted, measured, budget, 0.0 if equal else math.inf
        )
    raise IncomparableError(
        f"an exact value is compared with one of its own kind: predicted a {type(predicted).__name__}, "
        f"measured a {type(measured).__name__}"
    )
