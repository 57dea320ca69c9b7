"""The estimate of what is left: earlier seconds where there are any, shared among workers, never below the longest."""

from pathlib import Path

import pytest

from tests.verify.misbehaviour import claim
from tests.verify.test_results import record
from verify import folder
from verify.engine import Task
from verify.estimate import Estimate
from verify.judge import unheard
from verify.results import SCHEMA, Results, Verdict


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    monkeypatch.chdir(tmp_path)
    subject = claim("a.b", "pass", "pass", "pass")
    return [Task(subject, case) for case in subject.cases]


def test_declared_seconds_without_an_earlier_run(tasks: list[Task]) -> None:
    estimate = Estimate(tasks, 1)
    assert estimate.seconds == pytest.approx(0.3)
    estimate.done(tasks[0].key)
    assert estimate.seconds == pytest.approx(0.2)
    assert estimate.text == "about 0 s left"


def test_an_earlier_run_is_believed_more_than_the_declaration(tasks: list[Task]) -> None:
    import msgspec

    slow = msgspec.structs.replace(unheard(tasks[0].claim, tasks[0].case, Verdict.PASS, ""), seconds=200.0)
    place = folder.REPORTS / "20261122T101500Z-1a2b3c"
    place.mkdir(parents=True)
    folder.write(place, Results(schema=SCHEMA, run=record(), results=(slow,)))
    assert Estimate(tasks, 1).seconds == pytest.approx(200.2)
    assert Estimate(tasks, 3).seconds == pytest.approx(200.0)  # one case cannot be shared
    assert Estimate(tasks, 1).text == "about 3 min left"
