"""T2: the universality class of an activation, derived exactly and read off its values (THEORY T2)."""

from __future__ import annotations

from verify.claim import Case, Claim, Context, Counterfeit, Reading, Tier, Witness, case
from verify.hypotheses import covered_by_the_theory
from verify.values import Evidence, Measurement, Prediction


def _label(universality_class: str, order: int | None) -> str:
    return universality_class if order is None else f"{universality_class} (q = {order})"


def _classify(case: Case) -> Prediction:
    import symbolic

    found = symbolic.classify(symbolic.activation(case.word("activation")))
    text = f"phi = {found.leading_coefficient} z^{found.order} + ..." if found.order is not None else "phi = 0"
    return Prediction(_label(found.universality_class, found.order), text)


def _measure(case: Case, _: Context) -> Measurement:
    import numeric

    found = numeric.measure_universality(numeric.activation(case.word("activation")))
    coefficient = "" if found.leading_coefficient is None else f"; leading coefficient {found.leading_coefficient:.10g}"
    problem = found.reason if found.universality_class == "undecided" else ""
    return Measurement(_label(found.universality_class, found.order), found.reason + coefficient, problem=problem)


def _from_order(order: int) -> str:
    return _label("D" if order == 0 else "B" if order % 2 else "C", order)


def _off_by_one(step: int) -> Counterfeit:
    def alter(case: Case, _: Prediction) -> Prediction | None:
        import symbolic

        order = symbolic.classify(symbolic.activation(case.word("activation"))).order
        return None if order is None or order + step < 0 else Prediction(_from_order(order + step))

    return Counterfeit(f"q {step:+d}", alter, nearest=step == 1)


def _class_of_s_itself(case: Case, truth: Prediction) -> Prediction | None:
    """The order of s's own first term in place of phi's: 1 wherever s(0) = 0, since alpha is not zero."""
    import symbolic

    activation = symbolic.activation(case.word("activation"))
    if not symbolic.classify(activation).smooth:
        return None  # a kink has no single expansion, and class A is reached by homogeneity instead
    coefficients = symbolic.taylor(activation, 1)
    altered = _from_order(next(k for k, a in enumerate(coefficients) if a != 0))
    return None if altered == truth.value else Prediction(altered)


CLAIMS = (
    Claim(
        id="activation.class",
        theorem="T2",
        title="universality classes",
        latex=r"\varphi_\sigma(z) = z\sigma'(z) - \sigma(z) = c_q z^q + \dots",
        plain="The first term of phi sorts activations into four classes: A none, B odd, C even order, D a constant.",
        source="authors' write-up, section Activation Classes",
        reading=Reading.CORRECTED,
        # Every class is an exact statement; that the values agree is known to the accuracy of a fit.
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(covered_by_the_theory("activation"),),
        cases=tuple(
            case(tier, 0.03, activation=name)
            for tier, names in (
                (Tier.SMOKE, ("linear", "tanh", "gelu", "sigmoid")),
                (Tier.STANDARD, ("erf", "sin", "silu", "relu", "asinh", "sinh", "mish", "softplus", "quadratic")),
                (Tier.FULL, ("arctan", "leaky_relu", "gelu_tanh", "swish", "hardswish", "cubic", "snake")),
            )
            for name in names
        ),
        predict=_classify,
        measure=_measure,
        counterfeits=(
            _off_by_one(+1),
            _off_by_one(-1),
            Counterfeit("class of s in place of phi", _class_of_s_itself),
        ),
    ),
)
