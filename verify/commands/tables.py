"""``saddle-escape tables``: LaTeX of a stored run, for a paper."""

from __future__ import annotations

from pathlib import Path

import click

from verify import folder
from verify.labels import check
from verify.render import latex
from verify.results import Results
from verify.settings import read_labels


@click.command("tables")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write into (default: tables/ in the run's folder)."
)
@click.option(
    "--run", "run_folder", type=click.Path(path_type=Path), help="Folder of the run (default: the newest complete)."
)
@click.option(
    "--paper",
    type=click.Path(path_type=Path),
    help="The paper's .tex or .aux file: every label that [tool.saddle-escape.labels] maps to must be in it.",
)
@click.option("--check-stale", is_flag=True, help="Mark what has changed since the run: sources of a claim, libraries.")
def command(out: Path | None, run_folder: Path | None, paper: Path | None, check_stale: bool) -> None:
    """Write LaTeX: macros by claim, one table a theorem, errata, power, every case, and tables.tex, which shows all.

    [tool.saddle-escape.labels] in pyproject.toml maps claim ids to the labels of the paper, which the tables refer to.
    """
    place, results = folder.load(run_folder)
    labels = read_labels(Path.cwd())
    if paper is not None:
        check(labels, results.run.claims, paper)
    stale = _stale(results) if check_stale else frozenset()
    target = out or (place if place.is_dir() else place.parent) / "tables"
    folder.prepare(target)
    for name, text in latex.render(results, labels, stale).items():
        folder.write_atomically(target / name, text.encode())
        click.echo(f"written: {target / name}")
    if stale:
        click.echo(f"stale: {len(stale)} of {len(results.results)} results, for example {min(stale)}: run again")


def _stale(results: Results) -> frozenset[str]:
    """``CLAIM[case]`` of every result that depends on something that is no longer what it was."""
    from verify import store
    from verify.catalogue import catalogue
    from verify.environment import versions

    run = results.run
    circumstances = store.Circumstances(run.seed, run.device, run.dtype, versions())
    now = {
        f"{claim.id}[{case.text}]": store.key(claim, case, circumstances)
        for claim in catalogue()
        if claim.id in run.claims
        for case in claim.cases
    }
    return store.stale(run.digests, run.versions, now)
