from __future__ import annotations

from fractions import Fraction
from math import comb

import mpmath
import pytest
from flint import arb, ctx

from symbolic.closure_balls import erf_certificate, erf_overlap


@pytest.mark.parametrize("order", range(1, 9))
def test_zero_is_excluded_up_to_order_eight(order: int) -> None:
    found = erf_certificate(order)
    assert found.refutes_closure
    assert abs(float(found.difference.value)) > 1e20 * float(found.difference.radius)


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_overlap_is_the_gaussian_integral(scale: float) -> None:
    mp = mpmath.mp.clone()
    mp.dps = 20
    c = mp.mpf(scale)

    def integrand(u: mpmath.mpf) -> mpmath.mpf:
        return mp.erf(u / mp.sqrt(2)) * mp.erf(c * u / mp.sqrt(2)) * mp.exp(-u * u / 2) / mp.sqrt(2 * mp.pi)

    with ctx.workprec(80):
        enclosed = float(erf_overlap(arb(scale)).mid())
    # Both sides carry at least 15 digits; the integral is cut at |u| = 12, where the density is below 1e-31.
    assert abs(float(mp.quad(integrand, [-12, 0, 12])) - enclosed) < 1e-14


def test_difference_is_the_finite_difference_of_the_overlap() -> None:
    mp = mpmath.mp.clone()
    mp.dps = 40
    order, spacing = 3, Fraction(1, 2)
    K = order + 1

    def overlap(c: mpmath.mpf) -> mpmath.mpf:
        return 2 / mp.pi * mp.asin(c / mp.sqrt(2 * (1 + c * c)))

    expected = sum((-1) ** j * comb(K, j) * overlap(mp.mpf(j) / 2) for j in range(K + 1)) / 2 ** (K - 1)
    found = erf_certificate(order, spacing).difference
    # 40-digit arithmetic on the left, the certified radius (about 1e-32) on the right.
    assert abs(mp.mpf(found.value) - expected) < mp.mpf(found.radius) + mp.mpf(10) ** -38


def test_impossible_requests_are_refused() -> None:
    for order, spacing in ((0, Fraction(1)), (1, Fraction(0)), (1, Fraction(-1))):
        with pytest.raises(ValueError, match="expected an order"):
            erf_certificate(order, spacing)
