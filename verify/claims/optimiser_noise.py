"""T6: additive noise, which does not shrink with y as that of minibatches does, and its floor (THEORY section 4)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.claims import _optimiser
from verify.claims._optimiser import ASSUMES, LEVEL, LIMIT, RATE, THRESHOLD, substituted
from verify.values import Budget, Evidence, Measurement, Prediction

FLOOR_TOLERANCE = 1e-6  # relative, of the start with half the time; what it does to a slope is in the budget
NOISE = 0.01  # of the mean passage time, computed
LADDER = (1e-3, 5e-4, 2.5e-4)  # sigma, of the floor's exponent
# Sampled paths: a threshold of four floors is far enough for the drift to decide, and near enough to be reached soon.
PATH_NOISE, PATH_FLOORS, PATHS, PATH_STEPS = 0.01, 4.0, 5000, 300
# He nets that start far below the floor; each sigma a fifth of the one before. What is left of the drift goes like
# sigma^{2/r}.
NET_LADDER = {3: (0.004, 0.0008, 0.00016), 4: (0.05, 0.01, 0.002)}
NET_STEP, NET_START = 0.5, 1e-6  # the step at the smallest sigma
NET_SEEDS = 128


def _predict(case: Case) -> Prediction:
    import sympy

    import symbolic

    r, check = case.integer("r"), case.word("check")
    floor = symbolic.noise_floor(r)
    if r < 3:
        raise ValueError(f"the floor delays the escape for r >= 3 only, got {r}")
    if check in ("floor", "net"):
        expression = floor.scale if check == "floor" else floor.time
        sigma = next(symbol for symbol in expression.free_symbols if str(symbol) == "sigma")
        power = sympy.powdenest(expression, force=True).as_coeff_exponent(sigma)[1]
        return Prediction(
            float(power), f"{'eps_sigma' if check == 'floor' else 'tau'} = {expression}", "power of sigma"
        )
    noise = NOISE if check == "time" else PATH_NOISE
    values = {"K": RATE, "sigma": noise, "theta": _threshold(r, check)}
    escape = symbolic.noise_escape_time(r, 4)
    *kept, omitted = [substituted(term, **values) for term in escape.beyond_threshold]
    pure = substituted(escape.to_infinity / floor.time)
    return Prediction(
        substituted(escape.to_infinity, **values) - math.fsum(kept),
        f"{pure:.6g} tau, tau = {floor.time}, less the way beyond theta",
        "time",
        Budget(finite_eps=abs(omitted)),
    )


def _threshold(r: int, check: str) -> float:
    return THRESHOLD if check == "time" else PATH_FLOORS * (PATH_NOISE**2 / RATE) ** (1 / r)


def _measure(case: Case, context: Context) -> Measurement:
    return {"time": _time, "paths": _paths, "floor": _floor, "net": _net}[case.word("check")](case, context)


def _time(case: Case, _: Context) -> Measurement:
    import numeric

    (passage,) = numeric.mean_passage(case.integer("r"), RATE, NOISE, [0.0], THRESHOLD)
    return Measurement(
        passage.value,
        f"mean passage time from 0 to {THRESHOLD:g}, sigma = {NOISE}",
        "time",
        Budget(discretisation=passage.error),
    )


def _paths(case: Case, context: Context) -> Measurement:
    import numpy as np

    import numeric

    r = case.integer("r")
    threshold = _threshold(r, "paths")
    # A step is a small part of the time in which noise and drift balance: that is where the paths spend their time.
    step = threshold**2 / PATH_FLOORS**2 / PATH_NOISE**2 / PATH_STEPS
    fine, rough = numeric.sampled_passage(r, RATE, PATH_NOISE, threshold, step, PATHS, context.seed, LIMIT)
    if np.isnan([fine, rough]).any():
        return Measurement(math.nan, problem="a path did not arrive within the number of steps")
    # Passages between two steps are missed with an error of order sqrt(step): extrapolated, path by path.
    weight = 1 / (math.sqrt(2) - 1)
    sample = fine + weight * (fine - rough)
    return Measurement(
        float(sample.mean()),
        f"mean of {PATHS} paths of dy = K y^(r-1) dt + sigma dB from 0",
        "time",
        Budget(
            discretisation=weight * abs(float((fine - rough).mean())),
            sampling=numeric.student_half_width(sample, LEVEL),
        ),
        evidence=Evidence.STATISTICAL,
    )


def _floor(case: Case, _: Context) -> Measurement:
    """The start at which the mean time is half of the time from 0, as a power of sigma."""
    import numeric

    r = case.integer("r")
    floors = [_half_time_scale(r, sigma) for sigma in LADDER]
    slopes = numeric.local_slopes(LADDER, floors, [FLOOR_TOLERANCE * floor for floor in floors])
    return Measurement(
        slopes.last,
        f"d log(start with half the time)/d log(sigma), sigma = {LADDER[-1]:g}",
        "power of sigma",
        # theta enters through (floor/theta)^{r-2}, of order sigma^{2(r-2)/r}; half of that order bounds it with room.
        Budget(discretisation=slopes.last_error, finite_eps=numeric.finite_scale_error(slopes, order=(r - 2) / r)),
    )


def _half_time_scale(r: int, sigma: float) -> float:
    from scipy.optimize import brentq

    import numeric

    (whole,) = numeric.mean_passage(r, RATE, sigma, [0.0], THRESHOLD)

    def excess(log_start: float) -> float:
        (passage,) = numeric.mean_passage(r, RATE, sigma, [math.exp(log_start)], THRESHOLD)
        return float(passage.value / whole.value - 0.5)

    low = math.log(sigma)  # sigma < eps_sigma, as sigma < 1: far below the floor
    return math.exp(brentq(excess, low, math.log(THRESHOLD / 2), xtol=FLOOR_TOLERANCE))


def _net(case: Case, context: Context) -> Measurement:
    import numpy as np

    import numeric

    first = context.seed % 2**40
    r, depth = case.integer("r"), case.integer("L")
    seeds, ladder = range(first, first + NET_SEEDS), NET_LADDER[r]
    activation = numeric.activation(case.word("activation"))
    net = numeric.uniform_network(depth, 4, 3, activation, "plain")
    weights = numeric.he_start(net, seeds, tuple(range(1, r + 1)), NET_START)
    data = numeric.single_mode_batches(net, seeds, _optimiser.BATCH)
    logs = []
    for sigma in ladder:
        # A part of the time in which noise and force balance, sigma^2 t = y^2 with y^{r-2} t of order one. The force
        # being homogeneous while the layers are small, one seed then makes one path at every sigma, in other units: its
        # chance drops out of the slope. A time of another power shows in the number of steps.
        step = NET_STEP * (ladder[-1] / sigma) ** (2 * (r - 2) / r)
        optimiser = numeric.Optimiser("gd", step, noise=sigma)
        logs.append(np.log(step * numeric.real_steps(net, weights, data, optimiser, LIMIT, seeds=seeds)))
    slopes = np.diff(logs, axis=0) / np.diff(np.log(ladder))[:, None]
    if not np.isfinite(slopes).all():
        return Measurement(math.nan, problem="a net did not escape within the number of steps")
    last, previous = slopes[-1], slopes[-2]
    return Measurement(
        float(last.mean()),
        f"d log(t)/d log(sigma), mean of {NET_SEEDS} He nets, sigma = {ladder[-1]:g}, loss:0.5",
        "power of sigma",
        Budget(
            sampling=numeric.student_half_width(last, LEVEL),
            # What is left is of the order of the floor over the saturation scale, sigma^{2/r}; a drift shows it, up to
            # what the seeds leave open of the drift itself.
            finite_eps=abs(float((last - previous).mean())) + numeric.student_half_width(last - previous, 0.95),
        ),
        evidence=Evidence.STATISTICAL,
    )


def _rival(name: str, *, nearest: bool = False, **by_check: Callable[[int, float], float]) -> Counterfeit:
    def alter(case: Case, truth: Prediction) -> Prediction | None:
        other = by_check.get(case.word("check"))
        if other is None:
            return None
        value = other(case.integer("r"), float(truth.value))  # type: ignore[arg-type]
        return None if value == truth.value else Prediction(value, budget=truth.budget)

    return Counterfeit(name, alter, nearest)


def _powers(exponent: Callable[[int], float], noise: float) -> Callable[[int, float], float]:
    """The passage time with sigma^exponent in place of sigma^{-2(r-2)/r}."""
    return lambda r, truth: truth * noise ** (exponent(r) + 2 * (r - 2) / r)


def _all(exponent: Callable[[int], float], **more: Callable[[int, float], float]) -> dict[str, Any]:
    return {"time": _powers(exponent, NOISE), "paths": _powers(exponent, PATH_NOISE), **more}


CLAIMS = (
    Claim(
        id="optimiser.noise",
        theorem="T6",
        title="additive noise",
        latex=r"\varepsilon_\sigma = (\sigma^2/K)^{1/r},\quad \tau_\star \asymp \sigma^{-2(r-2)/r}"
        r"\ \text{for}\ \varepsilon \ll \varepsilon_\sigma",
        plain="Additive noise sets a floor eps_sigma; from below it the escape takes a number times sigma^(-2(r-2)/r).",
        source="THEORY section 4, discrete time and optimisers; the number is ours",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(
            Hypothesis("r >= 3", lambda case: case.integer("r") >= 3),
            *ASSUMES[:2],
            Hypothesis("white noise of constant size sigma; the start lies far below the floor"),
        ),
        depends=("optimiser.gd",),
        cases=(
            case(Tier.SMOKE, 0.1, check="time", r=3),
            case(Tier.STANDARD, 0.1, check="time", r=4),
            case(Tier.STANDARD, 0.1, check="time", r=5),
            case(Tier.FULL, 0.1, check="time", r=8),
            case(Tier.STANDARD, 1.4, check="floor", r=3),
            case(Tier.FULL, 1.4, check="floor", r=4),
            case(Tier.STANDARD, 1.7, check="paths", r=3),
            case(Tier.FULL, 1.0, check="paths", r=4),
            case(Tier.FULL, 5.0, check="net", r=3, L=3, activation="linear"),
            case(Tier.FULL, 5.5, check="net", r=4, L=4, activation="tanh"),
        ),
        predict=_predict,
        measure=_measure,
        counterfeits=(
            _rival(
                "exponent -2(r-2)/(r-1), floor (sigma^2/K)^(1/(r-1))",
                nearest=True,
                **_all(
                    lambda r: -2 * (r - 2) / (r - 1),
                    floor=lambda r, _: 2 / (r - 1),
                    net=lambda r, _: -2 * (r - 2) / (r - 1),
                ),
            ),
            _rival("the flow's exponent, for sigma", **_all(lambda r: 2.0 - r, net=lambda r, _: 2.0 - r)),
            _rival("no floor: the time does not depend on sigma", **_all(lambda _: 0.0, net=lambda *_: 0.0)),
            _rival("floor (sigma/K)^(1/r)", floor=lambda r, _: 1 / r),
            _rival("half the number", time=lambda _, truth: truth / 2, paths=lambda _, truth: truth / 2),
        ),
    ),
)
