"""Hypotheses that several claims share, checked by the symbolic witness on the case's own activation."""

from __future__ import annotations

from verify.claim import Case, Hypothesis


def _recorded(case: Case, parameter: str, name: str) -> bool:
    import symbolic

    classification = symbolic.classify(symbolic.activation(case.word(parameter)))
    return dict(classification.hypotheses)[name]


def smooth_at_the_origin(parameter: str) -> Hypothesis:
    """The activation named by the case's ``parameter`` is smooth at 0."""
    return Hypothesis("the activation is smooth at 0", lambda case: _recorded(case, parameter, "smooth"))


def leaves_the_origin_at_first_order(parameter: str) -> Hypothesis:
    """s(0) = 0 and alpha = s'(0) > 0: classes A, B and C."""

    def holds(case: Case) -> bool:
        import symbolic

        return symbolic.classify(symbolic.activation(case.word(parameter))).universality_class in ("A", "B", "C")

    return Hypothesis("s(0) = 0 and alpha = s'(0) > 0", holds)


def covered_by_the_theory(parameter: str) -> Hypothesis:
    """The activation named by the case's ``parameter`` is in one of the classes A, B, C, D."""

    def holds(case: Case) -> bool:
        import symbolic

        return symbolic.classify(symbolic.activation(case.word(parameter))).universality_class != "outside"

    return Hypothesis("smooth at 0 with alpha > 0, or positively homogeneous with mean slope alpha > 0", holds)
