"""``saddle-escape explain``: what a claim says, how it is decided, and why its cases would run again or would not."""

from __future__ import annotations

import click

from verify import store
from verify.claim import Claim, Tier
from verify.environment import versions
from verify.session import DTYPE, Options, select


@click.command("explain")
@click.argument("selectors", nargs=-1, required=True, metavar="IDS...")
@click.option("--tier", type=click.Choice([tier.label for tier in Tier]), default="smoke", show_default=True)
@click.option("--device", default="cpu", show_default=True, help="A torch device.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
def command(selectors: tuple[str, ...], tier: str, device: str, seed: int) -> None:
    """Explain the claims that IDS name, and say of each case whether `run` would take its verdict from the store."""
    tasks = select(Options(selectors=selectors, tier=Tier[tier.upper()]))
    circumstances = store.Circumstances(seed, device, DTYPE, versions())
    claim_id = ""
    for task in tasks:
        if task.claim.id != claim_id:
            claim_id = task.claim.id
            click.echo(describe(task.claim))
        click.echo(f"  {task.case.text}: {_standing(store.key(task.claim, task.case, circumstances))}")


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
