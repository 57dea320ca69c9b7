"""A claim: one theorem, in one reading, called before the court. Frozen records only; nothing heavy is imported."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from verify.results import CLAIM_ID, LONGEST_ID, THEOREM
from verify.values import Evidence, Measurement, Prediction


class Reading(enum.Enum):
    """As the paper prints it, corrected by us, or our own statement."""

    AS_PRINTED = "as-printed"
    CORRECTED = "corrected"
    OURS = "ours"


class Expect(enum.Enum):
    """What the suite expects of a claim. Only the engine reads it; the decision never does."""

    HOLDS = "holds"
    REFUTED = "refuted"


class Tier(enum.IntEnum):
    """Tiers by cost; a case of one tier is part of every larger one."""

    SMOKE = 0
    STANDARD = 1
    FULL = 2

    @property
    def label(self) -> str:
        """Name on the command line."""
        return self.name.lower()


class Witness(enum.Enum):
    """Who is heard: ``symbolic`` derives, ``numeric`` measures."""

    SYMBOLIC = "symbolic"
    NUMERIC = "numeric"


Parameter: TypeAlias = int | float | str


@dataclass(frozen=True)
class Case:
    """One instance of a claim: parameters in declared order, the smallest tier that includes it, seconds expected.

    expect, reading: those of the claim unless the case says otherwise.
    """

    parameters: tuple[tuple[str, Parameter], ...]
    tier: Tier
    seconds: float
    expect: Expect | None = None
    reading: Reading | None = None

    def __getitem__(self, name: str) -> Parameter:
        for key, value in self.parameters:
            if key == name:
                return value
        raise KeyError(f"the case {self.text} has no parameter {name!r}")

    def integer(self, name: str) -> int:
        """The parameter ``name``, which must be an integer."""
        value = self[name]
        if not isinstance(value, int):
            raise TypeError(f"parameter {name} of case {self.text} is {value!r}, expected an integer")
        return value

    def real(self, name: str) -> float:
        """The parameter ``name`` as a float."""
        return float(self[name])

    def word(self, name: str) -> str:
        """The parameter ``name`` as text."""
        return str(self[name])

    @property
    def text(self) -> str:
        """``key=value`` pairs in declared order, as in results.json."""
        return ",".join(f"{key}={value}" for key, value in self.parameters)


def case(
    tier: Tier,
    seconds: float,
    *,
    expect: Expect | None = None,
    reading: Reading | None = None,
    **parameters: Parameter,
) -> Case:
    """Shorthand: ``case(Tier.SMOKE, .1, r=3, L=5, activation="tanh")``."""
    return Case(tuple(parameters.items()), tier, seconds, expect, reading)


@dataclass(frozen=True)
class Context:
    """What a measurement may know besides its case: nothing that the prediction says.

    seed: derived from the run's seed, the claim and the case. device: a torch device; verdicts are in float64 on any.
    """

    seed: int = 0
    device: str = "cpu"


def _always(_: Case) -> bool:
    return True


@dataclass(frozen=True)
class Hypothesis:
    """A hypothesis of the theorem, checked case by case and recorded with the result.

    assumed: the statement needs it (a case where it fails is vacuous); False records it for the reader only.
    """

    name: str
    holds: Callable[[Case], bool] = _always
    assumed: bool = True


@dataclass(frozen=True)
class Counterfeit:
    """The same theorem with one thing wrong; the same check must refute it.

    alter: (case, honest prediction) -> altered prediction, or None where the counterfeit happens to say the truth.
    nearest: one that a careful author could have printed; each claim has one. transplant: the kind of transplant that
    this is (``verify.transplant``), where the prediction of another case cannot simply be asked for.
    """

    name: str
    alter: Callable[[Case, Prediction], Prediction | None]
    nearest: bool = False
    transplant: str = ""


@dataclass(frozen=True)
class Erratum:
    """What is wrong in a printed statement.

    printed: the statement as it stands, in words. fails: why, with the computation that shows it. true: what holds
    instead. corrected: id of the claim that verifies what holds instead.
    """

    printed: str
    fails: str
    true: str
    corrected: str


ID = CLAIM_ID


@dataclass(frozen=True, kw_only=True)
class Claim:
    r"""One theorem in one reading.

    id: stable, kebab-case, ``theorem.aspect``. theorem: T1..T8, or a word of one's own for another paper. title: a few
    words for a table.
    latex, plain: the statement, typeset and in one plain sentence. source: document and place in words.
    assumes: hypotheses. depends: ids of the claims that it builds on. witnesses: who is heard.
    predict: case -> Prediction (calls ``symbolic`` only). measure: (case, context) -> Measurement (``numeric`` only;
    for a proof, the identity's other side from ``symbolic``). corrected: the corrected prediction, which an as-printed
    claim that is expected refuted must bring, so that one can see the check turn around. erratum: what the report's
    section Errata says of such a claim. indifferent: kind of transplant -> the sentence why the statement does not
    depend on it (see ``verify.transplant``); a transplant whose prediction is equal needs no such sentence.
    Raises ``ValueError`` when a field breaks a rule of the house.
    """

    id: str
    theorem: str
    title: str
    latex: str
    plain: str
    source: str
    reading: Reading
    evidence: Evidence
    witnesses: tuple[Witness, ...]
    cases: tuple[Case, ...]
    predict: Callable[[Case], Prediction]
    measure: Callable[[Case, Context], Measurement]
    counterfeits: tuple[Counterfeit, ...]
    assumes: tuple[Hypothesis, ...] = ()
    depends: tuple[str, ...] = ()
    expect: Expect = Expect.HOLDS
    corrected: Callable[[Case], Prediction] | None = field(default=None)
    erratum: Erratum | None = None
    indifferent: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for broken, rule in (
            (not ID.fullmatch(self.id), "an id is kebab-case words joined by dots, such as critical-depth.exponent"),
            (len(self.id) > LONGEST_ID, f"an id has at most {LONGEST_ID} characters"),
            (
                not THEOREM.fullmatch(self.theorem),
                "a theorem is T1, T2, ..., or a word such as Saxe",
            ),
            (not self.cases, "a claim needs at least one case"),
            (len({c.text for c in self.cases}) != len(self.cases), "two cases have the same parameters"),
            (
                not self.counterfeits,
                "a claim needs at least one counterfeit: a check that refutes nothing shows nothing",
            ),
            (sum(c.nearest for c in self.counterfeits) != 1, "exactly one counterfeit is the nearest"),
            (not self.assumes, "a claim states its hypotheses"),
            (not self.witnesses, "a claim names its witnesses"),
            (
                any(self.expected(c) is Expect.REFUTED and self.read(c) is not Reading.AS_PRINTED for c in self.cases),
                "only a claim that is read as printed may be expected refuted",
            ),
            (
                self.corrected is None and any(self.expected(c) is Expect.REFUTED for c in self.cases),
                "a claim that is expected refuted brings the corrected prediction",
            ),
            (
                (self.erratum is not None) != any(self.expected(c) is Expect.REFUTED for c in self.cases),
                "a claim that is expected refuted, and only such a one, brings its erratum",
            ),
        ):
            if broken:
                raise ValueError(f"claim {self.id!r}: {rule}")

    def expected(self, case: Case) -> Expect:
        """What the suite expects of ``case``."""
        return case.expect or self.expect

    def read(self, case: Case) -> Reading:
        """The reading of ``case``."""
        return case.reading or self.reading

    def cases_in(self, tier: Tier) -> tuple[Case, ...]:
        """The cases that ``tier`` includes, in declared order."""
        return tuple(case for case in self.cases if case.tier <= tier)
