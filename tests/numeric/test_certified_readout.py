import math
from fractions import Fraction

import pytest
from scipy import integrate, special, stats

from numeric.certified_readout import ANALYTIC, readout_force_difference

F = Fraction


def test_the_overlap_of_erf_is_an_arcsine() -> None:
    found = readout_force_difference("erf(z/sqrt 2)", [(1, F(3))], [(1, F(0))])
    exact = 2 / math.pi * math.asin(3 / math.sqrt(2 * (1 + 9)))
    assert abs(found.value - exact) <= found.radius + 2e-16
    assert found.excludes_zero
    assert found.radius < 1e-15


FLOATS = {
    "erf(z/sqrt 2)": lambda z: special.erf(z / math.sqrt(2)),
    "tanh": math.tanh,
    "sin": math.sin,
    "gelu": lambda z: z * stats.norm.cdf(z),
    "silu": lambda z: z * special.expit(z),
}


@pytest.mark.parametrize("name", sorted(ANALYTIC))
def test_against_adaptive_quadrature(name: str) -> None:
    s = FLOATS[name]
    force = lambda c: integrate.quad(lambda u: s(u) * s(c * u) * stats.norm.pdf(u), -12, 12, epsabs=1e-13)[0]  # noqa: E731
    found = readout_force_difference(name, [(2, F(1)), (1, F(5, 2))], [(1, F(2))])
    assert abs(found.value - ((2 * force(1) + force(2.5)) / 3 - force(2))) < 1e-11


def test_equal_ensembles_differ_by_a_ball_around_zero() -> None:
    found = readout_force_difference("tanh", [(1, F(2))], [(3, F(2))])
    assert not found.excludes_zero
    assert found.radius < 1e-18


def test_unknown_activations_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one of"):
        readout_force_difference("relu", [(1, F(1))], [(1, F(2))])
