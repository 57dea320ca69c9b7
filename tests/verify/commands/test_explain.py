"""``saddle-escape explain``, ``show`` and ``check-claims``: what is told of a stored run, and what was misspelt."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.verify.render.conftest import result
from tests.verify.test_results import record
from verify import folder
from verify.commands import check_claims, explain, replay, show
from verify.results import SCHEMA, Results, Verdict

CLAIM = "critical-depth.integral-table"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stored run that heard the first case of one claim, in an empty working folder."""
    from verify.catalogue import find

    monkeypatch.chdir(tmp_path)
    heard = result(CLAIM, find(CLAIM).cases[0].text, Verdict.PASS, theorem="T5")
    out = tmp_path / "reports" / record().id
    out.mkdir(parents=True)
    folder.write(out, Results(schema=SCHEMA, run=record(), results=(heard,)))
    return out


def call(command: object, *arguments: str) -> Result:
    return CliRunner().invoke(command.command, arguments)  # type: ignore[attr-defined]


def test_explain_tells_what_the_newest_run_and_the_store_say(run: Path) -> None:
    done = call(explain, CLAIM, "--tier", "standard")
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"run {record().id}, tier smoke")
    assert "statement" in done.output
    assert "in the run    pass: predicted -3, measured -2.99983(25)" in done.output
    assert "1 of 1 counterfeits refuted, the nearest 4e+03 budgets away" in done.output
    assert done.output.count("in the run    not heard") == done.output.count("would run") - 1


def test_explain_takes_a_run_by_name(run: Path, tmp_path: Path) -> None:
    moved = run.rename(tmp_path / "elsewhere")
    assert "in the run    pass" in call(explain, CLAIM, "--tier", "standard", "--run", str(moved)).output
    done = call(explain, CLAIM, "--run", "absent")
    assert isinstance(done.exception, ValueError)
    assert done.output == ""


def test_explain_without_a_run_tells_the_rest_and_then_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = call(explain, CLAIM)
    assert "would run: it has no verdict in the store" in done.output
    assert "in the run" not in done.output
    assert isinstance(done.exception, ValueError)
    assert "there is no complete run" in str(done.exception)


@pytest.mark.parametrize("command", [show, replay, check_claims])
def test_a_name_that_matches_nothing_is_never_passed_over(run: Path, command: object) -> None:
    names = ["no-such.claim"] if command is replay else [CLAIM, "no-such.claim"]
    done = call(command, *names)
    assert isinstance(done.exception, ValueError)
    assert "'no-such.claim'" in str(done.exception)
