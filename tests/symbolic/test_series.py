"""Taylor coefficients against an independent route: mpmath differentiation of independently written functions."""

import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import pytest
import sympy
from flint import fmpq
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import symbolic
from symbolic import exact, trees
from symbolic.exact import Exact, UndecidedError
from symbolic.series import NoExpansionError, exact_taylor, expansions

ORDER = 40
MP = mpmath.mp.clone()  # a private context: the global precision stays what it is
MP.dps = 50
# mpmath differentiates numerically; its answers at 50 digits are good to about 48, relative to the largest coefficient.
TOLERANCE = MP.mpf(10) ** -45

Function = Callable[[Any], Any]
SELU = (MP.mpf("1.0507009873554804934193349852946"), MP.mpf("1.6732632423543772848170429916717"))


def sigmoid(z: Any) -> Any:
    return 1 / (1 + MP.exp(-z))


def mish(z: Any) -> Any:
    return z * MP.tanh(MP.log(1 + MP.exp(z)))


def gelu_tanh(z: Any) -> Any:
    return z / 2 * (1 + MP.tanh(MP.sqrt(2 / MP.pi) * (z + MP.mpf("0.044715") * z**3)))


# One function for each side of 0 (the same one where the activation is smooth there), parameters away from default.
SMOOTH: dict[str, tuple[dict[str, str], Function]] = {
    "linear": ({}, lambda z: z),
    "tanh": ({}, MP.tanh),
    "erf": ({}, MP.erf),
    "sin": ({}, MP.sin),
    "arctan": ({}, MP.atan),
    "asinh": ({}, MP.asinh),
    "sinh": ({}, MP.sinh),
    "gelu": ({}, lambda z: z * MP.ncdf(z)),
    "gelu_tanh": ({}, gelu_tanh),
    "silu": ({}, lambda z: z * sigmoid(z)),
    "swish": ({"beta": "3/2"}, lambda z: z * sigmoid(MP.mpf(3) / 2 * z)),
    "mish": ({}, mish),
    "sigmoid": ({}, sigmoid),
    "softplus": ({}, lambda z: MP.log(1 + MP.exp(z))),
    "hardtanh": ({}, lambda z: z),
    "hardswish": ({}, lambda z: z * (z + 3) / 6),
    "quadratic": ({"a": "-2/7"}, lambda z: z - MP.mpf(2) / 7 * z**2),
    "cubic": ({"a": "5/3"}, lambda z: z + MP.mpf(5) / 3 * z**3),
    "snake": ({"a": "1/3"}, lambda z: z + 3 * MP.sin(z / 3) ** 2),
    "gaussian": ({}, lambda z: MP.exp(-z * z)),
    "cos": ({}, MP.cos),
    "logcosh": ({}, lambda z: MP.log(MP.cosh(z))),
}
KINKED: dict[str, tuple[dict[str, str], Function, Function, int]] = {  # below 0, above 0, first order that differs
    "relu": ({}, lambda z: 0 * z, lambda z: z, 1),
    "leaky_relu": ({"slope": "1/5"}, lambda z: z / 5, lambda z: z, 1),
    "abs": ({}, lambda z: -z, lambda z: z, 1),
    "softsign": ({}, lambda z: z / (1 - z), lambda z: z / (1 + z), 2),
    "elu": ({"a": "3/2"}, lambda z: MP.mpf(3) / 2 * MP.expm1(z), lambda z: z, 1),
    "selu": ({}, lambda z: SELU[0] * SELU[1] * MP.expm1(z), lambda z: SELU[0] * z, 1),
    "celu": ({"a": "2"}, lambda z: 2 * MP.expm1(z / 2), lambda z: z, 2),
    "squared_relu": ({}, lambda z: 0 * z, lambda z: z * z, 2),
}


def number(value: Exact) -> Any:
    ball = exact.enclosure(value, 200)
    return MP.mpf(ball.mid().str(60, radius=False)) if value.terms else MP.mpf(0)


def assert_close(ours: list[Any], reference: list[Any]) -> None:
    scale = max(1, *(abs(value) for value in reference))
    for power, (a, b) in enumerate(zip(ours, reference, strict=True)):
        assert abs(a - b) <= TOLERANCE * scale, (power, a, b)


def test_every_member_is_covered() -> None:
    assert {*SMOOTH, *KINKED} == set(symbolic.catalogue())


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_members_to_order_40(name: str) -> None:
    parameters, function = SMOOTH[name]
    ours = exact_taylor(symbolic.activation(name, **parameters), ORDER)
    assert_close([number(c) for c in ours], MP.taylor(function, 0, ORDER))


@pytest.mark.parametrize("name", KINKED)
def test_one_sided_members_to_order_40(name: str) -> None:
    parameters, below, above, mismatch = KINKED[name]
    activation = symbolic.activation(name, **parameters)
    both = expansions(activation.elementary, ORDER)
    assert both.first_mismatch() == mismatch
    left = [number(c) * (-1) ** k for k, c in enumerate(both.left)]
    assert_close(left, MP.taylor(below, 0, ORDER))
    assert_close([number(c) for c in both.right], MP.taylor(above, 0, ORDER))
    with pytest.raises(ValueError, match=f"differ at order {mismatch}"):
        symbolic.taylor(activation, ORDER)


def test_exact_values_that_can_be_read() -> None:
    z = sympy.Symbol("z")
    assert symbolic.taylor(symbolic.activation("tanh"), 5) == (0, 1, 0, sympy.Rational(-1, 3), 0, sympy.Rational(2, 15))
    assert symbolic.taylor(symbolic.activation("gelu"), 2)[2] == 1 / sympy.sqrt(2 * sympy.pi)
    assert symbolic.taylor(symbolic.activation("softplus"), 1)[0] == sympy.log(2)
    assert symbolic.taylor(symbolic.activation("mish"), 1)[1] == sympy.Rational(3, 5)
    assert symbolic.one_sided_taylor(symbolic.activation("softsign"), -1, 3) == (0, 1, 1, 1)
    tree = trees.call("exp", trees.add(trees.Z, trees.rational(1)))
    assert symbolic.taylor(symbolic.activation_from_tree(tree, "typed"), 2)[2] == sympy.E / 2
    assert sympy.diff(z) == 1


def test_phi_loses_the_linear_term_and_keeps_the_constant() -> None:
    s, phi = (f(symbolic.activation("sigmoid"), 9) for f in (symbolic.taylor, symbolic.phi_taylor))
    assert phi == tuple((k - 1) * a for k, a in enumerate(s))
    assert phi[0] == -sympy.Rational(1, 2) and phi[1] == 0


NO_EXPANSION = {
    "pole": trees.power(trees.Z, -1),
    "root": trees.power(trees.Z, Fraction(1, 2)),
    "logarithm": trees.call("log", trees.Z),
    "essential": trees.call("exp", trees.negative(trees.power(trees.Z, -2))),
    "domain": trees.call("acosh", trees.Z),
}


@pytest.mark.parametrize("name", NO_EXPANSION)
def test_no_expansion_is_said(name: str) -> None:
    with pytest.raises(NoExpansionError, match="no expansion at 0"):
        symbolic.taylor(symbolic.activation_from_tree(NO_EXPANSION[name], name), 5)


def test_removable_singularities_and_roots_of_squares() -> None:
    sinc = trees.divide(trees.call("sin", trees.Z), trees.Z)
    assert symbolic.taylor(symbolic.activation_from_tree(sinc, "sinc"), 4) == (
        1,
        0,
        sympy.Rational(-1, 6),
        0,
        sympy.Rational(1, 120),
    )
    modulus = symbolic.activation_from_tree(trees.power(trees.power(trees.Z, 2), Fraction(1, 2)), "modulus")
    assert symbolic.one_sided_taylor(modulus, -1, 2) == (0, -1, 0)
    assert symbolic.one_sided_taylor(modulus, 1, 2) == (0, 1, 0)


@pytest.mark.parametrize("order", [-1, 2001])
def test_order_is_bounded(order: int) -> None:
    with pytest.raises(ValueError, match="order between 0 and 2000"):
        symbolic.taylor(symbolic.activation("tanh"), order)


_GROUND_TYPES = """
import sympy.external.gmpy, symbolic
assert sympy.external.gmpy.GROUND_TYPES == "python", sympy.external.gmpy.GROUND_TYPES
gelu = symbolic.activation("gelu")
print(symbolic.taylor(gelu, 4), symbolic.classify(gelu), symbolic.hermite(gelu, "1/2"))
"""


def test_the_pure_python_ground_types_of_sympy_give_the_same() -> None:
    environment = {**os.environ, "SYMPY_GROUND_TYPES": "python"}
    command = [sys.executable, "-c", _GROUND_TYPES]
    printed = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
    gelu = symbolic.activation("gelu")
    assert printed.strip() == f"{symbolic.taylor(gelu, 4)} {symbolic.classify(gelu)} {symbolic.hermite(gelu, '1/2')}"


# --- random compositions ----------------------------------------------------------------------------------------------

ANALYTIC = (
    "sin",
    "cos",
    "exp",
    "tanh",
    "erf",
    "atan",
    "asinh",
    "sinh",
    "sigmoid",
    "softplus",
    "silu",
    "gelu",
    "gaussian",
)
constants = st.fractions(min_value=-2, max_value=2, max_denominator=6)


def _extended(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(trees.call, st.sampled_from(ANALYTIC), inner),
        st.builds(trees.add, inner, inner),
        st.builds(trees.mul, inner, inner),
        st.builds(lambda a, t: trees.mul(trees.rational(a), t), constants, inner),
        st.builds(lambda t: trees.power(t, 2), inner),
    )


compositions = st.recursive(
    st.one_of(st.just(trees.Z), st.just(trees.Z), constants.map(trees.rational)), _extended, max_leaves=4
)


def reference(tree: Any, z: Any) -> Any:
    """The tree evaluated by mpmath, an evaluator of its own."""
    kind, parts = tree[0], tree[1:]
    if kind == "z":
        return z
    if kind == "rational":
        return MP.mpf(parts[0]) / parts[1]
    if kind == "add":
        return MP.fsum(reference(part, z) for part in parts)
    if kind == "mul":
        return MP.fprod(reference(part, z) for part in parts)
    if kind == "pow":
        return reference(parts[0], z) ** reference(parts[1], z)
    own = {"sigmoid": sigmoid, "softplus": lambda x: MP.log(1 + MP.exp(x)), "silu": lambda x: x * sigmoid(x)}
    own |= {"gelu": lambda x: x * MP.ncdf(x), "gaussian": lambda x: MP.exp(-x * x)}
    function = own.get(parts[0]) or getattr(MP, parts[0])
    return function(reference(parts[1], z))


@settings(max_examples=50, deadline=None)
@given(compositions)
def test_random_compositions_agree_with_differentiation(tree: Any) -> None:
    activation = symbolic.activation_from_tree(tree, "random")
    derivatives = MP.taylor(lambda z: reference(tree, z), 0, 6)
    assume(all(abs(c) < 10**12 for c in derivatives))
    try:
        found = symbolic.classify(activation, order=6)
    except UndecidedError:
        assume(False)
    assert_close([number(c) for c in exact_taylor(activation, 6)], derivatives)
    assert_same_class(found, derivatives)


def assert_same_class(found: symbolic.Classification, coefficients: list[Any]) -> None:
    """Class and q from the numerical coefficients; anything below 1e-40 is a zero of the 50-digit differentiation."""
    phi = [(k - 1) * c for k, c in enumerate(coefficients)]
    order = next((k for k, c in enumerate(phi) if abs(c) > MP.mpf(10) ** -40), None)
    if coefficients[1] < MP.mpf(10) ** -40:
        assert found.universality_class == "outside"
    elif order is not None:
        assert found.universality_class == ("D" if order == 0 else "BC"[order % 2 == 0])
    if order is None:
        assert found.universality_class in ("A", "outside") or (found.order or 0) > 6
    else:
        assert found.order == order
        assert found.leading_coefficient is not None
        assert abs(MP.mpf(str(found.leading_coefficient.evalf(50))) - phi[order]) <= TOLERANCE * max(1, *map(abs, phi))


def test_a_kink_at_another_point_does_not_matter() -> None:
    tree = trees.call("abs", trees.add(trees.Z, trees.rational(2)))
    both = expansions(trees.elementary(tree), 3)
    assert both.smooth
    assert both.right == (exact.number(2), exact.number(fmpq(1)), Exact(), Exact())
