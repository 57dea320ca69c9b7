"""T5: the critical-depth law, measured on the symmetric manifold (THEORY T5, section 3)."""

from __future__ import annotations

import math
from itertools import pairwise

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.hypotheses import leaves_the_origin_at_first_order, smooth_at_the_origin
from verify.values import Budget, Combination, Evidence, Measurement, Prediction

# Every scale at or below 1e-4, each half of the one before.
LADDER = tuple(1e-4 * 2.0**-k for k in range(4))
RULE = "loss:0.5"

ASSUMES = (
    smooth_at_the_origin("activation"),
    leaves_the_origin_at_first_order("activation"),
    Hypothesis("all r bottleneck layers start at the scale eps, the others at 1"),
    Hypothesis("Gamma = |E[y x]| > 0: the teacher is the student's activation, beta = 1"),
    Hypothesis("positive alignment: K prod X_l(0) > 0"),
)


def _escape_times(case: Case) -> tuple[list[float], list[float], str]:
    """Escape times on the ladder, their errors, and what went wrong ("" if nothing)."""
    import numeric

    depth, r = case.integer("L"), case.integer("r")
    model = numeric.ManifoldModel(case.word("activation"), depth)
    starts = numeric.bottleneck_starts(LADDER, depth, tuple(range(1, r + 1)))
    escape = numeric.manifold_escape(model, starts, RULE)
    stuck = [status for status in escape.status if status is not numeric.RunStatus.ESCAPED]
    return escape.times.tolist(), escape.errors.tolist(), stuck[0].advice if stuck else ""


def _measure_exponent(case: Case, _: Context) -> Measurement:
    import numeric

    times, errors, problem = _escape_times(case)
    if problem:
        return Measurement(math.nan, problem=problem)
    slopes = numeric.local_slopes(LADDER, times, errors)
    # The first correction is of order eps, at resonance eps log(1/eps); order 1/2 bounds both from the drift.
    drift = numeric.finite_scale_error(slopes, order=0.5)
    return Measurement(
        slopes.last,
        f"last of {len(slopes.values)} local slopes, eps = {LADDER[-2]:.3g} to {LADDER[-1]:.3g}, {RULE}",
        "power of eps",
        Budget(discretisation=slopes.last_error, finite_eps=drift),
    )


def _exponent(case: Case) -> Prediction:
    import symbolic

    law = symbolic.escape_law(case.integer("L"), case.integer("r"))
    return Prediction(law.exponent, f"K_eff t = {law.leading}", "power of eps")


def _rival(exponent: int, truth: Prediction) -> Prediction | None:
    return None if exponent == truth.value else Prediction(exponent)


def _measure_logarithm(case: Case, _: Context) -> Measurement:
    times, errors, problem = _escape_times(case)
    if problem:
        return Measurement(math.nan, problem=problem)
    # Between neighbours log(1/eps) grows by log 2.
    rates = [(late - early) / math.log(2) for early, late in pairwise(times)]
    rounding = (errors[-1] + errors[-2]) / math.log(2)
    return Measurement(
        rates[-1],
        f"dt/dlog(1/eps), eps = {LADDER[-2]:.3g} to {LADDER[-1]:.3g}, {RULE}",
        "time",
        # The next term is O(eps^(q-1)), q >= 2; order 1/2 bounds it from the drift with room for what follows it.
        Budget(discretisation=rounding, finite_eps=abs(rates[-1] - rates[-2]) / (math.sqrt(2) - 1)),
        {"first rate": rates[0]},
    )


def _inverse_rate(case: Case) -> Prediction:
    import symbolic

    depth = case.integer("L")
    escape = symbolic.predict_escape(symbolic.activation(case.word("activation")), depth, (1, 2), LADDER[-1])
    rate = float(escape.K_eff)
    return Prediction(1 / rate, f"t = log(1/eps)/K_eff, K_eff = {rate:.9g}", "time")


def _scaled(factor: float) -> Counterfeit:
    return Counterfeit(
        f"t = {factor:g} log(1/eps)/K_eff",
        lambda _, truth: Prediction(factor * float(truth.value)),  # type: ignore[arg-type]
    )


CLAIMS = (
    Claim(
        id="critical-depth.exponent",
        theorem="T5",
        title="critical-depth exponent",
        latex=r"\tau_\star = \Theta(\varepsilon^{-(r-2)}),\quad r \geq 3",
        plain="With r >= 3 of L layers at scale eps the escape time grows like eps^-(r-2), for any L and activation.",
        source="authors' write-up, Theorem 2 (Critical-Depth Escape Law)",
        reading=Reading.AS_PRINTED,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(Hypothesis("r >= 3", lambda case: case.integer("r") >= 3), *ASSUMES),
        cases=tuple(
            case(
                Tier.SMOKE if (r, depth, activation) in {(3, 3, "tanh"), (4, 5, "gelu")} else Tier.STANDARD,
                0.3,
                r=r,
                L=depth,
                activation=activation,
            )
            for r, depths in ((3, (3, 5)), (4, (4, 5)), (5, (5, 7)))
            for depth in depths
            for activation in ("tanh", "gelu", "linear")
        ),
        predict=_exponent,
        measure=_measure_exponent,
        counterfeits=(
            Counterfeit("exponent -(r-1)", lambda case, truth: _rival(1 - case.integer("r"), truth), nearest=True),
            Counterfeit(
                "exponent -(L-2), depth in place of r", lambda case, truth: _rival(2 - case.integer("L"), truth)
            ),
            Counterfeit("exponent -(r-3)", lambda case, truth: _rival(3 - case.integer("r"), truth)),
        ),
    ),
    Claim(
        id="critical-depth.logarithm",
        theorem="T5",
        title="critical-depth logarithm",
        latex=r"\tau_\star = \Theta(\log(1/\varepsilon)),\quad r = 2",
        plain="With two layers at scale eps the escape time grows like log(1/eps), at the rate 1/K_eff.",
        source="authors' write-up, Theorem 2 (Critical-Depth Escape Law), r = 2; K_eff from THEORY section 3",
        reading=Reading.CORRECTED,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(Hypothesis("r = 2", lambda case: case.integer("r") == 2), *ASSUMES),
        cases=(
            case(Tier.SMOKE, 0.3, r=2, L=2, activation="tanh"),
            case(Tier.STANDARD, 0.3, r=2, L=2, activation="gelu"),
            case(Tier.STANDARD, 0.3, r=2, L=4, activation="tanh"),
            case(Tier.SMOKE, 0.3, r=2, L=4, activation="gelu"),
            case(Tier.STANDARD, 0.3, r=2, L=4, activation="linear"),
        ),
        predict=_inverse_rate,
        measure=_measure_logarithm,
        counterfeits=(
            Counterfeit(
                "power law 1/eps",
                # Each halving of eps would double what a halving adds.
                lambda *_: Prediction(Combination({"first rate": 2.0 ** (len(LADDER) - 2)})),
                nearest=True,
            ),
            Counterfeit("Theta(1), no growth", lambda *_: Prediction(0.0)),
            _scaled(2.0),
            _scaled(0.5),
        ),
    ),
)
