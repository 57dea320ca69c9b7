"""Readout forces of a two-layer net enclosed by ball arithmetic: d<a>/dt of one finite ensemble minus another's.

THEORY section 5, mean-field time, outputs 0: da_i/dt = E[y s(w_i.x)] with x ~ N(0, I) and the one-mode teacher
y = s(v.x), |v| = 1. Nodes lie along v, w_i = c_i v, so that each force is a one-dimensional Gaussian integral,
enclosed by Arb's rigorous integration on [-R, R] and a bound of the tails. No closed form is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from flint import acb, arb, ctx, fmpq

Ball = Any  # flint.acb or flint.arb


@dataclass(frozen=True)
class Enclosure:
    """A real number as midpoint and radius, both rounded to float64; the radius includes that rounding."""

    value: float
    radius: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the number is certainly not 0."""
        return abs(self.value) > self.radius


def readout_force_difference(
    activation: str, first: Sequence[tuple[int, Fraction]], second: Sequence[tuple[int, Fraction]], digits: int = 20
) -> Enclosure:
    """Mean of E[s(u) s(c u)] over the first ensemble minus the second's; neurons are (copies, c) with a = +-1 alike.

    Every activation here has |s(z)| <= |z|, which bounds the tails. Raises ValueError for an activation that is not in
    ``ANALYTIC`` or for an empty ensemble.
    """
    if activation not in ANALYTIC or not first or not second:
        raise ValueError(f"expected one of {', '.join(ANALYTIC)} and two ensembles, got {activation!r}")
    with ctx.workprec(math.ceil(digits * math.log2(10)) + 64):  # binomial sums of a few dozen terms lose far less
        difference = _mean(activation, first, digits) - _mean(activation, second, digits)
        value = float(difference.mid())
        # The midpoint is rounded to 53 bits: half a unit in the last place, twice for good measure.
        return Enclosure(value, float(difference.rad()) + 2.0**-52 * abs(value))


def _mean(activation: str, neurons: Sequence[tuple[int, Fraction]], digits: int) -> Ball:
    copies = sum(count for count, _ in neurons)
    total = sum((count * _force(ANALYTIC[activation], scale, digits) for count, scale in neurons), arb(0))
    return total / copies


def _force(s: Callable[[Ball], Ball], scale: Fraction, digits: int) -> Ball:
    """E[s(u) s(c u)], u ~ N(0, 1)."""
    c = arb(fmpq(scale.numerator, scale.denominator))
    # The density at R is 10^-(digits + 3) of its maximum.
    radius = arb(math.ceil(math.sqrt(2 * math.log(10) * (digits + 3))))

    def integrand(u: Ball, _: bool) -> Ball:
        return s(u) * s(c * u) * (-u * u / 2).exp()

    inner = (acb.integral(integrand, -radius, radius) / (2 * arb.pi()).sqrt()).real
    # |s(u) s(c u)| <= |c| u^2, and int_R^inf u^2 density = R density(R) + P(g > R), twice for both sides.
    density = (-radius * radius / 2).exp() / (2 * arb.pi()).sqrt()
    tail = abs(c) * (2 * radius * density + (radius / arb(2).sqrt()).erfc())
    return inner + arb(0, tail.upper())


def _erf_root(z: Ball) -> Ball:
    return (z / arb(2).sqrt()).erf()


def _gelu(z: Ball) -> Ball:
    return z * (1 + _erf_root(z)) / 2


def _silu(z: Ball) -> Ball:
    return z / (1 + (-z).exp())


ANALYTIC: dict[str, Callable[[Ball], Ball]] = {
    "erf(z/sqrt 2)": _erf_root,
    "tanh": lambda z: z.tanh(),
    "sin": lambda z: z.sin(),
    "gelu": _gelu,
    "silu": _silu,
}
