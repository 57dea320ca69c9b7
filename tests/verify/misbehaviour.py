"""What a worker may do to the engine. Importable by a fresh process, as a spawned worker needs."""

import os
import signal
import time

from verify.claim import Case as Case
from verify.claim import Claim as Claim
from verify.claim import Context, Counterfeit, Reading, Tier, Witness, case
from verify.claim import Hypothesis as Hypothesis
from verify.judge import judge, unheard
from verify.results import Result, Verdict
from verify.values import Budget, Evidence, Measurement, Prediction


def _measure(instance: Case, _: Context) -> Measurement:
    if instance["does"] == "swallow":
        bytearray(1 << 50)
    return Measurement(1.0, budget=Budget(rounding=0.1))


def claim(claim_id: str, *words: str, depends: tuple[str, ...] = ()) -> Claim:
    """A claim with one case per word; each word says how its case behaves."""
    return Claim(
        id=claim_id,
        theorem="T1",
        title="behaviour",
        latex="",
        plain="",
        source="the tests",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.NUMERIC,),
        assumes=(Hypothesis("none"),),
        depends=depends,
        cases=tuple(case(Tier.SMOKE, 0.1, n=n, does=word) for n, word in enumerate(words)),
        predict=lambda _: Prediction(1.0),
        measure=_measure,
        counterfeits=(Counterfeit("two", lambda *_: Prediction(2.0), nearest=True),),
    )


def behave(claim_id: str, case_text: str, context: Context) -> Result:
    """Do what the case's ``does`` says."""
    word = case_text.rpartition("does=")[2]
    subject = claim(claim_id, word)
    instance = subject.cases[0]
    if word == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "raise":
        raise RuntimeError("not even the judge survived")
    if word == "hang":
        time.sleep(600)
    if word == "fail":
        return unheard(subject, instance, Verdict.FAIL, "")
    return judge(subject, instance, context)
