"""A small claim to judge: it measures 1 with a budget of .1."""

from collections.abc import Callable
from typing import Any

import pytest

from verify.claim import Case as Case
from verify.claim import Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.values import Budget, Evidence, Measurement, Prediction


def measure_one(_: Case, context: Context) -> Measurement:
    return Measurement(1.0, budget=Budget(rounding=0.1))


def make(**changes: Any) -> Claim:
    fields: dict[str, Any] = {
        "id": "sample.claim",
        "theorem": "T1",
        "title": "a sample",
        "latex": "1 = 1",
        "plain": "One is one.",
        "source": "the tests",
        "reading": Reading.OURS,
        "evidence": Evidence.NUMERICAL,
        "witnesses": (Witness.SYMBOLIC, Witness.NUMERIC),
        "assumes": (Hypothesis("always"),),
        "cases": (case(Tier.SMOKE, 0.1, n=1),),
        "predict": lambda _: Prediction(1.0),
        "measure": measure_one,
        "counterfeits": (Counterfeit("two", lambda *_: Prediction(2.0), nearest=True),),
    }
    return Claim(**(fields | changes))


@pytest.fixture
def sample() -> Callable[..., Claim]:
    return make
