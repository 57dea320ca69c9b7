"""T4: the symmetric manifold is invariant, and the matrix flow on it is the ODE of its layer scales (THEORY T4)."""

from __future__ import annotations

import math
from typing import Any, Literal

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.hypotheses import smooth_at_the_origin
from verify.values import Budget, Evidence, Form, Measurement, Prediction

Altered = Literal["not-normalised", "fan-in-only", "wrong-gain"]

ASSUMES = (
    Hypothesis("W_1 = const 1 v^T, W_l = const 1 1^T for l >= 2, W_L = const 1^T"),
    Hypothesis("the expectation over the directions orthogonal to v is exact"),
)


def _is_proof(case: Case) -> bool:
    return case.word("check") == "proof"


def _sides(case: Case, reading: Literal["exact"] | Altered = "exact") -> Any:
    import symbolic

    depth = case.integer("L")
    return symbolic.manifold_tangency(depth, case.integer("l"), (case.integer("N"),) * (depth - 1), reading=reading)


def _tangent(case: Case, reading: Literal["exact"] | Altered = "exact") -> Prediction:
    if _is_proof(case):
        return Prediction(Form(_sides(case, reading).claimed), "G_l[i,j] = (dLoss/dF_l) / sqrt(n_l n_{l-1})")
    depth, width = case.integer("L"), case.integer("N")
    import symbolic

    # |G_l|_F / |dLoss/dX_l| is the square root of the mobility; an entry without its division by n_l n_{l-1} is that
    # many times larger, one divided by the fan-in alone n_l times.
    mobilities = symbolic.reduced_system((width,) * (depth - 1), "ntk").mobility
    n = (1, *(width,) * (depth - 1), 1)
    factors = {
        "exact": [1] * depth,
        "not-normalised": [n[k] * n[k + 1] for k in range(depth)],
        "fan-in-only": list(n[1:]),
    }[reading]
    ratios = {f"|G_{k + 1}|": factors[k] * math.sqrt(mobilities[k]) for k in range(depth)}
    return Prediction({**ratios, "normal part": 0.0}, "|G_l|_F / |dLoss/dX_l|, and |normal part| / |G|")


def _measure_tangent(case: Case, context: Context) -> Measurement:
    if _is_proof(case):
        measured = _sides(case).measured
        return Measurement(Form(measured), f"{len(measured)} monomials by differentiation of the composed loss")
    import numpy as np
    import torch

    import numeric

    depth, width = case.integer("L"), case.integer("N")
    activation = numeric.activation("gelu")
    net = numeric.uniform_network(depth, width, 2, activation, "ntk")
    data = numeric.single_mode_population(activation, inputs=2)
    scales = np.random.default_rng(context.seed).uniform(0.3, 1.2, depth)
    split = numeric.manifold_gradient(net, scales.tolist(), torch.tensor([1.0, 0.0]), data)
    model = numeric.ManifoldModel("gelu", depth, width)
    slopes = np.abs(model.rates(scales) / model.mobilities)
    ratios = (split.tangent.numpy() / slopes).tolist()
    normal = float(split.normal.norm() / split.tangent.norm())
    # A gradient is a sum over nodes and units, each term rounded; the smallest layer's gradient may be a small part of
    # the whole, and its ratio then carries the rounding of the whole.
    spread = float(np.abs(slopes).max() / np.abs(slopes).min())
    rounding = (data.samples + depth * width) * torch.finfo(torch.float64).eps * spread
    values = {f"|G_{k + 1}|": ratio for k, ratio in enumerate(ratios)}
    return Measurement(
        {**values, "normal part": normal},
        f"ntk, gelu, scales {', '.join(f'{x:.2f}' for x in scales)}",
        "relative",
        Budget(rounding=rounding),
        evidence=Evidence.NUMERICAL,
    )


def _altered_tangent(name: str, reading: Altered, *, nearest: bool = False) -> Counterfeit:
    def alter(case: Case, _: Prediction) -> Prediction | None:
        if reading == "wrong-gain" and not _is_proof(case):
            return None  # the reduced loss itself is then another one, which the proof cases compare
        if reading == "fan-in-only" and _is_proof(case) and case.integer("l") == case.integer("L"):
            return None  # the last layer has one row: there the fan-in is all there is to divide by
        return _tangent(case, reading)

    return Counterfeit(name, alter, nearest=nearest)


REFERENCE_START = (0.03, 0.05, 0.07, 0.09)
REFERENCE_TIMES = (1000.0, 2000.0, 3000.0, 4000.0, 5000.0, 6000.0)


def _measure_reduction(case: Case, _: Context) -> Measurement:
    """Full network against reduced ODE: the largest relative difference of any layer scale, or of the loss."""
    import numeric

    name, width, depth = case.word("activation"), case.integer("N"), len(REFERENCE_START)
    gap = numeric.reduction_gap(name, depth, width, REFERENCE_START, REFERENCE_TIMES)
    return Measurement(
        gap.value,
        f"{width}^2-matrices against {depth} scales, t <= {REFERENCE_TIMES[-1]:g}; final X = "
        + ", ".join(f"{x:.6g}" for x in gap.final_scales),
        "relative",
        Budget(discretisation=gap.error),
    )


def _no_gap(_: Case) -> Prediction:
    return Prediction(0.0, "the reduction is exact: no difference beyond the integrators'", "relative")


CLAIMS = (
    Claim(
        id="manifold.tangent",
        theorem="T4",
        title="the gradient is tangent",
        latex=r"\partial\mathcal{L}/\partial W_l[i,j] = (\partial\mathcal{L}/\partial F_l)/\sqrt{n_l n_{l-1}}",
        plain="At a point of the symmetric manifold the gradient is tangent to it, and is the gradient of the scales.",
        source="authors' write-up, section Symmetric Manifold Ansatz; which rows are identical: THEORY section 2",
        reading=Reading.CORRECTED,
        evidence=Evidence.PROOF,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=ASSUMES,
        cases=(
            case(Tier.SMOKE, 0.2, L=2, l=1, N=2, check="proof"),
            case(Tier.SMOKE, 0.3, L=3, l=2, N=2, check="proof"),
            *(
                case(Tier.STANDARD, 0.4, L=depth, l=layer, N=width, check="proof")
                for depth, layer, width in ((2, 2, 3), (3, 1, 3), (3, 3, 2), (4, 1, 2), (4, 2, 2), (4, 3, 3), (4, 4, 2))
            ),
            case(Tier.SMOKE, 0.1, L=3, N=8, check="autograd"),
            case(Tier.STANDARD, 0.1, L=4, N=2, check="autograd"),
            case(Tier.STANDARD, 0.1, L=4, N=64, check="autograd"),
            case(Tier.FULL, 0.1, L=6, N=32, check="autograd"),
        ),
        predict=_tangent,
        measure=_measure_tangent,
        counterfeits=(
            _altered_tangent("divided by the fan-in only", "fan-in-only", nearest=True),
            _altered_tangent("not divided by the widths", "not-normalised"),
            _altered_tangent("gain g_l in place of a_l", "wrong-gain"),
        ),
    ),
    Claim(
        id="manifold.reduction",
        theorem="T4",
        title="matrix flow = ODE of the scales",
        latex=r"\dot X_l = -\tfrac{1}{N}\,\partial_{X_l}\mathcal{L}(X_1,\dots,X_L) \text{ on the symmetric manifold}",
        plain="On the manifold the flow of the N x N matrices is exactly the L-dimensional ODE of the layer scales.",
        source="authors' write-up, figure Scalar reduction on the symmetric manifold; THEORY T4",
        reading=Reading.CORRECTED,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(*ASSUMES, smooth_at_the_origin("activation")),
        depends=("manifold.tangent",),
        cases=(
            case(Tier.SMOKE, 1.5, activation="tanh", N=64),
            case(Tier.STANDARD, 1.5, activation="gelu", N=16),
        ),
        predict=_no_gap,
        measure=_measure_reduction,
        counterfeits=(
            Counterfeit(
                "exact only up to a finite-width correction 1/N",
                lambda case, _: Prediction(1.0 / case.integer("N")),
                nearest=True,
            ),
            Counterfeit(
                "exact only at leading order in eps",
                lambda *_: Prediction(max(REFERENCE_START) ** 2),
            ),
        ),
    ),
)
