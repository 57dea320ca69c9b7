"""``saddle-escape check-claims``: the conformance rules, tried on claims of one's own."""

from __future__ import annotations

import click

from verify.catalogue import catalogue, home_of
from verify.claim import Tier
from verify.conformance import RULES, breaches
from verify.session import Options, select


@click.command("check-claims")
@click.argument("selectors", nargs=-1, metavar="[IDS]...")
@click.pass_context
def command(ctx: click.Context, selectors: tuple[str, ...]) -> None:
    """Try the conformance rules on the claims that IDS name (default: every claim of your own).

    Independence of the measurement, printed errors that turn around, counterfeits refuted with doubled budgets, spread,
    and that tier smoke hears them. Exit code 1 when a rule is broken.
    """
    if selectors:
        # The rules are about whole claims, of whatever tier: a case stands for its claim.
        tasks = select(Options(selectors=selectors, tier=Tier.FULL))
        claims = list({task.claim.id: task.claim for task in tasks}.values())
    else:
        claims = [claim for claim in catalogue() if not home_of(claim.id).startswith("verify.")]
        if not claims:
            raise ValueError(
                "no claim of your own is known: name its file in [tool.saddle-escape] claims, or use new-claim"
            )
    broken = 0
    for claim in claims:
        found = list(breaches(claim))
        broken += bool(found)
        click.echo(f"{claim.id}: {'keeps every rule' if not found else f'breaks {len(found)}'}  ({home_of(claim.id)})")
        for sentence in found:
            click.echo(f"  - {sentence}")
    click.echo(f"{len(claims) - broken} of {len(claims)} claims keep the {len(RULES)} rules")
    ctx.exit(1 if broken else 0)
