"""Ball evaluation: containment on wide balls, and no finite answer where the function is not analytic."""

import cmath
import math
from typing import Any

import pytest
from flint import acb, arb
from hypothesis import given, settings
from hypothesis import strategies as st

import symbolic
from symbolic import balls, trees

ENTIRE: dict[str, Any] = {
    "tanh": cmath.tanh,
    "sin": cmath.sin,
    "arctan": cmath.atan,
    "asinh": cmath.asinh,
    "silu": lambda z: z / (1 + cmath.exp(-z)),
    "softplus": lambda z: cmath.log(1 + cmath.exp(z)),
    "gaussian": lambda z: cmath.exp(-z * z),
}
centres = st.floats(-4, 4)
shifts = st.floats(-1, 1)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(tuple(ENTIRE)), centres, st.floats(-0.5, 0.5), st.floats(0.001, 0.5), shifts, shifts)
def test_a_wide_ball_contains_the_values_on_it(
    name: str, real: float, imaginary: float, radius: float, right: float, up: float
) -> None:
    ball = acb(arb(real, radius), arb(imaginary, radius))
    value = balls.evaluate(symbolic.activation(name).elementary, ball, True)
    point = complex(real + right * radius, imaginary + up * radius)
    if value.is_finite():
        expected = ENTIRE[name](point)
        # 1e-12: rounding of the double-precision reference.
        assert (value.real + arb(0, 1e-12)).contains(expected.real)
        assert (value.imag + arb(0, 1e-12)).contains(expected.imag)


NOT_ANALYTIC = {
    "kink of relu": (trees.call("relu", trees.Z), acb(arb(0, 0.1))),
    "kink of abs": (trees.call("abs", trees.Z), acb(arb(0.05, 0.1))),
    "border of a piece": (trees.where_negative(trees.Z, trees.rational(0), trees.Z), acb(arb(0, 0.1))),
    "cut of log": (trees.call("log", trees.Z), acb(arb(-1, 0.1), arb(0, 0.1))),
    "cut of the root": (trees.call("sqrt", trees.Z), acb(arb(-1, 0.1), arb(0, 0.1))),
    "cut of atan": (trees.call("atan", trees.Z), acb(arb(0, 0.1), arb(1.5, 0.1))),
    "cut of asinh": (trees.call("asinh", trees.Z), acb(arb(0, 0.1), arb(-2, 0.1))),
    "cut of atanh": (trees.call("atanh", trees.Z), acb(arb(1.5, 0.1), arb(0, 0.1))),
    "cut of acosh": (trees.call("acosh", trees.Z), acb(arb(0.5, 0.1), arb(0, 0.1))),
    "pole": (trees.power(trees.Z, -1), acb(arb(0, 0.1), arb(0, 0.1))),
}


@pytest.mark.parametrize("name", NOT_ANALYTIC)
def test_nothing_is_claimed_where_the_function_is_not_analytic(name: str) -> None:
    tree, ball = NOT_ANALYTIC[name]
    assert not balls.evaluate(trees.elementary(tree), ball, True).is_finite()


def test_a_real_ball_over_a_kink_gets_the_hull() -> None:
    relu = symbolic.activation("leaky_relu", slope="-1").elementary
    value = balls.evaluate(relu, acb(arb(0, 0.5)), False).real
    assert value.contains(0) and value.contains(0.5) and value < 1.1


@pytest.mark.parametrize("point", [-2.5, 0.25, 3.0])
def test_real_points(point: float) -> None:
    value = balls.evaluate(symbolic.activation("asinh").elementary, acb(point), False)
    assert float(value.real) == pytest.approx(math.asinh(point), rel=1e-14)
