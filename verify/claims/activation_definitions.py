"""T2: the two witnesses mean the same function by the same name, and the same expansion of phi (THEORY T2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.claims._activation import EXPANDABLE, PARAMETERS, exact, measured, named
from verify.values import Budget, Combination, Evidence, Measurement, Prediction

Alter = Callable[[Case, Prediction], Prediction | None]

# --- the definitions ----------------------------------------------------------------------------------------------

# Near 0 (where phi cancels), around 1, in both tails; dyadic, so that float64 holds them; no kink lies there.
POINTS = tuple(
    Fraction(sign * p, q) for p, q in ((1, 1024), (3, 8), (5, 4), (11, 4), (8, 1), (20, 1)) for sign in (1, -1)
)
ORDERS = {"series": 4, "torch": 1, "numpy": 1}
# A definition composes at most eight elementary functions, the last of them within a unit of rounding of the size that
# its derivative times the rounded argument gives (mish in NumPy has the longest chain).
CHAIN = 8


def _component(order: int, point: Fraction) -> str:
    return f"s^({order})({point})"


def _derivatives(case: Case) -> Prediction:
    import symbolic

    activation, order = exact(case), ORDERS[case.word("definition")]
    parts = {
        _component(k, point): Combination({f"1/size of {_component(k, point)}": value})
        for point in POINTS
        for k, value in enumerate(symbolic.certified_jet(activation, point)[: order + 1])
    }
    return Prediction(parts, f"derivatives 0..{order} at {len(POINTS)} points, exact, then enclosed", "relative")


def _measure_derivatives(case: Case, _: Context) -> Measurement:
    import numpy as np

    import numeric

    activation, definition = measured(case), case.word("definition")
    points = [float(point) for point in POINTS]
    jets = np.array([numeric.activation_jet(activation, z) for z in points])
    if definition == "series":
        values, sizes = jets, np.abs(jets)
    else:
        values = np.stack(numeric.pointwise_pair(activation, points, definition), axis=1)
        # What a rounding of the argument does, for s and for s'. NumPy's tanh' is 1 - s^2, good to the size of s/z.
        moved = np.abs(jets[:, 1:3] * np.array(points)[:, None])
        sizes = np.abs(jets[:, :2]) + moved
        sizes[:, 1] += np.abs(jets[:, 0] / points) if definition == "numpy" else 0.0
    sizes = np.where(sizes == 0.0, 1.0, sizes)  # an exact zero is compared with zero
    names = [[_component(k, point) for k in range(values.shape[1])] for point in POINTS]
    unit = float(np.finfo(np.float64).eps)
    certified = definition == "series"
    return Measurement(
        {
            name: float(v)
            for row, of in zip(names, values / sizes, strict=True)
            for name, v in zip(row, of, strict=True)
        },
        f"{definition} definition",
        "relative",
        # The series is rounded once on either side, and its factorial once more.
        Budget(rounding=(2 if certified else CHAIN) * unit),
        {
            f"1/size of {name}": float(1 / size)
            for row, of in zip(names, sizes, strict=True)
            for name, size in zip(row, of, strict=True)
        },
        None if certified else Evidence.NUMERICAL,
    )


def _taken_for(name: str, other: str, nearest: bool = False, **parameters: str) -> Counterfeit:
    """The definition of ``other`` in place of ``name``'s."""

    def alter(case: Case, _: Prediction) -> Prediction | None:
        if named(case) != name:
            return None
        kept = tuple((key, value) for key, value in case.parameters if key not in ("activation", *PARAMETERS))
        return _derivatives(replace(case, parameters=(("activation", other), *parameters.items(), *kept)))

    inside = "".join(f", {key} = {value}" for key, value in parameters.items())
    return Counterfeit(f"{other}{inside} for {name}", alter, nearest=nearest)


def _parameter_ignored(case: Case, _: Prediction) -> Prediction | None:
    """The default parameter in place of the case's: both witnesses reading the name alone would agree on it."""
    kept = tuple((key, value) for key, value in case.parameters if key not in PARAMETERS)
    return None if kept == case.parameters else _derivatives(replace(case, parameters=kept))


NAMES = (
    *("linear", "relu", "leaky_relu", "abs", "tanh", "erf", "sin", "arctan", "asinh", "sinh", "softsign", "gelu"),
    *("gelu_tanh", "silu", "swish", "mish", "sigmoid", "softplus", "elu", "selu", "celu", "hardtanh", "hardswish"),
    *("squared_relu", "quadratic", "cubic", "snake", "gaussian", "cos", "logcosh"),
)
SMOKE = ("gelu", "tanh", "silu")

# --- the expansion of phi -----------------------------------------------------------------------------------------

HIGHEST = 6


def _coefficients(case: Case, of: Callable[[int], int] = lambda k: k - 1) -> dict[str, float]:
    """c_k = (k - 1) a_k of phi: both sides from the series, one where s is smooth and phi is fitted.

    ``of`` maps k to the factor, for counterfeits.
    """
    import symbolic

    activation = exact(case)
    if case.word("by") == "fit" and symbolic.classify(activation).smooth:
        return {f"c_{k}": float(of(k) * a) for k, a in enumerate(symbolic.taylor(activation, HIGHEST))}
    return {
        f"{side} c_{k}": float(of(k) * a)
        for side, sign in (("right", 1), ("left", -1))
        for k, a in enumerate(symbolic.one_sided_taylor(activation, sign, HIGHEST))
    }


def _predict_expansion(case: Case) -> Prediction:
    import symbolic

    found = symbolic.classify(exact(case))
    term = f"phi = {found.leading_coefficient} z^{found.order} + ..." if found.order is not None else "one-sided"
    return Prediction(_with_leading_term(_coefficients(case)), term)


def _with_leading_term(
    coefficients: dict[str, float], negligible: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Order and coefficient of the first term, on each side, added where there is one."""
    result = dict(coefficients)
    for side in dict.fromkeys(name.rpartition("c_")[0] for name in coefficients):
        small = negligible or {}
        terms = (
            (k, coefficients[f"{side}c_{k}"])
            for k in range(HIGHEST + 1)
            if abs(coefficients[f"{side}c_{k}"]) > small.get(f"{side}c_{k}", 0.0)
        )
        order, value = next(terms, (-1, 0.0))
        result |= {f"{side}q (-1 if none)": float(order), f"{side}c_q": value}
    return result


def _measure_expansion(case: Case, _: Context) -> Measurement:
    import numpy as np

    import numeric

    activation = measured(case)
    if case.word("by") == "series":
        found = {
            f"{side} c_{k}": (k - 1) * a
            for side, sign in (("right", 1), ("left", -1))
            for k, a in enumerate(numeric.one_sided_coefficients(activation, HIGHEST, sign))
        }
        size = max((abs(value) for value in found.values()), default=0.0)
        # Each side is rounded to float64 once, and once more by the factor k - 1.
        budget = Budget(rounding=2 * float(np.finfo(np.float64).eps) * max(size, 1.0))
        return Measurement(_with_leading_term(found), "balls of 256 bits", "", budget)
    fit = numeric.measure_universality(activation, HIGHEST)
    if fit.smooth:
        pairs = {"": (fit.phi.coefficients, fit.phi.errors, False)}
    else:
        sides = {"right ": fit.right, "left ": fit.left}
        pairs = {side: (of_s.coefficients, of_s.errors, True) for side, of_s in sides.items()}
    found, errors = {}, {}
    for side, (values, uncertainties, of_s_itself) in pairs.items():
        for k, (value, error) in enumerate(zip(values, uncertainties, strict=True)):
            factor = (k - 1) if of_s_itself else 1
            found[f"{side}c_{k}"], errors[f"{side}c_{k}"] = factor * value, abs(factor) * error
    # A coefficient is told from zero beyond ten of its estimated errors, as in numeric.TaylorFit.
    return Measurement(
        _with_leading_term(found, {name: 10 * error for name, error in errors.items()}),
        "Chebyshev fit of torch values",
        "",
        Budget(discretisation=max(errors.values())),
        evidence=Evidence.NUMERICAL,
    )


def _with_factor(of: Callable[[int], int]) -> Alter:
    def alter(case: Case, honest: Prediction) -> Prediction | None:
        altered = _with_leading_term(_coefficients(case, of))
        return None if altered == honest.value else Prediction(altered)

    return alter


def _approximated_gelu(case: Case, _: Prediction) -> Prediction | None:
    if named(case) != "gelu":
        return None
    return _predict_expansion(replace(case, parameters=(("activation", "gelu_tanh"), ("by", case["by"]))))


def _order_off(step: int) -> Alter:
    def alter(_: Case, honest: Prediction) -> Prediction | None:
        assert isinstance(honest.value, Mapping)
        values: dict[str, Any] = dict(honest.value)
        orders = [name for name in values if "q (-1" in name and values[name] >= 0]
        return Prediction(values | {name: values[name] + step for name in orders}) if orders else None

    return alter


# ------------------------------------------------------------------------------------------------------------------

WITNESSES = (Witness.SYMBOLIC, Witness.NUMERIC)

CLAIMS = (
    Claim(
        id="activation.agreement",
        theorem="T2",
        title="one name, one function",
        latex=r"\sigma^{(k)}_{\text{symbolic}}(z) = \sigma^{(k)}_{\text{numeric}}(z),\quad k \le 4",
        plain="Both witnesses mean the same function by every name: values and derivatives agree to the last digits.",
        source="derived for this project: what the other claims rest on",
        reading=Reading.OURS,
        evidence=Evidence.CERTIFIED,
        witnesses=WITNESSES,
        assumes=(Hypothesis("s has four derivatives at the points of comparison"),),
        cases=(
            *(case(Tier.SMOKE, 0.01, activation=name, definition="series") for name in SMOKE),
            *(case(Tier.SMOKE, 0.01, activation="gelu", definition=definition) for definition in ("torch", "numpy")),
            *(case(Tier.STANDARD, 0.01, activation=name, definition="series") for name in NAMES if name not in SMOKE),
            *(case(Tier.STANDARD, 0.005, activation=name, definition="torch") for name in NAMES if name != "gelu"),
            *(case(Tier.FULL, 0.005, activation=name, definition="numpy") for name in NAMES if name != "gelu"),
            case(Tier.STANDARD, 0.01, activation="swish", beta="2", definition="series"),
            case(Tier.FULL, 0.01, activation="snake", a="3", definition="series"),
            case(Tier.FULL, 0.01, activation="celu", a="2", definition="torch"),
            case(Tier.FULL, 0.01, activation="elu", a="1/2", definition="torch"),
        ),
        predict=_derivatives,
        measure=_measure_derivatives,
        counterfeits=(
            _taken_for("gelu", "gelu_tanh", nearest=True),
            _taken_for("gelu", "silu"),
            _taken_for("gelu", "swish", beta="851/500"),  # 1.702, the published sigmoid approximation of GELU
            _taken_for("gelu_tanh", "gelu"),
            _taken_for("silu", "swish", beta="851/500"),
            _taken_for("mish", "silu"),
            _taken_for("hardswish", "silu"),
            _taken_for("relu", "leaky_relu"),
            _taken_for("elu", "selu"),
            _taken_for("erf", "tanh"),
            _taken_for("softplus", "relu"),
            Counterfeit("the parameter ignored", _parameter_ignored),
        ),
    ),
    Claim(
        id="activation.expansion",
        theorem="T2",
        title="expansion of phi",
        latex=r"\varphi_\sigma(z) = \sum_k (k-1) a_k z^k",
        plain="The exact coefficients of phi, its order and leading coefficient are those of the function measured.",
        source="authors' write-up, section Activation Classes; THEORY section 0",
        reading=Reading.CORRECTED,
        evidence=Evidence.CERTIFIED,
        witnesses=WITNESSES,
        assumes=(EXPANDABLE,),
        depends=("activation.agreement",),
        cases=(
            *(case(Tier.SMOKE, 0.01, activation=name, by="series") for name in ("gelu", "tanh", "softsign")),
            *(case(Tier.SMOKE, 0.02, activation=name, by="fit") for name in ("gelu", "tanh")),
            *(
                case(Tier.STANDARD, 0.01, activation=name, by="series")
                for name in NAMES
                if name not in ("gelu", "tanh", "softsign")
            ),
            *(case(Tier.STANDARD, 0.02, activation=name, by="fit") for name in ("sigmoid", "mish", "elu", "relu")),
            *(
                case(Tier.FULL, 0.02, activation=name, by="fit")
                for name in NAMES
                if name not in ("gelu", "tanh", "sigmoid", "mish", "elu", "relu")
            ),
            *(case(Tier.FULL, 0.02, activation="elu", a=a, by="fit") for a in ("1/2", "2", "-1")),
            case(Tier.FULL, 0.02, activation="celu", a="2", by="series"),
            case(Tier.FULL, 0.02, activation="swish", beta="851/500", by="series"),
        ),
        predict=_predict_expansion,
        measure=_measure_expansion,
        counterfeits=(
            Counterfeit("k a_k: z s'(z) without -s(z)", _with_factor(lambda k: k), nearest=True),
            Counterfeit("sign flipped", _with_factor(lambda k: 1 - k)),
            Counterfeit("coefficients of s itself", _with_factor(lambda _: 1)),
            Counterfeit("GELU by its tanh approximation", _approximated_gelu),
            Counterfeit("q one higher", _order_off(1)),
            Counterfeit("q one lower", _order_off(-1)),
        ),
    ),
)
