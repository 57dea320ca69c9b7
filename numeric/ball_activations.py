"""Activations in ball arithmetic (python-flint): values, derivatives and Taylor coefficients with rigorous radii.

Independent of the float64 definitions in ``scalar_activations``; a test checks that the two agree.  Only activations
that are analytic on the real line are here.  Precision is that of the caller: use ``with flint.ctx.workprec(bits)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import flint

Ball = Any  # flint.arb
Series = Any  # flint.arb_series; every formula below also accepts it
Formula = Callable[[Any], Any]


@dataclass(frozen=True)
class BallActivation:
    """``formula`` maps arb to arb and arb_series to arb_series; ``pair`` gives s(z) and s'(z) for an arb."""

    name: str
    formula: Formula
    pair: Callable[[Ball], tuple[Ball, Ball]]
    odd: bool

    def coefficients(self, order: int) -> list[Ball]:
        """Taylor coefficients a_0 .. a_order of s at 0, at the caller's precision."""
        return taylor(self.formula, flint.arb(0), order)


def ball_activation(name: str) -> BallActivation:
    """The activation of that name; raises ValueError when it is unknown or not analytic."""
    try:
        return _CATALOGUE[name]
    except (KeyError, TypeError):
        known = ", ".join(sorted(_CATALOGUE))
        raise ValueError(f"no analytic activation is called {name!r} here: choose one of {known}") from None


def taylor(formula: Formula, point: Ball, order: int) -> list[Ball]:
    """Coefficients 0 .. order of ``formula`` at ``point``."""
    cap = flint.ctx.cap
    flint.ctx.cap = max(cap, order + 1)
    try:
        series = formula(flint.arb_series([point, 1], prec=order + 1))
        return [flint.arb(series[k]) for k in range(order + 1)]
    finally:
        flint.ctx.cap = cap


def _by_series(formula: Formula) -> Callable[[Ball], tuple[Ball, Ball]]:
    def pair(z: Ball) -> tuple[Ball, Ball]:
        value, slope = taylor(formula, z, 1)
        return value, slope

    return pair


def _half() -> Ball:
    return flint.arb(flint.fmpq(1, 2))


def _tanh(z: Any) -> Any:
    if isinstance(z, flint.arb):
        return z.tanh()
    e = (2 * z).exp()
    return (e - 1) / (e + 1)


def _tanh_pair(z: Ball) -> tuple[Ball, Ball]:
    s = z.tanh()
    return s, 1 - s * s


def _asinh(z: Any) -> Any:
    if isinstance(z, flint.arb):
        return z.asinh()
    return (z + (1 + z * z).sqrt()).log()


def _erf_pair(z: Ball) -> tuple[Ball, Ball]:
    return z.erf(), 2 * (-z * z).exp() / flint.arb.const_sqrt_pi()


def _sin_pair(z: Ball) -> tuple[Ball, Ball]:
    return z.sin(), z.cos()


def _sigmoid(z: Any) -> Any:
    return 1 / (1 + (-z).exp())


def _sigmoid_pair(z: Ball) -> tuple[Ball, Ball]:
    s = _sigmoid(z)
    return s, s * (1 - s)


def _silu_pair(z: Ball) -> tuple[Ball, Ball]:
    p, dp = _sigmoid_pair(z)
    return z * p, p + z * dp


def _gelu(z: Any) -> Any:
    return z * (1 + (z * _half().sqrt()).erf()) * _half()


def _gelu_pair(z: Ball) -> tuple[Ball, Ball]:
    cdf = (1 + (z * _half().sqrt()).erf()) * _half()
    return z * cdf, cdf + z * (-z * z / 2).exp() / (2 * flint.arb.pi()).sqrt()


def _gelu_tanh(z: Any) -> Any:
    c = 2 * (2 / flint.arb.pi()).sqrt()
    return z * _sigmoid(c * (z + flint.arb(flint.fmpq(44715, 1000000)) * z * z * z))


def _mish(z: Any) -> Any:
    w = 1 + z.exp()
    return z * (w * w - 1) / (w * w + 1)  # tanh(log w)


def _cosh(z: Any) -> Any:
    return (z.exp() + (-z).exp()) * _half()


_FORMULAS: Mapping[str, tuple[Formula, Callable[[Ball], tuple[Ball, Ball]] | None, bool]] = {
    "linear": (lambda z: z, lambda z: (z, flint.arb(1)), True),
    "tanh": (_tanh, _tanh_pair, True),
    "erf": (lambda z: z.erf(), _erf_pair, True),
    "sin": (lambda z: z.sin(), _sin_pair, True),
    "arctan": (lambda z: z.atan(), lambda z: (z.atan(), 1 / (1 + z * z)), True),
    "asinh": (_asinh, None, True),
    "sinh": (lambda z: (z.exp() - (-z).exp()) * _half(), None, True),
    "cubic": (lambda z: z - z * z * z / 3, lambda z: (z - z * z * z / 3, 1 - z * z), True),
    "quadratic": (lambda z: z + z * z / 2, lambda z: (z + z * z / 2, 1 + z), False),
    "gelu": (_gelu, _gelu_pair, False),
    "gelu_tanh": (_gelu_tanh, None, False),
    "silu": (lambda z: z * _sigmoid(z), _silu_pair, False),
    "swish": (lambda z: z * _sigmoid(z), _silu_pair, False),
    "mish": (_mish, None, False),
    "snake": (lambda z: z + z.sin() * z.sin(), lambda z: (z + z.sin() ** 2, 1 + (2 * z).sin()), False),
    "sigmoid": (_sigmoid, _sigmoid_pair, False),
    "softplus": (lambda z: (1 + z.exp()).log(), lambda z: ((1 + z.exp()).log(), _sigmoid(z)), False),
    "gaussian": (lambda z: (-z * z).exp(), None, False),
    "cos": (lambda z: z.cos(), lambda z: (z.cos(), -z.sin()), False),
    "logcosh": (lambda z: _cosh(z).log(), lambda z: (_cosh(z).log(), z.tanh()), False),
}
_CATALOGUE: Mapping[str, BallActivation] = MappingProxyType(
    {
        name: BallActivation(name, formula, pair if pair is not None else _by_series(formula), odd)
        for name, (formula, pair, odd) in _FORMULAS.items()
    }
)
