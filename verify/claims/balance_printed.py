"""T4: the rate of the imbalances as printed, O(eps^(L+2)) for class B, where it holds and where it does not."""

from __future__ import annotations

import math
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Erratum, Expect, Hypothesis, Reading, Tier, Witness, case
from verify.claims import _bottleneck as net
from verify.claims import _imbalance_drift as drift
from verify.values import Budget, Evidence, Measurement, Prediction

RULE = "loss:0.5"


def _ladder(case: Case) -> list[float]:
    # With two layers the scales at half the escape time are sqrt(eps), so eps has to be the square of a small number.
    least = 1e-4 if case.integer("L") > 2 else 1e-8
    return [4 * least, 2 * least, least]


def _states(case: Case) -> tuple[Any, Any, str]:
    """Layer scales [rungs, L] at the moment that the case names, their errors, and what went wrong ("" if nothing)."""
    import numpy as np

    import numeric

    model, ladder, moment = net.model(case), _ladder(case), case.word("at")
    starts = net.starts(case, ladder)
    if moment == "start":
        return starts, np.zeros_like(starts), ""
    escape = numeric.manifold_escape(model, starts, RULE)
    stuck = [status for status in escape.status if status is not numeric.RunStatus.ESCAPED]
    if stuck:
        return starts, starts, stuck[0].advice
    if moment == "escape":
        # A time that is off by its error moves the scales by that much times their rate.
        return escape.scales, model.rates(escape.scales) * escape.errors[:, None], ""
    runs = [
        numeric.manifold_trajectory(model, start, [time / 2], atol=1e-16)
        for start, time in zip(starts, escape.times, strict=True)
    ]
    return (
        np.array([run.scales[0] for run in runs]),
        np.array([np.full(model.depth, run.scales_error[0]) for run in runs]),
        "",
    )


def _measure(case: Case, _: Context) -> Measurement:
    """The local power of eps in dDelta_l/dt."""
    import numeric

    states, errors, problem = _states(case)
    if problem:
        return Measurement(math.nan, problem=problem)
    model, pair, ladder = net.model(case), case.integer("l") - 1, _ladder(case)
    found = numeric.manifold_imbalance_rates(model, states)
    moved = numeric.manifold_imbalance_rates(model, states + errors)
    rates = abs(found.rates[:, pair])
    slopes = numeric.local_slopes(ladder, rates, found.errors[:, pair] + abs(rates - abs(moved.rates[:, pair])))
    drifted = numeric.finite_scale_error(slopes, drift.ORDER)
    return Measurement(
        slopes.last,
        f"local slope of dDelta_{pair + 1}/dt at {case.word('at')}, eps = {ladder[-2]:g} to {ladder[-1]:g}",
        "power of eps",
        Budget(discretisation=slopes.last_error, finite_eps=drifted),
    )


def _printed(case: Case) -> Prediction:
    return Prediction(case.integer("L") + 2.0, "O(eps^(L+2))", "power of eps")


def _corrected(case: Case) -> Prediction:
    import symbolic

    depth, moment = case.integer("L"), case.word("at")
    law = drift.laws(case)[case.integer("l") - 1]
    # At half the escape time the common scale is Y = 2^(1/(L-2)) eps for L >= 3 and sqrt(eps) for L = 2, where the time
    # is a logarithm; at the escape it is Theta(1).
    half = 0.5 if symbolic.escape_law(depth).logarithm else 1.0
    power = {"start": 1.0, "half": half, "escape": 0.0}[moment]
    return Prediction(power * law.exponent, "Y^(L+(q-1)l), Y the common scale at that moment", "power of eps")


def _rival(name: str, exponent: float, *, nearest: bool = False) -> Counterfeit:
    """Another exponent L + `exponent`, None where it is the truth."""

    def alter(case: Case, _: Prediction) -> Prediction | None:
        value = case.integer("L") + exponent
        return None if value == _corrected(case).value else Prediction(value)

    return Counterfeit(name, alter, nearest=nearest)


CLAIMS = (
    Claim(
        id="balance.rate.as-printed",
        theorem="T4",
        title="rate of the imbalances, as printed",
        latex=r"\dot\Delta_l = O(\varepsilon^{L+2}) \text{ for class B}",
        plain="Near the saddle the imbalances of a net of class B drift at the rate eps^(L+2).",
        source="authors' write-up, footnote 7; read as the order of the rate, for every pair of layers",
        reading=Reading.AS_PRINTED,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(
            *drift.ASSUMES,
            Hypothesis("the activation is of class B", lambda case: drift.order_of(case) == 3, assumed=False),
            Hypothesis("t = 0", lambda case: case.word("at") == "start", assumed=False),
        ),
        depends=("imbalance.identity",),
        cases=(
            case(Tier.SMOKE, 0.05, activation="tanh", L=4, l=1, at="start"),
            case(Tier.STANDARD, 0.1, activation="erf", L=3, l=1, at="half"),
            *(
                case(tier, seconds, expect=Expect.REFUTED, activation=activation, L=depth, l=pair, at=moment)
                for tier, seconds, activation, depth, pair, moment in (
                    (Tier.SMOKE, 0.05, "tanh", 4, 2, "start"),
                    (Tier.SMOKE, 0.1, "gelu", 4, 1, "start"),
                    (Tier.STANDARD, 0.1, "tanh", 2, 1, "half"),
                    (Tier.STANDARD, 0.1, "tanh", 4, 1, "escape"),
                    (Tier.FULL, 0.1, "silu", 5, 3, "start"),
                )
            ),
        ),
        predict=_printed,
        measure=_measure,
        corrected=_corrected,
        erratum=Erratum(
            printed="The imbalances drift at rate O(eps^(L+2)) for class B, so the scales stay approximately equal "
            "throughout the escape.",
            fails="The power is that of the first pair of layers only: pair l has L + 2l in class B. In class C the "
            "first pair has L + 1, a larger rate than the print allows. With two layers the rate is eps^2 in place of "
            "eps^4 at half the escape time, and at the escape of any net it does not vanish with eps at all.",
            true="The rate is of order Y^(L+(q-1)l) at the common scale Y, with q = 3 in class B and 2 in GELU's case, "
            "hence eps^(L+2) for l = 1, class B, while Y is of order eps.",
            corrected="balance.rate",
        ),
        counterfeits=(
            _rival("one order more, eps^(L+1)", 1.0, nearest=True),
            _rival("eps^L, as fast as the scales", 0.0),
            _rival("eps^(L+3), the order of phi in place of q - 1", 3.0),
        ),
    ),
)
