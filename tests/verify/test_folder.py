"""Folders of runs: names that sort, atomic files, the newest complete run."""

import datetime
import os
from pathlib import Path

import pytest

from tests.verify.test_results import record
from verify import folder
from verify.results import RESULTS_FILE, SCHEMA, Results


def stored(where: Path, name: str, *, complete: bool) -> Path:
    place = where / "reports" / name
    place.mkdir(parents=True)
    folder.write(place, Results(schema=SCHEMA, run=record(id=name, complete=complete), results=()))
    return place


def test_a_run_id_sorts_by_time_and_is_new_each_time() -> None:
    now = datetime.datetime(2026, 11, 22, 10, 15, tzinfo=datetime.UTC)
    ids = {folder.new_run_id(now) for _ in range(20)}
    assert len(ids) == 20
    assert all(name.startswith("20261122T101500Z-") and len(name) == 23 for name in ids)


def test_the_newest_complete_run_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stored(tmp_path, "20260101T000000Z-aaaaaa", complete=True)
    stored(tmp_path, "20260102T000000Z-bbbbbb", complete=True)
    stored(tmp_path, "20260103T000000Z-cccccc", complete=False)
    garbled = tmp_path / "reports" / "20260104T000000Z-dddddd"
    garbled.mkdir()
    (garbled / RESULTS_FILE).write_text("{")
    place, results = folder.load(None)
    assert place.name == results.run.id == "20260102T000000Z-bbbbbb"


def test_no_run_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="no complete run"):
        folder.load(None)
    with pytest.raises(ValueError, match="cannot read"):
        folder.load(tmp_path / "nowhere")


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / RESULTS_FILE
    folder.write_atomically(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        folder.write_atomically(path, b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == [RESULTS_FILE]
    assert path.read_bytes() == b"old"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ValueError, match="cannot write into the folder"):
        folder.prepare(file / "below")


def test_only_one_run_at_a_time_is_in_a_folder_and_it_sweeps(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    (tmp_path / ".results.json.torn").write_text("{")
    (tmp_path / ".notes").write_text("mine")
    with folder.alone_in(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [".notes"]
        with pytest.raises(ValueError, match="another run is writing into"), folder.alone_in(tmp_path):
            pass
    with folder.alone_in(tmp_path):
        pass


def test_a_file_that_another_run_is_just_writing_is_not_swept(tmp_path: Path) -> None:
    torn = tmp_path / ".abc.json.torn"
    torn.write_text("{")
    folder.sweep(tmp_path, folder.LITTER)
    assert torn.exists()
    os.utime(torn, (0, 0))
    folder.sweep(tmp_path, folder.LITTER)
    assert not torn.exists()
