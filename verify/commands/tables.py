"""``saddle-escape tables``: LaTeX tables of a stored run, one a theorem."""

from __future__ import annotations

from pathlib import Path

import click

from verify import folder
from verify.render import latex


@click.command("tables")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write into (default: tables/ in the run's folder)."
)
@click.option(
    "--run", "run_folder", type=click.Path(path_type=Path), help="Folder of the run (default: the newest complete)."
)
def command(out: Path | None, run_folder: Path | None) -> None:
    """Write one booktabs and siunitx table per theorem, and tables.tex, which shows them all in one document."""
    place, results = folder.load(run_folder)
    target = out or (place if place.is_dir() else place.parent) / "tables"
    folder.prepare(target)
    for name, text in latex.render(results).items():
        folder.write_atomically(target / name, text.encode())
        click.echo(f"written: {target / name}")
