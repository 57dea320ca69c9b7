"""T1 over a stretch of time: along the gradient flow, and over one step of gradient descent (THEORY T1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.claims._imbalance import (
    ADJACENT,
    ASSUMES,
    SOURCE,
    Altered,
    Coefficients,
    described,
    drawn,
    ingredients,
    is_proof,
    phi_vanishes,
    right_hand_side,
    rounding,
    summed,
)
from verify.values import Budget, Combination, Evidence, Form, Measurement, Prediction

Alter = Callable[[Case, Prediction], Prediction | None]

# --- along the flow -----------------------------------------------------------------------------------------------

# THEORY T1 asks for this accuracy; a measurement that does not reach it decides nothing.
ACCURACY = 1e-8
UNIT = "|W_{l+1}|^2 + |W_l|^2 at t = 0"


def _integral(case: Case, reading: Altered | Literal["exact", "frozen"] = "exact") -> Prediction | None:
    """The integral of the right-hand side; "frozen" holds it at its value at t = 0 instead.

    The case's ``until`` is T in units of |G| / |dG/dt| at the start, in which the gradient changes by its own size.
    """
    frozen = reading == "frozen"
    base = right_hand_side(case.word("activation"), "exact" if reading == "frozen" else reading)
    if base is None or (frozen and phi_vanishes(case.word("activation"))):
        return None
    parts = {f"{'at 0: ' if frozen else ''}{name}": coefficient for name, coefficient in base.items()}
    return Prediction(Combination(parts), "integral of 2 E<p, phi(z_l)> from 0 to T", UNIT)


def _predict_flow(case: Case) -> Prediction:
    prediction = _integral(case)
    assert prediction is not None
    return prediction


def _measure_flow(case: Case, context: Context) -> Measurement:
    import numeric

    instance = drawn(case, context)

    def integrand(terms: Any) -> dict[str, float]:
        return ingredients(terms.expectation, terms.z, instance.net.activation)

    time = case.real("until") * numeric.gradient_time(instance)
    flow = numeric.imbalance_along_flow(instance, time, integrand, device=context.device)
    budget = Budget(discretisation=flow.error, rounding=flow.rounding).scaled(1 / flow.size)
    integrals = {**flow.integrals, **{f"at 0: {name}": time * value for name, value in flow.start.items()}}
    accurate = budget.total <= ACCURACY
    return Measurement(
        flow.change / flow.size,
        f"Delta(T) - Delta(0), {described(instance)}, {flow.steps} steps",
        UNIT,
        budget,
        {name: value / flow.size for name, value in integrals.items()},
        problem="" if accurate else f"the flow is known to {budget.total:.1e} only, and {ACCURACY:g} is asked for",
    )


def _along(reading: Altered | Literal["frozen"]) -> Alter:
    return lambda case, _: _integral(case, reading)


# --- one step of gradient descent ---------------------------------------------------------------------------------

StepReading = Literal[
    "exact", "first-order", "second-order-flipped", "half", "sign-flipped", "no-minus-s", "leading-term"
]
SECOND_ORDER: Coefficients = {"eta^2 |G_{l+1}|^2": 1, "eta^2 |G_l|^2": -1}
STEP = "eta 2 E<p, phi(z_l)> + eta^2 (|G_{l+1}|^2 - |G_l|^2)"


def _step_sides(case: Case, reading: StepReading = "exact") -> Any:
    import symbolic

    return symbolic.gradient_step_identity(case.integer("L"), case.integer("l"), reading=reading)


def _step(case: Case, reading: StepReading | Literal["transplant"] = "exact") -> Prediction | None:
    if is_proof(case):
        return None if reading == "transplant" else Prediction(Form(_step_sides(case, reading).claimed), STEP)
    of_phi = "exact" if reading in ("first-order", "second-order-flipped") else reading
    base = right_hand_side(case.word("activation"), of_phi)  # type: ignore[arg-type]
    if base is None:
        return None
    sign = {"first-order": 0, "second-order-flipped": -1}.get(reading, 1)
    second = {name: sign * coefficient for name, coefficient in SECOND_ORDER.items() if sign}
    return Prediction(Combination(summed(base, second)), STEP, "relative to eta")


def _predict_step(case: Case) -> Prediction:
    prediction = _step(case)
    assert prediction is not None
    return prediction


def _measure_step(case: Case, context: Context) -> Measurement:
    if is_proof(case):
        measured = _step_sides(case).measured
        return Measurement(Form(measured), f"{len(measured)} monomials in the weights, eta and undefined values")
    import torch

    import numeric

    instance, eta = drawn(case, context), case.real("eta")
    moved, gradients = numeric.weights_after_gd_step(instance, eta)
    terms = numeric.imbalance_terms(
        instance.net, instance.weights, instance.x, instance.y, instance.loss, instance.layer
    )
    lower, upper = instance.layer - 1, instance.layer
    squares = [[float((w * w).sum()) for w in weights] for weights in (instance.weights, moved, gradients)]
    before, after, steepness = ([row[upper], row[lower]] for row in squares)
    unit = eta * terms.scale
    # The squared norms are sums of as many rounded squares as a layer has entries, and the step divides their rounding.
    entries = sum(instance.weights[k].numel() for k in (lower, upper))
    norms = entries * torch.finfo(torch.float64).eps * (sum(before) + sum(after))
    return Measurement(
        ((after[0] - before[0]) - (after[1] - before[1])) / unit,
        described(instance),
        "relative to eta",
        Budget(rounding=rounding(instance) + norms / unit),
        {
            **ingredients(lambda v: terms.expectation(v) / terms.scale, terms.z, instance.net.activation),
            "eta^2 |G_{l+1}|^2": eta**2 * steepness[0] / unit,
            "eta^2 |G_l|^2": eta**2 * steepness[1] / unit,
        },
        Evidence.NUMERICAL,
    )


def _altered_step(reading: StepReading | Literal["transplant"]) -> Alter:
    return lambda case, _: _step(case, reading)


# ------------------------------------------------------------------------------------------------------------------

WITNESSES = (Witness.SYMBOLIC, Witness.NUMERIC)

CLAIMS = (
    Claim(
        id="imbalance.trajectory",
        theorem="T1",
        title="imbalance along the flow",
        latex=r"\Delta_l(T) - \Delta_l(0) = \int_0^T 2\,\mathbb{E}\langle p, \varphi_\sigma(z_l)\rangle\, dt",
        plain="Over a stretch of the flow the imbalance changes by the integral of the right-hand side, to 1e-8.",
        source=SOURCE,
        reading=Reading.AS_PRINTED,
        evidence=Evidence.NUMERICAL,
        witnesses=WITNESSES,
        assumes=(*ASSUMES, ADJACENT),
        depends=("imbalance.identity",),
        cases=tuple(
            case(tier, 0.5, activation=activation, loss=loss, L=depth, l=layer, n=n, until=until)
            for tier, activation, loss, depth, layer, n, until in (
                (Tier.SMOKE, "gelu", "mse", 3, 1, 4, 2.0),
                (Tier.STANDARD, "tanh", "cross_entropy", 4, 2, 4, 0.5),
                (Tier.STANDARD, "sigmoid", "logistic", 2, 1, 5, 2.0),
                (Tier.FULL, "linear", "mse", 3, 2, 4, 2.0),
                (Tier.FULL, "silu", "cross_entropy", 5, 3, 6, 1.5),
                (Tier.FULL, "erf", "mse", 4, 1, 6, 1.5),
                (Tier.FULL, "softplus", "logistic", 3, 2, 6, 1.5),
            )
        ),
        predict=_predict_flow,
        measure=_measure_flow,
        counterfeits=(
            Counterfeit("factor 1 in place of 2", _along("half"), nearest=True),
            Counterfeit("right-hand side held at its value at t = 0", _along("frozen")),
            Counterfeit("sign flipped", _along("sign-flipped")),
            Counterfeit("z s'(z) without -s(z)", _along("no-minus-s")),
            Counterfeit("leading Taylor term of phi only", _along("leading-term")),
            Counterfeit("phi of another activation", _along("transplant"), transplant="activation"),
        ),
    ),
    Claim(
        id="imbalance.discrete-step",
        theorem="T1",
        title="imbalance over one descent step",
        latex=r"\Delta_l^{+} - \Delta_l = 2\eta\,\mathbb{E}\langle p, \varphi_\sigma(z_l)\rangle"
        r" + \eta^2 (\|G_{l+1}\|_F^2 - \|G_l\|_F^2)",
        plain="One gradient-descent step changes the imbalance by the flow's rate times eta plus an exact eta^2 term.",
        source="derived for this project from authors' write-up, Theorem 1",
        reading=Reading.OURS,
        evidence=Evidence.PROOF,
        witnesses=WITNESSES,
        assumes=(*ASSUMES, ADJACENT, Hypothesis("plain gradient descent: no momentum, no weight decay")),
        depends=("imbalance.identity",),
        cases=(
            case(Tier.SMOKE, 0.1, L=2, l=1, check="proof"),
            case(Tier.SMOKE, 0.15, L=3, l=2, check="proof"),
            case(Tier.STANDARD, 0.2, L=3, l=1, check="proof"),
            case(Tier.STANDARD, 0.25, L=4, l=2, check="proof"),
            *(case(Tier.FULL, 0.4, L=5, l=layer, check="proof") for layer in range(1, 5)),
            *(
                case(tier, 0.02, L=depth, l=layer, n=5, eta=eta, activation=activation, loss=loss, check="random-point")
                for tier, depth, layer, eta, activation, loss in (
                    (Tier.SMOKE, 3, 1, 0.1, "gelu", "mse"),
                    (Tier.STANDARD, 4, 2, 0.001, "tanh", "cross_entropy"),
                    (Tier.STANDARD, 2, 1, 0.5, "sigmoid", "logistic"),
                    (Tier.STANDARD, 3, 2, 0.1, "linear", "huber"),
                    (Tier.FULL, 5, 4, 0.01, "silu", "huber"),
                    (Tier.FULL, 4, 1, 1.0, "erf", "mse"),
                )
            ),
        ),
        predict=_predict_step,
        measure=_measure_step,
        counterfeits=(
            Counterfeit("first order in eta only", _altered_step("first-order"), nearest=True),
            Counterfeit("the eta^2 term with the other sign", _altered_step("second-order-flipped")),
            Counterfeit("factor 1 in place of 2", _altered_step("half")),
            Counterfeit("sign flipped", _altered_step("sign-flipped")),
            Counterfeit("z s'(z) without -s(z)", _altered_step("no-minus-s")),
            Counterfeit("leading Taylor term of phi only", _altered_step("leading-term")),
            Counterfeit("phi of another activation", _altered_step("transplant"), transplant="activation"),
        ),
    ),
)
