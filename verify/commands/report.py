"""``saddle-escape report``: make reports again from a stored run, without running anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from verify import folder
from verify.render import markdown, page
from verify.results import Results, encode

FORMATS: dict[str, tuple[str, Callable[[Results], str]]] = {
    "json": ("report.json", lambda results: encode(results).decode()),
    "md": ("report.md", markdown.render),
    "html": ("report.html", page.render),
}


@click.command("report")
@click.option(
    "--format", "formats", default="md", show_default=True, help=f"One or more of {', '.join(FORMATS)}, by commas."
)
@click.option(
    "--run", "run_folder", type=click.Path(path_type=Path), help="Folder of the run (default: the newest complete)."
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write into (default: print the report).")
def command(formats: str, run_folder: Path | None, out: Path | None) -> None:
    """Print or write the report of a stored run."""
    chosen = [name.strip() for name in formats.split(",")]
    for name in chosen:
        if name not in FORMATS:
            raise ValueError(f"there is no report format {name!r}: choose from {', '.join(FORMATS)}")
    _, results = folder.load(run_folder)
    for name in chosen:
        file, render = FORMATS[name]
        if out is None:
            click.echo(render(results), nl=False)
        else:
            folder.prepare(out)
            folder.write_atomically(out / file, render(results).encode())
            click.echo(f"written: {out / file}")
