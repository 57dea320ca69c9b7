"""``saddle-escape figures`` and the page with figures: files from a stored run alone."""

import base64
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.verify.render.test_figures import RECORD, made
from tests.verify.test_cli import saddle_escape
from verify.commands.figures import command
from verify.commands.report import command as report
from verify.render.drawing import draw
from verify.results import RESULTS_FILE, Results, encode


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / RESULTS_FILE).write_bytes(encode(RECORD))
    return tmp_path / "run"


def called(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_every_figure_in_every_format_with_its_data(run: Path, tmp_path: Path) -> None:
    done = called("--run", run, "--out", tmp_path / "made", "--format", "svg, png,svg")
    assert done.exit_code == 0, done.output
    found = made(RECORD)
    files = {path.name for path in (tmp_path / "made").iterdir()}
    assert files == {f"{name}.{form}" for name in found for form in ("csv", "svg", "png")}
    assert (tmp_path / "made" / "resonance.csv").read_text() == found["resonance"].csv()
    assert (tmp_path / "made" / "resonance.svg").read_bytes() == draw(found["resonance"], "svg")
    assert "resonance.{csv,svg,png}" in done.output


def test_the_folder_of_the_run_takes_them_unless_another_is_named(run: Path) -> None:
    assert called("--run", run, "--format", "pdf").exit_code == 0
    assert (run / "figures" / "power.pdf").read_bytes().startswith(b"%PDF")


def test_an_unknown_format_and_a_run_without_figures_are_one_sentence(run: Path, tmp_path: Path) -> None:
    assert "pdf, svg, png" in str(called("--run", run, "--format", "docx").exception)
    empty = Results(schema=RECORD.schema, run=RECORD.run, results=())
    (run / RESULTS_FILE).write_bytes(encode(empty))
    assert "no claim that a figure shows" in str(called("--run", run, "--out", tmp_path / "none").exception)
    assert not (tmp_path / "none").exists()


def test_the_page_holds_the_figures_and_is_the_same_again(run: Path, tmp_path: Path) -> None:
    pages = []
    for out in ("one", "two"):
        done = CliRunner().invoke(report, ["--run", str(run), "--format", "html", "--out", str(tmp_path / out)])
        assert done.exit_code == 0, done.output
        pages.append((tmp_path / out / "report.html").read_text())
    assert pages[0] == pages[1]
    found = made(RECORD)
    embedded = re.findall(
        r'<figure id="figure-([a-z-]+)"><img src="data:image/svg\+xml;base64,([^"]+)" alt="[^"]+">', pages[0]
    )
    assert {name for name, _ in embedded} == set(found)
    assert base64.b64decode(dict(embedded)["resonance"]) == draw(found["resonance"], "svg")


def test_figures_need_neither_witness(run: Path) -> None:
    heavy = ("torch", "sympy", "symbolic.escape", "numeric.estimators")
    done = saddle_escape("figures", "--run", str(run), "--format", "svg", cwd=run, block=heavy)
    assert done.returncode == 0, done.stderr


def test_markdown_loads_no_matplotlib(run: Path) -> None:
    done = saddle_escape("report", "--run", str(run), cwd=run, block=("matplotlib", "numpy", "torch", "sympy"))
    assert done.returncode == 0, done.stderr
