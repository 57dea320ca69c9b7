"""``saddle-escape explain``: what a claim says, what a stored run says of it, and why its cases would run again."""

from __future__ import annotations

from pathlib import Path

import click

from verify import folder, store
from verify.claim import Claim, Tier
from verify.environment import versions
from verify.render.terminal import compared
from verify.results import Result, Results, as_float
from verify.session import DTYPE, Options, select


@click.command("explain")
@click.argument("selectors", nargs=-1, required=True, metavar="IDS...")
@click.option(
    "--run", "run_folder", type=click.Path(path_type=Path), help="Folder of the run (default: the newest complete)."
)
@click.option("--tier", type=click.Choice([tier.label for tier in Tier]), default="smoke", show_default=True)
@click.option("--device", default="cpu", show_default=True, help="A torch device.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
def command(selectors: tuple[str, ...], run_folder: Path | None, tier: str, device: str, seed: int) -> None:
    """Explain the claims that IDS name: what they say, what a stored run says of each case, and whether `run` would
    take its verdict from the store or hear it again, and why.

    Without a stored run all but its verdicts is told, and the exit code is 2.
    """
    tasks = select(Options(selectors=selectors, tier=Tier[tier.upper()]))
    results, absence = _stored(run_folder)
    heard = {result.key: result for result in results.results} if results else {}
    circumstances = store.Circumstances(seed, device, DTYPE, versions())
    if results:
        run = results.run
        click.echo(f"run {run.id}, tier {run.tier}, seed {run.seed}, {run.device}, commit {run.commit or 'none'}")
    claim_id = ""
    for task in tasks:
        if task.claim.id != claim_id:
            claim_id = task.claim.id
            click.echo(describe(task.claim))
        click.echo(f"  {task.case.text}")
        if results:
            click.echo(f"    in the run    {_said(heard.get(task.key))}")
        click.echo(f"    now           {_standing(store.key(task.claim, task.case, circumstances))}")
    if absence:
        raise absence


def _stored(run_folder: Path | None) -> tuple[Results | None, ValueError | None]:
    """The stored run, or the sentence why there is none; a run that was named must be there."""
    try:
        return folder.load(run_folder)[1], None
    except ValueError as error:
        if run_folder is not None:
            raise
        return None, error


def _said(result: Result | None) -> str:
    """The verdict of a stored run on one case, with the numbers behind it and how sharp the check was."""
    if result is None:
        return "not heard"
    predicted, measured, tolerance = compared(result)
    said = result.verdict.value + (" (not expected)" if result.as_expected is False else "")
    if result.reason:
        return f"{said} ({result.reason})"
    said += f": predicted {predicted}, measured {measured}, tolerance {tolerance or 'none'}"
    margins = [m for c in result.counterfeits if (m := as_float(c.margin)) is not None]
    refuted = sum(c.refuted for c in result.counterfeits)
    nearest = f", the nearest {min(margins):.3g} budgets away" if margins and min(margins) < float("inf") else ""
    return f"{said}; {refuted} of {len(result.counterfeits)} counterfeits refuted{nearest}"


def describe(claim: Claim) -> str:
    """A claim in full, as plain text."""
    witnesses = " and ".join(witness.value for witness in claim.witnesses)
    lines = [
        f"{claim.id} ({claim.theorem}, {claim.reading.value}, expected: {claim.expect.value}): {claim.title}",
        f"  statement    {claim.plain}",
        f"  source       {claim.source}",
        *(f"  assumes      {hypothesis.name}" for hypothesis in claim.assumes),
        *(f"  builds on    {parent}" for parent in claim.depends),
        f"  witnesses    {witnesses}; best evidence: {claim.evidence.value}",
        *(f"  counterfeit  {c.name}{' (nearest)' if c.nearest else ''}" for c in claim.counterfeits),
        *(f"  no transplant {kind}: {sentence}" for kind, sentence in claim.indifferent.items()),
    ]
    if claim.erratum:
        lines += [f"  fails since  {claim.erratum.fails}", f"  true instead {claim.erratum.true}"]
    return "\n".join(lines)


def _standing(address: store.Key) -> str:
    entry = store.read(address)
    if entry is not None:
        return f"{entry.result.verdict.value}, in the store since {entry.date}, commit {entry.commit or 'none'}"
    last = store.newest(address.claim, address.case)
    if last is None:
        return "would run: it has no verdict in the store"
    changed = store.differences(last, address)
    more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
    return f"would run again ({last.result.verdict.value} on {last.date}): {'; '.join(changed[:3])}{more}"
