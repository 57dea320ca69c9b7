"""``saddle-escape report``: make reports again from a stored run, without running anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from verify import folder
from verify.render import github, junit, latex, markdown, page
from verify.results import Results, encode


def _one(file: str, render: Callable[[Results], str]) -> Callable[[Results], dict[str, str]]:
    return lambda results: {file: render(results)}


def _page(results: Results) -> str:
    from verify.render.drawing import draw  # matplotlib is loaded for the page alone
    from verify.render.figures import figures

    return page.render(results, [page.embedded(figure, draw(figure, "svg")) for figure in figures(results)])


FORMATS: dict[str, Callable[[Results], dict[str, str]]] = {
    "html": _one("report.html", _page),
    "md": _one("report.md", markdown.render),
    "latex": latex.render,
    "junit": _one("junit.xml", junit.render),
    "json": _one("report.json", lambda results: encode(results).decode()),
    "summary": _one("summary.md", github.step_summary),
    "annotations": _one("annotations.txt", github.workflow_annotations),
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
    """Print or write reports of a stored run: a page, Markdown, LaTeX, JUnit, JSON, a summary for CI, annotations."""
    chosen = [name.strip() for name in formats.split(",")]
    for name in chosen:
        if name not in FORMATS:
            raise ValueError(f"there is no report format {name!r}: choose from {', '.join(FORMATS)}")
    _, results = folder.load(run_folder)
    for name in chosen:
        files = FORMATS[name](results)
        if out is None and len(files) > 1:
            raise ValueError(f"the format {name} makes {len(files)} files: name a folder for them with --out")
        for file, text in files.items():
            if out is None:
                click.echo(text, nl=False)
                continue
            folder.prepare(out)
            folder.write_atomically(out / file, text.encode())
            click.echo(f"written: {out / file}")
