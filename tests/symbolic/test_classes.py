"""Classes of the whole catalogue as THEORY T2 states them, and what the hypotheses say."""

from fractions import Fraction

import pytest
import sympy

import symbolic
from symbolic import trees

PI = sympy.pi
# class, q, leading coefficient of phi, alpha
EXPECTED: dict[str, tuple[str, int | None, object, object]] = {
    "linear": ("A", None, None, 1),
    "relu": ("A", None, None, sympy.Rational(1, 2)),
    "leaky_relu": ("A", None, None, sympy.Rational(101, 200)),
    "tanh": ("B", 3, sympy.Rational(-2, 3), 1),
    "erf": ("B", 3, -4 / (3 * sympy.sqrt(PI)), 2 / sympy.sqrt(PI)),
    "sin": ("B", 3, sympy.Rational(-1, 3), 1),
    "arctan": ("B", 3, sympy.Rational(-2, 3), 1),
    "asinh": ("B", 3, sympy.Rational(-1, 3), 1),
    "sinh": ("B", 3, sympy.Rational(1, 3), 1),
    "cubic": ("B", 3, sympy.Rational(-2, 3), 1),
    "gelu": ("C", 2, 1 / sympy.sqrt(2 * PI), sympy.Rational(1, 2)),
    "gelu_tanh": ("C", 2, 1 / sympy.sqrt(2 * PI), sympy.Rational(1, 2)),
    "silu": ("C", 2, sympy.Rational(1, 4), sympy.Rational(1, 2)),
    "swish": ("C", 2, sympy.Rational(1, 4), sympy.Rational(1, 2)),
    "mish": ("C", 2, sympy.Rational(8, 25), sympy.Rational(3, 5)),
    "hardswish": ("C", 2, sympy.Rational(1, 6), sympy.Rational(1, 2)),
    "quadratic": ("C", 2, sympy.Rational(1, 2), 1),
    "snake": ("C", 2, 1, 1),
    "sigmoid": ("D", 0, -sympy.Rational(1, 2), sympy.Rational(1, 4)),
    "softplus": ("D", 0, -sympy.log(2), sympy.Rational(1, 2)),
    "cos": ("outside", 0, -1, 0),
    "gaussian": ("outside", 0, -1, 0),
    "logcosh": ("outside", 2, sympy.Rational(1, 2), 0),
    "abs": ("outside", None, None, 0),
    "softsign": ("outside", None, None, 1),
    "elu": ("outside", None, None, 1),
    "celu": ("outside", None, None, 1),
    "squared_relu": ("outside", None, None, 0),
    "hardtanh": ("outside", None, None, 1),
}
NOT_SMOOTH = ("relu", "leaky_relu", "abs", "softsign", "elu", "selu", "celu", "squared_relu")


@pytest.mark.parametrize("name", EXPECTED)
def test_the_catalogue(name: str) -> None:
    universality_class, order, leading, alpha = EXPECTED[name]
    found = symbolic.classify(symbolic.activation(name))
    assert found.universality_class == universality_class
    assert found.order == order
    if leading is None or found.leading_coefficient is None:
        assert found.leading_coefficient is leading
    else:
        assert sympy.simplify(found.leading_coefficient - leading) == 0
    assert sympy.simplify(found.alpha - alpha) == 0
    assert found.reason.endswith(".")


@pytest.mark.parametrize("name", symbolic.catalogue())
def test_hypotheses(name: str) -> None:
    found = symbolic.classify(symbolic.activation(name))
    holds = dict(found.hypotheses)
    assert holds["smooth"] == (name not in NOT_SMOOTH) == found.smooth
    assert holds["homogeneous"] == (name in ("linear", "relu", "leaky_relu", "abs"))
    assert holds["alpha-positive"] == (name not in ("abs", "squared_relu", "cos", "gaussian", "logcosh"))


@pytest.mark.parametrize(
    "name, parameters, universality_class, order",
    [
        ("elu", {"a": "1"}, "outside", None),
        ("elu", {"a": "2"}, "outside", None),
        ("celu", {"a": "1/3"}, "outside", None),
        ("selu", {}, "outside", None),
        ("swish", {"beta": "7/3"}, "C", 2),
        ("swish", {"beta": "0"}, "A", None),
        ("swish", {"beta": "-1"}, "C", 2),
        ("snake", {"a": "1/5"}, "C", 2),
        ("quadratic", {"a": "0"}, "A", None),
        ("cubic", {"a": "2"}, "B", 3),
        ("leaky_relu", {"slope": "1"}, "A", None),
        ("leaky_relu", {"slope": "-1/2"}, "A", None),
        ("leaky_relu", {"slope": "-2"}, "outside", None),
    ],
)
def test_parameters(name: str, parameters: dict[str, str], universality_class: str, order: int | None) -> None:
    found = symbolic.classify(symbolic.activation(name, **parameters))
    assert (found.universality_class, found.order) == (universality_class, order)


Z = trees.Z
RELU = trees.call("relu", Z)
TYPED = {
    "relu(z) - relu(-z)": (trees.add(RELU, trees.negative(trees.call("relu", trees.negative(Z)))), "A", None),
    "max(z, 2z)": (trees.call("max", Z, trees.mul(trees.rational(2), Z)), "A", None),
    "z + z^51": (trees.add(Z, trees.power(Z, 51)), "B", 51),
    "z + z^50": (trees.add(Z, trees.power(Z, 50)), "C", 50),
    "z + |z|^3": (trees.add(Z, trees.power(trees.call("abs", Z), 3)), "outside", None),
    "z + z^2 + |z|^101": (
        trees.add(Z, trees.power(Z, 2), trees.power(trees.call("abs", Z), 101)),
        "outside",
        None,
    ),
    "z sign(z^50)": (trees.mul(Z, trees.call("sign", trees.power(Z, 50))), "A", None),
    "z + z^9 + relu(z) - relu(-z)": (
        trees.add(Z, trees.power(Z, 9), RELU, trees.negative(trees.call("relu", trees.negative(Z)))),
        "B",
        9,
    ),
    "z + z^50 + |z + 5| - 5": (
        trees.add(Z, trees.power(Z, 50), trees.call("abs", trees.add(Z, trees.rational(5))), trees.rational(-5)),
        "C",
        50,
    ),
    "-z": (trees.negative(Z), "outside", None),
    "-sin z": (trees.negative(trees.call("sin", Z)), "outside", 3),
    "0": (trees.rational(0), "outside", None),
    "log z": (trees.call("log", Z), "outside", None),
    "z + 1": (trees.add(Z, trees.rational(1)), "D", 0),
    "tanh(z^2)/z": (trees.divide(trees.call("tanh", trees.power(Z, 2)), Z), "B", 5),
    "erf(z+1) - erf(1)": (
        trees.add(
            trees.call("erf", trees.add(Z, trees.rational(1))), trees.negative(trees.call("erf", trees.rational(1)))
        ),
        "C",
        2,
    ),
    "z + sin^2 + cos^2 - 1": (
        trees.add(Z, trees.power(trees.call("sin", Z), 2), trees.power(trees.call("cos", Z), 2), trees.rational(-1)),
        "A",
        None,
    ),
    "max(min(z, 1/1000), -1)": (
        trees.call("max", trees.call("min", Z, trees.rational(Fraction(1, 1000))), trees.rational(-1)),
        "outside",
        None,
    ),
}


@pytest.mark.parametrize("name", TYPED)
def test_typed_expressions(name: str) -> None:
    tree, universality_class, order = TYPED[name]
    found = symbolic.classify(symbolic.activation_from_tree(tree, name))
    assert (found.universality_class, found.order) == (universality_class, order)


def test_the_class_is_read_from_phi_and_not_from_s() -> None:
    # The counterfeit: the first non-linear term of s instead of phi agrees on the order but not on the coefficient, and
    # the first term of s (order 1) would make every activation class B.
    tanh = symbolic.classify(symbolic.activation("tanh"))
    s = symbolic.taylor(symbolic.activation("tanh"), 3)
    assert tanh.leading_coefficient == 2 * s[3] != s[3]


def test_reasons_are_specific() -> None:
    reason = symbolic.classify(symbolic.activation("hardtanh")).reason
    assert "vanishes near 0" in reason and "phi(1) = -1" in reason
    assert "differ at order 2" in symbolic.classify(symbolic.activation("softsign")).reason
    assert "log at 0" in symbolic.classify(symbolic.activation_from_tree(TYPED["log z"][0], "log")).reason


def test_order_is_checked() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        symbolic.classify(symbolic.activation("tanh"), order=1)
