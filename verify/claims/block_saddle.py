"""T7: the saddle of the block-aligned ansatz where the second mode starts (THEORY section 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case

# A point of the ansatz with nothing special: scales of the two groups, amplitudes, and the teacher's.
from verify.claims._block import (
    CHAIN,
    HIDDEN,
    ODD,
    RATES,
    SOURCE,
    TWO_GROUPS,
    budgeted,
    expectation,
    is_proof,
)
from verify.values import Budget, Evidence, Form, Measurement, Prediction

PairKind = Literal["collective", "non-collective"]
PairReading = Literal["exact", "gain-decides", "no-mixing"]


def _pair_form(case: Case, kind: PairKind, reading: PairReading = "exact") -> Prediction:
    import symbolic

    sides = symbolic.pair_hessian(case.integer("n"), kind, case.integer("L"), reading)
    return Prediction(Form(sides.claimed), "Hessian of the pair [[A, -M], [-M, B]], no coupling, no gradient")


def _pair_measured(case: Case, kind: PairKind) -> Measurement:
    """The pair's Hessian; for the collective pair also its coupling to all other weights, and the gradient."""
    import symbolic

    n, depth = case.integer("n"), case.integer("L")
    form = dict(symbolic.pair_hessian(n, kind, depth).measured)
    if kind == "collective":
        form |= symbolic.pair_decoupling(n, depth).measured | symbolic.stage_is_critical(n, depth).measured
    return Measurement(Form(form), "the composed loss differentiated twice")


def _constants(case: Case) -> tuple[float, float, float]:
    """A, B, M from certified expectations of the layer chain S."""
    import symbolic

    s, n, b_2 = symbolic.activation(case.word("activation")), case.integer("n"), case.integer("b2")
    if case.integer("L") == 2:
        pair = symbolic.stage_pair(s, 1, b_2, n)
        return float(pair.A.value), float(pair.B.value), float(pair.M.value)
    if s.parity != "odd":
        raise ValueError("the saddle exists for odd s only")
    slope = symbolic.slope_of(s)
    chain = symbolic.Chain.of((1, s), (HIDDEN, s))
    slopes = (symbolic.Chain.of((1, s), (HIDDEN, slope)), symbolic.Chain.of((1, slope)))
    x = float(HIDDEN)
    A = x**2 * expectation(*slopes, *slopes) / n
    M = b_2 * expectation(symbolic.Chain((), 1), chain) * x * expectation(*slopes)
    return A, n * expectation(chain, chain), M


def _pair_numbers(A: float, B: float, M: float) -> dict[str, float]:
    import symbolic

    growth = float(symbolic.growth_rates(*(_sympy(v) for v in (A, B, M)))[0])
    return {"A": A, "B": B, "M": M, "growth": growth, "gain": M**2 / (A * B)}


def _sympy(value: float) -> Any:
    import sympy

    return sympy.Float(value, 30)


def _predict_gain(case: Case) -> Prediction:
    if is_proof(case):
        return _pair_form(case, "collective")
    text = "growth -(A+B)/2 + sqrt(((A-B)/2)^2 + M^2), positive iff G = M^2/(A B) > 1"
    numbers = _pair_numbers(*_constants(case))
    return Prediction({"growth": numbers["growth"]} if case.word("check") == "kick" else numbers, text)


def _stage(case: Case, step: float | None, collective: bool) -> Any:
    import numeric

    return numeric.stage_hessian(
        numeric.activation(case.word("activation")),
        case.integer("n"),
        (1.0, float(case.integer("b2"))),
        (float(HIDDEN),) * (case.integer("L") - 2),
        collective,
        **({} if step is None else {"step": step}),
    )


def _kicked(case: Case, collective: bool) -> Measurement:
    import numeric

    growth = numeric.small_kick_growth(
        numeric.activation(case.word("activation")),
        case.integer("n"),
        (1.0, float(case.integer("b2"))),
        time=10.0,
        collective=collective,
        # For tanh, erf and sin the rule still errs by less than 1e-10 at this step.
        step=0.4,
    )
    return Measurement(
        {"growth": growth.rate},
        "gradient flow of all weights, from 1e-6 off the saddle",
        budget=Budget(finite_eps=growth.drift, discretisation=growth.discretisation),
        evidence=Evidence.NUMERICAL,
    )


def _measure_gain(case: Case, _: Context) -> Measurement:
    if is_proof(case):
        return _pair_measured(case, "collective")
    if case.word("check") == "kick":
        return _kicked(case, collective=True)

    def values(step: float | None) -> Mapping[str, float]:
        found = _stage(case, step, collective=True)
        A, B, M = float(found.matrix[0, 0]), float(found.matrix[1, 1]), -float(found.matrix[0, 1])
        return {"A": A, "B": B, "M": M, "growth": found.growth, "gain": M**2 / (A * B)}

    return budgeted(values, "autograd Hessian of all weights, projected")


def _altered_numbers(
    change: Callable[[dict[str, float]], dict[str, float]], reading: PairReading | None = None
) -> Callable[[Case, Prediction], Prediction | None]:
    """Other numbers at a random point; in a proof the reading, or None where the counterfeit does not touch it."""

    def alter(case: Case, honest: Prediction) -> Prediction | None:
        if is_proof(case):
            return _pair_form(case, "collective", reading) if reading else None
        numbers = _pair_numbers(*_constants(case))
        changed = {**numbers, **change(numbers)}
        assert isinstance(honest.value, Mapping)
        value = {name: changed[name] for name in honest.value}
        return None if value == honest.value else Prediction(value)

    return alter


def _another_odd(predict: Callable[[Case], Prediction]) -> Callable[[Case, Prediction], Prediction | None]:
    def alter(case: Case, honest: Prediction) -> Prediction | None:
        if is_proof(case):
            return None
        other = "linear" if case.word("activation") != "linear" else "tanh"
        changed = tuple((key, other if key == "activation" else value) for key, value in case.parameters)
        altered = predict(replace(case, parameters=changed))
        return None if altered.value == honest.value else altered

    return alter


def _without_coupling(numbers: dict[str, float]) -> dict[str, float]:
    return {"growth": max(-numbers["A"], -numbers["B"]), "M": 0.0, "gain": 0.0}


def _predict_non_collective(case: Case) -> Prediction:
    if is_proof(case):
        return _pair_form(case, "non-collective")
    text = "+M for L = 2, at any gain; 0 (neutral) for L = 3"
    return Prediction({"growth": _constants(case)[2] if case.integer("L") == 2 else 0.0}, text)


def _measure_non_collective(case: Case, _: Context) -> Measurement:
    if is_proof(case):
        return _pair_measured(case, "non-collective")
    if case.word("check") == "kick":
        return _kicked(case, collective=False)
    return budgeted(
        lambda step: {"growth": _stage(case, step, collective=False).growth},
        "autograd Hessian of all weights, projected",
    )


def _non_collective_altered(
    growth: Callable[[Case], float], reading: PairReading
) -> Callable[[Case, Prediction], Prediction | None]:
    def alter(case: Case, honest: Prediction) -> Prediction | None:
        altered = (
            _pair_form(case, "non-collective", reading) if is_proof(case) else Prediction({"growth": growth(case)})
        )
        return None if altered.value == honest.value else altered

    return alter


CLAIMS = (
    Claim(
        id="block.loop-gain",
        theorem="T7",
        title="loop gain of the collective pair at the stage-1 saddle",
        latex=r"\lambda = -\tfrac{A+B}{2} + \sqrt{\bigl(\tfrac{A-B}{2}\bigr)^2 + M^2} > 0"
        r" \iff G = \tfrac{M^2}{A B} > 1,\quad A = \tfrac{b_1^2}{n}\mathbb{E}[S'^2],\ B = n\,\mathbb{E}[S^2],"
        r"\ M = b_2\,\mathbb{E}[g S]\,\mathbb{E}[S']",
        plain="The collective tilt and the weight to output 2 decouple from all other weights and grow iff G > 1.",
        source=SOURCE,
        reading=Reading.CORRECTED,
        evidence=Evidence.PROOF,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(TWO_GROUPS, CHAIN, ODD),
        depends=("block.vector-invariant",),
        cases=(
            case(Tier.SMOKE, 0.3, n=2, L=2, check="proof"),
            case(Tier.STANDARD, 0.3, n=1, L=3, check="proof"),
            case(Tier.STANDARD, 0.6, n=3, L=2, check="proof"),
            case(Tier.SMOKE, 0.03, n=1, L=2, b2=2, activation="tanh", check="hessian"),
            case(Tier.STANDARD, 0.03, n=2, L=2, b2=1, activation="erf", check="hessian"),
            case(Tier.STANDARD, 0.03, n=2, L=2, b2=2, activation="linear", check="hessian"),
            case(Tier.STANDARD, 0.1, n=2, L=3, b2=2, activation="tanh", check="hessian"),
            case(Tier.STANDARD, 0.1, n=1, L=2, b2=2, activation="tanh", check="kick"),
            case(Tier.FULL, 0.1, n=2, L=2, b2=3, activation="sin", check="kick"),
            case(Tier.FULL, 1.5, n=2, L=3, check="proof"),
        ),
        predict=_predict_gain,
        measure=_measure_gain,
        counterfeits=(
            Counterfeit(
                "gain M/sqrt(A B), and growth M - sqrt(A B)",
                _altered_numbers(
                    lambda x: {"gain": x["gain"] ** 0.5, "growth": x["M"] - (x["A"] * x["B"]) ** 0.5}, "gain-decides"
                ),
                nearest=True,
            ),
            Counterfeit("no coupling", _altered_numbers(_without_coupling, "no-mixing")),
            Counterfeit("a loss without its factor 1/2", _altered_numbers(lambda x: {k: 2 * x[k] for k in RATES})),
            Counterfeit("another odd activation", _another_odd(_predict_gain), transplant="activation"),
        ),
    ),
    Claim(
        id="block.non-collective",
        theorem="T7",
        title="the non-collective pair",
        latex=r"H = \begin{pmatrix} 0 & -M \\ -M & 0 \end{pmatrix}\ (L = 2),\qquad H = 0\ (L = 3)",
        plain="With n >= 2 the non-collective pair is unstable at any gain for L = 2, and neutral for L = 3.",
        source="own statement",
        reading=Reading.OURS,
        evidence=Evidence.PROOF,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(TWO_GROUPS, CHAIN, ODD, Hypothesis("n >= 2", lambda case: case.integer("n") >= 2)),
        depends=("block.loop-gain",),
        cases=(
            case(Tier.SMOKE, 0.05, n=2, L=2, check="proof"),
            case(Tier.STANDARD, 0.25, n=2, L=3, check="proof"),
            case(Tier.STANDARD, 0.1, n=3, L=2, check="proof"),
            case(Tier.SMOKE, 0.03, n=2, L=2, b2=1, activation="tanh", check="hessian"),
            case(Tier.STANDARD, 0.1, n=2, L=3, b2=1, activation="tanh", check="hessian"),
            case(Tier.STANDARD, 0.03, n=3, L=2, b2=1, activation="erf", check="hessian"),
            case(Tier.STANDARD, 0.03, n=2, L=2, b2=1, activation="linear", check="hessian"),
            case(Tier.FULL, 0.1, n=2, L=2, b2=1, activation="tanh", check="kick"),
        ),
        predict=_predict_non_collective,
        measure=_measure_non_collective,
        counterfeits=(
            Counterfeit(
                "the gain decides here, too",
                _non_collective_altered(lambda case: _pair_numbers(*_constants(case))["growth"], "gain-decides"),
                nearest=True,
            ),
            Counterfeit(
                "unstable at rate M for every L", _non_collective_altered(lambda case: _constants(case)[2], "exact")
            ),
            Counterfeit("no coupling: neutral", _non_collective_altered(lambda _: 0.0, "no-mixing")),
            Counterfeit("another odd activation", _another_odd(_predict_non_collective), transplant="activation"),
        ),
    ),
)
