"""No order of moments closes for s(z) = erf(z / sqrt 2): certified by ball arithmetic (THEORY section 5).

For x ~ N(0, I) and a one-mode teacher y = s(v.x), |v| = 1, the back-propagated readout force is elementary,

    T(w) = E[y s(w.x)] = (2/pi) asin( v.w / sqrt((1 + |v|^2)(1 + |w|^2)) ).

In the two ensembles with neurons (a = +-1, w = j h v), j = 0..K, K = m + 1, multiplicity binom(K, j), even j against
odd j, the output is 0, all moments of order <= m agree (a K-th finite difference kills degrees below K), and the
derivatives of <a> differ by 2^(1-K) sum_j (-1)^j binom(K, j) T(j h v). A ball that excludes 0 is a proof that order m
is not closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import comb
from typing import Any

from flint import arb, ctx, fmpq

from symbolic.moments import Constant, constant_from_ball

Ball = Any  # flint.arb


@dataclass(frozen=True)
class BallCertificate:
    """The difference of d<a>/dt between the two ensembles of one order, enclosed, and whether 0 is excluded."""

    order: int
    difference: Constant
    refutes_closure: bool


def erf_certificate(order: int, spacing: Fraction = Fraction(1), digits: int = 30) -> BallCertificate:
    """The certificate of order m for erf(z / sqrt 2), nodes at multiples of h = ``spacing`` along v.

    Raises ValueError for an order below 1 or a spacing that is not positive.
    """
    if order < 1 or spacing <= 0:
        raise ValueError(f"expected an order of at least 1 and a positive spacing, got {order} and {spacing}")
    # Alternating sums of binomials cancel at most log2(2^K) = K bits; 64 guard bits cover that and the rounding.
    with ctx.workprec(int(digits * 3.33) + order + 65):
        difference = _difference(order + 1, arb(fmpq(spacing.numerator, spacing.denominator)))
        return BallCertificate(order, constant_from_ball(difference, digits), not difference.contains(0))


def erf_overlap(scale: Ball) -> Ball:
    """T(c v) = (2/pi) asin(c / sqrt(2 (1 + c^2))) as a ball at the current precision."""
    return 2 * (scale / (2 * (1 + scale**2)).sqrt()).asin() / arb.pi()


def _difference(K: int, spacing: Ball) -> Ball:
    terms = ((-1) ** j * comb(K, j) * erf_overlap(spacing * j) for j in range(K + 1))
    return sum(terms, arb(0)) / 2 ** (K - 1)
