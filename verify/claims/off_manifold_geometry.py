"""T6: preserved, not attracting. The spectrum on the plateau, and what does attract: aligned weights of rank one."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.hypotheses import leaves_the_origin_at_first_order, smooth_at_the_origin
from verify.values import Budget, Evidence, Measurement, Prediction

# --- the spectrum ----------------------------------------------------------------------------------------------------

# The scale y of the balanced point. The loss's own curvature and the activation's bend enter at relative order y, and
# y^(r-2) stays far above the rounding of the Hessian's entries.
SCALE = 1e-3


def _spectrum(case: Case, altered: str = "") -> Prediction:
    import symbolic

    r, width = case.integer("r"), case.integer("N")
    counts = {int(k): v for k, v in symbolic.plateau_spectrum((case.integer("d"), *(width,) * (r - 1), 1)).items()}
    if altered == "no balancing":
        # The r - 1 directions that unbalance the layers, taken for neutral ones.
        counts[-1] -= r - 1
        counts[0] += r - 1
    elif altered == "attracting":
        counts[-1] += counts.pop(1) - (r == 2)
        counts[r - 1] = 1
    elif altered == "time shift r":
        counts[r - 1] -= 1
        counts[r] = 1
    values = sorted(value for value, count in counts.items() for _ in range(count))
    text = ", ".join(f"{value}: {count}" for value, count in sorted(counts.items(), reverse=True))
    return Prediction({_name(k): float(v) for k, v in enumerate(values)}, f"eigenvalue: multiplicity = {text}")


def _name(index: int) -> str:
    return f"eigenvalue {index:03d}"


def _measure_spectrum(case: Case, context: Context) -> Measurement:
    import torch

    import numeric

    r, width, inputs = case.integer("r"), case.integer("N"), case.integer("d")
    activation = numeric.activation(case.word("activation"))
    net = numeric.uniform_network(r, width, inputs, activation)
    data = numeric.single_mode_population(activation, inputs)
    loss = numeric.network_loss(net, data)
    alpha = float(activation.derivative(torch.zeros((), dtype=torch.float64)))
    rate = float(data.correlation().norm()) * alpha ** (r - 1)

    def spectrum(scale: float) -> Any:
        weights = numeric.aligned_start(net, (scale,) * r, data.correlation()[0], (context.seed % 2**31,))
        hessian = numeric.dense_hessian(loss, [weight[0] for weight in weights])
        return torch.linalg.eigvalsh(-hessian) / (rate * scale ** (r - 2))

    values, wider = spectrum(SCALE), spectrum(2 * SCALE)
    # Of an error c y the values at y and 2 y differ by c y; order 1/2 bounds what is left at y with room to spare.
    drift = float((values - wider).abs().max()) / (math.sqrt(2) - 1)
    # Every entry is a sum over samples and units of terms of the size K y^(r-2).
    rounding = (values.numel() + data.samples) * torch.finfo(torch.float64).eps
    return Measurement(
        {_name(k): value for k, value in enumerate(values.tolist())},
        f"all {values.numel()} eigenvalues of -Hess/(K y^{r - 2}) of the full loss, y = {SCALE:g}, by autograd",
        "",
        Budget(finite_eps=drift, rounding=rounding),
    )


def _altered(name: str, altered: str, *, nearest: bool = False) -> Counterfeit:
    return Counterfeit(name, lambda case, _: _spectrum(case, altered), nearest=nearest)


# --- alignment -------------------------------------------------------------------------------------------------------

LADDER = tuple(1e-5 * 4.0**-k for k in range(4))
SEEDS = 6
# What it leaves is a hundredth of what a finite eps does.
RTOL = 1e-6
SHRINK = (LADDER[1] / LADDER[0]) ** 0.25
# Observed when the scale of layer 1 reaches eps^(1/2): halfway, on a logarithmic axis, between the start and escape.
HALFWAY = 0.5


def _alignment(
    case: Case, *, powers: tuple[float, float] | None = None, bend: float = 1.0, distance: float = 0.0
) -> Prediction:
    """Powers of eps in what is not yet of rank one, in what is not yet aligned, and in the distance to the manifold.

    A mode of eigenvalue lambda grows like y^lambda from size eps, so that relative to y = eps^k it has the size
    eps^((1-lambda)(1-k)); squared, lambda = 0 leaves layers of higher rank, lambda = -1 turns neighbours against each
    other, and lambda = 1 stays where it is. The bend of the activation enters at interface l at order y^((q-1) l).
    """
    import symbolic

    r = case.integer("r")
    order = symbolic.classify(symbolic.activation(case.word("activation"))).order
    slow, fast = sorted((v for v in symbolic.plateau_spectrum((2,) * (r + 1)) if v < 1), reverse=True)
    squared = powers or tuple(2 * (1 - float(v)) * (1 - HALFWAY) for v in (slow, fast))

    def least(power: float, layer: int) -> float:
        return power if order is None else min(power, 2 * HALFWAY * (order - 1) * bend * layer)

    hidden = min(r, case.integer("L") - 1)
    return Prediction(
        {f"rank of W_{layer}": least(squared[0], layer) for layer in range(1, hidden + 1)}
        | {f"alignment of W_{layer}, W_{layer + 1}": least(squared[1], layer) for layer in range(1, r)}
        | {"distance from the manifold": distance},
        "slowest mode below 1 of the plateau's spectrum, or the activation's bend",
        "power of eps",
    )


def _observed(case: Case, context: Context, rtol: float, ladder: tuple[float, ...]) -> dict[str, Any]:
    """What is observed, name -> array [eps, seed]. Raises RuntimeError if a member does not arrive."""
    import numpy as np
    import torch

    import numeric

    depth, r = case.integer("L"), case.integer("r")
    net = numeric.uniform_network(depth, 8, 6, numeric.activation(case.word("activation")))
    seeds = range(context.seed % 2**31, context.seed % 2**31 + SEEDS)
    data = numeric.single_mode_batches(net, seeds, 32)
    found: dict[str, list[list[float]]] = {}

    def note(name: str, values: Any) -> None:
        found.setdefault(name, []).append(torch.as_tensor(values, dtype=torch.float64).tolist())

    for eps in ladder:
        start = numeric.he_start(net, seeds, range(1, r + 1), eps)
        options = numeric.FlowOptions(rtol=rtol, method="dop853", device=context.device)
        # The clock says little where y grows fast: a scale is located to a fraction of the time, hence the tolerance.
        run = numeric.gradient_flow(net, start, data, escape=f"scale:{eps**HALFWAY!r}@1", options=options)
        late = [status for status in run.status if status is not numeric.RunStatus.ESCAPED]
        if late:
            raise RuntimeError(late[0].advice)
        pieces = [torch.linalg.svd(weight, full_matrices=False) for weight in run.weights[:r]]
        for layer, (_, sizes, _) in enumerate(pieces[: depth - 1], start=1):
            note(f"rank of W_{layer}", (sizes[:, 1:] ** 2).sum(-1) / (sizes**2).sum(-1))
        for layer, (below, above) in enumerate(pairwise(pieces), start=1):
            left, right = below[0][:, :, 0], above[2][:, 0, :]
            # 1 - |cos| without cancellation: half the squared distance of the unit vectors, of the better sign.
            sign = (left * right).sum(-1, keepdim=True).sign()
            note(f"alignment of W_{layer}, W_{layer + 1}", ((left - sign * right) ** 2).sum(-1) / 2)
        members = ([weight[m] for weight in run.weights] for m in range(SEEDS))
        note("distance from the manifold", [numeric.transverse_distance(weights)[0] for weights in members])
    return {name: np.array(rows) for name, rows in found.items()}


def _drift(values: Any) -> float:
    """How far the slopes of [eps, seed] move over the ladder, mean of the seeds.

    Two corrections may cancel between neighbours, hence the whole ladder; and they have either sign, so that in the
    slope of the means those of different seeds may cancel, hence seed by seed.
    """
    import numpy as np

    slopes = np.diff(np.log(values), axis=0) / np.diff(np.log(LADDER))[:, None]
    return float(np.abs(slopes - slopes[-1]).max(axis=0).mean())


def _measure_alignment(case: Case, context: Context) -> Measurement:
    import numeric

    try:
        fine, loose = _observed(case, context, RTOL, LADDER), _observed(case, context, 10 * RTOL, LADDER[-2:])
    except RuntimeError as stuck:
        return Measurement(math.nan, problem=str(stuck))
    slopes = {name: numeric.local_slopes(LADDER, values.mean(1)) for name, values in fine.items()}
    rough = {name: numeric.local_slopes(LADDER[-2:], values.mean(1)) for name, values in loose.items()}
    return Measurement(
        {name: rungs.last for name, rungs in slopes.items()},
        f"last local slope, eps = {LADDER[-2]:.2g} to {LADDER[-1]:.2g}, means of {SEEDS} seeds, at X_1 = eps^(1/2)",
        "power of eps",
        Budget(
            discretisation=max(abs(rungs.last - rough[name].last) for name, rungs in slopes.items()),
            # What is left is of order eps^(1/2), y where it is observed, or smaller; 1/4 bounds it with room to spare.
            finite_eps=max(_drift(values) for values in fine.values()) * SHRINK / (1 - SHRINK),
        ),
    )


CLAIMS = (
    Claim(
        id="off-manifold.neutral-spectrum",
        theorem="T6",
        title="preserved, not attracting",
        latex=r"\mathrm{spec}\bigl(-\nabla^2\mathcal{L}/(K y^{r-2})\bigr) ="
        r" \{(r-1)^{1}, 1^{(N-1)(r-1)}, (-1)^{(r-1)+(N-1)(r-1)}, 0^{\ast}\}",
        plain="At the balanced aligned point the eigenvalues are r-1 once, 1 (N-1)(r-1) times, -1 N(r-1) times, else 0:"
        " transverse perturbations keep their distance relative to y.",
        source="THEORY section 4; the authors' write-up says preserved, not attracting, without a spectrum",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(
            smooth_at_the_origin("activation"),
            leaves_the_origin_at_first_order("activation"),
            Hypothesis("all layers small: r = L, scale y, balanced and aligned of rank one"),
        ),
        cases=(
            case(Tier.SMOKE, 0.6, activation="linear", r=3, N=3, d=2),
            case(Tier.STANDARD, 0.4, activation="gelu", r=4, N=2, d=2),
            case(Tier.STANDARD, 0.4, activation="tanh", r=3, N=3, d=2),
            case(Tier.STANDARD, 0.2, activation="silu", r=2, N=4, d=3),
            case(Tier.FULL, 2.0, activation="gelu", r=3, N=4, d=3),
        ),
        predict=_spectrum,
        measure=_measure_spectrum,
        counterfeits=(
            _altered("unbalanced layers stay so: N(r-1) - (r-1) times -1", "no balancing", nearest=True),
            _altered("the manifold attracts: -1 in place of +1", "attracting"),
            _altered("r in place of r-1", "time shift r"),
        ),
        indifferent={
            "r+1": "another number of layers has another number of eigenvalues, and nothing to compare them with",
            "r-1": "another number of layers has another number of eigenvalues, and nothing to compare them with",
        },
    ),
    Claim(
        id="off-manifold.rank-one-alignment",
        theorem="T6",
        title="what attracts: aligned weights of rank one",
        latex=r"1 - \sigma_1^2/\|W_l\|_F^2 \to 0,\quad |\cos\angle(u_l, v_{l+1})| \to 1 \quad (\varepsilon \to 0)",
        plain="As eps -> 0 the small layers become rank one and neighbours align, with the powers that the plateau's"
        " spectrum gives, while the distance from the symmetric manifold stays.",
        source="THEORY section 4; rates derived from the plateau's spectrum and the order q of phi",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(
            smooth_at_the_origin("activation"),
            leaves_the_origin_at_first_order("activation"),
            Hypothesis("the first r layers are small, He-normal times eps"),
            Hypothesis("r >= 3", lambda case: case.integer("r") >= 3),
        ),
        depends=("off-manifold.neutral-spectrum",),
        cases=(
            case(Tier.SMOKE, 0.6, activation="linear", r=3, L=4),
            case(Tier.STANDARD, 1.7, activation="gelu", r=3, L=5),
            case(Tier.STANDARD, 1.7, activation="tanh", r=4, L=4),
            case(Tier.FULL, 2.5, activation="silu", r=4, L=6),
        ),
        predict=_alignment,
        measure=_measure_alignment,
        counterfeits=(
            Counterfeit(
                "neighbours align no faster than layers become rank one",
                lambda case, truth: _differing(_alignment(case, powers=(1.0, 1.0)), truth),
                nearest=True,
            ),
            Counterfeit("measured at fixed y: powers 2 and 4", lambda case, _: _alignment(case, powers=(2.0, 4.0))),
            Counterfeit(
                "the manifold attracts: its distance falls, too",
                lambda case, _: _alignment(case, distance=1.0),
            ),
            Counterfeit(
                "the bend enters at y^(2 (q-1) l)",
                lambda case, truth: _differing(_alignment(case, bend=2.0), truth),
            ),
        ),
        indifferent={
            "r+1": "the powers do not depend on r, and another number of layers has other components",
            "r-1": "the powers do not depend on r, and another number of layers has other components",
        },
    ),
)


def _differing(altered: Prediction, truth: Prediction) -> Prediction | None:
    return None if altered.value == truth.value else altered
