"""The clerk of a run: writes ``results.json`` as verdicts arrive, keeps them in the store, and loses none.

A disk that is full, or a store that cannot be written, costs what it must: the run goes on, the verdicts are told in
the terminal, and the record says what could not be kept.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from verify import folder, store
from verify.engine import Task
from verify.results import SCHEMA, Result, Results, RunRecord, StoredRecord

EVERY = 1.0  # seconds between two writings of a growing record: each verdict is in the store at once


class Recorder:
    """Collects the verdicts of one run; ``keys`` are the store's addresses, by ``CLAIM[case]``."""

    def __init__(self, record: RunRecord, tasks: Sequence[Task], out: Path, keys: Mapping[str, store.Key]) -> None:
        self._record, self._tasks, self._out, self._keys = record, tasks, out, keys
        self._digests = {name: store.source_digest(key)[:16] for name, key in keys.items()}
        self._heard: dict[str, Result] = {}
        self._stored: dict[str, StoredRecord] = {}
        self._warnings: dict[str, None] = {}  # in order of arrival, each once
        self._start = time.monotonic()
        self._written = -EVERY
        self.unwritten = ""

    def recall(self) -> dict[str, Result]:
        """``CLAIM[case]`` -> verdict, for every case whose verdict the store holds."""
        found = {name: entry for name, key in self._keys.items() if (entry := store.read(key)) is not None}
        self._stored = {name: StoredRecord(date=entry.date, commit=entry.commit) for name, entry in found.items()}
        return {name: entry.result for name, entry in found.items()}

    @property
    def count(self) -> int:
        """How many verdicts there are."""
        return len(self._heard)

    @property
    def heard(self) -> tuple[Result, ...]:
        """The verdicts so far, in the order of the catalogue whatever the order of arrival."""
        return tuple(self._heard[task.key] for task in self._tasks if task.key in self._heard)

    def take(self, task: Task, result: Result) -> None:
        """Record one verdict: in the store at once; in results.json at once if it is the first, else when it is due."""
        self._heard[task.key] = result
        if task.key in self._stored:
            if result.verdict.value == "inconclusive" and result.reason.startswith("blocked-by"):
                del self._stored[task.key]  # a parent has fallen since
        elif task.key in self._keys and store.worth_keeping(result):
            try:
                store.write(self._keys[task.key], result, self._record.commit)
            except OSError as error:
                self._warnings[f"verdicts cannot be kept in {store.FOLDER}: {error.strerror}"] = None
        if time.monotonic() - self._written >= EVERY:
            self.write(complete=False, exit_code=None)

    def warn(self, text: str) -> None:
        """Say something of the run itself in its record."""
        self._warnings[text] = None

    def write(self, **changes: object) -> Results:
        """Write ``results.json`` as it stands, with these fields of the run changed, and return what it says."""
        results = Results(
            schema=SCHEMA,
            run=msgspec.structs.replace(
                self._record,
                seconds=round(time.monotonic() - self._start, 3),
                stored={name: self._stored[name] for name in self._heard if name in self._stored},
                digests={name: self._digests[name] for name in self._heard if name in self._digests},
                warnings=tuple(self._warnings),
                **changes,
            ),
            results=self.heard,
        )
        try:
            folder.write(self._out, results)
            self.unwritten = ""
        except OSError as error:
            self.unwritten = (
                f"results.json could not be written to {self._out}: {error.strerror}; make room and run again: what "
                "the store could keep is not heard twice"
            )
        self._written = time.monotonic()
        return results
