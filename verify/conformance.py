"""CONTRACT "Conformance tests": rules that every claim keeps, ours and a user's; each breach is one sentence.

Rule 3 (a proof goes red when the network is another) needs the network's definition and is a test of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from verify.claim import Case, Claim, Context, Counterfeit, Expect, Tier
from verify.judge import OptionalDataAbsent, judge, try_counterfeit
from verify.results import SCHEMA, Result, Results, RunRecord, Verdict
from verify.transplant import transplants
from verify.values import Evidence, Prediction

MOST_SMOKE_SECONDS = 2.0
Rule = Callable[[Claim], Iterator[str]]


def independent(claim: Claim) -> Iterator[str]:
    """1. A measurement gives the same numbers when the prediction, and the symbolic witness, cannot be had."""
    for case in claim.cases_in(Tier.SMOKE):
        # First without the symbolic witness: what it said once may be remembered, and would then be had without asking.
        alone, absent = None, None
        with _without("symbolic"):
            try:
                alone = claim.measure(case, Context(seed=1))
            except OptionalDataAbsent:
                continue
            except ImportError as error:
                absent = error
        measurement = claim.measure(case, Context(seed=1))
        # A proof's measurement is the other side of the identity, which the symbolic witness derives.
        if (measurement.evidence or claim.evidence) is Evidence.PROOF:
            continue
        if alone is None:
            yield f"the measurement of [{case.text}] asks the symbolic witness ({absent}): it may use numeric only"
        elif alone != measurement:
            yield f"two measurements of [{case.text}] with the same seed differ: draw from context.seed alone"


@contextmanager
def _without(package: str) -> Iterator[None]:
    hidden = {name: sys.modules[name] for name in sys.modules if name == package or name.startswith(f"{package}.")}
    sys.modules.update(dict.fromkeys([package, *hidden]))  # type: ignore[arg-type]
    try:
        yield
    finally:
        sys.modules.pop(package, None)
        sys.modules.update(hidden)


def turns_around(claim: Claim) -> Iterator[str]:
    """2. A printed error passes, unexpectedly, when it is given the corrected prediction."""
    if claim.corrected is None:
        return
    turned = replace(claim, predict=claim.corrected)
    for case in claim.cases_in(Tier.SMOKE):
        if claim.expected(case) is Expect.REFUTED:
            result = judge(turned, case, Context())
            if (result.verdict, result.as_expected) != (Verdict.PASS, False):
                yield f"given the corrected prediction, [{case.text}] is {_said(result)} and not an unexpected pass"


def sharp(claim: Claim) -> Iterator[str]:
    """4. With every budget doubled, no counterfeit and no transplant of tier standard survives."""
    for case in claim.cases_in(Tier.STANDARD):
        try:
            measurement, prediction = claim.measure(case, Context()), claim.predict(case)
        except OptionalDataAbsent:
            continue
        wide = replace(measurement, budget=measurement.budget.scaled(2))
        for counterfeit in (*claim.counterfeits, *transplants(claim, case)):
            record = try_counterfeit(_widened(counterfeit), case, prediction, wide)
            if record is not None and not record.refuted:
                yield f"with doubled budgets the counterfeit {counterfeit.name!r} {record.verdict} in [{case.text}]"


def _widened(counterfeit: Counterfeit) -> Counterfeit:
    """The same counterfeit, whose altered prediction has every budget doubled."""

    def alter(case: Case, honest: Prediction) -> Prediction | None:
        altered = counterfeit.alter(case, honest)
        return None if altered is None else replace(altered, budget=altered.budget.scaled(2))

    return replace(counterfeit, alter=alter)


def spread(claim: Claim) -> Iterator[str]:
    """5. Standard has two classes, a slope that is not 1, two depths or values of r; smoke takes at most 2 s."""
    cases = claim.cases_in(Tier.STANDARD)
    found = [known for case in cases if (known := _classified(case)) is not None]
    if found and len({universality_class for universality_class, _ in found}) < 2:
        yield "tier standard has activations of one class only: add one of another"
    if found and all(alpha == 1 for _, alpha in found):
        yield "tier standard has no activation with alpha != 1: add gelu or silu"
    sizes = [tuple(case[k] for k in ("L", "r") if k in dict(case.parameters)) for case in cases]
    if any(sizes) and len(set(sizes)) < 2:
        yield "tier standard has one depth and one r only: add another"
    # Declared, not timed: the benchmark of commands holds the declared seconds against the measured ones.
    declared = sum(case.seconds for case in claim.cases_in(Tier.SMOKE))
    if declared > MOST_SMOKE_SECONDS:
        yield f"tier smoke declares {declared:g} s, at most {MOST_SMOKE_SECONDS:g} s are allowed"


def _classified(case: Case) -> tuple[str, object] | None:
    """(class, alpha) of the case's activation; None where it has none, or none of the catalogue."""
    import symbolic

    name = dict(case.parameters).get("activation")
    if not isinstance(name, str) or name not in symbolic.catalogue():
        return None
    classification = symbolic.classify(symbolic.activation(name))
    return classification.universality_class, classification.alpha


def heard_in_smoke(claim: Claim) -> Iterator[str]:
    """6. Tier smoke hears the claim: as expected, every counterfeit refuted, the nearest tried, a table row made."""
    from verify.render import latex

    cases = claim.cases_in(Tier.SMOKE)
    if not cases:
        yield "no case is in tier smoke: without one the claim is not verified by default"
        return
    results = tuple(judge(claim, case, Context()) for case in cases)
    nearest = next(counterfeit.name for counterfeit in claim.counterfeits if counterfeit.nearest)
    if nearest not in {c.name for result in results for c in result.counterfeits}:
        yield f"the nearest counterfeit {nearest!r} is tried in no smoke case"
    grades = [grade.value for grade in Evidence]
    for result in results:
        if result.verdict is Verdict.SKIPPED:
            continue
        if result.as_expected is not True:
            yield f"[{result.case}] is {_said(result)}"
        yield from (
            f"[{result.case}] does not refute the counterfeit {c.name!r}: {c.verdict}"
            for c in result.counterfeits
            if not c.refuted
        )
        if result.evidence and grades.index(result.evidence) < grades.index(claim.evidence.value):
            yield f"[{result.case}] is graded {result.evidence}, stronger than the claim's {claim.evidence.value}"
    table = latex.render(_as_run(results)).get(f"{latex.label(claim.theorem)}.tex", "")
    if rf"\texttt{{{latex.identifier(claim.id)}}}" not in table:
        yield "its results make no row in the table of its theorem"


def every_counterfeit_is_tried(claim: Claim) -> Iterator[str]:
    """6. Each counterfeit says something false in at least one case of tier standard."""
    for counterfeit in claim.counterfeits:
        if all(counterfeit.alter(case, claim.predict(case)) is None for case in claim.cases_in(Tier.STANDARD)):
            yield f"the counterfeit {counterfeit.name!r} says the truth in every case of tier standard: change it"


RULES: Mapping[str, Rule] = {
    "1 independent": independent,
    "2 turns around": turns_around,
    "4 sharp": sharp,
    "5 spread": spread,
    "6 heard": heard_in_smoke,
    "6 counterfeits": every_counterfeit_is_tried,
}


def breaches(claim: Claim) -> Iterator[str]:
    """Every rule that ``claim`` breaks, as ``rule: sentence``; a claim that raises breaks the rule it raises in."""
    for name, rule in RULES.items():
        try:
            yield from (f"{name}: {sentence}" for sentence in rule(claim))
        except Exception as error:  # a claim is user code
            yield f"{name}: {type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _said(result: Result) -> str:
    return f"{result.verdict.value}{f' ({result.reason})' if result.reason else ''}"


def _as_run(results: tuple[Result, ...]) -> Results:
    run = RunRecord(
        id="conformance",
        started="",
        tier="smoke",
        seed=0,
        device="cpu",
        dtype="float64",
        commit=None,
        command="",
        versions={},
        conventions={},
        complete=True,
        exit_code=0,
    )
    return Results(schema=SCHEMA, run=run, results=results)
