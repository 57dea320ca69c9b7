"""``saddle-escape list``: the claims, their hypotheses, what is expected, cases and seconds per tier."""

from __future__ import annotations

import json
from typing import Any

import click

from verify.catalogue import catalogue
from verify.claim import Claim, Tier


def describe(claim: Claim) -> dict[str, Any]:
    """Plain data about ``claim``, as ``list --json`` prints it."""
    return {
        "id": claim.id,
        "theorem": claim.theorem,
        "title": claim.title,
        "reading": claim.reading.value,
        "expect": claim.expect.value,
        "statement": claim.plain,
        "latex": claim.latex,
        "source": claim.source,
        "evidence": claim.evidence.value,
        "witnesses": [witness.value for witness in claim.witnesses],
        "hypotheses": [hypothesis.name for hypothesis in claim.assumes],
        "depends": list(claim.depends),
        "counterfeits": [counterfeit.name for counterfeit in claim.counterfeits],
        "nearest": next(counterfeit.name for counterfeit in claim.counterfeits if counterfeit.nearest),
        "cases": {tier.label: len(claim.cases_in(tier)) for tier in Tier},
        "seconds": {tier.label: round(sum(case.seconds for case in claim.cases_in(tier)), 3) for tier in Tier},
    }


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
@click.option("-v", "--verbose", is_flag=True, help="The hypotheses, the parents and the source as well.")
def command(as_json: bool, verbose: bool) -> None:
    """List the claims by theorem: reading, what is expected, cases and seconds per tier, and the statement."""
    claims = [describe(claim) for claim in catalogue()]
    if as_json:
        click.echo(json.dumps(claims, indent=2))
        return
    width = max(len(claim["id"]) for claim in claims)
    click.echo(f"{'':{width + 2}}  {'reading':10} {'expect':8} {'cases (s/s/f)':>13} {'seconds (s/s/f)':>17}")
    # The catalogue lists parents first; a claim with a parent of a later theorem still goes to its own theorem.
    for theorem in dict.fromkeys(claim["theorem"] for claim in claims):
        of_it = [claim for claim in claims if claim["theorem"] == theorem]
        click.echo(f"{theorem}, {len(of_it)} claim{'s' * (len(of_it) > 1)}")
        for claim in of_it:
            cases = "/".join(str(count) for count in claim["cases"].values())
            spent = "/".join(f"{seconds:.1f}" for seconds in claim["seconds"].values())
            click.echo(f"  {claim['id']:{width}}  {claim['reading']:10} {claim['expect']:8} {cases:>13} {spent:>17}")
            click.echo(f"      {claim['statement']}")
            if verbose:
                click.echo(f"      assumes: {'; '.join(claim['hypotheses'])}")
                if claim["depends"]:
                    click.echo(f"      depends on: {', '.join(claim['depends'])}")
                click.echo(f"      source: {claim['source']}")
    total = {tier.label: sum(claim["cases"][tier.label] for claim in claims) for tier in Tier}
    click.echo(f"{len(claims)} claims; cases: " + ", ".join(f"{tier} {count}" for tier, count in total.items()))
