"""Selection, and the exit code of a finished run: first match of the contract's list."""

from typing import Any

import pytest

from tests.verify.render.conftest import result
from verify.claim import Tier
from verify.results import CounterfeitRecord, Result, Verdict
from verify.session import Options, check_device, exit_code, select

WEAK = (CounterfeitRecord(name="weak", verdict="holds", refuted=False),)


def one(verdict: Verdict, **changes: Any) -> Result:
    return result("a.b", "n=1", verdict, **changes)


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ((), 5),
        ((one(Verdict.SKIPPED, counterfeits=()),), 5),
        ((one(Verdict.PASS),), 0),
        ((one(Verdict.REFUTED_AS_EXPECTED),), 0),
        ((one(Verdict.PASS), one(Verdict.SKIPPED, counterfeits=())), 0),
        ((one(Verdict.PASS), one(Verdict.INCONCLUSIVE, as_expected=None)), 4),
        ((one(Verdict.INCONCLUSIVE, as_expected=None), one(Verdict.FAIL, as_expected=False)), 1),
        ((one(Verdict.PASS, as_expected=False),), 1),
        ((one(Verdict.PASS, counterfeits=WEAK),), 1),
        ((one(Verdict.FAIL, as_expected=False), one(Verdict.ERROR, as_expected=None)), 3),
    ],
)
def test_the_first_match_of_the_contract_decides(results: tuple[Result, ...], code: int) -> None:
    assert exit_code(results) == code
    assert exit_code(results, strict=True) == (1 if code == 4 else code)


def test_a_tier_selects_what_it_includes() -> None:
    counts = [len(select(Options(tier=tier))) for tier in Tier]
    assert 0 < counts[0] < counts[1] < counts[2]


@pytest.mark.parametrize("selector", ["T6", "off-manifold.", "off-manifold.inequality.overlap"])
def test_selectors_narrow(selector: str) -> None:
    chosen = select(Options(selectors=(selector,)))
    assert chosen
    assert all(task.claim.theorem == "T6" for task in chosen)


def test_a_filter_narrows_by_case() -> None:
    chosen = select(Options(filter="tanh and not T6 and critical-depth", tier=Tier.FULL))
    assert chosen
    assert all("tanh" in task.case.text and task.claim.id.startswith("critical-depth") for task in chosen)


def test_an_unknown_id_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"the nearest id is prefactor\.hermite"):
        select(Options(selectors=("prefactor.hermit",)))


def test_an_unknown_device_lists_those_that_work() -> None:
    check_device("cpu")
    with pytest.raises(ValueError, match="available: cpu"):
        check_device("abacus")
