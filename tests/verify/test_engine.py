"""Workers that die, raise or hang, parents that fall, and a spent budget: every task gets its verdict, once."""

import os
from collections.abc import Sequence

import pytest

from tests.verify.misbehaviour import behave, claim
from verify import engine
from verify.claim import Claim, Context
from verify.engine import Task, hear
from verify.judge import judge, unheard
from verify.results import Result, Verdict


def verdicts(claims: Sequence[Claim], workers: int = 2, budget: float | None = None) -> dict[str, Result]:
    heard: dict[str, Result] = {}

    def report(task: Task, result: Result) -> None:
        key = f"{task.claim.id}[{task.case.text}]"
        assert key not in heard
        heard[key] = result

    tasks = [Task(c, case) for c in claims for case in c.cases]
    hear(tasks, Context(), workers, budget, report, listen=behave)
    assert len(heard) == len(tasks)
    return heard


def test_a_worker_that_dies_or_raises_costs_one_case_and_no_more() -> None:
    heard = verdicts([claim("a.b", "pass", "die", "pass", "raise", "pass")])
    assert [result.verdict for result in heard.values()].count(Verdict.PASS) == 3
    assert "died (exit code -9)" in heard["a.b[n=1,does=die]"].reason
    assert "not even the judge survived" in heard["a.b[n=3,does=raise]"].reason


def test_a_fallen_parent_blocks_its_children_and_theirs_do_not_fail() -> None:
    parent = claim("p.one", "pass", "fail")
    child = claim("c.one", "pass", depends=("p.one",))
    grandchild = claim("g.one", "pass", depends=("c.one",))
    heard = verdicts([grandchild, child, parent])  # children first: the engine orders them
    assert heard["c.one[n=0,does=pass]"].verdict is Verdict.INCONCLUSIVE
    assert heard["c.one[n=0,does=pass]"].reason == "blocked-by p.one, which has the verdict fail"
    # Only fail and error block: an inconclusive child leaves the grandchild its own day in court.
    assert heard["g.one[n=0,does=pass]"].verdict is Verdict.PASS


def test_a_parent_that_was_not_selected_blocks_nothing() -> None:
    heard = verdicts([claim("c.one", "pass", depends=("not.selected",))])
    assert heard["c.one[n=0,does=pass]"].verdict is Verdict.PASS


def test_a_spent_budget_leaves_the_rest_inconclusive() -> None:
    heard = verdicts([claim("a.b", "pass", "hang"), claim("z.child", "pass", depends=("a.b",))], budget=8.0)
    assert heard["a.b[n=0,does=pass]"].verdict is Verdict.PASS
    for key in ("a.b[n=1,does=hang]", "z.child[n=0,does=pass]"):
        assert heard[key].verdict is Verdict.INCONCLUSIVE
        assert heard[key].reason.startswith("budget: ")


@pytest.mark.parametrize("workers", [1, 7])
def test_the_number_of_workers_does_not_matter(workers: int) -> None:
    heard = verdicts([claim("a.b", "pass", "pass", "pass")], workers)
    assert {result.verdict for result in heard.values()} == {Verdict.PASS}


def _elsewhere() -> int:
    return os.getpid()


def _broken() -> int:
    raise ArithmeticError("a witness that is broken")


def test_a_worker_makes_something_else_beside_the_cases() -> None:
    tasks = [Task(c, case) for c in [claim("a.b", "pass", "pass")] for case in c.cases]
    heard: list[Task] = []

    def listen(task: Task, _: Result) -> None:
        heard.append(task)

    made = hear(tasks, Context(), 1, None, listen, listen=behave, beside=_elsewhere)
    assert made not in (None, os.getpid())
    assert hear(tasks, Context(), 1, None, listen, listen=behave, beside=_broken) is None
    assert hear(tasks, Context(), 1, None, listen, listen=behave) is None
    assert sorted(task.key for task in heard) == sorted(3 * [task.key for task in tasks])


def test_nothing_to_hear_is_no_error() -> None:
    assert verdicts([]) == {}


def test_a_case_that_takes_far_longer_than_it_declares_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verify.engine.LEAST_LIMIT", 3.0)
    monkeypatch.setattr("verify.engine.SLOWEST", 1.0)
    found = verdicts([claim("a.b", "hang", "pass")])
    assert found["a.b[n=1,does=pass]"].verdict is Verdict.PASS
    stopped = found["a.b[n=0,does=hang]"]
    assert stopped.verdict is Verdict.INCONCLUSIVE
    assert stopped.reason.startswith("budget: stopped after 3 s, the case declares 0.1 s")


def test_a_case_that_needs_more_memory_than_there_is_is_told_so() -> None:
    found = verdicts([claim("a.b", "swallow", "pass")], workers=1)
    assert found["a.b[n=0,does=swallow]"].reason.startswith("budget: the case needs more memory than there is")
    assert found["a.b[n=1,does=pass]"].verdict is Verdict.PASS


def test_what_is_known_is_not_heard_again() -> None:
    subject = claim("a.b", "die", "pass")
    known = {f"a.b[{subject.cases[0].text}]": judge(subject, subject.cases[0], Context())}
    found: dict[str, Result] = {}
    tasks = [Task(subject, case) for case in subject.cases]
    hear(tasks, Context(), 1, None, lambda task, r: found.__setitem__(task.case.text, r), listen=behave, known=known)
    assert [result.verdict for result in found.values()] == [Verdict.PASS, Verdict.PASS]


def test_a_known_verdict_blocks_children_and_is_blocked_by_parents() -> None:
    parent, child = claim("a.b", "fail"), claim("b.c", "die", depends=("a.b",))
    fallen = unheard(parent, parent.cases[0], Verdict.FAIL, "")
    passed = judge(child, child.cases[0], Context())
    found: dict[str, Result] = {}
    tasks = [Task(parent, parent.cases[0]), Task(child, child.cases[0])]
    known = {tasks[0].key: fallen, tasks[1].key: passed}
    hear(tasks, Context(), 1, None, lambda task, r: found.__setitem__(task.claim.id, r), listen=behave, known=known)
    assert found["b.c"].reason.startswith("blocked-by a.b")


def leave() -> None:
    os._exit(9)


@pytest.mark.parametrize("dying", [2, 99])
def test_workers_that_die_before_they_take_a_case_are_replaced(monkeypatch: pytest.MonkeyPatch, dying: int) -> None:
    """The pool gives up when its only worker dies idle; the run must not, unless it happens again and again."""
    pools: list[int] = []
    whole, healthy = engine._pool, engine._start_worker

    def pool(size: int) -> object:
        pools.append(size)
        monkeypatch.setattr(engine, "_start_worker", leave if len(pools) <= dying else healthy)
        return whole(size)

    monkeypatch.setattr(engine, "_pool", pool)
    heard = verdicts([claim("a.b", "pass", "pass")], workers=1)
    if dying == 2:
        assert {result.verdict for result in heard.values()} == {Verdict.PASS}
        assert len(pools) == 3
    else:
        assert {result.reason for result in heard.values()} == {
            "error: the worker processes die again and again before they take a case"
        }
        assert len(pools) == engine.MOST_POOLS
