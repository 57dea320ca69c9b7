"""T8: with Gamma = |E[y x]| = 0 the clock is another: a power of eps even at L = 2 (THEORY section 6)."""

from __future__ import annotations

import math
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.hypotheses import leaves_the_origin_at_first_order, smooth_at_the_origin
from verify.values import Budget, Evidence, Measurement, Prediction

# The teacher is -beta/3 He_3(u) = beta (u - u^3/3): the catalogue's cubic, times beta = 3 for y = -He_3, -3 for +He_3.
TEACHER, AMPLITUDE = "cubic", 3
LADDER = tuple(0.01 * 2.0**-k for k in range(4))
RULE = "scale:0.2@1"
# No escape within fifty times 1/eps^2, of which the right sign takes a fraction.
WAITED, STAYS, ESCAPES = 50.0, "stays", "escapes"
HIGHEST = 12  # a_k M_k is looked for up to here


def _beta(case: Case) -> int:
    return {"-He_3": AMPLITUDE, "+He_3": -AMPLITUDE}[case.word("y")]


def _drive(case: Case) -> tuple[int, float]:
    """(k, a_k M_k) of the first k >= 1 for which it is not zero. ValueError if there is none."""
    import symbolic

    coefficients = symbolic.taylor(symbolic.activation(case.word("activation")), HIGHEST)
    teacher = symbolic.activation(TEACHER)
    for k in range(1, HIGHEST + 1):
        if coefficients[k] != 0:
            moment = symbolic.moment(teacher, k, _beta(case))
            if abs(float(moment)) > float(moment.radius) and moment.closed_form != 0:
                return k, float(coefficients[k]) * float(moment)
    raise ValueError(f"a_k E[y u^k] vanishes up to k = {HIGHEST}: the theory names no clock")


def _predict(case: Case) -> Prediction:
    depth = case.integer("L")
    k, strength = _drive(case)
    if case.word("check") == "sign":
        return Prediction(ESCAPES if strength > 0 else STAYS, f"a_{k} E[y u^{k}] = {strength:.6g}")
    if not 2 <= k <= depth + 1 or strength <= 0:
        raise ValueError("the drive must be positive, and of an order that the net's own output does not outgrow")
    # The loss falls by a_k M_k F_1^k F_2 .. F_L, of degree L - 1 + k; the net's own output enters at degree 2 L.
    return Prediction(-(depth + k - 3), f"t ~ eps^-(L+k-3), k = {k}, a_k E[y u^k] = {strength:.6g}", "power of eps")


def _measure(case: Case, _: Context) -> Measurement:
    import numeric

    depth = case.integer("L")
    model = numeric.ManifoldModel(case.word("activation"), depth, 1, "plain", teacher=TEACHER, beta=float(_beta(case)))
    if case.word("check") == "sign":
        eps = 2 * LADDER[0]
        run = numeric.manifold_escape(
            model, numeric.bottleneck_starts([eps], depth), RULE, until=WAITED / eps**2, estimate_error=False
        )
        expected = (numeric.RunStatus.ESCAPED, numeric.RunStatus.UNTIL_REACHED)
        problem = "" if run.status[0] in expected else run.status[0].advice
        escaped = run.status[0] is numeric.RunStatus.ESCAPED
        return Measurement(ESCAPES if escaped else STAYS, f"eps = {eps:g}, until {WAITED:g}/eps^2", problem=problem)
    run = numeric.manifold_escape(model, numeric.bottleneck_starts(LADDER, depth), RULE)
    stuck = [status for status in run.status if status is not numeric.RunStatus.ESCAPED]
    if stuck:
        return Measurement(math.nan, problem=stuck[0].advice)
    slopes = numeric.local_slopes(LADDER, run.times.tolist(), run.errors.tolist())
    return Measurement(
        slopes.last,
        f"last of {len(slopes.values)} local slopes, eps = {LADDER[-2]:.3g} to {LADDER[-1]:.3g}, {RULE}",
        "power of eps",
        # The first correction is of order eps (eps^2 at L = 2); order 1/2 bounds both from the drift.
        Budget(discretisation=slopes.last_error, finite_eps=numeric.finite_scale_error(slopes, order=0.5)),
    )


def _is_sign(case: Case) -> bool:
    return case.word("check") == "sign"


def _exponent(value: Any) -> Any:
    return lambda case, _: None if _is_sign(case) else Prediction(value(case.integer("L")))


def _other_fate(case: Case, truth: Prediction) -> Prediction | None:
    return Prediction(ESCAPES if truth.value == STAYS else STAYS) if _is_sign(case) else None


def _row(tier: Tier, activation: str, depth: int, y: str, check: str) -> Case:
    return case(tier, 0.07, activation=activation, r=depth, L=depth, y=y, check=check)


CLAIMS = (
    Claim(
        id="data.gamma-zero",
        theorem="T8",
        title="the clock where Gamma = 0",
        latex=r"\Gamma = 0,\ a_3 M_3 > 0 \implies \tau_\star = \Theta(\varepsilon^{-L})",
        plain="For y = -He_3(u), which has no E[y x], escape takes eps^-2 at L = 2, not a logarithm.",
        source="THEORY section 6",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(
            smooth_at_the_origin("activation"),
            leaves_the_origin_at_first_order("activation"),
            Hypothesis("E[y u] = 0, and a_3 E[y u^3] is not zero", lambda case: _drive(case)[0] == 3),
            Hypothesis("all L layers on the symmetric manifold, equal positive starts"),
        ),
        cases=(
            _row(Tier.SMOKE, "tanh", 2, "-He_3", "exponent"),
            _row(Tier.SMOKE, "tanh", 2, "+He_3", "sign"),
            _row(Tier.STANDARD, "mish", 2, "-He_3", "exponent"),
            _row(Tier.STANDARD, "sin", 3, "-He_3", "exponent"),
            _row(Tier.STANDARD, "sinh", 2, "+He_3", "exponent"),
            _row(Tier.STANDARD, "sinh", 2, "+He_3", "sign"),
            _row(Tier.STANDARD, "sinh", 2, "-He_3", "sign"),
            _row(Tier.FULL, "tanh", 3, "-He_3", "exponent"),
            _row(Tier.FULL, "mish", 3, "-He_3", "exponent"),
            _row(Tier.FULL, "mish", 2, "+He_3", "sign"),
            _row(Tier.FULL, "arctan", 4, "-He_3", "exponent"),
        ),
        predict=_predict,
        measure=_measure,
        counterfeits=(
            Counterfeit(
                "the law of Gamma > 0: eps^-(L-2), a logarithm at L = 2", _exponent(lambda L: 2 - L), nearest=True
            ),
            Counterfeit("exponent -(L-1), as for a quadratic drive", _exponent(lambda L: 1 - L)),
            Counterfeit("exponent -(L+1)", _exponent(lambda L: -1 - L)),
            Counterfeit("the sign does not matter", _other_fate),
        ),
    ),
)
