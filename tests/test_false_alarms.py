import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

spec = spec_from_file_location("false_alarms", Path(__file__).parent / "false_alarms.py")
assert spec and spec.loader
alarms = module_from_spec(spec)
spec.loader.exec_module(alarms)


def record(verdict: str, as_expected: bool | None, refuted: bool = True, reason: str = "") -> dict[str, object]:
    counterfeits = [{"name": "nearest", "refuted": refuted}]
    return {
        "claim": "a.b",
        "case": "r=3",
        "verdict": verdict,
        "as_expected": as_expected,
        "reason": reason,
        "counterfeits": counterfeits,
    }


def test_ranges_of_seeds() -> None:
    assert alarms.numbers("1-3,7") == [1, 2, 3, 7]
    for text in ("3-1", "", "x"):
        with pytest.raises(ValueError):
            alarms.numbers(text)


def test_what_offends() -> None:
    good = [record("pass", True), record("refuted-as-expected", True), record("skipped", None)]
    assert alarms.offending(good) == []
    bad = [
        record("fail", False),
        record("pass", False),
        record("error", None),
        record("inconclusive", None, reason="undecided: off by 2 budgets"),
        record("pass", True, refuted=False),
    ]
    lines = alarms.offending(bad)
    assert len(lines) == len(bad)
    assert "off by 2 budgets" in lines[3] and "not refuted: nearest" in lines[4]


def test_finished_seeds_are_kept_and_alarms_exit_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = []

    class Run:
        exit_code = 0

    class Results:
        run = Run()

    def run(*ids: str, seed: int, out: Path, **_: object) -> Results:
        ran.append(seed)
        out.mkdir(parents=True)
        result = record("fail", False) if seed == 2 else record("pass", True)
        (out / "results.json").write_text(json.dumps({"results": [result]}))
        return Results()

    monkeypatch.setattr(alarms.verify, "run", run)
    assert alarms.main(["--seeds", "1", "--folder", str(tmp_path)]) == 0
    assert alarms.main(["--seeds", "1-2", "--folder", str(tmp_path)]) == 1
    assert "seed 2: a.b[r=3] fail" in capsys.readouterr().out
    assert ran == [1, 2]
    monkeypatch.setattr(alarms, "fingerprint", lambda *_: "other sources")
    with pytest.raises(FileExistsError):  # it is run again
        alarms.main(["--seeds", "1", "--folder", str(tmp_path)])
