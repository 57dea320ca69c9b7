"""The memory of earlier verdicts: content-addressed, so that what did not change is not heard again.

An entry's key is the SHA-256 of canonical JSON of everything that a verdict depends on: claim, case, seed, device,
dtype, versions, machine, and the digests of the sources that the case reaches (``verify.sources``). Entries are one
file each, ``<claim>/<case>/<key>.json``, written beside and renamed: two runs at once cannot disturb each other, and a
file that is torn, garbled or of another schema is no entry. Verdicts that say nothing about the mathematics (error,
skipped, a spent budget, a fallen parent) are not kept.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from verify import folder
from verify.catalogue import home_of
from verify.claim import Case, Claim
from verify.results import Result, Verdict
from verify.sources import digests, together

FOLDER = folder.REPORTS / "store"
LARGEST = 8 << 20  # bytes of an entry; a result is a few kilobytes

_FORGOTTEN = ("budget", "blocked-by", "optional-data", "error")


@dataclass(frozen=True)
class Circumstances:
    """What a verdict depends on besides its claim and case."""

    seed: int
    device: str
    dtype: str
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Key:
    """The address of a verdict, and what went into it."""

    claim: str
    case: str
    parts: Mapping[str, object]

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of all parts: no two different inputs have the same text."""
        return digest_of({"claim": self.claim, "case": self.case, **self.parts})

    @property
    def place(self) -> Path:
        """File of the entry below the store's folder."""
        return _shelf(self.claim, self.case) / f"{self.digest}.json"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A kept verdict: its result, when and at which commit it was reached, what it depended on, and a checksum."""

    result: Result
    date: str
    commit: str | None
    parts: dict[str, object]
    checksum: str


def key(claim: Claim, case: Case, circumstances: Circumstances) -> Key:
    """The key of ``case`` today; ``ValueError`` when a source that it reaches cannot be read."""
    parameters = tuple(str(value) for _, value in case.parameters)
    return Key(
        claim.id,
        case.text,
        {
            "seed": circumstances.seed,
            "device": circumstances.device,
            "dtype": circumstances.dtype,
            "versions": dict(circumstances.versions),
            "machine": f"{sys.platform} {platform.machine()}",
            "sources": digests(home_of(claim.id), parameters),
        },
    )


def digest_of(value: object) -> str:
    """SHA-256 of the canonical JSON of ``value``."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _shelf(claim: str, case: str) -> Path:
    return FOLDER / claim / hashlib.sha256(case.encode()).hexdigest()[:16]


def read(address: Key) -> Entry | None:
    """The verdict at ``address``, or None where there is none that can be trusted."""
    entry = _entry(address.place)
    return (
        entry
        if entry is not None and (entry.result.claim, entry.result.case) == (address.claim, address.case)
        else None
    )


def _entry(path: Path) -> Entry | None:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        entry = msgspec.json.decode(content, type=Entry)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return entry if entry.checksum == _checksum(entry.result, entry.parts) else None


def _checksum(result: Result, parts: Mapping[str, object]) -> str:
    return digest_of([json.loads(msgspec.json.encode(result)), dict(parts)])


def worth_keeping(result: Result) -> bool:
    """Whether the verdict speaks of the mathematics."""
    return result.verdict not in (Verdict.ERROR, Verdict.SKIPPED) and not result.reason.startswith(_FORGOTTEN)


def write(address: Key, result: Result, commit: str | None) -> None:
    """Keep ``result``; ``OSError`` when the disk does not take it."""
    parts = dict(address.parts)
    entry = Entry(
        result=result,
        date=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        commit=commit,
        parts=parts,
        checksum=_checksum(result, parts),
    )
    address.place.parent.mkdir(parents=True, exist_ok=True)
    folder.write_atomically(address.place, msgspec.json.encode(entry))
    folder.sweep(address.place.parent, folder.LITTER)


def newest(claim: str, case: str) -> Entry | None:
    """The latest kept verdict on a case, whatever it depended on."""
    entries = [entry for path in _shelf(claim, case).glob("*.json") if (entry := _entry(path)) is not None]
    return max(entries, key=lambda entry: entry.date, default=None)


def differences(entry: Entry, address: Key) -> list[str]:
    """Why the kept verdict is not the one asked for: what changed since, in words."""
    return _differences("", entry.parts, address.parts)


def _differences(prefix: str, old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    found: list[str] = []
    for name in sorted(old.keys() | new.keys()):
        a, b = old.get(name), new.get(name)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += _differences(f"{name.removesuffix('s')} ", a, b)
        elif a != b:
            hashed = prefix == "source "
            found.append(f"{prefix}{name} {_change(a, b) if hashed else f'was {a}, is {b}'}")
    return found


def _change(a: object, b: object) -> str:
    return "is new" if a is None else "is no longer reached" if b is None else "changed"


def source_digest(address: Key) -> str:
    """One digest of all sources of the case, for the record of a run."""
    sources = address.parts["sources"]
    assert isinstance(sources, Mapping)
    return together(sources)


def stale(digests: Mapping[str, str], versions: Mapping[str, str], now: Mapping[str, Key]) -> frozenset[str]:
    """Results of a stored run (``CLAIM[case]``) whose sources, or the libraries, are not what they were.

    digests, versions: of the run's record. now: today's keys; a result that the catalogue no longer has is stale.
    """
    return frozenset(
        name
        for name, digest in digests.items()
        if name not in now
        or source_digest(now[name])[: len(digest)] != digest
        or now[name].parts["versions"] != versions
    )
