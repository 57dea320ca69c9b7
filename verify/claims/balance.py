"""T4: the balance law, how fast the imbalances of neighbouring layers drift near the saddle (THEORY T4b, section 3)."""

from __future__ import annotations

from collections.abc import Callable

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.claims import _bottleneck as net
from verify.claims import _imbalance_drift as drift
from verify.values import Evidence, Measurement, Prediction

LADDER = [4e-4, 2e-4, 1e-4]


def _measure_rate(case: Case, _: Context) -> Measurement:
    import numeric

    found = numeric.manifold_imbalance_rates(net.model(case), net.starts(case, LADDER))
    return drift.read_off(
        LADDER, found.rates, found.errors, f"dDelta_l/dt at the start, eps = {LADDER[0]:g} to {LADDER[-1]:g}"
    )


def _rate(case: Case) -> Prediction:
    laws = drift.laws(case)
    values = [drift.number(case, law.prefactor) * LADDER[-1] ** law.exponent for law in laws]
    return drift.predicted(case, [law.exponent for law in laws], values, f"dDelta_1/dt ~ {laws[0].prefactor} eps^p")


def _unchanged(_: Case, __: int, exponent: float) -> float:
    return exponent


def _one(_: Case, __: int) -> float:
    return 1.0


def _times(name: str, factor: Callable[[Case, int], float], *, nearest: bool = False) -> Counterfeit:
    return Counterfeit(name, drift.changed(_unchanged, factor, 1.0), nearest=nearest)


def _with_exponent(name: str, exponent: Callable[[Case, int], float], *, nearest: bool = False) -> Counterfeit:
    return Counterfeit(
        name, drift.changed(lambda case, pair, _: exponent(case, pair), _one, LADDER[-1]), nearest=nearest
    )


def _first_moment(case: Case, _: int) -> float:
    import symbolic

    teacher = symbolic.activation(case.word("activation"))
    return float(symbolic.moment(teacher, 1)) / float(symbolic.moment(teacher, drift.order(case)))


def _alpha(case: Case) -> float:
    import symbolic

    return float(symbolic.classify(symbolic.activation(case.word("activation"))).alpha)


def _gains_once(case: Case, _: int) -> float:
    """(a_1 ... a_l)^{-(q-1)}; the gains of hidden layers beyond the first are 1."""
    return net.WIDTH ** (0.5 * (drift.order(case) - 1)) if net.parameterisation(case) == "plain" else 1.0


def _small_formula(case: Case, _: Prediction) -> Prediction | None:
    """The formula for a net of small layers with the O(1) scales put into it."""
    small = net.small_layers(case)
    if small[0] == 1:
        return None  # nothing nonlinear lies below the bottleneck, and the formula is the true one
    every = tuple(range(1, case.integer("L") + 1))
    everything = drift.laws(case, every)
    scales = net.outer_scales(case)
    values = []
    for law in everything:
        at = {
            symbol: drift.exact(LADDER[-1] if int(symbol.name[2:]) in small else scales[int(symbol.name[2:]) - 1])
            for symbol in law.rate.free_symbols
            if symbol.name.startswith("X_")
        }
        values.append(drift.number(case, law.rate.subs(at), every))
    return drift.predicted(case, [law.exponent for law in drift.laws(case)], values, "the formula of small layers")


SHARED = (
    _times("the sign of the drift flipped", lambda *_: -1.0),
    _times("d(X^2)/dt without its factor 2", lambda *_: 0.5),
    _times("a_q in place of (q-1) a_q, the coefficient of phi", lambda case, _: 1 / (drift.order(case) - 1)),
    _times("M_1 in place of M_q", _first_moment),
)

CLAIMS = (
    Claim(
        id="balance.rate",
        theorem="T4",
        title="rate of the imbalances",
        latex=r"\dot\Delta_l = -\tfrac{2}{\sqrt N}\,(q-1) a_q M_q\, \alpha^{L-1-l+q(l-1)}\,"
        r" \varepsilon^{L+(q-1)l}\ \text{(ntk)}",
        plain="With all layers at scale eps the imbalance of layers l, l+1 drifts like eps^(L+(q-1)l), "
        "with a known prefactor.",
        source="authors' write-up, footnote 7, in general form; THEORY section 3",
        reading=Reading.CORRECTED,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=drift.ASSUMES,
        depends=("imbalance.identity",),
        cases=tuple(
            case(tier, 0.05, activation=activation, L=depth, parameterisation=parameterisation)
            for tier, activation, depth, parameterisation in (
                (Tier.SMOKE, "tanh", 4, "ntk"),
                (Tier.SMOKE, "gelu", 4, "plain"),
                (Tier.STANDARD, "erf", 5, "ntk"),
                (Tier.STANDARD, "silu", 3, "ntk"),
                (Tier.STANDARD, "tanh", 3, "plain"),
                (Tier.STANDARD, "gelu", 5, "ntk"),
                (Tier.FULL, "sin", 6, "ntk"),
                (Tier.FULL, "asinh", 4, "plain"),
                (Tier.FULL, "silu", 6, "plain"),
                (Tier.FULL, "erf", 2, "plain"),
            )
        ),
        predict=_rate,
        measure=_measure_rate,
        counterfeits=(
            _with_exponent(
                "L + q - 1 for every pair", lambda case, _: case.integer("L") + drift.order(case) - 1.0, nearest=True
            ),
            _with_exponent("the rate of the scales themselves, eps^L", lambda case, _: float(case.integer("L"))),
            *SHARED,
            _times("alpha^(L-1), as in K", lambda case, pair: _alpha(case) ** (pair - drift.order(case) * (pair - 1))),
            _times("the gains below layer l once, not to the power q", _gains_once),
        ),
    ),
    Claim(
        id="balance.bottleneck-rate",
        theorem="T4",
        title="rate of the imbalances, r < L",
        latex=r"\dot\Delta_l = \Theta(\varepsilon^{r+(q-1)b(l)}),\quad "
        r"\dot\Delta_l = 2 K_{\mathrm{eff}} (D_{l+1}-D_l)\,\varepsilon^r \text{ for } l < i_1,\ "
        r"D_m = \partial\log\mathbb{E}[y g]/\partial\log\xi_m,\ D_{i_1} = 1",
        plain="With r of L layers at scale eps the exponent is r+(q-1)b(l), b(l) small layers being among 1..l; "
        "below the first small layer the prefactor comes from E[y g], not from the leading term of phi.",
        source="THEORY section 3; the prefactor below the bottleneck is our derivation",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(*drift.ASSUMES, Hypothesis("r < L", lambda case: case.integer("r") < case.integer("L"))),
        depends=("balance.rate",),
        cases=tuple(
            case(tier, seconds, activation=a, r=r, L=depth, placement=where, xi=xi, parameterisation=p)
            for tier, seconds, a, r, depth, where, xi, p in (
                (Tier.SMOKE, 0.3, "tanh", 2, 3, "last", 0.8, "ntk"),
                (Tier.STANDARD, 0.5, "tanh", 3, 5, "last", 0.8, "ntk"),
                (Tier.SMOKE, 0.1, "gelu", 2, 4, "ends", 0.8, "plain"),
                (Tier.STANDARD, 0.5, "gelu", 2, 3, "last", 1.2, "ntk"),
                (Tier.STANDARD, 0.5, "erf", 2, 4, "last", 0.9, "plain"),
                (Tier.STANDARD, 0.1, "tanh", 3, 5, "first", 0.8, "ntk"),
                (Tier.FULL, 1.8, "gelu", 3, 5, "last", 1.2, "ntk"),
                (Tier.FULL, 1.0, "silu", 1, 3, "last", 1.0, "ntk"),
                (Tier.FULL, 0.4, "sin", 4, 6, "last", 0.7, "ntk"),
                (Tier.FULL, 0.15, "gelu", 4, 6, "ends", 1.3, "plain"),
            )
        ),
        predict=_rate,
        measure=_measure_rate,
        counterfeits=(
            Counterfeit("the formula of small layers, O(1) scales put in", _small_formula, nearest=True),
            _with_exponent(
                "r + (q-1) l, every layer counted",
                lambda case, pair: case.integer("r") + (drift.order(case) - 1.0) * pair,
            ),
            _with_exponent(
                "L + (q-1) l, as with all layers small",
                lambda case, pair: case.integer("L") + (drift.order(case) - 1.0) * pair,
            ),
            *SHARED[:2],
        ),
    ),
)
