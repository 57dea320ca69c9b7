"""Closed forms of elementary Gaussian integrals over an interval, term by term.

A :class:`Term` is ``coefficient * u^power * exp(linear u + quadratic u^2) * special(u)``; its integral against the
standard normal density follows from integration by parts (Stein's identity) and a few known starting values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import sympy
from flint import fmpq

from symbolic import exact, exact_functions
from symbolic.exact import PI, Exact, number
from symbolic.pieces import Interval
from symbolic.translate import exact_to_sympy

ZERO, ONE = number(0), number(1)
HALF = fmpq(1, 2)
ROOT_TWO_PI_INVERSE = exact.power(PI.scaled(fmpq(2)), -HALF)

# Names of special factors and their arguments: sin, cos (frequency); erf (slope, offset); atan, asinh (slope); inverse
# (offset, slope) for 1/(offset + slope u); odd, even for a factor of which only the parity is known.
PARITY = {"sin": -1, "cos": 1, "atan": -1, "asinh": -1, "odd": -1, "even": 1}


@dataclass(frozen=True)
class Term:
    """One term of an integrand (module docstring)."""

    coefficient: Exact
    power: int = 0
    linear: Exact = ZERO
    quadratic: Exact = ZERO
    special: tuple[str, tuple[Exact, ...]] | None = None

    @property
    def parity(self) -> int | None:
        """+1 or -1 when the term is even or odd in u, else None."""
        if self.linear.terms:
            return None
        own = 1 if self.power % 2 == 0 else -1
        if self.special is None:
            return own
        name, arguments = self.special
        if name == "erf" and not arguments[1].terms:
            return -own
        return own * PARITY[name] if name in PARITY else None


class NoClosedForm(Exception):  # noqa: N818 - a signal within the package, not an error that a user sees
    """No rule of this module gives the integral."""


def integral(term: Term, interval: Interval) -> sympy.Expr:
    """Integral of the term times the standard normal density over the interval; raises NoClosedForm."""
    if not term.coefficient.terms:
        return sympy.Integer(0)
    if interval.whole_line and term.parity == -1:
        return sympy.Integer(0)
    decay = ONE - term.quadratic.scaled(fmpq(2))
    if exact.sign(decay) <= 0:
        raise NoClosedForm
    if term.special is None:
        value = exact_to_sympy(_plain(term.power, term.linear, decay, interval))
    else:
        value = _SPECIAL.get(term.special[0], _refuse)(term, decay, interval)
    return exact_to_sympy(term.coefficient) * value


def _refuse(_term: Term, _decay: Exact, _interval: Interval) -> sympy.Expr:
    raise NoClosedForm


def _density(power: int, linear: Exact, decay: Exact, end: Exact | None) -> Exact:
    """u^power exp(linear u - decay u^2 / 2) / sqrt(2 pi) at an end of the interval."""
    if end is None:
        return ZERO
    exponent = linear * end - (decay * end * end).scaled(HALF)
    return exact.integer_power(end, power) * exact_functions.exponential(exponent) * ROOT_TWO_PI_INVERSE


def _plain(power: int, linear: Exact, decay: Exact, interval: Interval) -> Exact:
    """int u^power exp(linear u - decay u^2/2) du / sqrt(2 pi): decay I_{n+1} = linear I_n + n I_{n-1} - [u^n w]."""
    scale = exact.power(decay, fmpq(-1))
    peak = exact_functions.exponential((linear * linear * scale).scaled(HALF)) * exact.power(decay, -HALF)
    previous, current = (
        ZERO,
        peak * (_cumulative(interval.high, linear, decay, 1) - _cumulative(interval.low, linear, decay, 0)),
    )
    for n in range(power):
        ends = _density(n, linear, decay, interval.high) - _density(n, linear, decay, interval.low)
        previous, current = current, scale * (linear * current + previous.scaled(fmpq(n)) - ends)
    return current


def _cumulative(end: Exact | None, linear: Exact, decay: Exact, at_infinity: int) -> Exact:
    """Standard normal distribution function at (end - linear/decay) sqrt(decay)."""
    if end is None:
        return number(at_infinity)
    argument = (end * decay - linear) * exact.power(decay.scaled(fmpq(2)), -HALF)
    return (ONE + exact_functions.odd_function("erf", argument)).scaled(HALF)


def _trigonometric(term: Term, decay: Exact, interval: Interval) -> sympy.Expr:
    """Whole line: decay C_{n+1} = n C_{n-1} - w S_n, decay S_{n+1} = n S_{n-1} + w C_n, C_0 by Gauss."""
    assert term.special is not None
    if not interval.whole_line or term.linear.terms:
        raise NoClosedForm
    name, (frequency,) = term.special
    scale = exact.power(decay, fmpq(-1))
    start = exact_functions.exponential(-(frequency * frequency * scale).scaled(HALF)) * exact.power(decay, -HALF)
    cosine, sine, cosine_before, sine_before = start, ZERO, ZERO, ZERO
    for n in range(term.power):
        next_cosine = scale * (cosine_before.scaled(fmpq(n)) - frequency * sine)
        next_sine = scale * (sine_before.scaled(fmpq(n)) + frequency * cosine)
        cosine_before, sine_before, cosine, sine = cosine, sine, next_cosine, next_sine
    return exact_to_sympy(cosine if name == "cos" else sine)


def _error_function(term: Term, decay: Exact, interval: Interval) -> sympy.Expr:
    """Whole line: decay J_{n+1} = linear J_n + n J_{n-1} + (2 a/sqrt pi) e^{-b^2} I_n(linear - 2ab, decay + 2a^2)."""
    assert term.special is not None
    if not interval.whole_line:
        raise NoClosedForm
    slope, offset = term.special[1]
    scale = exact.power(decay, fmpq(-1))
    peak = exact_functions.exponential((term.linear * term.linear * scale).scaled(HALF)) * exact.power(decay, -HALF)
    spread = exact.power(ONE + (slope * slope * scale).scaled(fmpq(2)), -HALF)
    current = peak * exact_functions.odd_function("erf", (slope * term.linear * scale + offset) * spread)
    weight = slope * exact.power(PI, -HALF).scaled(fmpq(2)) * exact_functions.exponential(-(offset * offset))
    shifted, sharper = term.linear - (slope * offset).scaled(fmpq(2)), decay + (slope * slope).scaled(fmpq(2))
    previous = ZERO
    for n in range(term.power):
        source = weight * _plain(n, shifted, sharper, interval)
        previous, current = current, scale * (term.linear * current + previous.scaled(fmpq(n)) + source)
    return exact_to_sympy(current)


def _arctangent(term: Term, decay: Exact, interval: Interval) -> sympy.Expr:
    """E[g atan(a g)] = a E[1/(1 + a^2 g^2)] = sqrt(pi/2) exp(1/(2 a^2)) erfc(1/(a sqrt 2)), a > 0."""
    slope = _stein_slope(term, decay, interval)
    inverse = exact.power((slope * slope).scaled(fmpq(2)), fmpq(-1))
    tail = ONE - exact_functions.odd_function("erf", exact.power(inverse, HALF))
    return exact_to_sympy(exact.power(PI.scaled(HALF), HALF) * exact_functions.exponential(inverse) * tail)


def _inverse_hyperbolic(term: Term, decay: Exact, interval: Interval) -> sympy.Expr:
    """E[g asinh(a g)] = a E[(1 + a^2 g^2)^(-1/2)] = exp(x) K_0(x) / sqrt(2 pi) with x = 1/(4 a^2), a > 0."""
    slope = _stein_slope(term, decay, interval)
    x = exact_to_sympy(exact.power((slope * slope).scaled(fmpq(4)), fmpq(-1)))
    return sympy.exp(x) * sympy.besselk(0, x) / sympy.sqrt(2 * sympy.pi)


def _stein_slope(term: Term, decay: Exact, interval: Interval) -> Exact:
    assert term.special is not None
    if not (interval.whole_line and term.power == 1 and decay == ONE and not term.linear.terms):
        raise NoClosedForm
    return term.special[1][0]


def _reciprocal(term: Term, decay: Exact, interval: Interval) -> sympy.Expr:
    """1/(p + q u) on u > 0 or u < 0 with p/|q| > 0: division, then e^{-a^2/2} (pi erfi - Ei), a = p/|q|."""
    assert term.special is not None
    offset, slope = term.special[1]
    if interval.high is None and interval.low is not None and not interval.low.terms:
        side = 1
    elif interval.low is None and interval.high is not None and not interval.high.terms:
        side = -1
    else:
        raise NoClosedForm
    if decay != ONE or term.linear.terms or exact.sign(offset) <= 0 or side * exact.sign(slope) <= 0:
        raise NoClosedForm
    if term.power:
        # u^n/(p + q u) = (u^(n-1) - p u^(n-1)/(p + q u))/q
        lower = replace(term, coefficient=ONE, power=term.power - 1)
        plain = exact_to_sympy(_plain(term.power - 1, ZERO, ONE, interval))
        rest = _reciprocal(lower, decay, interval)
        return sympy.expand((plain - exact_to_sympy(offset) * rest) / exact_to_sympy(slope))
    a = exact_to_sympy(offset * exact.power(slope, fmpq(-1))) * side
    value = (sympy.pi * sympy.erfi(a / sympy.sqrt(2)) - sympy.Ei(a**2 / 2)) * sympy.exp(-(a**2) / 2) / 2
    return value / (sympy.Abs(exact_to_sympy(slope)) * sympy.sqrt(2 * sympy.pi))


_SPECIAL = {
    "sin": _trigonometric,
    "cos": _trigonometric,
    "erf": _error_function,
    "atan": _arctangent,
    "asinh": _inverse_hyperbolic,
    "inverse": _reciprocal,
}
