"""K read off the clock of the manifold flow, and what a prediction of K says of that reading: the claims on K."""

from __future__ import annotations

import math
from typing import Any

from verify.claims._critical_depth import LADDER, Expansion, Net
from verify.values import Budget, Measurement, Prediction

SCALES = LADDER[-2:]
ENCLOSED_DIGITS = 11  # the float64 integrations have about as many, and the next omitted term leaves twelve at best


def measured_rate(model: Any, rule: str) -> Measurement:
    """The growth of eps^(2-L)/(L-2) over that of the escape time; the constant of the rule drops out. Unit 1/time.

    model: a ``numeric.ManifoldModel`` with L >= 3 layers, all of them small.
    """
    import numeric

    depth = model.depth
    escape = numeric.manifold_escape(model, numeric.bottleneck_starts(SCALES, depth), rule)
    stuck = [status for status in escape.status if status is not numeric.RunStatus.ESCAPED]
    if stuck:
        return Measurement(math.nan, problem=stuck[0].advice)
    early, late = (eps ** (2 - depth) / (depth - 2) for eps in SCALES)
    gained = float(escape.times[-1] - escape.times[-2])
    rate = (late - early) / gained
    return Measurement(
        rate,
        f"d(eps^(2-L)/(L-2)) / dt, eps = {SCALES[0]:g} to {SCALES[1]:g}, {rule}",
        "1/time",
        Budget(
            discretisation=abs(rate / gained) * float(escape.errors[-1] + escape.errors[-2]),
            # Each factor of K is an average over the nodes, whose terms are rounded, and there is one for each layer.
            rounding=rate * depth * model.rule.nodes.size * 2.0**-53,
        ),
    )


def enclosed_rate(model: Any, rule: str) -> Measurement:
    """The same reading from validated enclosures of the two times: the rate's error is proved, not estimated.

    rule: of kind scale.
    """
    import numeric

    depth = model.depth
    times = [numeric.validated_escape(model, [eps] * depth, rule, ENCLOSED_DIGITS) for eps in SCALES]
    # float64 ends of the enclosures: their rounding, one unit in 10^16 a time, is a part of its own.
    (a, b), (c, d) = ((float(time.lower), float(time.upper)) for time in times)
    early, late = (eps ** (2 - depth) / (depth - 2) for eps in SCALES)
    slowest, fastest = (late - early) / (d - a), (late - early) / (c - b)
    rate = (slowest + fastest) / 2
    return Measurement(
        rate,
        f"d(eps^(2-L)/(L-2)) / dt, eps = {SCALES[0]:g} to {SCALES[1]:g}, {rule}, times enclosed by balls",
        "1/time",
        Budget(discretisation=(fastest - slowest) / 2, rounding=rate * (b + d) / (c - b) * 2.0**-52),
    )


def predicted_rate(
    formula: str, activation: Any, depth: int, width: int, parameterisation: str, **teacher: Any
) -> Prediction:
    """What `measured_rate` reads: K, and the next orders of K t at these scales; the next omitted one is the budget.

    activation: the symbolic witness's. teacher: ``teacher`` and ``beta`` where the teacher is not the student.
    """
    import symbolic

    escape = symbolic.predict_escape(
        activation, depth, eps=SCALES[0], width=width, parameterisation=parameterisation, **teacher
    )
    terms = tuple((float(t.coefficient), t.eps_power, t.log_power) for t in escape.terms if t.coefficient is not None)
    net = Net(activation.name, depth, tuple(range(1, depth + 1)), (1.0,) * depth, width, parameterisation)
    reading = Expansion(net, float(escape.K_eff), terms, escape.remainder_power).clock()
    closed = "" if escape.K_eff.closed_form is None else f" = {escape.K_eff.closed_form}"
    return Prediction(reading.value, f"{formula}{closed}; {reading.text}", "1/time", reading.budget)
