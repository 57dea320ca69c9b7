"""T7: how large the loop gain at the stage-1 saddle can be (THEORY section 5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.claims._block import ODD, budgeted
from verify.values import Evidence, Measurement, Prediction

GAIN, EXCESS = "gain / (b_2/b_1)^2", "excess over 1"


def _shares(case: Case) -> tuple[float, float]:
    """h^2 / E[s^2] and h^2 / E[s'^2]: how much of s, and of s', is its first Hermite mode; either is at most 1."""
    import symbolic

    pair = symbolic.stage_pair(symbolic.activation(case.word("activation")), 1, 1)  # A = E[s'^2], B = E[s^2], M = h^2
    return float(pair.M.value) / float(pair.B.value), float(pair.M.value) / float(pair.A.value)


def _said(ratio: float) -> Prediction:
    return Prediction({GAIN: ratio, EXCESS: 0.0}, "(h^2 / E[s^2]) (h^2 / E[s'^2]), never above 1")


def _measure(case: Case, _: Context) -> Measurement:
    import numeric

    first, second = float(case.integer("b1")), float(case.integer("b2"))
    activation = numeric.activation(case.word("activation"))

    def values(step: float | None) -> Mapping[str, float]:
        more = {} if step is None else {"step": step}
        stage = numeric.stage_hessian(activation, case.integer("n"), (first, second), (), True, **more)
        found = stage.matrix
        ratio = float(found[0, 1]) ** 2 / (float(found[0, 0]) * float(found[1, 1])) / (second / first) ** 2
        return {GAIN: ratio, EXCESS: max(0.0, ratio - 1.0)}

    return budgeted(values, "autograd Hessian of all weights, projected")


def _altered(ratio: Callable[[Case], float]) -> Callable[[Case, Prediction], Prediction | None]:
    def alter(case: Case, _: Prediction) -> Prediction | None:
        altered = ratio(case)
        # Of a linear s every share is 1, to the rounding of a quotient: there the counterfeit says the truth.
        return None if math.isclose(altered, math.prod(_shares(case)), rel_tol=1e-13) else _said(altered)

    return alter


def _of_another(case: Case) -> float:
    other = "tanh" if case.word("activation") == "linear" else "linear"
    parameters = tuple((key, other if key == "activation" else value) for key, value in case.parameters)
    return math.prod(_shares(replace(case, parameters=parameters)))


CLAIMS = (
    Claim(
        id="block.gain-bound",
        theorem="T7",
        title="the loop gain is bounded",
        latex=r"G = \Bigl(\frac{b_2}{b_1}\Bigr)^2 \frac{h_\sigma^2}{\mathbb{E}[\sigma^2]}"
        r"\,\frac{h_\sigma^2}{\mathbb{E}[\sigma'^2]} \le \Bigl(\frac{b_2}{b_1}\Bigr)^2 \quad (L = 2)",
        plain="At L = 2 the loop gain is (b_2/b_1)^2 times two shares that are at most 1, and 1 for linear s.",
        source="own statement; authors' write-up, section on the block-aligned ansatz",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(Hypothesis("L = 2, two groups of n units, orthonormal modes, Gaussian inputs"), ODD),
        depends=("block.loop-gain",),
        cases=tuple(
            case(tier, 0.03, n=n, b1=b1, b2=b2, activation=activation)
            for tier, n, b1, b2, activation in (
                (Tier.SMOKE, 1, 1, 2, "tanh"),
                (Tier.STANDARD, 2, 2, 3, "erf"),
                (Tier.STANDARD, 2, 1, 2, "linear"),
                (Tier.STANDARD, 3, 3, 2, "arctan"),
                (Tier.FULL, 3, 2, 1, "sin"),
                (Tier.FULL, 1, 2, 3, "asinh"),
            )
        ),
        predict=lambda case: _said(math.prod(_shares(case))),
        measure=_measure,
        counterfeits=(
            Counterfeit("E[s'^2] taken for E[s^2]", _altered(lambda case: _shares(case)[0] ** 2), nearest=True),
            Counterfeit("every s attains the bound", _altered(lambda _: 1.0)),
            Counterfeit("one of the two shares only", _altered(lambda case: _shares(case)[0])),
            Counterfeit(
                "|b_2/b_1| in place of its square",
                _altered(lambda case: math.prod(_shares(case)) * case.integer("b1") / case.integer("b2")),
            ),
            Counterfeit("another odd activation", _altered(_of_another), transplant="activation"),
        ),
    ),
)
