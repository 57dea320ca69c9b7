"""The judge of saddle-escape: claims, decisions, runs and reports. Only this package hears both witnesses.

``verify.run(...)`` does what ``saddle-escape run`` does and returns the same results.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from verify.namesake import check_namesakes

check_namesakes()

if TYPE_CHECKING:
    from verify.api import run as run
    from verify.catalogue import catalogue as catalogue
    from verify.claim import Case as Case
    from verify.claim import Claim as Claim
    from verify.claim import Context as Context
    from verify.claim import Counterfeit as Counterfeit
    from verify.claim import Expect as Expect
    from verify.claim import Hypothesis as Hypothesis
    from verify.claim import Reading as Reading
    from verify.claim import Tier as Tier
    from verify.claim import Witness as Witness
    from verify.claim import case as case
    from verify.decision import decide as decide
    from verify.judge import OptionalDataAbsent as OptionalDataAbsent
    from verify.results import Results as Results
    from verify.results import Verdict as Verdict
    from verify.values import Budget as Budget
    from verify.values import Combination as Combination
    from verify.values import Evidence as Evidence
    from verify.values import Form as Form
    from verify.values import Measurement as Measurement
    from verify.values import Prediction as Prediction

_HOME = {
    "run": "api",
    "catalogue": "catalogue",
    **dict.fromkeys(
        ("Case", "Claim", "Context", "Counterfeit", "Expect", "Hypothesis", "Reading", "Tier", "Witness", "case"),
        "claim",
    ),
    "decide": "decision",
    "OptionalDataAbsent": "judge",
    **dict.fromkeys(("Results", "Verdict"), "results"),
    **dict.fromkeys(("Budget", "Combination", "Evidence", "Form", "Measurement", "Prediction"), "values"),
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'verify' has no public name {name!r}")
    return getattr(import_module(f"verify.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOME]
