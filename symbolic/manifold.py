"""The symmetric manifold, THEORY T4 and the first item of section 2: tangency proved for an undefined activation.

The network is z_l = g_l W_l s(z_{l-1}), yhat = z_L, with arbitrary gains g_l (plain: 1; ntk: 1/sqrt(N) for l >= 2)
and widths n_1..n_{L-1}, n_0 = n_L = 1 in the counting below. On the manifold

    W_1 = c_1 1 v^T, |v| = 1,   W_l = c_l 1 1^T for l >= 2,   W_L = c_L 1^T,   F_l = |W_l|_F = sqrt(n_l n_{l-1}) c_l.

Claim: the loss restricted to the manifold is that of the scalar chain z_1 = a_1 F_1 u, z_l = a_l F_l s(z_{l-1}), with
a_l = g_l sqrt(n_{l-1}/n_l) and u = v.x, and every entry of the gradient is

    dLoss/dW_l[i,j] = (dLoss/dF_l) / sqrt(n_l n_{l-1}),   times v_j in layer 1,

so the gradient is tangent and dF_l/dt = -dLoss/dF_l. Working with c_l keeps every number rational: in c_l the factor
is 1/(n_l n_{l-1}). ``measured`` is one entry after the other by plain differentiation of the composed loss;
``claimed`` comes from the scalar chain. In layer 1 the part of x orthogonal to v averages out: the sample is the pair
x = u v + w, u v - w with w orthogonal to v. Layers are counted from 1, neurons from 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import sympy

from symbolic.polynomial_form import Canonicaliser, IdentitySides, LinearForm, as_fraction, undefined_function

Activation = Callable[[sympy.Expr], sympy.Expr]
Row = Literal["teacher", "arbitrary"]
TangencyReading = Literal["exact", "not-normalised", "fan-in-only", "wrong-gain"]

_S = undefined_function("s")
_LOSS = undefined_function("Loss")
_U = sympy.Symbol("u")
_V = sympy.Matrix(sympy.symbols("v[0] v[1]"))
_UNIT_LENGTH = _V.dot(_V) - 1
_ORTHOGONAL = sympy.Symbol("w") * sympy.Matrix([-_V[1], _V[0]])


def composed_output(
    weights: Sequence[sympy.Matrix], gains: Sequence[sympy.Expr], inputs: sympy.Matrix, activation: Activation
) -> sympy.Expr:
    """The network with gains, g_L W_L s(g_{L-1} W_{L-1} s(... s(g_1 W_1 x))), one output."""
    hidden = gains[0] * weights[0] * inputs
    for gain, weight in zip(gains[1:], weights[1:], strict=True):
        hidden = gain * weight * hidden.applyfunc(activation)
    return hidden[0, 0]


def manifold_tangency(
    depth: int, layer: int, hidden_widths: Sequence[int], row: Row = "teacher", reading: TangencyReading = "exact"
) -> IdentitySides:
    """Both sides of the tangency of layer ``layer`` for all its entries at once; gains are symbols g_1..g_L.

    ``hidden_widths`` is (n_1, ..., n_{L-1}). With ``row="teacher"`` W_1 = c_1 1 v^T; with ``row="arbitrary"`` W_1 = 1
    r^T with any common row r and any data x (multi-mode teachers): the rows stay identical and dr/dt is the reduced
    gradient by r_j divided by n_1, with no expectation over x needed. Monomials are prefixed by ``G_l[i,j]``, the
    entry of the gradient. Counterfeits: "not-normalised" (no division by the widths), "fan-in-only" (division by
    n_{l-1} alone), "wrong-gain" (a_l = g_l in the scalar chain). Raises ValueError for an impossible layer, width,
    row or reading.
    """
    point = _manifold_point(depth, layer, hidden_widths, row)
    names = Canonicaliser(point.chain_names(), vanishing=_UNIT_LENGTH)
    rows, columns = point.weights[layer - 1].shape
    measured: LinearForm = {}
    claimed: LinearForm = {}
    for i in range(rows):
        for j in range(columns):
            measured |= _prefixed(layer, i, j, names.form(point.gradient_entry(i, j)))
            claimed |= _prefixed(layer, i, j, names.form(point.claimed_entry(j, reading)))
    return IdentitySides(measured, claimed)


def network_tangency(
    depth: int, hidden_widths: Sequence[int], row: Row = "teacher", reading: TangencyReading = "exact"
) -> IdentitySides:
    """The tangency of all layers together: every entry of the whole gradient, as in :func:`manifold_tangency`."""
    measured: LinearForm = {}
    claimed: LinearForm = {}
    for layer in range(1, depth + 1):
        sides = manifold_tangency(depth, layer, hidden_widths, row, reading)
        measured |= sides.measured
        claimed |= sides.claimed
    return IdentitySides(measured, claimed)


def restricted_loss(depth: int, hidden_widths: Sequence[int], reading: TangencyReading = "exact") -> IdentitySides:
    """Both sides of "on the manifold the output is that of the scalar chain", as arguments of the undefined loss."""
    point = _manifold_point(depth, 1, hidden_widths, "teacher")
    names = Canonicaliser(vanishing=_UNIT_LENGTH)
    output = composed_output(point.weights, point.gains, point.samples[0], _S)
    return IdentitySides(names.form(output), names.form(point.chain(reading)[-1]))


@dataclass(frozen=True)
class ReducedSystem:
    """The scalar chain z_l = a_l X_l s(z_{l-1}), dX_l/dt = -c_l^2 dLoss/dX_l, as exact squares a_l^2 and c_l^2."""

    squared_gains: tuple[Fraction, ...]
    mobility: tuple[Fraction, ...]

    @property
    def squared_rates(self) -> tuple[Fraction, ...]:
        """(c_l^2 prod_m a_m)^2: at leading order dX_l/dt is its root times M_1 alpha^{L-1} prod_{m != l} X_m."""
        product = Fraction(1)
        for gain in self.squared_gains:
            product *= gain
        return tuple(mobility**2 * product for mobility in self.mobility)


def reduced_system(hidden_widths: Sequence[int], parameterisation: str | Sequence[Fraction] = "plain") -> ReducedSystem:
    """The scalar chain read off the composed network on the manifold, for depth len(hidden_widths) + 1.

    ``parameterisation`` is "plain", "ntk", or the squared gains (g_1^2, ..., g_L^2). Layer scales: plain and general
    gains X_l = F_l, mobility 1; ntk X_l = F_l / sqrt(n_l), X_L = F_L / sqrt(n_{L-1}), gains 1/sqrt(n_{l-1}) for l >=
    2, so that equal widths N give THEORY section 0: a = (1, ..., 1, sqrt N), mobility 1/N.
    """
    n = (1, *hidden_widths, 1)
    depth = len(hidden_widths) + 1
    _check_widths(depth, 1, hidden_widths)
    scales = [Fraction(1)] * depth
    if parameterisation == "plain":
        squared = [Fraction(1)] * depth
    elif parameterisation == "ntk":
        squared = [Fraction(1), *(Fraction(1, width) for width in hidden_widths)]
        scales = [Fraction(width) for width in (*hidden_widths, hidden_widths[-1])]
    elif isinstance(parameterisation, str) or len(parameterisation) != depth:
        raise ValueError(
            f"expected 'plain', 'ntk' or {depth} squared gains, got {parameterisation!r}: give one of these"
        )
    else:
        squared = [Fraction(value) for value in parameterisation]
    fan_in = _chain_multiplicities(depth, hidden_widths)
    gains = (square * k**2 / (n[i] * n[i + 1]) for i, (square, k) in enumerate(zip(squared, fan_in, strict=True)))
    return ReducedSystem(
        tuple(gain * scale for gain, scale in zip(gains, scales, strict=True)), tuple(1 / scale for scale in scales)
    )


@dataclass(frozen=True)
class RowGradient:
    """An exact gradient of one layer, row by row, at a point whose weight matrices all have identical rows."""

    layer: int
    weights: tuple[tuple[tuple[Fraction, ...], ...], ...]
    gradient: tuple[tuple[Fraction, ...], ...]

    @property
    def rows_stay_identical(self) -> bool:
        """Whether the gradient keeps the rows of this layer identical."""
        return all(row == self.gradient[0] for row in self.gradient)


def identical_rows_gradient(layer: int = 1, upper_row: Sequence[Fraction] = (Fraction(1), Fraction(2))) -> RowGradient:
    """The gradient at a point with identical rows in every W_l, "as printed": exact (THEORY section 2).

    L = 3, widths 2, s(z) = z + z^2/2 - z^3/6, one sample, W_1 = 1 (1/2, 1/3), W_2 = 1 r^T, W_3 = (1, 1), loss
    (yhat - 1)^2 / 2. With r constant the rows of the gradient are equal, otherwise those of layer 1 are not.
    """
    z = sympy.Symbol("z")
    cubic = sympy.Lambda(z, z + z**2 / 2 - z**3 / 6)
    rows = ((Fraction(1, 2), Fraction(1, 3)), tuple(upper_row))
    weights = [sympy.Matrix([[sympy.Rational(e) for e in row]] * 2) for row in rows] + [sympy.ones(1, 2)]
    inputs = sympy.Matrix([sympy.Rational(1, 2), sympy.Rational(2)])
    gains = (sympy.Integer(1),) * 3

    def entry(i: int, j: int) -> Fraction:
        perturbed, free = _with_free_entry(weights, layer, i, j)
        loss = (composed_output(perturbed, gains, inputs, cubic) - 1) ** 2 / 2
        return as_fraction(loss.diff(free).subs(free, weights[layer - 1][i, j]))

    matrix = weights[layer - 1]
    return RowGradient(
        layer,
        tuple(tuple(tuple(as_fraction(e) for e in row) for row in weight.tolist()) for weight in weights),
        tuple(tuple(entry(i, j) for j in range(matrix.cols)) for i in range(matrix.rows)),
    )


@dataclass(frozen=True)
class _ManifoldPoint:
    depth: int
    layer: int
    widths: tuple[int, ...]  # n_0 = 1, n_1, ..., n_L = 1
    row: Row
    gains: tuple[sympy.Symbol, ...]
    scales: tuple[sympy.Symbol, ...]  # c_1, ..., c_L
    common_row: sympy.Matrix  # the row of W_1 / c_1
    weights: tuple[sympy.Matrix, ...]
    samples: tuple[sympy.Matrix, ...]

    def gradient_entry(self, i: int, j: int) -> sympy.Expr:
        """dLoss/dW_l[i,j] at the point, averaged over the samples, by plain differentiation."""
        perturbed, free = _with_free_entry(self.weights, self.layer, i, j)
        losses = [_LOSS(composed_output(perturbed, self.gains, sample, _S)) for sample in self.samples]
        value = self.weights[self.layer - 1][i, j]
        return sum(loss.diff(free).xreplace({free: value}) for loss in losses) / len(losses)

    def chain(self, reading: TangencyReading = "exact") -> list[sympy.Expr]:
        """z_1, ..., z_L of the scalar chain, in the scales c_l."""
        overlap = _U if self.row == "teacher" else self.common_row.dot(self.samples[0])
        z = [self.gains[0] * self.scales[0] * overlap]
        for gain, scale, width in zip(self.gains[1:], self.scales[1:], self.widths[1:], strict=False):
            fan_in = 1 if reading == "wrong-gain" else width
            z.append(gain * scale * fan_in * _S(z[-1]))
        return z

    def chain_names(self) -> list[tuple[str, sympy.Expr]]:
        return [(f"z_{layer}", value) for layer, value in enumerate(self.chain(), start=1)]

    def claimed_entry(self, j: int, reading: TangencyReading) -> sympy.Expr:
        """The reduced gradient over the widths, in layer 1 in the direction of the common row."""
        factors = {
            "exact": self.widths[self.layer] * self.widths[self.layer - 1],
            "wrong-gain": self.widths[self.layer] * self.widths[self.layer - 1],
            "not-normalised": 1,
            "fan-in-only": self.widths[self.layer - 1],
        }
        if reading not in factors:
            raise ValueError(f"expected a reading among {', '.join(factors)}, got {reading!r}: choose one of them")
        loss = _LOSS(self.chain(reading)[-1])
        if self.layer == 1 and self.row == "arbitrary":
            return loss.diff(self.common_row[j]) / factors[reading]
        direction = self.common_row[j] if self.layer == 1 else 1
        return loss.diff(self.scales[self.layer - 1]) * direction / factors[reading]


def _manifold_point(depth: int, layer: int, hidden_widths: Sequence[int], row: Row) -> _ManifoldPoint:
    _check_widths(depth, layer, hidden_widths)
    widths = (1, *hidden_widths, 1)
    scales = tuple(sympy.Symbol(f"c_{index}") for index in range(1, depth + 1))
    if row == "teacher":
        common_row, samples = _V, [_U * _V + _ORTHOGONAL, _U * _V - _ORTHOGONAL]
    elif row == "arbitrary":
        common_row, samples = sympy.Matrix(sympy.symbols("r[0] r[1]")), [sympy.Matrix(sympy.symbols("x[0] x[1]"))]
        scales = (sympy.Integer(1), *scales[1:])
    else:
        raise ValueError(f"expected a row teacher or arbitrary, got {row!r}: choose one of them")
    first = sympy.ones(widths[1], 1) * scales[0] * common_row.T
    rest = (scales[k] * sympy.ones(widths[k + 1], widths[k]) for k in range(1, depth))
    gains = tuple(sympy.Symbol(f"g_{index}") for index in range(1, depth + 1))
    return _ManifoldPoint(depth, layer, widths, row, gains, scales, common_row, (first, *rest), tuple(samples))


def _with_free_entry(
    weights: Sequence[sympy.Matrix], layer: int, i: int, j: int
) -> tuple[list[sympy.Matrix], sympy.Symbol]:
    """The weights with entry (i, j) of one layer replaced by a symbol, to differentiate by it."""
    free = sympy.Symbol(f"W_{layer}[{i},{j}]")
    changed = weights[layer - 1].as_mutable()
    changed[i, j] = free
    return [changed if index == layer else weight for index, weight in enumerate(weights, start=1)], free


def _chain_multiplicities(depth: int, hidden_widths: Sequence[int]) -> list[Fraction]:
    """k_l in z_l = k_l g_l c_l s(z_{l-1}): the coefficient of the composed network with s linear, layer by layer."""
    point = _manifold_point(depth, 1, hidden_widths, "teacher")
    names = Canonicaliser(vanishing=_UNIT_LENGTH)
    factors: list[Fraction] = []
    for upto in range(1, depth + 1):
        output = composed_output(point.weights[:upto], point.gains[:upto], point.samples[0], lambda z: z)
        (total,) = names.form(output).values()
        factors.append(total / _product(factors))
    return factors


def _product(factors: Sequence[Fraction]) -> Fraction:
    result = Fraction(1)
    for factor in factors:
        result *= factor
    return result


def _prefixed(layer: int, i: int, j: int, form: LinearForm) -> LinearForm:
    return {f"G_{layer}[{i},{j}]: {key}": value for key, value in form.items()}


def _check_widths(depth: int, layer: int, hidden_widths: Sequence[int]) -> None:
    if depth < 2 or len(hidden_widths) != depth - 1 or min(hidden_widths) < 1:
        raise ValueError(
            f"expected depth >= 2 and depth - 1 positive widths, got depth {depth}, {tuple(hidden_widths)}: "
            "give one width per hidden layer"
        )
    if not 1 <= layer <= depth:
        raise ValueError(f"expected a layer in 1..{depth}, got {layer}: layers are counted from 1")
