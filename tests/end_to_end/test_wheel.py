"""The wheel, built here and run in an empty folder: what a user who installs the package meets."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec

from verify.comparison import compare
from verify.results import RESULTS_FILE, Results, read

ROOT = Path(__file__).resolve().parents[2]


def test_the_wheel_verifies_tier_smoke_in_an_empty_folder(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*build, str(tmp_path / "wheel"), str(ROOT)], check=True, capture_output=True, text=True)
    (wheel,) = (tmp_path / "wheel").glob("saddle_escape-*.whl")
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True, text=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    # Earlier on the path than the checkout that the tests run from; the dependencies come from this environment.
    env = os.environ | {"PYTHONPATH": str(site)}
    where = [sys.executable, "-c", "import verify, symbolic, numeric; print(verify.__file__, symbolic.__file__)"]
    found = subprocess.run(where, cwd=empty, env=env, check=True, capture_output=True, text=True).stdout
    assert found.count(str(site)) == 2
    run = [sys.executable, "-m", "verify", "run", "--out", "out", "-j", "2"]
    done = subprocess.run(run, cwd=empty, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((empty / "out" / "results.json").read_text())
    assert record["run"]["exit_code"] == 0
    assert record["run"]["commit"] is None  # outside git
    contradicted = contradictions(
        read(ROOT / "reports" / "reference" / RESULTS_FILE), read(empty / "out" / RESULTS_FILE)
    )
    assert contradicted == [], "make reference again, if the change is meant"
    for verb in (["report", "--run", "out"], ["tables", "--run", "out"]):
        command = [sys.executable, "-m", "verify", *verb]
        made = subprocess.run(command, cwd=empty, env=env, capture_output=True, text=True)
        assert made.returncode == 0, made.stderr


def contradictions(reference: Results, today: Results) -> list[str]:
    """What today's run says otherwise than the committed reference run, case by case: verdicts, values, power."""
    heard = {result.key for result in today.results}
    before = tuple(result for result in reference.results if result.key in heard)
    assert len(before) > 0.9 * len(heard), "the reference run knows few of today's cases: make reference again"
    found = compare(msgspec.structs.replace(reference, results=before), today)
    return [change.text for change in (*found.verdicts, *found.values, *found.counterfeits) if change.worse]
