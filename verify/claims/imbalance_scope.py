"""T1: how far the imbalance identity reaches, architecture by architecture (THEORY T1, scope).

Every statement is a combination of the same few expectations, of which the symbolic witness has the polynomials and the
numeric witness the values; see ``verify.claims._imbalance`` for their names. ``p b s'`` is E<p, b_l s'(z)>, ``p h`` is
E<p, h_{l-1}>, ``q z s'`` is E<q, z s'(z)> with q the gradient by the hidden values along the skip connection.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Erratum, Expect, Hypothesis, Reading, Tier, Witness, case
from verify.claims._imbalance import SOURCE, Coefficients, donor, ingredients, is_proof, leading_term, summed
from verify.values import Budget, Combination, Evidence, Form, Measurement, Prediction

Alter = Callable[[Case, Prediction], Prediction | None]

PRINTED: Coefficients = {"p z s'": 2, "p s": -2}
UNITS = 5  # rows of W_l in the numeric networks; the measurement must bring as many
NORMS = ("batch-norm", "layer-norm")
FAILS = ("bias", "skip", *NORMS)
# What the printed right-hand side lacks.
BIAS_TERM: Coefficients = {"p b s'": -2}
SKIP_TERMS: Coefficients = {"q z s'": 2, "p h": -2}
LACKS = {"bias": BIAS_TERM, "skip": SKIP_TERMS}
TEXT = {
    "bias": "d(|W_{l+1}|^2 - |W_l|^2 - |b_l|^2)/dt = 2 E<p, phi(z)>",
    "skip": "2 E<p, phi(z)> + 2 E<q, z s'(z)> - 2 E<p, h>",
    "batch-norm": "<w_i, dLoss/dw_i> = 0 for each row of W_l",
    "layer-norm": "<W_l, dLoss/dW_l> = 0: |W_l|_F is conserved",
}


def _architecture(case: Case) -> str:
    return case.word("architecture")


def _corrected(case: Case) -> bool:
    return case.word("statement") == "corrected"


def _conserved(case: Case) -> bool:
    """Whether the corrected statement is that something does not change."""
    return _corrected(case) and _architecture(case) in NORMS


def _components(case: Case) -> tuple[str, ...]:
    """What is compared: the rate of the pair, or <w_i, G_i> for each row, or <W_l, G_l>."""
    if not _conserved(case):
        return ("",)
    if is_proof(case) or _architecture(case) == "layer-norm":
        return ("W_l",)  # the proof of batch norm has one neuron
    return tuple(f"row {i}" for i in range(UNITS))


def _prediction(case: Case, parts: Coefficients | None, text: str = "") -> Prediction | None:
    """The combination as a polynomial, for a proof, or as one over measured expectations."""
    if parts is None:
        return None
    if is_proof(case):
        forms = _forms(case)
        terms: dict[str, Fraction] = {}
        for name, coefficient in parts.items():
            for monomial, value in forms[name].items():
                terms[monomial] = terms.get(monomial, Fraction(0)) + Fraction(coefficient) * value
        return Prediction(Form(terms), text)
    if _conserved(case):
        rows = {row: Combination({f"{name} [{row}]": c for name, c in parts.items()}) for row in _components(case)}
        return Prediction(rows, text, "relative")
    return Prediction(Combination(parts), text, "relative")


def _forms(case: Case) -> dict[str, Any]:
    import symbolic

    forms: dict[str, Any] = symbolic.scope_parts(_architecture(case))  # type: ignore[arg-type]
    return forms


def _stated(case: Case) -> Coefficients:
    """The statement of the case: as printed, or corrected."""
    if _conserved(case):
        return {}
    return summed(PRINTED, SKIP_TERMS) if _corrected(case) and _architecture(case) == "skip" else PRINTED


def _predict(case: Case) -> Prediction:
    text = TEXT[_architecture(case)] if _corrected(case) else "2 E<p, phi(z)>"
    prediction = _prediction(case, _stated(case), text)
    assert prediction is not None
    return prediction


def _predict_corrected(case: Case) -> Prediction:
    """What d(|W_{l+1}|^2 - |W_l|^2)/dt is where the printed statement fails."""
    if _corrected(case) or _architecture(case) not in FAILS:
        return _predict(case)
    # Under a norm <W_l, G_l> = 0, and only -2 <W_{l+1}, G_{l+1}> is left.
    parts = {"p s": -2.0} if _architecture(case) in NORMS else summed(PRINTED, LACKS[_architecture(case)])
    prediction = _prediction(case, parts, "the printed right-hand side and what it lacks")
    assert prediction is not None
    return prediction


def _measure(case: Case, context: Context) -> Measurement:
    if is_proof(case):
        import symbolic

        reading = "corrected" if _corrected(case) else "as-printed"
        sides = symbolic.scope_identity(_architecture(case), reading)  # type: ignore[arg-type]
        return Measurement(Form(sides.measured), "by differentiation of the composed loss")
    import torch

    import numeric

    terms = numeric.scope_terms(_architecture(case), case.word("activation"), case.word("loss"), context.seed)
    act = numeric.activation(case.word("activation"))
    # Inner products of n terms carry a relative rounding of n units against the product of the norms.
    budget = Budget(rounding=terms.summands * torch.finfo(torch.float64).eps)
    text = f"five units a layer, {case.word('loss')}"
    if not _conserved(case):
        rate = terms.rate - (terms.bias_rate if _corrected(case) and _architecture(case) == "bias" else 0.0)
        brought = ingredients(lambda v: terms.expectation(v) / terms.scale, terms.z, act)
        brought |= {name: value / terms.scale for name, value in terms.extras.items()}
        return Measurement(rate / terms.scale, text, "relative", budget, brought, Evidence.NUMERICAL)
    rows = terms.rows if _architecture(case) == "batch-norm" else (sum(terms.rows),)
    slope = terms.p * terms.z * act.derivative(terms.z) / terms.scale
    by_row = slope.sum(1).tolist() if _architecture(case) == "batch-norm" else [float(slope.sum())]
    names = _components(case)
    return Measurement(
        {name: value / terms.scale for name, value in zip(names, rows, strict=True)},
        text,
        "relative",
        budget,
        {f"p z s' [{name}]": value for name, value in zip(names, by_row, strict=True)},
        Evidence.NUMERICAL,
    )


# --- counterfeits -------------------------------------------------------------------------------------------------


def _vanishes(case: Case) -> bool:
    """Whether the stated side is zero, so that a wrong factor says the truth."""
    if _conserved(case):
        return True
    if is_proof(case):
        return _architecture(case) == "homogeneous"
    import symbolic

    found = symbolic.classify(symbolic.activation(case.word("activation")))
    return dict(found.hypotheses)["homogeneous"]


def _scaled(factor: float) -> Alter:
    def alter(case: Case, _: Prediction) -> Prediction | None:
        parts = {name: factor * coefficient for name, coefficient in _stated(case).items()}
        return None if _vanishes(case) else _prediction(case, parts)

    return alter


def _in_place_of_phi(case: Case, phi: Coefficients | None) -> Prediction | None:
    """The stated right-hand side with something else in place of 2 E<p, phi>."""
    if phi is None or _conserved(case):
        return None
    rest = {name: coefficient for name, coefficient in _stated(case).items() if name not in PRINTED}
    return _prediction(case, summed(phi, rest))


def _without_s(case: Case, _: Prediction) -> Prediction | None:
    return _in_place_of_phi(case, {"p z s'": 2})


def _leading(case: Case, _: Prediction) -> Prediction | None:
    if is_proof(case):
        smooth = _architecture(case) not in ("homogeneous", "piecewise-linear")
        return _in_place_of_phi(case, {"p z^2": 2} if smooth else None)
    term = leading_term(case.word("activation"))
    return None if term is None else _in_place_of_phi(case, {f"p z^{term[0]}": 2 * term[1]})


def _transplanted(case: Case, _: Prediction) -> Prediction | None:
    return None if is_proof(case) else _in_place_of_phi(case, {f"p phi_{donor(case.word('activation'))}": 2})


def _wrong_sign_of_bias(case: Case, _: Prediction) -> Prediction | None:
    """d(|W_{l+1}|^2 - |W_l|^2 + |b_l|^2)/dt = 2 E<p, phi>, written for the measured combination."""
    if not _corrected(case) or _architecture(case) != "bias":
        return None
    return _prediction(case, summed(PRINTED, {"p b s'": 4}))


def _one_skip_forgotten(case: Case, _: Prediction) -> Prediction | None:
    """The skip around layer l only: its input reaches layer l + 1, but not the output."""
    if not _corrected(case) or _architecture(case) != "skip":
        return None
    return _prediction(case, summed(PRINTED, {"p h": -2}))


def _as_without_norm(case: Case, _: Prediction) -> Prediction | None:
    return _prediction(case, {"p z s'": 1}) if _conserved(case) else None


# ------------------------------------------------------------------------------------------------------------------


def _needs(name: str, *architectures: str) -> Hypothesis:
    return Hypothesis(name, lambda case: _architecture(case) not in architectures, assumed=False)


def _case(tier: Tier, architecture: str, statement: str, activation: str = "", loss: str = "") -> Case:
    """The printed statement as printed and, where it fails, expected refuted; the corrected one as corrected."""
    printed = statement == "printed"
    expect = Expect.REFUTED if printed and architecture in FAILS else None
    reading = Reading.AS_PRINTED if printed else Reading.CORRECTED
    shape = {"architecture": architecture, "statement": statement}
    if not activation:
        # A norm brings roots of sums into every derivative.
        return case(
            tier, 0.35 if architecture in NORMS else 0.05, expect=expect, reading=reading, **shape, check="proof"
        )
    rest = {"activation": activation, "loss": loss}
    return case(tier, 0.01, expect=expect, reading=reading, **shape, check="autograd", **rest)


def _both(tier: Tier, architecture: str, activation: str = "", loss: str = "") -> tuple[Case, ...]:
    return tuple(_case(tier, architecture, statement, activation, loss) for statement in ("printed", "corrected"))


CLAIMS = (
    Claim(
        id="imbalance.scope",
        theorem="T1",
        title="imbalance identity, scope",
        latex=r"\Delta_l' = 2\,\mathbb{E}\langle p, \varphi_\sigma(z_l)\rangle \text{ for kinked } \sigma,"
        r" \text{ convolutions, residual blocks; not with biases, norms or skips}",
        plain="It holds for ReLU and its kin, convolutions and residual blocks; biases, norms and skips need another.",
        source=SOURCE,
        reading=Reading.AS_PRINTED,
        evidence=Evidence.PROOF,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(
            Hypothesis("the activation is differentiable almost everywhere"),
            Hypothesis("the loss is differentiable"),
            _needs("no biases", "bias"),
            _needs("no normalisation", *NORMS),
            _needs("no skip connection around a single layer", "skip"),
        ),
        depends=("imbalance.identity",),
        cases=(
            _case(Tier.SMOKE, "piecewise-linear", "printed"),
            _case(Tier.SMOKE, "residual-block", "printed"),
            _case(Tier.SMOKE, "convolution", "printed"),
            *_both(Tier.SMOKE, "bias"),
            _case(Tier.STANDARD, "homogeneous", "printed"),
            *_both(Tier.STANDARD, "skip"),
            *_both(Tier.STANDARD, "batch-norm"),
            *_both(Tier.STANDARD, "layer-norm"),
            _case(Tier.SMOKE, "dense", "printed", "relu", "mse"),
            _case(Tier.SMOKE, "convolution", "printed", "gelu", "cross_entropy"),
            *_both(Tier.SMOKE, "skip", "tanh", "mse"),
            *_both(Tier.SMOKE, "batch-norm", "gelu", "mse"),
            *(
                _case(Tier.STANDARD, "dense", "printed", activation, "cross_entropy")
                for activation in ("leaky_relu", "abs", "hardtanh")
            ),
            _case(Tier.STANDARD, "residual", "printed", "silu", "huber"),
            _case(Tier.STANDARD, "residual", "printed", "hardtanh", "mse"),
            _case(Tier.STANDARD, "convolution", "printed", "relu", "mse"),
            *_both(Tier.STANDARD, "bias", "gelu", "cross_entropy"),
            *_both(Tier.STANDARD, "skip", "silu", "logistic"),
            *_both(Tier.STANDARD, "batch-norm", "tanh", "cross_entropy"),
            *_both(Tier.STANDARD, "layer-norm", "gelu", "mse"),
            *(
                instance
                for architecture in FAILS
                for activation in ("sigmoid", "erf")
                for instance in _both(Tier.FULL, architecture, activation, "huber")
            ),
            *(
                _case(Tier.FULL, architecture, "printed", activation, "logistic")
                for architecture in ("residual", "convolution")
                for activation in ("erf", "sigmoid", "leaky_relu", "abs", "hardtanh")
            ),
        ),
        predict=_predict,
        measure=_measure,
        corrected=_predict_corrected,
        erratum=Erratum(
            printed="The imbalance identity, stated for networks without a word on biases, normalisation or skips.",
            fails="With any of these, |W_{l+1}|^2 - |W_l|^2 changes at another rate, by proof and by autograd.",
            true="Biases: with |W_{l+1}|^2 - |W_l|^2 - |b_l|^2. Skip h + s(W h): plus 2 E<q, z s'(z)> - 2 E<p, h>. "
            "Batch norm: <w_i, dLoss/dw_i> = 0 for each row of W_l. Layer norm: |W_l|_F is conserved.",
            corrected="imbalance.scope",
        ),
        counterfeits=(
            Counterfeit("factor 1 in place of 2", _scaled(0.5), nearest=True),
            Counterfeit("sign flipped", _scaled(-1)),
            Counterfeit("z s'(z) without -s(z)", _without_s),
            Counterfeit("leading Taylor term of phi only", _leading),
            Counterfeit("+|b_l|^2 in place of -|b_l|^2", _wrong_sign_of_bias),
            Counterfeit("the skip around layer l + 1 forgotten", _one_skip_forgotten),
            Counterfeit("<w_i, G_i> as without the norm", _as_without_norm),
            Counterfeit("phi of another activation", _transplanted, transplant="activation"),
        ),
    ),
)
