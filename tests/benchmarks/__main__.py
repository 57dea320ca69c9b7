"""``make bench``: every ``bench_*.py`` of this folder, one table; arguments select modules (``make bench`` runs all).

A module exports ``rows() -> list[dict]`` with the keys kernel, ours_seconds, peer, peer_seconds, ratio, bar, met, where
met is "yes", "no" or "not measured" (a peer that is not installed is named, and its bar is not met). Both sides of a
ratio are measured in one interleaved run.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

# One thread, as the bars say; set before any library loads.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

COLUMNS = ("kernel", "ours_seconds", "peer", "peer_seconds", "ratio", "bar", "met")


def shown(value: object) -> str:
    """A cell: four digits of a number, a dash for nothing."""
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def main(selected: list[str]) -> None:
    """Print one Markdown table a module, as soon as it is measured."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("bench_*.py"))
    for name in names:
        if selected and name.removeprefix("bench_") not in selected:
            continue
        print(f"\n{name}\n\n| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS), flush=True)
        for row in importlib.import_module(f"tests.benchmarks.{name}").rows():
            print("| " + " | ".join(shown(row.get(column)) for column in COLUMNS) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
