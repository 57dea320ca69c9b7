"""Activations on power series of balls and on strips of the complex plane, for validated escape times.

Of each activation two facts are kept beside its formula: its derivative s' on a power series, and a bound B(b) of
|s'(z)| over the strip |Im z| <= b.  The bound gives, for a chain of such layers, a strip of the integration variable in
which an integrand is analytic, and its size there: with s real on the real axis,

    |s(z)| <= |s(0)| + |z| B(b),   |Im s(z)| <= b B(b)   for |Im z| <= b,

because both are integrals of s' along segments inside the strip.  An activation whose derivative is bounded on no
strip (polynomials, sinh) or which is analytic on none (the tanh form of GELU: its poles approach the real axis) is not
here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import flint

from numeric.ball_activations import ball_activation

Ball = Any  # flint.arb
Series = Any  # flint.arb_series

_UNKNOWN = flint.arb("nan")  # fails every comparison
_ONE = flint.arb_series([1], prec=1 << 20)  # longer than any series here: a product is cut at its shorter factor


@dataclass(frozen=True)
class StripActivation:
    """``value``: s on an arb.  ``slope``: s' on an arb_series.  ``bound(b)``: B(b), no number where none is known."""

    name: str
    value: Callable[[Ball], Ball]
    odd: bool
    slope: Callable[[Series], Series]
    bound: Callable[[Ball], Ball]

    def pair(self, z: Series) -> tuple[Series, Series]:
        """s(z) and s'(z); s is integrated from its first coefficient, so that small z lose no relative precision."""
        slope = self.slope(z)
        return (slope * z.derivative()).integral() + self.value(z[0]), slope


def strip_activation(name: str) -> StripActivation:
    """The activation of that name; raises ValueError when no bound of its derivative on a strip is known."""
    try:
        slope, bound = _CATALOGUE[name]
    except (KeyError, TypeError):
        known = ", ".join(sorted(_CATALOGUE))
        raise ValueError(f"no bound on a strip is known for the activation {name!r}: choose one of {known}") from None
    known_ball = ball_activation(name)
    return StripActivation(name, known_ball.formula, known_ball.odd, slope, bound)


def quotient(numerator: Series, denominator: Series) -> Series:
    """numerator / denominator; a series of no numbers where the denominator may vanish."""
    if denominator[0] != 0:
        return numerator / denominator
    return flint.arb_series([_UNKNOWN] * denominator.prec, prec=denominator.prec)


def _q(p: int, q: int) -> Ball:
    return flint.arb(flint.fmpq(p, q))


def _below_half_pi(b: Ball, value: Callable[[Ball], Ball]) -> Ball:
    return value(b) if b < flint.arb.pi() / 2 else _UNKNOWN


def _logistic(z: Series) -> Series:
    return quotient(_ONE, 1 + (-z).exp())


def _tanh_slope(z: Series) -> Series:
    p = _logistic(2 * z)
    return 4 * (p - p * p)


def _erf_slope(z: Series) -> Series:
    return (-(z * z)).exp() * (2 / flint.arb.const_sqrt_pi())


def _sigmoid_slope(z: Series) -> Series:
    p = _logistic(z)
    return p - p * p


def _silu_slope(z: Series) -> Series:
    p = _logistic(z)
    return p + z * (p - p * p)


def _gelu_slope(z: Series) -> Series:
    density = (z * z * _q(-1, 2)).exp() / (2 * flint.arb.pi()).sqrt()
    return (1 + (z * _q(1, 2).sqrt()).erf()) * _q(1, 2) + z * density


def _tanh_bound(b: Ball) -> Ball:
    """|cosh(x + iy)|^2 = sinh(x)^2 + cos(y)^2."""
    return _below_half_pi(b, lambda b: 1 / b.cos() ** 2)


def _erf_bound(b: Ball) -> Ball:
    """|e^{-(x + iy)^2}| = e^{y^2 - x^2}."""
    return 2 * (b * b).exp() / flint.arb.const_sqrt_pi()


def _sin_bound(b: Ball) -> Ball:
    """|cos(x + iy)|^2 = cos(x)^2 + sinh(y)^2."""
    return b.cosh()


def _snake_bound(b: Ball) -> Ball:
    """s' = 1 + sin 2z."""
    return 1 + (2 * b).cosh()


def _arctan_bound(b: Ball) -> Ball:
    """|1 + z^2| = |z - i| |z + i| >= (1 - b)(1 + b)."""
    return 1 / (1 - b * b) if b < 1 else _UNKNOWN


def _asinh_bound(b: Ball) -> Ball:
    """s' = (1 + z^2)^{-1/2}."""
    return 1 / (1 - b * b).sqrt() if b < 1 else _UNKNOWN


def _gelu_bound(b: Ball) -> Ball:
    """s' = Phi + z phi.

    |phi(x + iy)| = e^{y^2/2} phi(x); Phi changes by at most b e^{b^2/2} phi(0) on the way from x to x + iy; and
    |z| e^{-x^2/2} <= b + e^{-1/2}.
    """
    return 1 + (b * b / 2).exp() / (2 * flint.arb.pi()).sqrt() * (2 * b + _q(-1, 2).exp())


def _sigmoid_bound(b: Ball) -> Ball:
    """With p = 1/(1 + e^{-z}), |p (1 - p)| = 1/(2 (cosh x + cos y))."""
    return _below_half_pi(b, lambda b: 1 / (2 * (1 + b.cos())))


def _softplus_bound(b: Ball) -> Ball:
    """|p| <= 1 because Re(1 + e^{-z}) >= 1 for |y| < pi/2."""
    return _below_half_pi(b, lambda _: flint.arb(1))


def _silu_bound(b: Ball) -> Ball:
    """s' = p + z p (1 - p), |p (1 - p)| <= 1/(2 cosh x) for |y| < pi/2, and |x|/cosh x < .663 (where x tanh x = 1)."""
    return _below_half_pi(b, lambda b: 1 + (b + _q(663, 1000)) / 2)


_CATALOGUE: Mapping[str, tuple[Callable[[Series], Series], Callable[[Ball], Ball]]] = MappingProxyType(
    {
        "linear": (lambda z: flint.arb_series([1], prec=z.prec), lambda b: flint.arb(1)),
        "tanh": (_tanh_slope, _tanh_bound),
        "erf": (_erf_slope, _erf_bound),
        "sin": (lambda z: z.cos(), _sin_bound),
        "arctan": (lambda z: quotient(_ONE, 1 + z * z), _arctan_bound),
        "asinh": (lambda z: (1 + z * z).rsqrt(), _asinh_bound),
        "gelu": (_gelu_slope, _gelu_bound),
        "silu": (_silu_slope, _silu_bound),
        "swish": (_silu_slope, _silu_bound),
        "snake": (lambda z: 1 + (2 * z).sin(), _snake_bound),
        "sigmoid": (_sigmoid_slope, _sigmoid_bound),
        "softplus": (_logistic, _softplus_bound),
    }
)
