"""``saddle-escape figures``: the figures of a stored run, for a paper, each with its data beside it."""

from __future__ import annotations

from pathlib import Path

import click

from verify import folder


@click.command("figures")
@click.option(
    "--run", "run_folder", type=click.Path(path_type=Path), help="Folder of the run (default: the newest complete)."
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write into (default: figures/ in the run's folder)."
)
@click.option(
    "--format",
    "formats",
    default="pdf,svg,png",
    show_default=True,
    help="One or more of pdf, svg, png, by commas; a CSV of the data is always written.",
)
def command(run_folder: Path | None, out: Path | None, formats: str) -> None:
    """Draw the figures of a stored run: vector PDF, SVG, PNG, one column wide, with a CSV of the data beside each.

    A figure whose claims the run lacks is left out. Nothing is run again.
    """
    from verify.render.drawing import FORMATS, draw
    from verify.render.figures import figures

    chosen = list(dict.fromkeys(name.strip() for name in formats.split(",")))
    for name in chosen:
        if name not in FORMATS:
            raise ValueError(f"there is no figure format {name!r}: choose from {', '.join(FORMATS)}")
    place, results = folder.load(run_folder)
    made = figures(results)
    if not made:
        raise ValueError("this run has no claim that a figure shows: see `saddle-escape list` for the claims")
    target = out or (place if place.is_dir() else place.parent) / "figures"
    folder.prepare(target)
    for figure in made:
        folder.write_atomically(target / f"{figure.name}.csv", figure.csv().encode())
        for name in chosen:
            folder.write_atomically(target / f"{figure.name}.{name}", draw(figure, name))
        click.echo(f"written: {target / figure.name}.{{{','.join(['csv', *chosen])}}}")
