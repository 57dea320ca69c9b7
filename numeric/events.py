"""When a member has escaped, and how a run of it ended: escape rules and the status of a flow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """How the flow of one member ended; `cause` and `advice` are one clear sentence each."""

    ESCAPED = "escaped"
    BUDGET_SPENT = "budget-spent"
    NOT_FINITE = "not-finite"
    STEP_UNDERFLOW = "step-underflow"
    UNTIL_REACHED = "until-reached"

    @property
    def cause(self) -> str:
        """What happened."""
        return _CAUSES[self][0]

    @property
    def advice(self) -> str:
        """What to do about it."""
        return _CAUSES[self][1]

    @property
    def failed(self) -> bool:
        """Whether the member reached neither its escape nor the requested time."""
        return self not in (Status.ESCAPED, Status.UNTIL_REACHED)


_CAUSES: dict[Status, tuple[str, str]] = {
    Status.ESCAPED: ("The escape rule was met.", "Nothing to do."),
    Status.UNTIL_REACHED: ("The requested time was reached.", "Raise `until` if an escape was expected."),
    Status.BUDGET_SPENT: (
        "The budget of gradient evaluations was spent before the escape.",
        "Raise `budget`, or check that the start has positive alignment with the teacher (K prod X_l > 0).",
    ),
    Status.NOT_FINITE: (
        "The gradient is not finite, or exactly zero so that the flow never moves.",
        "Check the data for NaN or infinity, and that the start is no exact saddle and does not underflow.",
    ),
    Status.STEP_UNDERFLOW: (
        "The step fell below the resolution of the floating-point numbers.",
        "Loosen `rtol`, or use float64.",
    ),
}


@dataclass(frozen=True)
class EscapeRule:
    """kind "loss" (falls to `threshold` times its initial value), "scale" (X_layer) or "overlap" (E[yhat y]/E[y^2])."""

    kind: str
    threshold: float
    layer: int = 1

    @property
    def falls(self) -> bool:
        """Whether the monitored number escapes downwards."""
        return self.kind == "loss"

    def __str__(self) -> str:
        return f"{self.kind}:{self.threshold:g}" + (f"@{self.layer}" if self.kind == "scale" else "")


def escape_rule(text: str | EscapeRule) -> EscapeRule:
    """Read "loss:F" (default loss:0.5), "scale:X@l" (layer 1 by default) or "overlap:F".

    Raises ValueError with one sentence for anything else: a fraction F of the loss must lie in (0, 1).
    """
    if isinstance(text, EscapeRule):
        return text
    kind, _, rest = text.partition(":")
    number, _, layer = rest.partition("@")
    try:
        threshold = float(number) if number else math.nan
        index = int(layer) if layer else 1
    except ValueError:
        raise ValueError(f"cannot read the escape rule {text!r}; expected loss:F, scale:X@l or overlap:F") from None
    if kind == "loss" and not rest:
        threshold = 0.5
    good = {"loss": 0 < threshold < 1, "scale": threshold > 0 and index >= 1, "overlap": threshold > 0}
    if kind not in good or not good[kind] or not math.isfinite(threshold) or (layer and kind != "scale"):
        raise ValueError(f"cannot use the escape rule {text!r}; expected loss:F (0 < F < 1), scale:X@l or overlap:F")
    return EscapeRule(kind, threshold, index)
