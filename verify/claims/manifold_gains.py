"""T4: the reduction for general gains and uneven widths, plain and ntk as special cases (THEORY section 2)."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.values import Budget, Combination, Evidence, Form, Measurement, Prediction

Squares = tuple[Fraction, ...]
OTHERS = ("tanh", "gelu")  # one of each class


def _widths(case: Case) -> tuple[int, ...]:
    """Hidden widths n_1 ... n_{L-1}."""
    return tuple(int(n) for n in case.word("widths").split(":"))


def _gains(case: Case) -> tuple[Fraction, ...] | None:
    """g_1 ... g_L, or None for a named parameterisation."""
    word = case.word("gains")
    return None if word in ("plain", "ntk") else tuple(Fraction(g) for g in word.split(":"))


def _is_proof(case: Case) -> bool:
    return case.word("check") == "proof"


def _sides(case: Case, reading: str = "exact") -> Any:
    import symbolic

    widths = _widths(case)
    return symbolic.manifold_tangency(len(widths) + 1, case.integer("l"), widths, reading=reading)  # type: ignore[arg-type]


def _name(activation: str, gains: Squares, mobilities: Squares) -> str:
    """Name of a scalar chain: how both witnesses speak of it."""
    return f"{activation}: a^2 = ({', '.join(map(str, gains))}), c^2 = ({', '.join(map(str, mobilities))})"


def _chains(case: Case) -> dict[str, tuple[Squares, Squares]]:
    """The scalar chains that the matrix flow might be, by description; which one it is, is what the theorem says."""
    widths, named = _widths(case), case.word("gains")
    n = (1, *widths, 1)
    depth = len(widths) + 1
    ones = (Fraction(1),) * depth
    hidden = tuple(Fraction(1, k) for k in (*widths, widths[-1]))
    given = _gains(case)
    if given is None:
        given_squares = ones if named == "plain" else (Fraction(1), *(Fraction(1, k) for k in widths))
    else:
        given_squares = tuple(g * g for g in given)
    ratio = [Fraction(n[k], n[k + 1]) for k in range(depth)]
    natural = tuple(g * x for g, x in zip(given_squares, ratio, strict=True))
    return {
        "general": (natural, ones),
        "ntk": ((*ones[:-1], Fraction(widths[-1])), hidden),
        "g_l in place of a_l": (given_squares, ones),
        "widths inverted": (tuple(g / x for g, x in zip(given_squares, ratio, strict=True)), ones),
        "fan-in alone": (tuple(g * n[k] for k, g in enumerate(given_squares)), ones),
        "one clock for all layers": ((*ones[:-1], Fraction(widths[-1])), (Fraction(1, widths[0]),) * depth),
        "plain": (tuple(ratio), ones),
    }


def _components(case: Case) -> list[str]:
    return [*(f"dX_{k}/dt" for k in range(1, len(_widths(case)) + 2)), "loss"]


def _follows(case: Case, chain: tuple[Squares, Squares]) -> Prediction:
    name = _name(case.word("activation"), *chain)
    return Prediction(
        {part: Combination({f"{part} in the chain {name}": 1.0}) for part in _components(case)}, f"the chain {name}"
    )


def _derived(case: Case) -> tuple[Squares, Squares]:
    """a_l^2 and c_l^2 as the symbolic witness has them."""
    import symbolic

    gains, widths = _gains(case), _widths(case)
    if gains is None:
        system = symbolic.reduced_system(widths, case.word("gains"))
        return system.squared_gains, system.mobility
    reduced = symbolic.general_gains(gains, widths)
    squares = tuple(Fraction(str(a**2)) for a in reduced.gains)
    return squares, (Fraction(str(reduced.mobility)),) * len(squares)


def _predict(case: Case) -> Prediction:
    if _is_proof(case):
        return Prediction(Form(_sides(case).claimed), "G_l[i,j] = (dLoss/dF_l) / sqrt(n_l n_{l-1}), gains symbolic")
    return _follows(case, _derived(case))


def _measure(case: Case, context: Context) -> Measurement:
    if _is_proof(case):
        measured = _sides(case).measured
        return Measurement(Form(measured), f"{len(measured)} monomials by differentiation of the composed loss")
    import numpy as np
    import torch

    import numeric
    from numeric.network import scale_units

    widths, gains = _widths(case), _gains(case)
    depth, student = len(widths) + 1, numeric.activation(case.word("activation"))
    shape = (2, *widths, 1)
    if gains is None:
        net = numeric.Network(shape, student, case.word("gains"))
    else:
        net = numeric.Network(shape, student, "gains", tuple(float(g) for g in gains))
    data = numeric.single_mode_population(student, inputs=2)
    v = torch.tensor([1.0, 0.0], dtype=torch.float64)
    scales = np.random.default_rng(context.seed).uniform(0.3, 1.2, depth)
    weights = numeric.manifold_start(net, scales.tolist(), v)
    grads = numeric.gradient(net, weights, data.covariates, data.targets, numeric.loss("mse"), data.node_weights)
    # dX_l/dt: minus the gradient along W_l/|W_l|, over the Frobenius norm of a layer of scale 1.
    rates = [
        -float((g * w).sum() / w.norm()) / unit for g, w, unit in zip(grads, weights, scale_units(net), strict=True)
    ]
    loss = float(numeric.mean_loss(net, weights, data.covariates, data.targets, numeric.loss("mse"), data.node_weights))
    ingredients: dict[str, float] = {}
    # Chains of other activations, too, on which a transplanted prediction would lean.
    for activation in {case.word("activation"), *OTHERS}:
        for squares, mobilities in _chains(case).values():
            model = numeric.ManifoldModel(
                activation, depth, gains=[math.sqrt(a) for a in squares], mobilities=[float(c) for c in mobilities]
            )
            values = [*model.rates(scales).tolist(), float(model.loss(scales))]
            name = _name(activation, squares, mobilities)
            ingredients |= {f"{part} in the chain {name}": x for part, x in zip(_components(case), values, strict=True)}
    size = max(*(float(g.norm()) for g in grads), loss)
    return Measurement(
        dict(zip(_components(case), [*rates, loss], strict=True)),
        f"full matrices, scales {', '.join(f'{x:.2f}' for x in scales)}",
        "1/time",
        # A gradient is a sum over nodes and units, each term rounded.
        Budget(rounding=(data.samples + sum(widths)) * torch.finfo(torch.float64).eps * size),
        ingredients,
        evidence=Evidence.NUMERICAL,
    )


def _other(description: str, *, nearest: bool = False) -> Counterfeit:
    def alter(case: Case, _: Prediction) -> Prediction | None:
        if _is_proof(case):
            return None
        chain = _chains(case)[description]
        return None if chain == _derived(case) else _follows(case, chain)

    return Counterfeit(description, alter, nearest=nearest)


def _other_parameterisation(case: Case, _: Prediction) -> Prediction | None:
    """ntk for plain, and the other way round."""
    named = None if _is_proof(case) else {"plain": "ntk", "ntk": "plain"}.get(case.word("gains"))
    return None if named is None else _follows(case, _chains(case)[named])


def _reading(name: str, reading: str) -> Counterfeit:
    def alter(case: Case, _: Prediction) -> Prediction | None:
        return Prediction(Form(_sides(case, reading).claimed)) if _is_proof(case) else None

    return Counterfeit(name, alter)


CLAIMS = (
    Claim(
        id="manifold.general-gains",
        theorem="T4",
        title="reduction for general gains and widths",
        latex=r"z_l = a_l F_l\sigma(z_{l-1}),\ a_l = g_l\sqrt{n_{l-1}/n_l},\ \dot F_l = -\partial_{F_l}\mathcal{L}",
        plain="With gains g_l and widths n_l the manifold is the chain with a_l = g_l sqrt(n_{l-1}/n_l).",
        source="THEORY section 2, general gains",
        reading=Reading.OURS,
        evidence=Evidence.PROOF,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(
            Hypothesis("W_1 = const 1 v^T, W_l = const 1 1^T for l >= 2, W_L = const 1^T"),
            Hypothesis("the expectation over the directions orthogonal to v is exact"),
        ),
        depends=("manifold.tangent",),
        cases=(
            case(Tier.SMOKE, 0.1, widths="3:2", l=2, check="proof"),
            case(Tier.STANDARD, 0.2, widths="2:3", l=1, check="proof"),
            case(Tier.STANDARD, 0.2, widths="1:3", l=3, check="proof"),
            case(Tier.FULL, 0.3, widths="2:1:3", l=3, check="proof"),
            case(Tier.SMOKE, 0.1, widths="6:3", gains="2:1/3:3/2", activation="gelu", check="matrices"),
            case(Tier.STANDARD, 0.1, widths="4:7:2", gains="1/2:3:1/4:2", activation="tanh", check="matrices"),
            case(Tier.STANDARD, 0.1, widths="5:3", gains="plain", activation="silu", check="matrices"),
            case(Tier.STANDARD, 0.1, widths="5:3", gains="ntk", activation="silu", check="matrices"),
            case(Tier.STANDARD, 0.1, widths="8:8:8", gains="ntk", activation="tanh", check="matrices"),
            case(Tier.FULL, 0.1, widths="32:16:8:4", gains="1:1/4:1/2:1/3:5", activation="erf", check="matrices"),
        ),
        predict=_predict,
        measure=_measure,
        counterfeits=(
            _other("widths inverted", nearest=True),
            _other("g_l in place of a_l"),
            _other("fan-in alone"),
            _other("one clock for all layers"),
            Counterfeit(
                "the chain of the other parameterisation", _other_parameterisation, transplant="parameterisation"
            ),
            _reading("gain g_l in place of a_l, by proof", "wrong-gain"),
            _reading("not divided by the widths, by proof", "not-normalised"),
        ),
    ),
)
