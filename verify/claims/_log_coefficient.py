"""The coefficient of log(1/eps) below the power law of the escape time: measured, and as predicted."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from verify.claim import Case, Context, Counterfeit, Hypothesis
from verify.claims import _bottleneck as net
from verify.hypotheses import leaves_the_origin_at_first_order, smooth_at_the_origin
from verify.values import Budget, Measurement, Prediction

# An observable in which the escape is read far inside the nonlinear region: it moves the constant only.
RULE = "overlap:0.1"
# Rungs for a remainder of K t that is a logarithm plus a constant, down to the case's eps where it names one, and for
# a remainder with a term in 1/eps above these, which would drown the logarithm at smaller scales.
LEAST = 1e-12
LOGARITHMIC = (1e4, 1e2, 1.0)
POWER = tuple(1e-3 * 2.0**-k for k in range(5))
RTOL = 1e-11

ASSUMES = (
    smooth_at_the_origin("activation"),
    leaves_the_origin_at_first_order("activation"),
    Hypothesis("equal starts of the small layers, the others of order one, eps -> 0"),
    Hypothesis("the teacher is the student's activation, beta = 1"),
)


def measure(case: Case, _: Context) -> Measurement:
    """From the remainder of K_eff t over the leading power, which the numeric witness integrates by itself.

    With four small layers the remainder has a term in 1/eps as well, unless activation and teacher are odd.
    """
    import numeric

    model, small = net.model(case), net.small_layers(case)
    if len(small) > 4:
        raise ValueError(f"with {len(small)} small layers several powers of 1/eps lie above the logarithm")
    power = len(small) == 4 and not (model.activation.odd and model.teacher.odd)
    least = float(net.optional(case, "eps", LEAST))
    ladder = POWER if power else tuple(least * factor for factor in LOGARITHMIC)
    found = numeric.residual_escape(model, net.starts(case, ladder), small, RULE, rtol=RTOL)
    stuck = [status for status in found.status if status is not numeric.RunStatus.ESCAPED]
    if stuck:
        return Measurement(math.nan, problem=stuck[0].advice)
    value, rounding, finite = (_below_a_power if power else _logarithm)(ladder, found.remainder, found.remainder_errors)
    return Measurement(
        value,
        f"coefficient of log(1/eps) in K_eff t, eps = {ladder[0]:.3g} to {ladder[-1]:.3g}",
        "",
        Budget(discretisation=rounding, finite_eps=finite),
        # For the figure: K_eff t minus its leading power, the constant of the escape rule included.
        series={"eps": ladder, "remainder": tuple(found.remainder.tolist())},
    )


def _logarithm(ladder: tuple[float, ...], remainder: Any, errors: Any) -> tuple[float, float, float]:
    """Slope in log(1/eps) between the last two rungs, its error, and its change since the two before."""
    import numpy as np

    span = -np.diff(np.log(ladder))
    slopes = np.diff(remainder) / span
    return float(slopes[-1]), float((errors[-1] + errors[-2]) / span[-1]), float(abs(slopes[-1] - slopes[-2]))


def _below_a_power(ladder: tuple[float, ...], remainder: Any, errors: Any) -> tuple[float, float, float]:
    """R = B/eps + C log(1/eps) + c + O(eps log eps) at eps halving: C = (2 D_k - D_{k+1})/log 2, D_k = R_{k+1} - R_k.

    One Richardson step takes off the part of order eps; what follows is of order eps or smaller, bounded from the drift
    with order 1/2.
    """
    import numpy as np

    gained = np.diff(remainder)
    coefficients = (2 * gained[:-1] - gained[1:]) / math.log(2)
    better = 2 * coefficients[1:] - coefficients[:-1]
    # The weights of the remainders in `better` sum to 18/log 2 in absolute value.
    rounding = 18 / math.log(2) * float(errors.max())
    return float(better[-1]), rounding, float(abs(better[-1] - better[-2])) / (math.sqrt(2) - 1)


def terms(case: Case) -> dict[str, float]:
    """Origin -> coefficient of log(1/eps) in K_eff t."""
    found: dict[str, float] = {}
    for term in net.prediction_of(case).terms:
        if (term.eps_power, term.log_power) == (0, 1) and term.coefficient is not None:
            found[term.origin.name] = found.get(term.origin.name, 0.0) + float(term.coefficient)
    return found


def predict(case: Case) -> Prediction:
    """The sum of all mechanisms, without a leading logarithm (r = 2)."""
    found = {name: value for name, value in terms(case).items() if name != "LEADING"}
    text = " ".join(f"{value:+.9g} ({name.lower()})" for name, value in found.items()) or "no logarithm"
    return Prediction(sum(found.values()), text)


def order(case: Case) -> int | None:
    """q, the order of the first term of phi; None where phi vanishes."""
    import symbolic

    return symbolic.classify(symbolic.activation(case.word("activation"))).order


def times(name: str, factor: Callable[[Case], float], *, nearest: bool = False) -> Counterfeit:
    """The coefficient times a factor."""
    return other(name, lambda case, truth: truth * factor(case), nearest=nearest)


def other(name: str, value: Callable[[Case, float], float | None], *, nearest: bool = False) -> Counterfeit:
    """Another coefficient; None where it is the same or where the altered theorem says nothing."""

    def alter(case: Case, truth: Prediction) -> Prediction | None:
        assert isinstance(truth.value, float | int)
        altered = value(case, float(truth.value))
        if altered is None or math.isclose(altered, truth.value, rel_tol=1e-12, abs_tol=1e-14):
            return None
        return Prediction(altered)

    return Counterfeit(name, alter, nearest=nearest)
