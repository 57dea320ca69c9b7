"""The descriptions of ``plot`` drawn with matplotlib, in one style; the same description gives the same bytes."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from verify.render.plot import Bars, Curve, Description, Kind, Matrix, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

FORMATS = ("pdf", "svg", "png")
WIDTH = 3.4  # inches: one column of a two-column paper
_DPI = 300

# The palette of Okabe and Ito and two more, told apart with any common colour vision; each has a marker of its own.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#5D3A9B", "#7A7A7A")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "p")
_GRADES = ("#08306b", "#2f6fae", "#7fb3d8", "#f2c45a", "#d98b2b")  # five grades of evidence, the strongest darkest
_SOUND, _UNSOUND, _EMPTY = "#d3e5f3", "#f2a878", "#f7f7f7"  # cells of a matrix
_STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that a figure looks the same everywhere
    "mathtext.fontset": "dejavusans",
    "font.size": 7.5,
    "axes.labelsize": 7.5,
    "axes.titlesize": 7.5,
    "axes.titlelocation": "left",
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handlelength": 1.7,
    "legend.columnspacing": 1.0,
    "legend.handletextpad": 0.5,
    "legend.labelspacing": 0.3,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.6,
    "axes.grid": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.4,
    "axes.axisbelow": True,
    "pdf.fonttype": 42,  # text that stays text
    "svg.fonttype": "path",  # a page shows an SVG without any font of its own
    "svg.hashsalt": "saddle-escape",
}
_LINES: dict[Kind, dict[str, Any]] = {
    Kind.MEASURED: {"linestyle": "none", "zorder": 4},
    Kind.EXACT: {"linestyle": "-"},
    Kind.LEADING: {"linestyle": "-", "linewidth": 0.9, "zorder": 2},
    Kind.CORRECTED: {"linestyle": (0, (3.5, 1.5)), "linewidth": 1.0, "zorder": 3},
    Kind.RIVAL: {"linestyle": ":", "linewidth": 0.9},
    Kind.PAPER: {"linestyle": "none", "markerfacecolor": "white", "markeredgewidth": 0.8, "zorder": 3},
    Kind.BOUND: {"linestyle": "--", "linewidth": 0.8},
}
assert set(_LINES) == set(Kind)
_POINTS = (Kind.MEASURED, Kind.PAPER)
# Nothing that depends on the day: a stored run gives the same file tomorrow.
_METADATA = {"pdf": {"CreationDate": None, "Creator": "saddle-escape"}, "svg": {"Date": None}, "png": {}}


def draw(description: Description, form: str) -> bytes:
    """The figure as a file of the format ``form``, one of `FORMATS`."""
    if form not in FORMATS:
        raise ValueError(f"there is no figure format {form!r}: choose from {', '.join(FORMATS)}")
    import matplotlib.style
    from matplotlib.figure import Figure

    sink = io.BytesIO()
    with matplotlib.style.context(["default", _STYLE]), warnings.catch_warnings():
        # A name from a record may hold a character that the font lacks: it is drawn as a box.
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        figure = Figure(figsize=(WIDTH, description.height), layout="constrained")
        axes = figure.subplots(len(description.panels), 1, squeeze=False)[:, 0]
        for number, (place, panel) in enumerate(zip(axes, description.panels, strict=True)):
            if isinstance(panel, Panel):
                _curves(place, panel, f"({'abcdefgh'[number]}) " if len(axes) > 1 else "")
            elif isinstance(panel, Bars):
                _bars(place, panel)
            else:
                _matrix(place, panel)
        rows = _legend(description)
        if rows:
            # Above the axes, where it covers no data.
            handles, columns = _by_columns(rows)
            figure.legend(handles=handles, loc="outside upper center", ncols=columns)
        figure.savefig(sink, format=form, dpi=_DPI, metadata=_METADATA[form])
    return sink.getvalue()


def plain(text: str, most: int = 28) -> str:
    """A name from a record as text to draw: one line, no mathematics in it, not longer than ``most`` characters."""
    line = "".join(character if character.isprintable() else " " for character in text)
    line = line if len(line) <= most else f"{line[: most - 1]}…"
    return line.replace("\\", "\\\\").replace("$", r"\$") if "$" in line else line


def _curves(axes: Axes, panel: Panel, letter: str) -> None:
    from matplotlib.ticker import MaxNLocator

    for curve in panel.curves:
        _curve(axes, curve)
    if panel.x_log:
        _logarithmic(axes.set_xscale, axes.xaxis, [x for curve in panel.curves for x in curve.x])
    if panel.y_log:
        _logarithmic(axes.set_yscale, axes.yaxis, [y for curve in panel.curves for y in curve.y])
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    axes.set_title(f"{letter}{panel.title}")
    if not panel.x_log and all(float(x).is_integer() for curve in panel.curves for x in curve.x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _logarithmic(scale: Callable[[str], None], axis: Axis, values: Sequence[float]) -> None:
    """A logarithmic axis with at least two numbers on it: 1, 2, 5 of a decade where it spans little more than one."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    scale("log")
    shown = [value for value in values if value > 0]
    if shown and max(shown) < 20 * min(shown):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: _scientific(value)))
    axis.set_minor_formatter(NullFormatter())


def _scientific(value: float) -> str:
    """2×10⁻³, for a tick at 1, 2 or 5 of a decade."""
    if value <= 0:
        return ""
    exponent = math.floor(math.log10(value) + 1e-9)  # a tick's place is rounded, and 1000 must not become 10e2
    digit = round(value / 10.0**exponent)
    return rf"$10^{{{exponent}}}$" if digit == 1 else rf"${digit}\times10^{{{exponent}}}$"


def _curve(axes: Axes, curve: Curve) -> None:
    look = _look(curve)
    if curve.kind in _POINTS:
        if curve.spread:
            axes.errorbar(
                curve.x, curve.y, curve.spread, fmt="none", ecolor=look["color"], elinewidth=0.8, capsize=1.8, zorder=4
            )
    elif curve.spread:
        low = [y - s for y, s in zip(curve.y, curve.spread, strict=True)]
        high = [y + s for y, s in zip(curve.y, curve.spread, strict=True)]
        axes.fill_between(curve.x, low, high, color=look["color"], alpha=0.15, linewidth=0)
    axes.plot(curve.x, curve.y, **look)


def _look(curve: Curve) -> dict[str, Any]:
    index = 0 if curve.colour is None else curve.colour % len(_COLOURS)
    look = {"color": "#333333" if curve.colour is None else _COLOURS[index], **_LINES[curve.kind]}
    if curve.kind in _POINTS:
        look["marker"] = _MARKERS[index]
    return look


def _legend(description: Description) -> list[list[Any]]:
    """Handles in rows: one for each label, in its colour; below them one for each kind of curve, in grey."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    bars = [panel for panel in description.panels if isinstance(panel, Bars)]
    if bars:
        # A legend takes the bars themselves, which a Patch stands for.
        patches = [Patch(color=_GRADES[k % len(_GRADES)], label=name) for k, name in enumerate(bars[0].parts)]
        return _rows(patches, patches)
    curves = [curve for panel in description.panels if isinstance(panel, Panel) for curve in panel.curves]
    # A label is shown by its points where it has some: they have the marker.
    ordered = sorted((curve for curve in curves if curve.label), key=lambda curve: curve.kind in _POINTS)
    shown = {curve.label: curve for curve in ordered}
    labels = []
    for label in dict.fromkeys(curve.label for curve in curves if curve.label):
        look = _look(shown[label])
        labels.append(Line2D([], [], **{**look, "markerfacecolor": look["color"]}, label=label))
    kinds = []
    for kind in (kind for kind in Kind if any(curve.kind is kind for curve in curves)):
        look = {"color": "#555555", **_LINES[kind], "marker": "o" if kind in _POINTS else ""}
        kinds.append(Line2D([], [], **look, label=description.words.get(kind, kind.value)))
    kinds = kinds if len(kinds) > 1 else []
    return _rows(labels, labels + kinds) + _rows(kinds, labels + kinds)


def _rows(handles: Sequence[Any], beside: Sequence[Any]) -> list[list[Any]]:
    """The handles in rows that fit the width, in columns that suit all of ``beside``.

    A handle takes about six characters more than its label, a row 72.
    """
    if not handles:
        return []
    longest = max(len(_visible(str(handle.get_label()))) for handle in beside)
    most = max(1, 72 // (longest + 6))
    rows = math.ceil(len(handles) / most)
    columns = math.ceil(len(handles) / rows)  # rows of about equal length
    return [list(handles[k : k + columns]) for k in range(0, len(handles), columns)]


def _by_columns(rows: Sequence[Sequence[Any]]) -> tuple[list[Any], int]:
    """The handles column by column, as a legend takes them, with empty ones where a row is short."""
    from matplotlib.lines import Line2D

    columns = max(len(row) for row in rows)
    empty = Line2D([], [], linestyle="none", label=" ")
    return [row[k] if k < len(row) else empty for k in range(columns) for row in rows], columns


def _visible(label: str) -> str:
    """Roughly the characters that a label shows."""
    return "".join(c for c in label if c not in r"$\{}_^")


def _bars(axes: Axes, bars: Bars) -> None:
    from matplotlib.ticker import MaxNLocator

    places = range(len(bars.names))
    left = [0] * len(bars.names)
    widest = max(sum(row) for row in bars.counts)
    for part in range(len(bars.parts)):
        colour = _GRADES[part % len(_GRADES)]
        counts = [row[part] for row in bars.counts]
        axes.barh(places, counts, left=left, color=colour, edgecolor="white", linewidth=0.5, height=0.72)
        for place, count in enumerate(counts):
            if count >= widest / 22:  # narrower bars have no room for their number
                ink = "white" if part < 2 else "black"
                axes.text(left[place] + count / 2, place, str(count), ha="center", va="center", fontsize=6, color=ink)
        left = [a + b for a, b in zip(left, counts, strict=True)]
    axes.set_yticks(list(places), [plain(name, 14) for name in bars.names])
    axes.invert_yaxis()
    axes.set_xlabel(bars.x_label)
    axes.set_xlim(0, 1.04 * widest)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _matrix(axes: Axes, matrix: Matrix) -> None:
    """Cells in two colours, and a cross in one that is not whole, so that it is seen without colour."""
    from matplotlib.patches import Rectangle

    for y, row in enumerate(matrix.cells):
        for x, (part, whole) in enumerate(row):
            fill = _EMPTY if not whole else (_SOUND if part == whole else _UNSOUND)
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=fill, edgecolor="white", linewidth=0.8))
            text = (f"{part}/{whole}" + (" ✗" if part < whole else "")) if whole else "–"
            axes.text(x, y, text, ha="center", va="center", fontsize=6, color="black" if whole else "#666666")
    axes.set_xlim(-0.5, len(matrix.columns) - 0.5)
    axes.set_ylim(len(matrix.names) - 0.5, -0.5)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(matrix.columns)), [plain(c, 22) for c in matrix.columns], rotation=28, ha="left")
    axes.set_yticks(range(len(matrix.names)), [plain(name, 14) for name in matrix.names])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
