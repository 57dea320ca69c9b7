"""Two runs compared: what is worse, what moved, what is gone."""

from collections.abc import Callable

import msgspec
import pytest

from tests.verify.render.conftest import result
from tests.verify.test_results import record
from verify.commands.diff import describe
from verify.comparison import compare
from verify.results import SCHEMA, BudgetRecord, CounterfeitRecord, Quantity, Result, Results, Verdict

Make = Callable[..., Results]


@pytest.fixture
def run_of() -> Make:
    def make(*results: Result, **changes: object) -> Results:
        return Results(schema=SCHEMA, run=record(**changes), results=results)

    return make


def one(verdict: Verdict = Verdict.PASS, **changes: object) -> Result:
    return result("a.b", "n=1", verdict, **changes)


def test_the_same_run_has_no_differences(run_of: Make) -> None:
    comparison = compare(run_of(one()), run_of(one()))
    assert not comparison.worse
    assert describe(comparison) == "the runs say the same"


@pytest.mark.parametrize(
    ("before", "after", "worse"),
    [
        (one(), one(Verdict.INCONCLUSIVE, as_expected=None), True),
        (one(Verdict.INCONCLUSIVE, as_expected=None), one(Verdict.SKIPPED, as_expected=None), False),
        (one(Verdict.SKIPPED, as_expected=None), one(Verdict.FAIL, as_expected=False), True),
        (one(Verdict.FAIL, as_expected=False), one(Verdict.ERROR, as_expected=None), True),
        (one(Verdict.ERROR, as_expected=None), one(), False),
        (one(Verdict.REFUTED_AS_EXPECTED), one(), False),
        (one(Verdict.REFUTED_AS_EXPECTED), one(as_expected=False), True),
    ],
)
def test_the_order_of_verdicts(run_of: Make, before: Result, after: Result, worse: bool) -> None:
    comparison = compare(run_of(before), run_of(after))
    assert len(comparison.verdicts) == 1
    assert comparison.worse is worse


@pytest.mark.parametrize(("shift", "worse"), [(0.00049, False), (0.00051, True), (-0.00051, True)])
def test_a_value_may_move_by_both_budgets_together(run_of: Make, shift: float, worse: bool) -> None:
    budget = BudgetRecord(finite_eps=0.00025, total=0.00025)
    a, b = (one(measured=Quantity(value=-3.0 + move), budget=budget) for move in (0.0, shift))
    assert compare(run_of(a), run_of(b)).worse is worse


def test_labels_and_infinities_are_compared_as_they_are(run_of: Make) -> None:
    label, other, infinite = (one(measured=Quantity(value=value)) for value in ("B (q = 3)", "C (q = 2)", "Infinity"))
    assert compare(run_of(label), run_of(other)).worse
    assert not compare(run_of(infinite), run_of(infinite)).worse


def test_lost_and_added_claims_are_said_once_and_cases_by_name(run_of: Make) -> None:
    two = result("c.d", "n=1", Verdict.PASS), result("c.d", "n=2", Verdict.PASS)
    comparison = compare(run_of(one(), *two), run_of(one()))
    assert (comparison.lost, comparison.added, comparison.worse) == (("c.d",), (), True)
    comparison = compare(run_of(two[0]), run_of(*two))
    assert (comparison.lost, comparison.added, comparison.worse) == ((), ("c.d[n=2]",), False)


def test_lost_power_is_worse(run_of: Make) -> None:
    weak = one(counterfeits=(CounterfeitRecord(name="-(r-1)", verdict="holds", refuted=False),))
    assert compare(run_of(one()), run_of(weak)).worse
    assert not compare(run_of(weak), run_of(one())).worse


def test_a_changed_environment_is_told_but_is_not_worse(run_of: Make) -> None:
    comparison = compare(run_of(one()), run_of(one(), seed=1, versions={"python": "3.13.0"}))
    assert [change.text for change in comparison.environment] == ["seed: 0 -> 1", "python: 3.11.7 -> 3.13.0"]
    assert not comparison.worse


def test_unexpected_fields_do_not_matter(run_of: Make) -> None:
    slow = msgspec.structs.replace(one(), seconds=99.0)
    assert describe(compare(run_of(one()), run_of(slow))) == "the runs say the same"


def test_a_case_that_measured_nothing_before_and_passes_now_is_better(run_of: Make) -> None:
    silent = one(Verdict.ERROR, as_expected=None, measured=Quantity(), budget=BudgetRecord())
    assert not compare(run_of(silent), run_of(one())).worse
    assert compare(run_of(one()), run_of(silent)).worse


def test_another_component_that_is_furthest_off_is_no_value_that_moved(run_of: Make) -> None:
    first = one(component="neuron 1", measured=Quantity(value=0.5))
    second = one(component="neuron 2", measured=Quantity(value=-7.0))
    assert not compare(run_of(first), run_of(second)).worse
    assert compare(run_of(first), run_of(one(component="neuron 1", measured=Quantity(value=-7.0)))).worse
