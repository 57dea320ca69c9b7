"""T2: the universality class of an activation, derived exactly and read off its values (THEORY T2)."""

from __future__ import annotations

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.claims._activation import COVERED, EXPANDABLE, classification, exact, measured
from verify.values import Evidence, Measurement, Prediction


def _label(universality_class: str, order: int | None) -> str:
    return universality_class if order is None else f"{universality_class} (q = {order})"


def _classify(case: Case) -> Prediction:
    found = classification(case)
    text = f"phi = {found.leading_coefficient} z^{found.order} + ..." if found.order is not None else "phi = 0"
    return Prediction(_label(found.universality_class, found.order), text)


def _measure(case: Case, _: Context) -> Measurement:
    import numeric

    found = numeric.measure_universality(measured(case))
    coefficient = "" if found.leading_coefficient is None else f"; leading coefficient {found.leading_coefficient:.10g}"
    problem = found.reason if found.universality_class == "undecided" else ""
    return Measurement(_label(found.universality_class, found.order), found.reason + coefficient, problem=problem)


def _from_order(order: int) -> str:
    return _label("D" if order == 0 else "B" if order % 2 else "C", order)


def _off_by_one(step: int) -> Counterfeit:
    def alter(case: Case, _: Prediction) -> Prediction | None:
        order = classification(case).order
        return None if order is None or order + step < 0 else Prediction(_from_order(order + step))

    return Counterfeit(f"q {step:+d}", alter, nearest=step == 1)


def _class_of_s_itself(case: Case, truth: Prediction) -> Prediction | None:
    """The order of s's own first term in place of phi's: 1 wherever s(0) = 0, since alpha is not zero."""
    import symbolic

    if not classification(case).smooth:
        return None  # a kink has no single expansion, and class A is reached by homogeneity instead
    coefficients = symbolic.taylor(exact(case), 1)
    altered = _from_order(next(k for k, a in enumerate(coefficients) if a != 0))
    return None if altered == truth.value else Prediction(altered)


def _kink_decides(case: Case, _: Prediction) -> Prediction | None:
    """A kink at 0 puts s outside, though it is positively homogeneous."""
    found = classification(case)
    return Prediction(_label("outside", None)) if found.universality_class == "A" and not found.smooth else None


# --- the hypotheses, as flags -------------------------------------------------------------------------------------


def _flags(universality_class: str, smooth: bool, positive: bool, homogeneous: bool, differ: int | None) -> str:
    """The class and every flag, short: "outside, kink of order 2", "A, kink of order 1, homogeneous", "C"."""
    parts = [universality_class]
    if not smooth or differ is not None:
        parts.append(f"{'smooth, but ' if smooth else ''}kink of order {differ}")
    return ", ".join(parts + ["alpha <= 0"] * (not positive) + ["homogeneous"] * homogeneous)


COMPARED = 6  # the two sides of an activation that is not smooth at 0 part by then


def _known(case: Case) -> tuple[str, bool, bool, bool, int | None]:
    import symbolic

    found = classification(case)
    flags = dict(found.hypotheses)
    right, left = (symbolic.one_sided_taylor(exact(case), side, COMPARED) for side in (1, -1))
    differ = next((k for k, (a, b) in enumerate(zip(right, left, strict=True)) if a != b), None)
    return found.universality_class, flags["smooth"], flags["alpha-positive"], flags["homogeneous"], differ


def _predict_flags(case: Case) -> Prediction:
    return Prediction(_flags(*_known(case)), classification(case).reason)


def _measure_flags(case: Case, _: Context) -> Measurement:
    import numeric

    found = numeric.measure_universality(measured(case), COMPARED)
    # A coefficient counts as different from zero beyond ten of its estimated errors, as in the class itself.
    pairs = zip(found.right.coefficients, found.left.coefficients, found.right.errors, found.left.errors, strict=True)
    differ = next((k for k, (a, b, da, db) in enumerate(pairs) if abs(a - b) > 10 * (da + db)), None)
    positive = found.alpha > 10 * found.alpha_error
    label = _flags(found.universality_class, found.smooth, positive, found.homogeneous, differ)
    problem = found.reason if found.universality_class == "undecided" else ""
    return Measurement(label, f"alpha = {found.alpha:.10g}: {found.reason}", problem=problem)


def _first_order(case: Case) -> int | None:
    """Order of the first term of phi on the right of 0."""
    import symbolic

    right = symbolic.one_sided_taylor(exact(case), 1, COMPARED)
    return next((k for k, a in enumerate(right) if a != 0 and k != 1), None)


def _class_at(case: Case) -> str | None:
    order = _first_order(case)
    return None if order is None else _from_order(order)[0]


def _smooth_by_its_slope(case: Case, _: Prediction) -> Prediction | None:
    """s'(0) exists, hence smooth: overlooks a kink of second order."""
    _class, smooth, positive, homogeneous, differ = _known(case)
    if smooth or differ is None or differ < 2:
        return None
    return Prediction(_flags(_class_at(case) or "A", True, positive, homogeneous, None))


def _smoother_by_one(case: Case, _: Prediction) -> Prediction | None:
    """The kink one order higher: ELU's at a = 1, said of every a."""
    name, smooth, positive, homogeneous, differ = _known(case)
    return None if differ is None else Prediction(_flags(name, smooth, positive, homogeneous, differ + 1))


def _kink_means_outside(case: Case, _: Prediction) -> Prediction | None:
    name, smooth, *rest = _known(case)
    return Prediction(_flags("outside", smooth, *rest)) if name == "A" and not smooth else None  # type: ignore[arg-type]


def _any_alpha(case: Case, _: Prediction) -> Prediction | None:
    """The class of the first term of phi, whatever the sign of alpha."""
    name, smooth, positive, homogeneous, differ = _known(case)
    if name != "outside" or not smooth or positive:
        return None
    return Prediction(_flags(_class_at(case) or "A", smooth, True, homogeneous, differ))


def _flat_means_zero(case: Case, _: Prediction) -> Prediction | None:
    """phi vanishes near 0, hence everywhere."""
    name, smooth, positive, _homogeneous, differ = _known(case)
    if name != "outside" or not smooth or not positive:
        return None
    return Prediction(_flags("A", smooth, positive, True, differ))


def _homogeneous_means_a(case: Case, _: Prediction) -> Prediction | None:
    name, smooth, _positive, homogeneous, differ = _known(case)
    return Prediction(_flags("A", smooth, True, homogeneous, differ)) if name == "outside" and homogeneous else None


def _a_kink_anywhere(case: Case, _: Prediction) -> Prediction | None:
    """An activation with kinks away from 0 is called not smooth at 0."""
    if case.word("activation") not in ("hardswish", "hardtanh"):
        return None
    _name, _smooth, positive, homogeneous, _differ = _known(case)
    return Prediction(_flags("outside", False, positive, homogeneous, 1))


# ------------------------------------------------------------------------------------------------------------------


def _named(tier: Tier, *cases: str | tuple[str, str, str]) -> tuple[Case, ...]:
    """Cases from names, or (name, parameter, value)."""
    return tuple(
        case(tier, 0.02, activation=entry)
        if isinstance(entry, str)
        else Case((("activation", entry[0]), (entry[1], entry[2])), tier, 0.02)
        for entry in cases
    )


WITNESSES = (Witness.SYMBOLIC, Witness.NUMERIC)

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
        witnesses=WITNESSES,
        assumes=(COVERED,),
        cases=(
            *_named(Tier.SMOKE, "linear", "tanh", "gelu", "sigmoid"),
            *_named(Tier.STANDARD, "erf", "sin", "silu", "relu", "asinh", "sinh", "mish", "softplus", "quadratic"),
            *(case(Tier.STANDARD, 0.05, expression=text) for text in ("tanh(z) + z**3/3", "sqrt(1 + z**2) - 1 + z")),
            *_named(Tier.FULL, "arctan", "leaky_relu", "gelu_tanh", "swish", "hardswish", "cubic", "snake"),
            *_named(
                Tier.FULL,
                ("swish", "beta", "851/500"),
                ("swish", "beta", "-2"),
                ("leaky_relu", "slope", "1/4"),
                ("leaky_relu", "slope", "-1/2"),
                ("quadratic", "a", "-3"),
                ("cubic", "a", "2"),
                ("snake", "a", "1/2"),
            ),
            *(
                case(Tier.FULL, 0.05, expression=text)
                for text in (
                    "z + z**4",
                    "z - z**5/5",
                    "z*exp(-z**2)",
                    "log(1 + exp(z)) - log(2)",
                    "1 + z",
                    "z/(1 + z**2)",
                    "erf(z) + z**6",
                    "3*z",
                    "z*(1 + tanh(z))/2",
                )
            ),
        ),
        predict=_classify,
        measure=_measure,
        counterfeits=(
            _off_by_one(+1),
            _off_by_one(-1),
            Counterfeit("class of s in place of phi", _class_of_s_itself),
            Counterfeit("outside, because of the kink at 0", _kink_decides),
        ),
    ),
    Claim(
        id="activation.hypotheses",
        theorem="T2",
        title="hypotheses of the classes",
        latex=r"\sigma \text{ smooth at } 0,\ \alpha = \sigma'(0) > 0,\ \text{or positively homogeneous}",
        plain="Which hypothesis an activation satisfies, and that without them it is in none of the four classes.",
        source="derived for this project; authors' write-up, section Activation Classes, states none",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=WITNESSES,
        assumes=(
            EXPANDABLE,
            Hypothesis("smooth at 0", lambda case: _known(case)[1], assumed=False),
            Hypothesis("alpha > 0", lambda case: _known(case)[2], assumed=False),
        ),
        depends=("activation.class",),
        cases=(
            *_named(Tier.SMOKE, "softsign", "relu", "cos", "hardtanh", "gelu", "hardswish"),
            *_named(Tier.STANDARD, "abs", "elu", "selu", "celu", "squared_relu", "gaussian", "logcosh", "tanh"),
            *_named(Tier.STANDARD, "linear", "leaky_relu", ("elu", "a", "1/2")),
            *_named(Tier.FULL, ("elu", "a", "2"), ("elu", "a", "-1"), ("celu", "a", "1/2"), ("celu", "a", "3")),
            *_named(Tier.FULL, "erf", "sin", "arctan", "asinh", "sinh", "gelu_tanh", "silu", "swish", "mish"),
            *_named(Tier.FULL, "sigmoid", "softplus", "quadratic", "cubic", "snake", ("leaky_relu", "slope", "-2")),
        ),
        predict=_predict_flags,
        measure=_measure_flags,
        counterfeits=(
            Counterfeit("smooth, because s'(0) exists", _smooth_by_its_slope, nearest=True),
            Counterfeit("the kink one order higher", _smoother_by_one),
            Counterfeit("outside, because of a kink at 0", _kink_means_outside),
            Counterfeit("the first term of phi, whatever alpha", _any_alpha),
            Counterfeit("A, because phi vanishes near 0", _flat_means_zero),
            Counterfeit("A, because s is homogeneous", _homogeneous_means_a),
            Counterfeit("outside, because of a kink away from 0", _a_kink_anywhere),
        ),
    ),
)
