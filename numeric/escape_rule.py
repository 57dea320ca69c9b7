"""When a run counts as escaped, parsed from its one-line form.

``loss:F``     the loss falls to the fraction F of its initial value (``loss`` alone: half);
``scale:X@l``  the scale of layer l (counted from 1, the default) reaches X in absolute value;
``overlap:F``  E[yhat y] reaches F E[y^2].
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

_FORM = re.compile(r"(loss|scale|overlap):([^@]+)(?:@(\d+))?")


@dataclass(frozen=True)
class EscapeRule:
    """``level``: the fraction F or the scale X.  ``layer``: counted from 1, meaningful for kind scale only."""

    kind: Literal["loss", "scale", "overlap"]
    level: float
    layer: int = 1

    @property
    def falls(self) -> bool:
        """Whether the monitored number escapes downwards."""
        return self.kind == "loss"

    def __str__(self) -> str:
        return f"{self.kind}:{self.level:g}" + (f"@{self.layer}" if self.kind == "scale" else "")


def parse_escape_rule(text: str | EscapeRule, depth: int) -> EscapeRule:
    """The rule written as ``text`` for a net of that depth; raises ValueError with the accepted forms."""
    if isinstance(text, EscapeRule):
        rule = text
    else:
        match = _FORM.fullmatch("loss:0.5" if text.strip() == "loss" else text.strip())
        try:
            level = float(match[2]) if match else math.nan
        except ValueError:
            level = math.nan
        if match is None or math.isnan(level) or (match[3] is not None and match[1] != "scale"):
            raise ValueError(f"unknown escape rule {text!r}: write loss:0.5, scale:0.5@1 or overlap:0.1")
        kind: Literal["loss", "scale", "overlap"] = (
            "loss" if match[1] == "loss" else "scale" if match[1] == "scale" else "overlap"
        )
        rule = EscapeRule(kind, level, int(match[3]) if match[3] else 1)
    if rule.kind == "loss" and not 0.0 < rule.level < 1.0:
        raise ValueError(f"the rule loss:F needs 0 < F < 1, got F = {rule.level:g}")
    if not (0.0 < rule.level < math.inf):
        raise ValueError(f"the rule {rule.kind}:F needs a positive finite level, got {rule.level:g}")
    if not 1 <= rule.layer <= depth:
        raise ValueError(f"the rule {rule} names layer {rule.layer} of a net that has {depth}: choose 1 to {depth}")
    return rule
