"""The pytest plugin as its user meets it, in a project with a claim of its own."""

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.verify.test_claim_files import OWN

pytestmark = pytest.mark.skipif(
    subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlib.metadata import entry_points as e; e(group='pytest11')['saddle-escape']",
        ],
        capture_output=True,
        check=False,
    ).returncode
    != 0,
    reason="the installed saddle-escape is older than its pytest plugin: install it again",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(OWN)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.saddle-escape]\nclaims = ["mine.py"]\n[tool.pytest.ini_options]\naddopts = "--strict-markers"\n'
    )
    (tmp_path / "test_other.py").write_text("def test_other(): pass\n")
    return tmp_path


# What else is installed here is not looked at: others import what they like, and say so.
OTHER_PLUGINS = [
    word
    for name in sorted({entry.name for entry in entry_points(group="pytest11")} - {"saddle-escape", "xdist"})
    for word in ("-p", f"no:{name}")
]


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", *OTHER_PLUGINS, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def counted(text: str) -> dict[str, int]:
    return {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|xfailed|deselected|error)", text)}


def test_without_the_option_nothing_happens_and_nothing_heavy_is_imported(project: Path) -> None:
    (project / "test_other.py").write_text(
        "import sys\ndef test_other():\n"
        "    assert not {'torch', 'sympy', 'numpy', 'verify.catalogue'} & set(sys.modules)\n"
    )
    done = run_pytest(project)
    assert counted(done.stdout) == {"passed": 1}, done.stdout


def test_one_test_a_case_by_its_name(project: Path) -> None:
    done = run_pytest(project, "--theorems", "--tier", "standard", "--collect-only", "-m", "Mine")
    assert "theorems::mine.two[off=0.2]" in done.stdout
    assert counted(done.stdout)["deselected"] > 50


OTHERS = {
    "with choices": "parser.addoption('--tier', choices=('gold', 'silver'), default='silver')",
    "with any value": "parser.addoption('--tier', default='silver')",
    "a number": "parser.addoption('--tier', type=int, default=1)",
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_plugin_may_have_an_option_of_the_short_name(project: Path, other: str) -> None:
    """Here a conftest's, which is loaded last; theirs is theirs, and the long name is ours."""
    (project / "conftest.py").write_text(f"def pytest_addoption(parser):\n    {OTHERS[other]}\n")
    value = "1" if other == "a number" else "gold"
    (project / "test_other.py").write_text(
        f"def test_other(request):\n    assert str(request.config.getoption('--tier')) == {value!r}\n"
    )
    assert counted(run_pytest(project, f"--tier={value}").stdout) == {"passed": 1}
    chosen = ("--theorems", "--theorems-tier", "standard", f"--tier={value}", "-m", "Mine or not theorem")
    done = run_pytest(project, *chosen)
    assert {k: v for k, v in counted(done.stdout).items() if k != "deselected"} == {
        "passed": 2,
        "failed": 1,
        "xfailed": 1,
    }, done.stdout + done.stderr


def test_the_short_name_may_stand_in_the_configuration_or_with_an_equals_sign(project: Path) -> None:
    named = run_pytest(project, "--theorems", "--tier=standard", "--collect-only", "-m", "Mine")
    assert "theorems::mine.two[off=0.2]" in named.stdout
    settings = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(settings.replace('"--strict-markers"', '"--theorems --tier standard"'))
    done = run_pytest(project, "--collect-only", "-m", "Mine")
    assert "theorems::mine.two[off=0.2]" in done.stdout
    assert "invalid choice: 'gold'" in run_pytest(project, "--tier=gold").stderr
    (project / "pyproject.toml").write_text(settings)
    assert "unrecognized arguments: --tier" in run_pytest(project, "--tier=standard").stderr


def test_verdicts_end_tests_and_a_failure_says_what_the_reader_needs(project: Path) -> None:
    done = run_pytest(project, "--theorems", "--tier", "standard", "-k", "mine")
    assert {k: v for k, v in counted(done.stdout).items() if k != "deselected"} == {
        "passed": 1,
        "failed": 1,
        "xfailed": 1,
    }, done.stdout
    for words in (
        "fail: mine.two[off=1.0]",
        "statement  Two is two.",
        "predicted  2",
        "measured   3.00(10)",
        "budget     0.1",
        "ratio      10 budgets",
        "replay: saddle-escape run 'mine.two[off=1.0]' -v",
    ):
        assert words in done.stdout
    assert "Traceback" not in done.stdout


def test_inconclusive_fails_under_strict(project: Path) -> None:
    done = run_pytest(project, "--theorems", "--theorems-tier", "standard", "--strict-theorems", "-k", "mine")
    assert counted(done.stdout)["failed"] == 2
    assert "inconclusive: undecided" in done.stdout


def test_last_failed_and_processes(project: Path) -> None:
    arguments = ("--theorems", "--tier", "standard", "-m", "Mine or not theorem")
    first = run_pytest(project, *arguments, "-n", "2")
    assert counted(first.stdout) == {"passed": 2, "failed": 1, "xfailed": 1}, first.stdout
    again = run_pytest(project, *arguments, "--lf")
    assert {k: v for k, v in counted(again.stdout).items() if k != "deselected"} == {"failed": 1}, again.stdout


def test_a_claim_file_that_does_not_load_is_a_usage_error(project: Path) -> None:
    (project / "mine.py").write_text("nonsense\n")
    done = run_pytest(project, "--theorems")
    assert done.returncode == 4
    assert "mine.py does not load: line 1" in done.stderr
