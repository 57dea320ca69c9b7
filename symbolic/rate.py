"""K_eff, the rate of the clock dy/dt = K_eff y^{r-1}, for any bottleneck placement (THEORY section 3, T5).

Near the saddle the loss is E[y^2]/2 - E[y yhat] + O(yhat^2), so layer i of the bottleneck obeys
dX_i/dt = c^2 d/dX_i E[y yhat], and at equal small scales y the leading term of the right-hand side is y^{r-1} times

    K_eff = c^2  d^r E[y yhat] / dX_{i_1} ... dX_{i_r}   at X_{i_1} = ... = X_{i_r} = 0.

That derivative is taken here, on the reduced chain with an undefined activation s: no formula for K_eff is typed in.
Only s(0) = 0 and s'(0) = alpha are used, so the result holds for classes A, B and C and is void for class D.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import sympy as sp

from symbolic.reduced_gains import ReducedGains, check_depth, symbolic_gains

ALPHA = sp.Symbol("alpha", positive=True)
"""alpha = s'(0)."""
INPUT = sp.Symbol("u", real=True)
"""u = v.x, the component of the input along the teacher's direction; standard normal unless said."""
TEACHER = sp.Symbol("y", real=True)
"""The target y."""
ACTIVATION = sp.Function("s")
"""The undefined activation."""
EXPECTATION = sp.Function("E", real=True)
"""E[...], the expectation over the data, left unevaluated."""


def layer_scales(depth: int) -> tuple[sp.Symbol, ...]:
    """The O(1) layer scales xi_1 ... xi_L as positive symbols."""
    return tuple(sp.Symbol(f"xi_{i}", positive=True) for i in range(1, check_depth(depth) + 1))


def bottleneck(depth: int, small: Sequence[int] | int | None = None) -> tuple[int, ...]:
    """The small layers, sorted, counted from 1: all of them for None, the first `small` of them for an int.

    ValueError for an empty bottleneck, a layer outside 1 ... depth, or a repeated layer.
    """
    check_depth(depth)
    layers = (
        list(range(1, depth + 1)) if small is None else list(range(1, small + 1)) if isinstance(small, int) else small
    )
    if not layers or any(isinstance(i, bool) or not isinstance(i, int) or not 1 <= i <= depth for i in layers):
        raise ValueError(f"small layers must be layers among 1 ... {depth}, at least one, got {small!r}")
    if len(set(layers)) != len(layers):
        raise ValueError(f"each small layer is named once, got {small!r}")
    return tuple(sorted(layers))


@dataclass(frozen=True)
class EffectiveRate:
    """K_eff = coefficient * E[y g(u)] with g the output of the O(1) layers before the first small one (u if none)."""

    depth: int
    small: tuple[int, ...]
    coefficient: sp.Expr
    chain: sp.Expr

    @property
    def expression(self) -> sp.Expr:
        """K_eff with E[y g(u)] left as the unevaluated function E."""
        return self.coefficient * EXPECTATION(TEACHER * self.chain)


def effective_rate(
    depth: int,
    small: Sequence[int] | int | None = None,
    gains: ReducedGains | None = None,
    scales: Sequence[object] | None = None,
) -> EffectiveRate:
    """Derive K_eff by differentiating the reduced output once in each small scale.

    small: layers that start at scale eps (see `bottleneck`); gains: `ReducedGains`, symbols b_l and c2 when None;
    scales: L numbers or expressions, the O(1) scales xi_l (entries at small layers are not read), symbols when None.
    ValueError when a length does not fit the depth. Source: THEORY section 3, "r < L small layers".
    """
    chosen = bottleneck(depth, small)
    reduced = symbolic_gains(depth) if gains is None else gains
    xi = layer_scales(depth) if scales is None else tuple(sp.sympify(x) for x in scales)
    if reduced.depth != depth or len(xi) != depth:
        raise ValueError(f"depth {depth} needs {depth} gains and {depth} scales, got {reduced.depth} and {len(xi)}")
    return _effective_rate(depth, chosen, reduced, xi)


@cache
def _effective_rate(
    depth: int, small: tuple[int, ...], reduced: ReducedGains, xi: tuple[sp.Expr, ...]
) -> EffectiveRate:
    values = dict(zip((*symbolic_gains(depth).gains, *layer_scales(depth)), (*reduced.gains, *xi), strict=True))
    coefficient, chain = _split(_general_derivative(depth, small).xreplace(values))
    return EffectiveRate(depth, small, sp.simplify(reduced.mobility * coefficient), chain)


@cache
def _general_derivative(depth: int, small: tuple[int, ...]) -> sp.Expr:
    # Always with symbols first: where a gain times a scale is the number 1, SymPy would differentiate s(s(X)) by s(X).
    return multilinear_derivative(reduced_output(symbolic_gains(depth).gains, layer_scales(depth), small), small)


def small_scale(layer: int) -> sp.Symbol:
    """X_layer, the scale of a small layer, as a real symbol."""
    return sp.Symbol(f"X_{layer}", real=True)


def reduced_output(a: tuple[sp.Expr, ...], xi: tuple[sp.Expr, ...], small: tuple[int, ...]) -> sp.Expr:
    """yhat = a_L X_L s(... s(a_1 X_1 u)) with symbols X_i in the bottleneck and xi_i elsewhere."""
    value: sp.Expr = INPUT
    for layer, gain in enumerate(a, start=1):
        scale = small_scale(layer) if layer in small else xi[layer - 1]
        value = gain * scale * (value if layer == 1 else ACTIVATION(value))
    return value


def multilinear_derivative(output: sp.Expr, small: Sequence[int]) -> sp.Expr:
    """Mixed derivative at zero, from the last layer down: at X_i = 0 nothing of the layers below i is left but s(0).

    small: the layers, each once.
    """
    value = output
    for layer in sorted(small, reverse=True):
        scale = small_scale(layer)
        value = at_origin(sp.diff(value, scale).subs(scale, 0))
    return sp.expand(value, deep=False)


def at_origin(value: sp.Expr) -> sp.Expr:
    """Use s(0) = 0 and s'(0) = alpha from the inside out, until nothing changes."""
    while True:
        reduced = value.xreplace({ACTIVATION(0): sp.Integer(0)})
        reduced = reduced.replace(lambda e: isinstance(e, sp.Subs), _slope_at_zero)
        if reduced == value:
            return reduced
        value = reduced


def _slope_at_zero(term: sp.Subs) -> sp.Expr:
    """s'(0) -> alpha; higher derivatives and other points stay as they are."""
    slope = term.expr
    first = isinstance(slope, sp.Derivative) and slope.expr.func == ACTIVATION and slope.derivative_count == 1
    return ALPHA if first and term.point == (0,) else term


def _split(derivative: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Factor out what does not depend on the data: E[y c g(u)] = c E[y g(u)]."""
    coefficient, chain = derivative.as_independent(INPUT, as_Add=False)
    return coefficient, chain
