"""T4: the imbalances along the flow and at the escape (THEORY section 3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.claims import _bottleneck as net
from verify.claims import _imbalance_drift as drift
from verify.values import Budget, Evidence, Measurement, Prediction

GROWTH = 4  # Y = 4 eps: the imbalance has grown from zero to more than 9/10 of its law c Y^p
RULE = "loss:0.5"


def _ladder(case: Case) -> list[float]:
    """Three scales down to the case's eps.

    Differences of X_l^2 are resolved while Y^((q-1)(l-1)) is far above rounding, and the corrections to the law are of
    order Y^(q-1): hence scales for tanh and GELU that differ.
    """
    eps = case.real("eps")
    return [4 * eps, 2 * eps, eps]


def _measure_along(case: Case, _: Context) -> Measurement:
    """The imbalance gained from eps to Y = 4 eps: both shrink together, so that the law is a power of either."""
    import numpy as np

    import numeric

    model, small, ladder = net.model(case), net.small_layers(case), _ladder(case)
    rungs = [
        numeric.residual_escape(model, net.starts(case, [eps]), small, f"scale:{GROWTH * eps!r}@{small[0]}")
        for eps in ladder
    ]
    stuck = [rung.status[0] for rung in rungs if rung.status[0] is not numeric.RunStatus.ESCAPED]
    if stuck:
        return Measurement(math.nan, problem=stuck[0].advice)
    gained = np.concatenate([rung.imbalance_growth for rung in rungs])
    errors = np.concatenate([rung.imbalance_errors for rung in rungs])
    read = drift.read_off(ladder, gained, errors, f"Delta_l gained from eps to {GROWTH} eps, eps = {ladder[-1]:g}")
    return replace(read, series=_curves("gained", ladder, gained.T.tolist()))


def _curves(name: str, ladder: list[float], columns: list[list[float]]) -> dict[str, tuple[float, ...]]:
    """``NAME: Y`` and ``NAME: l = 1``, ... for the figure; columns [pair][rung]."""
    pairs = {f"{name}: l = {k}": tuple(column) for k, column in enumerate(columns, start=1)}
    return {f"{name}: Y": tuple(GROWTH * eps for eps in ladder), **pairs}


def _along(case: Case) -> Prediction:
    import sympy

    eps = drift.exact(case.real("eps"))
    exponents, values = [], []
    for law in drift.laws(case):
        scales = {symbol: eps * (GROWTH if symbol.name == "Y" else 1) for symbol in _scales(law.along_flow)}
        exponents.append(float(max(sympy.degree(law.along_flow, symbol) for symbol in scales)))
        values.append(drift.number(case, law.along_flow.subs(scales)))
    law = drift.predicted(case, exponents, values, "c_l (Y^p - eps^p), p = (q-1) b(l) + 2")
    ladder = _ladder(case)
    # With Y/eps fixed the law is homogeneous of degree p.
    columns = [[v * (e / ladder[-1]) ** p for e in ladder] for p, v in zip(exponents, values, strict=True)]
    return replace(law, series=_curves("law", ladder, columns))


def _scales(expression: Any) -> list[Any]:
    """eps and Y."""
    return [symbol for symbol in expression.free_symbols if symbol.name in ("eps", "Y")]


def _start_times_time(case: Case, _: Prediction) -> Prediction:
    """The rate at the start times the time that it takes: K_eff t = eps^(2-r) (1 - 4^(2-r))/(r-2)."""
    eps, r = case.real("eps"), len(net.small_layers(case))
    time = eps ** (2 - r) * (1 - GROWTH ** (2 - r)) / (r - 2) / float(net.prediction_of(case).K_eff)
    laws = drift.laws(case)
    values = [drift.number(case, law.prefactor) * eps**law.exponent * time for law in laws]
    return drift.predicted(case, [law.exponent + 2.0 - r for law in laws], values, "rate at the start times the time")


def _altered(
    name: str, exponent: Callable[[Case, int, float], float], factor: Callable[[Case, int], float]
) -> Counterfeit:
    def alter(case: Case, truth: Prediction) -> Prediction | None:
        return drift.changed(exponent, factor, case.real("eps"))(case, truth)

    return Counterfeit(name, alter)


def _unchanged(_: Case, __: int, exponent: float) -> float:
    return exponent


def _measure_at_escape(case: Case, _: Context) -> Measurement:
    import numeric

    model, small, ladder = net.model(case), net.small_layers(case), _ladder(case)
    found = numeric.residual_escape(model, net.starts(case, ladder), small, RULE)
    stuck = [status for status in found.status if status is not numeric.RunStatus.ESCAPED]
    if stuck:
        return Measurement(math.nan, problem=stuck[0].advice)
    parts: dict[str, float] = {}
    rounding = finite = 0.0
    for column in range(case.integer("L") - 1):
        gained, errors = abs(found.imbalance_growth[:, column]), found.imbalance_errors[:, column]
        slopes = numeric.local_slopes(ladder, gained, errors)
        parts[f"power of eps, l = {column + 1}"] = slopes.last
        rounding = max(rounding, slopes.last_error)
        finite = max(finite, numeric.finite_scale_error(slopes, drift.ORDER))
    sizes = ", ".join(f"{x:.3g}" for x in found.imbalance_growth[-1])
    return Measurement(parts, f"Delta_l at {RULE}: {sizes}", "", Budget(discretisation=rounding, finite_eps=finite))


def _at_escape(case: Case) -> Prediction:
    """The power of eps that is left of Delta_l(Y) at a Y that does not shrink with eps."""
    import sympy

    parts = {}
    for law in drift.laws(case):
        symbol = next(symbol for symbol in _scales(law.along_flow) if symbol.name == "eps")
        terms = sympy.Add.make_args(sympy.expand(law.along_flow))
        parts[f"power of eps, l = {law.pair}"] = float(min(term.as_coeff_exponent(symbol)[1] for term in terms))
    return Prediction(parts, "Delta_l(Y) at Y = Theta(1) as eps -> 0: Theta(1)")


def _vanishing(name: str, power: Callable[[Case, Any], float], *, nearest: bool = False) -> Counterfeit:
    """The imbalance at the escape vanishes like that power of eps."""
    return Counterfeit(
        name,
        lambda case, _: Prediction({f"power of eps, l = {law.pair}": power(case, law) for law in drift.laws(case)}),
        nearest=nearest,
    )


CLAIMS = (
    Claim(
        id="balance.along-flow",
        theorem="T4",
        title="imbalance along the flow",
        latex=r"\Delta_l(Y) = -(q-1)\, c\, \alpha^{(q-1)(l-1)}\, \tfrac{2}{(q-1)l+2} "
        r"\left(Y^{(q-1)l+2} - \varepsilon^{(q-1)l+2}\right)",
        plain="Along the flow the imbalance grows with the common scale Y like Y^((q-1)l+2), with a known prefactor.",
        source="THEORY section 3; r < L by the same integration of the rate",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(*drift.ASSUMES, Hypothesis("Y -> 0 with Y / eps fixed")),
        depends=("balance.rate",),
        cases=tuple(
            case(tier, seconds, activation=a, r=r, L=depth, placement=where, xi=xi, parameterisation=p, eps=eps)
            for tier, seconds, a, r, depth, where, xi, p, eps in (
                (Tier.SMOKE, 0.5, "tanh", 4, 4, "first", 1.0, "ntk", 1e-3),
                (Tier.STANDARD, 0.6, "gelu", 4, 4, "first", 1.0, "ntk", 1e-4),
                (Tier.STANDARD, 1.3, "gelu", 3, 5, "last", 0.8, "plain", 1e-4),
                (Tier.FULL, 0.4, "tanh", 3, 3, "first", 1.0, "plain", 1e-3),
                (Tier.FULL, 0.5, "erf", 3, 4, "ends", 0.9, "ntk", 1e-3),
                (Tier.FULL, 0.6, "silu", 5, 5, "first", 1.0, "ntk", 1e-4),
            )
        ),
        predict=_along,
        measure=_measure_along,
        counterfeits=(
            Counterfeit("the rate at the start times the time", _start_times_time, nearest=True),
            _altered(
                "integrated as dDelta/dY = rate / Y^(r-2)",
                lambda _, __, p: p + 1,
                lambda *_: 1.0,
            ),
            _altered("the sign flipped", _unchanged, lambda *_: -1.0),
            _altered("without the factor 2 of the square", _unchanged, lambda *_: 0.5),
        ),
    ),
    Claim(
        id="balance.at-escape",
        theorem="T4",
        title="imbalance at the escape",
        latex=r"\Delta_l(\tau_\star) = \Theta(1),\quad \varepsilon \to 0",
        plain="At the escape the imbalance is of order one and does not depend on eps: it does not stay small.",
        source="THEORY section 3; the authors' write-up, footnote 7, has the scales stay nearly equal throughout",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=drift.ASSUMES,
        depends=("balance.along-flow",),
        cases=tuple(
            case(tier, 0.5 if tier is Tier.SMOKE else 0.9, activation=a, r=r, L=depth, placement=where, eps=eps)
            for tier, a, r, depth, where, eps in (
                (Tier.SMOKE, "tanh", 4, 4, "first", 1e-3),
                (Tier.STANDARD, "gelu", 3, 3, "first", 1e-4),
                (Tier.STANDARD, "silu", 3, 4, "last", 1e-4),
                (Tier.FULL, "erf", 3, 5, "ends", 1e-3),
                (Tier.FULL, "gelu", 5, 5, "first", 1e-4),
            )
        ),
        predict=_at_escape,
        measure=_measure_at_escape,
        counterfeits=(
            _vanishing(
                "it vanishes like rate times time, eps^((q-1)l + 2)",
                lambda case, law: law.exponent + 2.0 - len(net.small_layers(case)),
                nearest=True,
            ),
            _vanishing("it vanishes like the squares of the start, eps^2", lambda *_: 2.0),
            _vanishing("it vanishes like the first correction, eps^(q-1)", lambda case, _: drift.order(case) - 1.0),
        ),
    ),
)
