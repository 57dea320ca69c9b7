"""Power: which wrong predictions the checks refuted, by theorem and by kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from verify.results import Results
from verify.transplant import KINDS

OWN = "own counterfeits"
COLUMNS = (OWN, *KINDS)


@dataclass(frozen=True)
class Cell:
    """How many wrong predictions of one kind were tried on the cases of one theorem, and how many were refuted."""

    refuted: int
    tried: int

    @property
    def text(self) -> str:
        """``12/12``, or a dash where the kind does not apply."""
        return f"{self.refuted}/{self.tried}" if self.tried else "-"

    @property
    def sound(self) -> bool:
        """Whether nothing that was tried survived."""
        return self.refuted == self.tried


def power_matrix(results: Results) -> dict[str, tuple[Cell, ...]]:
    """Theorem -> one cell for each of ``COLUMNS``."""
    tried: Counter[tuple[str, str]] = Counter()
    refuted: Counter[tuple[str, str]] = Counter()
    for result in results.results:
        for counterfeit in result.counterfeits:
            key = result.theorem, counterfeit.transplant or OWN
            tried[key] += 1
            refuted[key] += counterfeit.refuted
    return {
        theorem: tuple(Cell(refuted[theorem, kind], tried[theorem, kind]) for kind in COLUMNS)
        for theorem in dict.fromkeys(result.theorem for result in results.results)
    }


def power_line(results: Results) -> str:
    """``93 of 93 counterfeits refuted (transplants: 41 of 41)``."""
    counterfeits = [counterfeit for result in results.results for counterfeit in result.counterfeits]
    transplants = [counterfeit for counterfeit in counterfeits if counterfeit.transplant]
    text = f"{sum(c.refuted for c in counterfeits)} of {len(counterfeits)} counterfeits refuted"
    if transplants:
        text += f" (transplants: {sum(c.refuted for c in transplants)} of {len(transplants)})"
    return text
