"""The demo paper and the tables, compiled by a real pdflatex without a warning."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.verify.render.conftest import HOSTILE, results, with_activations  # noqa: F401
from verify.activation_table import activation_table
from verify.render import latex
from verify.results import Results

DEMO = Path(__file__).parents[2] / "reports" / "demo"
# By claims, so that it takes seconds: the tables of every theorem that the paper shows.
SHOWN = (
    "prefactor.as-printed",
    "prefactor.hermite",
    "critical-depth.exponent",
    "critical-depth.logarithm",
    "off-manifold.inequality.as-printed",
    "off-manifold.inequality.overlap",
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here: install texlive to run this"),
]


def compiled(folder: Path, name: str) -> str:
    """The log of the last of three passes, in which every reference is settled."""
    for _ in range(3):
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", name],
            cwd=folder,
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-3000:]
    return (folder / name).with_suffix(".log").read_text(errors="replace")


def complaints(log: str) -> list[str]:
    return [
        line
        for line in log.splitlines()
        if re.search(r"Overfull|Reference.*undefined|Citation.*undefined|multiply|(?<!Font )Warning: (?!.*rerun)", line)
    ]


def saddle_escape(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "verify", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)


def test_the_demo_paper_compiles_without_a_warning(tmp_path: Path) -> None:
    for name in ("paper.tex", "pyproject.toml"):
        shutil.copy(DEMO / name, tmp_path / name)
    saddle_escape(tmp_path, "run", *SHOWN, "--out", "run")
    saddle_escape(tmp_path, "tables", "--run", "run", "--out", "tables", "--paper", "paper.tex")
    assert complaints(compiled(tmp_path, "paper.tex")) == []


def test_the_table_of_activations_compiles_without_a_warning(tmp_path: Path, results: Results) -> None:  # noqa: F811
    run = msgspec.structs.replace(results.run, activations=activation_table())
    for name, text in latex.render(msgspec.structs.replace(results, run=run)).items():
        (tmp_path / name).write_text(text)
    assert r"\texttt{\textbackslash" not in (tmp_path / "activations.tex").read_text()  # every formula is typeset
    (tmp_path / "t.tex").write_text(
        r"\documentclass{article}\usepackage[margin=2cm]{geometry}\usepackage{amsmath,array,booktabs,longtable}"
        r"\begin{document}\input{activations}\end{document}"
    )
    assert complaints(compiled(tmp_path, "t.tex")) == []


def test_a_name_that_the_run_does_not_have_stops_the_paper(tmp_path: Path) -> None:
    saddle_escape(tmp_path, "run", "critical-depth.logarithm", "--out", "run")
    saddle_escape(tmp_path, "tables", "--run", "run", "--out", "tables")
    (tmp_path / "p.tex").write_text(
        r"\documentclass{article}\usepackage{siunitx}\input{tables/claims-status}"
        r"\begin{document}\claimstatus{not.there}\end{document}"
    )
    with pytest.raises(AssertionError, match=r"no claim `not\.there'"):
        compiled(tmp_path, "p.tex")


def test_hostile_names_never_break_the_file(tmp_path: Path, results: Results) -> None:  # noqa: F811
    nasty = msgspec.structs.replace(results.results[0], claim="z.hostile", case=HOSTILE, theorem="T1")
    record = with_activations(msgspec.structs.replace(results, results=(*results.results, nasty)))
    for name, text in latex.render(record, {"a.pass": r"x}\undefined{"}).items():
        (tmp_path / name).write_text(text)
    assert [line for line in complaints(compiled(tmp_path, "tables.tex")) if "Overfull" not in line] == []
