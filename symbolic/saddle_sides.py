"""The saddle as two sides of an identity: what differentiation of the composed loss gives, and what the theorem says.

On the scales (THEORY T5): with r small layers the first derivative of the loss that does not vanish is of order r, in
each small layer once, and equals -K_eff/c^2; for r = 2 the Hessian of all L scales, times the mobility c^2, has the
eigenvalues +K_eff, -K_eff and zeros, for r >= 3 it vanishes. In all weights at the origin: an L = 2 net has
+alpha |Gamma| and -alpha |Gamma|, N times each, and zeros; for L >= 3 the Hessian vanishes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import sympy as sp

from symbolic.polynomial_form import IdentitySides, LinearForm, as_fraction
from symbolic.rate import ACTIVATION, ALPHA, EXPECTATION, INPUT, TEACHER, bottleneck, layer_scales
from symbolic.reduced_gains import symbolic_gains
from symbolic.saddle_hessian import first_nonzero_derivative, manifold_hessian, origin_hessian

ScaleReading = Literal["exact", "alpha-everywhere", "input-overlap", "half"]
OriginReading = Literal["exact", "once", "no-alpha"]

_LAMBDA = sp.Symbol("lambda")


def saddle_identity(
    depth: int, small: Sequence[int] | int | None = None, reading: ScaleReading = "exact"
) -> IdentitySides:
    """Lowest derivatives of the loss in the small scales and the Hessian's characteristic polynomial in all scales.

    A reading other than "exact" alters the claimed side: "alpha-everywhere" (alpha^{L-1} whatever the placement),
    "input-overlap" (E[y u] in place of E[y g(u)]), "half" (K_eff/2). ValueError for fewer than two small layers.
    """
    chosen = bottleneck(depth, small)
    mobility = symbolic_gains(depth).mobility
    measured: LinearForm = {}
    for found in first_nonzero_derivative(depth, chosen):
        measured |= _form(_derivative(found.layers), found.value)
    measured |= _polynomial(manifold_hessian(depth, chosen).charpoly(_LAMBDA).as_expr())
    rate = _claimed_rate(depth, chosen, reading)
    claimed = _form(_derivative(chosen), -rate / mobility)
    square = rate**2 if len(chosen) == 2 else sp.Integer(0)
    claimed |= _polynomial(_LAMBDA ** (depth - 2) * (_LAMBDA**2 - square))
    return IdentitySides(measured, claimed)


def origin_identity(depth: int, width: int, dimension: int, reading: OriginReading = "exact") -> IdentitySides:
    """The characteristic polynomial of the Hessian at W = 0 of a plain network, in all of its weights.

    Readings: "once" (each non-zero eigenvalue once), "no-alpha" (+-|Gamma|).
    """
    hessian = origin_hessian(depth, width, dimension)
    measured = _polynomial(hessian.charpoly(_LAMBDA).as_expr())
    square = sum(sp.Symbol(f"Gamma_{j}", real=True) ** 2 for j in range(1, dimension + 1))
    square = square if reading == "no-alpha" else ALPHA**2 * square
    pairs = (1 if reading == "once" else width) if depth == 2 else 0
    claimed = _polynomial((_LAMBDA**2 - square) ** pairs * _LAMBDA ** (hessian.rows - 2 * pairs))
    return IdentitySides(measured, claimed)


def _claimed_rate(depth: int, small: tuple[int, ...], reading: ScaleReading) -> sp.Expr:
    """K_eff = c^2 alpha^{L-i_1} prod_{m >= i_1} a_m prod_{m > i_1, not small} xi_m E[y g(u)] (THEORY section 3)."""
    gains, scales, first = symbolic_gains(depth), layer_scales(depth), small[0]
    chain: sp.Expr = INPUT
    for layer in range(1, first):
        inner = chain if layer == 1 else ACTIVATION(chain)
        chain = gains.gains[layer - 1] * scales[layer - 1] * inner
    below = INPUT if first == 1 or reading == "input-overlap" else ACTIVATION(chain)
    slopes = depth - 1 if reading == "alpha-everywhere" else depth - first
    value = gains.mobility * ALPHA**slopes * sp.prod(gains.gains[first - 1 :]) * EXPECTATION(TEACHER * below)
    value *= sp.prod(scales[m - 1] for m in range(first + 1, depth + 1) if m not in small)
    return value / 2 if reading == "half" else value


def _derivative(layers: tuple[int, ...]) -> str:
    return f"d^{len(layers)} Loss/{' '.join(f'dX_{layer}' for layer in layers)}: "


def _polynomial(polynomial: sp.Expr) -> LinearForm:
    return _form("det: ", polynomial)


def _form(prefix: str, value: sp.Expr) -> LinearForm:
    terms = sp.expand(value).as_coefficients_dict()
    return {f"{prefix}{monomial}": as_fraction(coefficient) for monomial, coefficient in terms.items() if coefficient}
