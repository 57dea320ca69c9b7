"""The imbalance identity, THEORY T1, proved for an undefined activation and an undefined multi-output loss.

    Delta_l = |W_{l+1}|_F^2 - |W_l|_F^2,   dDelta_l/dt = 2 E < p, phi_s(z_l) >,   p = W_{l+1}^T grad_{z_{l+1}} Loss.

``measured`` is the left-hand side along gradient flow dW/dt = -dLoss/dW, every entry of dLoss/dW by plain
differentiation of the composed loss with respect to that weight: neither back-propagation nor the chain rule is
assumed. ``claimed`` is the right-hand side in the theorem's own notation: pre-activations z_l = W_l s(z_{l-1}), and
the gradient with respect to z_{l+1} by plain differentiation of the loss as a function of z_{l+1}. The expectation is
linear, so one symbolic sample proves it for all data. Layers are counted from 1, neurons from 0. Widths are concrete
here; ``dimension_free`` has symbolic ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import sympy

from symbolic.polynomial_form import Canonicaliser, IdentitySides, undefined_function

Reading = Literal["exact", "sign-flipped", "no-minus-s", "leading-term", "half"]
MatrixReading = Literal["exact", "phi-only", "sign-flipped", "no-minus-s", "leading-term", "half"]
StepReading = Literal[
    "exact", "first-order", "second-order-flipped", "half", "sign-flipped", "no-minus-s", "leading-term"
]

_S = undefined_function("s")
_SLOPE = undefined_function("s", 1)
_LOSS = undefined_function("Loss")


def composed_output(
    weights: Sequence[sympy.Matrix], inputs: sympy.Matrix, activation: Callable[[sympy.Expr], sympy.Expr]
) -> sympy.Matrix:
    """The network W_L s(W_{L-1} s(... s(W_1 x))): the definition whose loss is differentiated.

    ``weights[l]`` has shape (n_{l+1}, n_l), ``inputs`` shape (n_0, 1); the result has shape (n_L, 1).
    """
    hidden = weights[0] * inputs
    for weight in weights[1:]:
        hidden = weight * hidden.applyfunc(activation)
    return hidden


def weight_matrices(widths: Sequence[int]) -> tuple[sympy.Matrix, ...]:
    """Symbolic weights W_1..W_L for widths (n_0, ..., n_L); entry (i, j) of layer l is the symbol ``W_l[i,j]``."""
    return tuple(
        sympy.Matrix(rows, columns, [sympy.Symbol(f"W_{l}[{i},{j}]") for i in range(rows) for j in range(columns)])
        for l, (columns, rows) in enumerate(pairwise(widths), start=1)  # noqa: E741
    )


def imbalance_identity(
    depth: int, layer: int, widths: Sequence[int] | None = None, reading: Reading = "exact"
) -> IdentitySides:
    """Both sides of dDelta_l/dt = 2 < p, phi_s(z_l) >, 1 <= layer < depth (THEORY T1, scalar form).

    ``widths`` is (n_0, ..., n_L), 2 everywhere by default; n_L is the number of outputs. A ``reading`` other than
    "exact" alters the claimed side only: "sign-flipped", "no-minus-s" (z s' in place of phi), "leading-term" (the
    first Taylor term a_2 z^2 of phi), "half" (half the factor). Raises ValueError for an impossible depth, layer,
    width or reading.
    """
    (pair,) = _layer_pairs(depth, (layer,), widths)
    return _scalar_sides(pair, reading)


def imbalance_identities(
    depth: int, widths: Sequence[int] | None = None, reading: Reading = "exact"
) -> dict[int, IdentitySides]:
    """The scalar identity for every layer pair l = 1..depth-1, keyed by l; each layer is differentiated once."""
    layers = range(1, depth)
    return {
        layer: _scalar_sides(pair, reading)
        for layer, pair in zip(layers, _layer_pairs(depth, layers, widths), strict=True)
    }


def neuron_identity(
    depth: int, layer: int, neuron: int, widths: Sequence[int] | None = None, reading: Reading = "exact"
) -> IdentitySides:
    """Both sides of d/dt (|W_{l+1}[:,i]|^2 - |W_l[i,:]|^2) = 2 p_i phi_s(z_i) for one hidden neuron i (THEORY T1)."""
    (pair,) = _layer_pairs(depth, (layer,), widths)
    _check_neurons(pair, layer, neuron)
    incoming = _inner(pair.lower[neuron, :], pair.lower_gradient[neuron, :])
    outgoing = _inner(pair.upper[:, neuron], pair.upper_gradient[:, neuron])
    return pair.sides(2 * incoming - 2 * outgoing, _neuron_claim(pair, neuron, reading))


def matrix_identity(
    depth: int,
    layer: int,
    entry: tuple[int, int],
    widths: Sequence[int] | None = None,
    reading: MatrixReading = "exact",
) -> IdentitySides:
    """Both sides of entry (i, j) of the matrix form of T1.

    d/dt (W_{l+1}^T W_{l+1} - W_l W_l^T)_{ij} = p_i (s'(z_i) z_j - s(z_j)) + p_j (s'(z_j) z_i - s(z_i)).
    The reading "phi-only" claims p_i phi(z_i) + p_j phi(z_j), a function of phi alone: true on the diagonal only.
    "leading-term" puts s = a_1 z + a_2 z^2 in the claimed side; the others are as in :func:`imbalance_identity`.
    """
    (pair,) = _layer_pairs(depth, (layer,), widths)
    _check_neurons(pair, layer, *entry)
    low, up, low_gradient, up_gradient = pair.lower, pair.upper, pair.lower_gradient, pair.upper_gradient
    flow = low_gradient * low.T + low * low_gradient.T - up_gradient.T * up - up.T * up_gradient
    return pair.sides(flow[entry], _matrix_claim(pair, entry, reading))


def gradient_step_identity(
    depth: int, layer: int, widths: Sequence[int] | None = None, reading: StepReading = "exact"
) -> IdentitySides:
    """Both sides of the discrete law: a gradient-descent step of size eta changes Delta_l by exactly

    eta * rhs + eta^2 (|G_{l+1}|^2 - |G_l|^2), rhs = 2 < p, phi_s(z_l) >, with G_{l+1} = delta_{l+1} s(z_l)^T and
    G_l = (s'(z_l) * p) h_{l-1}^T on the claimed side. The reading "first-order" drops the eta^2 term,
    "second-order-flipped" gives it the other sign; the others alter rhs as in :func:`imbalance_identity`.
    """
    (pair,) = _layer_pairs(depth, (layer,), widths)
    eta = sympy.Symbol("eta")
    upper, lower = pair.upper - eta * pair.upper_gradient, pair.lower - eta * pair.lower_gradient
    step = _inner(upper, upper) - _inner(lower, lower) - _inner(pair.upper, pair.upper) + _inner(pair.lower, pair.lower)
    sign = {"first-order": 0, "second-order-flipped": -1}.get(reading, 1)
    of_phi: Reading = "exact" if reading in ("first-order", "second-order-flipped") else reading  # type: ignore[assignment]
    claimed = eta * sum(_neuron_claim(pair, i, of_phi) for i in range(pair.width))
    if sign:
        upper_gradient = pair.delta_above * pair.z.applyfunc(_S).T
        lower_gradient = pair.p.multiply_elementwise(pair.slope) * pair.below.T
        squares = _inner(upper_gradient, upper_gradient) - _inner(lower_gradient, lower_gradient)
        claimed += sign * eta**2 * squares
    return pair.sides(step, claimed)


@dataclass(frozen=True)
class _LayerPair:
    """Two adjacent layers: weights, gradients by plain differentiation, and the theorem's quantities as columns."""

    lower: sympy.Matrix  # W_l
    upper: sympy.Matrix  # W_{l+1}
    lower_gradient: sympy.Matrix  # dLoss/dW_l, entry by entry
    upper_gradient: sympy.Matrix
    below: sympy.Matrix  # h_{l-1}: x, or s(z_{l-1})
    z: sympy.Matrix  # z_l = W_l h_{l-1}
    slope: sympy.Matrix  # s'(z_l)
    p: sympy.Matrix  # W_{l+1}^T grad_{z_{l+1}} Loss
    delta_above: sympy.Matrix  # grad_{z_{l+1}} Loss
    names: Canonicaliser

    @property
    def width(self) -> int:
        return int(self.z.rows)

    def sides(self, measured: sympy.Expr, claimed: sympy.Expr) -> IdentitySides:
        return IdentitySides(self.names.form(measured), self.names.form(claimed))


Network = Callable[[Sequence[sympy.Matrix], sympy.Matrix, Callable[[sympy.Expr], sympy.Expr]], sympy.Matrix]


def _layer_pairs(depth: int, layers: Sequence[int], widths: Sequence[int] | None) -> tuple[_LayerPair, ...]:
    """The pairs (l, l + 1) for every l in ``layers``, from one composed loss."""
    for layer in layers:
        _check_pair(depth, layer)
    return _derived(composed_output, tuple(layers), _checked_widths(depth, widths))


# The readings of one identity differ on the claimed side alone. The network is an argument, so that another definition
# of it is another derivation.
@lru_cache(maxsize=8)
def _derived(network: Network, layers: tuple[int, ...], sizes: tuple[int, ...]) -> tuple[_LayerPair, ...]:
    weights = weight_matrices(sizes)
    inputs = sympy.Matrix([sympy.Symbol(f"x[{i}]") for i in range(sizes[0])])
    loss = _LOSS(*network(weights, inputs, _S))
    z = _preactivations(weights, inputs)
    names = Canonicaliser((f"z_{k}[{i}]", value) for k, zk in enumerate(z, start=1) for i, value in enumerate(zk))
    needed = sorted({index for layer in layers for index in (layer - 1, layer)})
    gradients = {index: weights[index].applyfunc(lambda weight: loss.diff(weight)) for index in needed}
    pairs = []
    for layer in layers:
        low, up, delta_above = weights[layer - 1], weights[layer], _loss_gradient(weights, layer + 1)
        pair = _LayerPair(
            lower=low,
            upper=up,
            lower_gradient=gradients[layer - 1],
            upper_gradient=gradients[layer],
            below=inputs if layer == 1 else z[layer - 2].applyfunc(_S),
            z=z[layer - 1],
            slope=z[layer - 1].applyfunc(_SLOPE),
            p=up.T * delta_above,
            delta_above=delta_above,
            names=names,
        )
        pairs.append(pair)
    return tuple(pairs)


def _scalar_sides(pair: _LayerPair, reading: Reading) -> IdentitySides:
    measured = 2 * _inner(pair.lower, pair.lower_gradient) - 2 * _inner(pair.upper, pair.upper_gradient)
    return pair.sides(measured, sum(_neuron_claim(pair, i, reading) for i in range(pair.width)))


def _preactivations(weights: Sequence[sympy.Matrix], inputs: sympy.Matrix) -> list[sympy.Matrix]:
    """z_1..z_L as the theorem states them; deliberately not taken from ``composed_output``."""
    z = [weights[0] * inputs]
    for weight in weights[1:]:
        z.append(weight * z[-1].applyfunc(_S))
    return z


def _loss_gradient(weights: Sequence[sympy.Matrix], layer: int) -> sympy.Matrix:
    """grad_{z_l} Loss by plain differentiation of the loss as a function of independent symbols z_l[i]."""
    z = [sympy.Symbol(f"z_{layer}[{i}]") for i in range(weights[layer - 1].rows)]
    hidden = sympy.Matrix(z)
    for weight in weights[layer:]:
        hidden = weight * hidden.applyfunc(_S)
    loss = _LOSS(*hidden)
    return sympy.Matrix([loss.diff(symbol) for symbol in z])


def _neuron_claim(pair: _LayerPair, i: int, reading: Reading) -> sympy.Expr:
    """2 p_i phi_s(z_i), or what a counterfeit puts in its place."""
    z, slope, p = pair.z[i], pair.slope[i], pair.p[i]
    claims = {
        "exact": 2 * p * (z * slope - _S(z)),
        "sign-flipped": -2 * p * (z * slope - _S(z)),
        "no-minus-s": 2 * p * z * slope,
        "leading-term": 2 * p * sympy.Symbol("a_2") * z**2,
        "half": p * (z * slope - _S(z)),
    }
    if reading not in claims:
        raise ValueError(f"expected a reading among {', '.join(claims)}, got {reading!r}: choose one of them")
    return claims[reading]


def _matrix_claim(pair: _LayerPair, entry: tuple[int, int], reading: MatrixReading) -> sympy.Expr:
    i, j = entry
    z, slope, p = pair.z, pair.slope, pair.p
    exact = p[i] * (slope[i] * z[j] - _S(z[j])) + p[j] * (slope[j] * z[i] - _S(z[i]))
    a_2 = sympy.Symbol("a_2")
    claims = {
        "exact": exact,
        "sign-flipped": -exact,
        "phi-only": sum(p[k] * (slope[k] * z[k] - _S(z[k])) for k in entry),
        "no-minus-s": p[i] * slope[i] * z[j] + p[j] * slope[j] * z[i],
        "leading-term": a_2 * (p[i] * (2 * z[i] * z[j] - z[j] ** 2) + p[j] * (2 * z[i] * z[j] - z[i] ** 2)),
        "half": exact / 2,
    }
    if reading not in claims:
        raise ValueError(f"expected a reading among {', '.join(claims)}, got {reading!r}: choose one of them")
    return claims[reading]


def _inner(left: sympy.Matrix, right: sympy.Matrix) -> sympy.Expr:
    return sympy.Add(*left.multiply_elementwise(right))


def _check_pair(depth: int, layer: int) -> None:
    if depth < 2 or not 1 <= layer < depth:
        raise ValueError(
            f"expected depth >= 2 and 1 <= layer < depth, got depth {depth}, layer {layer}: choose a pair of layers"
        )


def _checked_widths(depth: int, widths: Sequence[int] | None) -> tuple[int, ...]:
    sizes = tuple(widths) if widths is not None else (2,) * (depth + 1)
    if depth < 2 or len(sizes) != depth + 1 or min(sizes) < 1:
        raise ValueError(
            f"expected depth >= 2 and {depth + 1} positive widths n_0..n_L, got depth {depth}, widths {sizes}: "
            "give one width per boundary between layers"
        )
    return sizes


def _check_neurons(pair: _LayerPair, layer: int, *neurons: int) -> None:
    if not all(0 <= neuron < pair.width for neuron in neurons):
        raise ValueError(f"expected neurons in 0..{pair.width - 1}, got {neurons}: choose neurons of layer {layer}")
