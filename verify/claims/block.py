"""T7: the block-aligned ansatz and its off-block force (THEORY section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case

# A point of the ansatz with nothing special: scales of the two groups, amplitudes, and the teacher's.
from verify.claims._block import (
    AMPLITUDES,
    CHAIN,
    HIDDEN,
    SCALES,
    SOURCE,
    TEACHER,
    TWO_GROUPS,
    budgeted,
    expectation,
    floats,
    is_odd,
    is_proof,
)
from verify.values import Evidence, Form, Measurement, Prediction

ForceReading = Literal["exact", "invariant", "no-teacher-term", "not-divided"]


def _scalar_force(case: Case, reading: ForceReading = "exact") -> Prediction:
    import symbolic

    text = "(a_1/n) E[s'(X_1 g)] (b_2 h - a_2 E[g s(X_2 g)])"
    n = case.integer("n")
    if is_proof(case):
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
    if is_proof(case):
        import symbolic

        return Measurement(
            Form(symbolic.off_block_force(case.integer("n")).measured), "the composed loss differentiated"
        )
    return budgeted(lambda step: {"force": _block_forces(case, 1, step)[0]}, "autograd, full network on a quadrature")


def _block_forces(case: Case, outputs: int, step: float | None) -> tuple[float, float]:
    """-dLoss/d(row 0 of group 1 along mode 2), and -dLoss/d(weight from that unit to the last output)."""
    import numeric

    depth = int(dict(case.parameters).get("L", 2))
    scales = [floats(SCALES), *((float(HIDDEN), float(HIDDEN) / 2),) * (depth - 2)]
    block = numeric.block_network(
        numeric.activation(case.word("activation")),
        case.integer("n"),
        scales,
        floats(AMPLITUDES),
        floats(TEACHER),
        outputs,
        **({} if step is None else {"step": step}),
    )
    gradient = block.gradient()
    return -float(gradient[0][0, 1]), -float(gradient[-1][-1, 0])


def _vector_forces(case: Case) -> Prediction:
    import symbolic

    if is_proof(case):
        return Prediction(Form({}), "every off-block force vanishes, blocks stay constant")
    s = symbolic.activation(case.word("activation"))
    if case.integer("L") > 2 and s.parity != "odd":
        raise ValueError("for L > 2 the forces are given for odd s only")
    text = "0 for odd s; readout E[s(X_1 g)] (b_2 E[s(g)] - a_2 E[s(X_2 g)])"
    if s.parity == "odd":
        return Prediction({"row": 0.0, "readout": 0.0}, text)
    first, second, plain = (expectation(symbolic.Chain.of((c, s))) for c in (*SCALES, 1))
    return Prediction(
        {"row": 0.0, "readout": first * (float(TEACHER[1]) * plain - float(AMPLITUDES[1]) * second)}, text
    )


def _measure_vector(case: Case, _: Context) -> Measurement:
    if is_proof(case):
        import symbolic

        sides = symbolic.vector_output_invariance(case.integer("n"), case.integer("L"))
        return Measurement(Form(sides.measured), "the composed loss differentiated")
    return budgeted(
        lambda step: dict(zip(("row", "readout"), _block_forces(case, 2, step), strict=True)),
        "autograd, full network on a quadrature",
    )


def _as_scalar(case: Case, _: Prediction) -> Prediction:
    """The force that the scalar output has, said of the vector output."""
    force = _scalar_force(case)
    if is_proof(case):
        return force
    assert isinstance(force.value, Mapping)
    row = force.value["force"]
    assert isinstance(row, float)
    return Prediction({"row": row, "readout": 0.0})


def _invariant_for_any(case: Case, honest: Prediction) -> Prediction | None:
    if is_proof(case) or is_odd(case):
        return None
    return Prediction({"row": 0.0, "readout": 0.0})


# --- the stage-1 saddle ----------------------------------------------------------------------------------------------


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
            case(Tier.SMOKE, 0.02, n=2, check="proof"),
            case(Tier.STANDARD, 0.02, n=1, check="proof"),
            case(Tier.STANDARD, 0.02, n=3, check="proof"),
            case(Tier.SMOKE, 0.03, n=2, activation="tanh", check="random-point"),
            case(Tier.STANDARD, 0.03, n=1, activation="gelu", check="random-point"),
            case(Tier.STANDARD, 0.03, n=3, activation="silu", check="random-point"),
            case(Tier.FULL, 0.03, n=4, activation="erf", check="random-point"),
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
            Hypothesis("s is odd (where not, the force is predicted)", is_odd, assumed=False),
        ),
        depends=("block.scalar-force",),
        cases=(
            case(Tier.SMOKE, 0.03, n=2, L=2, check="proof"),
            case(Tier.STANDARD, 0.15, n=1, L=3, check="proof"),
            case(Tier.STANDARD, 0.5, n=2, L=3, check="proof"),
            case(Tier.SMOKE, 0.03, n=2, L=2, activation="gelu", check="random-point"),
            case(Tier.STANDARD, 0.03, n=2, L=2, activation="tanh", check="random-point"),
            case(Tier.STANDARD, 0.03, n=1, L=2, activation="silu", check="random-point"),
            case(Tier.STANDARD, 0.03, n=2, L=3, activation="sin", check="random-point"),
        ),
        predict=_vector_forces,
        measure=_measure_vector,
        counterfeits=(
            Counterfeit("invariant whatever the activation", _invariant_for_any, nearest=True),
            Counterfeit("the scalar output's force", _as_scalar),
        ),
    ),
)
