"""The leading escape time when the small layers start at different scales X_l(0) = eps x_l (THEORY section 3).

The leading flow dX_l/dt = K prod_{m != l} X_m conserves every X_l^2 - X_k^2, so X_l^2 = X_l(0)^2 + s with one common
ds/dt = 2 K prod_l X_l, and

    K t = 1/2 int_0^S ds / prod_l sqrt(X_l(0)^2 + s) = eps^{2-r} * 1/2 int_0^{S/eps^2} ds / prod_l sqrt(x_l^2 + s).

For r >= 3 the integral converges at S = infinity; for r = 3 it is Carlson's R_F(x_1^2, x_2^2, x_3^2).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import flint
import sympy as sp
from flint import acb, arb, fmpq

from symbolic.chains import working_bits
from symbolic.moments import Constant, constant_from_ball

Ball = Any  # flint.arb
Scalar = Fraction | int | float | str
MOST_EVALUATIONS = 100_000


def unequal_start_residuals(small_layers: int) -> tuple[sp.Expr, ...]:
    """dX_l/dt - K prod_{m != l} X_m for X_l = sqrt(x_l^2 + s(t)), ds/dt = 2 K prod X_l: one zero per layer.

    ValueError unless small_layers >= 1.
    """
    if small_layers < 1:
        raise ValueError(f"the number of small layers must be at least 1, got {small_layers}")
    K, growth = sp.Symbol("K", positive=True), sp.Symbol("s", nonnegative=True)
    starts = sp.symbols(f"x_1:{small_layers + 1}", positive=True)
    scales = [sp.sqrt(x**2 + growth) for x in starts]
    speed = 2 * K * sp.prod(scales)
    forces = [K * sp.prod(scales[:i] + scales[i + 1 :]) for i in range(small_layers)]
    return tuple(
        sp.simplify(sp.diff(scale, growth) * speed - force) for scale, force in zip(scales, forces, strict=True)
    )


def unequal_escape_time(starts: Sequence[Scalar], digits: int = 30) -> Constant:
    """K_eff t eps^{r-2} as eps -> 0: 1/2 int_0^inf ds / prod sqrt(x_l^2 + s), certified; x_l = X_l(0)/eps.

    It is 1/(r - 2) when every x_l is 1. ValueError for r < 3, where the integral diverges, or for starts of the wrong
    sign (prod x_l <= 0 never escapes along the leading flow or stalls at zero).
    """
    x = _checked(starts)
    if len(x) < 3:
        raise ValueError(f"the integral diverges for r < 3 small layers, got {len(x)}: use unequal_escape_until")
    with flint.ctx.workprec(working_bits(digits + 10)):
        return constant_from_ball(_complete(x, digits), digits)


def unequal_escape_until(starts: Sequence[Scalar], growth: Scalar, digits: int = 30) -> Constant:
    """K_eff t eps^{r-2} until X_l^2 = eps^2 (x_l^2 + growth): 1/2 int_0^growth ds / prod sqrt(x_l^2 + s), r >= 1."""
    x, end = _checked(starts), Fraction(growth)
    if end <= 0:
        raise ValueError(f"growth must be positive, got {growth!r}")

    def integrand(s: Ball, analytic: bool) -> Ball:
        value = acb(1) / 2
        for start in x:
            value = value / (_square(start) + s).sqrt(analytic=analytic)
        return value

    with flint.ctx.workprec(working_bits(digits + 10)):
        upper = arb(fmpq(end.numerator, end.denominator))
        least = upper * integrand(acb(upper), False).real  # the integrand decreases
        return constant_from_ball(_integral(integrand, upper, least, digits), digits)


def carlson_time(starts: Sequence[Scalar], digits: int = 30) -> Constant:
    """The same number for three layers from Carlson's integral R_F(x_1^2, x_2^2, x_3^2). ValueError unless r = 3."""
    x = _checked(starts)
    if len(x) != 3:
        raise ValueError(f"Carlson's R_F takes three starts, got {len(x)}")
    with flint.ctx.workprec(working_bits(digits + 10)):
        return constant_from_ball(acb.elliptic_rf(*(acb(_square(start)) for start in x)).real, digits)


def unequal_correction(starts: Sequence[Scalar], power: int, digits: int = 30) -> Constant:
    """J of K_eff t = eps^{2-r} I + c J eps^{q+1-r} + ..., I = `unequal_escape_time`, q = power, first start lowest.

    The force on the first small layer is K prod (1 + q c X^{q-1}), on the others K prod (1 + c X^{q-1}), X the scale of
    the first (THEORY section 3, normal form). With X_l^2 = x_l^2 + s + sigma_l, s their common growth,

        sigma_l = (n_l - n) c (2/(q+1)) ((x_1^2 + s)^{(q+1)/2} - x_1^{q+1}),   n_1 = q, n_l = 1, n their mean,

    and K dt/ds = (1 - 1/2 sum sigma_l/(x_l^2 + s) - n c (x_1^2 + s)^{(q-1)/2}) / (2 prod sqrt(x_l^2 + s)) to first
    order in c. For equal starts J = -(r+q-1)/(r (r-q-1)). ValueError unless r > q + 1, where the integral converges.
    """
    x, r = _checked(starts), len(starts)
    if power < 2 or r <= power + 1:
        raise ValueError(f"the integral converges for more than q + 1 = {power + 1} small layers, q >= 2, got {r}")
    with flint.ctx.workprec(working_bits(digits + 10)):
        return constant_from_ball(_first_order(x, power, digits), digits)


def _first_order(x: tuple[Fraction, ...], q: int, digits: int) -> Ball:
    """J in the variable v of `_complete`: x_l^2 + s = m^2 g_l / v^2 with g_l = 1 - c_l v^2."""
    r, largest = len(x), max(x)
    m, mean = arb(fmpq(largest.numerator, largest.denominator)), fmpq(q + r - 1, r)
    deficits = [1 - (start / largest) ** 2 for start in x]
    gain = 1 / m ** (q + 1) * arb(fmpq(x[0].numerator, x[0].denominator)) ** (q + 1)

    def integrand(v: Ball, analytic: bool) -> Ball:
        roots = [(1 - v * v * fmpq(c.numerator, c.denominator)).sqrt(analytic=analytic) for c in deficits]
        growth = (roots[0] ** (q + 1) - gain * v ** (q + 1)) * fmpq(2, q + 1)  # times m^{q+1} / v^{q+1}
        moved = acb(0)
        for layer, root in enumerate(roots):
            moved += ((q if layer == 0 else 1) - mean) * growth / root**2
        value = moved / 2 + mean * roots[0] ** (q - 1)
        for root in roots:
            value = value / root
        return -value * v ** (r - q - 2)

    # J may be small by cancellation: the tolerance is relative to the equal start at the largest scale.
    return _integral(integrand, arb(1), arb(fmpq(q + r - 1, r * (r - q - 1))), digits) * m ** (q + 1 - r)


def _checked(starts: Sequence[Scalar]) -> tuple[Fraction, ...]:
    x = tuple(Fraction(start) for start in starts)
    sign = 1
    for start in x:
        sign *= (start > 0) - (start < 0)
    if not x or sign <= 0:
        raise ValueError(f"the starts need a positive product (positive alignment), got {list(starts)!r}")
    return tuple(abs(start) for start in x)


def _square(start: Fraction) -> Ball:
    return arb(fmpq(start.numerator, start.denominator)) ** 2


def _complete(x: tuple[Fraction, ...], digits: int) -> Ball:
    """s = m^2 (1 - v^2)/v^2, m = max x, gives m^{2-r} int_0^1 v^{r-3} / prod sqrt(1 - c_l v^2) dv."""
    largest, power = max(x), len(x) - 3
    deficits = [1 - (start / largest) ** 2 for start in x]

    def integrand(v: Ball, analytic: bool) -> Ball:
        value = v**power
        for deficit in deficits:
            value = value / (1 - v * v * fmpq(deficit.numerator, deficit.denominator)).sqrt(analytic=analytic)
        return value

    scale = arb(fmpq(largest.numerator, largest.denominator))
    # Every factor of the integrand is at least that of c_l = 0, so the integral is at least 1/(r - 2).
    return _integral(integrand, arb(1), arb(1) / (len(x) - 2), digits) * scale ** (2 - len(x))


def _integral(integrand: Any, upper: Ball, least: Ball, digits: int) -> Ball:
    """int_0^upper, to a tolerance relative to `least`, a lower bound or the size of it."""
    tolerance = least * arb(10) ** (-(digits + 5))
    value = acb.integral(integrand, 0, upper, rel_tol=0, abs_tol=tolerance, eval_limit=MOST_EVALUATIONS)
    if not value.is_finite():
        raise ValueError("the integral of the unequal start was not bounded: the starts differ by too many decades")
    return value.real
