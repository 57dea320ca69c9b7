"""Exact work on typed input ends in a result or in one sentence, and in bounded time."""

import signal

import click
import pytest

from verify.exact_work import worked_out


def endless() -> None:
    while True:
        try:
            sum(range(1000))
        except Exception:  # what a library may do inside; it must not swallow the stop
            continue


def test_work_that_does_not_end_is_stopped() -> None:
    with pytest.raises(click.UsageError, match=r"within 0\.05 s"), worked_out(0.05):
        endless()


@pytest.mark.parametrize("error", [ValueError("the reason"), ZeroDivisionError(), RecursionError()])
def test_failures_become_one_sentence(error: Exception) -> None:
    with pytest.raises(click.UsageError, match=r"the reason|could not be worked out"), worked_out():
        raise error


def test_the_timer_and_its_handler_are_put_back() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with worked_out(10):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    assert signal.getsignal(signal.SIGALRM) is before
