"""``saddle-escape new-claim``: a commented claim file that runs, to start from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from verify import folder
from verify.claim import ID


@click.command("new-claim")
@click.argument("claim_id", metavar="ID")
@click.option(
    "--out", type=click.Path(path_type=Path), help="File to write (default: claims/<ID with underscores>.py)."
)
def command(claim_id: str, out: Path | None) -> None:
    """Write a commented claim file for ID (kebab-case words joined by a dot, such as my-theorem.rate) that runs."""
    if not ID.fullmatch(claim_id):
        raise ValueError(f"{claim_id!r} is no id: write kebab-case words joined by dots, such as my-theorem.rate")
    target = out or Path("claims") / f"{claim_id.replace('.', '_').replace('-', '_')}.py"
    if target.exists():
        raise ValueError(f"{target} exists already: name another file with --out")
    template = resources.files("verify").joinpath("data/new_claim.py.txt").read_text()
    folder.prepare(target.parent)
    folder.write_atomically(target, template.replace("my-theorem.rate", claim_id).encode())
    click.echo(f"written: {target}")
    click.echo(f'name it in pyproject.toml:  [tool.saddle-escape]\n                            claims = ["{target}"]')
    click.echo(f"then: saddle-escape run {claim_id}    and: saddle-escape check-claims {claim_id}")
