"""Points read from the paper's figures (verify/data/figures_of_P.csv), by figure and series."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class Series:
    """One curve: scales eps (increasing), escape times as plotted, and the relative accuracy of the reading."""

    scales: tuple[float, ...]
    times: tuple[float, ...]
    reading_error: float


def series(figure: str, name: str) -> Series:
    """The series of that figure; raises KeyError with what there is for another name."""
    text = (files("verify") / "data" / "figures_of_P.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    points = sorted(
        (float(row["x"]), float(row["y"]), float(row["reading_error"]))
        for row in rows
        if (row["figure"], row["series"]) == (figure, name)
    )
    if not points:
        known = sorted({f"{row['figure']} {row['series']}" for row in rows})
        raise KeyError(f"no series {figure} {name} among the paper's points; there are {', '.join(known)}")
    scales, times, errors = zip(*points, strict=True)
    return Series(scales, times, max(errors))
