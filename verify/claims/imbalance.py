"""T1: the imbalance identity, proved for undefined activation and loss, and measured by autograd (THEORY T1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

from verify.claim import Case, Claim, Context, Counterfeit, Reading, Tier, Witness, case
from verify.claims._imbalance import (
    ADJACENT,
    ASSUMES,
    IDENTITY,
    SOURCE,
    Altered,
    described,
    ingredients,
    is_proof,
    right_hand_side,
    rounding,
)
from verify.values import Budget, Combination, Evidence, Form, Measurement, Prediction

Proved = Literal["exact", "half", "sign-flipped", "no-minus-s", "leading-term"]

RANDOM_POINT = "gelu"  # the activation of the cases that evaluate both sides of a proof: alpha and phi are not simple


def _proof(case: Case, reading: Proved = "exact") -> Any:
    import symbolic

    # The loss has two outputs and is undefined, and so is the activation; all widths are 2.
    return symbolic.imbalance_identity(case.integer("L"), case.integer("l"), reading=reading)


def _claimed(case: Case, reading: Proved = "exact") -> Prediction:
    return Prediction(Form(_proof(case, reading).claimed), IDENTITY)


def _differentiated(case: Case) -> Measurement:
    measured = _proof(case).measured
    return Measurement(Form(measured), f"{len(measured)} monomials by differentiation of the composed loss")


def _combination(activation: str, reading: Altered | Literal["exact"] = "exact") -> Prediction | None:
    coefficients = right_hand_side(activation, reading)
    return None if coefficients is None else Prediction(Combination(coefficients), IDENTITY, "relative")


def _said(activation: str) -> Prediction:
    prediction = _combination(activation)
    assert prediction is not None
    return prediction


def _autograd(activation: str, loss: str, depth: int, layer: int, context: Context) -> Measurement:
    """d Delta_l/dt and the expectations that a prediction may combine, all relative to 2 (|G||W| + |G'||W'|)."""
    import numeric

    # The generator multiplies its seed; 31 bits keep the product within what torch takes.
    drawn = next(iter(numeric.random_cases((activation,), (loss,), (depth,), (context.seed % 2**31,))))
    drawn = replace(drawn, layer=layer)
    terms = numeric.imbalance_terms(drawn.net, drawn.weights, drawn.x, drawn.y, drawn.loss, drawn.layer)
    return Measurement(
        terms.rate / terms.scale,
        described(drawn),
        "relative",
        Budget(rounding=rounding(drawn)),
        ingredients(lambda values: terms.expectation(values) / terms.scale, terms.z, drawn.net.activation),
        Evidence.NUMERICAL,
    )


def _predict_identity(case: Case) -> Prediction:
    return _claimed(case) if is_proof(case) else _said(RANDOM_POINT)


def _measure_identity(case: Case, context: Context) -> Measurement:
    if is_proof(case):
        return _differentiated(case)
    return _autograd(RANDOM_POINT, "mse", case.integer("L"), case.integer("l"), context)


def _of_both(reading: Proved) -> Callable[[Case, Prediction], Prediction | None]:
    return lambda case, _: _claimed(case, reading) if is_proof(case) else _combination(RANDOM_POINT, reading)


def _transplanted(case: Case, _: Prediction) -> Prediction | None:
    # A proof is for every activation at once: there is no other one to take phi from.
    return None if is_proof(case) else _combination(RANDOM_POINT, "transplant")


def _at_points(reading: Altered) -> Callable[[Case, Prediction], Prediction | None]:
    return lambda case, _: _combination(case.word("activation"), reading)


STATEMENT = (
    r"\frac{d}{dt}\bigl(\|W_{l+1}\|_F^2 - \|W_l\|_F^2\bigr)"
    r" = 2\,\mathbb{E}\langle W_{l+1}^\top \nabla_{z_{l+1}}\mathcal{L},\, \varphi_\sigma(z_l)\rangle"
)

CLAIMS = (
    Claim(
        id="imbalance.identity",
        theorem="T1",
        title="imbalance identity",
        latex=STATEMENT,
        plain="The imbalance of adjacent layers changes at the rate 2 E<W^T grad Loss, phi(z)> for any s and loss.",
        source=SOURCE,
        reading=Reading.AS_PRINTED,
        evidence=Evidence.PROOF,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(*ASSUMES, ADJACENT),
        cases=(
            case(Tier.SMOKE, 0.1, L=2, l=1, check="proof"),
            case(Tier.SMOKE, 0.1, L=3, l=1, check="proof"),
            case(Tier.SMOKE, 0.1, L=3, l=2, check="proof"),
            case(Tier.STANDARD, 0.15, L=4, l=1, check="proof"),
            case(Tier.STANDARD, 0.15, L=4, l=2, check="proof"),
            case(Tier.STANDARD, 0.15, L=4, l=3, check="proof"),
            case(Tier.SMOKE, 0.03, L=3, l=2, check="random-point"),
            case(Tier.STANDARD, 0.03, L=4, l=2, check="random-point"),
            *(case(Tier.FULL, 0.2, L=5, l=layer, check="proof") for layer in range(1, 5)),
        ),
        predict=_predict_identity,
        measure=_measure_identity,
        counterfeits=(
            Counterfeit("factor 1 in place of 2", _of_both("half"), nearest=True),
            Counterfeit("sign flipped", _of_both("sign-flipped")),
            Counterfeit("z s'(z) without -s(z)", _of_both("no-minus-s")),
            Counterfeit("leading Taylor term of phi only", _of_both("leading-term")),
            Counterfeit("phi of another activation", _transplanted, transplant="activation"),
        ),
    ),
    Claim(
        id="imbalance.autograd",
        theorem="T1",
        title="imbalance identity, by autograd",
        latex=STATEMENT,
        plain="Autograd in float64 on random networks, activations and losses finds both sides of the identity equal.",
        source=SOURCE,
        reading=Reading.AS_PRINTED,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(*ASSUMES, ADJACENT),
        depends=("imbalance.identity",),
        cases=tuple(
            case(tier, 0.005, activation=activation, loss=loss, L=depth, l=layer)
            for tier, activation, loss, depth, layer in (
                (Tier.SMOKE, "tanh", "mse", 3, 1),
                (Tier.SMOKE, "gelu", "cross_entropy", 4, 2),
                (Tier.SMOKE, "sigmoid", "logistic", 2, 1),
                (Tier.STANDARD, "linear", "mse", 3, 2),
                (Tier.STANDARD, "erf", "huber", 3, 2),
                (Tier.STANDARD, "silu", "logistic", 4, 3),
                (Tier.STANDARD, "sin", "cross_entropy", 4, 1),
                (Tier.STANDARD, "tanh", "huber", 5, 4),
                *(
                    (Tier.FULL, activation, loss, 5, layer)
                    for activation in ("tanh", "gelu", "sigmoid", "silu")
                    for loss in ("mse", "logistic", "huber", "cross_entropy")
                    for layer in (1, 2)
                ),
            )
        ),
        predict=lambda case: _said(case.word("activation")),
        measure=lambda case, context: _autograd(
            case.word("activation"), case.word("loss"), case.integer("L"), case.integer("l"), context
        ),
        counterfeits=(
            Counterfeit("factor 1 in place of 2", _at_points("half"), nearest=True),
            Counterfeit("sign flipped", _at_points("sign-flipped")),
            Counterfeit("z s'(z) without -s(z)", _at_points("no-minus-s")),
            Counterfeit("leading Taylor term of phi only", _at_points("leading-term")),
            Counterfeit("phi of another activation", _at_points("transplant"), transplant="activation"),
        ),
    ),
)
