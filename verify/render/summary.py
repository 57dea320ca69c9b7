"""What a run says as a whole: one line a claim, power, grades, the worst first. Shared by every report format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from verify.results import Result, Results, Verdict, as_float

WORST_FIRST = (
    Verdict.ERROR,
    Verdict.FAIL,
    Verdict.INCONCLUSIVE,
    Verdict.SKIPPED,
    Verdict.REFUTED_AS_EXPECTED,
    Verdict.PASS,
)
assert set(WORST_FIRST) == set(Verdict)

GRADES = ("proof", "certified", "exact", "numerical", "statistical")


@dataclass(frozen=True)
class ClaimSummary:
    """All cases of one claim: its worst verdict, and the case that came nearest to (or beyond) its tolerance."""

    claim: str
    theorem: str
    reading: str
    results: tuple[Result, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the cases; a pass that was not expected counts before all others."""
        return self.telling.verdict

    @property
    def telling(self) -> Result:
        """The case to show: worst verdict first, then the largest deviation in budgets; a skipped one if all are."""
        heard = [r for r in self.results if r.verdict is not Verdict.SKIPPED] or self.results
        return min(heard, key=lambda r: (severity(r), -deviation(r)))

    @property
    def grades(self) -> tuple[str, ...]:
        """The evidence grades of the cases, strongest first."""
        return tuple(grade for grade in GRADES if any(r.evidence == grade for r in self.results))

    @property
    def seconds(self) -> float:
        """CPU seconds of the cases together."""
        return sum(result.seconds for result in self.results)

    @property
    def verdict_text(self) -> str:
        """The verdicts in words, with their counts where there are several cases."""
        counts = Counter(result.verdict for result in self.results)
        if self.telling.as_expected is False and self.telling.verdict is Verdict.PASS:
            return "pass (not expected)"
        return " ".join(
            verdict.value if len(self.results) == 1 else f"{counts[verdict]} {verdict.value}"
            for verdict in WORST_FIRST
            if verdict in counts
        )


def severity(result: Result) -> int:
    """Rank for sorting, worst first."""
    if result.as_expected is False:
        return WORST_FIRST.index(Verdict.FAIL)
    return WORST_FIRST.index(result.verdict)


def deviation(result: Result) -> float:
    """|measured - predicted| in units of the tolerance; 0 where that has no meaning."""
    predicted, measured = as_float(result.predicted.value), as_float(result.measured.value)
    total = as_float(result.budget.total)
    if predicted is None or measured is None or not total or not total > 0:
        return 0.0
    return abs(measured - predicted) / total


def by_claim(results: Iterable[Result]) -> list[ClaimSummary]:
    """One summary a claim, in the order of the record."""
    grouped: dict[str, list[Result]] = {}
    for result in results:
        grouped.setdefault(result.claim, []).append(result)
    return [ClaimSummary(c, rs[0].theorem, _readings(rs), tuple(rs)) for c, rs in grouped.items()]


def _readings(results: Iterable[Result]) -> str:
    """The reading, or all of them where the cases of one claim differ."""
    return ", ".join(dict.fromkeys(result.reading for result in results))


def verdict_line(results: Results) -> str:
    """Counts of claims and cases by verdict, and of claims by their strongest grade of evidence."""
    counts = Counter(result.verdict for result in results.results)
    claims = by_claim(results.results)
    parts = [f"{counts[verdict]} {verdict.value}" for verdict in WORST_FIRST[::-1] if counts[verdict]]
    grades = Counter(summary.grades[0] for summary in claims if summary.grades)
    graded = ", ".join(f"{grades[grade]} {grade}" for grade in GRADES if grades[grade])
    return f"{len(claims)} claims, {len(results.results)} cases: {', '.join(parts) or 'none'}" + (
        f" | evidence (strongest case of a claim): {graded}" if graded else ""
    )


def notes(results: Results) -> list[str]:
    """Sentences that a reader must not miss."""
    run = results.run
    said = list(run.warnings)
    if run.stored:
        dates = sorted(record.date for record in run.stored.values())
        said.append(
            f"{len(run.stored)} of {len(results.results)} verdicts come from the store, reached between {dates[0]} and "
            f"{dates[-1]}, since nothing that they depend on has changed (--fresh hears them again)."
        )
    if not run.complete:
        said.append("This run was interrupted: only the cases listed here have verdicts.")
    if run.budget is not None and any(result.reason.startswith("budget") for result in results.results):
        said.append(
            f"The run was limited to {run.budget:g} s and did not finish: it is not comparable with a whole one."
        )
    skipped = sum(result.verdict is Verdict.SKIPPED for result in results.results)
    if skipped:
        said.append(f"{skipped} case{'s' * (skipped > 1)} skipped: optional data are absent.")
    return said


def likely_causes(result: Result) -> list[str]:
    """For a verdict that needs attention: what to suspect, likeliest first, and how to hear the case again."""
    if (
        result.verdict in (Verdict.PASS, Verdict.REFUTED_AS_EXPECTED, Verdict.SKIPPED)
        and result.as_expected is not False
    ):
        return []
    if result.verdict in (Verdict.ERROR, Verdict.INCONCLUSIVE):
        causes = [result.reason]
    else:
        off = deviation(result)
        size = f"off by {off:.3g} budgets" if off else "the exact residual is not zero"
        causes = [
            f"{size}: the theorem as read here ({result.reading}) is wrong for this case",
            "the code of one witness is wrong: compare with a case that passes",
            "the budget leaves out a source of error: look at its parts",
        ]
    return [*causes, f"replay: saddle-escape run '{result.key}' -v"]


@dataclass(frozen=True)
class Attention:
    """Something that a reader must act on: what it is, the causes, the way back to it, and how bad it is.

    severity: place in ``WORST_FIRST``.
    """

    heading: str
    lines: tuple[str, ...]
    severity: int

    @property
    def grave(self) -> bool:
        """Whether it makes the run fail, strict or not."""
        return self.severity <= _FAIL


_FAIL = WORST_FIRST.index(Verdict.FAIL)
MOST_CASES = 4  # cases of one claim that are shown in full; of the others, the number


def needing_attention(results: Results) -> list[Attention]:
    """Cases and counterfeits that did not go as they should, the worst first, at most a few of each claim."""
    found: list[Attention] = []
    for summary in by_claim(results.results):
        bad = sorted((r for r in summary.results if likely_causes(r)), key=severity)
        found += [
            Attention(f"{r.verdict.value}: {r.key}", tuple(likely_causes(r)), severity(r)) for r in bad[:MOST_CASES]
        ]
        if len(bad) > MOST_CASES:
            found.append(
                Attention(
                    f"{summary.claim}: {len(bad) - MOST_CASES} more cases like these", (), severity(bad[MOST_CASES])
                )
            )
        for name in dict.fromkeys(c.name for r in summary.results for c in r.counterfeits if not c.refuted):
            where = [(r, c) for r in summary.results for c in r.counterfeits if c.name == name and not c.refuted]
            result, counterfeit = where[0]
            more = f", and in {len(where) - 1} more cases" * (len(where) > 1)
            lines = (f"{counterfeit.verdict} in {result.key}{more}", f"replay: saddle-escape run '{result.key}' -v")
            found.append(Attention(f"counterfeit not refuted: {summary.claim}, {name!r}", lines, _FAIL))
    return sorted(found, key=lambda attention: attention.severity)
