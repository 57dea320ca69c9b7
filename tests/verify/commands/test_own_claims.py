"""new-claim and check-claims as their user meets them."""

import subprocess
import sys
from pathlib import Path


def saddle_escape(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "verify", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=240)


def test_a_new_claim_runs_and_keeps_every_rule(tmp_path: Path) -> None:
    made = saddle_escape(tmp_path, "new-claim", "escape-time.of-mine")
    assert made.returncode == 0, made.stderr
    file = tmp_path / "claims" / "escape_time_of_mine.py"
    assert "escape-time.of-mine" in file.read_text()
    (tmp_path / "pyproject.toml").write_text('[tool.saddle-escape]\nclaims = ["claims"]\n')
    ran = saddle_escape(tmp_path, "run", "escape-time.of-mine", "--tier", "full", "-j", "1")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "6 of 6 counterfeits refuted" in ran.stdout
    checked = saddle_escape(tmp_path, "check-claims")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "1 of 1 claims keep the 6 rules" in checked.stdout
    again = saddle_escape(tmp_path, "new-claim", "escape-time.of-mine")
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_a_broken_claim_is_told_by_rule(tmp_path: Path) -> None:
    saddle_escape(tmp_path, "new-claim", "mine.rate")
    file = tmp_path / "claims" / "mine_rate.py"
    file.write_text(file.read_text().replace("Tier.SMOKE", "Tier.FULL"))
    (tmp_path / "pyproject.toml").write_text('[tool.saddle-escape]\nclaims = ["claims"]\n')
    checked = saddle_escape(tmp_path, "check-claims", "mine.rate")
    assert checked.returncode == 1
    assert "6 heard: no case is in tier smoke" in checked.stdout


def test_bad_input_is_one_sentence(tmp_path: Path) -> None:
    for arguments, words in (
        (("new-claim", "Not An Id"), "is no id"),
        (("new-claim", "../../etc.x"), "is no id"),
        (("check-claims",), "no claim of your own is known"),
        (("check-claims", "critical-dept.exponent"), "the nearest id is critical-depth.exponent"),
    ):
        done = saddle_escape(tmp_path, *arguments)
        assert done.returncode == 2
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
