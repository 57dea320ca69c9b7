"""T5: the escape time when the small layers start at different scales (THEORY section 3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.claims import _bottleneck as net
from verify.hypotheses import leaves_the_origin_at_first_order, smooth_at_the_origin
from verify.values import Budget, Evidence, Measurement, Prediction

LADDER = (2e-5, 1e-5)
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
    early, late = (eps ** (2 - case.integer("r")) for eps in LADDER)
    return Measurement(
        float(escape.times[1] - escape.times[0]) / (late - early),
        f"dt / d eps^(2-r), eps = {LADDER[0]:g} to {LADDER[1]:g}, {RULE}",
        "time",
        Budget(discretisation=float(escape.errors[0] + escape.errors[1]) / (late - early)),
    )


def _integral(starts: list[float]) -> float:
    """1/2 int ds / prod sqrt(x_l^2 + s)."""
    import symbolic

    carlson = len(starts) == 3
    return float(symbolic.carlson_time(starts) if carlson else symbolic.unequal_escape_time(starts))


def _time(case: Case) -> Prediction:
    """The integral over K_eff and what follows it between the two scales.

    Logarithms come from scales far above the start, where its differences are forgotten: they are those of equal
    starts. The first power of the activation has an integral of its own. The other powers are not known; the first of
    them is left out, with all that follows it.
    """
    import symbolic

    starts, r, law = _relative_starts(case), case.integer("r"), net.prediction_of(case)
    q = symbolic.classify(symbolic.activation(case.word("activation"))).order
    integral, (early, late) = _integral(starts), LADDER
    gap = late ** (2 - r) - early ** (2 - r)
    shift, unknown = 0.0, [law.remainder_power + r - 2]
    for term in law.terms[1:]:
        if term.coefficient is None:
            continue
        size = float(term.coefficient)
        if term.eps_power == 0:
            shift += size * (math.log(1 / late) ** term.log_power - math.log(1 / early) ** term.log_power) / gap
        elif q is not None and term.eps_power == q + 1 - r and term.origin is symbolic.Origin.NONLINEARITY:
            unequal, equal = (float(symbolic.unequal_correction(x, q)) for x in (starts, [1.0] * r))
            shift += size * unequal / equal * (late**term.eps_power - early**term.eps_power) / gap
        else:
            unknown.append(term.eps_power + r - 2)
    # (B y)^n with the logarithm that it may carry, y the largest start; relative to the time at the smaller scale.
    scale = net.correction_scale(case) * max(starts)
    missing = integral * (scale * early) ** min(unknown) * math.log(1 / early) * late ** (2 - r) / gap
    name = "R_F(x^2)" if r == 3 else "1/2 int ds / prod sqrt(x^2 + s)"
    text = f"{name} = {integral:.9g}, {shift / integral:+.3g} from the next orders, over K_eff"
    rate = float(law.K_eff)
    return Prediction((integral + shift) / rate, text, "time", Budget(finite_eps=missing / rate))


def _other(case: Case, truth: Prediction, integral: float) -> Prediction:
    """Another leading integral, with the next orders of the true one."""
    assert isinstance(truth.value, float)
    change = (integral - _integral(_relative_starts(case))) / float(net.prediction_of(case).K_eff)
    return replace(truth, value=truth.value + change)


def _mean(name: str, mean: Callable[[list[float]], float], *, nearest: bool = False) -> Counterfeit:
    """The law of equal starts, eps^(2-r) m^(2-r)/(r-2), with a mean m of the relative starts."""

    def alter(case: Case, truth: Prediction) -> Prediction:
        r = case.integer("r")
        return _other(case, truth, mean(_relative_starts(case)) ** (2 - r) / (r - 2))

    return Counterfeit(f"the {name} in place of the scales", alter, nearest=nearest)


def _altered(name: str, integral: Callable[[list[float]], Any]) -> Counterfeit:
    return Counterfeit(name, lambda case, truth: _other(case, truth, float(integral(_relative_starts(case)))))


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
