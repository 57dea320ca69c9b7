"""Which claims and cases a command means: selectors, the ``-k`` filter, and the nearest name to a misspelt one.

Pure functions on strings: nothing heavy is imported, so that ``list`` and ``--help`` stay fast. A selector is one of

``critical-depth.exponent``            a claim, with all its cases
``critical-depth.exponent[r=3,L=5]``   one case of it
``critical-depth.``                    every claim whose id begins so (the dot ends the prefix)
``T1`` .. ``T8``                       every claim of that theorem

A filter is ``and`` / ``or`` / ``not`` and parentheses over words; a word holds when it occurs, upper and lower case
alike, in ``id[key=value,key=value]``.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

THEOREMS = tuple(f"T{number}" for number in range(1, 9))

MAX_LENGTH = 500  # characters of a selector or a filter: a command line's worth, and a bound on the work
MAX_DEPTH = 25  # nested parentheses and negations: far below Python's recursion limit

_CLAIM_ID = re.compile(r"[a-z0-9]+(-[A-Za-z0-9]+)*(\.[a-z0-9]+(-[A-Za-z0-9]+)*)*")
_TOKEN = re.compile(r"[ \t]*(?:(?P<parenthesis>[()])|(?P<word>[A-Za-z0-9.\-_=,\[\]+:/]+))")


@dataclass(frozen=True)
class Selector:
    """What one selector means; exactly one of `theorem`, `prefix` and `claim` is set, and `case` only with `claim`."""

    text: str
    theorem: str | None = None
    prefix: str | None = None
    claim: str | None = None
    case: str | None = None

    def matches(self, claim_id: str, theorem: str, case_text: str) -> bool:
        """Whether the case `case_text` (``key=value,key=value``) of the claim `claim_id` of `theorem` is meant."""
        if self.theorem is not None:
            return theorem == self.theorem
        if self.prefix is not None:
            return claim_id.startswith(self.prefix)
        return claim_id == self.claim and (self.case is None or case_text == self.case)


def parse_selector(text: str) -> Selector:
    """Read one selector.

    Raises:
        ValueError: one sentence, when `text` has none of the four forms. That a well-formed id exists is not checked.
    """
    stripped = text.strip()
    if not stripped:
        raise ValueError(f"A selector is empty; {_selector_advice()}.")
    if len(stripped) > MAX_LENGTH:
        raise ValueError(
            f"A selector has {len(stripped)} characters, at most {MAX_LENGTH} are read; {_selector_advice()}."
        )
    if re.fullmatch(r"T[0-9]+[a-z]?", stripped):
        if stripped not in THEOREMS:
            raise ValueError(f"There is no theorem {_quote(stripped)}; the theorems are T1 to T8.")
        return Selector(text=stripped, theorem=stripped)
    name, bracket, rest = stripped.partition("[")
    if bracket and not rest.endswith("]"):
        raise ValueError(f"The case in {_quote(stripped)} is not closed; write it as CLAIM[key=value,key=value].")
    if name.endswith(".") and not bracket and _CLAIM_ID.fullmatch(name[:-1]):
        return Selector(text=stripped, prefix=name)
    if not _CLAIM_ID.fullmatch(name):
        raise ValueError(f"{_quote(stripped)} is not a selector; {_selector_advice()}.")
    return Selector(text=stripped, claim=name, case=rest[:-1] if bracket else None)


def _selector_advice() -> str:
    return "give a claim's id, CLAIM[case], an id prefix that ends in a dot, or T1 to T8"


def _quote(text: str) -> str:
    """`text` for a sentence: on one line, in ASCII, and not longer than a line."""
    return ascii(text if len(text) <= 60 else text[:57] + "...")


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `word`, or None when none is alike (advice for a misspelt name).

    A candidate that contains `word` counts as alike: ``exponent`` finds ``critical-depth.exponent``.
    """
    names = sorted(set(candidates))
    lowered = word.lower()
    by_lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(lowered, by_lower, n=1, cutoff=0.6)
    if close:
        return by_lower[close[0]]
    containing = [name for name in names if lowered and lowered in name.lower()]
    return min(containing, key=len) if containing else None


def parse_filter(text: str) -> Callable[[str], bool]:
    """Read a ``-k`` expression; the result says whether a text ``id[key=value,key=value]`` is kept.

    Binding from tight to loose: ``not``, ``and``, ``or``. The three words may be written in upper or lower case.

    Raises:
        ValueError: one sentence, when `text` does not follow the grammar, is longer than 500 characters or nests deeper
            than 25.
    """
    parser = _FilterParser(_tokens(text))
    return parser.parse()


def _tokens(text: str) -> list[str]:
    stripped = text.rstrip()
    if not stripped:
        raise ValueError("The filter of -k is empty; give words joined by and, or, not and parentheses.")
    if len(stripped) > MAX_LENGTH:
        raise ValueError(f"The filter of -k has {len(stripped)} characters; at most {MAX_LENGTH} are read.")
    tokens: list[str] = []
    position = 0
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None:
            character = stripped[position:].lstrip(" \t")[:1]
            raise ValueError(
                f"The filter of -k contains {character!a}; words consist of letters, digits and . - _ = , [ ] + : / "
                "and are joined by and, or, not and parentheses."
            )
        tokens.append(match.group().strip(" \t"))
        position = match.end()
    return tokens


class _FilterParser:
    """Recursive descent over the tokens of one filter: any := all (or all)*, all := unit (and unit)*."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._position = 0
        self._depth = 0

    def parse(self) -> Callable[[str], bool]:
        holds = self._any()
        if self._position < len(self._tokens):
            raise ValueError(
                f"The filter of -k has {_quote(self._tokens[self._position])} where and, or or the end was expected; "
                "join words by and, or, not and parentheses."
            )
        return holds

    def _peek(self) -> str | None:
        return self._tokens[self._position].lower() if self._position < len(self._tokens) else None

    def _any(self) -> Callable[[str], bool]:
        parts = [self._all()]
        while self._peek() == "or":
            self._position += 1
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda candidate: any(part(candidate) for part in parts)

    def _all(self) -> Callable[[str], bool]:
        parts = [self._unit()]
        while self._peek() == "and":
            self._position += 1
            parts.append(self._unit())
        return parts[0] if len(parts) == 1 else lambda candidate: all(part(candidate) for part in parts)

    def _unit(self) -> Callable[[str], bool]:
        token = self._peek()
        if token is None or token in (")", "and", "or"):
            found = "the end" if token is None else _quote(token)
            raise ValueError(
                f"The filter of -k has {found} where a word, not or ( was expected; join words by and, or, not and "
                "parentheses."
            )
        self._position += 1
        if token not in ("not", "("):
            return lambda candidate: token in candidate.lower()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError(f"The filter of -k nests deeper than {MAX_DEPTH}; use fewer parentheses and negations.")
        inner = self._unit() if token == "not" else self._any()
        if token == "(":
            if self._peek() != ")":
                raise ValueError("The filter of -k leaves a parenthesis open; close it with ).")
            self._position += 1
        self._depth -= 1
        return (lambda candidate: not inner(candidate)) if token == "not" else inner
