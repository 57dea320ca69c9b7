"""``saddle-escape replay``: one case of a stored run again, alone, and whether it says the same."""

from __future__ import annotations

import os
from pathlib import Path

import click
import msgspec

from verify import folder
from verify.catalogue import find
from verify.claim import Context
from verify.commands.show import describe
from verify.engine import ONE_THREAD
from verify.judge import judge
from verify.results import Results
from verify.session import check_device, exit_code, recorded


@click.command("replay")
@click.argument("selector", metavar="CLAIM[case]")
@click.option(
    "--run", "run_folder", type=click.Path(path_type=Path), help="Folder of the run (default: the newest complete)."
)
@click.pass_context
def command(ctx: click.Context, selector: str, run_folder: Path | None) -> None:
    """Hear one case of a stored run again, in this process, with the run's seed and device, and show it in full.

    Exit codes as for `run`, by the new verdict. A claim without a case means its first case in the run.
    """
    _, results = folder.load(run_folder)
    stored = folder.named(results, [selector])[0]
    try:
        claim = find(stored.claim)
        case = next(case for case in claim.cases if case.text == stored.case)
    except (KeyError, StopIteration):
        raise ValueError(
            f"{stored.key} is in the run {results.run.id} but no longer in the catalogue: run it with the version that "
            "made the run"
        ) from None
    check_device(results.run.device)
    # The libraries read it as they load: sums are then added in the same order as in the workers of a run.
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    again = judge(claim, case, Context(results.run.seed, results.run.device))
    now = msgspec.structs.replace(results.run, claims={claim.id: recorded(claim)})
    click.echo(describe(again, Results(schema=results.schema, run=now, results=(again,))))
    # Seconds are the only field that may differ between two hearings on one machine.
    same = msgspec.structs.replace(again, seconds=stored.seconds) == stored
    click.echo(f"  stored      {'the same, bit for bit' if same else f'differs: {stored.verdict.value} was recorded'}")
    ctx.exit(exit_code([again]))
