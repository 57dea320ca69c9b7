"""Errata: what a paper printed, why it fails and what is true, each with the verdicts that show it."""

from __future__ import annotations

from dataclasses import dataclass

from verify.render.summary import ClaimSummary, by_claim
from verify.results import ErratumRecord, Results


@dataclass(frozen=True)
class Erratum:
    """One printed statement that does not hold.

    claim: the verdicts on the printed statement. corrected: those on what holds instead, or None where that claim was
    not part of the run. source: where it is printed.
    """

    record: ErratumRecord
    claim: ClaimSummary
    corrected: ClaimSummary | None
    source: str

    @property
    def shown(self) -> str:
        """What the run says of both readings, in words."""
        other = f"{self.corrected.claim}: {self.corrected.verdict_text}" if self.corrected else "not part of this run"
        return f"printed: {self.claim.verdict_text}; corrected: {other}"


def errata(results: Results) -> list[Erratum]:
    """The errata that the run heard, in the order of the catalogue."""
    summaries = {summary.claim: summary for summary in by_claim(results.results)}
    return [
        Erratum(record.erratum, summaries[name], summaries.get(record.erratum.corrected), record.source)
        for name, record in results.run.claims.items()
        if record.erratum is not None and name in summaries
    ]
