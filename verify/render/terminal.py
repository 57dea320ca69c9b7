"""The table in the terminal: plain text when it is not one, 80 columns at least, colour only where it is wanted."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from verify.render.numbers import at_precision, brief, seconds, short, with_uncertainty
from verify.render.power import power_line
from verify.render.summary import by_claim, needing_attention, notes, verdict_line
from verify.results import Result, Results, Verdict

STYLES = {
    Verdict.PASS: "green",
    Verdict.REFUTED_AS_EXPECTED: "green",
    Verdict.FAIL: "bold red",
    Verdict.ERROR: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.SKIPPED: "dim",
}
assert set(STYLES) == set(Verdict)
PLAIN_WIDTH = 150  # the widest row, whole
WIDEST_TEXT = 18  # columns that a value of several words takes before it is folded
NARROW = 130  # columns below which the table would fold its names and numbers


def render(results: Results, *, every_case: bool = False, width: int | None = None, colour: bool = False) -> str:
    """The verdict table, the power line and the time. One row a claim (its most telling case), or one row a case."""
    console = Console(
        file=io.StringIO(),
        width=width or PLAIN_WIDTH,
        force_terminal=colour,
        no_color=not colour,
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
    )
    if console.width >= NARROW:
        console.print(_table(results, every_case))
    else:
        _print_narrow(console, results, every_case)
    for attention in needing_attention(results):
        console.print(f"\n{attention.heading}", style="bold red" if attention.grave else "yellow")
        for line in attention.lines:
            console.print(f"  - {line}")
    run = results.run
    console.print(f"\n{verdict_line(results)}")
    console.print(
        f"{power_line(results)} | tier {run.tier}, seed {run.seed}, {seconds(run.seconds)} with {run.workers} workers"
    )
    for note in notes(results):
        console.print(note)
    file = console.file
    assert isinstance(file, io.StringIO)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def _table(results: Results, every_case: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("")
    table.add_column("claim", overflow="fold", min_width=max((len(r.claim) for r in results.results), default=0))
    # Claims and text may be folded, between words; a folded number cannot be read.
    table.add_column("reading", max_width=11)
    for index, heading in enumerate(("predicted", "measured")):
        cells = [compared(result)[index] for result in results.results]
        number = max((len(cell) for cell in cells if cell.lstrip("-")[:1].isdigit()), default=0)
        table.add_column(heading, justify="right", min_width=number, max_width=max(number, WIDEST_TEXT))
    table.add_column("tolerance", justify="right", no_wrap=True)
    table.add_column("verdict", max_width=22)
    table.add_column("evidence", max_width=16)
    theorem = ""
    for summary in by_claim(results.results):
        shown: Sequence[Result] = summary.results if every_case else (summary.telling,)
        for index, result in enumerate(shown):
            name = summary.claim if index == 0 else ""
            detail = f"[{result.case}]"
            table.add_row(
                summary.theorem if summary.theorem != theorem else "",
                f"{name}\n  {detail}" if name else f"  {detail}",
                result.reading if every_case else summary.reading,
                *compared(result),
                result.verdict.value if every_case else summary.verdict_text,
                (result.evidence or "") if every_case else ", ".join(summary.grades),
                style=STYLES[result.verdict] if result.as_expected is not False else STYLES[Verdict.FAIL],
            )
            theorem = summary.theorem
    return table


def _print_narrow(console: Console, results: Results, every_case: bool) -> None:
    """The same facts for a narrow terminal, two lines a claim, where eight columns would fold every number."""
    for summary in by_claim(results.results):
        style = STYLES[summary.verdict]
        console.print(f"{summary.theorem} {summary.claim} ({summary.reading})", style="bold")
        console.print(f"   {summary.verdict_text}; evidence: {', '.join(summary.grades) or 'none'}", style=style)
        for result in summary.results if every_case else (summary.telling,):
            predicted, measured, tolerance = compared(result)
            console.print(f"   [{result.case}]")
            console.print(f"     predicted {predicted}, measured {measured}, tolerance {tolerance or 'none'}")


def compared(result: Result, *, whole: bool = False) -> tuple[str, str, str]:
    """Predicted, measured and tolerance for a table cell; long text is shortened unless it is wanted whole."""
    total = result.budget.total
    predicted, measured = at_precision(result.predicted.value, total), with_uncertainty(result.measured.value, total)
    return (
        predicted if whole else brief(predicted),
        measured if whole else brief(measured),
        "exact" if not total and result.evidence in ("proof", "exact", "certified") else short(total) if total else "",
    )


def terminal_width() -> int:
    """Columns of the terminal, or a width that keeps whole rows when the output is not one."""
    return max(80, shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns) if sys.stdout.isatty() else PLAIN_WIDTH
