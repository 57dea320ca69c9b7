"""What the claims on the block-aligned ansatz share: the point, the hypotheses, small readings (THEORY section 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from verify.claim import Case, Hypothesis
from verify.values import Budget, Evidence, Measurement

# A point of the ansatz with nothing special: scales of the two groups, amplitudes, and the teacher's.
SCALES = (Fraction(7, 10), Fraction(13, 10))
AMPLITUDES = (Fraction(6, 5), Fraction(-4, 5))
TEACHER = (Fraction(1), Fraction(3, 2))
HIDDEN = Fraction(3, 2)  # X_2 of the layer chain where L = 3
RATES = ("A", "B", "M", "growth")
FINER = 0.2  # against numeric's own step 0.25: the change measures the quadrature's error

SOURCE = "authors' write-up, section on the block-aligned ansatz; corrected"
TWO_GROUPS = Hypothesis(
    "two groups of n units, orthonormal modes, Gaussian inputs", lambda case: case.integer("n") >= 1
)
CHAIN = Hypothesis("for L > 2 the teacher is the layer chain, y_k = b_k e_k s(X s(v_k.x))")


def is_proof(case: Case) -> bool:
    return case.word("check") == "proof"


def is_odd(case: Case) -> bool:
    import symbolic

    name = dict(case.parameters).get("activation")
    return name is None or symbolic.activation(str(name)).parity == "odd"


ODD = Hypothesis("s is odd (undefined and odd in the proofs)", is_odd)


def floats(pair: tuple[Fraction, Fraction]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])


def expectation(*chains: Any) -> float:
    import symbolic

    return float(symbolic.gaussian_expectation(*chains).value)


def budgeted(
    values: Callable[[float | None], Mapping[str, float]], text: str, evidence: Evidence = Evidence.NUMERICAL
) -> Measurement:
    """Values at the finer step; the change from the coarser one is the discretisation."""
    import torch

    fine, coarse = values(FINER), values(None)
    error = max(abs(fine[name] - coarse[name]) for name in fine)
    # 81 x 81 nodes are summed; the terms are of the size of the largest value, or of 1.
    rounding = 81 * 81 * torch.finfo(torch.float64).eps * max(1.0, *(abs(v) for v in fine.values()))
    return Measurement(fine, text, budget=Budget(discretisation=error, rounding=rounding), evidence=evidence)


# --- the forces off the blocks ---------------------------------------------------------------------------------------
