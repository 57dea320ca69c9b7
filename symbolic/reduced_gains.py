"""The three parameterisations as one: reduced gains a_l and the mobility c^2 of the symmetric manifold.

On the manifold of constant rows the network is the chain (THEORY section 2, "General gains")

    z_1 = a_1 X_1 u,   z_l = a_l X_l s(z_{l-1}),   yhat = a_L X_L s(z_{L-1}),   dX_l/dt = -c^2 dLoss/dX_l,

with Loss = E(yhat - y)^2 / 2, u = v.x and one layer scale X_l per layer. Time is gradient-flow time.

plain    X_l = |W_l|_F,            a = (N^{-1/2}, 1, ..., 1, N^{1/2}),  c^2 = 1
ntk      X_l = |W_l|_F / sqrt(N),  a = (1, ..., 1, N^{1/2}),            c^2 = 1/N
general  X_l = |W_l|_F,            a_l = g_l sqrt(n_{l-1}/n_l),         c^2 = 1,   n_0 = n_L = 1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp


@dataclass(frozen=True)
class ReducedGains:
    """Gains a_1 ... a_L of the reduced chain and the mobility c^2 of its layer scales (see the module)."""

    gains: tuple[sp.Expr, ...]
    mobility: sp.Expr

    @property
    def depth(self) -> int:
        """Number of layers L."""
        return len(self.gains)


def check_depth(depth: int) -> int:
    """Return `depth` if it is a number of layers, an int >= 1; ValueError otherwise."""
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise ValueError(f"depth must be an integer >= 1, got {depth!r}: give the number of weight matrices L")
    return depth


def ntk_gains(depth: int, width: int | sp.Expr) -> ReducedGains:
    """ntk: hidden and output layers carry 1/sqrt(N); the layer scale is X_l = |W_l|_F / sqrt(N)."""
    hidden = _width(width)
    ones = (sp.Integer(1),) * (check_depth(depth) - 1)
    return ReducedGains((*ones, sp.sqrt(hidden)), 1 / hidden)


def plain_gains(depth: int, width: int | sp.Expr) -> ReducedGains:
    """plain: no factors; the layer scale is F_l = |W_l|_F. It is `general_gains` with every g_l = 1."""
    return general_gains((1,) * check_depth(depth), (width,) * (depth - 1))


def general_gains(layer_gains: Sequence[object], widths: Sequence[object]) -> ReducedGains:
    """z_l = g_l W_l s(z_{l-1}) with hidden widths n_1 ... n_{L-1}: a_l = g_l sqrt(n_{l-1}/n_l), c^2 = 1.

    `layer_gains` has L entries and `widths` has L - 1; ValueError otherwise.
    """
    depth = check_depth(len(layer_gains))
    if len(widths) != depth - 1:
        raise ValueError(
            f"{depth} gains need {depth - 1} hidden widths, got {len(widths)}: give one width per hidden layer"
        )
    n = [sp.Integer(1), *(_width(w) for w in widths), sp.Integer(1)]
    a = tuple(sp.sympify(g) * sp.sqrt(n[i] / n[i + 1]) for i, g in enumerate(layer_gains))
    return ReducedGains(a, sp.Integer(1))


def named_gains(parameterisation: str, depth: int, width: int | sp.Expr) -> ReducedGains:
    """The gains of "ntk" or "plain" by name; ValueError for any other name (use `general_gains` there)."""
    if parameterisation == "ntk":
        return ntk_gains(depth, width)
    if parameterisation == "plain":
        return plain_gains(depth, width)
    raise ValueError(f"parameterisation must be 'ntk' or 'plain', got {parameterisation!r}")


def symbolic_gains(depth: int) -> ReducedGains:
    """Gains as positive symbols b_1 ... b_L (a_k is left to the Taylor coefficients), mobility c^2 as the symbol c2."""
    a = tuple(sp.Symbol(f"b_{i}", positive=True) for i in range(1, check_depth(depth) + 1))
    return ReducedGains(a, sp.Symbol("c2", positive=True))


def _width(width: object) -> sp.Expr:
    value = sp.sympify(width)
    if value.is_positive is False or (value.is_number and value.is_integer is False):
        raise ValueError(f"width must be a positive integer, got {width!r}")
    return value
