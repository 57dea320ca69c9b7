"""T4: which rows of which matrices the flow keeps identical (THEORY section 2, first item; T4, last sentences)."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Erratum, Expect, Hypothesis, Reading, Tier, Witness, case
from verify.values import Budget, Combination, Evidence, Form, Measurement, Prediction

BOTH = (Witness.SYMBOLIC, Witness.NUMERIC)


# --- identical rows in every matrix, as printed -------------------------------------------------------------------


def _row(layer: int, width: int) -> list[Fraction]:
    """The common row of W_layer, layer >= 2: positive, not constant."""
    return [Fraction(j + layer, width) for j in range(1, width + 1)]


def _measure_rows(case: Case, context: Context) -> Measurement:
    depth, width = case.integer("L"), case.integer("N")
    import torch

    import numeric

    net = numeric.uniform_network(depth, width, 3, numeric.activation("gelu"))
    rows = [[0.3, -0.2, 0.5], *([float(x) for x in _row(layer, width)] for layer in range(2, depth + 1))]
    heights = [width] * (depth - 1) + [1]
    weights = [torch.tensor([row] * n, dtype=torch.float64) for row, n in zip(rows, heights, strict=True)]
    x = numeric.gaussian_batch([context.seed], 3, 20)[0]
    y = numeric.gaussian_batch([context.seed + 1], 1, 20)[0]
    grads = numeric.gradient(net, weights, x, y, numeric.loss("mse"))
    ratios = {f"row N / row 1 of G_{k}": float(g[-1] @ g[0] / (g[0] @ g[0])) for k, g in enumerate(grads[:-1], start=1)}
    # Every entry is a sum over samples and units.
    rounding = (20 + depth * width) * torch.finfo(torch.float64).eps * max(abs(v) for v in ratios.values())
    return Measurement(ratios, "by autograd, plain, gelu, random data", "", Budget(rounding=rounding))


def _ratios(case: Case, of: Any) -> Prediction:
    """Row N over row 1 of G_l; of: (layer, width) -> ratio."""
    depth, width = case.integer("L"), case.integer("N")
    return Prediction({f"row N / row 1 of G_{layer}": float(of(layer, width)) for layer in range(1, depth)})


def _above(layer: int, width: int) -> Fraction:
    """G_l = delta_l h^T, and delta_l is proportional to the row of the layer above."""
    row = _row(layer + 1, width)
    return row[-1] / row[0]


def _exact_above(layer: int, width: int) -> Fraction:
    """The same, where the symbolic witness has the rational gradient of an instance (layer 1, N = 2): read off it."""
    if (layer, width) != (1, 2):
        return _above(layer, width)
    import symbolic

    first, last = symbolic.identical_rows_gradient(layer=1, upper_row=_row(2, 2)).gradient
    return last[0] / first[0]


def _own(layer: int, width: int) -> Fraction:
    row = _row(layer, width)
    return row[-1] / row[0]


# --- multi-mode teachers ------------------------------------------------------------------------------------------


def _widths(case: Case) -> tuple[int, ...]:
    return (case.integer("N"),) * (case.integer("L") - 1)


def _multi_mode(case: Case, factor: float = 1.0, reading: str = "exact") -> Prediction:
    import symbolic

    if case.word("check") == "proof":
        sides = symbolic.manifold_tangency(
            case.integer("L"),
            case.integer("l"),
            _widths(case),
            row="arbitrary",
            reading=reading,  # type: ignore[arg-type]
        )
        return Prediction(Form(sides.claimed), "every row of G_1 = (dLoss/dr)/n_1; G_l constant for l >= 2")
    h = float(symbolic.hermite(symbolic.activation(case.word("activation"))))
    coefficient = factor * float(Fraction(case.word("beta_2"))) * h / math.sqrt(case.integer("N"))
    return Prediction(
        {"speed off span(v_1)": Combination({"E[u yhat]/X_1": coefficient}), "rows apart": Combination({})},
        "beta_2 h E[u yhat] / (X_1 sqrt N)",
    )


def _measure_multi_mode(case: Case, context: Context) -> Measurement:
    if case.word("check") == "proof":
        import symbolic

        sides = symbolic.manifold_tangency(case.integer("L"), case.integer("l"), _widths(case), row="arbitrary")
        return Measurement(Form(sides.measured), f"{len(sides.measured)} monomials by differentiation")
    import numpy as np
    import torch

    import numeric

    depth, width = case.integer("L"), case.integer("N")
    activation = numeric.activation(case.word("activation"))
    net = numeric.uniform_network(depth, width, 2, activation, "ntk")
    v = torch.tensor([1.0, 0.0], dtype=torch.float64)
    scales = np.random.default_rng(context.seed).uniform(0.3, 1.2, depth)
    beta = float(Fraction(case.word("beta_2")))
    modes = numeric.teacher(activation, torch.eye(2, dtype=torch.float64), [1.0, beta])

    def split(step: float) -> Any:
        x, weights = numeric.product_quadrature(v, numeric.trapezoid(step=step), numeric.trapezoid(step=step))
        return numeric.manifold_gradient(net, scales.tolist(), v, numeric.population(x, modes, weights)), len(weights)

    (fine, nodes), (coarse, _) = split(0.2), split(0.3)
    model = numeric.ManifoldModel(case.word("activation"), depth, width)
    overlap = float(np.vecdot(model.rule.weights * model.rule.nodes, model.output(scales))) / float(scales[0])
    size = float(fine.tangent.norm())
    return Measurement(
        {"speed off span(v_1)": fine.sideways, "rows apart": float(fine.normal.norm())},
        f"ntk, scales {', '.join(f'{x:.2f}' for x in scales)}, modes v_1 and v_2 orthogonal",
        "1/time",
        Budget(
            discretisation=abs(fine.sideways - coarse.sideways),
            # A gradient is a sum over nodes and units.
            rounding=(nodes + depth * width) * torch.finfo(torch.float64).eps * size,
        ),
        {"E[u yhat]/X_1": overlap},
        evidence=Evidence.NUMERICAL,
    )


def _faster(case: Case, factor: float) -> Prediction | None:
    return None if case.word("check") == "proof" or factor == 1.0 else _multi_mode(case, factor)


def _slope_for_h(case: Case, _: Prediction) -> Prediction | None:
    import symbolic

    student = symbolic.activation(case.word("activation")) if case.word("check") != "proof" else None
    if student is None:
        return None
    ratio = float(symbolic.classify(student).alpha) / float(symbolic.hermite(student))
    return None if math.isclose(ratio, 1.0) else _faster(case, ratio)


def _beta_left_out(case: Case, _: Prediction) -> Prediction | None:
    return None if case.word("check") == "proof" else _faster(case, float(1 / Fraction(case.word("beta_2"))))


CLAIMS = (
    Claim(
        id="manifold.identical-rows.as-printed",
        theorem="T4",
        title="identical rows, as printed",
        latex=r"W_l = \mathbf{1} r_l^{\top} \text{ for every } l \text{ is flow-invariant}",
        plain="If every weight matrix has identical rows, the flow keeps them identical.",
        source="authors' write-up, section Symmetric Manifold Ansatz",
        reading=Reading.AS_PRINTED,
        expect=Expect.REFUTED,
        evidence=Evidence.NUMERICAL,
        witnesses=BOTH,
        assumes=(
            Hypothesis("L >= 3: a hidden matrix above the first", lambda case: case.integer("L") >= 3),
            Hypothesis("every W_l has identical rows, those of W_2, ..., W_L are not constant"),
        ),
        cases=(
            case(Tier.SMOKE, 0.1, L=3, N=2),
            case(Tier.SMOKE, 0.1, L=3, N=4),
            case(Tier.STANDARD, 0.1, L=4, N=8),
            case(Tier.FULL, 0.1, L=6, N=32),
        ),
        predict=lambda case: _ratios(case, lambda *_: 1),
        measure=_measure_rows,
        corrected=lambda case: _ratios(case, _exact_above),
        erratum=Erratum(
            printed="The set of networks in which every W_l has identical rows is invariant under gradient flow.",
            fails="G_l is delta_l times a row, and delta_l is proportional to the row of W_{l+1}: row i of G_l is "
            "r_{l+1}[i] times a common row, so that the rows of W_l part as soon as r_{l+1} is not constant.",
            true="For l >= 2 the row must itself be constant, W_l = const 1 1^T, W_L = const 1^T; only W_1 may have an "
            "arbitrary common row.",
            corrected="manifold.tangent",
        ),
        counterfeits=(
            Counterfeit("each layer's rows part by its own row", lambda case, _: _ratios(case, _own), nearest=True),
            Counterfeit("rows part the other way round", lambda case, _: _ratios(case, lambda k, n: 1 / _above(k, n))),
        ),
    ),
    Claim(
        id="manifold.multi-mode-rows",
        theorem="T4",
        title="rows under a multi-mode teacher",
        latex=r"\dot W_1 = \mathbf{1}\dot r^{\top},\ \dot r \cdot v_2 = \beta_2 h_\sigma \mathbb{E}[u\hat y]/(N X_1)",
        plain="With several teacher modes the rows of W_1 stay identical, but the common row leaves span(v_1).",
        source="authors' write-up, section Symmetric Manifold Ansatz; THEORY T4",
        reading=Reading.CORRECTED,
        evidence=Evidence.PROOF,
        witnesses=BOTH,
        assumes=(
            Hypothesis("W_1 = 1 r^T, W_l = const 1 1^T for l >= 2, W_L = const 1^T"),
            Hypothesis("the modes are orthogonal, x ~ N(0, I), r = X_1 v_1"),
        ),
        depends=("manifold.tangent",),
        cases=(
            case(Tier.SMOKE, 0.1, L=3, l=1, N=2, check="proof"),
            case(Tier.STANDARD, 0.2, L=3, l=2, N=3, check="proof"),
            case(Tier.STANDARD, 0.2, L=4, l=1, N=2, check="proof"),
            case(Tier.FULL, 0.2, L=4, l=3, N=3, check="proof"),
            case(Tier.SMOKE, 0.1, activation="tanh", L=3, N=4, beta_2="1/2", check="autograd"),
            case(Tier.STANDARD, 0.1, activation="silu", L=4, N=8, beta_2="2", check="autograd"),
            case(Tier.FULL, 0.1, activation="gelu", L=5, N=16, beta_2="1/3", check="autograd"),
        ),
        predict=_multi_mode,
        measure=_measure_multi_mode,
        counterfeits=(
            Counterfeit("the row stays in span(v_1)", lambda case, _: _faster(case, 0.0), nearest=True),
            Counterfeit("beta_2 left out", _beta_left_out),
            Counterfeit("alpha in place of h", _slope_for_h),
            Counterfeit(
                "the gradient of the row not divided by n_1",
                lambda case, _: _multi_mode(case, reading="not-normalised") if case.word("check") == "proof" else None,
            ),
        ),
    ),
)
