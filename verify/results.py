"""The record of a run: ``results.json``, the single source of every report (schema results-1, CONTRACT).

Everything here is plain data. JSON has no infinity and no NaN: non-finite numbers are written as strings, and so are
decimals of more than 15 digits. A file that is read may come from anywhere: its size has a bound, names that reports
make files and anchors of must be such names, and control characters (which a terminal would obey) become "?".
"""

from __future__ import annotations

import enum
import json
import math
import re
from numbers import Integral
from pathlib import Path
from typing import Any, SupportsFloat

import msgspec

SCHEMA = "results-1"
RESULTS_FILE = "results.json"
LARGEST = 128 << 20  # bytes: a hundred times tier full of every claim that we have

CLAIM_ID = re.compile(r"[a-z0-9]+(-[A-Za-z0-9]+)*(\.[a-z0-9]+(-[A-Za-z0-9]+)*)+")
THEOREM = re.compile(r"[A-Z][A-Za-z0-9-]{0,30}")
LONGEST_ID = 200  # characters: an id is also the name of a folder


class Verdict(enum.Enum):
    """The closed list of verdicts."""

    PASS = "pass"
    FAIL = "fail"
    REFUTED_AS_EXPECTED = "refuted-as-expected"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    SKIPPED = "skipped"


REASONS = ("undecided", "vacuous", "blocked-by", "budget", "optional-data", "error")
"""First words of ``Result.reason``, which is empty for the other verdicts."""

Number = float | int | str | None


class Quantity(msgspec.Struct, frozen=True, kw_only=True):
    """A predicted or measured value. ``value`` is null where there is no single number, and ``text`` then says it."""

    value: Number = None
    text: str = ""
    unit: str = ""


class BudgetRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The five parts of the tolerance and their total."""

    discretisation: Number = 0.0
    sampling: Number = 0.0
    finite_width: Number = 0.0
    finite_eps: Number = 0.0
    rounding: Number = 0.0
    total: Number = 0.0


class HypothesisRecord(msgspec.Struct, frozen=True):
    """A hypothesis of the theorem and whether this case satisfies it."""

    name: str
    holds: bool


class CounterfeitRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How a counterfeit fared: ``margin`` = |counterfeit - measured| / budget; ``transplant``: its kind, if any."""

    name: str
    verdict: str
    refuted: bool
    margin: Number = None
    transplant: str = ""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One case of one claim, judged. ``as_expected`` is null where nothing was decided.

    ``component``: which of several quantities that were compared the values are of, the one that is furthest off.
    ``series``: named curves that the witnesses brought for the figures.
    """

    claim: str
    theorem: str
    reading: str
    expect: str
    as_expected: bool | None
    case: str
    verdict: Verdict
    reason: str = ""
    evidence: str | None = None
    component: str = ""
    predicted: Quantity = Quantity()
    measured: Quantity = Quantity()
    budget: BudgetRecord = BudgetRecord()
    hypotheses: tuple[HypothesisRecord, ...] = ()
    counterfeits: tuple[CounterfeitRecord, ...] = ()
    series: dict[str, tuple[Number, ...]] = {}
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if not CLAIM_ID.fullmatch(self.claim) or len(self.claim) > LONGEST_ID:
            raise ValueError(f"claim is {self.claim[:60]!a}, expected kebab-case words joined by dots")
        if not THEOREM.fullmatch(self.theorem):
            raise ValueError(f"theorem is {self.theorem[:60]!a}, expected T1, T2, ..., or a word such as Saxe")

    @property
    def key(self) -> str:
        """``CLAIM[case]``, as the commands accept it."""
        return f"{self.claim}[{self.case}]"


class ErratumRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong in a printed statement, and the claim that verifies what holds instead."""

    printed: str
    fails: str
    true: str
    corrected: str


class ClaimRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says of a claim besides its verdicts."""

    title: str
    plain: str
    latex: str
    source: str
    theorem: str
    reading: str
    depends: tuple[str, ...] = ()
    witnesses: tuple[str, ...] = ()
    counterfeits: tuple[str, ...] = ()
    nearest: str = ""
    indifferent: dict[str, str] = {}
    erratum: ErratumRecord | None = None


class StoredRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Where a verdict comes from that was not heard in this run: when it was reached, and at which commit."""

    date: str
    commit: str | None


class ActivationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An activation of the catalogue, as the symbolic witness knows it; formulas are LaTeX.

    latex: s(z). phi: the leading terms of phi(z) = z s'(z) - s(z). alpha: s'(0), exact, null where it does not exist.
    h: E[g s(g)] to 12 digits, all certified by an enclosure of radius h_radius, null where there is none; h_latex: its
    closed form, or "". K: the prefactor in ntk for L = 4 and N = 64 to 6 digits, null where the theory has no law.
    """

    name: str
    parameters: dict[str, str] = {}
    latex: str
    phi: str
    universality_class: str
    order: int | None
    alpha: str | None
    alpha_latex: str = ""
    h: str | None
    h_radius: str | None
    h_latex: str = ""
    K: str | None


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The circumstances of a run. ``exit_code`` is null and ``complete`` false while it goes on.

    stored: result (``CLAIM[case]``) -> where a verdict comes from that was taken from the store. digests:
    result -> digest of the sources that it depends on. warnings: what a reader must know of the run itself.
    activations: the catalogue as a table, in a run that hears claims of T2.
    """

    id: str
    started: str
    tier: str
    seed: int
    device: str
    dtype: str
    commit: str | None
    command: str
    versions: dict[str, str]
    conventions: dict[str, str]
    complete: bool
    exit_code: int | None
    seconds: float = 0.0
    workers: int = 1
    budget: float | None = None
    claims: dict[str, ClaimRecord] = {}
    stored: dict[str, StoredRecord] = {}
    digests: dict[str, str] = {}
    warnings: tuple[str, ...] = ()
    activations: tuple[ActivationRecord, ...] = ()


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """A whole ``results.json``."""

    schema: str
    run: RunRecord
    results: tuple[Result, ...]


LARGEST_INTEGER = 10**15  # from here on an integer has more than 15 digits, and many a reader of JSON rounds it


def number(value: SupportsFloat | str | None) -> Number:
    """``value`` as results.json writes it, whatever kind of number a witness brings (NumPy's, a tensor of one element).

    Non-finite numbers become "Infinity", "-Infinity" or "NaN", integers of more than 15 digits decimal strings.
    """
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    if isinstance(value, Integral):
        return int(value) if abs(int(value)) < LARGEST_INTEGER else str(int(value))
    plain = float(value)
    if not math.isfinite(plain):
        return "NaN" if math.isnan(plain) else ("Infinity" if plain > 0 else "-Infinity")
    return plain


def as_float(value: Number) -> float | None:
    """The number behind a recorded value, or None for text that is not a decimal number."""
    if value is None:
        return None
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        return math.inf if int(value) > 0 else -math.inf
    except ValueError:
        return None


def encode(results: Results) -> bytes:
    """JSON text of ``results``: two-space indentation, so that a diff of two runs can be read."""
    return msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n"


def read(path: Path) -> Results:
    """Read and check a results.json; ``ValueError`` names the file and the path of the wrong field."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"{path} is larger than {LARGEST} bytes: no run writes so much")
        results = msgspec.json.decode(content, type=Results)
        if _CONTROL_IN_JSON.search(content):
            results = msgspec.convert(_printable(msgspec.to_builtins(results)), Results)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}; name a folder that a run has written") from error
    except RecursionError as error:
        raise ValueError(f"{path} is not a {SCHEMA} file: it is nested too deeply") from error
    except msgspec.ValidationError as error:
        raise ValueError(f"{path} is not a {SCHEMA} file: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if results.schema != SCHEMA:
        raise ValueError(
            f"{path} has the schema {results.schema!r}, expected {SCHEMA!r}: read it with the version that wrote it"
        )
    return results


# What a terminal obeys, and what turns the direction of a text; tab and line feed are harmless.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
# The same in JSON, escaped or as it stands; harmless escapes that look alike only cost a second look.
_CONTROL_IN_JSON = re.compile(
    rb"\\u00(?:[01]|7[fF]|[89])|\\u20[26]|\\[bf]|\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]"
)


def printable(text: str) -> str:
    """``text`` with a question mark for every control character but tab and line feed."""
    return _CONTROL.sub("?", text)


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(name): _printable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(inner) for inner in value]
    return value


def schema_text() -> str:
    """The JSON schema of results.json, generated from the records above; committed copies are compared with it."""
    schema: dict[str, Any] = msgspec.json.schema(Results)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["$id"] = "results-1.json"
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")
