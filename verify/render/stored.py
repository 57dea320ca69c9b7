"""Reading the cases of one claim and their series back from a record, whatever it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from verify.results import Number, Result, Results, Verdict, as_float

_MOST = 1e100  # no axis can show more; NaN and infinities are not below it
_SHOWN_FIRST = ("tanh", "gelu")  # the activations of the paper's figures: a figure of one net shows the first there is


@dataclass(frozen=True)
class Stored:
    """A case of a record: its parameters as text, its values and its series as finite floats."""

    result: Result

    @cached_property
    def parameters(self) -> dict[str, str]:
        """``key=value`` pairs of the case."""
        pairs = (pair.partition("=") for pair in self.result.case.split(","))
        return {key: value for key, _, value in pairs}

    def word(self, name: str) -> str:
        """A parameter, "?" where there is none."""
        return self.parameters.get(name, "?")

    def integer(self, name: str) -> int:
        """A parameter that is an integer; 0 where it is none."""
        text = self.parameters.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0

    @property
    def predicted(self) -> float | None:
        """The predicted value, None where it is no finite number."""
        return _finite(self.result.predicted.value)

    @property
    def measured(self) -> float | None:
        """The measured value, None where it is no finite number."""
        return _finite(self.result.measured.value)

    @property
    def budget(self) -> float | None:
        """The tolerance, None where it is not finite."""
        return _finite(self.result.budget.total)

    def numbers(self, name: str) -> tuple[float, ...] | None:
        """A series, None where it is absent, empty, or holds what is no finite number."""
        values = [_finite(value) for value in self.result.series.get(name, ())]
        return tuple(v for v in values if v is not None) if values and None not in values else None

    def has(self, *names: str) -> bool:
        """Whether all these series are there, of one length, those of eps positive."""
        found = [self.numbers(name) for name in names]
        return (
            None not in found
            and len({len(series) for series in found if series is not None}) == 1
            and all(
                series is not None and ("eps" not in name or min(series) > 0)
                for name, series in zip(names, found, strict=True)
            )
        )

    def points(self, x: str, y: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Two series that `has` has found."""
        across, up = self.numbers(x), self.numbers(y)
        assert across is not None
        assert up is not None
        return across, up

    def curve(self, x: str, y: str, *, size: bool = False) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """Two series, None where `has` does not find them; the absolute values of the second with ``size``."""
        if not self.has(x, y):
            return None
        across, up = self.points(x, y)
        return across, tuple(map(abs, up)) if size else up


def stored(results: Results, claim: str) -> list[Stored]:
    """The cases of ``claim``, in the order of the record."""
    return [Stored(result) for result in results.results if result.claim == claim]


def preferred(cases: Sequence[Stored]) -> Stored:
    """The case that a figure of one net shows: by activation, then the first."""
    rank = {name: k for k, name in enumerate(_SHOWN_FIRST)}
    return min(cases, key=lambda case: rank.get(case.word("activation"), len(rank)))


def if_passed(cases: Sequence[Stored], sentence: str) -> str:
    """What a reader who does not see the figure is told of the agreement: only where every case has passed."""
    fallen = sum(case.result.verdict is not Verdict.PASS for case in cases)
    return sentence if not fallen else f"Of the {len(cases)} cases shown {fallen} did not pass."


def named(case: Stored, *names: str) -> str:
    """``tanh, L = 4, ntk``: the parameters of these names that the case has, activation and parameterisation bare."""
    pairs = [(name, case.parameters[name]) for name in names if name in case.parameters]
    bare = ("activation", "parameterisation")
    return ", ".join(value if name in bare else f"{name} = {value}" for name, value in pairs)


def _finite(value: Number) -> float | None:
    number = as_float(value)
    return number if number is not None and abs(number) < _MOST else None
