"""``saddle-escape show``: everything that a stored run says of some cases."""

from __future__ import annotations

from pathlib import Path

import click

from verify import folder
from verify.render.numbers import short
from verify.render.summary import likely_causes
from verify.render.terminal import compared
from verify.results import Number, Result, Results


@click.command("show")
@click.argument("selectors", nargs=-1, required=True, metavar="IDS...")
@click.option(
    "--run", "run_folder", type=click.Path(path_type=Path), help="Folder of the run (default: the newest complete)."
)
def command(selectors: tuple[str, ...], run_folder: Path | None) -> None:
    """Show the cases that IDS name, from a stored run: statement, values, budget, hypotheses, counterfeits."""
    _, results = folder.load(run_folder)
    click.echo("\n\n".join(describe(result, results) for result in folder.named(results, selectors)))


def describe(result: Result, results: Results) -> str:
    """One case in full, as plain text."""
    predicted, measured, tolerance = compared(result, whole=True)
    budget = ", ".join(
        f"{name} {short(value)}"
        for name in ("discretisation", "sampling", "finite_width", "finite_eps", "rounding")
        if (value := getattr(result.budget, name))
    )
    lines = [
        result.key,
        f"  statement   {results.run.claims[result.claim].plain if result.claim in results.run.claims else ''}",
        f"  reading     {result.reading}, expected: {result.expect}",
        f"  verdict     {result.verdict.value}{': ' + result.reason if result.reason else ''}",
        f"  evidence    {result.evidence or 'none'}",
        f"  predicted   {predicted} {result.predicted.unit}  {result.predicted.text}".rstrip(),
        f"  measured    {measured} {result.measured.unit}  {result.measured.text}".rstrip(),
        f"  tolerance   {tolerance}{' = ' + budget if budget else ''}",
        *(f"  hypothesis  {h.name}: {'holds' if h.holds else 'does not hold'}" for h in result.hypotheses),
        *(f"  counterfeit {c.name}: {c.verdict}{_distance(c.margin)}" for c in result.counterfeits),
        f"  seconds     {result.seconds}",
        *(f"  cause       {cause}" for cause in likely_causes(result)),
    ]
    return "\n".join(lines)


def _distance(margin: Number) -> str:
    if margin is None:
        return ""
    return " by an exact residual" if margin == "Infinity" else f", {short(margin)} budgets away"
