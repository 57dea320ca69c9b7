"""The worked example: another paper's theorem, in a repository of its own, with everything that ours has."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from verify.results import Verdict, read

SAXE = Path(__file__).parents[2] / "examples" / "saxe"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saxe")
    shutil.copytree(SAXE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("reports", "tables", "__pycache__"))
    return folder


def saddle_escape(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "verify", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=280)


def test_saxe_is_verified_with_its_counterfeits_and_its_table(project: Path) -> None:
    done = saddle_escape(project, "run", "saxe.", "-j", "1", "--out", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    results = read(project / "run" / "results.json").results
    assert {result.claim for result in results} == {"saxe.mode-trajectory", "saxe.time-scale", "saxe.mode-order"}
    assert {result.verdict for result in results} == {Verdict.PASS}
    assert all(len([c for c in result.counterfeits if c.refuted]) >= 1 for result in results)
    made = saddle_escape(project, "tables", "--run", "run", "--out", "tables")
    assert made.returncode == 0, made.stderr
    assert r"(\ref{eq:sigmoid})" in (project / "tables" / "Saxe.tex").read_text()


def test_saxe_keeps_the_conformance_rules(project: Path) -> None:
    done = saddle_escape(project, "check-claims")
    assert done.returncode == 0, done.stdout
