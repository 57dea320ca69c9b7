"""The store: what did not change is not heard again, what did is, and nothing that is broken is believed."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from verify import store
from verify.catalogue import catalogue
from verify.claim import Claim, Context, Tier
from verify.engine import Task
from verify.judge import judge, unheard
from verify.recorder import Recorder
from verify.results import Result, Verdict, read
from verify.session import Options, run

from .test_results import record

QUICK = next(claim for claim in catalogue() if claim.id == "off-manifold.inequality.overlap")
HERE = store.Circumstances(0, "cpu", "float64", {"python": "3.11"})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def result() -> Result:
    return judge(QUICK, QUICK.cases[0], Context())


def address(**changes: object) -> store.Key:
    return store.key(QUICK, QUICK.cases[0], replace(HERE, **changes))


def test_what_is_kept_is_found_again(result: Result) -> None:
    store.write(address(), result, "abc")
    entry = store.read(address())
    assert entry is not None
    assert (entry.result, entry.commit) == (result, "abc")


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"device": "cuda"}, {"dtype": "float32"}, {"versions": {"python": "3.12"}}]
)
def test_any_other_circumstance_is_another_key(result: Result, changes: dict[str, object]) -> None:
    store.write(address(), result, None)
    assert store.read(address(**changes)) is None
    assert store.newest(QUICK.id, QUICK.cases[0].text) is not None
    assert store.differences(store.newest(QUICK.id, QUICK.cases[0].text), address(**changes))  # type: ignore[arg-type]


def test_the_key_is_injective() -> None:
    one = store.Key("a.b", "c", {"seed": 1, "device": "cpu"})
    others = [
        store.Key("a.b", "c", {"seed": "1", "device": "cpu"}),
        store.Key("a.b", "c", {"seed": 1, "device": "cpu,"}),
        store.Key("a.bc", "", {"seed": 1, "device": "cpu"}),
        store.Key("a.b", 'c","seed":1', {"device": "cpu"}),
    ]
    assert one.digest not in {other.digest for other in others}
    assert one.digest == store.Key("a.b", "c", {"device": "cpu", "seed": 1}).digest


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: b"",
        lambda text: b"\x00" * len(text),
        lambda text: text.replace(b'"pass"', b'"fail"'),
        lambda text: text.replace(b'"value":', b'"value":1', 1),
        lambda text: b"[]",
        lambda text: text + b"x",
    ],
)
def test_a_damaged_entry_is_no_entry(result: Result, damage: Callable[[bytes], bytes]) -> None:
    store.write(address(), result, None)
    path = store.FOLDER / QUICK.id / address().place.parts[-2] / address().place.name
    text = path.read_bytes()
    assert damage(text) != text
    path.write_bytes(damage(text))
    assert store.read(address()) is None


def test_an_entry_in_the_wrong_place_is_no_entry(result: Result) -> None:
    other = store.key(QUICK, QUICK.cases[1], HERE)
    store.write(address(), result, None)
    other.place.parent.mkdir(parents=True)
    address().place.rename(other.place)
    assert store.read(other) is None


def test_what_says_nothing_of_the_mathematics_is_not_kept(result: Result) -> None:
    assert store.worth_keeping(result)
    assert store.worth_keeping(msgspec.structs.replace(result, verdict=Verdict.INCONCLUSIVE, reason="undecided: off"))
    for verdict, reason in (
        (Verdict.ERROR, "error: x"),
        (Verdict.SKIPPED, "optional-data: x"),
        (Verdict.INCONCLUSIVE, "budget: spent"),
        (Verdict.INCONCLUSIVE, "blocked-by a.b"),
    ):
        assert not store.worth_keeping(unheard(QUICK, QUICK.cases[0], verdict, reason))


def test_a_second_run_takes_every_verdict_from_the_store_and_says_the_same(folder: Path) -> None:
    options = Options(selectors=(QUICK.id,), tier=Tier.STANDARD, workers=1)
    first = run(replace(options, out=folder / "a")).results
    second = run(replace(options, out=folder / "b")).results
    assert second.results == first.results
    assert set(second.run.stored) == {result.key for result in first.results}
    assert first.run.stored == {}
    assert second.run.digests == first.run.digests
    assert set(second.run.digests) == set(second.run.stored)
    fresh = run(replace(options, out=folder / "c", fresh=True)).results
    assert fresh.run.stored == {}
    assert [msgspec.structs.replace(r, seconds=0.0) for r in fresh.results] == [
        msgspec.structs.replace(r, seconds=0.0) for r in first.results
    ]


def recorder(out: Path, claim: Claim, keyed: bool = True) -> tuple[Recorder, Task]:
    task = Task(claim, claim.cases[0])
    keys = {task.key: store.key(claim, claim.cases[0], HERE)} if keyed else {}
    out.mkdir(exist_ok=True)
    return Recorder(record(complete=False, exit_code=None), [task], out, keys), task


def test_the_first_verdict_is_in_the_file_at_once(folder: Path, result: Result) -> None:
    clerk, task = recorder(folder / "out", QUICK)
    clerk.take(task, result)
    written = read(folder / "out" / "results.json")
    assert written.results == (result,)
    assert written.run.complete is False


def test_a_disk_that_is_full_costs_no_verdict(folder: Path, result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    clerk, task = recorder(folder / "out", QUICK)
    monkeypatch.setattr("verify.folder.write_atomically", full)
    clerk.take(task, result)
    final = clerk.write(complete=True, exit_code=0)
    assert final.results == (result,)
    assert "No space left on device" in final.run.warnings[0]
    assert "could not be written" in clerk.unwritten
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert clerk.write(complete=True, exit_code=0).results == (result,)
    assert clerk.unwritten == ""


def test_the_clerk_keeps_no_verdict_that_says_nothing_of_the_mathematics(folder: Path) -> None:
    clerk, task = recorder(folder / "out", QUICK)
    clerk.take(task, unheard(QUICK, QUICK.cases[0], Verdict.ERROR, "error: x"))
    assert store.read(address()) is None


def test_a_stored_verdict_whose_parent_has_fallen_is_not_told_as_stored(folder: Path, result: Result) -> None:
    store.write(address(), result, None)
    clerk, task = recorder(folder / "out", QUICK)
    assert clerk.recall() == {task.key: result}
    clerk.take(task, unheard(QUICK, QUICK.cases[0], Verdict.INCONCLUSIVE, "blocked-by a.b, which has the verdict fail"))
    assert clerk.write(complete=True, exit_code=4).run.stored == {}


def test_stale_is_what_changed_since(result: Result) -> None:
    now = {result.key: address()}
    digest = store.source_digest(address())[:16]
    assert store.stale({result.key: digest}, HERE.versions, now) == frozenset()
    assert store.stale({result.key: "0" * 16}, HERE.versions, now) == {result.key}
    assert store.stale({result.key: digest}, {"python": "3.10"}, now) == {result.key}
    assert store.stale({"gone.claim[n=1]": digest}, HERE.versions, now) == {"gone.claim[n=1]"}


def test_an_entry_is_plain_json(result: Result) -> None:
    store.write(address(), result, None)
    assert set(json.loads(address().place.read_bytes())) == {"result", "date", "commit", "parts", "checksum"}
