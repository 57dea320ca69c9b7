"""How far the imbalance identity reaches (THEORY T1, scope): eight architectures, as printed and corrected.

A pair of adjacent layers with inputs h and an undefined loss of its outputs: h stands for everything below, the loss
for everything above. "as-printed" is d(|W_2|^2 - |W_1|^2)/dt = 2 <p, phi_s(z)>, p the gradient by the hidden values.

architecture    as printed   corrected
homogeneous     holds, = 0   s(z) = z D(z), D' = 0 (ReLU, leaky ReLU, |z|, almost everywhere): every neuron conserved
piecewise-linear holds       s(z) = z D(z) + C(z), D' = C' = 0 (hardtanh), phi = -C almost everywhere
residual-block  holds        outputs h + W_2 s(W_1 h), the pair inside one block
convolution     holds        weight sharing: kernels with two taps and two hidden channels
bias            fails        d(|W_2|^2 - |W_1|^2 - |b_1|^2)/dt = 2 <p, phi_s(z)>
skip            fails        h_1 = h + s(W_1 h), outputs h_1 + s(W_2 h_1): the right-hand side gains
                             2 <q, z s'(z)> - 2 <p, h>, p by the branch W_2, q by the skip
batch-norm      fails        z normalised over the batch, no eps: <w_i, dLoss/dw_i> = 0 for each row
layer-norm      fails        z normalised over the neurons, no eps: <W_1, dLoss/dW_1> = 0

Gradients are by plain differentiation of the composed loss. 1/sqrt(variance) is a function R(variance), and
R' = -R^3/2, R^2 variance = 1 are put in after it; batch norm is shown for one neuron, for which all others are
constants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import sympy

from symbolic.polynomial_form import Canonicaliser, IdentitySides, LinearForm, undefined_function

Architecture = Literal[
    "homogeneous", "piecewise-linear", "residual-block", "convolution", "bias", "skip", "batch-norm", "layer-norm"
]
Reading = Literal["as-printed", "corrected"]
ARCHITECTURES: tuple[Architecture, ...] = (
    "homogeneous",
    "piecewise-linear",
    "residual-block",
    "convolution",
    "bias",
    "skip",
    "batch-norm",
    "layer-norm",
)

_S = undefined_function("s")
_D = undefined_function("D")
_C = undefined_function("C")
_R = undefined_function("R")  # R(v) = v^(-1/2)
_SLOPE = undefined_function("s", 1)
_LOSS = undefined_function("Loss")
_SAMPLES = 3  # with two samples or two neurons a normalised value is +-1 whatever the weights


def scope_identity(architecture: Architecture, reading: Reading = "as-printed") -> IdentitySides:
    """Both sides of the statement for one architecture; ``residual`` empty means that it holds.

    For the first four architectures "corrected" is the printed statement neuron by neuron ("homogeneous") or itself.
    Raises ValueError for an unknown architecture or reading.
    """
    if architecture not in ARCHITECTURES or reading not in ("as-printed", "corrected"):
        raise ValueError(
            f"expected an architecture among {', '.join(ARCHITECTURES)} and a reading as-printed or corrected, "
            f"got {architecture!r}, {reading!r}"
        )
    return _STATEMENTS[architecture](_pair(architecture), reading)


def homogeneous_matrix_entry(i: int, j: int, reading: Literal["exact", "no-minus-s"] = "exact") -> IdentitySides:
    """Both sides of entry (i, j), i, j in 0..1, of d(W_2^T W_2 - W_1 W_1^T)/dt for s(z) = z D(z), D' = 0:

    (D_i - D_j)(p_i z_j - p_j z_i), which vanishes on the diagonal only (p the gradient by the hidden values).
    Counterfeit "no-minus-s": p_i s'(z_i) z_j + p_j s'(z_j) z_i, without -s.
    """
    pair = _pair("homogeneous")
    lower, upper, names = pair.weights.lower, pair.weights.upper, _names(pair.outputs)
    low, up = (matrix.applyfunc(lambda entry: pair.loss.diff(entry)) for matrix in (lower, upper))
    flow = (low * lower.T + lower * low.T - up.T * upper - upper.T * up)[i, j]
    z, p = lower * pair.inputs, upper.T * sympy.Matrix(pair.loss_gradient)
    claimed = (_D(z[i]) - _D(z[j])) * (p[i] * z[j] - p[j] * z[i])
    if reading == "no-minus-s":
        claimed = p[i] * _D(z[i]) * z[j] + p[j] * _D(z[j]) * z[i]
    return IdentitySides(names.form(_piecewise_constant(flow)), names.form(claimed))


def composed_pair(architecture: Architecture, weights: Weights, inputs: sympy.Matrix) -> list[sympy.Expr]:
    """The outputs of the pair of layers, over outputs or, for batch norm, over samples: all that the loss sees."""
    upper, hidden = weights.upper, hidden_values(architecture, weights, inputs)
    if architecture == "convolution":
        return list(_toeplitz(upper, 1, 2, 3) * hidden)
    if architecture == "residual-block":
        return list(inputs + upper * hidden)
    if architecture == "bias":
        return list(upper * hidden + weights.upper_bias)
    if architecture == "skip":
        return list(inputs + hidden + (upper * (inputs + hidden)).applyfunc(_S))
    return list(upper * hidden)


def hidden_values(architecture: Architecture, weights: Weights, inputs: sympy.Matrix) -> sympy.Matrix:
    """The hidden values of the pair: a column, a column of channels times positions, or a column for each sample."""
    lower = weights.lower
    if architecture == "convolution":
        return (_toeplitz(lower, 2, 1, 4) * inputs).applyfunc(_S)
    z = lower * inputs
    if architecture in ("homogeneous", "piecewise-linear"):
        return z.applyfunc(lambda value: value * _D(value) + _constant_part(architecture, value))
    if architecture == "bias":
        return (z + weights.lower_bias).applyfunc(_S)
    if architecture in ("batch-norm", "layer-norm"):
        return normalised(z, over_rows=architecture == "layer-norm").applyfunc(_S)
    return z.applyfunc(_S)


def scope_parts(architecture: Architecture) -> dict[str, LinearForm]:
    """The expectations that the statements combine, as forms in the notation of :func:`scope_identity`.

    "p z s'", "p s": <p, z s'(z)> and <p, s(z)>, z normalised under a norm; the printed identity is twice the first
    minus twice the second. "p z^2": a_2 <p, z^2>, the leading Taylor term of <p, phi> (absent where s has no Taylor
    series). "p b s'": <p, b_1 s'(z)> with biases. "q z s'", "p h": <q, z s'(z)> and <p, h> with skip connections.
    """
    pair = _pair(architecture)
    weights = pair.weights
    names = _NormalisedNames(pair) if architecture in ("batch-norm", "layer-norm") else _names(pair.outputs)
    z, p = _theorem_quantities(pair)
    if architecture in ("homogeneous", "piecewise-linear"):
        slope = z.applyfunc(lambda value: value * _D(value))
        constant = z.applyfunc(lambda value: _constant_part(architecture, value))
        return {"p z s'": names.form(_inner(p, slope)), "p s": names.form(_inner(p, slope + constant))}
    slope = z.applyfunc(_SLOPE)
    parts = {
        "p z s'": _inner(p, z.multiply_elementwise(slope)),
        "p s": _inner(p, z.applyfunc(_S)),
        "p z^2": sympy.Symbol("a_2") * _inner(p, z.applyfunc(lambda value: value**2)),
    }
    if architecture == "bias":
        parts["p b s'"] = _inner(p, weights.lower_bias.multiply_elementwise(slope))
    if architecture == "skip":
        q = sympy.Matrix(pair.loss_gradient)
        parts |= {"q z s'": _inner(q, z.multiply_elementwise(slope)), "p h": _inner(p, pair.inputs)}
    return {name: names.form(part) for name, part in parts.items()}


def _theorem_quantities(pair: _Pair) -> tuple[sympy.Matrix, sympy.Matrix]:
    """z_l as s sees it and p, the gradient by the hidden values through W_2, in the theorem's own notation."""
    weights, gradient = pair.weights, sympy.Matrix(pair.loss_gradient)
    z = weights.lower * pair.inputs if pair.architecture != "convolution" else sympy.Matrix()
    if pair.architecture == "convolution":
        return _toeplitz(weights.lower, 2, 1, 4) * pair.inputs, _toeplitz(weights.upper, 1, 2, 3).T * gradient
    if pair.architecture == "bias":
        return z + weights.lower_bias, weights.upper.T * gradient
    if pair.architecture == "skip":
        above = (weights.upper * (pair.inputs + z.applyfunc(_S))).applyfunc(_SLOPE)
        return z, weights.upper.T * above.multiply_elementwise(gradient)
    if pair.architecture in ("batch-norm", "layer-norm"):
        # One output per sample: p has a column per sample (a single one under layer norm).
        z = normalised(z, over_rows=pair.architecture == "layer-norm")
        return z, weights.upper.T * gradient.T
    return z, weights.upper.T * gradient


def _constant_part(architecture: Architecture, value: sympy.Expr) -> sympy.Expr:
    return _C(value) if architecture == "piecewise-linear" else sympy.Integer(0)


def _inner(left: sympy.Matrix, right: sympy.Matrix) -> sympy.Expr:
    return sympy.Add(*left.multiply_elementwise(right))


def normalised(z: sympy.Matrix, over_rows: bool) -> sympy.Matrix:
    """z minus its mean, over its standard deviation, no eps: down the columns (neurons) or along the rows (samples)."""
    columns = z if over_rows else z.T
    result = sympy.zeros(*columns.shape)
    for k in range(columns.cols):
        centred = [value - sum(columns[:, k]) / columns.rows for value in columns[:, k]]
        variance = sum(value**2 for value in centred) / columns.rows
        for i, value in enumerate(centred):
            result[i, k] = value * _R(variance)
    return result if over_rows else result.T


@dataclass(frozen=True)
class Weights:
    """Symbols of the pair: W_1, W_2 (kernels for a convolution), b_1, b_2."""

    lower: sympy.Matrix
    upper: sympy.Matrix
    lower_bias: sympy.Matrix
    upper_bias: sympy.Matrix


@dataclass(frozen=True)
class _Pair:
    architecture: Architecture
    weights: Weights
    inputs: sympy.Matrix
    loss: sympy.Expr
    loss_gradient: list[sympy.Expr]  # dLoss/d(output), at symbols that stand for the outputs
    outputs: list[sympy.Expr]

    def euler(self, *blocks: sympy.Matrix) -> sympy.Expr:
        """sum over the symbols of the blocks of weight * dLoss/dweight, by plain differentiation."""
        return sympy.Add(*(entry * self.loss.diff(entry) for block in blocks for entry in block))


def _pair(architecture: Architecture) -> _Pair:
    shapes = {"convolution": ((2, 2), (2, 2)), "batch-norm": ((1, 2), (1, 1)), "layer-norm": ((3, 2), (1, 3))}
    (rows, columns), upper_shape = shapes.get(architecture, ((2, 2), (2, 2)))
    weights = Weights(
        _matrix("W_1", rows, columns),
        _matrix("W_2", *upper_shape),
        _matrix("b_1", rows, 1),
        _matrix("b_2", upper_shape[0], 1),
    )
    input_shape = {"convolution": (4, 1), "batch-norm": (2, _SAMPLES)}.get(architecture, (2, 1))
    inputs = _matrix("h", *input_shape)
    outputs = composed_pair(architecture, weights, inputs)
    stand_ins = [sympy.Symbol(f"y[{index}]") for index in range(len(outputs))]
    gradient = [_LOSS(*stand_ins).diff(symbol) for symbol in stand_ins]
    return _Pair(architecture, weights, inputs, _LOSS(*outputs), gradient, outputs)


def _plain_statement(pair: _Pair, hidden: sympy.Matrix, upper: sympy.Matrix) -> IdentitySides:
    """The printed statement for outputs (something) + upper * s(hidden)."""
    names = _names(pair.outputs)
    weights = pair.weights
    measured = 2 * pair.euler(weights.lower) - 2 * pair.euler(weights.upper)
    return IdentitySides(names.form(measured), names.form(_printed_claim(pair, hidden, upper)))


def _printed_claim(pair: _Pair, hidden: sympy.Matrix, upper: sympy.Matrix) -> sympy.Expr:
    p = upper.T * sympy.Matrix(pair.loss_gradient)
    return 2 * p.dot(hidden.applyfunc(_phi))


def _homogeneous(pair: _Pair, reading: Reading) -> IdentitySides:
    weights, names = pair.weights, _names(pair.outputs)

    def rate(lower: sympy.Matrix, upper: sympy.Matrix) -> sympy.Expr:
        return _piecewise_constant(2 * pair.euler(lower) - 2 * pair.euler(upper))

    if reading == "as-printed":
        return IdentitySides(names.form(rate(weights.lower, weights.upper)), {})
    measured: LinearForm = {}
    for i in range(weights.lower.rows):
        measured |= _prefixed(f"neuron {i}", names.form(rate(weights.lower[i, :], weights.upper[:, i])))
    return IdentitySides(measured, {})


def _piecewise_linear(pair: _Pair, _reading: Reading) -> IdentitySides:
    weights, names = pair.weights, _names(pair.outputs)
    z, p = _theorem_quantities(pair)
    rate = _piecewise_constant(2 * pair.euler(weights.lower) - 2 * pair.euler(weights.upper))
    return IdentitySides(names.form(rate), names.form(-2 * _inner(p, z.applyfunc(_C))))


def _residual_block(pair: _Pair, _reading: Reading) -> IdentitySides:
    return _plain_statement(pair, pair.weights.lower * pair.inputs, pair.weights.upper)


def _convolution(pair: _Pair, _reading: Reading) -> IdentitySides:
    hidden = _toeplitz(pair.weights.lower, 2, 1, 4) * pair.inputs
    return _plain_statement(pair, hidden, _toeplitz(pair.weights.upper, 1, 2, 3))


def _bias(pair: _Pair, reading: Reading) -> IdentitySides:
    weights = pair.weights
    sides = _plain_statement(pair, weights.lower * pair.inputs + weights.lower_bias, weights.upper)
    if reading == "as-printed":
        return sides
    names = _names(pair.outputs)
    measured = 2 * pair.euler(weights.lower, weights.lower_bias) - 2 * pair.euler(weights.upper)
    return IdentitySides(names.form(measured), sides.claimed)


def _skip(pair: _Pair, reading: Reading) -> IdentitySides:
    weights, names = pair.weights, _names(pair.outputs)
    z = weights.lower * pair.inputs
    hidden = pair.inputs + z.applyfunc(_S)
    branch_gradient = (weights.upper * hidden).applyfunc(_SLOPE).multiply_elementwise(sympy.Matrix(pair.loss_gradient))
    p, q = weights.upper.T * branch_gradient, sympy.Matrix(pair.loss_gradient)
    claimed = 2 * p.dot(z.applyfunc(_phi))
    if reading == "corrected":
        claimed += 2 * q.dot(z.multiply_elementwise(z.applyfunc(_SLOPE))) - 2 * p.dot(pair.inputs)
    measured = 2 * pair.euler(weights.lower) - 2 * pair.euler(weights.upper)
    return IdentitySides(names.form(measured), names.form(claimed))


def _normalisation(pair: _Pair, reading: Reading) -> IdentitySides:
    weights, names = pair.weights, _NormalisedNames(pair)
    if reading == "corrected":
        return IdentitySides(names.form(pair.euler(weights.lower)), {})
    hidden = normalised(weights.lower * pair.inputs, over_rows=pair.architecture == "layer-norm")
    # One output per sample: p has a column per sample (a single one under layer norm).
    p = weights.upper.T * sympy.Matrix(1, len(pair.loss_gradient), pair.loss_gradient)
    claimed = 2 * sympy.Add(*p.multiply_elementwise(hidden.applyfunc(_phi)))
    measured = 2 * pair.euler(weights.lower) - 2 * pair.euler(weights.upper)
    return IdentitySides(names.form(measured), names.form(claimed))


class _NormalisedNames:
    """Forms of expressions with R(variance), modulo R^2 variance = 1; there is one variance in the pair."""

    def __init__(self, pair: _Pair) -> None:
        (self._variance,) = {node.args[0] for node in pair.loss.atoms(_R)}
        self._root = sympy.Symbol("R")
        relation = self._root**2 * self._variance - 1
        self._names = Canonicaliser(
            ((f"y[{k}]", self._plain(output)) for k, output in enumerate(pair.outputs)), vanishing=relation
        )

    def form(self, expression: sympy.Expr) -> LinearForm:
        return self._names.form(self._plain(expression))

    def _plain(self, expression: sympy.Expr) -> sympy.Expr:
        slopes = dict.fromkeys(expression.atoms(undefined_function("R", 1)), -(self._root**3) / 2)
        return expression.xreplace(slopes).xreplace({_R(self._variance): self._root})


def _piecewise_constant(expression: sympy.Expr) -> sympy.Expr:
    """D' = C' = 0, as it is away from the kinks."""
    slopes = expression.atoms(undefined_function("D", 1), undefined_function("C", 1))
    return expression.xreplace(dict.fromkeys(slopes, sympy.Integer(0)))


def _names(outputs: list[sympy.Expr]) -> Canonicaliser:
    return Canonicaliser((f"y[{k}]", output) for k, output in enumerate(outputs))


def _phi(value: sympy.Expr) -> sympy.Expr:
    return value * _SLOPE(value) - _S(value)


def _toeplitz(kernel: sympy.Matrix, channels_out: int, channels_in: int, length: int) -> sympy.Matrix:
    """A one-dimensional convolution as a matrix; kernel row c*channels_in + d holds the taps from channel d to c."""
    taps = kernel.cols
    outputs = length - taps + 1
    matrix = sympy.zeros(channels_out * outputs, channels_in * length)
    for c in range(channels_out):
        for d in range(channels_in):
            for i in range(outputs):
                for k in range(taps):
                    matrix[c * outputs + i, d * length + i + k] = kernel[c * channels_in + d, k]
    return matrix


def _prefixed(label: str, form: LinearForm) -> LinearForm:
    return {f"{label}: {key}": value for key, value in form.items()}


def _matrix(name: str, rows: int, columns: int) -> sympy.Matrix:
    entries = [sympy.Symbol(f"{name}[{i},{j}]") for i in range(rows) for j in range(columns)]
    return sympy.Matrix(rows, columns, entries)


_STATEMENTS: dict[str, Callable[[_Pair, Reading], IdentitySides]] = {
    "homogeneous": _homogeneous,
    "piecewise-linear": _piecewise_linear,
    "residual-block": _residual_block,
    "convolution": _convolution,
    "bias": _bias,
    "skip": _skip,
    "batch-norm": _normalisation,
    "layer-norm": _normalisation,
}
