"""One run from selection to exit code: what ``saddle-escape run`` and ``verify.run`` both do."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from verify import activation_table, environment, folder, store
from verify.catalogue import catalogue, home_of
from verify.claim import Claim, Context, Tier
from verify.engine import Task, hear
from verify.recorder import Recorder
from verify.results import ActivationRecord, ClaimRecord, ErratumRecord, Result, Results, RunRecord, Verdict
from verify.selection import nearest, parse_filter, parse_selector

DTYPE = "float64"
"""Of every verdict, on any device."""


@dataclass(frozen=True)
class Options:
    """What a run is asked to do; the defaults are the command line's (CONTRACT)."""

    selectors: tuple[str, ...] = ()
    filter: str = ""
    tier: Tier = Tier.SMOKE
    workers: int = 0  # 0: one per core
    device: str = "cpu"
    seed: int = 0
    out: Path | None = None
    budget: float | None = None
    strict: bool = False
    fresh: bool = False
    command: str = "verify.run"


@dataclass(frozen=True)
class Session:
    """A finished (or interrupted) run: its folder, its record, and why that could not be written ("" where it was)."""

    out: Path
    results: Results
    unwritten: str = ""

    @property
    def exit_code(self) -> int:
        """The documented exit code; a record that could not be written is an error."""
        if self.unwritten:
            return 3
        code = self.results.run.exit_code
        assert code is not None
        return code


def select(options: Options) -> list[Task]:
    """The tasks that ``options`` mean, in the catalogue's order.

    Raises ``ValueError`` for a selector that matches no claim, or no case of it in any tier.
    """
    selectors = [parse_selector(text) for text in options.selectors]
    wanted = parse_filter(options.filter) if options.filter else lambda _: True
    claims = catalogue()
    for selector in selectors:
        if not any(selector.matches(claim.id, claim.theorem, case.text) for claim in claims for case in claim.cases):
            near = nearest(selector.text.partition("[")[0], [claim.id for claim in claims])
            hint = f"; the nearest id is {near}" if near else ""
            raise ValueError(f"nothing matches {selector.text!r}{hint}: see `saddle-escape list`")
    return [
        Task(claim, case)
        for claim in claims
        for case in claim.cases
        # A case that was named in full is heard whatever its tier.
        if case.tier <= options.tier or any(s.case == case.text and s.claim == claim.id for s in selectors)
        if not selectors or any(s.matches(claim.id, claim.theorem, case.text) for s in selectors)
        if wanted(f"{claim.id}[{case.text}]")
    ]


def check_device(device: str) -> None:
    """``ValueError`` unless torch can compute on ``device``."""
    if device == "cpu":
        return  # torch is not loaded just to hear this
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        available = ["cpu"] + [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        raise ValueError(f"the device {device!r} cannot be used here; available: {', '.join(available)}") from error


def run(options: Options, watch: Callable[[Result, int, int], None] | None = None) -> Session:
    """Hear what ``options`` select and write ``results.json``; ``watch(result, done, total)`` sees each verdict.

    Raises ``ValueError`` for bad input before anything is computed. An interruption is no exception here: the session
    then carries exit code 130 and what was done.
    """
    began = time.monotonic()
    tasks = select(options)
    check_device(options.device)
    now = datetime.now(UTC)
    run_id = folder.new_run_id(now)
    out = options.out or folder.REPORTS / run_id
    folder.prepare(out)
    workers = options.workers or os.cpu_count() or 1
    record = RunRecord(
        id=run_id,
        started=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        tier=options.tier.label,
        seed=options.seed,
        device=options.device,
        dtype=DTYPE,
        commit=environment.commit(),
        command=options.command,
        versions=environment.versions(),
        conventions=environment.CONVENTIONS,
        complete=False,
        exit_code=None,
        workers=workers,
        budget=options.budget,
        claims={task.claim.id: recorded(task.claim) for task in tasks},
    )
    recorder = Recorder(record, tasks, out, _keys(tasks, options, record))
    known = {} if options.fresh else recorder.recall()

    def report(task: Task, result: Result) -> None:
        recorder.take(task, result)
        if watch:
            watch(result, recorder.count, len(tasks))

    with folder.alone_in(out):
        try:
            made = hear(
                tasks, Context(options.seed, options.device), workers, options.budget, report, known=known,
                beside=activation_table.activation_table if options.fresh and _on_activations(tasks) else None,
            )  # fmt: skip
            table = made or _activations(tasks, options, recorder, record, began)
        except KeyboardInterrupt:
            final = recorder.write(complete=False, exit_code=130)
        else:
            code = exit_code(recorder.heard, strict=options.strict)
            final = recorder.write(complete=True, exit_code=code, activations=table)
    return Session(out, final, recorder.unwritten)


def _keys(tasks: Sequence[Task], options: Options, record: RunRecord) -> dict[str, store.Key]:
    circumstances = store.Circumstances(options.seed, options.device, record.dtype, record.versions)
    return {task.key: store.key(task.claim, task.case, circumstances) for task in tasks}


def _activations(
    tasks: Sequence[Task], options: Options, recorder: Recorder, record: RunRecord, began: float
) -> tuple[ActivationRecord, ...]:
    """The table of activations, for a run that heard our claims on them and has time left; () otherwise."""
    if not _on_activations(tasks) or (options.budget is not None and time.monotonic() - began >= options.budget):
        return ()
    try:
        return activation_table.activation_table() if options.fresh else activation_table.kept_table(record.versions)
    except Exception as error:  # a broken witness fails its claims, and must not take the verdicts with it
        recorder.warn(f"the table of activations could not be made: {type(error).__name__}: {error}")
        return ()


def _on_activations(tasks: Sequence[Task]) -> bool:
    return any(task.claim.theorem == "T2" and home_of(task.claim.id).startswith("verify.claims.") for task in tasks)


def recorded(claim: Claim) -> ClaimRecord:
    """What the record of a run says of ``claim``."""
    erratum = ErratumRecord(**dataclasses.asdict(claim.erratum)) if claim.erratum else None
    return ClaimRecord(
        title=claim.title,
        plain=claim.plain,
        latex=claim.latex,
        source=claim.source,
        theorem=claim.theorem,
        reading=claim.reading.value,
        depends=claim.depends,
        witnesses=tuple(witness.value for witness in claim.witnesses),
        counterfeits=tuple(counterfeit.name for counterfeit in claim.counterfeits),
        nearest=next(counterfeit.name for counterfeit in claim.counterfeits if counterfeit.nearest),
        indifferent=dict(claim.indifferent),
        erratum=erratum,
    )


def exit_code(results: Sequence[Result], *, strict: bool = False) -> int:
    """The exit code of a finished run, first match: 5 nothing or only skipped, 3 error, 1 fail, 4 inconclusive, 0."""
    verdicts = {result.verdict for result in results}
    if not verdicts - {Verdict.SKIPPED}:
        return 5
    if Verdict.ERROR in verdicts:
        return 3
    unexpected = any(result.as_expected is False for result in results)
    powerless = any(not counterfeit.refuted for result in results for counterfeit in result.counterfeits)
    if Verdict.FAIL in verdicts or unexpected or powerless:
        return 1
    if Verdict.INCONCLUSIVE in verdicts:
        return 1 if strict else 4
    return 0
