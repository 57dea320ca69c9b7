"""T8: Gamma = |E[y x]| for several modes and any covariance, with h of each mode inside the sum (THEORY section 6)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Erratum, Expect, Hypothesis, Reading, Tier, Witness, case
from verify.claims._data import alpha, case_population, covariance, log_drift, modes, numbers, spread
from verify.values import Budget, Evidence, Measurement, Prediction

LAYERS, WIDTH = 3, 4  # of the net whose gradient is taken at the saddle
# The gradient there is alpha^(L-1) |E[y x]| times the other scales up to O(eps^(q-1)).
EPS = 1e-5

ASSUMES = (
    Hypothesis("x ~ N(0, Sigma), every s_k^2 = v_k^T Sigma v_k > 0"),
    Hypothesis("the teacher is y = sum_k beta_k s(v_k.x)"),
)


def _alignment(case: Case, reading: str) -> Prediction:
    import symbolic

    activation = symbolic.activation(case.word("activation"))
    function = symbolic.alignment_as_printed if reading == "printed" else symbolic.alignment
    found = function(activation, modes(case), covariance(case))
    if case.word("check") == "gradient":
        factor = alpha(case) ** (LAYERS - 1)
        return Prediction({"|G_1|": factor * float(found.norm)}, "alpha^(L-1) Gamma", "gradient / eps^(L-1)")
    values = {"Gamma": found.norm, **{f"E[y x_{j + 1}]": entry for j, entry in enumerate(found.vector)}}
    return Prediction(
        {name: float(constant) for name, constant in values.items()},
        "sum_k beta_k h(s_k) Sigma v_k / s_k" if reading == "exact" else "h(1) sum_k beta_k Sigma v_k / s_k",
        budget=Budget(rounding=max(float(constant.radius) for constant in values.values())),
    )


def _exact(case: Case) -> Prediction:
    return _alignment(case, "exact")


def _printed(case: Case) -> Prediction:
    """One number outside the sum: h(1), or h(s) at the spread that all modes share."""
    if dict(case.parameters).get("h") != "common":
        return _alignment(case, "printed")
    if len({spread(mode, covariance(case)) for mode in modes(case)}) != 1:
        raise ValueError("the modes have different spreads: there is no common h(s)")
    return _sum(case, lambda h, s: h / s)


def _measure(case: Case, context: Context) -> Measurement:
    return _measure_gradient(case, context) if case.word("check") == "gradient" else _measure_moment(case)


def _measure_moment(case: Case) -> Measurement:
    """E[y x] by two-dimensional quadrature, which knows nothing of Stein's identity."""
    import torch

    # Half of the finest step that any case needs: poles at distance pi/4 leave exp(-2 pi (pi/4)/.15) = 5e-15.
    fine, coarse = case_population(case, 0.15, 8.7), case_population(case, 0.3, 8.7)
    vector, rough = fine.correlation()[0], coarse.correlation()[0]
    sizes = ((fine.targets * fine.covariates).abs() * fine.node_weights).sum(-1)
    return Measurement(
        {"Gamma": float(vector.norm()), **{f"E[y x_{j + 1}]": float(v) for j, v in enumerate(vector)}},
        f"product quadrature, {fine.samples} nodes",
        # Each of the n terms of the sum is rounded.
        budget=Budget(
            discretisation=float((vector - rough).norm()),
            rounding=fine.samples * torch.finfo(torch.float64).eps * float(sizes.max()),
        ),
    )


def _measure_gradient(case: Case, context: Context) -> Measurement:
    """|dLoss/dW_1|_F / eps^(L-1) at an aligned start, by autograd through the whole net."""
    import numeric

    net = numeric.uniform_network(LAYERS, WIDTH, 2, numeric.activation(case.word("activation")))

    def sized(data: Any, eps: float) -> float:
        weights = [w[0] for w in numeric.aligned_start(net, [eps] * LAYERS, data.correlation()[0], (context.seed,))]
        gradient = numeric.gradient(net, weights, data.covariates, data.targets, numeric.loss("mse"), data.node_weights)
        return float(gradient[0].norm()) / eps ** (LAYERS - 1)

    fine, coarse = case_population(case, 0.15, 8.7), case_population(case, 0.3, 8.7)
    value = sized(fine, EPS)
    return Measurement(
        {"|G_1|": value},
        f"|dLoss/dW_1|_F / eps^{LAYERS - 1}, plain, L = {LAYERS}, N = {WIDTH}, eps = {EPS:g}",
        "gradient / eps^(L-1)",
        Budget(
            discretisation=abs(value - sized(coarse, EPS)),
            finite_eps=log_drift(value, sized(fine, EPS / 2)),
            rounding=fine.samples * 2.0**-52 * value,
        ),
    )


def _sum(
    case: Case, weight: Callable[[float, float], float], *, mapped: bool = True, signed: bool = True
) -> Prediction:
    """sum_k beta_k weight(h(s_k), s_k) Sigma v_k: another formula of the same shape.

    mapped False has v_k in place of Sigma v_k; signed False adds the lengths of the modes' vectors.
    """
    import symbolic

    activation, sigma = symbolic.activation(case.word("activation")), covariance(case)
    terms = []
    for mode in modes(case):
        size = math.sqrt(spread(mode, sigma))
        factor = float(mode.amplitude) * weight(float(symbolic.hermite(activation, size)), size)
        rows = numbers(sigma) if mapped else [[1.0, 0.0], [0.0, 1.0]]
        terms.append([factor * sum(a * float(b) for a, b in zip(row, mode.direction, strict=True)) for row in rows])
    total = [math.fsum(column) for column in zip(*terms, strict=True)]
    if not signed:
        total = [math.fsum(map(abs, column)) for column in zip(*terms, strict=True)]
    norm = math.hypot(*total) if signed else math.fsum(math.hypot(*term) for term in terms)
    if case.word("check") == "gradient":
        return Prediction({"|G_1|": alpha(case) ** (LAYERS - 1) * norm})
    return Prediction({"Gamma": norm, **{f"E[y x_{j + 1}]": entry for j, entry in enumerate(total)}})


def _instead(formula: Callable[[Case], Prediction]) -> Callable[[Case, Prediction], Prediction | None]:
    """A counterfeit by another formula; None where that formula gives the same numbers."""

    def alter(case: Case, truth: Prediction) -> Prediction | None:
        altered = formula(case)
        assert isinstance(truth.value, dict)
        assert isinstance(altered.value, dict)
        # Formulas that agree do so to the rounding of a handful of operations; any other pair differs by far more.
        same = all(
            math.isclose(altered.value[name], x, rel_tol=1e-13, abs_tol=1e-13) for name, x in truth.value.items()
        )
        return None if same else altered

    return alter


def _slope_for_h(case: Case) -> Prediction:
    slope = alpha(case)
    return _sum(case, lambda h, s: slope / s)


def _lengths(case: Case, truth: Prediction) -> Prediction | None:
    if len(modes(case)) == 1:
        return None  # one length is the length of the sum
    return _instead(lambda case: _sum(case, lambda h, s: h / s, signed=False))(case, truth)


SCALAR_SUM = Counterfeit("lengths added in place of vectors", _lengths)
STATEMENT = (
    r"\Gamma = \Bigl\lVert \sum_k \beta_k h_\sigma(s_k) \Sigma v_k / s_k \Bigr\rVert,\quad s_k^2 = v_k^\top \Sigma v_k"
)
SOURCE = "authors' revised write-up, the data's contribution to the clock"


def _row(
    tier: Tier, activation: str, teacher: str, sigma: str, check: str, expect: Expect | None = None, h: str = ""
) -> Case:
    row = case(tier, 0.03, expect=expect, activation=activation, modes=teacher, covariance=sigma, check=check)
    return replace(row, parameters=(*row.parameters, ("h", h))) if h else row


CLAIMS = (
    Claim(
        id="data.gamma",
        theorem="T8",
        title="Gamma of several modes",
        latex=STATEMENT,
        plain="Gamma = |E[y x]| is the norm of a sum of vectors, each mode with the h of its own spread s_k.",
        source=f"{SOURCE}, corrected; THEORY section 6",
        reading=Reading.CORRECTED,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=ASSUMES,
        cases=(
            _row(Tier.SMOKE, "tanh", "three", "correlated", "quadrature"),
            _row(Tier.SMOKE, "gelu", "opposed", "unequal", "gradient"),
            _row(Tier.STANDARD, "gelu", "three", "correlated", "quadrature"),
            _row(Tier.STANDARD, "tanh", "axis", "unequal", "quadrature"),
            _row(Tier.STANDARD, "tanh", "three", "identity", "quadrature"),
            _row(Tier.STANDARD, "silu", "pair", "unequal", "quadrature"),
            _row(Tier.STANDARD, "tanh", "pair", "correlated", "gradient"),
            _row(Tier.STANDARD, "linear", "three", "correlated", "quadrature"),
            _row(Tier.STANDARD, "gelu", "three", "fourfold", "quadrature"),
            _row(Tier.FULL, "sin", "three", "unequal", "quadrature"),
            _row(Tier.FULL, "erf", "three", "unequal", "quadrature"),
            _row(Tier.FULL, "gelu", "one", "correlated", "quadrature"),
            _row(Tier.FULL, "silu", "three", "correlated", "gradient"),
        ),
        predict=_exact,
        measure=_measure,
        counterfeits=(
            Counterfeit("h(1) outside the sum, as printed", _instead(_printed), nearest=True),
            Counterfeit("without the division by s_k", _instead(lambda case: _sum(case, lambda h, s: h))),
            Counterfeit("v_k for Sigma v_k", _instead(lambda case: _sum(case, lambda h, s: h / s, mapped=False))),
            SCALAR_SUM,
        ),
    ),
    Claim(
        id="data.gamma.as-printed",
        theorem="T8",
        title="Gamma of several modes, as printed",
        latex=r"\Gamma = h_\sigma \Bigl\lVert \sum_k \beta_k \Sigma v_k / s_k \Bigr\rVert",
        plain="Gamma = |E[y x]| has the one number h = E[s'(g)] of the activation outside the sum over modes.",
        source=SOURCE,
        reading=Reading.AS_PRINTED,
        expect=Expect.REFUTED,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=ASSUMES,
        cases=(
            _row(Tier.SMOKE, "tanh", "axis", "unequal", "quadrature"),
            _row(Tier.SMOKE, "tanh", "axes", "correlated", "quadrature", Expect.HOLDS),
            _row(Tier.STANDARD, "tanh", "pair", "correlated", "quadrature"),
            _row(Tier.STANDARD, "gelu", "opposed", "unequal", "quadrature"),
            _row(Tier.STANDARD, "silu", "pair", "correlated", "gradient"),
            _row(Tier.STANDARD, "gelu", "three", "identity", "quadrature", Expect.HOLDS),
            _row(Tier.STANDARD, "tanh", "three", "identity", "gradient", Expect.HOLDS),
            # Equal s_k that are not 1: the print fails with h = h(1), and holds with h = h(s).
            _row(Tier.STANDARD, "tanh", "three", "fourfold", "quadrature"),
            _row(Tier.STANDARD, "tanh", "three", "fourfold", "quadrature", Expect.HOLDS, h="common"),
        ),
        predict=_printed,
        measure=_measure,
        corrected=_exact,
        erratum=Erratum(
            printed="Gamma = h |sum_k beta_k Sigma v_k / s_k|, h one number of the activation.",
            fails="By Stein, E[s(v_k.x) x] = h(s_k) Sigma v_k / s_k with h(c) = E[g s(c g)], which depends on s_k "
            "unless s is linear: for tanh h(2) = .729, and the print's h(1) = .606 is a sixth too small at s_k = 2.",
            true="h(s_k) stands inside the sum; the print holds when every s_k is 1, and with h(s) for h when all are "
            "one s.",
            corrected="data.gamma",
        ),
        counterfeits=(
            Counterfeit("alpha in place of h", _instead(_slope_for_h), nearest=True),
            SCALAR_SUM,
        ),
    ),
)
