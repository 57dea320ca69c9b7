"""T6: the escape exponent from He-normal starts, wherever the small layers lie: an equivalence test on paired seeds."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.hypotheses import leaves_the_origin_at_first_order, smooth_at_the_origin
from verify.values import Budget, Evidence, Measurement, Prediction

# THEORY section 4, exponent protocol: eps_k = .01 2^-k, 8 paired seeds, N = 16, d = 8, batch 64, half of the loss.
LADDER = tuple(0.01 * 2.0**-k for k in range(5))
# With one small layer the plain slope of t is itself of order eps, and so is its scatter over seeds: a ladder ten times
# lower costs nothing there (t does not grow) and leaves the seeds ten times less to disagree about.
LADDER_OF_ONE = tuple(eps / 10 for eps in LADDER)
SEEDS = 8
RULE = "loss:0.5"

ASSUMES = (
    smooth_at_the_origin("activation"),
    leaves_the_origin_at_first_order("activation"),
    Hypothesis("He-normal start, the r small layers multiplied by eps, the same draw at every eps"),
    Hypothesis("Gamma = |E[y x]| > 0 on the batch: the teacher is the student's activation of v.x"),
)


def _small(case: Case) -> tuple[int, ...]:
    """The small layers: the first r unless the case names others."""
    named = dict(case.parameters).get("small")
    if named is None:
        return tuple(range(1, case.integer("r") + 1))
    return tuple(int(layer) for layer in str(named).split("-"))


def _measure(case: Case, context: Context) -> Measurement:
    import numpy as np

    import numeric

    # Distinct seeds for distinct cases; 31 bits are what the generators take.
    first = context.seed % 2**31
    r, seeds = len(_small(case)), range(first, first + SEEDS)
    ladder = LADDER if r > 1 else LADDER_OF_ONE
    activation = numeric.activation(case.word("activation"))

    def slopes(rtol: float) -> tuple[numeric.PairedSlopes, tuple[float, ...]]:
        options = numeric.FlowOptions(rtol=rtol, device=context.device)
        run = numeric.off_manifold_escape_times(
            activation, case.integer("L"), _small(case), ladder, seeds, escape=RULE, options=options
        )
        # Plain slopes at r = 1, where t tends to a constant; differences beyond, where a constant would hide the power.
        times = run.escape_times.numpy()
        return numeric.paired_slopes(ladder, times, differences=r > 1), tuple(
            np.exp(np.log(times).mean(axis=0)).tolist()
        )

    (fine, times), (coarse, _) = slopes(1e-4), slopes(1e-3)
    bound = numeric.equivalence_bound(fine, 0.0)  # the deviation from a prediction is the judge's part, not ours
    discretisation = abs(bound.mean - math.fsum(coarse.last) / max(len(coarse.last), 1)) + bound.numerical_error
    uncertainty = bound.uncertainty + discretisation
    half = numeric.EQUIVALENCE_BOUND / 2
    return Measurement(
        bound.mean,
        f"mean last slope of {bound.seeds} paired seeds, eps = {ladder[-2]:.3g} to {ladder[-1]:.3g}, {RULE}; "
        f"half width {bound.half_width:.1e}, drift {bound.drift:.1e}",
        "power of eps",
        Budget(discretisation=discretisation, sampling=bound.half_width, finite_eps=bound.drift),
        # Where the judge says "holds", |mean - p| is at most the uncertainty u, so that U = |mean - p| + u <= 2 u: with
        # u <= .05 / 2 that is the protocol's U <= .05. A rival one away is then at least 1 - .025 - .025 > 1/2 clear,
        # which is the protocol's margin for calling it refuted.
        problem=_problem(bound.missing, uncertainty, half),
        # For the figure: geometric means over the seeds, and the bound of the protocol on every deviation.
        series={"eps": ladder, "t": times, "equivalence bound": (numeric.EQUIVALENCE_BOUND,)},
    )


def _problem(missing: int, uncertainty: float, most: float) -> str:
    if missing:
        return f"{missing} of the members did not escape: an exponent is not read off a selection"
    if not uncertainty <= most:
        return f"scatter and drift are {uncertainty:.3f}, above {most:.3f}: no equivalence test is possible"
    return ""


def _exponent(case: Case) -> Prediction:
    import symbolic

    r = case.integer("r")
    return Prediction(symbolic.escape_exponent(r), f"-max(r - 2, 0), r = {r}", "power of eps")


def _rival(exponent: Callable[[Case], float]) -> Callable[[Case, Prediction], Prediction | None]:
    return lambda case, truth: None if exponent(case) == truth.value else Prediction(exponent(case))


def _tier(activation: str, r: int) -> Tier:
    if (activation, r) == ("linear", 3):
        return Tier.SMOKE
    # About a third of the table: every activation, every r at least once.
    chosen = {("tanh", 3), ("gelu", 4), ("linear", 1), ("tanh", 2), ("gelu", 5), ("tanh", 8)}
    return Tier.STANDARD if (activation, r) in chosen else Tier.FULL


_SECONDS = {"linear": 0.6, "tanh": 1.0, "gelu": 1.5}

CLAIMS = (
    Claim(
        id="off-manifold.exponent",
        theorem="T6",
        title="escape exponent from He starts",
        latex=r"\tau_\star = \Theta(\varepsilon^{-\max(r-2,\,0)}) \text{ from He-normal starts}",
        plain="From He-normal starts with r small layers the escape time has the exponent -max(r-2, 0), for linear"
        " nets, tanh and GELU alike.",
        source="authors' write-up, section Off-Manifold; protocol of THEORY section 4",
        reading=Reading.AS_PRINTED,
        evidence=Evidence.STATISTICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=ASSUMES,
        depends=("critical-depth.exponent", "off-manifold.inequality.overlap"),
        cases=tuple(
            case(_tier(activation, r), _SECONDS[activation], activation=activation, r=r, L=8)
            for activation in ("linear", "tanh", "gelu")
            for r in (1, 2, 3, 4, 5, 8)
        ),
        predict=_exponent,
        measure=_measure,
        counterfeits=(
            Counterfeit("exponent -(r-1)", _rival(lambda case: 1 - case.integer("r")), nearest=True),
            Counterfeit("exponent -(L-2), depth in place of r", _rival(lambda case: 2 - case.integer("L"))),
            Counterfeit("exponent -(r-3)", _rival(lambda case: min(0, 3 - case.integer("r")))),
            Counterfeit("half the exponent", _rival(lambda case: min(0.0, 1 - case.integer("r") / 2))),
        ),
    ),
    Claim(
        id="off-manifold.placement",
        theorem="T6",
        title="escape exponent, small layers anywhere",
        latex=r"\tau_\star = \Theta(\varepsilon^{-(r-2)}) \text{ wherever the } r \text{ small layers lie}",
        plain="The exponent counts the small layers; it does not ask where they lie, nor whether they are neighbours.",
        source="authors' write-up, Theorem 2 and section Off-Manifold; protocol of THEORY section 4",
        reading=Reading.AS_PRINTED,
        evidence=Evidence.STATISTICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(
            *ASSUMES,
            Hypothesis("the case names r different layers", lambda case: len(set(_small(case))) == case.integer("r")),
        ),
        depends=("off-manifold.exponent",),
        cases=(
            case(Tier.SMOKE, 0.6, activation="linear", r=3, L=6, small="3-4-5"),
            case(Tier.STANDARD, 2.0, activation="gelu", r=3, L=8, small="6-7-8"),
            case(Tier.STANDARD, 1.0, activation="tanh", r=4, L=8, small="1-3-5-7"),
            case(Tier.FULL, 1.0, activation="tanh", r=3, L=8, small="1-4-8"),
            case(Tier.FULL, 1.0, activation="tanh", r=2, L=8, small="4-5"),
            case(Tier.FULL, 2.1, activation="gelu", r=5, L=8, small="2-4-5-7-8"),
        ),
        predict=_exponent,
        measure=_measure,
        counterfeits=(
            Counterfeit("exponent -(r-1)", _rival(lambda case: 1 - case.integer("r")), nearest=True),
            Counterfeit("the last small layer's place in place of r", _rival(lambda case: 2 - max(_small(case)))),
            Counterfeit(
                "only neighbouring small layers count",
                _rival(lambda case: min(0, 2 - _longest_run(_small(case)))),
            ),
        ),
    ),
)


def _longest_run(layers: tuple[int, ...]) -> int:
    longest = run = 1
    for before, after in pairwise(layers):
        run = run + 1 if after == before + 1 else 1
        longest = max(longest, run)
    return longest
