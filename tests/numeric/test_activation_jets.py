"""Jets of the numeric witness's trees against mpmath's derivatives, and the pointwise definitions against them."""

import math

import mpmath
import numpy as np
import pytest

from numeric import activation, activation_jet, catalogue, one_sided_coefficients, pointwise_pair
from numeric.taylor import NotExpandableError, taylor

CLOSED = {
    "tanh": mpmath.tanh,
    "erf": mpmath.erf,
    "gelu": lambda z: z * mpmath.erfc(-z / mpmath.sqrt(2)) / 2,
    "silu": lambda z: z / (1 + mpmath.exp(-z)),
    "mish": lambda z: z * mpmath.tanh(mpmath.log1p(mpmath.exp(z))),
    "softsign": lambda z: z / (1 + abs(z)),
}


@pytest.mark.parametrize("name", sorted(CLOSED))
@pytest.mark.parametrize("point", [2.0**-10, -1.25, 8.0])
def test_a_jet_against_mpmath(name: str, point: float) -> None:
    with mpmath.workdps(60):
        expected = [float(mpmath.diff(CLOSED[name], mpmath.mpf(point), k)) for k in range(5)]
    assert activation_jet(activation(name), point) == pytest.approx(expected, rel=3e-16, abs=0.0)


@pytest.mark.parametrize("name", catalogue())
def test_the_definitions_agree_away_from_kinks(name: str) -> None:
    points = [-8.0, -0.375, 0.375, 2.75]
    jets = np.array([activation_jet(activation(name), z, 1) for z in points])
    for definition in ("torch", "numpy"):
        value, slope = pointwise_pair(activation(name), points, definition)
        assert value == pytest.approx(jets[:, 0], rel=1e-13, abs=1e-300)
        assert slope == pytest.approx(jets[:, 1], rel=1e-13, abs=3e-16)


def test_a_tail_far_below_the_usual_precision_is_not_taken_for_zero() -> None:
    value, slope = activation_jet(activation("gelu"), -20.0, 1)
    assert value == pytest.approx(-10 * math.erfc(20 / math.sqrt(2)), rel=1e-13)
    assert value < 0.0 < -slope
    assert activation_jet(activation("gaussian"), 20.0, 0)[0] == pytest.approx(math.exp(-400), rel=1e-13)


def test_each_side_of_a_kink_has_its_own_coefficients() -> None:
    elu = activation("elu", a=2.0)
    assert one_sided_coefficients(elu, 3, 1) == (0.0, 1.0, 0.0, 0.0)
    assert one_sided_coefficients(elu, 3, -1) == pytest.approx((0.0, 2.0, 1.0, 1 / 3), rel=1e-15)
    assert activation_jet(elu, 0.0, 2) == (0.0, 1.0, 0.0)  # from the right


def test_more_bits_resolve_what_fewer_refuse() -> None:
    # (1 + 2^-300 z) - 1 has a slope below the precision of 256 bits.
    tiny = ("mul", ("rational", 1, 2**300), ("z",))
    tree = ("add", ("call", "exp", tiny), ("rational", -1, 1))
    assert taylor(tree, 1, 1, 1024)[1] == 2.0**-300
    shifted = ("add", tree, ("rational", 1, 3), ("rational", -1, 3))
    assert taylor(shifted, 1, 1, 1024)[0] == 0.0
    with pytest.raises(NotExpandableError):
        taylor(("mul", ("rational", 2**400, 1), shifted), 0, 1)


def test_an_unknown_definition_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown definition"):
        pointwise_pair(activation("tanh"), [0.5], "jax")
