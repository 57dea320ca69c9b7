"""Whole commands, as a user waits for them. There is no peer: the bar is a number of seconds on two cores."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

COMMANDS = (
    ("--help", ("--help",), 0.5, 5),
    ("list", ("list",), 0.5, 5),
    ("classify tanh", ("classify", "tanh"), 1.5, 5),
    ("run, tier smoke", ("run", "-q", "-j", "2", "--out", "out", "--fresh"), 10.0, 3),
    ("run, tier standard", ("run", "-q", "-j", "2", "--out", "out", "--tier", "standard", "--fresh"), 60.0, 1),
    ("run again, tier standard", ("run", "-q", "-j", "2", "--out", "again", "--tier", "standard"), 3.0, 3),
)
OVERHEAD = 0.05  # of the workers' time at tier standard


def rows() -> list[dict[str, Any]]:
    """Median wall seconds of each command, the judge's overhead, then declared and measured seconds of each claim."""
    table, wall = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments, bar, repeats in COMMANDS:
            taken = statistics.median(_seconds(arguments, folder) for _ in range(repeats))
            wall[name] = taken
            table.append(_row(f"saddle-escape {name}", taken, None, bar, taken <= bar))
        record = json.loads((Path(folder) / "out" / "results.json").read_text())
        results = record["results"]
        table.append(_overhead(record, wall["run, tier standard"], wall["list"]))
    declared = _declared()
    for claim in dict.fromkeys(result["claim"] for result in results):
        measured = sum(result["seconds"] for result in results if result["claim"] == claim)
        # Declared seconds order the work of a run: within a factor of three they do so well enough.
        ratio = measured / declared[claim]
        table.append(
            _row(f"{claim}: measured / declared seconds", measured, declared[claim], "1/3 to 3", 1 / 3 <= ratio <= 3)
        )
    return table


def _overhead(record: dict[str, Any], wall: float, imports: float) -> dict[str, Any]:
    """(wall x workers - seconds of the cases - import time) / (wall x workers) of a run of its own process.

    A case's seconds are those on the clock of its worker, the import of torch and SymPy in the first one included: on a
    machine that others use too, waiting for a core stretches both sides alike. imports: what every process pays before
    it can do anything, measured by ``saddle-escape list``.
    """
    workers = record["run"]["workers"]
    spent = sum(result["seconds"] for result in record["results"])
    lost = (wall * workers - spent - imports * (1 + workers)) / (wall * workers)
    return {
        "kernel": f"overhead of the judge, {len(record['results'])} cases",
        "ours_seconds": lost * wall * workers,
        "peer": "workers' time",
        "peer_seconds": wall * workers,
        "ratio": lost,
        "bar": f"<= {OVERHEAD}",
        "met": "yes" if lost <= OVERHEAD else "no",
    }


def _seconds(arguments: tuple[str, ...], folder: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "verify", *arguments], cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start


def _declared() -> dict[str, float]:
    from verify.catalogue import catalogue
    from verify.claim import Tier

    return {claim.id: sum(case.seconds for case in claim.cases_in(Tier.STANDARD)) for claim in catalogue()}


def _row(kernel: str, ours: float, peer: float | None, bar: object, met: bool) -> dict[str, Any]:
    return {
        "kernel": kernel,
        "ours_seconds": ours,
        "peer": "none" if peer is None else "declared",
        "peer_seconds": peer,
        "ratio": None if peer is None else ours / peer,
        "bar": f"<= {bar} s" if peer is None else bar,
        "met": "yes" if met else "no",
    }
