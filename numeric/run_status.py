"""How a run of a flow ended, with the advice that goes with it."""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """``escaped`` and ``until-reached`` are the regular ends; the others say why there is no answer."""

    ESCAPED = "escaped"
    UNTIL_REACHED = "until-reached"
    BUDGET_SPENT = "budget-spent"
    NOT_FINITE = "not-finite"
    STEP_UNDERFLOW = "step-underflow"

    @property
    def failed(self) -> bool:
        """Whether the run reached neither its escape nor the requested time."""
        return self not in (RunStatus.ESCAPED, RunStatus.UNTIL_REACHED)

    @property
    def advice(self) -> str:
        """The cause and what to do, one sentence."""
        return _ADVICE[self]


_ADVICE = {
    RunStatus.ESCAPED: "the escape rule was met",
    RunStatus.UNTIL_REACHED: "the time limit came first: raise until, or lower the level of the escape rule",
    RunStatus.BUDGET_SPENT: "the step budget was spent before the escape rule was met: check the sign of the start "
    "(K times the product of the scales must be positive, or the flow may end in a valley where the loss hardly falls) "
    "and that the rule's level is reachable, or raise max_steps",
    RunStatus.NOT_FINITE: "the flow is not finite, or underflows: check the data for NaN and infinity, that the start "
    "is no exact saddle, and that the activation does not grow so fast that the loss has no finite mean",
    RunStatus.STEP_UNDERFLOW: "no step was small enough for the tolerance: loosen rtol or smooth the kink",
}
