"""Real faults: runs killed at random moments, a full disk, garbled stores, two runs at once, orphans, greedy claims.

What must hold after each of them: results.json is absent or whole, the store has only whole entries, and the next run
completes the rest and says what an undisturbed run says.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from verify import store
from verify.results import RESULTS_FILE, Result, Results, Verdict, read

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups of POSIX"),
]

KILLS = 50
OURS = ("imbalance.autograd", "off-manifold.inequality.energy")

# A user's claims: many quick cases, so that kills fall into writing as well as computing, and a parent with a child.
MINE = """
import hashlib, os, time
from verify import (Budget, Claim, Counterfeit, Evidence, Hypothesis, Measurement, Prediction, Reading, Tier, Witness,
                    case)

def measure(case, context):
    time.sleep(float(case["sleep"]))
    noise = int.from_bytes(hashlib.sha256(str(context.seed).encode()).digest()[:4], "big") / 2**32
    return Measurement(1.0 + 1e-6 * noise, budget=Budget(rounding=1e-5))

def claim(name, cases, measure=measure, depends=()):
    return Claim(id=name, theorem="Mine", title="mine", latex="1 = 1", plain="One is one.", source="a test",
        reading=Reading.OURS, evidence=Evidence.NUMERICAL, witnesses=(Witness.NUMERIC,), cases=tuple(cases),
        predict=lambda case: Prediction(1.0), measure=measure, depends=depends, assumes=(Hypothesis("none"),),
        counterfeits=(Counterfeit("two", lambda case, truth: Prediction(2.0), nearest=True),))

def cases(count, sleep=0.03, **more):
    return [case(Tier.SMOKE, 0.1, n=n, sleep=sleep, **more) for n in range(count)]
"""
MANY = MINE + 'CLAIMS = (claim("mine.parent", cases(25)), claim("mine.child", cases(25), depends=("mine.parent",)))\n'


def project(folder: Path, claims: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine.py").write_text(claims)
    (folder / "pyproject.toml").write_text('[tool.saddle-escape]\nclaims = ["mine.py"]\n')
    return folder


def start(folder: Path, *arguments: str, out: str = "out", workers: int = 2) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "verify", "run", *arguments, "-j", str(workers), "--out", out]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, text=True, start_new_session=True, **pipes)


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


def entries(folder: Path) -> list[Path]:
    return sorted((folder / store.FOLDER).glob("*/*/*.json"))


def whole(folder: Path) -> None:
    """What must hold of ``folder`` at any moment."""
    record = folder / "out" / RESULTS_FILE
    if record.exists():
        read(record)
    for path in entries(folder):
        assert store._entry(path) is not None, f"{path} is torn: {path.read_bytes()[:80]!r}"


def verdicts(results: Results) -> tuple[Result, ...]:
    return tuple(msgspec.structs.replace(result, seconds=0.0) for result in results.results)


@pytest.mark.timeout(1500)
def test_fifty_kills_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    selectors = ("mine.", *OURS)
    undisturbed = project(tmp_path / "undisturbed", MANY)
    code, out, err = finish(start(undisturbed, *selectors, "--fresh"))
    assert code == 0, out + err
    truth = verdicts(read(undisturbed / "out" / RESULTS_FILE))
    draw = random.Random(20261127)
    kills, completed, early, progress = 0, 0, 0, []
    while kills < KILLS or not completed:
        folder = project(tmp_path / f"disturbed-{completed}", MANY)
        process = start(folder, *selectors)
        # Half of the kills wait for a number of verdicts and then a hair's breadth; the others fall anywhere.
        goal = len(entries(folder)) + draw.randrange(1, 12)
        wait = draw.uniform(0.0, 0.05) if draw.random() < 0.6 else draw.uniform(0.0, 4.0)
        deadline = time.monotonic() + 60
        if wait <= 0.05:
            while len(entries(folder)) < goal and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
        time.sleep(wait)
        if kills >= KILLS:
            process.wait(timeout=600)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            kills += 1
            early += not entries(folder)
            progress.append(len(entries(folder)))
            whole(folder)
            continue
        code, out, err = finish(process)
        assert code == 0, out + err
        whole(folder)
        assert verdicts(read(folder / "out" / RESULTS_FILE)) == truth
        assert not list((folder / "out").glob(".*")), "what was half-written is swept"
        completed += 1
    print(f"{kills} kills, {early} before the first verdict, {completed} completed; entries at each kill: {progress}")


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    folder = project(tmp_path, MINE + 'CLAIMS = (claim("mine.long", cases(2, sleep=600.0)),)\n')
    process = start(folder, "mine.")
    deadline = time.monotonic() + 60
    workers: list[int] = []
    while len(workers) < 2 and time.monotonic() < deadline:
        workers = [pid for pid in descendants(process.pid) if "spawn_main" in command_line(pid)]
        time.sleep(0.1)
    assert len(workers) == 2
    time.sleep(3.0)  # into the measurement
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)  # a worker that lived on would hold the pipe open
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in workers if alive(pid)]


def test_workers_killed_at_random_moments_cost_their_own_case_at_most(tmp_path: Path) -> None:
    draw = random.Random(7)
    killed = 0
    for attempt in range(6):
        folder = project(tmp_path / str(attempt), MANY)
        process = start(folder, "mine.", out="first")
        doomed = draw.randrange(1, 4)
        while doomed and process.poll() is None:
            time.sleep(draw.choice((0.02, draw.uniform(0.0, 1.5))))
            workers = [pid for pid in descendants(process.pid) if "spawn_main" in command_line(pid)]
            if workers:
                try:
                    os.kill(draw.choice(workers), signal.SIGKILL)
                except ProcessLookupError:
                    continue
                doomed, killed = doomed - 1, killed + 1
        code, out, err = finish(process)
        assert code in (0, 3), out + err
        assert "Traceback" not in out + err
        results = read(folder / "first" / RESULTS_FILE).results
        assert len(results) == 50
        errors = [result for result in results if result.verdict is Verdict.ERROR]
        assert len(errors) <= 3, [result.reason for result in errors]
        assert all("the worker process died" in result.reason for result in errors)
        code, out, err = finish(start(folder, "mine."))
        assert code == 0, out + err
        whole(folder)
    assert killed >= 6


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found.append(int(path.parent.name))
    return found + [inner for child in found for inner in descendants(child)]


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB; skipped where this process may not mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount the small tmpfs that this test fills")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_one_sentence_and_exit_code_3(small_disk: Path) -> None:
    folder = project(small_disk, MANY)
    (folder / "ballast").write_bytes(b"x" * (180 << 10))
    code, out, err = finish(start(folder, "mine.", "-q"))
    assert code == 3, out + err
    assert "Traceback" not in out + err
    said = [line for line in err.splitlines() if line.startswith("saddle-escape:")]
    assert len(said) == 1, err
    assert "No space left on device; make room and run again" in said[0]
    whole(folder)
    kept = len(entries(folder))
    assert 0 < kept < 50, "the disk was to fill up on the way"
    (folder / "ballast").unlink()
    shutil.move(folder / "reports", small_disk.parent / "reports")  # 256 KiB are not enough for all of it
    (folder / "reports").symlink_to(small_disk.parent / "reports")
    code, out, err = finish(start(folder, "mine."))
    assert code == 0, out + err
    results = read(folder / "out" / RESULTS_FILE)
    assert len(results.results) == 50
    assert len(results.run.stored) == kept


def test_a_truncated_and_garbled_store_costs_time_and_nothing_else(tmp_path: Path) -> None:
    folder = project(tmp_path, MANY)
    assert finish(start(folder, "mine."))[0] == 0
    truth = verdicts(read(folder / "out" / RESULTS_FILE))
    draw = random.Random(5)
    damaged = 0
    for index, path in enumerate(entries(folder)):
        text = path.read_bytes()
        match index % 6:
            case 0:
                path.write_bytes(text[: draw.randrange(len(text))])
            case 1:
                place = draw.randrange(len(text))
                path.write_bytes(text[:place] + bytes([text[place] ^ (1 << draw.randrange(8))]) + text[place + 1 :])
            case 2:
                path.write_bytes(b'{"parts": ' + b"[" * 100_000)
            case 3:
                path.unlink()
                path.mkdir()
            case 4:
                path.write_bytes(draw.randbytes(9 << 20))  # larger than an entry may be
            case _:
                continue
        damaged += 1
    code, out, err = finish(start(folder, "mine."))
    assert code == 0, out + err
    results = read(folder / "out" / RESULTS_FILE)
    assert verdicts(results) == truth
    assert len(results.run.stored) <= 50 - damaged
    # What stands in the way as a folder cannot be replaced, and the record says so.
    assert any("cannot be kept" in warning for warning in results.run.warnings)


def test_two_runs_at_once_share_a_store(tmp_path: Path) -> None:
    folder = project(tmp_path, MANY)
    both = [start(folder, "mine.", out=name) for name in ("a", "b")]
    for process in both:
        code, out, err = finish(process)
        assert code == 0, out + err
    a, b = (read(folder / name / RESULTS_FILE) for name in ("a", "b"))
    assert verdicts(a) == verdicts(b)
    assert len(entries(folder)) == 50
    whole(folder)


def test_a_second_run_into_one_folder_is_refused(tmp_path: Path) -> None:
    folder = project(tmp_path, MINE + 'CLAIMS = (claim("mine.slow", cases(2, sleep=20.0)),)\n')
    first = start(folder, "mine.")
    deadline = time.monotonic() + 60
    while len(descendants(first.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    code, _, err = finish(start(folder, "mine."))
    assert code == 2
    assert "another run is writing into out: wait for it, or name another folder with --out" in " ".join(err.split())
    code, out, err = finish(first)
    assert code == 0, out + err
    # The lock ends with the process, even when that is killed.
    killed = start(folder, "mine.", "--fresh")
    time.sleep(4.0)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert finish(start(folder, "mine."))[0] == 0


GREEDY = """
import signal
def act(case, context):
    if case["does"] == "swallow":
        bytearray(1 << 50)
    if case["does"] == "swallow-torch":
        import torch
        torch.zeros(1 << 47)
    if case["does"] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if case["does"] == "leave":
        os._exit(7)
    if case["does"] == "hang":
        time.sleep(600)
    return measure(case, context)

WORDS = ("good", "swallow", "swallow-torch", "die", "leave", "hang", "fine")
CLAIMS = (claim("mine.greedy", [case(Tier.SMOKE, 0.1, does=word, sleep=0) for word in WORDS], act),)
"""


def test_greedy_and_dying_claims_of_a_users_own_cost_themselves_only(tmp_path: Path) -> None:
    folder = project(tmp_path, MINE + GREEDY)
    # The least time limit is two minutes; nobody waits so long for a test.
    short = "import verify.engine as e; e.LEAST_LIMIT, e.SLOWEST = 12.0, 1.0; from verify.cli import main; main()"
    command = [sys.executable, "-c", short, "run", "mine.", "-j", "2", "--out", "out", "-v"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    found = {result.case: result for result in read(folder / "out" / RESULTS_FILE).results}
    of = {word: found[f"does={word},sleep=0"] for word in ("good", "swallow", "swallow-torch", "die", "leave", "hang")}
    assert of["good"].verdict is found["does=fine,sleep=0"].verdict is Verdict.PASS
    for word in ("swallow", "swallow-torch", "hang"):
        assert of[word].verdict is Verdict.INCONCLUSIVE, of[word]
        assert of[word].reason.startswith("budget: "), of[word]
    assert "more memory than there is" in of["swallow"].reason
    assert "more memory than there is" in of["swallow-torch"].reason
    assert "the worker process died (exit code -9)" in of["die"].reason
    assert "the worker process died (exit code 7)" in of["leave"].reason
    kept = {json.loads(path.read_bytes())["result"]["case"] for path in entries(folder)}
    assert kept == {"does=good,sleep=0", "does=fine,sleep=0"}, "what says nothing of the mathematics is not kept"
