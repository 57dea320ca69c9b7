"""What the claims on the imbalance identity share: the right-hand side, its alterations, and how it is measured.

A prediction is a combination of expectations that the measurement brings. With p = W_{l+1}^T grad_{z_{l+1}} Loss:
``p z s'`` is E<p, z s'(z)>, ``p s`` is E<p, s(z)>, ``p z^k`` is E<p, z^k>, and ``p phi_tanh``, ``p phi_gelu`` are
E<p, phi(z)> with the phi of another activation, for the transplanted prediction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from verify.claim import Case, Context, Hypothesis
from verify.values import Combination, Prediction

Altered = Literal["half", "sign-flipped", "no-minus-s", "leading-term", "transplant"]
Coefficients = dict[str, float]

IDENTITY = "2 E<p, z s'(z) - s(z)> with p = W_{l+1}^T grad_{z_{l+1}} Loss"
SOURCE = "authors' write-up, Theorem 1 (Imbalance Identity)"

ASSUMES = (
    Hypothesis("the activation is differentiable at every pre-activation that occurs"),
    Hypothesis("the loss is differentiable"),
    Hypothesis("no biases, no normalisation, no skip connections"),
)
ADJACENT = Hypothesis("1 <= l < L", lambda case: 1 <= case.integer("l") < case.integer("L"))

DONORS = ("tanh", "gelu")
HIGHEST = 6  # the first term of phi has an order below that for every activation that a case names


def is_proof(case: Case) -> bool:
    """Whether the symbolic witness proves this case; else autograd measures it."""
    return case.word("check") == "proof"


def donor(activation: str) -> str:
    """The activation of another class whose phi is transplanted (the choice of ``verify.transplant``)."""
    import symbolic

    return "gelu" if symbolic.classify(symbolic.activation(activation)).universality_class == "B" else "tanh"


def phi_vanishes(activation: str) -> bool:
    """Whether both sides are zero, so that a wrong factor says the truth."""
    import symbolic

    return dict(symbolic.classify(symbolic.activation(activation)).hypotheses)["homogeneous"]


def leading_term(activation: str) -> tuple[int, float] | None:
    """(q, c_q) of phi = c_q z^q + ..., or None where phi has no such term."""
    import symbolic

    found = symbolic.classify(symbolic.activation(activation))
    if found.order is None or found.leading_coefficient is None:
        return None
    return found.order, float(found.leading_coefficient)


def right_hand_side(activation: str = "", reading: Altered | Literal["exact"] = "exact") -> Coefficients | None:
    """Coefficients of 2 E<p, phi(z)>, or of what a counterfeit puts in its place; None where that is the truth."""
    if reading in ("half", "sign-flipped") and phi_vanishes(activation):
        return None
    if reading == "leading-term":
        term = leading_term(activation)
        return None if term is None else {f"p z^{term[0]}": 2 * term[1]}
    if reading == "transplant":
        return {f"p phi_{donor(activation)}": 2}
    slope, value = {"exact": (2, -2), "half": (1, -1), "sign-flipped": (-2, 2), "no-minus-s": (2, 0)}[reading]
    return {"p z s'": slope, "p s": value}


def ingredients(expect: Callable[[Any], float], z: Any, activation: Any) -> dict[str, float]:
    """Every expectation that :func:`right_hand_side` may ask for; ``expect`` maps v to E<p, v>."""
    import numeric

    return {
        "p z s'": expect(z * activation.derivative(z)),
        "p s": expect(activation.value(z)),
        **{f"p z^{k}": expect(z**k) for k in range(HIGHEST + 1)},
        **{f"p phi_{name}": expect(numeric.activation(name).phi(z)) for name in DONORS},
    }


def widths(case: Case) -> tuple[int, ...]:
    """(d, n_1, ..., k): layer l has the case's width n, the other hidden layers 3 and 4 units by turns."""
    depth, layer, loss = case.integer("L"), case.integer("l"), case.word("loss")
    hidden = (case.integer("n") if k == layer else 3 + k % 2 for k in range(1, depth))
    return (4, *hidden, 3 if loss == "cross_entropy" else 1)


def drawn(case: Case, context: Context) -> Any:
    """The random network of the case."""
    import numeric

    return numeric.random_case(
        case.word("activation"), case.word("loss"), widths(case), case.integer("l"), context.seed
    )


def described(instance: Any) -> str:
    """Widths and parameterisation, for the report."""
    return f"widths {'-'.join(str(n) for n in instance.net.widths)}, {instance.net.parameterisation}"


def rounding(instance: Any) -> float:
    """Relative rounding of both sides against 2 (|G_{l+1}||W_{l+1}| + |G_l||W_l|).

    Inner products of n terms carry a relative rounding of n units against the product of the norms; a gradient passes
    through every layer's fan-in and is then averaged over the samples.
    """
    import torch

    summands = sum(instance.net.widths) * instance.net.depth + instance.x.shape[-1]
    return float(summands * torch.finfo(torch.float64).eps)


def combined(parts: Mapping[str, Coefficients | None] | None, text: str, unit: str = "relative") -> Prediction | None:
    """One combination for each named component; None where a counterfeit says the truth of all of them."""
    if parts is None:
        return None
    said = {name: Combination(part) for name, part in parts.items() if part is not None}
    return Prediction(said, text, unit) if len(said) == len(parts) else None


def summed(*parts: Coefficients) -> Coefficients:
    """The sum of linear forms."""
    total: Coefficients = {}
    for part in parts:
        for name, coefficient in part.items():
            total[name] = total.get(name, 0.0) + coefficient
    return total
