"""The command line as a user meets it: whole processes, real claims, exit codes, one sentence for bad input."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from verify import cli
from verify.results import RESULTS_FILE, Verdict, read

QUICK = "off-manifold.inequality.overlap"  # the cheapest claim: no torch


def saddle_escape(
    *arguments: str, cwd: Path, env: dict[str, str] | None = None, block: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run the command line in ``cwd``; ``block`` names modules that must not be importable."""
    code = f"import sys; sys.modules.update(dict.fromkeys({list(block)!r})); from verify.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | {"COLUMNS": "126"} | (env or {}),
        timeout=120,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    place = tmp_path_factory.mktemp("run")
    return place, saddle_escape("run", "off-manifold.inequality.", "--tier", "standard", "-j", "2", cwd=place)


def test_a_run_prints_its_table_and_writes_its_record(run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    place, done = run
    assert done.returncode == 0, done.stderr
    for column in ("claim", "reading", "predicted", "measured", "tolerance", "verdict", "evidence"):
        assert column in done.stdout.splitlines()[0]
    assert "counterfeits refuted" in done.stdout
    folders = [entry for entry in (place / "reports").iterdir() if entry.name != "store"]
    results = read(folders[0] / RESULTS_FILE)
    assert len(folders) == 1
    assert (results.run.id, results.run.complete, results.run.exit_code) == (folders[0].name, True, 0)
    assert results.run.command == "saddle-escape run off-manifold.inequality. --tier standard -j 2"
    assert results.run.conventions["loss"].startswith("1/2 E")
    assert {"python", "torch", "sympy"} <= results.run.versions.keys()


def test_reports_come_from_the_stored_run_alone(run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    place, _ = run
    heavy = ("torch", "sympy", "numpy", "scipy", "symbolic.escape", "numeric.estimators")
    assert "# Verification report" in saddle_escape("report", cwd=place, block=heavy).stdout
    written = saddle_escape("report", "--format", "md,json", "--out", "made", cwd=place, block=heavy)
    assert written.returncode == 0, written.stderr
    assert {entry.name for entry in (place / "made").iterdir()} == {"report.md", "report.json"}
    tables = saddle_escape("tables", "--out", "tables", cwd=place, block=heavy)
    assert tables.returncode == 0, tables.stderr
    assert {"T6.tex", "claims-status.tex", "tables.tex"} <= {entry.name for entry in (place / "tables").iterdir()}
    shown = saddle_escape("show", f"{QUICK}[r=3]", cwd=place, block=heavy)
    assert "hypothesis  r >= 3" in shown.stdout
    assert "counterfeit" in shown.stdout


def test_list_and_help_load_neither_torch_nor_sympy(tmp_path: Path) -> None:
    for arguments in (
        ("--help",),
        ("list",),
        ("list", "--json"),
        ("--version",),
        ("run", "--help"),
        ("report", "--help"),
    ):
        done = saddle_escape(*arguments, cwd=tmp_path, block=("torch", "sympy", "numpy", "scipy", "flint", "mpmath"))
        assert done.returncode == 0, (arguments, done.stderr)
    heads = [line for line in saddle_escape("list", cwd=tmp_path).stdout.splitlines() if line.startswith("T")]
    assert len({line.split(",")[0] for line in heads}) == len(heads), "a theorem has one heading"
    assert "assumes:" in saddle_escape("list", "-v", cwd=tmp_path).stdout
    claims = json.loads(saddle_escape("list", "--json", cwd=tmp_path).stdout)
    assert all({"hypotheses", "expect", "seconds", "cases"} <= claim.keys() for claim in claims)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "critical-depth.exponentt"), "the nearest id is critical-depth.exponent"),
        (("run", "T99"), "T1 to T8"),
        (("run", f"{QUICK}[r=77]"), "nothing matches"),
        (("run", "--tier", "huge"), "smoke"),
        (("run", "--tiers", "smoke"), "--tier"),
        (("run", "-k", "(tanh"), "parenthesis"),
        (("run", "--seed", "-1"), "-1"),
        (("run", "-j", "0"), "0"),
        (("run", "--budget", "soon"), "5m"),
        (("run", QUICK, "--out", "/proc/nowhere"), "/proc/nowhere"),
        (("run", QUICK, "--device", "cuda:7"), "available: cpu"),
        (("run", QUICK, "--device", "abacus"), "available: cpu"),
        (("runn",), "did you mean 'run'"),
        (("report",), "no complete run"),
        (("report", "--format", "docx"), "html, md"),
        (("report", "--run", "nowhere"), "nowhere"),
        (("tables", "--run", "nowhere"), "nowhere"),
        (("show", "T1"), "no complete run"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    done = saddle_escape(*arguments, cwd=tmp_path)
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert sentence in done.stderr
    assert done.stdout == ""


def test_an_unreadable_configuration_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.saddle-escape]\nteir = 'full'\n")
    done = saddle_escape("run", QUICK, cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean 'tier'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_command_line_over_environment_over_file_over_default(tmp_path: Path) -> None:
    def tier(*arguments: str, **env: str) -> str:
        done = saddle_escape("run", QUICK, "-q", "--out", "out", *arguments, cwd=tmp_path, env=env)
        assert done.returncode == 0, done.stderr
        return read(tmp_path / "out" / RESULTS_FILE).run.tier

    assert tier() == "smoke"
    (tmp_path / "pyproject.toml").write_text("[tool.saddle-escape]\ntier = 'full'\n")
    assert tier() == "full"
    assert tier(SADDLE_ESCAPE_RUN_TIER="standard") == "standard"
    assert tier("--tier", "smoke", SADDLE_ESCAPE_RUN_TIER="standard") == "smoke"


def test_nothing_selected_is_exit_code_5(tmp_path: Path) -> None:
    done = saddle_escape("run", "-k", "nonexistent", cwd=tmp_path)
    assert done.returncode == 5
    assert "0 claims, 0 cases" in done.stdout


def test_a_named_case_is_heard_whatever_its_tier(tmp_path: Path) -> None:
    done = saddle_escape("run", f"{QUICK}[r=8]", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [result.case for result in read(tmp_path / "out" / RESULTS_FILE).results] == ["r=8"]


def test_a_spent_budget_is_exit_code_4_and_1_under_strict(tmp_path: Path) -> None:
    for strict, code in (((), 4), (("--strict",), 1)):
        done = saddle_escape("run", QUICK, "--budget", "0.01", "--out", "out", *strict, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        results = read(tmp_path / "out" / RESULTS_FILE)
        assert {result.verdict for result in results.results} == {Verdict.INCONCLUSIVE}
        assert all(result.reason.startswith("budget") for result in results.results)
        assert "not comparable" in done.stdout


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_interrupted_run_keeps_what_is_done(tmp_path: Path, workers: str) -> None:
    command = [sys.executable, "-m", "verify", "run", "--tier", "standard", "-j", workers, "--out", "out"]
    # A session of its own, so that Ctrl-C reaches the whole group, as a terminal sends it.
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    record = tmp_path / "out" / RESULTS_FILE
    deadline = time.monotonic() + 60
    while not record.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    first = read(record)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert "Traceback" not in err
    last = read(record)
    assert (last.run.complete, last.run.exit_code) == (False, 130)
    assert {r.key for r in first.results} <= {r.key for r in last.results}
    assert "interrupted" in out


def test_the_same_seed_gives_the_same_bits_for_any_number_of_workers(tmp_path: Path) -> None:
    def results(name: str, *arguments: str) -> list[object]:
        done = saddle_escape(
            "run", "off-manifold.inequality.", "imbalance.autograd", "--fresh", "--out", name, *arguments, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        plain = json.loads((tmp_path / name / RESULTS_FILE).read_text())["results"]
        return [{key: value for key, value in result.items() if key != "seconds"} for result in plain]

    first = results("a", "-j", "1")
    assert results("b", "-j", "2") == first
    assert results("c", "-j", "2", "--seed", "1") != first


def test_python_m_verify_is_the_same_command(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "verify", "--version"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.startswith("saddle-escape ")


def test_graph_diff_and_replay_of_a_stored_run(tmp_path: Path) -> None:
    assert saddle_escape("run", QUICK, "--out", "a", cwd=tmp_path).returncode == 0
    same = saddle_escape("diff", "a", "a", cwd=tmp_path)
    assert (same.returncode, same.stdout.strip()) == (0, "the runs say the same")
    again = saddle_escape("replay", QUICK, "--run", "a", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "the same, bit for bit" in again.stdout
    written = saddle_escape("graph", "--run", "a", "--out", "g/graph.svg", cwd=tmp_path)
    assert written.returncode == 0, written.stderr
    assert (tmp_path / "g" / "graph.svg").read_text().startswith("<?xml")
    several = saddle_escape("report", "--format", "latex", "--run", "a", cwd=tmp_path)
    assert several.returncode == 2
    assert "name a folder" in several.stderr


def test_replay_of_what_is_not_there_is_exit_code_2(tmp_path: Path) -> None:
    saddle_escape("run", QUICK, "--out", "a", cwd=tmp_path)
    done = saddle_escape("replay", "not.there", "--run", "a", cwd=tmp_path)
    assert done.returncode == 2
    assert "not.there" in done.stderr


def test_a_defect_of_ours_is_no_failed_theorem(tmp_path: Path) -> None:
    code = "import verify.cli as c; c.group.main = lambda **_: {}['x']; c.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 3
    assert "KeyError" in done.stderr


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (OSError(28, "No space left on device", "report.md"), 3, "No space left on device"),
        (OSError(13, "Permission denied", "report.md"), 2, "Permission denied"),
        (MemoryError("the device cpu has not enough memory for it"), 3, "the device cpu has not enough memory"),
        (MemoryError(), 3, "there is not enough memory for this"),
        (ValueError("bad\ninput"), 2, "bad input"),
    ],
)
def test_the_machine_s_condition_is_no_bad_input(
    error: Exception, code: int, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli.group, "main", broken)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == code
    said = capsys.readouterr().err
    assert said.startswith("saddle-escape: ")
    assert sentence in said
    assert said.count("\n") == 1
