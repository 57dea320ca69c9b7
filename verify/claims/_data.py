"""What the claims on the data share: covariances, teachers of several modes, their populations (THEORY section 6).

Directions and covariances are written as exact fractions, so that both witnesses read the same numbers; the input
dimension is 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from verify.claim import Case, Hypothesis
from verify.values import Budget, Measurement

Matrix = tuple[tuple[str, ...], ...]
Modes = tuple[tuple[str, tuple[str, ...]], ...]

COVARIANCES: dict[str, Matrix] = {
    "identity": (("1", "0"), ("0", "1")),
    "unequal": (("1", "0"), ("0", "4")),
    "correlated": (("1", "3/5"), ("3/5", "1")),
    "fourfold": (("4", "0"), ("0", "4")),  # every s_k is 2
}
# (amplitude, unit direction) of each mode.
TEACHERS: dict[str, Modes] = {
    "one": (("1", ("3/5", "4/5")),),
    "axis": (("1", ("0", "1")),),
    "axes": (("1", ("1", "0")), ("1/2", ("0", "1"))),
    "pair": (("1", ("1", "0")), ("1", ("3/5", "4/5"))),
    "opposed": (("1", ("3/5", "4/5")), ("-1/2", ("1", "0"))),
    "three": (("1", ("3/5", "4/5")), ("-1/2", ("1", "0")), ("3/2", ("5/13", "-12/13"))),
}

# Trapezoid in both directions. The weight is 4e-10 of its maximum at 6.6; tanh(2g) has its poles at distance pi/4 and
# the error is exp(-2 pi (pi/4)/.33) = 3e-7. Every measurement computes what the rule really does to its own data.
STEP, HALF_WIDTH = 0.33, 6.6
WIDTH = 4
SPAN = 10.0  # theta / eps, the one of the revised write-up: eps = .01, theta = .1
ALIGNED = Hypothesis("balanced, aligned start: W_l = eps u_l u_{l-1}^T with u_0 = E[y x] / Gamma")


def modes(case: Case, which: str = "") -> list[Any]:
    """The modes of the case's teacher (or of the one named), for the symbolic witness."""
    import symbolic

    return [symbolic.Mode.of(amplitude, v) for amplitude, v in TEACHERS[which or case.word("modes")]]


def covariance(case: Case, which: str = "") -> Matrix:
    """The case's covariance (or the one named), exact."""
    return COVARIANCES[which or case.word("covariance")]


def numbers(rows: Sequence[Sequence[str]]) -> list[list[float]]:
    """A matrix of exact fractions as floats."""
    return [[float(Fraction(x)) for x in row] for row in rows]


def gaussian_population(
    activation: Any,
    directions: Sequence[Sequence[float]],
    amplitudes: Sequence[float],
    sigma: Sequence[Sequence[float]],
    step: float = STEP,
    half_width: float = HALF_WIDTH,
) -> Any:
    """y = sum_k beta_k s(v_k.x), x ~ N(0, Sigma) in two dimensions, on a product grid of whitened coordinates."""
    import torch

    import numeric

    rule = numeric.trapezoid(half_width, step)
    grid, weights = numeric.product_quadrature(torch.tensor([1.0, 0.0], dtype=torch.float64), rule, rule)
    root = torch.linalg.cholesky(torch.tensor(sigma, dtype=torch.float64))
    return numeric.population(root @ grid, numeric.teacher(activation, directions, amplitudes), weights)


def case_population(case: Case, step: float = STEP, half_width: float = HALF_WIDTH) -> Any:
    """The population of the case's activation, modes and covariance."""
    import numeric

    teacher = TEACHERS[case.word("modes")]
    return gaussian_population(
        numeric.activation(case.word("activation")),
        numbers([v for _, v in teacher]),
        [float(Fraction(amplitude)) for amplitude, _ in teacher],
        numbers(covariance(case)),
        step,
        half_width,
    )


def quadrature_error(coarse: Any, fine: Any) -> float:
    """Relative change of E[y x] when the nodes of the quadrature are doubled in each direction, and the tail added."""
    exact = fine.correlation()
    return float((coarse.correlation() - exact).norm() / exact.norm())


def spread(mode: Any, sigma: Matrix) -> Fraction:
    """s_k^2 = v_k^T Sigma v_k, exact."""
    v = mode.direction
    return sum((v[i] * Fraction(sigma[i][j]) * v[j] for i in range(len(v)) for j in range(len(v))), start=Fraction(0))


def alpha(case: Case) -> float:
    """alpha = s'(0) of the case's activation, from its exact value."""
    import symbolic

    return float(symbolic.classify(symbolic.activation(case.word("activation"))).alpha)


def layers(case: Case) -> int:
    """L, which is r where the case does not say it."""
    return case.integer("L" if "L" in dict(case.parameters) else "r")


def clock(case: Case, eps: float, theta: float) -> float:
    """int_eps^theta y^{-(r-1)} dy / alpha^{L-1}: escape time times Gamma, in plain, other layers at scale 1."""
    import symbolic

    integral = symbolic.escape_integral(case.integer("r"))
    names = {str(symbol): symbol for symbol in integral.free_symbols}
    value = float(integral.subs({names["eps"]: eps, names["theta"]: theta}))
    return value / alpha(case) ** (layers(case) - 1)


def all_layers_small() -> Hypothesis:
    """r = L."""
    return Hypothesis("all r = L >= 2 layers start at the scale eps", lambda case: case.integer("r") >= 2)


def log_drift(value: float, halved: float) -> float:
    """Bound on the deviation of ``value``, taken at a scale, from the limit, by the value at half that scale.

    The deviation is c s^p with p >= 1 (p = q - 1, or L for a linear activation), of which halving the scale takes
    away the part 1 - 2^-p; order 1/2 bounds it, with room for what follows.
    """
    return abs(value - halved) / (1 - math.sqrt(0.5))


def log_times(case: Case, data: Any, eps: float, seed: int) -> tuple[list[float], float, str]:
    """ln of the times from scale eps to SPAN eps of every member, their largest error, and what went wrong.

    The start is balanced and aligned with E[y x]; layers beyond the first r, which are small, have scale 1.
    """
    import torch

    import numeric

    inputs, r = data.covariates.shape[-2], case.integer("r")
    net = numeric.uniform_network(layers(case), WIDTH, inputs, numeric.activation(case.word("activation")))
    scales = [eps] * r + [1.0] * (net.depth - r)
    starts = [numeric.aligned_start(net, scales, mean, (seed,)) for mean in data.correlation().reshape(-1, inputs)]
    flow = numeric.gradient_flow(
        net,
        [torch.cat(layer) for layer in zip(*starts, strict=True)],
        data,
        escape=f"scale:{SPAN * eps!r}@1",
        estimate_error=True,
    )
    stuck = flow.failures()
    if stuck:
        return [], math.nan, stuck[0]
    return flow.escape_times.log().tolist(), float((flow.error_estimates / flow.escape_times).max()), ""


def measure_times(case: Case, data: Any, quadrature: float, names: Sequence[str], eps: float, seed: int) -> Measurement:
    """Those times by name, with the drift to half the scale as the bound on what the leading order omits.

    quadrature: relative error of E[y x], 0 for a sample, whose mean it is.
    """
    times, error, problem = log_times(case, data, eps, seed)
    halved, other, also = log_times(case, data, eps / 2, seed)
    if problem or also:
        return Measurement(math.nan, problem=problem or also)
    # Halving eps and theta multiplies the leading time by 2^(r-2) exactly.
    shift = (case.integer("r") - 2) * math.log(2)
    drifts = [log_drift(late, early - shift) for late, early in zip(times, halved, strict=True)]
    return Measurement(
        dict(zip(names, times, strict=True)),
        f"ln of the time from scale {eps:g} to {SPAN * eps:g}, plain, N = {WIDTH}",
        "ln time",
        Budget(discretisation=error + other + quadrature, finite_eps=max(drifts)),
    )
