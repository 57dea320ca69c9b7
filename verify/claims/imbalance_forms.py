"""T1, sharper: at every width, neuron by neuron, and for the matrix W_{l+1}^T W_{l+1} - W_l W_l^T (THEORY T1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.claims._imbalance import (
    ADJACENT,
    ASSUMES,
    DONORS,
    HIGHEST,
    Altered,
    Coefficients,
    combined,
    described,
    donor,
    drawn,
    ingredients,
    is_proof,
    leading_term,
    phi_vanishes,
    right_hand_side,
    rounding,
    summed,
)
from verify.values import Budget, Evidence, Form, Measurement, Prediction

Proved = Literal["exact", "half", "sign-flipped", "no-minus-s", "leading-term"]
MatrixReading = Literal["exact", "half", "sign-flipped", "no-minus-s", "leading-term", "phi-only"]
Alter = Callable[[Case, Prediction], Prediction | None]

NEURON = "2 E[p_i (z_i s'(z_i) - s(z_i))]"
MATRIX = "E[p_i (s'(z_i) z_j - s(z_j)) + p_j (s'(z_j) z_i - s(z_i))]"


def _form(sides: Any, text: str) -> Prediction:
    return Prediction(Form(sides.claimed), text)


def _residual(sides: Any, text: str) -> Measurement:
    return Measurement(Form(sides.measured), text)


# --- neuron by neuron: what autograd measures ---------------------------------------------------------------------


def _per_neuron(case: Case, reading: Altered | Literal["exact", "shared-out"] = "exact") -> Prediction | None:
    """One combination a neuron; "shared-out" gives each neuron the mean of all of them."""
    count = case.integer("n")
    base = right_hand_side(case.word("activation"), "exact" if reading == "shared-out" else reading)
    if base is None or (reading == "shared-out" and phi_vanishes(case.word("activation"))):
        return None

    def of(neuron: int) -> Coefficients:
        return {f"{name} [{neuron}]": coefficient for name, coefficient in base.items()}

    everyone = {name: c / count for name, c in summed(*(of(k) for k in range(count))).items()}
    parts: dict[str, Coefficients | None] = {
        f"neuron {i}": everyone if reading == "shared-out" else of(i) for i in range(count)
    }
    return combined(parts, NEURON)


def _measure_neurons(case: Case, context: Context) -> Measurement:
    import numeric

    instance = drawn(case, context)
    terms = numeric.imbalance_terms(*_arguments(instance))
    weighted = terms.p * terms.node_weights
    parts: dict[str, float] = {}
    for i in range(case.integer("n")):
        values = ingredients(
            lambda v, i=i: float((weighted[i] * v).sum()) / terms.scale,  # type: ignore[misc]
            terms.z[i],
            instance.net.activation,
        )
        parts |= {f"{name} [{i}]": value for name, value in values.items()}
    diagonal = (terms.matrix_rate.diagonal() / terms.scale).tolist()
    return Measurement(
        {f"neuron {i}": value for i, value in enumerate(diagonal)},
        described(instance),
        "relative",
        Budget(rounding=rounding(instance)),
        parts,
        Evidence.NUMERICAL,
    )


def _arguments(instance: Any) -> tuple[Any, ...]:
    return instance.net, instance.weights, instance.x, instance.y, instance.loss, instance.layer


def _neuron_sides(case: Case, reading: Proved = "exact") -> Any:
    import symbolic

    return symbolic.neuron_identity(case.integer("L"), case.integer("l"), case.integer("i"), reading=reading)


def _predict_neurons(case: Case) -> Prediction:
    prediction = _form(_neuron_sides(case), NEURON) if is_proof(case) else _per_neuron(case)
    assert prediction is not None
    return prediction


def _hear_neurons(case: Case, context: Context) -> Measurement:
    if not is_proof(case):
        return _measure_neurons(case, context)
    return _residual(_neuron_sides(case), "column i of W_{l+1} and row i of W_l, by differentiation of the loss")


def _altered_neurons(reading: Proved) -> Alter:
    def alter(case: Case, _: Prediction) -> Prediction | None:
        return _form(_neuron_sides(case, reading), NEURON) if is_proof(case) else _per_neuron(case, reading)

    return alter


def _shared_out(case: Case, _: Prediction) -> Prediction | None:
    if not is_proof(case):
        return _per_neuron(case, "shared-out")
    import symbolic

    claimed = symbolic.imbalance_identity(case.integer("L"), case.integer("l")).claimed
    return Prediction(Form({name: value / 2 for name, value in claimed.items()}))  # the proof has two neurons a layer


def _transplanted_neurons(case: Case, _: Prediction) -> Prediction | None:
    return None if is_proof(case) else _per_neuron(case, "transplant")


# --- every width at once ------------------------------------------------------------------------------------------


def _any_width(case: Case, reading: Proved = "exact") -> Any:
    import symbolic

    return symbolic.imbalance_identity_any_width(_statement(case), reading)


def _statement(case: Case) -> Literal["scalar", "neuron", "matrix"]:
    statements: tuple[Literal["scalar", "neuron", "matrix"], ...] = ("scalar", "neuron", "matrix")
    return next(statement for statement in statements if statement == case.word("statement"))


def _predict_any_width(case: Case) -> Prediction:
    prediction = _form(_any_width(case), "sums over n_below, n and n_above") if is_proof(case) else _per_neuron(case)
    assert prediction is not None
    return prediction


def _hear_any_width(case: Case, context: Context) -> Measurement:
    if not is_proof(case):
        return _measure_neurons(case, context)
    return _residual(_any_width(case), "differentiation of sums over symbolic widths")


def _altered_any_width(reading: Proved) -> Alter:
    def alter(case: Case, _: Prediction) -> Prediction | None:
        return _form(_any_width(case, reading), "altered") if is_proof(case) else _per_neuron(case, reading)

    return alter


# --- the matrix ---------------------------------------------------------------------------------------------------


def _pairs(case: Case) -> list[tuple[int, int]]:
    count = case.integer("n")
    return [(i, j) for i in range(count) for j in range(i, count)]


def _entry(case: Case, i: int, j: int, reading: MatrixReading | Literal["transplant"]) -> Coefficients | None:
    """Coefficients of entry (i, j): ``A i j`` is E[p_i s'(z_i) z_j], ``B i j`` is E[p_i s(z_j)]."""
    both = ((i, j), (j, i))
    if reading == "transplant":
        return summed(*({f"phi_{donor(case.word('activation'))} {a} {b}": 1.0} for a, b in both))
    if reading == "leading-term":
        term = leading_term(case.word("activation"))
        return None if term is None else summed(*({f"z^{term[0]} {a} {b}": term[1] / (term[0] - 1)} for a, b in both))
    if reading == "phi-only":
        both = ((i, i), (j, j))
    slope, value = {"half": (0.5, -0.5), "sign-flipped": (-1, 1), "no-minus-s": (1, 0)}.get(reading, (1, -1))
    return summed(*({f"A {a} {b}": slope, f"B {a} {b}": value} for a, b in both))


def _matrix(case: Case, reading: MatrixReading | Literal["transplant"] = "exact") -> Prediction | None:
    activation = case.word("activation")
    if reading in ("half", "sign-flipped", "phi-only") and activation == "linear":
        return None  # both sides vanish: a wrong factor says the truth
    if reading == "leading-term" and (leading_term(activation) or (0, 0))[0] < 2:
        return None  # no term, or a constant one, whose part of s'(z_i) z_j - s(z_j) is -s(0) as in phi
    return combined({f"({i},{j})": _entry(case, i, j, reading) for i, j in _pairs(case)}, MATRIX)


def _measure_matrix(case: Case, context: Context) -> Measurement:
    import numeric

    instance = drawn(case, context)
    terms = numeric.imbalance_terms(*_arguments(instance))
    z, p, s = terms.z, terms.p * terms.node_weights / terms.scale, instance.net.activation
    mean = {"A": (p * s.derivative(z)) @ z.mT, "B": p @ s.value(z).mT}
    for k in range(2, HIGHEST + 1):
        # s = a_k z^k: E[p_i (k z_i^{k-1} z_j - z_j^k)]
        mean[f"z^{k}"] = (p * k * z ** (k - 1)) @ z.mT - p @ (z**k).mT
    for name in DONORS:
        other = numeric.activation(name)
        mean[f"phi_{name}"] = (p * other.derivative(z)) @ z.mT - p @ other.value(z).mT
    count = case.integer("n")
    rate = terms.matrix_rate / terms.scale
    return Measurement(
        {f"({i},{j})": float(rate[i, j]) for i, j in _pairs(case)},
        described(instance),
        "relative",
        Budget(rounding=rounding(instance)),
        {f"{name} {i} {j}": float(m[i, j]) for name, m in mean.items() for i in range(count) for j in range(count)},
        Evidence.NUMERICAL,
    )


def _homogeneous(case: Case) -> bool:
    return case.word("statement") == "homogeneous"


def _matrix_sides(case: Case, reading: MatrixReading = "exact") -> Any:
    import symbolic

    i, j = case.integer("i"), case.integer("j")
    if _homogeneous(case):
        return symbolic.homogeneous_matrix_entry(i, j)
    return symbolic.matrix_identity(case.integer("L"), case.integer("l"), (i, j), reading=reading)


def _predict_matrix(case: Case) -> Prediction:
    text = "(D_i - D_j)(p_i z_j - p_j z_i) for s(z) = z D(z)" if is_proof(case) and _homogeneous(case) else MATRIX
    prediction = _form(_matrix_sides(case), text) if is_proof(case) else _matrix(case)
    assert prediction is not None
    return prediction


def _hear_matrix(case: Case, context: Context) -> Measurement:
    if not is_proof(case):
        return _measure_matrix(case, context)
    return _residual(_matrix_sides(case), "entry (i, j), by differentiation of the composed loss")


def _altered_matrix(reading: MatrixReading) -> Alter:
    def alter(case: Case, honest: Prediction) -> Prediction | None:
        if not is_proof(case):
            return _matrix(case, reading)
        if _homogeneous(case):
            return _altered_homogeneous(case, reading, honest)
        if reading == "phi-only" and case.integer("i") == case.integer("j"):
            return None  # on the diagonal it is the truth
        return _form(_matrix_sides(case, reading), MATRIX)

    return alter


def _altered_homogeneous(case: Case, reading: MatrixReading, honest: Prediction) -> Prediction | None:
    """For s(z) = z D(z) phi vanishes: a function of phi alone says that every entry is conserved."""
    assert isinstance(honest.value, Form)
    i, j = case.integer("i"), case.integer("j")
    if reading == "no-minus-s":
        import symbolic

        return _form(symbolic.homogeneous_matrix_entry(i, j, reading), MATRIX)
    factor = {"phi-only": 0, "half": 1, "sign-flipped": -2}.get(reading)
    if i == j or factor is None:
        return None  # the diagonal is conserved, and no factor changes that
    return Prediction(Form({name: value * factor / 2 for name, value in honest.value.terms.items()}))


def _transplanted_matrix(case: Case, _: Prediction) -> Prediction | None:
    return None if is_proof(case) else _matrix(case, "transplant")


# ------------------------------------------------------------------------------------------------------------------

WITNESSES = (Witness.SYMBOLIC, Witness.NUMERIC)
LAYERS = Hypothesis("1 <= l < L", lambda case: is_proof(case) or ADJACENT.holds(case))

CLAIMS = (
    Claim(
        id="imbalance.dimension-free",
        theorem="T1",
        title="imbalance identity at every width",
        latex=r"\Delta_l' = 2\,\mathbb{E}\langle p, \varphi_\sigma(z_l)\rangle \text{ with } n_{l-1}, n_l, n_{l+1}"
        r" \text{ symbolic}",
        plain="One proof for all widths and positions in the network; random wide networks agree neuron by neuron.",
        source="authors' write-up, proof of Theorem 1",
        reading=Reading.AS_PRINTED,
        evidence=Evidence.PROOF,
        witnesses=WITNESSES,
        assumes=(*ASSUMES, LAYERS),
        depends=("imbalance.identity",),
        cases=(
            *(
                case(Tier.SMOKE, 0.15, check="proof", statement=statement)
                for statement in ("scalar", "neuron", "matrix")
            ),
            case(Tier.SMOKE, 0.03, check="random-point", activation="gelu", loss="mse", L=3, l=2, n=7),
            case(Tier.STANDARD, 0.05, check="random-point", activation="tanh", loss="cross_entropy", L=4, l=2, n=33),
            case(Tier.STANDARD, 0.05, check="random-point", activation="softplus", loss="huber", L=2, l=1, n=16),
            case(Tier.FULL, 0.3, check="random-point", activation="silu", loss="logistic", L=5, l=4, n=128),
        ),
        predict=_predict_any_width,
        measure=_hear_any_width,
        counterfeits=(
            Counterfeit("factor 1 in place of 2", _altered_any_width("half"), nearest=True),
            Counterfeit("sign flipped", _altered_any_width("sign-flipped")),
            Counterfeit("z s'(z) without -s(z)", _altered_any_width("no-minus-s")),
            Counterfeit("leading Taylor term of phi only", _altered_any_width("leading-term")),
            Counterfeit("phi of another activation", _transplanted_neurons, transplant="activation"),
        ),
    ),
    Claim(
        id="imbalance.neuron-wise",
        theorem="T1",
        title="imbalance, neuron by neuron",
        latex=r"\frac{d}{dt}\bigl(|W_{l+1}[:,i]|^2 - |W_l[i,:]|^2\bigr) = 2\,\mathbb{E}[p_i\,\varphi_\sigma(z_i)]",
        plain="The identity holds for the outgoing and incoming weights of each hidden neuron by itself.",
        source="derived for this project; stronger than authors' write-up, Theorem 1",
        reading=Reading.OURS,
        evidence=Evidence.PROOF,
        witnesses=WITNESSES,
        assumes=(*ASSUMES, ADJACENT),
        depends=("imbalance.identity",),
        cases=(
            case(Tier.SMOKE, 0.07, L=2, l=1, i=0, check="proof"),
            case(Tier.SMOKE, 0.1, L=3, l=2, i=1, check="proof"),
            case(Tier.STANDARD, 0.15, L=3, l=1, i=0, check="proof"),
            case(Tier.STANDARD, 0.2, L=4, l=2, i=1, check="proof"),
            *(case(Tier.FULL, 0.3, L=5, l=layer, i=layer % 2, check="proof") for layer in range(1, 5)),
            case(Tier.SMOKE, 0.03, L=3, l=1, n=5, activation="gelu", loss="mse", check="random-point"),
            *(
                case(tier, 0.03, L=depth, l=layer, n=n, activation=activation, loss=loss, check="random-point")
                for tier, depth, layer, n, activation, loss in (
                    (Tier.STANDARD, 4, 3, 6, "tanh", "cross_entropy"),
                    (Tier.STANDARD, 3, 2, 4, "sigmoid", "logistic"),
                    (Tier.STANDARD, 3, 1, 5, "relu", "huber"),
                    (Tier.FULL, 5, 2, 9, "mish", "mse"),
                    (Tier.FULL, 5, 4, 9, "erf", "huber"),
                )
            ),
        ),
        predict=_predict_neurons,
        measure=_hear_neurons,
        counterfeits=(
            Counterfeit("the rate of the layer, shared out evenly among its neurons", _shared_out, nearest=True),
            Counterfeit("factor 1 in place of 2", _altered_neurons("half")),
            Counterfeit("sign flipped", _altered_neurons("sign-flipped")),
            Counterfeit("z s'(z) without -s(z)", _altered_neurons("no-minus-s")),
            Counterfeit("leading Taylor term of phi only", _altered_neurons("leading-term")),
            Counterfeit("phi of another activation", _transplanted_neurons, transplant="activation"),
        ),
    ),
    Claim(
        id="imbalance.matrix-form",
        theorem="T1",
        title="imbalance, the whole matrix",
        latex=r"\frac{d}{dt}(W_{l+1}^\top W_{l+1} - W_l W_l^\top)_{ij} = \mathbb{E}[p_i(\sigma'(z_i) z_j - \sigma(z_j))"
        r" + p_j(\sigma'(z_j) z_i - \sigma(z_i))]",
        plain="Off the diagonal the rate is no function of phi alone; ReLU conserves the diagonal only.",
        source="derived for this project; the diagonal is authors' write-up, Theorem 1",
        reading=Reading.OURS,
        evidence=Evidence.PROOF,
        witnesses=WITNESSES,
        assumes=(*ASSUMES, LAYERS),
        depends=("imbalance.neuron-wise",),
        cases=(
            case(Tier.SMOKE, 0.05, statement="any", L=2, l=1, i=0, j=1, check="proof"),
            case(Tier.SMOKE, 0.05, statement="any", L=3, l=2, i=1, j=1, check="proof"),
            case(Tier.SMOKE, 0.03, statement="homogeneous", i=0, j=1, check="proof"),
            case(Tier.SMOKE, 0.03, statement="homogeneous", i=0, j=0, check="proof"),
            case(Tier.STANDARD, 0.1, statement="any", L=3, l=1, i=0, j=1, check="proof"),
            case(Tier.STANDARD, 0.15, statement="any", L=4, l=2, i=1, j=0, check="proof"),
            *(case(Tier.FULL, 0.3, statement="any", L=5, l=layer, i=0, j=1, check="proof") for layer in range(1, 5)),
            *(
                case(tier, 0.03, L=depth, l=layer, n=n, activation=activation, loss=loss, check="random-point")
                for tier, depth, layer, n, activation, loss in (
                    (Tier.SMOKE, 3, 1, 3, "gelu", "mse"),
                    (Tier.SMOKE, 3, 1, 3, "relu", "mse"),
                    (Tier.STANDARD, 4, 2, 4, "tanh", "cross_entropy"),
                    (Tier.STANDARD, 3, 2, 4, "linear", "huber"),
                    (Tier.STANDARD, 3, 2, 4, "sigmoid", "logistic"),
                    (Tier.FULL, 5, 3, 8, "silu", "cross_entropy"),
                    (Tier.FULL, 4, 1, 8, "leaky_relu", "mse"),
                )
            ),
        ),
        predict=_predict_matrix,
        measure=_hear_matrix,
        counterfeits=(
            Counterfeit("function of phi alone", _altered_matrix("phi-only"), nearest=True),
            Counterfeit("factor 1/2", _altered_matrix("half")),
            Counterfeit("sign flipped", _altered_matrix("sign-flipped")),
            Counterfeit("s'(z_i) z_j without -s(z_j)", _altered_matrix("no-minus-s")),
            Counterfeit("leading Taylor term of phi only", _altered_matrix("leading-term")),
            Counterfeit("s of another activation", _transplanted_matrix, transplant="activation"),
        ),
    ),
)
