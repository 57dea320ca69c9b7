"""What a figure shows, as plain data: panels of curves, counts as bars, a matrix of shares. Nothing is drawn here.

One description serves every format: the drawing (``drawing``), the CSV beside it, and the words for those who do not
see it.
"""

from __future__ import annotations

import csv
import enum
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


class Kind(enum.Enum):
    """What a curve is, which decides how it is drawn; the value is its word in the legend and in the CSV."""

    MEASURED = "measured"
    EXACT = "reduced ODE"
    LEADING = "leading law"
    CORRECTED = "with correction"
    RIVAL = "rival"
    PAPER = "paper's points"
    BOUND = "equivalence bound"


@dataclass(frozen=True)
class Curve:
    """One curve. ``colour``: index into the palette, None for black.

    ``label`` stands in the legend, "" for a curve that shares the colour of one that does. ``spread``: half widths of
    the budget, drawn as bars on points and as a band on lines; empty where there is none.
    """

    label: str
    kind: Kind
    x: tuple[float, ...]
    y: tuple[float, ...]
    colour: int | None = None
    spread: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y) or (self.spread and len(self.spread) != len(self.x)):
            raise ValueError(
                f"the curve {self.label!r} has {len(self.x)} x, {len(self.y)} y and {len(self.spread)} spreads: "
                "give as many of each"
            )


@dataclass(frozen=True)
class Panel:
    """Axes with curves. Labels carry the unit. ``title``: a few words above the axes, "" for none."""

    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    x_log: bool = True
    y_log: bool = True
    title: str = ""

    def rows(self) -> Iterable[tuple[str, ...]]:
        """Of the CSV: one a point."""
        for curve in self.curves:
            for k, (x, y) in enumerate(zip(curve.x, curve.y, strict=True)):
                spread = repr(curve.spread[k]) if curve.spread else ""
                yield curve.label, curve.kind.value, repr(x), repr(y), spread

    header = ("curve", "kind", "x", "y", "spread")


@dataclass(frozen=True)
class Bars:
    """Horizontal stacked bars of counts: ``counts[row][part]``."""

    x_label: str
    names: tuple[str, ...]
    parts: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def rows(self) -> Iterable[tuple[str, ...]]:
        """Of the CSV: one a count."""
        for name, counts in zip(self.names, self.counts, strict=True):
            for part, count in zip(self.parts, counts, strict=True):
                yield name, part, str(count)

    header = ("row", "part", "count")


@dataclass(frozen=True)
class Matrix:
    """A matrix of pairs (how many of how many), (0, 0) where the column does not apply."""

    names: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[tuple[int, int], ...], ...]

    def rows(self) -> Iterable[tuple[str, ...]]:
        """Of the CSV: one a cell."""
        for name, cells in zip(self.names, self.cells, strict=True):
            for column, (part, whole) in zip(self.columns, cells, strict=True):
                yield name, column, str(part), str(whole)

    header = ("row", "column", "refuted", "tried")


Content = Panel | Bars | Matrix


@dataclass(frozen=True)
class Description:
    """A figure: where it belongs, its words, and its panels from top to bottom, all of one kind.

    theorem: "" for a figure of the whole run. height: inches; the width is that of a column. words: what the legend
    calls a kind of curve here, where there is a better word than the kind's own.
    """

    name: str
    theorem: str
    caption: str
    alternative: str
    panels: tuple[Content, ...]
    height: float
    words: Mapping[Kind, str] = field(default_factory=dict)

    def csv(self) -> str:
        """The data of the figure: one row a point, floats with all their digits."""
        sink = io.StringIO()
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(("panel", *self.panels[0].header))
        for number, panel in enumerate(self.panels, start=1):
            writer.writerows((str(number), *row) for row in panel.rows())
        return sink.getvalue()
