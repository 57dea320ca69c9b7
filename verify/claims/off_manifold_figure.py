"""T6: the points of the paper's figure off the manifold, against the escape times of the same kind of nets."""

from __future__ import annotations

import math
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.paper_figures import Series, series
from verify.values import Budget, Evidence, Measurement, Prediction

DEPTH = 8
RULE = "loss:0.25"  # a drop by 75 %
SEEDS = 8
# Escape times to about three parts in ten thousand, where the points are read to eight per cent.
RTOL = 1e-3
OTHER = {3: 8, 5: 8, 8: 5}  # another series of the figure


def _points(r: int) -> Series:
    return series("off-manifold", f"r={r}")


def _slope(scales: tuple[float, ...], logs: Any) -> Any:
    """Least-squares slope of ln t on ln eps, along the last axis."""
    weights = _weights(scales)
    return sum(w * logs[..., k] for k, w in enumerate(weights))


def _weights(scales: tuple[float, ...]) -> list[float]:
    x = [math.log(eps) for eps in scales]
    mean = math.fsum(x) / len(x)
    return [(value - mean) / math.fsum((v - mean) ** 2 for v in x) for value in x]


def _paper(case: Case, r: int | None = None, factor: float = 1.0) -> Prediction:
    import numpy as np

    points = _points(case.integer("r") if r is None else r)
    logs = np.log(points.times) + math.log(factor)
    weights = _weights(points.scales)
    if case.word("quantity") == "slope":
        # Every point may be off by its reading error, the worst way round.
        reading = points.reading_error * math.fsum(abs(w) for w in weights)
        return Prediction(
            float(_slope(points.scales, logs)),
            "straight line through the paper's points",
            "power of eps",
            Budget(rounding=reading),
        )
    return Prediction(
        float(logs.mean()), "mean of ln t over the paper's points", "ln time", Budget(rounding=points.reading_error)
    )


def _escape_logs(case: Case, context: Context, width: int, inputs: int) -> Any:
    """ln t (seeds, points) for N = `width`, d = `inputs`, batch 2 N; NaN without escape."""
    import numeric

    r = case.integer("r")
    first = context.seed % 2**31
    run = numeric.off_manifold_escape_times(
        numeric.activation("tanh"), DEPTH, range(1, r + 1), _points(r).scales, range(first, first + SEEDS),
        width=width, inputs=inputs, batch=2 * width, escape=RULE,
        options=numeric.FlowOptions(rtol=RTOL, device=context.device),
    )  # fmt: skip
    return run.escape_times.log().numpy()


def _measure(case: Case, context: Context) -> Measurement:
    import numpy as np

    import numeric

    width, points = case.integer("N"), _points(case.integer("r"))
    logs, half = (
        _escape_logs(case, context, width, width // 4),
        _escape_logs(case, context, width // 2, width // 2),
    )
    if not bool(np.isfinite(logs).all() and np.isfinite(half).all()):
        return Measurement(math.nan, problem="a member did not escape")
    means = logs.mean(axis=0)
    ratios = np.exp(means - np.log(points.times))
    inside = int(((ratios < 1.5) & (ratios > 1 / 1.5)).sum())
    steps = np.diff(means) / np.diff(np.log(points.scales))
    if case.word("quantity") == "slope":
        values, others = _slope(points.scales, logs), _slope(points.scales, half)
    else:
        values, others = logs.mean(axis=1), half.mean(axis=1)
    return Measurement(
        float(values.mean()),
        f"tanh, L = {DEPTH}, N = {width}, d = {width // 4}, {RULE}: {inside} of {len(ratios)} points within 1.5, "
        f"ratios {ratios.min():.2f} to {ratios.max():.2f}; local slopes {steps[0]:.2f} (small eps) to {steps[-1]:.2f}",
        "power of eps" if case.word("quantity") == "slope" else "ln time",
        Budget(
            # Of our mean, and of the paper's: nobody says how many seeds it has, so at least one.
            sampling=numeric.student_half_width(values.tolist(), 0.99) + float(values.std(ddof=1)),
            # N and d are not published: what half the width and twice the inputs change.
            finite_width=abs(float(values.mean() - others.mean())),
        ),
        series={"eps": points.scales, "paper": points.times, "measured": tuple(np.exp(means).tolist())},
    )


CLAIMS = (
    Claim(
        id="off-manifold.figure",
        theorem="T6",
        title="the paper's points off the manifold",
        latex=r"\tau_\star(\varepsilon) \text{ at He-normal initialisation, } r = 3, 5, 8",
        plain="tanh nets of 8 layers, He-normal, the first r scaled by eps, escape at the order of magnitude of the"
        " times of the paper's figure, within the factor of two to four that its unpublished N, d and seeds leave open,"
        " and the straight lines through both have the same slope; it is no exponent, being biased by finite eps.",
        source="authors' write-up, figure of the section Off-Manifold; points read from it",
        reading=Reading.AS_PRINTED,
        evidence=Evidence.STATISTICAL,
        witnesses=(Witness.NUMERIC,),
        assumes=(
            Hypothesis("He-normal start, the first r of 8 layers scaled by eps, a drop of the loss by 75 %"),
            Hypothesis("N, d and the seeds of the figure are not published: d = N/4 is our choice", assumed=False),
        ),
        cases=(
            case(Tier.SMOKE, 0.3, r=3, N=16, quantity="slope"),
            case(Tier.STANDARD, 1.0, r=3, N=32, quantity="factor"),
            case(Tier.STANDARD, 1.2, r=8, N=32, quantity="factor"),
            case(Tier.FULL, 1.0, r=3, N=32, quantity="slope"),
            *(
                case(Tier.FULL, 5.8, r=r, N=64, quantity=quantity)
                for r in (3, 5, 8)
                for quantity in ("factor", "slope")
                # At r = 5 what N and d can change of the slope is a third of the distance to the slopes of the others.
                if (r, quantity) != (5, "slope")
            ),
        ),
        predict=_paper,
        measure=_measure,
        counterfeits=(
            Counterfeit(
                "descent steps of size .0001 in place of time",
                lambda case, _: _paper(case, factor=1e4) if case.word("quantity") == "factor" else None,
            ),
            Counterfeit(
                "the slope of another series",
                lambda case, _: _paper(case, r=OTHER[case.integer("r")]) if case.word("quantity") == "slope" else None,
                nearest=True,
            ),
        ),
    ),
)
