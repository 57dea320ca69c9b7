"""The saddle itself: its Hessian and the order of the first derivative that does not vanish (THEORY T5, H1, H2).

Everything is obtained by differentiating the squared loss (y - yhat)^2 / 2 of a network with an undefined activation s,
s(0) = 0 and s'(0) = alpha. A derivative at a point with W_i = 0 keeps only the weights it is taken in: the others are
set to zero first, and a chain that runs through an empty layer is s(0) = 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import sympy as sp

from symbolic import imbalance, manifold
from symbolic.rate import (
    ACTIVATION,
    ALPHA,
    EXPECTATION,
    INPUT,
    TEACHER,
    at_origin,
    bottleneck,
    layer_scales,
    multilinear_derivative,
    small_scale,
)
from symbolic.reduced_gains import ReducedGains, check_depth, symbolic_gains


@dataclass(frozen=True)
class FirstDerivative:
    """The lowest derivative of the reduced loss in the small scales at zero that does not vanish.

    order: its order; layers: the multi-index (layers, sorted, repeated as often as differentiated); value: the
    derivative; vanishing: the number of derivatives of lower or equal order that were taken and found zero.
    """

    order: int
    layers: tuple[int, ...]
    value: sp.Expr
    vanishing: int


def first_nonzero_derivative(
    depth: int, small: object = None, gains: ReducedGains | None = None
) -> tuple[FirstDerivative, ...]:
    """Every non-vanishing derivative of the lowest order, of Loss(X) = E(y - yhat)^2/2 at X_small = 0, O(1) layers xi.

    All derivatives up to order r are taken. The theory: one survives, of order r, equal to -K_eff/c^2.
    """
    chosen = bottleneck(depth, small)  # type: ignore[arg-type]
    reduced = symbolic_gains(depth) if gains is None else gains
    density = (TEACHER - _chain(reduced.gains, layer_scales(depth), chosen)) ** 2 / 2
    vanishing = 0
    for order in range(1, len(chosen) + 1):
        found = []
        for layers in combinations_with_replacement(chosen, order):
            value = _mean(_derivative_at_zero(density, chosen, layers))
            if value == 0:
                vanishing += 1
            else:
                found.append((layers, value))
        if found:
            return tuple(FirstDerivative(order, layers, value, vanishing) for layers, value in found)
    raise ArithmeticError(
        f"no derivative up to order {len(chosen)} survived: the chain is not what this module expects"
    )


def manifold_hessian(depth: int, small: object = None, gains: ReducedGains | None = None) -> sp.ImmutableMatrix:
    """c^2 d^2 Loss / dX_i dX_j, L x L, in all layer scales at X_small = 0 and X_m = xi_m.

    Rows and columns of O(1) layers included. For r = 2 its eigenvalues are +K_eff, -K_eff and zeros; zero for r >= 3.
    ValueError for r = 1, where the point is not critical.
    """
    chosen = bottleneck(depth, small)  # type: ignore[arg-type]
    if len(chosen) < 2:
        raise ValueError(f"with one small layer X = 0 is no critical point and has no saddle Hessian, got {small!r}")
    reduced = symbolic_gains(depth) if gains is None else gains
    scales = layer_scales(depth)
    density = (TEACHER - _chain(reduced.gains, scales, chosen)) ** 2 / 2
    variables = [small_scale(i) if i in chosen else scales[i - 1] for i in range(1, depth + 1)]

    def entry(i: int, j: int) -> sp.Expr:
        layers = tuple(sorted(k + 1 for k in (i, j) if k + 1 in chosen))
        frozen = [variables[k] for k in (i, j) if k + 1 not in chosen]
        value = _derivative_at_zero(density, chosen, layers)
        return reduced.mobility * _mean(sp.diff(value, *frozen) if frozen else value)

    return sp.ImmutableMatrix(depth, depth, entry)


def origin_hessian(depth: int, width: int, dimension: int) -> sp.ImmutableMatrix:
    """The Hessian of the loss at W = 0 in all weights of a plain network, Gamma_j = E[y x_j] as symbols.

    Order of the weights: W_1 row by row (width x dimension), the hidden W_l row by row, W_L. ValueError for sizes < 1.
    """
    if check_depth(depth) < 2 or width < 1 or dimension < 1:
        raise ValueError(f"expected depth >= 2, width >= 1, dimension >= 1, got {depth}, {width}, {dimension}")
    inputs = sp.symbols(f"x_1:{dimension + 1}", real=True)
    weights = tuple(_weights(depth, width, dimension))

    def entry(i: int, j: int) -> sp.Expr:
        keep = {weights[i], weights[j]}
        kept = [
            [[w if w in keep else sp.Integer(0) for w in row] for row in W] for W in _layers(depth, width, dimension)
        ]
        density = (TEACHER - _network(kept, inputs)) ** 2 / 2
        value = at_origin(sp.diff(density, weights[i], weights[j]).subs(dict.fromkeys(keep, 0)))
        return _alignment(sp.expand(value), inputs)

    return sp.ImmutableMatrix(len(weights), len(weights), entry)


def origin_spectrum(depth: int, width: int, dimension: int) -> dict[sp.Expr, int]:
    """Eigenvalues of `origin_hessian` with multiplicities, from its characteristic polynomial.

    L = 2: +alpha |Gamma| and -alpha |Gamma|, width times each, and zeros; L >= 3: zero only.
    """
    spectrum = sp.Symbol("lambda")
    polynomial = origin_hessian(depth, width, dimension).charpoly(spectrum)
    return {sp.simplify(value): times for value, times in sp.roots(polynomial, spectrum).items()}


def _derivative_at_zero(density: sp.Expr, chosen: tuple[int, ...], layers: Sequence[int]) -> sp.Expr:
    absent = {small_scale(i): sp.Integer(0) for i in chosen if i not in layers}
    value = at_origin(density.subs(absent))
    if len(set(layers)) == len(layers):
        return multilinear_derivative(value, layers)
    present = [small_scale(i) for i in layers]
    derivative = sp.diff(value, *present) if present else value
    return at_origin(derivative.subs(dict.fromkeys(present, 0)).doit())


def _mean(value: sp.Expr) -> sp.Expr:
    """E[...] with everything that does not depend on the data taken out, term by term; E[y^2] is left as it is."""
    total = sp.Integer(0)
    for term in sp.Add.make_args(sp.expand(value)):
        coefficient, data = term.as_independent(INPUT, TEACHER, as_Add=False)
        total += coefficient * (EXPECTATION(data) if data != 1 else 1)
    return total


def _weights(depth: int, width: int, dimension: int) -> Iterator[sp.Symbol]:
    for W in _layers(depth, width, dimension):
        for row in W:
            yield from row


def _layers(depth: int, width: int, dimension: int) -> list[list[list[sp.Symbol]]]:
    shapes = [(width, dimension), *[(width, width)] * (depth - 2), (1, width)]
    return [
        [[sp.Symbol(f"W_{k}_{i}_{j}", real=True) for j in range(columns)] for i in range(rows)]
        for k, (rows, columns) in enumerate(shapes, start=1)
    ]


def _chain(gains: Sequence[sp.Expr], scales: Sequence[sp.Expr], small: tuple[int, ...]) -> sp.Expr:
    """The network on one unit a layer: yhat = a_L X_L s(... s(a_1 X_1 u)), X_i a symbol where the layer is small."""
    values = [small_scale(i) if i in small else scales[i - 1] for i in range(1, len(gains) + 1)]
    weights = [sp.Matrix([[value]]) for value in values]
    return manifold.composed_output(weights, gains, sp.Matrix([[INPUT]]), ACTIVATION)


def _network(layers: list[list[list[sp.Expr]]], inputs: Sequence[sp.Symbol]) -> sp.Expr:
    """yhat = W_L s(... s(W_1 x)), with s(0) = 0 used where a row is empty."""
    weights = [sp.Matrix(W) for W in layers]
    return imbalance.composed_output(weights, sp.Matrix(inputs), lambda value: at_origin(ACTIVATION(value)))[0, 0]


def _alignment(value: sp.Expr, inputs: Sequence[sp.Symbol]) -> sp.Expr:
    """Replace y x_j by Gamma_j = E[y x_j]; nothing else is left of the data at the origin."""
    for j, x in enumerate(inputs, start=1):
        value = value.subs(TEACHER * x, sp.Symbol(f"Gamma_{j}", real=True))
    if value.free_symbols - {ALPHA} - {sp.Symbol(f"Gamma_{j}", real=True) for j in range(1, len(inputs) + 1)}:
        raise ArithmeticError(f"the Hessian at the origin kept {value}, which is not alpha Gamma_j")
    return value
