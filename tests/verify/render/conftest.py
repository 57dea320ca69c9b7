"""A record with every verdict, two theorems, and names that try to break a format."""

import msgspec
import pytest

from tests.verify.test_results import record
from verify.results import (
    SCHEMA,
    ActivationRecord,
    BudgetRecord,
    ClaimRecord,
    CounterfeitRecord,
    ErratumRecord,
    HypothesisRecord,
    Quantity,
    Result,
    Results,
    Verdict,
)

HOSTILE = r"a|b`<script>\end{table} & % $ # _ ^ ~ {x} é"


def result(claim: str, case: str, verdict: Verdict, **changes: object) -> Result:
    fields: dict[str, object] = {
        "claim": claim,
        "theorem": "T1",
        "reading": "corrected",
        "expect": "holds",
        "as_expected": True,
        "case": case,
        "verdict": verdict,
        "evidence": "numerical",
        "predicted": Quantity(value=-3.0, text="-(r-2)", unit="power of eps"),
        "measured": Quantity(value=-2.9998312, text="local slope", unit="power of eps"),
        "budget": BudgetRecord(finite_eps=0.00025, total=0.00025),
        "hypotheses": (HypothesisRecord("smooth", True),),
        "counterfeits": (CounterfeitRecord(name="-(r-1)", verdict="refuted", refuted=True, margin=4000.0),),
        "seconds": 0.5,
    }
    return Result(**(fields | changes))  # type: ignore[arg-type]


def described(words: str) -> ClaimRecord:
    return ClaimRecord(title=words, plain=words, latex="x", source=words, theorem="T1", reading="corrected")


def with_activations(results: Results) -> Results:
    """The record of a run that has a table of activations, one of which is made to break a format."""
    tanh = ActivationRecord(
        name="tanh",
        latex=r"\tanh{\left(z \right)}",
        phi=r"-\frac{2}{3} z^{3} + O(z^{5})",
        universality_class="B",
        order=3,
        alpha="1",
        alpha_latex="1",
        h="0.605705509602",
        h_radius="1e-16",
        K="0.0757132",
    )
    bad = msgspec.structs.replace(
        tanh, name=HOSTILE, parameters={HOSTILE: HOSTILE}, latex=rf"\input{{{HOSTILE}}}", phi=HOSTILE, h=None, K=None
    )
    return msgspec.structs.replace(results, run=msgspec.structs.replace(results.run, activations=(tanh, bad)))


PRINTED = ClaimRecord(
    title="printed",
    plain="It was printed.",
    latex="x",
    source="page 3",
    theorem="T2",
    reading="as-printed",
    erratum=ErratumRecord(printed="one is two", fails="one is one", true="one is one, indeed", corrected="e.exact"),
)


@pytest.fixture
def results() -> Results:
    return Results(
        schema=SCHEMA,
        run=record(
            seconds=3.0,
            workers=2,
            claims={"a.pass": described("Plain words."), "b.hostile": described(HOSTILE), "c.printed": PRINTED},
        ),
        results=(
            result("a.pass", "r=5,L=7,activation=tanh", Verdict.PASS),
            result("a.pass", "r=5,L=9,activation=tanh", Verdict.FAIL, as_expected=False),
            result("b.hostile", HOSTILE, Verdict.ERROR, as_expected=None, reason=f"error: {HOSTILE}"),
            result("c.printed", "n=1", Verdict.REFUTED_AS_EXPECTED, theorem="T2", expect="refuted"),
            result(
                "c.printed",
                "n=2",
                Verdict.PASS,
                theorem="T2",
                expect="refuted",
                as_expected=False,
                counterfeits=(CounterfeitRecord(name="weak", verdict="holds", refuted=False, margin=0.5),),
            ),
            result(
                "d.odd",
                "n=1",
                Verdict.INCONCLUSIVE,
                theorem="T2",
                as_expected=None,
                reason="undecided: off",
                measured=Quantity(value="Infinity"),
                budget=BudgetRecord(finite_eps="Infinity", total="Infinity"),
            ),
            result("e.exact", "n=1", Verdict.PASS, theorem="T2", evidence="proof", budget=BudgetRecord()),
            result("f.absent", "n=1", Verdict.SKIPPED, theorem="T2", evidence=None, reason="optional-data: none"),
        ),
    )
