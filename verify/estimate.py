"""How long the rest of a run will take: from the newest complete run here, else from what the cases declare."""

from __future__ import annotations

from collections.abc import Sequence

from verify import folder
from verify.engine import Task


class Estimate:
    """Work that is left, in CPU seconds, and in seconds on the clock with so many workers."""

    def __init__(self, tasks: Sequence[Task], workers: int) -> None:
        earlier = _earlier()
        self._workers = max(1, min(workers, len(tasks)))
        self._left = {task.key: earlier.get(task.key, task.case.seconds) for task in tasks}

    def done(self, key: str) -> None:
        """This case has its verdict."""
        self._left.pop(key, None)

    @property
    def seconds(self) -> float:
        """Seconds until the last verdict: the work shared among the workers, and no less than the longest case."""
        return max(sum(self._left.values()) / self._workers, max(self._left.values(), default=0.0))

    @property
    def text(self) -> str:
        """``about 40 s left``."""
        left = self.seconds
        return f"about {left / 60:.0f} min left" if left >= 90 else f"about {left:.0f} s left"


def _earlier() -> dict[str, float]:
    """``CLAIM[case]`` -> seconds in the newest complete run under ``reports/``; {} without one."""
    try:
        _, results = folder.load(None)
    except ValueError:
        return {}
    return {result.key: result.seconds for result in results.results}
