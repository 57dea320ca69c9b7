"""What changed between two runs: verdicts first, then values beyond their budgets, claims gained and lost, environment.

The order of verdicts is pass < inconclusive, skipped < fail < error (CONTRACT); refuted-as-expected counts with pass,
and a pass that was not expected with fail. Pure functions of two records.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from verify.results import Number, Result, Results, Verdict, as_float

RANK = {
    Verdict.PASS: 0,
    Verdict.REFUTED_AS_EXPECTED: 0,
    Verdict.INCONCLUSIVE: 1,
    Verdict.SKIPPED: 1,
    Verdict.FAIL: 2,
    Verdict.ERROR: 3,
}
assert set(RANK) == set(Verdict)


def rank(result: Result) -> int:
    """Place of a result in the order of verdicts."""
    return RANK[Verdict.FAIL] if result.as_expected is False else RANK[result.verdict]


@dataclass(frozen=True)
class Change:
    """One difference: what it concerns, what it was and is, and whether it is for the worse."""

    subject: str
    before: str
    after: str
    worse: bool

    @property
    def text(self) -> str:
        """One line."""
        return f"{self.subject}: {self.before} -> {self.after}"


@dataclass(frozen=True)
class Comparison:
    """Everything that differs between two runs, the worst first within each list."""

    verdicts: tuple[Change, ...]
    values: tuple[Change, ...]
    counterfeits: tuple[Change, ...]
    lost: tuple[str, ...]
    added: tuple[str, ...]
    environment: tuple[Change, ...]

    @property
    def worse(self) -> bool:
        """Whether a verdict moved to the right, a claim or case was lost, a value moved, or power was lost."""
        return bool(self.lost or self.values) or any(c.worse for c in (*self.verdicts, *self.counterfeits))


def compare(before: Results, after: Results) -> Comparison:
    """Compare two runs case by case; cases are matched by claim and parameters."""
    old, new = ({result.key: result for result in results.results} for results in (before, after))
    common = [(old[key], new[key]) for key in old if key in new]
    # A claim that is gone is said once, not once for each of its cases.
    old_claims, new_claims = ({result.claim for result in results.results} for results in (before, after))
    return Comparison(
        verdicts=_worst_first(
            Change(b.key, _word(a), _word(b), rank(b) > rank(a)) for a, b in common if _word(a) != _word(b)
        ),
        values=tuple(change for a, b in common if (change := _moved(a, b)) is not None),
        counterfeits=_worst_first(change for a, b in common for change in _power(a, b)),
        lost=_missing(old, old_claims - new_claims, new),
        added=_missing(new, new_claims - old_claims, old),
        environment=_environment(before, after),
    )


def _worst_first(changes: Iterable[Change]) -> tuple[Change, ...]:
    return tuple(sorted(changes, key=lambda change: not change.worse))


def _word(result: Result) -> str:
    return result.verdict.value + (" (not expected)" if result.as_expected is False else "")


def _moved(a: Result, b: Result) -> Change | None:
    """A measured value that moved by more than the sum of both budgets.

    Of several quantities a result tells the one that is furthest off; where that is another one now, or one of the two
    runs measured nothing, there are no two values to compare, and the verdicts say what is to be said.
    """
    if a.component != b.component or a.measured.value is None or b.measured.value is None:
        return None
    x, y = as_float(a.measured.value), as_float(b.measured.value)
    if x is None or y is None:
        same = a.measured.value == b.measured.value
        return None if same else Change(b.key, str(a.measured.value), str(b.measured.value), True)
    room = (as_float(a.budget.total) or 0.0) + (as_float(b.budget.total) or 0.0)
    if x == y or abs(x - y) <= room or (math.isnan(x) and math.isnan(y)):
        return None
    return Change(b.key, _digits(a.measured.value), f"{_digits(b.measured.value)}, budgets {room:.3g} together", True)


def _digits(value: Number) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _power(a: Result, b: Result) -> list[Change]:
    """Counterfeits that were refuted and no longer are, or the other way round."""
    refuted = {c.name: c.refuted for c in a.counterfeits}
    return [
        Change(f"{b.key}, counterfeit {c.name!r}", _refuted(refuted[c.name]), _refuted(c.refuted), not c.refuted)
        for c in b.counterfeits
        if c.name in refuted and refuted[c.name] != c.refuted
    ]


def _refuted(value: bool) -> str:
    return "refuted" if value else "not refuted"


def _missing(these: dict[str, Result], whole_claims: set[str], others: dict[str, Result]) -> tuple[str, ...]:
    gone = dict.fromkeys(
        these[key].claim if these[key].claim in whole_claims else key for key in these if key not in others
    )
    return tuple(gone)


def _environment(before: Results, after: Results) -> tuple[Change, ...]:
    def facts(results: Results) -> dict[str, str]:
        run = results.run
        circumstances = ("tier", "seed", "device", "dtype", "commit")
        return {name: str(getattr(run, name)) for name in circumstances} | run.versions

    a, b = facts(before), facts(after)
    return tuple(
        Change(name, a.get(name, "absent"), b.get(name, "absent"), False)
        for name in dict.fromkeys([*a, *b])
        if a.get(name) != b.get(name)
    )
