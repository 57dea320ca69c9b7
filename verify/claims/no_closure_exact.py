"""T7: pairs of nets with equal moments and different derivatives, in exact arithmetic (THEORY section 5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Literal

from verify.claim import Case, Claim, Context, Counterfeit, Reading, Tier, Witness, case
from verify.claims._no_closure import (
    CORRELATED,
    DEFINITION,
    DIRECTION,
    ORTHONORMAL_INPUTS,
    POLYNOMIAL,
    POLYNOMIALS,
    SPACING,
    altered,
    another_activation,
    binomial_nodes,
    compared,
    predicted,
    prouhet_nodes,
    symbolic_data,
)
from verify.values import Evidence, Measurement, Prediction

ASSUMES = (POLYNOMIAL, ORTHONORMAL_INPUTS, CORRELATED)


def _prouhet(
    reading: Literal["exact", "closed", "single-sign", "no-input-force"] = "exact",
) -> Callable[[Case], Fraction]:
    def difference(case: Case) -> Fraction:
        import symbolic

        activation, data = symbolic_data(case)
        return symbolic.prouhet_difference(case.integer("m"), activation, data, DIRECTION, SPACING, reading)

    return difference


def _binomial(
    reading: Literal["exact", "closed", "single-sign", "order-m", "sign-flipped", "no-factorial"] = "exact",
) -> Callable[[Case], Fraction]:
    def difference(case: Case) -> Fraction:
        import symbolic

        activation, data = symbolic_data(case)
        return symbolic.binomial_difference(case.integer("m"), activation, data, DIRECTION, SPACING, reading)

    return difference


def _measure_prouhet(case: Case, _: Context) -> Measurement:
    return compared(case, prouhet_nodes)


def _measure_binomial(case: Case, _: Context) -> Measurement:
    degree = len(POLYNOMIALS[case.word("s")]) - 1
    return compared(case, lambda m: binomial_nodes(m + degree - 1))


def _one_mode(case: Case) -> Fraction:
    alone = tuple((key, 1 if key == "modes" else value) for key, value in case.parameters)
    return _binomial()(replace(case, parameters=alone))


def _predict(difference: Callable[[Case], Fraction]) -> Callable[[Case], Prediction]:
    return lambda case: predicted(case, difference(case))


BINOMIAL_LATEX = (
    r"\Delta\,\tfrac{d}{dt}\langle a\,w_1^{m-1}\rangle"
    r" = (-1)^K c_D\,\mathbb{E}[y\,(v\cdot x)^D]\,v_1^{m-1}\,\frac{K!\,h^K}{2^{K-1}},\quad K = m + D - 1"
)

CLAIMS = (
    Claim(
        id="no-closure.certificate",
        theorem="T7",
        title="no closure at orders 1 to 8, by certificate",
        latex=r"M_{p,q}(A) = M_{p,q}(B)\ (p+|q| \le m),\quad \tfrac{d}{dt}\langle a\,w_1^{m-1}\rangle_A"
        r" \ne \tfrac{d}{dt}\langle a\,w_1^{m-1}\rangle_B,\quad m = 1,\dots,8",
        plain="For m = 1 to 8 two nets have equal moments up to order m and different derivatives of one of them.",
        source=f"own statement; {DEFINITION}; nodes of a Prouhet-Tarry-Escott solution of degree m",
        reading=Reading.OURS,
        evidence=Evidence.EXACT,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=ASSUMES,
        cases=(
            case(Tier.SMOKE, 0.02, m=1, s="z+z^2/2", check="rational"),
            case(Tier.SMOKE, 0.04, m=4, s="2z+z^2-z^3/6", check="rational"),
            case(Tier.SMOKE, 0.01, m=3, s="z-z^3/3", check="autograd"),
            *(case(Tier.STANDARD, 0.06, m=m, s="z+z^2/2", check="rational") for m in range(2, 9)),
            *(case(Tier.STANDARD, 0.06, m=m, s="z-z^3/3", check="rational") for m in (2, 5, 8)),
            case(Tier.STANDARD, 0.06, m=3, s="z+z^4/4", check="rational"),
            case(Tier.STANDARD, 0.01, m=2, s="2z+z^2-z^3/6", check="autograd"),
            *(case(Tier.FULL, 0.06, m=m, s="z-z^3/3", check="rational") for m in (1, 3, 4, 6, 7)),
            *(case(Tier.FULL, 0.06, m=m, s="2z+z^2-z^3/6", check="rational") for m in (1, 2, 3, 5, 6, 7, 8)),
        ),
        predict=_predict(_prouhet()),
        measure=_measure_prouhet,
        counterfeits=(
            Counterfeit("closed at order m: no difference", altered(_prouhet("closed")), nearest=True),
            Counterfeit("only one of the two signs of a counted", altered(_prouhet("single-sign"))),
            Counterfeit("the rows do not move", altered(_prouhet("no-input-force"))),
            another_activation(_prouhet()),
        ),
    ),
    Claim(
        id="no-closure.all-orders",
        theorem="T7",
        title="no closure at any order, in closed form",
        latex=BINOMIAL_LATEX,
        plain="Binomial multiplicities make the difference at every order m: K-th differences kill all lower degrees.",
        source=f"own statement; {DEFINITION}; even j against odd j, binom(K, j) copies of (+-1, j h v)",
        reading=Reading.OURS,
        evidence=Evidence.EXACT,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=ASSUMES,
        cases=(
            case(Tier.SMOKE, 0.02, m=1, s="z+z^2/2", check="rational"),
            case(Tier.SMOKE, 0.03, m=3, s="2z+z^2-z^3/6", check="rational"),
            case(Tier.SMOKE, 0.01, m=2, s="z-z^3/3", check="autograd"),
            case(Tier.STANDARD, 0.03, m=2, s="z+z^4/4", check="rational"),
            case(Tier.STANDARD, 0.03, m=4, s="z-z^3/3", check="rational"),
            case(Tier.STANDARD, 0.05, m=10, s="z+z^2/2", check="rational"),
            case(Tier.STANDARD, 0.01, m=3, s="z+z^2/2", check="autograd"),
            *(case(Tier.FULL, 0.2, m=m, s="z-z^3/3", check="rational") for m in (7, 12, 20)),
            *(case(Tier.FULL, 0.2, m=m, s="z+z^4/4", check="rational") for m in (5, 9)),
        ),
        predict=_predict(_binomial()),
        measure=_measure_binomial,
        counterfeits=(
            Counterfeit("2^K in place of 2^(K-1)", altered(_binomial("single-sign")), nearest=True),
            Counterfeit("closed at order m: no difference", altered(_binomial("closed"))),
            Counterfeit("sign (-1)^(K+1)", altered(_binomial("sign-flipped"))),
            Counterfeit("K! dropped", altered(_binomial("no-factorial"))),
            Counterfeit("K = m", altered(_binomial("order-m"))),
            another_activation(_binomial()),
        ),
    ),
    Claim(
        id="no-closure.single-mode",
        theorem="T7",
        title="several modes are not the cause",
        latex=BINOMIAL_LATEX + r",\quad y = \sum_{k \le n} b_k \sigma(v_k \cdot x),\ n = 1, 2, 3",
        plain="The same certificate refutes closure for a teacher of one mode as for one of several modes.",
        source="authors' write-up blames multi-mode teachers; own statement",
        reading=Reading.CORRECTED,
        evidence=Evidence.EXACT,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=ASSUMES,
        depends=("no-closure.all-orders",),
        cases=(
            case(Tier.SMOKE, 0.02, modes=1, m=2, s="z+z^2/2", check="rational"),
            case(Tier.SMOKE, 0.02, modes=2, m=2, s="z-z^3/3", check="rational"),
            case(Tier.STANDARD, 0.03, modes=1, m=3, s="2z+z^2-z^3/6", check="rational"),
            case(Tier.STANDARD, 0.03, modes=3, m=3, s="2z+z^2-z^3/6", check="rational"),
            case(Tier.STANDARD, 0.01, modes=1, m=2, s="z-z^3/3", check="autograd"),
            case(Tier.STANDARD, 0.01, modes=3, m=2, s="z+z^2/2", check="autograd"),
            case(Tier.FULL, 0.1, modes=1, m=8, s="z-z^3/3", check="rational"),
            case(Tier.FULL, 0.1, modes=3, m=8, s="z-z^3/3", check="rational"),
        ),
        predict=_predict(_binomial()),
        measure=_measure_binomial,
        counterfeits=(
            Counterfeit(
                "a teacher of one mode closes",
                lambda case, _: predicted(case, Fraction(0)) if case.integer("modes") == 1 else None,
                nearest=True,
            ),
            Counterfeit("the other modes do not count", altered(_one_mode)),
            Counterfeit("closed at order m: no difference", altered(_binomial("closed"))),
            another_activation(_binomial()),
        ),
    ),
)
