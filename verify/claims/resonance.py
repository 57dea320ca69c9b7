"""T5: the logarithm below the power law, at resonance and from the layers of order one (THEORY section 3)."""

from __future__ import annotations

from typing import Any

from verify.claim import Case, Claim, Hypothesis, Reading, Tier, Witness, case
from verify.claims import _bottleneck as net
from verify.claims import _log_coefficient as log
from verify.values import Evidence


def _off_by_one(step: int) -> Any:
    """2q/(q+1) with another q, over the true one."""

    def factor(case: Case) -> float:
        q = log.order(case)
        if q is None:
            return 1.0
        wrong = q + step
        return 2 * wrong / (wrong + 1) / (2 * q / (q + 1))

    return factor


def _moments(case: Case) -> float:
    """M_1/M_q."""
    import symbolic

    teacher, q = symbolic.activation(case.word("activation")), log.order(case)
    return 1.0 if q is None else float(symbolic.moment(teacher, 1)) / float(symbolic.moment(teacher, q))


def _gains(case: Case) -> float:
    """The gain a_1 = 1/sqrt(N) of plain to the power -(q-1): the coefficient without the gains."""
    q = log.order(case)
    return 1.0 if q is None or net.parameterisation(case) == "ntk" else net.WIDTH ** (0.5 * (q - 1))


def _all_small(case: Case) -> float:
    """The coefficient of the net of the same depth with all layers small."""
    whole = Case(tuple((k, case["L"] if k == "r" else v) for k, v in case.parameters), case.tier, case.seconds)
    found = log.terms(whole)
    return found.get("NONLINEARITY", 0.0)


def _decided_by_depth(case: Case, _: float) -> float:
    """The logarithm of depth L = q + 1, whatever r."""
    q = log.order(case)
    return _all_small(case) if q is not None and case.integer("L") == q + 1 else 0.0


def _without_drift(case: Case, truth: float) -> float:
    return truth - log.terms(case).get("DRIFT", 0.0)


def _drift_twice(case: Case, truth: float) -> float:
    return truth + log.terms(case).get("DRIFT", 0.0)


def _drift_only(case: Case, _: float) -> float:
    return log.terms(case).get("DRIFT", 0.0)


def _linear_below(case: Case, truth: float) -> float:
    """S = sum 1/xi^2 over all O(1) layers, as if E[y g] were proportional to the scales before the bottleneck."""
    outer = case.integer("L") - case.integer("r")
    return _without_drift(case, truth) - 0.5 * outer / case.real("xi") ** 2


def _keeping(*kept: int) -> Any:
    """The second-order coefficient with only those of the Taylor coefficients a_2, a_3."""

    def value(case: Case, truth: float) -> float | None:
        import sympy

        import symbolic

        depth, small = case.integer("L"), net.small_layers(case)
        gains = symbolic.named_gains(net.parameterisation(case), depth, net.WIDTH)
        whole = symbolic.escape_expansion(depth, small, 2, gains).coefficient(0, 1)
        gone = {s: 0 for s in whole.free_symbols if s.name in {"a_2", "a_3"} - {f"a_{k}" for k in kept}}
        return float(symbolic.certified_value(sympy.expand(whole).subs(gone), net.constants_of(case, small)))

    return value


NO_LOGARITHM = log.other("no logarithm", lambda *_: 0.0)
WRONG_SIGN = log.times("the wrong sign", lambda _: -1.0)
SOURCE = "authors' paper, footnote on the resonance L = q + 1, in general form; THEORY section 3"
BOTH = (Witness.SYMBOLIC, Witness.NUMERIC)


CLAIMS = (
    Claim(
        id="resonance.logarithm",
        theorem="T5",
        title="logarithm at L = q + 1",
        latex=r"K\tau_\star = \tfrac{\varepsilon^{2-L}}{L-2} - \tfrac{2q}{q+1}\, c \log\tfrac1\varepsilon + O(1),"
        r"\quad L = q+1",
        plain="At L = q+1, all layers small, log(1/eps) stands below the power law with the coefficient -(2q/(q+1)) c.",
        source=SOURCE,
        reading=Reading.CORRECTED,
        evidence=Evidence.NUMERICAL,
        witnesses=BOTH,
        assumes=(
            *log.ASSUMES,
            Hypothesis("L = q + 1, all layers small", lambda case: log.order(case) == case.integer("L") - 1),
        ),
        depends=("critical-depth.exponent",),
        cases=tuple(
            case(tier, seconds, activation=activation, L=depth, parameterisation=parameterisation, eps=eps)
            for tier, seconds, activation, depth, parameterisation, eps in (
                (Tier.SMOKE, 0.6, "tanh", 4, "ntk", 1e-12),
                (Tier.STANDARD, 0.8, "tanh", 4, "ntk", 1e-30),
                (Tier.STANDARD, 0.7, "gelu", 3, "plain", 1e-12),
                (Tier.FULL, 0.8, "erf", 4, "plain", 1e-30),
                (Tier.FULL, 0.8, "silu", 3, "ntk", 1e-30),
                (Tier.FULL, 0.5, "sin", 4, "ntk", 1e-12),
            )
        ),
        predict=log.predict,
        measure=log.measure,
        counterfeits=(
            log.times("the class's q off by one, q - 1", _off_by_one(-1), nearest=True),
            log.times("the class's q off by one, q + 1", _off_by_one(1)),
            NO_LOGARITHM,
            WRONG_SIGN,
            log.times("c = a_q/alpha without M_q/M_1", _moments),
            log.times("c without the gains to the power q - 1", _gains),
        ),
    ),
    Claim(
        id="resonance.at-r-not-at-L",
        theorem="T5",
        title="the resonance sits at r, not at L",
        latex=r"\log\tfrac1\varepsilon \text{ with coefficient } -\tfrac{2q}{q+1} c_{\mathrm{eff}} "
        r"\text{ iff } r = q+1",
        plain="The resonance is at r = q+1, whatever L: none at L = q+1 when r < L, and one at r = q+1 when L > r.",
        source=SOURCE,
        reading=Reading.CORRECTED,
        evidence=Evidence.NUMERICAL,
        witnesses=BOTH,
        assumes=(*log.ASSUMES, Hypothesis("r < L", lambda case: case.integer("r") < case.integer("L"))),
        depends=("resonance.logarithm",),
        cases=tuple(
            case(tier, seconds, activation=a, r=r, L=depth, placement=where, xi=xi, parameterisation=p)
            for tier, seconds, a, r, depth, where, xi, p in (
                (Tier.SMOKE, 0.6, "tanh", 3, 4, "first", 1.0, "ntk"),
                (Tier.STANDARD, 0.9, "gelu", 3, 4, "first", 0.8, "ntk"),
                (Tier.STANDARD, 0.7, "tanh", 4, 5, "first", 1.0, "ntk"),
                (Tier.STANDARD, 0.7, "gelu", 2, 3, "first", 1.0, "plain"),
                (Tier.FULL, 1.2, "silu", 3, 5, "ends", 0.8, "plain"),
                (Tier.FULL, 0.7, "erf", 3, 4, "ends", 1.2, "ntk"),
                (Tier.FULL, 2.4, "gelu", 3, 4, "last", 0.9, "ntk"),
            )
        ),
        predict=log.predict,
        measure=log.measure,
        counterfeits=(
            log.other("the logarithm is decided by L = q + 1", _decided_by_depth, nearest=True),
            WRONG_SIGN,
            log.times("the class's q off by one", _off_by_one(-1)),
        ),
    ),
    Claim(
        id="resonance.outer-layers",
        theorem="T5",
        title="logarithm from the layers of order one",
        latex=r"r = 4 < L:\quad -\tfrac12 S \log\tfrac1\varepsilon,\quad "
        r"S = \sum_{m} (\partial \log K_{\mathrm{eff}}/\partial \xi_m)^2",
        plain="With r = 4 < L the layers of order one add -S/2 to the coefficient, for any activation, linear "
        "included; its sign can flip.",
        source="THEORY section 3",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=BOTH,
        assumes=(
            *log.ASSUMES,
            Hypothesis("r = 4 < L", lambda case: case.integer("r") == 4 < case.integer("L")),
        ),
        depends=("critical-depth.exponent",),
        cases=tuple(
            case(tier, seconds, activation=a, r=4, L=depth, placement=where, xi=xi, parameterisation=p)
            for tier, seconds, a, depth, where, xi, p in (
                (Tier.SMOKE, 0.4, "linear", 6, "ends", 0.8, "ntk"),
                (Tier.STANDARD, 0.7, "tanh", 5, "first", 0.5, "ntk"),  # the sign flips: 1.19986 - 2
                (Tier.STANDARD, 1.3, "gelu", 5, "last", 0.8, "ntk"),
                (Tier.FULL, 0.7, "gelu", 5, "first", 0.8, "ntk"),
                (Tier.FULL, 0.7, "erf", 6, "ends", 1.2, "plain"),
                (Tier.FULL, 1.7, "tanh", 5, "last", 0.8, "ntk"),
                (Tier.FULL, 0.8, "silu", 5, "ends", 0.9, "plain"),
            )
        ),
        predict=log.predict,
        measure=log.measure,
        counterfeits=(
            log.other("S, in place of S/2", _drift_twice, nearest=True),
            log.other("the layers of order one stand still", _without_drift),
            log.other("no source but S", _drift_only),
            log.other("1/xi^2 for the layers below the bottleneck as well", _linear_below),
            NO_LOGARITHM,
        ),
    ),
    Claim(
        id="resonance.second-order",
        theorem="T5",
        title="logarithm of the second order",
        latex=r"L = 4:\quad \tfrac16\left[8\left(\tfrac{a_2M_2}{\alpha M_1}\right)^2 - 9\,\tfrac{a_2M_2}{M_1} "
        r"- 9\,\tfrac{a_3M_3}{\alpha M_1}\right] \log\tfrac1\varepsilon",
        plain="At four small layers class C has a logarithm as well, of second order in a_2 and first in a_3, "
        "below a term in 1/eps.",
        source="THEORY section 3; the coefficient is our derivation",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=BOTH,
        assumes=(*log.ASSUMES, Hypothesis("r = 4", lambda case: case.integer("r") == 4)),
        depends=("resonance.logarithm",),
        cases=tuple(
            case(tier, seconds, activation=a, r=4, L=depth, placement=where, xi=xi, parameterisation=p)
            for tier, seconds, a, depth, where, xi, p in (
                (Tier.SMOKE, 0.6, "gelu", 4, "first", 1.0, "ntk"),
                (Tier.STANDARD, 0.7, "silu", 4, "first", 1.0, "plain"),
                (Tier.STANDARD, 0.7, "tanh", 5, "first", 1.0, "ntk"),
                (Tier.FULL, 0.8, "gelu", 5, "ends", 0.8, "plain"),
            )
        ),
        predict=log.predict,
        measure=log.measure,
        counterfeits=(
            log.other("first order only: a_2 left out", _keeping(3), nearest=True),
            log.other("a_3 left out", _keeping(2)),
            NO_LOGARITHM,
            WRONG_SIGN,
        ),
    ),
)
