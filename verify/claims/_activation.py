"""What the claims on activations share: the activation of a case, for each witness.

A case names an activation of the catalogue, with a parameter where it has one (``a``, ``beta`` or ``slope``, a fraction
as text), or carries a typed ``expression`` in z.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verify.claim import Case, Hypothesis

PARAMETERS = ("a", "beta", "slope")


def _parameters(case: Case) -> dict[str, str]:
    return {key: str(value) for key, value in case.parameters if key in PARAMETERS}


def _typed(case: Case) -> tuple[str, Any] | None:
    """(text, tree) of a typed expression."""
    if "expression" not in dict(case.parameters):
        return None
    from verify.expression import parse

    text = case.word("expression")
    return text, parse(text)


def exact(case: Case) -> Any:
    """The symbolic witness's activation."""
    import symbolic

    typed = _typed(case)
    if typed is not None:
        return symbolic.activation_from_tree(typed[1], typed[0])
    return symbolic.activation(case.word("activation"), **_parameters(case))


def measured(case: Case) -> Any:
    """The numeric witness's activation."""
    import numeric

    typed = _typed(case)
    if typed is not None:
        return numeric.activation_from_tree(typed[1], typed[0])
    values = {key: float(Fraction(value)) for key, value in _parameters(case).items()}
    return numeric.activation(case.word("activation"), **values)


def named(case: Case) -> str:
    """The name in the catalogue, or "" for a typed expression."""
    return str(dict(case.parameters).get("activation", ""))


def classification(case: Case) -> Any:
    """The symbolic witness's verdict on the case's activation."""
    import symbolic

    return symbolic.classify(exact(case))


COVERED = Hypothesis(
    "smooth at 0 with alpha > 0, or positively homogeneous with mean slope alpha > 0",
    lambda case: classification(case).universality_class != "outside",
)
EXPANDABLE = Hypothesis("s has a Taylor expansion on each side of 0")
