"""``saddle-escape diff``: what changed between two stored runs."""

from __future__ import annotations

from pathlib import Path

import click

from verify import folder
from verify.comparison import Comparison, compare


@click.command("diff")
@click.argument("before", metavar="A", type=click.Path(path_type=Path))
@click.argument("after", metavar="B", type=click.Path(path_type=Path))
@click.pass_context
def command(ctx: click.Context, before: Path, after: Path) -> None:
    """Compare the runs in the folders A and B: verdicts, moved values, gained and lost claims, environment.

    Exit code 1 when something got worse from A to B: a verdict, lost power, a lost claim or case, a
    value that moved by more than the sum of both budgets.
    """
    comparison = compare(folder.load(before)[1], folder.load(after)[1])
    click.echo(describe(comparison))
    ctx.exit(1 if comparison.worse else 0)


def describe(comparison: Comparison) -> str:
    """The comparison as plain text, what matters most first."""
    lines: list[str] = []
    for heading, changes in (
        ("Verdicts", comparison.verdicts),
        ("Values that moved beyond their budgets", comparison.values),
        ("Power", comparison.counterfeits),
    ):
        if changes:
            lines += [heading, *(f"  {'worse ' if change.worse else '      '} {change.text}" for change in changes)]
    for heading, names in (("Lost", comparison.lost), ("Added", comparison.added)):
        if names:
            lines += [heading, *(f"  {name}" for name in names)]
    if comparison.environment:
        lines += ["Environment", *(f"  {change.text}" for change in comparison.environment)]
    verdict = "something got worse" if comparison.worse else "nothing got worse"
    return "\n".join([*lines, verdict if lines else "the runs say the same"])
