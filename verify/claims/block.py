"""T7: the block-aligned ansatz, its off-block force, and the saddle where the second mode starts (THEORY section 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, Literal

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.values import Budget, Evidence, Form, Measurement, Prediction

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


def _is_proof(case: Case) -> bool:
    return case.word("check") == "proof"


def _is_odd(case: Case) -> bool:
    import symbolic

    name = dict(case.parameters).get("activation")
    return name is None or symbolic.activation(str(name)).parity == "odd"


ODD = Hypothesis("s is odd (undefined and odd in the proofs)", _is_odd)


def _floats(pair: tuple[Fraction, Fraction]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])


def _expectation(*chains: Any) -> float:
    import symbolic

    return float(symbolic.gaussian_expectation(*chains).value)


def _budgeted(
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

ForceReading = Literal["exact", "invariant", "no-teacher-term", "not-divided"]


def _scalar_force(case: Case, reading: ForceReading = "exact") -> Prediction:
    import symbolic

    text = "(a_1/n) E[s'(X_1 g)] (b_2 h - a_2 E[g s(X_2 g)])"
    n = case.integer("n")
    if _is_proof(case):
        return Prediction(Form(symbolic.off_block_force(n, reading).claimed), text)
    s = symbolic.activation(case.word("activation"))
    first, second, h = (float(symbolic.hermite(s, c).value) for c in (*SCALES, 1))
    teacher = 0.0 if reading == "no-teacher-term" else float(TEACHER[1]) * h
    # E[s'(X g)] = E[g s(X g)] / X (Stein).
    slope = first / float(SCALES[0])
    force = float(AMPLITUDES[0]) * slope * (teacher - float(AMPLITUDES[1]) * second)
    return Prediction(
        {"force": 0.0 if reading == "invariant" else force / (1 if reading == "not-divided" else n)}, text
    )


def _measure_scalar(case: Case, _: Context) -> Measurement:
    if _is_proof(case):
        import symbolic

        return Measurement(
            Form(symbolic.off_block_force(case.integer("n")).measured), "the composed loss differentiated"
        )
    return _budgeted(lambda step: {"force": _block_forces(case, 1, step)[0]}, "autograd, full network on a quadrature")


def _block_forces(case: Case, outputs: int, step: float | None) -> tuple[float, float]:
    """-dLoss/d(row 0 of group 1 along mode 2), and -dLoss/d(weight from that unit to the last output)."""
    import numeric

    depth = int(dict(case.parameters).get("L", 2))
    scales = [_floats(SCALES), *((float(HIDDEN), float(HIDDEN) / 2),) * (depth - 2)]
    block = numeric.block_network(
        numeric.activation(case.word("activation")),
        case.integer("n"),
        scales,
        _floats(AMPLITUDES),
        _floats(TEACHER),
        outputs,
        **({} if step is None else {"step": step}),
    )
    gradient = block.gradient()
    return -float(gradient[0][0, 1]), -float(gradient[-1][-1, 0])


def _vector_forces(case: Case) -> Prediction:
    import symbolic

    if _is_proof(case):
        return Prediction(Form({}), "every off-block force vanishes, blocks stay constant")
    s = symbolic.activation(case.word("activation"))
    if case.integer("L") > 2 and s.parity != "odd":
        raise ValueError("for L > 2 the forces are given for odd s only")
    text = "0 for odd s; readout E[s(X_1 g)] (b_2 E[s(g)] - a_2 E[s(X_2 g)])"
    if s.parity == "odd":
        return Prediction({"row": 0.0, "readout": 0.0}, text)
    first, second, plain = (_expectation(symbolic.Chain.of((c, s))) for c in (*SCALES, 1))
    return Prediction(
        {"row": 0.0, "readout": first * (float(TEACHER[1]) * plain - float(AMPLITUDES[1]) * second)}, text
    )


def _measure_vector(case: Case, _: Context) -> Measurement:
    if _is_proof(case):
        import symbolic

        sides = symbolic.vector_output_invariance(case.integer("n"), case.integer("L"))
        return Measurement(Form(sides.measured), "the composed loss differentiated")
    return _budgeted(
        lambda step: dict(zip(("row", "readout"), _block_forces(case, 2, step), strict=True)),
        "autograd, full network on a quadrature",
    )


def _as_scalar(case: Case, _: Prediction) -> Prediction:
    """The force that the scalar output has, said of the vector output."""
    force = _scalar_force(case)
    if _is_proof(case):
        return force
    assert isinstance(force.value, Mapping)
    row = force.value["force"]
    assert isinstance(row, float)
    return Prediction({"row": row, "readout": 0.0})


def _invariant_for_any(case: Case, honest: Prediction) -> Prediction | None:
    if _is_proof(case) or _is_odd(case):
        return None
    return Prediction({"row": 0.0, "readout": 0.0})


# --- the stage-1 saddle ----------------------------------------------------------------------------------------------

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
    A = x**2 * _expectation(*slopes, *slopes) / n
    M = b_2 * _expectation(symbolic.Chain((), 1), chain) * x * _expectation(*slopes)
    return A, n * _expectation(chain, chain), M


def _pair_numbers(A: float, B: float, M: float) -> dict[str, float]:
    import symbolic

    growth = float(symbolic.growth_rates(*(_sympy(v) for v in (A, B, M)))[0])
    return {"A": A, "B": B, "M": M, "growth": growth, "gain": M**2 / (A * B)}


def _sympy(value: float) -> Any:
    import sympy

    return sympy.Float(value, 30)


def _predict_gain(case: Case) -> Prediction:
    if _is_proof(case):
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
    if _is_proof(case):
        return _pair_measured(case, "collective")
    if case.word("check") == "kick":
        return _kicked(case, collective=True)

    def values(step: float | None) -> Mapping[str, float]:
        found = _stage(case, step, collective=True)
        A, B, M = float(found.matrix[0, 0]), float(found.matrix[1, 1]), -float(found.matrix[0, 1])
        return {"A": A, "B": B, "M": M, "growth": found.growth, "gain": M**2 / (A * B)}

    return _budgeted(values, "autograd Hessian of all weights, projected")


def _altered_numbers(
    change: Callable[[dict[str, float]], dict[str, float]], reading: PairReading | None = None
) -> Callable[[Case, Prediction], Prediction | None]:
    """Other numbers at a random point; in a proof the reading, or None where the counterfeit does not touch it."""

    def alter(case: Case, honest: Prediction) -> Prediction | None:
        if _is_proof(case):
            return _pair_form(case, "collective", reading) if reading else None
        numbers = _pair_numbers(*_constants(case))
        changed = {**numbers, **change(numbers)}
        assert isinstance(honest.value, Mapping)
        value = {name: changed[name] for name in honest.value}
        return None if value == honest.value else Prediction(value)

    return alter


def _another_odd(predict: Callable[[Case], Prediction]) -> Callable[[Case, Prediction], Prediction | None]:
    def alter(case: Case, honest: Prediction) -> Prediction | None:
        if _is_proof(case):
            return None
        other = "linear" if case.word("activation") != "linear" else "tanh"
        changed = tuple((key, other if key == "activation" else value) for key, value in case.parameters)
        altered = predict(replace(case, parameters=changed))
        return None if altered.value == honest.value else altered

    return alter


def _without_coupling(numbers: dict[str, float]) -> dict[str, float]:
    return {"growth": max(-numbers["A"], -numbers["B"]), "M": 0.0, "gain": 0.0}


def _predict_non_collective(case: Case) -> Prediction:
    if _is_proof(case):
        return _pair_form(case, "non-collective")
    text = "+M for L = 2, at any gain; 0 (neutral) for L = 3"
    return Prediction({"growth": _constants(case)[2] if case.integer("L") == 2 else 0.0}, text)


def _measure_non_collective(case: Case, _: Context) -> Measurement:
    if _is_proof(case):
        return _pair_measured(case, "non-collective")
    if case.word("check") == "kick":
        return _kicked(case, collective=False)
    return _budgeted(
        lambda step: {"growth": _stage(case, step, collective=False).growth},
        "autograd Hessian of all weights, projected",
    )


def _non_collective_altered(
    growth: Callable[[Case], float], reading: PairReading
) -> Callable[[Case, Prediction], Prediction | None]:
    def alter(case: Case, honest: Prediction) -> Prediction | None:
        altered = (
            _pair_form(case, "non-collective", reading) if _is_proof(case) else Prediction({"growth": growth(case)})
        )
        return None if altered.value == honest.value else altered

    return alter


CLAIMS = (
    Claim(
        id="block.scalar-force",
        theorem="T7",
        title="off-block force, scalar output",
        latex=r"-\partial_{w_1 \cdot v_2}\mathcal{L} = \tfrac{a_1}{n}\,\mathbb{E}[\sigma'(X_1 g)]"
        r"\,\bigl(b_2 h - a_2\,\mathbb{E}[g\,\sigma(X_2 g)]\bigr)",
        plain="With a scalar output the ansatz is not invariant: a row of group 1 is pushed along v_2 at first order.",
        source=SOURCE,
        reading=Reading.CORRECTED,
        evidence=Evidence.PROOF,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(TWO_GROUPS, Hypothesis("L = 2, one output, any differentiable s")),
        cases=(
            case(Tier.SMOKE, 0.05, n=2, check="proof"),
            case(Tier.STANDARD, 0.05, n=1, check="proof"),
            case(Tier.STANDARD, 0.1, n=3, check="proof"),
            case(Tier.SMOKE, 0.1, n=2, activation="tanh", check="random-point"),
            case(Tier.STANDARD, 0.1, n=1, activation="gelu", check="random-point"),
            case(Tier.STANDARD, 0.1, n=3, activation="silu", check="random-point"),
            case(Tier.FULL, 0.1, n=4, activation="erf", check="random-point"),
        ),
        predict=_scalar_force,
        measure=_measure_scalar,
        counterfeits=(
            Counterfeit("b_2 h dropped", lambda case, _: _scalar_force(case, "no-teacher-term"), nearest=True),
            Counterfeit("the ansatz is invariant", lambda case, _: _scalar_force(case, "invariant")),
            Counterfeit(
                "a_1 in place of a_1/n",
                lambda case, _: None if case.integer("n") == 1 else _scalar_force(case, "not-divided"),
            ),
        ),
    ),
    Claim(
        id="block.vector-invariant",
        theorem="T7",
        title="invariance, vector output and odd s",
        latex=r"y = \sum_k b_k e_k S(v_k \cdot x),\ \sigma \text{ odd} \implies \text{every off-block force vanishes}",
        plain="With one output for each mode and odd s the block-aligned ansatz is invariant; for other s it is not.",
        source=SOURCE,
        reading=Reading.CORRECTED,
        evidence=Evidence.PROOF,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(
            TWO_GROUPS,
            CHAIN,
            Hypothesis("s is odd (where not, the force is predicted)", _is_odd, assumed=False),
        ),
        depends=("block.scalar-force",),
        cases=(
            case(Tier.SMOKE, 0.15, n=2, L=2, check="proof"),
            case(Tier.STANDARD, 0.15, n=1, L=3, check="proof"),
            case(Tier.STANDARD, 0.5, n=2, L=3, check="proof"),
            case(Tier.SMOKE, 0.1, n=2, L=2, activation="gelu", check="random-point"),
            case(Tier.STANDARD, 0.1, n=2, L=2, activation="tanh", check="random-point"),
            case(Tier.STANDARD, 0.1, n=1, L=2, activation="silu", check="random-point"),
            case(Tier.STANDARD, 0.1, n=2, L=3, activation="sin", check="random-point"),
        ),
        predict=_vector_forces,
        measure=_measure_vector,
        counterfeits=(
            Counterfeit("invariant whatever the activation", _invariant_for_any, nearest=True),
            Counterfeit("the scalar output's force", _as_scalar),
        ),
    ),
    Claim(
        id="block.loop-gain",
        theorem="T7",
        title="loop gain of the collective pair at the stage-1 saddle",
        latex=r"\lambda = -\tfrac{A+B}{2} + \sqrt{\bigl(\tfrac{A-B}{2}\bigr)^2 + M^2} > 0"
        r" \iff G = \tfrac{M^2}{A B} > 1,\quad A = \tfrac{b_1^2}{n}\mathbb{E}[S'^2],\ B = n\,\mathbb{E}[S^2],"
        r"\ M = b_2\,\mathbb{E}[g S]\,\mathbb{E}[S']",
        plain="The collective tilt and the weight to output 2 decouple and grow iff G > 1; G <= (b_2/b_1)^2 at L = 2.",
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
            case(Tier.SMOKE, 0.1, n=1, L=2, b2=2, activation="tanh", check="hessian"),
            case(Tier.STANDARD, 0.1, n=2, L=2, b2=1, activation="erf", check="hessian"),
            case(Tier.STANDARD, 0.1, n=2, L=2, b2=2, activation="linear", check="hessian"),
            case(Tier.STANDARD, 0.3, n=2, L=3, b2=2, activation="tanh", check="hessian"),
            case(Tier.STANDARD, 0.8, n=1, L=2, b2=2, activation="tanh", check="kick"),
            case(Tier.FULL, 0.8, n=2, L=2, b2=3, activation="sin", check="kick"),
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
            case(Tier.SMOKE, 0.25, n=2, L=3, check="proof"),
            case(Tier.STANDARD, 0.1, n=3, L=2, check="proof"),
            case(Tier.SMOKE, 0.1, n=2, L=2, b2=1, activation="tanh", check="hessian"),
            case(Tier.STANDARD, 0.3, n=2, L=3, b2=1, activation="tanh", check="hessian"),
            case(Tier.STANDARD, 0.1, n=3, L=2, b2=1, activation="erf", check="hessian"),
            case(Tier.STANDARD, 0.1, n=2, L=2, b2=1, activation="linear", check="hessian"),
            case(Tier.FULL, 0.8, n=2, L=2, b2=1, activation="tanh", check="kick"),
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
