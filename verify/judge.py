"""Hear one case: predict, measure, decide, try the counterfeits, and write the verdict. Runs inside a worker."""

from __future__ import annotations

import hashlib
import math
import time
import traceback
from pathlib import Path

import msgspec

from verify.claim import Case, Claim, Context, Counterfeit, Expect
from verify.decision import Decision, IncomparableError, Outcome, decide
from verify.results import (
    BudgetRecord,
    CounterfeitRecord,
    HypothesisRecord,
    Number,
    Quantity,
    Result,
    Verdict,
    number,
    printable,
)
from verify.transplant import transplants
from verify.values import Budget, Measurement, Prediction


class OptionalDataAbsent(Exception):  # noqa: N818 - it is an absence, not an error
    """Raised by a measurement whose optional data set is not installed: the case is skipped, and says so."""


VERDICTS = {
    (Expect.HOLDS, Outcome.HOLDS): (Verdict.PASS, True),
    (Expect.HOLDS, Outcome.REFUTED): (Verdict.FAIL, False),
    (Expect.HOLDS, Outcome.UNDECIDED): (Verdict.INCONCLUSIVE, None),
    (Expect.REFUTED, Outcome.HOLDS): (Verdict.PASS, False),
    (Expect.REFUTED, Outcome.REFUTED): (Verdict.REFUTED_AS_EXPECTED, True),
    (Expect.REFUTED, Outcome.UNDECIDED): (Verdict.INCONCLUSIVE, None),
}


def case_seed(seed: int, claim: str, case: str) -> int:
    """Seed of one case from the run's seed: the first 8 bytes of a SHA-256, so that no order of execution matters."""
    digest = hashlib.sha256(f"{seed}\n{claim}\n{case}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1  # 63 bits: torch and NumPy both take it


def judge(claim: Claim, case: Case, context: Context) -> Result:
    """The verdict on ``case``. Never raises for what a claim does: that is the verdict ``error``, with the reason.

    ``context.seed`` is the run's seed; the measurement is handed the one derived from it.
    """
    start = time.perf_counter()
    try:
        result = _as_recorded(_hear(claim, case, context))
    except OptionalDataAbsent as absence:
        result = unheard(claim, case, Verdict.SKIPPED, f"optional-data: {absence}")
    except MemoryError as error:  # the numeric witness says itself what did not fit, the interpreter does not
        result = unheard(claim, case, Verdict.INCONCLUSIVE, f"budget: {printable(str(error)) or _OUT_OF_MEMORY}")
    except Exception as error:  # a claim is user code: whatever it raises, the rest of the run goes on
        if _is_out_of_memory(error):
            result = unheard(claim, case, Verdict.INCONCLUSIVE, f"budget: {_OUT_OF_MEMORY}")
        else:
            result = unheard(claim, case, Verdict.ERROR, f"error: {_describe(error)}")
    return msgspec.structs.replace(result, seconds=round(time.perf_counter() - start, 4))


def _as_recorded(result: Result) -> Result:
    """``result`` as results.json will hold it: what a claim brings that is no JSON is that claim's error, here and now.

    Later it would be the whole run's.
    """
    return msgspec.json.decode(msgspec.json.encode(result), type=Result)


_OUT_OF_MEMORY = "the case needs more memory than there is; run it alone, on a larger machine, or in smaller pieces"


def _is_out_of_memory(error: Exception) -> bool:
    """Whether torch ran out of memory: on a device it has a class for it, on the CPU only a sentence."""
    return type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)


def unheard(claim: Claim, case: Case, verdict: Verdict, reason: str) -> Result:
    """A result for a case that reached no decision."""
    return Result(
        claim=claim.id,
        theorem=claim.theorem,
        reading=claim.read(case).value,
        expect=claim.expected(case).value,
        as_expected=None,
        case=case.text,
        verdict=verdict,
        reason=reason,
    )


def _hear(claim: Claim, case: Case, context: Context) -> Result:
    hypotheses = tuple(HypothesisRecord(h.name, bool(h.holds(case))) for h in claim.assumes)
    failed = [h.name for h, record in zip(claim.assumes, hypotheses, strict=True) if h.assumed and not record.holds]
    prediction = claim.predict(case)
    measurement = claim.measure(case, Context(case_seed(context.seed, claim.id, case.text), context.device))
    decision = decide(prediction, measurement)
    verdict, as_expected = VERDICTS[claim.expected(case), decision.outcome]
    reason = _undecided(decision) if verdict is Verdict.INCONCLUSIVE else ""
    if failed:
        verdict, as_expected = Verdict.INCONCLUSIVE, None
        reason = f"vacuous: this case does not satisfy {', '.join(failed)}"
    return msgspec.structs.replace(
        unheard(claim, case, verdict, reason),
        as_expected=as_expected,
        evidence=(measurement.evidence or claim.evidence).value,
        component=decision.component,
        predicted=_quantity(decision.predicted, _caption(decision, prediction.text), prediction.unit),
        measured=_quantity(decision.measured, measurement.text, measurement.unit),
        budget=_budget(decision.budget),
        hypotheses=hypotheses,
        series={
            name: tuple(number(x) for x in curve)
            for name, curve in (*prediction.series.items(), *measurement.series.items())
        },
        counterfeits=tuple(
            record
            for counterfeit in (*claim.counterfeits, *transplants(claim, case))
            if (record := try_counterfeit(counterfeit, case, prediction, measurement)) is not None
        ),
    )


def try_counterfeit(
    counterfeit: Counterfeit, case: Case, prediction: Prediction, measurement: Measurement
) -> CounterfeitRecord | None:
    """Judge an altered prediction on the same measurement; None where the counterfeit says the truth in this case.

    A transplant that speaks of something else than what was measured says nothing of this case, either.
    """
    try:
        altered = counterfeit.alter(case, prediction)
        if altered is None:
            return None
        decision = decide(altered, measurement)
    except Exception as error:
        if counterfeit.transplant and isinstance(error, IncomparableError):
            return None
        # Counted as not refuted, and said aloud.
        return CounterfeitRecord(name=counterfeit.name, verdict=f"error: {_describe(error)}", refuted=False)
    return CounterfeitRecord(
        name=counterfeit.name,
        verdict=decision.outcome.value,
        refuted=decision.outcome is Outcome.REFUTED,
        margin=number(decision.ratio),
        transplant=counterfeit.transplant,
    )


def _undecided(decision: Decision) -> str:
    if decision.note:
        return f"undecided: {decision.note}"
    if math.isnan(decision.ratio):
        return "undecided: the error budget or the measured value is not finite"
    return f"undecided: off by {decision.ratio:.2g} budgets, which is more than 1 and at most 3"


def _caption(decision: Decision, text: str) -> str:
    return f"{decision.component}: {text}" if decision.component and text else decision.component or text


def _quantity(value: float | str | None, text: str, unit: str) -> Quantity:
    recorded: Number = number(value)
    return Quantity(value=recorded, text=text, unit=unit)


def _budget(budget: Budget) -> BudgetRecord:
    return BudgetRecord(
        discretisation=number(budget.discretisation),
        sampling=number(budget.sampling),
        finite_width=number(budget.finite_width),
        finite_eps=number(budget.finite_eps),
        rounding=number(budget.rounding),
        total=number(budget.total),
    )


def _describe(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    text = printable(" ".join(str(error).split()))
    return f"{type(error).__name__}: {text[:300]}{place}"
