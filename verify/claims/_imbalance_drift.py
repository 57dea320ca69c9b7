"""The balance law of one case: the symbolic witness's formulas as numbers, and how a measured law is read off."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from verify.claim import Case, Hypothesis
from verify.claims import _bottleneck as net
from verify.hypotheses import leaves_the_origin_at_first_order, smooth_at_the_origin
from verify.values import Budget, Measurement, Prediction

# The corrections have relative order eps^(q-1) or smaller; order 1/2 bounds all of them from the drift of the slopes.
ORDER = 0.5


def order_of(case: Case) -> int | None:
    """q, the order of the first term of phi; None where phi vanishes."""
    import symbolic

    return symbolic.classify(symbolic.activation(case.word("activation"))).order


def order(case: Case) -> int:
    """q of an activation that has one; ValueError otherwise."""
    q = order_of(case)
    if q is None:
        raise ValueError(f"phi vanishes in {case.text}: the imbalances do not drift")
    return q


ASSUMES = (
    smooth_at_the_origin("activation"),
    leaves_the_origin_at_first_order("activation"),
    Hypothesis("phi does not vanish identically", lambda case: order_of(case) is not None),
    Hypothesis("equal starts of the small layers, eps -> 0"),
    Hypothesis("the teacher is the student's activation, beta = 1"),
)


def laws(case: Case, small: tuple[int, ...] | None = None) -> tuple[Any, ...]:
    """The law of every pair of neighbouring layers; small: the small layers, those of the case for None."""
    import symbolic

    depth = case.integer("L")
    gains = symbolic.named_gains(net.parameterisation(case), depth, net.WIDTH)
    return symbolic.balance_laws(depth, net.small_layers(case) if small is None else small, order_of(case), gains)


def number(case: Case, expression: Any, small: tuple[int, ...] | None = None) -> float:
    """A formula in alpha, a_k, M_k, xi_m as a number, certified to thirty digits."""
    import symbolic

    constants = net.constants_of(case, net.small_layers(case) if small is None else small)
    return float(symbolic.certified_value(expression, constants))


def predicted(case: Case, exponents: list[float], values: list[float], text: str) -> Prediction:
    """The components of `read_off`, from the exponents and the values at the last rung."""
    parts: dict[str, float] = {}
    for pair, (exponent, value) in enumerate(zip(exponents, values, strict=True), start=1):
        if value == 0.0:
            raise ValueError(f"pair {pair} of {case.text} does not move at this order")
        parts |= _components(pair, exponent, value)
    return Prediction(parts, text, "")


def read_off(scales: list[float], values: Any, errors: Any, text: str) -> Measurement:
    """Power of the scale, size and sign of a quantity [rungs, pairs] on a ladder that halves at every rung.

    With |value| = C scale^p (1 + b scale^o), o >= 1/2, the drift d of the slope bounds its distance from p by
    d/(sqrt 2 - 1), and that of ln|value| from ln(C scale^p) by ln 2/(sqrt 2 - 1) times as much.
    """
    import numeric

    parts: dict[str, float] = {}
    rounding = drift = 0.0
    for column in range(values.shape[1]):
        size, error = abs(values[:, column]), errors[:, column]
        slopes = numeric.local_slopes(scales, size, error)
        parts |= _components(column + 1, slopes.last, float(values[-1, column]))
        rounding = max(rounding, slopes.last_error, float(error[-1] / size[-1]))
        drift = max(drift, numeric.finite_scale_error(slopes, ORDER))
    finite = drift * max(1.0, math.log(2) / (math.sqrt(2) - 1))
    return Measurement(parts, text, "", Budget(discretisation=rounding, finite_eps=finite))


def _components(pair: int, exponent: float, value: float) -> dict[str, float]:
    return {
        f"exponent, l = {pair}": float(exponent),
        f"ln of the size, l = {pair}": math.log(abs(value)),
        f"sign, l = {pair}": math.copysign(1.0, value),
    }


def exact(value: float) -> Any:
    """A decimal number as an exact one."""
    import sympy

    fraction = Fraction(str(value))
    return sympy.Rational(fraction.numerator, fraction.denominator)


def changed(
    exponent: Callable[[Case, int, float], float], factor: Callable[[Case, int], float], scale: float
) -> Callable[[Case, Prediction], Prediction | None]:
    """Alter the law pair by pair: another exponent (the size follows at ``scale``), and a factor on the size."""

    def alter(case: Case, truth: Prediction) -> Prediction | None:
        assert isinstance(truth.value, dict)
        parts = dict(truth.value)
        for pair in range(1, case.integer("L")):
            before = float(parts[f"exponent, l = {pair}"])
            after, times = exponent(case, pair, before), factor(case, pair)
            parts[f"exponent, l = {pair}"] = after
            parts[f"ln of the size, l = {pair}"] += (after - before) * math.log(scale) + math.log(abs(times))
            parts[f"sign, l = {pair}"] *= math.copysign(1.0, times)
        return None if same(parts, truth.value) else Prediction(parts)

    return alter


def same(left: dict[str, float], right: dict[str, float]) -> bool:
    """Whether two laws are one up to the rounding of a float."""
    return all(math.isclose(left[name], right[name], rel_tol=1e-12, abs_tol=1e-12) for name in right)
