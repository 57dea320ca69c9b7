"""T5: the escape time when the small layers start at different scales (THEORY section 3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.claims import _bottleneck as net
from verify.hypotheses import leaves_the_origin_at_first_order, smooth_at_the_origin
from verify.values import Budget, Evidence, Measurement, Prediction

LADDER = (4e-4, 2e-4, 1e-4)
RULE = "loss:0.5"


def _relative_starts(case: Case) -> list[float]:
    """x_l = 1, 1 + spread, 1 + 2 spread, ... of the small layers, lowest layer first."""
    return [1.0 + case.real("spread") * k for k in range(case.integer("r"))]


def _measure(case: Case, _: Context) -> Measurement:
    """The coefficient of eps^(2-r) in t, from neighbouring rungs, in which the constant of the rule drops out."""
    import numeric

    starts = net.starts(case, LADDER)
    for layer, x in zip(net.small_layers(case), _relative_starts(case), strict=True):
        starts[:, layer - 1] *= x
    escape = numeric.manifold_escape(net.model(case), starts, RULE, small=net.small_layers(case))
    stuck = [status for status in escape.status if status is not numeric.RunStatus.ESCAPED]
    if stuck:
        return Measurement(math.nan, problem=stuck[0].advice)
    powers = [eps ** (2 - case.integer("r")) for eps in LADDER]
    found = [float(escape.times[k + 1] - escape.times[k]) / (powers[k + 1] - powers[k]) for k in range(len(LADDER) - 1)]
    return Measurement(
        found[-1],
        f"dt / d eps^(2-r), eps = {LADDER[-2]:g} to {LADDER[-1]:g}, {RULE}",
        "time",
        Budget(
            discretisation=float(escape.errors[-1] + escape.errors[-2]) / (powers[-1] - powers[-2]),
            # The next term is O(eps^(q-1)), at resonance with a logarithm; order 1/2 bounds both from the drift.
            finite_eps=abs(found[-1] - found[-2]) / (math.sqrt(2) - 1),
        ),
    )


def _time(case: Case) -> Prediction:
    import symbolic

    starts = _relative_starts(case)
    carlson = len(starts) == 3
    integral = symbolic.carlson_time(starts) if carlson else symbolic.unequal_escape_time(starts)
    name = "R_F(x^2)" if carlson else "1/2 int ds / prod sqrt(x^2 + s)"
    return _over_rate(case, float(integral), f"{name} = {float(integral):.9g}, over K_eff")


def _over_rate(case: Case, integral: float, text: str = "") -> Prediction:
    return Prediction(integral / float(net.prediction_of(case).K_eff), text, "time")


def _mean(name: str, mean: Callable[[list[float]], float], *, nearest: bool = False) -> Counterfeit:
    """The law of equal starts, eps^(2-r) m^(2-r)/(r-2), with a mean m of the relative starts."""

    def alter(case: Case, _: Prediction) -> Prediction:
        r = case.integer("r")
        return _over_rate(case, mean(_relative_starts(case)) ** (2 - r) / (r - 2))

    return Counterfeit(f"the {name} in place of the scales", alter, nearest=nearest)


def _altered(name: str, integral: Callable[[list[float]], Any]) -> Counterfeit:
    return Counterfeit(name, lambda case, _: _over_rate(case, float(integral(_relative_starts(case)))))


def _roots(starts: list[float]) -> Any:
    import symbolic

    return symbolic.unequal_escape_time([math.sqrt(x) for x in starts])


def _last_left_out(starts: list[float]) -> Any:
    """The r-layer law with the largest start replaced by the one before it."""
    import symbolic

    return symbolic.unequal_escape_time([*starts[:-1], starts[-2]])


CLAIMS = (
    Claim(
        id="escape.unequal-start",
        theorem="T5",
        title="escape time, unequal starts",
        latex=r"K_{\mathrm{eff}}\tau_\star \sim \tfrac12 \int_0^\infty \frac{ds}{\prod_l \sqrt{X_l(0)^2 + s}}"
        r"\ \bigl(= R_F(x_1^2, x_2^2, x_3^2)/\varepsilon \text{ for } r = 3\bigr)",
        plain="With unequal starts of the small layers the leading escape time is an elliptic integral of them, "
        "Carlson's R_F for three.",
        source="THEORY section 3",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(
            smooth_at_the_origin("activation"),
            leaves_the_origin_at_first_order("activation"),
            Hypothesis("r >= 3", lambda case: case.integer("r") >= 3),
            Hypothesis("the small layers start at eps x_l, x_l > 0 fixed, eps -> 0"),
            Hypothesis("the teacher is the student's activation, beta = 1"),
        ),
        depends=("critical-depth.exponent",),
        cases=tuple(
            case(tier, 0.2, activation=a, r=r, L=depth, placement=where, xi=xi, parameterisation=p, spread=spread)
            for tier, a, r, depth, where, xi, p, spread in (
                (Tier.STANDARD, "tanh", 3, 3, "first", 1.0, "ntk", 1.0),
                (Tier.SMOKE, "gelu", 4, 4, "first", 1.0, "plain", 2.0),
                (Tier.STANDARD, "gelu", 3, 5, "ends", 0.8, "ntk", 4.0),
                (Tier.STANDARD, "linear", 4, 5, "last", 0.8, "ntk", 1.0),
                (Tier.STANDARD, "silu", 3, 3, "first", 1.0, "plain", 2.0),
                (Tier.STANDARD, "erf", 5, 5, "first", 1.0, "ntk", 1.0),
                (Tier.FULL, "sin", 3, 4, "last", 0.9, "plain", 3.0),
                (Tier.FULL, "gelu", 5, 6, "ends", 0.8, "ntk", 0.5),
                (Tier.FULL, "tanh", 6, 6, "first", 1.0, "ntk", 0.5),
            )
        ),
        predict=_time,
        measure=_measure,
        counterfeits=(
            _mean("geometric mean", lambda x: math.prod(x) ** (1 / len(x)), nearest=True),
            _mean("arithmetic mean", lambda x: math.fsum(x) / len(x)),
            _mean("root mean square", lambda x: math.sqrt(math.fsum(v * v for v in x) / len(x))),
            _mean("minimum", min),
            _mean("maximum", max),
            _altered("the scales in place of their squares", _roots),
            _altered("the largest start counted as the second largest", _last_left_out),
        ),
    ),
)
