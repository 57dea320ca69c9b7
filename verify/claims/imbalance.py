"""T1: the imbalance identity, proved for undefined activation and loss, and measured by autograd (THEORY T1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.values import Budget, Combination, Evidence, Form, Measurement, Prediction

IDENTITY = "2 E<p, z s'(z) - s(z)> with p = W_{l+1}^T grad_{z_{l+1}} Loss"

ASSUMES = (
    Hypothesis("the activation is differentiable at every pre-activation that occurs"),
    Hypothesis("the loss is differentiable"),
    Hypothesis("no biases, no normalisation, no skip connections"),
    Hypothesis("1 <= l < L", lambda case: 1 <= case.integer("l") < case.integer("L")),
)


Altered = Literal["sign-flipped", "no-minus-s", "leading-term", "half"]


def _proof(case: Case, reading: Literal["exact"] | Altered = "exact") -> Any:
    import symbolic

    # The loss has two outputs and is undefined, and so is the activation; all widths are 2.
    return symbolic.imbalance_identity(case.integer("L"), case.integer("l"), reading=reading)


def _claimed(case: Case, reading: Literal["exact"] | Altered = "exact") -> Prediction:
    return Prediction(Form(_proof(case, reading).claimed), IDENTITY)


def _differentiated(case: Case) -> Measurement:
    measured = _proof(case).measured
    return Measurement(Form(measured), f"{len(measured)} monomials by differentiation of the composed loss")


def _combination(value: float, slope: float) -> Prediction:
    return Prediction(Combination({"E<p, z s'>": slope, "E<p, s>": value}), IDENTITY, "relative")


def _leading_term(activation: str) -> Prediction | None:
    import symbolic

    classification = symbolic.classify(symbolic.activation(activation))
    if classification.order is None or classification.leading_coefficient is None:
        return None  # phi vanishes: its leading term does too, which is the truth
    coefficient = float(classification.leading_coefficient)
    return Prediction(Combination({f"E<p, z^{classification.order}>": 2 * coefficient}), "leading Taylor term of phi")


def _autograd(activation: str, loss: str, depth: int, layer: int, context: Context) -> Measurement:
    """d Delta_l/dt and the expectations that a prediction may combine, all relative to 2 (|G||W| + |G'||W'|)."""
    import torch

    import numeric

    # The generator multiplies its seed; 31 bits keep the product within what torch takes.
    drawn = next(iter(numeric.random_cases((activation,), (loss,), (depth,), (context.seed % 2**31,))))
    drawn = replace(drawn, layer=layer)
    terms = numeric.imbalance_terms(drawn.net, drawn.weights, drawn.x, drawn.y, drawn.loss, drawn.layer)
    powers = {f"E<p, z^{k}>": terms.expectation(terms.z**k) / terms.scale for k in range(6)}
    # Inner products of n terms carry a relative rounding of n units against the product of the norms; a gradient
    # passes through every layer's fan-in and is then averaged over the samples.
    summands = sum(drawn.net.widths) * depth + drawn.x.shape[-1]
    return Measurement(
        terms.rate / terms.scale,
        f"widths {'-'.join(str(n) for n in drawn.net.widths)}, {drawn.net.parameterisation}",
        "relative",
        Budget(rounding=summands * torch.finfo(torch.float64).eps),
        {"E<p, z s'>": terms.slope / terms.scale, "E<p, s>": terms.value / terms.scale, **powers},
        Evidence.NUMERICAL,
    )


def _is_proof(case: Case) -> bool:
    return case.word("check") == "proof"


def _predict_identity(case: Case) -> Prediction:
    return _claimed(case) if _is_proof(case) else _combination(value=-2, slope=2)


def _measure_identity(case: Case, context: Context) -> Measurement:
    if _is_proof(case):
        return _differentiated(case)
    return _autograd("gelu", "mse", case.integer("L"), case.integer("l"), context)


def _altered_identity(
    reading: Altered, at_points: Callable[[], Prediction | None]
) -> Callable[[Case, Prediction], Prediction | None]:
    return lambda case, _: _claimed(case, reading) if _is_proof(case) else at_points()


def _only_nonlinear(value: float, slope: float) -> Callable[[Case, Prediction], Prediction | None]:
    # For a linear activation both sides vanish, and a wrong factor says the truth.
    return lambda case, _: None if case.word("activation") == "linear" else _combination(value, slope)


STATEMENT = (
    r"\frac{d}{dt}\bigl(\|W_{l+1}\|_F^2 - \|W_l\|_F^2\bigr)"
    r" = 2\,\mathbb{E}\langle W_{l+1}^\top \nabla_{z_{l+1}}\mathcal{L},\, \varphi_\sigma(z_l)\rangle"
)
SOURCE = "authors' write-up, Theorem 1 (Imbalance Identity)"

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
        assumes=ASSUMES,
        cases=(
            case(Tier.SMOKE, 0.3, L=2, l=1, check="proof"),
            case(Tier.SMOKE, 0.5, L=3, l=1, check="proof"),
            case(Tier.SMOKE, 0.5, L=3, l=2, check="proof"),
            case(Tier.STANDARD, 0.8, L=4, l=1, check="proof"),
            case(Tier.STANDARD, 0.8, L=4, l=2, check="proof"),
            case(Tier.STANDARD, 0.8, L=4, l=3, check="proof"),
            case(Tier.SMOKE, 0.1, L=3, l=2, check="random-point"),
            case(Tier.STANDARD, 0.1, L=4, l=2, check="random-point"),
            *(case(Tier.FULL, 1.5, L=5, l=layer, check="proof") for layer in range(1, 5)),
        ),
        predict=_predict_identity,
        measure=_measure_identity,
        counterfeits=(
            Counterfeit("factor 1 in place of 2", _altered_identity("half", lambda: _combination(-1, 1)), nearest=True),
            Counterfeit("sign flipped", _altered_identity("sign-flipped", lambda: _combination(2, -2))),
            Counterfeit("z s'(z) without -s(z)", _altered_identity("no-minus-s", lambda: _combination(0, 2))),
            Counterfeit(
                "leading Taylor term of phi only", _altered_identity("leading-term", lambda: _leading_term("gelu"))
            ),
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
        assumes=ASSUMES,
        depends=("imbalance.identity",),
        cases=tuple(
            case(tier, 0.004, activation=activation, loss=loss, L=depth, l=layer)
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
        predict=lambda _: _combination(value=-2, slope=2),
        measure=lambda case, context: _autograd(
            case.word("activation"), case.word("loss"), case.integer("L"), case.integer("l"), context
        ),
        counterfeits=(
            Counterfeit("factor 1 in place of 2", _only_nonlinear(-1, 1), nearest=True),
            Counterfeit("sign flipped", _only_nonlinear(2, -2)),
            Counterfeit("z s'(z) without -s(z)", lambda *_: _combination(0, 2)),
            Counterfeit("leading Taylor term of phi only", lambda case, _: _leading_term(case.word("activation"))),
        ),
    ),
)
