"""How often does the court cry wolf? Tier standard with other seeds: no fail, no error, nothing inconclusive.

Every claim of the catalogue is a true theorem, or a misprint that must come out refuted, so each case that is not as
expected is a false alarm. Statistical checks run at a level of 1e-5 a case: twenty seeds are not expected to raise one.

    python -m tests.false_alarms [--seeds 1-20] [--ids T6,optimiser.] [--tier standard] [-j N] [--folder DIR]

`make false-alarms` runs it. Each finished seed leaves DIR/seed-N/results.json and is not run again, for the same
version of the code: a seed that was interrupted, or judged other claims or other sources, is. Exit code 1 with the
offending cases if there are any, else 0.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

import verify

ROOT = Path(__file__).resolve().parent.parent
FINE = ("pass", "refuted-as-expected", "skipped")


def numbers(text: str) -> list[int]:
    """``1-3,7`` as [1, 2, 3, 7]; ValueError for anything else."""
    chosen: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        span = range(int(first), int(last if dash else first) + 1)
        if not span:
            raise ValueError(f"{part!r} is an empty range of seeds")
        chosen.extend(span)
    return chosen


def fingerprint(ids: tuple[str, ...], tier: str) -> str:
    """Digest of what a finished seed stands for: the sources of the three packages, the selection and the tier."""
    digest = hashlib.sha256("\n".join([*ids, tier]).encode())
    for package in ("symbolic", "numeric", "verify"):
        for path in sorted((ROOT / package).rglob("*.py")):
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def offending(results: list[dict[str, object]]) -> list[str]:
    """One line for each case that is not as expected or let a counterfeit through."""
    lines = []
    for result in results:
        let_through = [c["name"] for c in result["counterfeits"] if not c["refuted"]]  # type: ignore[attr-defined]
        if result["verdict"] not in FINE or result["as_expected"] is False or let_through:
            reason = result["reason"] or (f"not refuted: {'; '.join(let_through)}" if let_through else "")
            lines.append(f"{result['claim']}[{result['case']}] {result['verdict']} {reason}".rstrip())
    return lines


def finished(folder: Path, stamp: str) -> list[dict[str, object]] | None:
    """The results of a seed that was run to its end by the same code, else None."""
    try:
        if (folder / "fingerprint").read_text() != stamp:
            return None
        return json.loads((folder / "results.json").read_text())["results"]  # type: ignore[no-any-return]
    except (OSError, ValueError, KeyError):
        return None


def heard(seed: int, ids: tuple[str, ...], tier: str, workers: int, folder: Path) -> list[dict[str, object]] | None:
    """Run one seed; its results, or None when it was interrupted."""
    stamp = fingerprint(ids, tier)
    results = verify.run(*ids, tier=tier, workers=workers, seed=seed, out=folder)
    if results.run.exit_code == 130:
        return None
    (folder / "fingerprint").write_text(stamp)
    return finished(folder, stamp)


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0, 1 (false alarms), 2 (bad input), 130 (interrupted; finished seeds are kept)."""
    parser = argparse.ArgumentParser(prog="python -m tests.false_alarms", description="Tier standard with other seeds.")
    parser.add_argument("--seeds", type=numbers, default=numbers("1-20"), help="such as 1-20 (default) or 3,5,8")
    parser.add_argument("--ids", default="", help="claims, comma-separated, as `run` takes them (default: all)")
    parser.add_argument("--tier", default="standard", choices=("smoke", "standard", "full"))
    parser.add_argument("-j", "--workers", type=int, default=0, help="processes (default: cores)")
    parser.add_argument("--folder", type=Path, default=ROOT / "reports" / "false-alarms")
    options = parser.parse_args(arguments)
    ids = tuple(part.strip() for part in options.ids.split(",") if part.strip())
    stamp, alarms, cases = fingerprint(ids, options.tier), [], 0
    for count, seed in enumerate(options.seeds, start=1):
        folder = options.folder / f"seed-{seed}"
        kept = finished(folder, stamp)
        try:
            results = heard(seed, ids, options.tier, options.workers, folder) if kept is None else kept
        except ValueError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        if results is None:
            print(f"interrupted at seed {seed}; {count - 1} seeds are kept in {options.folder}", file=sys.stderr)
            return 130
        found = offending(results)
        cases += len(results)
        alarms += [f"seed {seed}: {line}" for line in found]
        state = "kept" if kept is not None else "heard"
        print(
            f"[{count}/{len(options.seeds)}] seed {seed} {state}: {len(results)} cases, {len(found)} alarms", flush=True
        )
    print("\n".join(alarms) or f"no false alarm in {cases} cases of {len(options.seeds)} seeds")
    return 1 if alarms else 0


if __name__ == "__main__":
    sys.exit(main())
