"""Tangency of the symmetric manifold with symbolic widths: THEORY T4 in one proof for every width and input dimension.

The network z_l[i] = g_l sum_{j < n_{l-1}} W_l[i,j] s(z_{l-1}[j]), yhat = z_L, n_L = 1, is composed with sums whose
limits are symbols, its undefined loss is differentiated with respect to one entry W_l[a,b], and the result is taken
at the manifold W_1[i,j] = c_1 v[j], W_l[i,j] = c_l for l >= 2. There every sum is evaluated by one of three rules:

    sum_{i<n} delta(i,a) f(i) = f(a)    a an index of the same width
    sum_{i<n} f = n f                   f free of i
    sum_{j<d} v[j] x[j] = u             the definition of u

In layer 1 the entry is linear in x[b] times a function of u, and its expectation uses E[x | u] = u v, the hypothesis
that v is an eigenvector of the covariance. ``claimed`` is the derivative of the scalar chain z_1 = g_1 c_1 u,
z_l = g_l n_{l-1} c_l s(z_{l-1}), divided by n_l n_{l-1} (n_0 = 1 here: v counts as one direction); both sides are
given times n_l n_{l-1}, as polynomials.
"""

from __future__ import annotations

from typing import Literal

import sympy
from sympy.core.function import AppliedUndef

from symbolic.polynomial_form import Canonicaliser, IdentitySides, undefined_function

Reading = Literal["exact", "not-normalised", "fan-in-only", "wrong-gain"]

_S = undefined_function("s")
_LOSS = undefined_function("Loss")
_U = sympy.Symbol("u")
_V, _X = sympy.IndexedBase("v"), sympy.IndexedBase("x")
_ROW, _COLUMN = sympy.symbols("a b", integer=True)
_DIMENSION = sympy.Symbol("d", integer=True, positive=True)


def composed_output(depth: int) -> sympy.Expr:
    """z_L of the network, with symbolic widths, gains and weights: what the loss is a function of."""
    below = sympy.Symbol("i_0", integer=True)
    hidden = _X[below]
    for layer in range(1, depth + 1):
        here = sympy.Symbol(f"i_{layer}", integer=True) if layer < depth else sympy.Integer(0)
        total = sympy.Sum(_weight(layer)[here, below] * hidden, (below, 0, _width(layer - 1, depth) - 1))
        preactivation = _gain(layer) * total
        hidden, below = _S(preactivation), here
    return preactivation


def manifold_tangency_any_width(depth: int, layer: int, reading: Reading = "exact") -> IdentitySides:
    """Both sides of dLoss/dW_l[a,b] = (dLoss/dc_l) / (n_l n_{l-1}), times v[b] in layer 1, for symbolic widths.

    Depth L >= 2 and 1 <= layer <= L; counterfeits as in ``manifold``: "not-normalised", "fan-in-only" (which is exact
    for l = L), "wrong-gain". Raises ValueError for an impossible layer or an unknown reading.
    """
    if depth < 2 or not 1 <= layer <= depth:
        raise ValueError(f"expected depth >= 2 and a layer in 1..{depth}, got depth {depth}, layer {layer}")
    row = _ROW if layer < depth else sympy.Integer(0)
    derivative = _LOSS(composed_output(depth)).diff(_weight(layer)[row, _COLUMN])
    widths = {_ROW: _width(layer, depth), _COLUMN: _width(layer - 1, depth)}
    measured = _at_manifold(derivative, widths).subs(_X[_COLUMN], _U * _V[_COLUMN])
    measured *= _fan_in(layer, depth) * _width(layer, depth)
    names = Canonicaliser((f"z_{k}", value) for k, value in enumerate(_chain(depth, "exact"), start=1))
    direction = {_V[_COLUMN]: sympy.Symbol("v[b]")}
    claimed = _claimed(depth, layer, reading)
    return IdentitySides(names.form(measured.xreplace(direction)), names.form(claimed.xreplace(direction)))


def _chain(depth: int, reading: Reading) -> list[sympy.Expr]:
    """z_1, ..., z_L of the scalar chain in the scales c_l."""
    z = [_gain(1) * _scale(1) * _U]
    for layer in range(2, depth + 1):
        fan_in = 1 if reading == "wrong-gain" else _width(layer - 1, depth)
        z.append(_gain(layer) * fan_in * _scale(layer) * _S(z[-1]))
    return z


def _claimed(depth: int, layer: int, reading: Reading) -> sympy.Expr:
    """The claimed entry times n_l n_{l-1}."""
    factors = {
        "exact": sympy.Integer(1),
        "wrong-gain": sympy.Integer(1),
        "not-normalised": _fan_in(layer, depth) * _width(layer, depth),
        "fan-in-only": _width(layer, depth),
    }
    if reading not in factors:
        raise ValueError(f"expected a reading among {', '.join(factors)}, got {reading!r}: choose one of them")
    slope = _LOSS(_chain(depth, reading)[-1]).diff(_scale(layer)) * factors[reading]
    return slope * _V[_COLUMN] if layer == 1 else slope


def _fan_in(layer: int, depth: int) -> sympy.Expr:
    """n_{l-1}, with n_0 = 1: the input counts as the one direction v."""
    return _width(layer - 1, depth) if layer > 1 else sympy.Integer(1)


def _at_manifold(expression: sympy.Expr, widths: dict[sympy.Symbol, sympy.Expr]) -> sympy.Expr:
    """The expression at the manifold, all sums evaluated; ``widths`` are the ranges of the free indices."""
    if isinstance(expression, sympy.Indexed) and str(expression.base).startswith("W_"):
        layer = int(str(expression.base)[2:])
        return _scale(layer) * (_V[expression.indices[1]] if layer == 1 else 1)
    if isinstance(expression, sympy.Sum):
        ((index, start, end),) = expression.limits
        if start != 0:
            raise ValueError(f"expected sums from 0, got {expression.limits}: shift the index")
        summand = sympy.expand(_at_manifold(expression.function, widths | {index: end + 1}))
        return sympy.Add(*(_summed(term, index, end + 1, widths) for term in sympy.Add.make_args(summand)))
    if isinstance(expression, sympy.Add | sympy.Mul | sympy.Pow | AppliedUndef):
        return expression.func(*(_at_manifold(argument, widths) for argument in expression.args))
    return expression


def _summed(
    term: sympy.Expr, index: sympy.Symbol, width: sympy.Expr, widths: dict[sympy.Symbol, sympy.Expr]
) -> sympy.Expr:
    """sum_{index < width} of one product, by the three rules of the module; ValueError when none applies."""
    if not term.has(index):
        return width * term
    factors = sympy.Mul.make_args(term)
    for delta in (factor for factor in factors if isinstance(factor, sympy.KroneckerDelta) and factor.has(index)):
        (other,) = [argument for argument in delta.args if argument != index]
        if widths.get(other, 1) != width:
            raise ValueError(
                f"expected a delta between two indices of equal range, got {delta}: a weight is transposed"
            )
        return sympy.Mul(*(factor for factor in factors if factor != delta)).subs(index, other)
    pair = {_V[index], _X[index]}
    if pair <= set(factors):
        rest = sympy.Mul(*(factor for factor in factors if factor not in pair))
        if not rest.has(index):
            return _U * rest
    raise ValueError(f"expected a sum that the manifold collapses, got the summand {term} over {index}")


def _weight(layer: int) -> sympy.IndexedBase:
    return sympy.IndexedBase(f"W_{layer}")


def _width(layer: int, depth: int) -> sympy.Expr:
    if layer == 0:
        return _DIMENSION
    return sympy.Symbol(f"n_{layer}", integer=True, positive=True) if layer < depth else sympy.Integer(1)


def _gain(layer: int) -> sympy.Symbol:
    return sympy.Symbol(f"g_{layer}")


def _scale(layer: int) -> sympy.Symbol:
    return sympy.Symbol(f"c_{layer}")
