"""The time between two thresholds of one small layer, with every order of the saddle that precedes the self term.

The flow of `symbolic.expansion_series` is known order by order in Y, the geometric mean of the small layers, and so is
delta_l = log(X_l/Y). A threshold X_l = theta is therefore a value of Y, and K_eff t between two such values is the
integral of y^{1-r}/B. The self term E[yhat^2] enters at relative order r: orders 1 ... r - 1 are complete here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import flint

from symbolic.activations import Activation
from symbolic.certified_values import Scalar, network_constants, positive_fraction
from symbolic.chains import working_bits
from symbolic.expansion_series import clock_and_imbalances
from symbolic.scale_series import ScaleSeries

Terms = dict[tuple[int, int, int], float]
"""{(power of eps, power of w, power of log w): coefficient}, w = Y/eps."""
MOST_ITERATIONS = 100


@dataclass(frozen=True)
class ThresholdTime:
    """K_eff [t(X_l = theta_2) - t(X_l = theta_1)] = ``scaled_time``, and what it leaves out.

    rate: K_eff. order: the first relative order in Y that is left out. scale: B, such that the known correction of
    relative order n is at most (B Y)^n between the two thresholds; 0 where there is none.
    """

    rate: float
    scaled_time: float
    order: int
    scale: float


def threshold_time(
    activation: Activation,
    depth: int,
    small: Sequence[int] | int | None,
    eps: Scalar,
    thresholds: tuple[Scalar, Scalar],
    width: int = 64,
    parameterisation: str = "ntk",
    scales: Sequence[Scalar] | None = None,
    layer: int | None = None,
) -> ThresholdTime:
    """The time that ``layer`` (the first small one by default) takes from one threshold to the other.

    All small layers start at eps, the others at ``scales`` (1 by default); arguments as in `predict_escape`.
    ValueError when the hypotheses of the law fail, for a layer that is not small, or unless
    eps < thresholds[0] < thresholds[1] with all three below the scale at which the series ends.
    """
    constants = network_constants(activation, depth, small, width, parameterisation, scales)
    net = constants.net
    read = net.first if layer is None else layer
    if read not in net.small:
        raise ValueError(f"a threshold of a small layer, one of {net.small}, got layer {read}")
    start = float(positive_fraction(eps, "eps"))
    ends = tuple(float(positive_fraction(theta, "threshold")) for theta in thresholds)
    if not start < ends[0] < ends[1]:
        raise ValueError(f"expected eps < the first threshold < the second, got {start:g}, {ends[0]:g}, {ends[1]:g}")
    order = len(net.small) - 1
    with flint.ctx.workprec(working_bits(30)):
        rate = float(constants.effective_rate().mid())
        clock, deltas = clock_and_imbalances(net, constants, order)
        slowness, imbalance = _floats(clock), _floats(deltas[read])
    growths = [_growth_at(imbalance, start, theta) for theta in ends]
    power = 2 - len(net.small)
    early, late = (_primitive(slowness, start, power, growth) for growth in growths)
    sizes = [
        abs(_value({k: c for k, c in terms.items() if k[0] == n}, start, growth)) ** (1 / n) / (start * growth)
        for n in range(1, order + 1)
        for terms in (slowness, imbalance)
        for growth in growths
    ]
    return ThresholdTime(rate, late - early, order + 1, max(sizes, default=0.0))


def _floats(series: ScaleSeries) -> Terms:
    return {key: float(value.mid()) for key, value in series.terms.items()}


def _value(terms: Terms, eps: float, growth: float) -> float:
    return math.fsum(c * eps**n * growth**p * math.log(growth) ** j for (n, p, j), c in terms.items())


def _growth_at(imbalance: Terms, eps: float, theta: float) -> float:
    """w = Y/eps with Y exp(delta(Y)) = theta, by iteration: delta is small and changes slowly."""
    growth = theta / eps
    for _ in range(MOST_ITERATIONS):
        delta = _value(imbalance, eps, growth)
        if abs(delta) > 1:  # a correction of the size of what it corrects
            break
        found = theta / eps * math.exp(-delta)
        if math.isclose(found, growth, rel_tol=1e-15):
            return found
        growth = found
    raise ValueError(f"the threshold {theta:g} is beyond the scale that the series reaches")


def _primitive(terms: Terms, eps: float, power: int, growth: float) -> float:
    """eps^power int_1^growth w^{power - 1} (sum of terms) dw, w = Y/eps; K_eff dt = y^{power - 1}/B dy."""
    log = math.log(growth)
    parts = []
    for (n, p, j), c in terms.items():
        rate = power + p
        if rate == 0:
            integral = log ** (j + 1) / (j + 1)
        else:
            # int w^{rate-1} log^j w dw by parts, the value at w = 1 being that of the last part
            signs = [(-1) ** i * math.perm(j, i) / rate ** (i + 1) for i in range(j + 1)]
            integral = growth**rate * math.fsum(s * log ** (j - i) for i, s in enumerate(signs)) - signs[j]
        parts.append(c * eps ** (power + n) * integral)
    return math.fsum(parts)
