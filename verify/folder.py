"""Where runs live: ``reports/<UTC time>-<6 hex>/results.json``, written atomically and found again."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from verify.results import RESULTS_FILE, Result, Results, encode, read
from verify.selection import parse_selector

REPORTS = Path("reports")


def new_run_id(now: datetime) -> str:
    """``20261122T101500Z-1a2b3c``: sorts by time, and two runs of one second differ."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def prepare(out: Path) -> None:
    """Make the folder ``out`` and see that it can be written; ``ValueError`` if not."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise ValueError(f"cannot write into the folder {out}: {error.strerror}; name another with --out") from error


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Hold the folder ``out`` for one run; ``ValueError`` when another run holds it.

    The lock is the system's, on the folder itself: it ends with the process, however that ends, and leaves no file.
    Where there are no such locks (Windows, some network disks) two runs in one folder overwrite each other's record.
    """
    handle = _locked(out)
    try:
        sweep(out, 0.0 if handle is not None else LITTER)
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _locked(out: Path) -> int | None:
    try:
        import fcntl
    except ImportError:
        return None
    handle = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise ValueError(
            f"another run is writing into {out}: wait for it, or name another folder with --out"
        ) from error
    except OSError:
        os.close(handle)
        return None
    return handle


LITTER = 3600.0  # seconds after which a half-written file belongs to nobody: a write takes far less


def sweep(where: Path, age: float) -> None:
    """Remove what a killed run left half-written in ``where``, if it is older than ``age`` seconds."""
    for path in where.glob(".*.json.*"):
        try:
            if time.time() - path.stat().st_mtime >= age:
                path.unlink()
        except OSError:
            continue  # somebody else was faster


def write(out: Path, results: Results) -> None:
    """Write ``results.json`` into ``out`` so that a reader sees the old file or the new one, never a part."""
    write_atomically(out / RESULTS_FILE, encode(results))


def write_atomically(path: Path, content: bytes) -> None:
    """Replace ``path`` by a file with ``content``: write beside it, flush to the disk, rename."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)  # mkstemp's files are private; a report is for everybody
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load(run: Path | None) -> tuple[Path, Results]:
    """The run in the folder ``run``, or the newest complete one under ``reports/``; ``ValueError`` if there is none."""
    if run is not None:
        return run, read(run / RESULTS_FILE if run.is_dir() else run)
    for path in sorted(REPORTS.glob(f"*/{RESULTS_FILE}"), key=lambda path: path.parent.name, reverse=True):
        try:
            results = read(path)
        except ValueError:
            continue  # not a run of ours, or one that was being written by another version
        if results.run.complete:
            return path.parent, results
    raise ValueError(
        f"there is no complete run under {REPORTS}/: make one with `saddle-escape run`, or name one with --run DIR"
    )


def named(results: Results, selectors: Sequence[str]) -> list[Result]:
    """The cases of a stored run that ``selectors`` name, in its order; ``ValueError`` where one of them names none."""
    parsed = [parse_selector(text) for text in selectors]
    for selector in parsed:
        if not any(selector.matches(r.claim, r.theorem, r.case) for r in results.results):
            raise ValueError(
                f"the run {results.run.id} has no case that {selector.text!r} names: see `saddle-escape list`"
            )
    return [r for r in results.results if any(s.matches(r.claim, r.theorem, r.case) for s in parsed)]
