"""What the claims on the critical-depth law share: the nets, the ladder, the measured and the predicted times (T5).

A net is read off a case: ``activation`` (``s`` where some cases have none), ``r`` small layers of ``L``; ``placement``
(first, last, spread; default first), ``scales`` of the other layers (ones, mixed; default ones), ``N`` (default 64),
``parameterisation`` (default ntk). Times are gradient-flow times, eps is X_l in ntk and F_l in plain.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from verify.claim import Case, Hypothesis
from verify.hypotheses import leaves_the_origin_at_first_order, smooth_at_the_origin
from verify.values import Budget, Measurement, Prediction

# Both ends of every slope at or below 1e-3; three rungs, because a difference of times needs two and a slope three.
LADDER = tuple(1e-3 * 2.0**-k for k in range(3))
# For the figures only: more rungs above the ladder, a few more rows of the same batch, of which nothing is decided.
SHOWN = tuple(1e-3 * 2.0**k for k in range(5, 0, -1)) + LADDER
RULE = "loss:0.5"
WIDTH = 64
# Scales of order one, not equal to each other, whose product is not 1.
MIXED = (0.8, 1.3, 0.9, 1.1, 0.7, 1.4)

ASSUMES = (
    smooth_at_the_origin("activation"),
    leaves_the_origin_at_first_order("activation"),
    Hypothesis("all r bottleneck layers start at the scale eps, the others at order one"),
    Hypothesis("Gamma = |E[y x]| > 0: the teacher is the student's activation, beta = 1"),
    Hypothesis("positive alignment: K prod X_l(0) > 0"),
)


@dataclass(frozen=True)
class Net:
    """One net with its bottleneck: plain data, which both witnesses are given."""

    activation: str
    depth: int
    small: tuple[int, ...]
    scales: tuple[float, ...]
    width: int
    parameterisation: str

    @property
    def r(self) -> int:
        """The number of small layers."""
        return len(self.small)

    def leading(self, eps: float) -> float:
        """int_eps^1 y^{-(r-1)} dy without its constant: -eps, log(1/eps) or eps^{2-r}/(r-2)."""
        if self.r == 2:
            return math.log(1 / eps)
        return eps ** (2 - self.r) / (self.r - 2)


def placed(placement: str, r: int, depth: int) -> tuple[int, ...]:
    """The r small layers of a net, counted from 1; ``ValueError`` if it has fewer layers."""
    if not 1 <= r <= depth:
        raise ValueError(f"a net of {depth} layers has no {r} small ones")
    if placement == "first":
        return tuple(range(1, r + 1))
    if placement == "last":
        return tuple(range(depth - r + 1, depth + 1))
    if placement == "spread":  # from the second layer on, so that the first one is of order one, evenly up to the last
        return tuple(2 + (k * (depth - 2)) // max(r - 1, 1) for k in range(r)) if r < depth else placed("first", r, r)
    raise ValueError(f"unknown placement {placement!r}")


def net_of(case: Case, **changes: object) -> Net:
    """The net of a case."""
    known = dict(case.parameters)
    depth, r = case.integer("L"), case.integer("r")
    net = Net(
        activation=str(known["activation"] if "activation" in known else known["s"]),
        depth=depth,
        small=placed(str(known.get("placement", "first")), r, depth),
        scales=MIXED[:depth] if known.get("scales") == "mixed" else (1.0,) * depth,
        width=int(known.get("N", WIDTH)),
        parameterisation=str(known.get("parameterisation", "ntk")),
    )
    return replace(net, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Times:
    """Escape times on a ladder of eps, their error estimates, and what went wrong ("" if nothing)."""

    values: tuple[float, ...]
    errors: tuple[float, ...]
    problem: str


def measured_times(net: Net, rule: str = RULE, ladder: Sequence[float] = LADDER) -> Times:
    """The flow of the layer scales, run from every rung of the ladder."""
    import numeric

    model = numeric.ManifoldModel(net.activation, net.depth, net.width, net.parameterisation)
    scales = [1.0 if layer in net.small else net.scales[layer - 1] for layer in range(1, net.depth + 1)]
    starts = numeric.bottleneck_starts(ladder, net.depth, net.small, scales)
    escape = numeric.manifold_escape(model, starts, rule, small=net.small)
    stuck = [status for status in escape.status if status is not numeric.RunStatus.ESCAPED]
    return Times(tuple(escape.times.tolist()), tuple(escape.errors.tolist()), stuck[0].advice if stuck else "")


def measured_slope(net: Net, rule: str = RULE) -> tuple[float, float, str]:
    """The slope of ln[t(eps/2) - t(eps)] at the end of the ladder, its error, and the problem.

    An additive constant, which the escape rule fixes, drops out of the difference.
    """
    return slope_of(measured_times(net, rule))


def slope_of(times: Times) -> tuple[float, float, str]:
    """The same from times that are already measured."""
    import numeric

    if times.problem:
        return math.nan, math.nan, times.problem
    slopes = numeric.difference_slopes(LADDER, times.values, times.errors)
    return slopes.last, slopes.last_error, ""


def measured_rate(net: Net, rule: str = RULE) -> tuple[float, float, str]:
    """The growth of the leading integral over that of the time, its error, and the problem."""
    times = measured_times(net, rule)
    if times.problem:
        return math.nan, math.nan, times.problem
    gained = times.values[-1] - times.values[-2]
    rate = (net.leading(LADDER[-1]) - net.leading(LADDER[-2])) / gained
    return rate, abs(rate / gained) * (times.errors[-1] + times.errors[-2]), ""


def times_and_slopes(times: Times) -> dict[str, tuple[float, ...]]:
    """Series of the figures from times on `SHOWN`: ``eps``, ``t``; ``slope at eps``, ``slope`` (see `slope_of`)."""
    import numeric

    slopes = numeric.difference_slopes(SHOWN, times.values, times.errors)
    return {"eps": SHOWN, "t": times.values, "slope at eps": slopes.scales, "slope": slopes.values}


@dataclass(frozen=True)
class Expansion:
    """K_eff t as the symbolic witness predicts it, without the constant: (coefficient, power of eps, power of log)."""

    net: Net
    rate: float
    terms: tuple[tuple[float, int, int], ...]
    omitted_power: int

    def value(self, eps: float) -> float:
        """The predicted part of K_eff t."""
        return math.fsum(c * eps**power * math.log(1 / eps) ** logs for c, power, logs in self.terms)

    def gain(self, eps: float) -> float:
        """K_eff [t(eps/2) - t(eps)]; the constant drops out."""
        return self.value(eps / 2) - self.value(eps)

    def omitted(self, eps: float) -> float:
        """The next omitted term of K_eff t, relative to the gain.

        The omitted term is (B eps)^n, see `scale`, with the logarithm that it may carry.
        """
        order = self.omitted_power + self.net.r - 2
        return self.correction(order, eps) * math.log(1 / eps) / abs(self.gain(eps))

    def correction(self, order: int, y: float, scale: float = 0.0) -> float:
        """Size of the correction of K_eff t of relative order ``order`` at the scale y: (B y)^order y^{2-r}/(r-2).

        scale: B where the orders that are known need a larger one than `scale`.
        """
        r = self.net.r
        return (max(self.scale, scale) * y) ** order * y ** (2 - r) / max(r - 2, 1)

    @property
    def scale(self) -> float:
        """B: a correction of relative order n is about (B y)^n.

        The largest that the predicted corrections need, or the inverse of the scale at which the overlap E[y yhat] =
        (K_eff / c^2) y^r reaches one, where the flow saturates.
        """
        r, mobility = self.net.r, 1.0 if self.net.parameterisation == "plain" else 1.0 / self.net.width
        lead = 1.0 / max(r - 2, 1)
        known = [math.pow(abs(c / lead), 1 / (power + r - 2)) for c, power, _ in self.terms if power > 2 - r]
        return max(math.pow(self.rate / mobility, 1 / r), *known, 0.0)

    def slope(self) -> Prediction:
        """The slope that `measured_slope` reads, corrections included; ``ValueError`` for r = 1."""
        if self.net.r < 2:
            raise ValueError(
                "with one small layer the times tend to a constant, and their differences are no power law"
            )
        exponent = 2 - self.net.r
        value, missing = self.slope_from(LADDER[-3])
        text = f"exponent {exponent}, {value - exponent:+.3g} from the next orders at eps = {LADDER[-2]:g}"
        return Prediction(value, text, "power of eps", Budget(finite_eps=missing), self.curves())

    def slope_from(self, eps: float) -> tuple[float, float]:
        """The slope between the gains at eps and eps/2, and what the omitted terms may change of it."""
        before, last = self.gain(eps), self.gain(eps / 2)
        # ln(gain) moves by at most the omitted part of either gain.
        return math.log(last / before) / math.log(0.5), (self.omitted(eps) + self.omitted(eps / 2)) / math.log(2)

    def curves(self) -> dict[str, tuple[float, ...]]:
        """Series of the figures: the leading law and the corrected one, without the constant of the escape rule.

        ``line eps``, ``leading t``, ``corrected t``; ``predicted slope at eps``, ``predicted slope``, ``slope budget``,
        on those rungs where the predicted gains are positive and the omitted terms smaller than what they correct.
        """
        times = [(eps, self.net.leading(eps) / self.rate, self.value(eps) / self.rate) for eps in SHOWN]
        rungs = [eps for eps in SHOWN[:-2] if min(self.gain(eps), self.gain(eps / 2)) > 0 and self.omitted(eps) < 1]
        # The place of a slope is the geometric mean of the scales of its two gains.
        slopes = [(eps / math.sqrt(2), *self.slope_from(eps)) for eps in rungs]
        named = {"line eps": 0, "leading t": 1, "corrected t": 2}
        curves = {name: tuple(row[k] for row in times) for name, k in named.items()}
        named = {"predicted slope at eps": 0, "predicted slope": 1, "slope budget": 2}
        return curves | {name: tuple(row[k] for row in slopes) for name, k in named.items()}

    def clock(self) -> Prediction:
        """The rate that `measured_rate` reads, corrections included."""
        eps = LADDER[-2]
        gained = self.net.leading(eps / 2) - self.net.leading(eps)
        value = self.rate * gained / self.gain(eps)
        text = f"K_eff = {self.rate:.9g}, {value / self.rate - 1:+.3g} from the next orders at eps = {eps:g}"
        return Prediction(value, text, "1/time", Budget(finite_eps=value * self.omitted(eps)))


@functools.cache
def expansion(net: Net) -> Expansion:
    """The symbolic witness's expansion of one net; ``ValueError`` where the law does not speak of it."""
    import symbolic

    escape = symbolic.predict_escape(
        symbolic.activation(net.activation),
        net.depth,
        net.small,
        LADDER[-1],
        net.width,
        net.parameterisation,
        net.scales,
    )
    terms = tuple((float(t.coefficient), t.eps_power, t.log_power) for t in escape.terms if t.coefficient is not None)
    return Expansion(net, float(escape.K_eff), terms, escape.remainder_power)


def of_all(predictions: dict[str, Prediction], text: str = "") -> Prediction:
    """Several predictions as one, judged together within the largest of their budgets."""
    widest = max((p.budget for p in predictions.values()), key=lambda budget: budget.total)
    first = next(iter(predictions.values()))
    values = {name: float(p.value) for name, p in predictions.items()}  # type: ignore[arg-type]
    return Prediction(values, text or first.text, first.unit, widest)


def measured_all(readings: dict[str, tuple[float, float, str]], text: str, unit: str) -> Measurement:
    """Several readings (value, error, problem) as one measurement."""
    problem = next((p for _, _, p in readings.values() if p), "")
    if problem:
        return Measurement(math.nan, problem=problem)
    return Measurement(
        {name: value for name, (value, _, _) in readings.items()},
        text,
        unit,
        Budget(discretisation=max(error for _, error, _ in readings.values())),
    )


def shifted(truth: Prediction, shift: float) -> Prediction:
    """The same prediction with ``shift`` added to every value."""
    if isinstance(truth.value, dict):
        return replace(truth, value={name: value + shift for name, value in truth.value.items()})
    return replace(truth, value=truth.value + shift)  # type: ignore[operator]


def multiplied(truth: Prediction, factor: float) -> Prediction:
    """The same prediction times ``factor``."""
    if isinstance(truth.value, dict):
        return replace(truth, value={name: value * factor for name, value in truth.value.items()})
    return replace(truth, value=truth.value * factor)  # type: ignore[operator]
