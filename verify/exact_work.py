"""A frame for exact work on what a user typed: one sentence for whatever goes wrong, and a bound on the time."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

LIMIT = 60.0  # seconds; the catalogue needs about one, and a hostile expression must not hang a terminal


class _OutOfTime(BaseException):
    """Not an ``Exception``: no handler inside the work may take it for a failure of its own."""


@contextmanager
def worked_out(limit: float = LIMIT) -> Iterator[None]:
    """Turn a refusal, an algebra system's failure, or more than ``limit`` seconds into a ``click.UsageError``.

    The limit needs a Unix timer and the main thread; elsewhere the work is only as bounded as the expression is.
    """
    timed = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGALRM, _out_of_time) if timed else None
    try:
        if timed:
            signal.setitimer(signal.ITIMER_REAL, limit)
        yield
    except _OutOfTime:
        raise click.UsageError(
            f"The activation could not be worked out within {limit:g} s; write it in a simpler form, or ask for less "
            "(--order, --digits)."
        ) from None
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except (ArithmeticError, RecursionError) as error:  # SymPy, on constants that it cannot tell from 0
        raise click.UsageError(
            f"The activation could not be worked out ({type(error).__name__}); write it in a simpler form."
        ) from error
    finally:
        if timed:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def _out_of_time(_: int, __: FrameType | None) -> None:
    raise _OutOfTime
