"""``saddle-escape graph``: the dependency graph of the claims in a stored run, as SVG or DOT."""

from __future__ import annotations

from pathlib import Path

import click

from verify import folder
from verify.render.graph import dot, graph, standalone_svg

WRITERS = {"svg": standalone_svg, "dot": dot}


@click.command("graph")
@click.option("--format", "format_", type=click.Choice(list(WRITERS)), default="svg", show_default=True)
@click.option(
    "--run", "run_folder", type=click.Path(path_type=Path), help="Folder of the run (default: the newest complete)."
)
@click.option("--out", type=click.Path(path_type=Path), help="File to write (default: print the graph).")
def command(format_: str, run_folder: Path | None, out: Path | None) -> None:
    """Print or write the dependency graph of a stored run; states are said by symbol and word besides colour."""
    text = WRITERS[format_](graph(folder.load(run_folder)[1]))
    if out is None:
        click.echo(text, nl=False)
        return
    folder.prepare(out.parent)
    folder.write_atomically(out, text.encode())
    click.echo(f"written: {out}")
