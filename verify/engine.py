"""The engine: hears the selected cases in worker processes, parents before children, and hands over each verdict.

Workers start by spawn, use one thread each, and derive their seed from (run seed, claim, case): so the verdicts do not
depend on the number of workers or on the order in which cases finish.
"""

from __future__ import annotations

import functools
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, wait
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from verify.catalogue import find
from verify.claim import Case, Claim, Context
from verify.judge import judge, unheard
from verify.results import Result, Verdict

if TYPE_CHECKING:
    from pebble import ProcessFuture, ProcessPool

Made = TypeVar("Made")
PATIENCE = 0.5  # seconds between two looks at whether Ctrl-C was pressed
SILENCE = 120.0  # seconds without a verdict and without a case that runs: far more than the start of a worker takes
MOST_POOLS = 5  # pools of workers that one run starts
LEAST_LIMIT = 120.0  # seconds that any case has, the import of torch and SymPy included
SLOWEST = 30.0  # a machine that is slower than this is not one that anybody waits for
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Task:
    """One case of one selected claim."""

    claim: Claim
    case: Case

    @functools.cached_property
    def key(self) -> str:
        """``CLAIM[case]``."""
        return f"{self.claim.id}[{self.case.text}]"


def time_limit(case: Case) -> float:
    """Seconds after which a case is stopped: far more than it declares, on however slow a machine."""
    return LEAST_LIMIT + SLOWEST * case.seconds


def hear_one(claim_id: str, case_text: str, context: Context) -> Result:
    """Judge one case by name: what a worker does."""
    claim = find(claim_id)
    return judge(claim, next(case for case in claim.cases if case.text == case_text), context)


def hear(
    tasks: Sequence[Task],
    context: Context,
    workers: int,
    budget: float | None,
    report: Callable[[Task, Result], None],
    listen: Callable[[str, str, Context], Result] = hear_one,
    known: Mapping[str, Result] | None = None,
    beside: Callable[[], Made] | None = None,
) -> Made | None:
    """Judge every task and call ``report`` as each verdict arrives; returns when all have one.

    known: ``CLAIM[case]`` -> verdict that need not be reached again. beside: something else that a worker makes
    meanwhile, with what it has loaded and remembers already; returned, or None where that came to nothing.
    budget: seconds for the whole run, or None; what has no verdict by then becomes inconclusive(budget).
    listen: judges one case in a worker, by claim id and case text; a function that a fresh process can import.
    Raises ``KeyboardInterrupt`` after stopping the workers; what was reported before stands.
    """
    if not tasks:
        return None
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))  # read by the workers' libraries as they load
    deadline = None if budget is None else time.monotonic() + budget
    court = _Court(list(tasks), report, known or {})
    unknown = sum(task.key not in court.known for task in tasks)
    size = max(1, min(workers, unknown))
    pool, pools, last_sign = _pool(size), 1, time.monotonic()
    aside: ProcessFuture | None = None
    with _interruption() as interrupted:
        try:
            while court.open:
                if not pool.active or time.monotonic() - last_sign > SILENCE:
                    # A worker that dies between two cases can take the pool's peace with it: no case is to blame.
                    court.hear_again()
                    pool.stop()
                    pool.join()
                    if pools == MOST_POOLS:
                        court.close(
                            "error: the worker processes die again and again before they take a case", error=True
                        )
                        break
                    pool, pools, last_sign = _pool(size), pools + 1, time.monotonic()
                    aside = beside = None
                for task in court.callable_now():
                    with _deaf():  # the pool's threads and workers inherit it: Ctrl-C is this thread's to handle
                        call = (task.claim.id, task.case.text, context)
                        future = pool.schedule(listen, args=call, timeout=time_limit(task.case))
                    court.running[future] = task
                if beside is not None and aside is None:
                    with _deaf():
                        aside = pool.schedule(beside, timeout=LEAST_LIMIT)
                if not court.running:
                    continue
                left = math.inf if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    court.close("budget: the run's time was spent before this case had a verdict")
                    break
                done, _ = wait(court.running, timeout=min(left, PATIENCE), return_when=FIRST_COMPLETED)
                for future in done:
                    court.settle(future)
                if done or any(future.running() for future in court.running):
                    last_sign = time.monotonic()
                if interrupted.is_set():
                    raise KeyboardInterrupt
            return None if aside is None else _made(aside, interrupted, deadline)
        finally:
            # stop, not close: after an interruption or a spent budget nobody waits for the cases that still run.
            pool.stop()
            pool.join()


def _made(aside: ProcessFuture, interrupted: threading.Event, deadline: float | None) -> Any:
    """What a worker makes beside the cases, once it is there; None for a failure, or when the time is spent."""
    while not aside.done():
        wait([aside], timeout=PATIENCE)
        if interrupted.is_set():
            raise KeyboardInterrupt
        if deadline is not None and time.monotonic() >= deadline:
            return None
    return None if aside.cancelled() or aside.exception() else aside.result()


def _pool(size: int) -> ProcessPool:
    from pebble import ProcessPool  # here, so that --help and list do not wait for it

    context = multiprocessing.get_context("spawn")
    return ProcessPool(max_workers=size, context=context, initializer=_start_worker)


@contextmanager
def _interruption() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets; a second Ctrl-C raises at once.

    A ``KeyboardInterrupt`` raised wherever the thread happens to be is lost when that is a callback that must not raise
    (a finaliser, say), and the run would go on. Outside the main thread Ctrl-C is somebody else's.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def note(number: int, frame: FrameType | None) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    before = signal.signal(signal.SIGINT, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _deaf() -> Iterator[None]:
    """Hold back SIGINT in this thread and in the threads and processes that it starts meanwhile."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Court:
    """Which tasks wait, run, or are done; a child is called only after every case of its selected parents."""

    def __init__(self, tasks: list[Task], report: Callable[[Task, Result], None], known: Mapping[str, Result]) -> None:
        self.waiting = tasks
        self.known = known
        self.running: dict[ProcessFuture, Task] = {}
        self._report = report
        self._unsettled = {claim.id: 0 for claim in (task.claim for task in tasks)}
        for task in tasks:
            self._unsettled[task.claim.id] += 1
        self._fallen: dict[str, str] = {}  # claim -> verdict that blocks its children

    @property
    def open(self) -> bool:
        return bool(self.waiting or self.running)

    def callable_now(self) -> Iterator[Task]:
        """Tasks whose selected parents all have verdicts, the longest first; blocked ones are reported instead."""
        progress = True
        while progress:  # a blocked child settles at once, and that may free or block its own children
            progress = False
            ready: list[Task] = []
            waiting: list[Task] = []
            for task in self.waiting:
                blocked = any(self._unsettled.get(parent, 0) for parent in task.claim.depends)
                (waiting if blocked else ready).append(task)
            self.waiting = waiting
            for task in sorted(ready, key=lambda task: -task.case.seconds):
                fallen = [p for p in task.claim.depends if p in self._fallen]
                if fallen:
                    reason = f"blocked-by {fallen[0]}, which has the verdict {self._fallen[fallen[0]]}"
                    self._settled(task, unheard(task.claim, task.case, Verdict.INCONCLUSIVE, reason))
                elif task.key in self.known:
                    self._settled(task, self.known[task.key])
                else:
                    yield task
                    continue
                progress = True

    def settle(self, future: ProcessFuture) -> None:
        """Take the verdict of a finished worker call, or say why there is none."""
        from concurrent.futures.process import BrokenProcessPool

        from pebble import ProcessExpired

        task = self.running.pop(future)
        try:
            result: Result = future.result()
        except BrokenProcessPool:
            self.waiting.append(task)
            return
        except ProcessExpired as death:
            killed = " (where memory is short, the system kills so)" if death.exitcode == -signal.SIGKILL else ""
            reason = (
                f"error: the worker process died (exit code {death.exitcode}){killed}; run this case alone to see why"
            )
            result = unheard(task.claim, task.case, Verdict.ERROR, reason)
        except TimeoutError:
            reason = (
                f"budget: stopped after {time_limit(task.case):.0f} s, the case declares {task.case.seconds:g} s; "
                "declare what it needs or run it alone"
            )
            result = unheard(task.claim, task.case, Verdict.INCONCLUSIVE, reason)
        except (CancelledError, Exception) as error:  # what could not be sent to or from the worker
            reason = f"error: the worker could not answer: {type(error).__name__}: {error}"
            result = unheard(task.claim, task.case, Verdict.ERROR, reason)
        self._settled(task, result)

    def hear_again(self) -> None:
        """Take the verdicts that are there, and have every other called case wait to be called again."""
        for future in [future for future in self.running if future.done()]:
            self.settle(future)
        self.waiting += self.running.values()
        self.running = {}

    def close(self, reason: str, *, error: bool = False) -> None:
        """Report every open task as inconclusive, or as an error, for ``reason``."""
        verdict = Verdict.ERROR if error else Verdict.INCONCLUSIVE
        for task in [*self.running.values(), *self.waiting]:
            self._settled(task, unheard(task.claim, task.case, verdict, reason))
        self.running, self.waiting = {}, []

    def _settled(self, task: Task, result: Result) -> None:
        self._unsettled[task.claim.id] -= 1
        if result.verdict in (Verdict.FAIL, Verdict.ERROR):
            self._fallen[task.claim.id] = result.verdict.value
        self._report(task, result)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; it stops us
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), name="end with the parent", daemon=True).start()
    if sys.platform == "linux":
        import resource

        # More than there is would wake the kernel's killer, which takes whom it likes: so the claim is told.
        memory = memory_of_the_machine()
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (memory if hard < 0 else min(memory, hard), hard))


def _end_with(parent: int) -> None:
    """Leave as soon as the parent is gone, however it went: nobody would ever hear the case that runs here."""
    connection.wait([parent])
    os._exit(1)


# A container's share of the machine, in the two versions of Linux's control groups.
_SHARES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_of_the_machine() -> int:
    """Bytes of memory that there are: the machine's, or this container's share of it. Linux only."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _SHARES:
        try:
            found.append(int(Path(path).read_text()))
        except (OSError, ValueError):
            continue  # not this version, or "max"
    return min(share for share in found if share > 0)
