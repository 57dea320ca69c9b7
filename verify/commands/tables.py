"""``saddle-escape tables``: LaTeX of a stored run, for a paper."""

from __future__ import annotations

from pathlib import Path

import click

from verify import folder
from verify.labels import check
from verify.render import latex
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
def command(out: Path | None, run_folder: Path | None, paper: Path | None) -> None:
    """Write LaTeX: macros by claim, one table a theorem, errata, power, every case, and tables.tex, which shows all.

    [tool.saddle-escape.labels] in pyproject.toml maps claim ids to the labels of the paper, which the tables refer to.
    """
    place, results = folder.load(run_folder)
    labels = read_labels(Path.cwd())
    if paper is not None:
        check(labels, results.run.claims, paper)
    target = out or (place if place.is_dir() else place.parent) / "tables"
    folder.prepare(target)
    for name, text in latex.render(results, labels).items():
        folder.write_atomically(target / name, text.encode())
        click.echo(f"written: {target / name}")
