"""pytest: one test for each claim and case, with ``pytest --theorems``. Without the option nothing happens here.

Tests are called ``CLAIM[case]``, as everywhere else, and are marked by theorem (``T5``), by evidence
(``evidence_numerical``), by tier (``tier_smoke``), and ``theorem`` for all of them: ``pytest --theorems -m theorem``
runs nothing else. A verdict that is as expected passes; inconclusive is an expected failure, or a failure under
``--strict-theorems``; skipped is skipped. Parents come first, and a child of a fallen parent is inconclusive, where
both run in the same process.

Every option is called after the theorems, so that no other plugin's is in the way; this plugin is loaded wherever the
package is installed. ``--tier`` is short for ``--theorems-tier``, where nothing else has an option of that name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from verify.claim import Case, Claim
    from verify.results import Result


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options; their help is all that a run without them pays."""
    group = parser.getgroup("saddle-escape", "theorem claims")
    group.addoption("--theorems", action="store_true", help="Collect one test for each theorem claim and case.")
    group.addoption(
        "--theorems-tier",
        choices=("smoke", "standard", "full"),
        default="smoke",
        help="Cases of this tier and the smaller ones; --tier for short, unless another plugin has that option.",
    )
    group.addoption("--strict-theorems", action="store_true", help="An inconclusive verdict fails.")
    group.addoption("--theorems-seed", type=int, default=0, help="Seed of the run (default: 0).")
    group.addoption("--theorems-device", default="cpu", help="A torch device (default: cpu).")


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(parser: pytest.Parser, args: list[str]) -> Generator[None, object, object]:
    """Write ``--theorems-tier`` for ``--tier``, once plugins and conftest files have said which options they have.

    An option of that name is never registered: whoever registered it too would stop every run of pytest.
    """
    result = yield
    if "--theorems" in args and _is_free("--tier", parser):
        args[:] = [re.sub(r"^--tier(?==|$)", "--theorems-tier", argument) for argument in args]
    return result


def _is_free(option: str, parser: pytest.Parser) -> bool:
    try:
        _, unknown = parser.parse_known_and_unknown_args([f"{option}=smoke"])
    except pytest.UsageError:
        return False  # it is known, and takes other values
    return bool(unknown)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, so that --strict-markers knows them."""
    if not config.getoption("--theorems"):
        return
    from verify.catalogue import catalogue
    from verify.claim import Tier
    from verify.engine import ONE_THREAD
    from verify.values import Evidence

    # Read by the numeric libraries as they load: sums are then added in the same order as in a run's workers.
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        theorems = sorted({claim.theorem for claim in catalogue()})
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    names = ["theorem", *theorems, *(_tier(tier) for tier in Tier), *(_evidence(grade) for grade in Evidence)]
    for name in names:
        config.addinivalue_line("markers", f"{name.replace('-', '_')}: theorem claims of saddle-escape")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the claims' tests; before -k, -m and --lf look at what there is."""
    if config.getoption("--theorems"):
        collector: Any = Theorems.from_parent(session, name="theorems", nodeid="theorems")
        items += collector.collect()


def _tier(tier: Any) -> str:
    return f"tier_{tier.label}"


def _evidence(grade: Any) -> str:
    return f"evidence_{grade.value}"


class Theorems(pytest.Collector):
    """All cases of the chosen tier, parents before children."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item a case."""
        from graphlib import TopologicalSorter

        from verify.catalogue import catalogue
        from verify.claim import Tier

        claims = {claim.id: claim for claim in catalogue()}
        tier = Tier[self.config.getoption("--theorems-tier").upper()]
        fallen: dict[str, str] = {}
        for name in TopologicalSorter({name: claim.depends for name, claim in claims.items()}).static_order():
            for case in claims[name].cases_in(tier):
                test = f"{name}[{case.text}]"
                # The id is given whole: pytest then reads the bracket as it does when it looks up the last failures.
                item: CaseItem = CaseItem.from_parent(self, name=test, nodeid=f"{self.nodeid}::{test}")
                yield item.of(claims[name], case, fallen)


class CaseItem(pytest.Item):
    """One case of one claim."""

    claim: Claim
    case: Case
    fallen: dict[str, str]

    def of(self, claim: Claim, case: Case, fallen: dict[str, str]) -> CaseItem:
        """This item, told what it judges; ``fallen`` (claim -> verdict) is shared by all items of a process."""
        self.claim, self.case, self.fallen = claim, case, fallen
        for name in ("theorem", claim.theorem, _tier(case.tier), _evidence(claim.evidence)):
            self.add_marker(getattr(pytest.mark, name.replace("-", "_")))
        return self

    def runtest(self) -> None:
        """Judge the case; the verdict decides how the test ends."""
        from verify.claim import Context
        from verify.judge import judge
        from verify.results import Verdict

        parents = [parent for parent in self.claim.depends if parent in self.fallen]
        if parents:
            self._inconclusive(f"blocked-by {parents[0]}, which has the verdict {self.fallen[parents[0]]}")
        context = Context(self.config.getoption("--theorems-seed"), self.config.getoption("--theorems-device"))
        result = judge(self.claim, self.case, context)
        self.user_properties += [("verdict", result.verdict.value), ("evidence", result.evidence or "none")]
        if result.verdict in (Verdict.FAIL, Verdict.ERROR):
            self.fallen[self.claim.id] = result.verdict.value
        if result.verdict is Verdict.SKIPPED:
            pytest.skip(result.reason)
        if result.verdict is Verdict.INCONCLUSIVE:
            self._inconclusive(result.reason)
        if result.as_expected is not True or not all(c.refuted for c in result.counterfeits):
            raise VerdictError(self.claim, result)

    def _inconclusive(self, reason: str) -> None:
        if self.config.getoption("--strict-theorems"):
            pytest.fail(f"inconclusive: {reason}", pytrace=False)
        pytest.xfail(f"inconclusive: {reason}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What the reader needs: statement, both values, budget, ratio, causes and the replay line."""
        if isinstance(excinfo.value, VerdictError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """The claim's name stands where a file's would."""
        return "theorems", None, self.name


class VerdictError(Exception):
    """A verdict that is not what the suite expects, told in full."""

    def __init__(self, claim: Claim, result: Result) -> None:
        from verify.render.numbers import short
        from verify.render.summary import deviation, likely_causes
        from verify.render.terminal import compared

        predicted, measured, tolerance = compared(result)
        unrefuted = [f"counterfeit not refuted: {c.name} ({c.verdict})" for c in result.counterfeits if not c.refuted]
        replay = f"replay: saddle-escape run '{result.key}' -v"
        lines = [
            f"{result.verdict.value}: {result.key}",
            f"  statement  {claim.plain}",
            f"  predicted  {predicted} {result.predicted.unit}  {result.predicted.text}".rstrip(),
            f"  measured   {measured} {result.measured.unit}  {result.measured.text}".rstrip(),
            f"  budget     {tolerance}",
            f"  ratio      {short(deviation(result))} budgets",
            *(f"  {line}" for line in dict.fromkeys([*unrefuted, *likely_causes(result), replay])),
        ]
        super().__init__("\n".join(lines))
