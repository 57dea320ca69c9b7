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
    ("run, tier smoke", ("run", "-q", "-j", "2", "--out", "out"), 10.0, 3),
    ("run, tier standard", ("run", "-q", "-j", "2", "--out", "out", "--tier", "standard"), 60.0, 1),
)


def rows() -> list[dict[str, Any]]:
    """Median wall seconds of each command, then the declared against the measured seconds of each claim."""
    table = []
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments, bar, repeats in COMMANDS:
            taken = statistics.median(_seconds(arguments, folder) for _ in range(repeats))
            table.append(_row(f"saddle-escape {name}", taken, None, bar, taken <= bar))
        results = json.loads((Path(folder) / "out" / "results.json").read_text())["results"]
    declared = _declared()
    for claim in dict.fromkeys(result["claim"] for result in results):
        measured = sum(result["seconds"] for result in results if result["claim"] == claim)
        # Declared seconds order the work of a run: within a factor of three they do so well enough.
        ratio = measured / declared[claim]
        table.append(
            _row(f"{claim}: measured / declared seconds", measured, declared[claim], "1/3 to 3", 1 / 3 <= ratio <= 3)
        )
    return table


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
