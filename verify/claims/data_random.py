"""T8: from a random start Gamma still sets the clock, calibrated once (THEORY section 6)."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.claims._data import COVARIANCES, TEACHERS, gaussian_population, log_drift, modes, numbers, quadrature_error
from verify.hypotheses import leaves_the_origin_at_first_order, smooth_at_the_origin
from verify.values import Budget, Evidence, Measurement, Prediction

WIDTH, SEEDS = 4, 8
EPS = 1e-4  # the error of the ratio vanishes with eps: the run at EPS/2 says how fast
# 1e-5 a case, that 20 full runs of true claims are not expected to alarm; Bonferroni over the held-out conditions.
LEVEL = 1 - 1e-5
CALIBRATED_ON = ("one", "identity")
HELD_OUT = (("axis", "unequal"), ("opposed", "identity"), ("three", "correlated"))
CONDITIONS = (CALIBRATED_ON, *HELD_OUT)
# Every seed, scale and condition carries its own grid, so it is coarser than that of the aligned starts; what that does
# to E[y x] is measured and enters the budget.
STEP, HALF_WIDTH = 0.6, 4.8
# The stretch that the theory speaks of. Beyond it a rare start meets a second plateau before a tenth of E[y^2] is
# explained, at twenty times the cost.
ESCAPE = "overlap:0.01"


def _population(case: Case, which: tuple[str, str], step: float = STEP, half_width: float = HALF_WIDTH) -> Any:
    import numeric

    teacher = TEACHERS[which[0]]
    return gaussian_population(
        numeric.activation(case.word("activation")),
        numbers([v for _, v in teacher]),
        [float(Fraction(amplitude)) for amplitude, _ in teacher],
        numbers(COVARIANCES[which[1]]),
        step,
        half_width,
    )


def _rotation(source: Any, target: Any) -> Any:
    """The rotation of the plane that turns ``source`` into the direction of ``target``."""
    import torch

    a, b = source / source.norm(), target / target.norm()
    cosine, sine = float(a @ b), float(a[0] * b[1] - a[1] * b[0])
    return torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64)


def _times(case: Case, seed: int) -> tuple[Any, float, str]:
    """Escape times (2 scales, seeds, conditions), the calibration first; their largest relative error; what went wrong.

    All in one ensemble: member (condition, scale, seed).
    """
    import torch

    import numeric

    populations = [_population(case, which) for which in CONDITIONS]
    means = [data.correlation()[0] for data in populations]
    net = numeric.uniform_network(case.integer("L"), WIDTH, 2, numeric.activation(case.word("activation")))
    small, scales = tuple(range(1, case.integer("r") + 1)), (EPS, EPS / 2)
    start = numeric.he_start(net, [seed + k for k in range(SEEDS)], small, scales)
    # A start of the wrong sign first shrinks and turns round; the last layer's sign makes the overlap positive.
    overlap = means[0][:, None]
    for weight in start:
        overlap = weight @ overlap
    start[-1] = start[-1] * overlap.sign()
    # W_1 R^T meets a condition's E[y x] as W_1 meets that of the calibration: equal initial overlap per Gamma.
    first = torch.cat([start[0] @ _rotation(means[0], mean).T for mean in means])
    weights = [first, *(weight.repeat(len(CONDITIONS), 1, 1) for weight in start[1:])]
    members = len(scales) * SEEDS
    data = numeric.Population(
        torch.stack([data.covariates for data in populations]).repeat_interleave(members, 0),
        torch.stack([data.targets for data in populations]).repeat_interleave(members, 0),
        populations[0].node_weights,
    )
    flow = numeric.gradient_flow(net, weights, data, escape=ESCAPE, estimate_error=True)
    if flow.failures():
        return None, math.nan, flow.failures()[0]
    times = flow.escape_times.reshape(len(CONDITIONS), len(scales), SEEDS).permute(1, 2, 0)
    return times.numpy(), float((flow.error_estimates / flow.escape_times).max()), ""


def _names() -> list[str]:
    return [f"ln ratio, {teacher}/{sigma}" for teacher, sigma in HELD_OUT]


def _measure(case: Case, context: Context) -> Measurement:
    """ln of the time over that of the calibration, mean over paired seeds."""
    import numeric

    times, error, problem = _times(case, context.seed % 2**31)
    if problem:
        return Measurement(math.nan, problem=problem)
    equal = [1.0] * len(CONDITIONS)
    here, halved = (numeric.calibrated_ratios(table, equal, level=LEVEL) for table in times)
    quadrature = [
        quadrature_error(_population(case, which), _population(case, which, STEP / 2, HALF_WIDTH + 2))
        for which in CONDITIONS
    ]
    return Measurement(
        {name: math.log(one.ratio) for name, one in zip(_names(), here, strict=True)},
        f"{SEEDS} seeds, eps = {EPS:g}, plain, N = {WIDTH}, {ESCAPE}, level 1 - {1 - LEVEL:.0e}",
        "ln",
        Budget(
            # A ratio has the errors of two times, and of two means.
            discretisation=2 * error + quadrature[0] + max(quadrature[1:]),
            sampling=max(math.log(one.high / one.ratio) for one in here),
            finite_eps=max(
                log_drift(math.log(one.ratio), math.log(two.ratio)) for one, two in zip(here, halved, strict=True)
            ),
        ),
    )


def _from_gammas(gammas: list[float], power: float = 1.0, text: str = "") -> Prediction:
    first, *others = gammas
    values = {name: power * math.log(first / gamma) for name, gamma in zip(_names(), others, strict=True)}
    return Prediction(values, text, "ln")


def _gammas(case: Case, *, printed: bool = False) -> list[float]:
    import symbolic

    activation = symbolic.activation(case.word("activation"))
    function = symbolic.alignment_as_printed if printed else symbolic.alignment
    return [float(function(activation, modes(case, teacher), COVARIANCES[sigma]).norm) for teacher, sigma in CONDITIONS]


def _predict(case: Case) -> Prediction:
    return _from_gammas(_gammas(case), text="ln(Gamma of the calibration / Gamma)")


def _printed(case: Case, _: Prediction) -> Prediction | None:
    printed, true = _gammas(case, printed=True), _gammas(case)
    # Where they agree, they do so to the rounding of a handful of operations.
    return None if all(map(lambda a, b: math.isclose(a, b, rel_tol=1e-13), printed, true)) else _from_gammas(printed)


def _lengths(case: Case, _: Prediction) -> Prediction:
    """The root of the sum of the squares of the modes' own Gamma."""
    import symbolic

    activation = symbolic.activation(case.word("activation"))

    def combined(teacher: str, sigma: str) -> float:
        own = [symbolic.alignment(activation, [mode], COVARIANCES[sigma]) for mode in modes(case, teacher)]
        return math.hypot(*(float(found.norm) for found in own))

    return _from_gammas([combined(*which) for which in CONDITIONS])


CLAIMS = (
    Claim(
        id="data.random-start",
        theorem="T8",
        title="Gamma after one calibration",
        latex=r"\tau_c / \tau_{\mathrm{ref}} \to \Gamma_{\mathrm{ref}} / \Gamma_c \quad (\varepsilon \to 0)",
        plain="From one random start, with W_1 turned along with E[y x], times on different data go like 1/Gamma.",
        source="authors' revised write-up, the data's contribution to the clock; THEORY section 6",
        reading=Reading.CORRECTED,
        evidence=Evidence.STATISTICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(
            smooth_at_the_origin("activation"),
            leaves_the_origin_at_first_order("activation"),
            Hypothesis(
                "r >= 3 of L layers start at the scale eps", lambda case: 3 <= case.integer("r") <= case.integer("L")
            ),
            Hypothesis("x ~ N(0, Sigma), Gamma = |E[y x]| > 0"),
            Hypothesis("positive initial overlap W_L ... W_1 E[y x]"),
            Hypothesis("the same He-normal seed in every condition, W_1 rotated with E[y x]"),
        ),
        depends=("data.gamma",),
        cases=tuple(
            case(tier, seconds, activation=activation, r=r, L=depth, calibrated_on="/".join(CALIBRATED_ON))
            for tier, seconds, activation, r, depth in (
                (Tier.SMOKE, 1.1, "tanh", 3, 3),
                (Tier.STANDARD, 2.0, "gelu", 3, 4),
                (Tier.FULL, 1.3, "tanh", 4, 4),
                (Tier.FULL, 1.4, "gelu", 3, 3),
                (Tier.FULL, 1.6, "silu", 4, 5),
                (Tier.FULL, 0.6, "linear", 3, 4),
            )
        ),
        predict=_predict,
        measure=_measure,
        counterfeits=(
            Counterfeit("h(1) outside the sum over modes", _printed, nearest=True),
            Counterfeit("1/Gamma^2", lambda case, _: _from_gammas(_gammas(case), power=2.0)),
            Counterfeit("the data do not matter", lambda case, _: _from_gammas(_gammas(case), power=0.0)),
            Counterfeit("root of the sum of squares over modes", _lengths),
        ),
    ),
)
