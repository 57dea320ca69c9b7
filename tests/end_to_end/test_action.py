"""What the action does once it is installed, tried here as a workflow would: from a clean clone, with its two files."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.end_to_end.test_faults import MINE, project
from verify.results import read

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the script is bash's")


class Workflow:
    """A runner: `saddle-escape` on the path from the checkout ``code``, and the two files that steps write into."""

    def __init__(self, folder: Path, code: Path = ROOT) -> None:
        self.summary, self.output, self.code = folder / "summary.md", folder / "output.txt", code
        commands = folder / "bin"
        commands.mkdir()
        (commands / "saddle-escape").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m verify "$@"\n')
        (commands / "saddle-escape").chmod(0o755)
        self._path = f"{commands}{os.pathsep}{os.environ['PATH']}"

    def run(self, where: Path, **env: str) -> subprocess.CompletedProcess[str]:
        files = {"GITHUB_STEP_SUMMARY": str(self.summary), "GITHUB_OUTPUT": str(self.output)}
        settings = os.environ | {"PATH": self._path, "PYTHONPATH": str(self.code)} | files | env
        script = ["bash", str(self.code / "action" / "run.sh")]
        return subprocess.run(script, cwd=where, env=settings, capture_output=True, text=True, check=False, timeout=900)

    @property
    def outputs(self) -> dict[str, str]:
        return dict(line.partition("=")[::2] for line in self.output.read_text().splitlines())


GOOD = MINE + 'CLAIMS = (claim("mine.good", cases(3, sleep=0.0)),)\n'
BAD = (
    MINE
    + """
def three(case, context):
    return Measurement(3.0, budget=Budget(rounding=0.1))

def broken(case, context):
    return 1 / 0

CLAIMS = (claim("mine.bad", cases(1), three), claim("mine.odd", cases(1), broken))
"""
)


def test_a_run_is_summarised_and_its_outputs_are_set(tmp_path: Path) -> None:
    flow, folder = Workflow(tmp_path), project(tmp_path / "project", GOOD)
    done = flow.run(folder, IDS="mine.", OUT="reports/here", SADDLE_ESCAPE_RUN_TIER="", SADDLE_ESCAPE_RUN_STRICT="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert flow.outputs == {"exit-code": "0", "report": "reports/here"}
    assert "**1 claims, 3 cases: 3 pass" in flow.summary.read_text()
    place = folder / "reports/here"
    assert {path.name for path in place.iterdir()} == {
        *("results.json", "report.html", "report.md", "junit.xml", "summary.md", "annotations.txt")
    }
    assert len(list(ET.parse(place / "junit.xml").iter("testcase"))) == 3
    assert "::error" not in done.stdout


def test_what_fails_is_annotated_and_fails_the_step(tmp_path: Path) -> None:
    flow, folder = Workflow(tmp_path), project(tmp_path / "project", BAD)
    done = flow.run(folder, IDS="mine.")
    assert done.returncode == 3
    assert flow.outputs["exit-code"] == "3"
    assert re.search(r"^::error title=error%3A mine\.odd\[.*ZeroDivisionError", done.stdout, re.M)
    assert re.search(r"^::error title=fail%3A mine\.bad\[", done.stdout, re.M)
    assert "mine.bad" in flow.summary.read_text()


def test_bad_input_says_so_and_shows_no_older_record(tmp_path: Path) -> None:
    flow, folder = Workflow(tmp_path), project(tmp_path / "project", GOOD)
    assert flow.run(folder, IDS="mine.", OUT="out").returncode == 0
    flow.output.unlink()
    flow.summary.unlink()
    done = flow.run(folder, IDS="mine.goood; touch stolen $(touch stolen)", OUT="out")
    assert done.returncode == 2
    assert flow.outputs["exit-code"] == "2"
    assert "wrote no record (exit code 2)" in flow.summary.read_text()
    assert "::error title=saddle-escape::" in done.stdout
    assert not (folder / "stolen").exists()
    assert not (folder / "out" / "results.json").exists()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_from_a_clean_clone_tier_smoke(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    flow = Workflow(tmp_path, clone)
    done = flow.run(clone, SADDLE_ESCAPE_RUN_TIER="smoke", SADDLE_ESCAPE_RUN_JOBS="2")
    assert done.returncode == 0, done.stdout + done.stderr
    record = read(clone / flow.outputs["report"] / "results.json")
    assert record.run.complete and record.run.exit_code == 0
    assert record.run.commit == subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=clone, text=True).strip()
    assert len(flow.summary.read_text().encode()) < 1 << 20  # the service's bound
    again = flow.run(clone, SADDLE_ESCAPE_RUN_TIER="smoke", OUT="reports/again")
    assert again.returncode == 0
    assert len(read(clone / "reports/again/results.json").run.stored) == len(record.results)
    assert not subprocess.check_output(["git", "status", "--porcelain"], cwd=clone, text=True)


def test_inputs_reach_the_shell_as_variables_only() -> None:
    text = (ROOT / "action.yml").read_text()
    assert 'run: bash "$HOME_OF_ACTION/action/run.sh"' in text
    for block in re.findall(r"^ +run: (?:\|\n((?: {8,}.*\n)+)|(.*)\n)", text, re.M):
        assert "${{" not in "".join(block)
    declared = set(re.findall(r"^  ([a-z-]+):$", text.partition("inputs:")[2].partition("outputs:")[0], re.M))
    assert declared == set(re.findall(r"inputs\.([a-z-]+)", text))
