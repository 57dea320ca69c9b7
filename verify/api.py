"""``verify.run``: a run from Python, with the options and the results of ``saddle-escape run``."""

from __future__ import annotations

from pathlib import Path

from verify.claim import Tier
from verify.results import Results
from verify.session import Options
from verify.session import run as run_session


def run(
    *selectors: str,
    filter: str = "",
    tier: str = "smoke",
    workers: int = 0,
    device: str = "cpu",
    seed: int = 0,
    out: str | Path | None = None,
    budget: float | None = None,
    strict: bool = False,
    fresh: bool = False,
) -> Results:
    """Verify the selected claims (all by default) and return the record that ``results.json`` holds.

    Worker processes start by spawn: a script calls this under ``if __name__ == "__main__":``.
    Raises ``ValueError`` for bad input; after Ctrl-C the record carries exit code 130.
    """
    try:
        chosen = Tier[tier.upper()]
    except KeyError:
        raise ValueError(f"there is no tier {tier!r}: choose smoke, standard or full") from None
    options = Options(
        selectors, filter, chosen, workers, device, seed, None if out is None else Path(out), budget, strict, fresh
    )
    return run_session(options).results
