"""``saddle-escape run``: hear claims, print the table, write results.json."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from verify.claim import Tier
from verify.estimate import Estimate
from verify.render.terminal import render, terminal_width
from verify.results import RESULTS_FILE, Result
from verify.session import Options, run, select

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def duration(text: str | float) -> float:
    """Seconds in ``90``, ``90s``, ``5m`` or ``1h``; ``ValueError`` otherwise."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]*)?)(s|m|h|)", str(text).strip())
    if not match or float(match[1]) <= 0:
        raise ValueError(f"{text!r} is not a duration: write 90, 90s, 5m or 1h")
    return float(match[1]) * _UNITS[match[2]]


class _Duration(click.ParamType[float]):
    name = "T"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("run")
@click.argument("selectors", nargs=-1, metavar="[IDS]...")
@click.option(
    "-k", "filter_", metavar="EXPR", default="", help="Keep cases whose id[case] matches: 'tanh and not r=5'."
)
@click.option("--tier", type=click.Choice([tier.label for tier in Tier]), default="smoke", show_default=True)
@click.option("-j", "--jobs", type=click.IntRange(1), help="Worker processes (default: one a core).")
@click.option("--device", default="cpu", show_default=True, help="A torch device.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of results.json (default: reports/<run id>).")
@click.option("--budget", type=_Duration(), help="Stop after T (90, 5m, 1h); what is left is inconclusive.")
@click.option("--strict", is_flag=True, help="Inconclusive fails (exit 1).")
@click.option("--fresh", is_flag=True, help="Hear every case anew, whatever the store holds.")
@click.option("-q", "--quiet", is_flag=True, help="Only the exit code and what went wrong.")
@click.option("-v", "--verbose", is_flag=True, help="One row a case, and each verdict as it comes.")
@click.pass_context
def command(
    ctx: click.Context,
    selectors: tuple[str, ...],
    filter_: str,
    tier: str,
    jobs: int | None,
    device: str,
    seed: int,
    out: Path | None,
    budget: float | None,
    strict: bool,
    fresh: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Verify claims: all, or those that IDS name (CLAIM, CLAIM[case], a prefix ending in a dot, T1..T8).

    \b
    Exit codes: 0 as expected, 1 a fail or a counterfeit that was not refuted, 2 bad input, 3 an error,
    4 inconclusive (1 with --strict), 5 nothing selected or all skipped, 130 interrupted.
    """
    options = Options(
        selectors=selectors,
        filter=filter_,
        tier=Tier[tier.upper()],
        workers=jobs or 0,
        device=device,
        seed=seed,
        out=out,
        budget=budget,
        strict=strict,
        fresh=fresh,
        command=shlex.join(["saddle-escape", *sys.argv[1:]]),
    )
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=console,
        disable=quiet or not console.is_terminal,
        transient=True,
    ) as progress:
        bar = progress.add_task("hearing", total=None, left="")
        estimate = Estimate(select(options), options.workers or os.cpu_count() or 1)

        def watch(result: Result, done: int, total: int) -> None:
            estimate.done(result.key)
            progress.update(bar, completed=done, total=total, description=result.claim, left=estimate.text)
            # Without a terminal there is no bar: then a line every tenth of the way says that the run is alive.
            if verbose or (not quiet and not console.is_terminal and done * 10 // total > (done - 1) * 10 // total):
                line = f"{done:4d}/{total} {result.verdict.value:20s} {result.key} {result.seconds:.2f} s"
                line += f", {estimate.text}" if done < total and not verbose else ""
                console.print(line, highlight=False, soft_wrap=True, markup=False)

        session = run(options, watch)
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    table = render(session.results, every_case=verbose, width=terminal_width(), colour=colour)
    if not quiet:
        click.echo(table)
        if not session.unwritten:
            click.echo(f"written: {session.out / RESULTS_FILE}")
    elif session.exit_code:
        click.echo(table[table.rfind("\n\n") :].strip())
    if session.unwritten:
        click.echo(f"saddle-escape: {session.unwritten}", err=True)
    ctx.exit(session.exit_code)
