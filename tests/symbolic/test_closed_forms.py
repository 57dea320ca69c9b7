"""Closed forms of Gaussian integrals, term by term, against the certified enclosures of the same integrals."""

from fractions import Fraction
from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import symbolic
from symbolic.closed_forms import expectation
from symbolic.moments import checked
from symbolic.trees import Z, add, call, mul, negative, power, rational

small = st.fractions(min_value=-2, max_value=2, max_denominator=4)
positive = st.fractions(min_value=Fraction(1, 4), max_value=2, max_denominator=4)


def line(slope: Fraction, offset: Fraction) -> Any:
    return add(mul(rational(slope), Z), rational(offset))


KERNELS = st.one_of(
    st.builds(lambda a, b: call("exp", line(a, b)), small, small),
    st.builds(lambda a, b: call("sin", line(a, b)), positive, small),
    st.builds(lambda a, b: call("cos", line(a, b)), positive, small),
    st.builds(lambda a, b: call("erf", line(a, b)), positive, small),
    st.builds(lambda a, b: call("exp", add(line(a, b), negative(power(Z, 2)))), small, small),
    st.builds(lambda a, b: call("abs", line(a, b)), positive, small),
    st.builds(lambda a, b: call("max", line(a, b), rational(-1), Z), small, small),
    st.builds(lambda a: mul(call("sin", mul(rational(a), Z)), call("cos", Z)), positive),
    st.builds(lambda a: call("celu", Z, rational(a)), positive),
    st.builds(lambda a: call("sinh", mul(rational(a), Z)), small),
)


@settings(max_examples=30, deadline=None)
@given(KERNELS, st.integers(0, 3), st.sampled_from([Fraction(1), Fraction(1, 3), Fraction(-3, 2)]))
def test_every_kernel_times_a_power_has_a_closed_form_inside_its_enclosure(kernel: Any, k: int, c: Fraction) -> None:
    activation = symbolic.activation_from_tree(kernel, "kernel")
    found = expectation(activation.tree, k, c)
    assert found is not None
    certified = symbolic.gaussian_expectation(symbolic.Chain((), k), symbolic.Chain.of((c, activation)), digits=20)
    checked(symbolic.Constant(found, certified.value, certified.radius), "kernel")  # raises when outside


@pytest.mark.parametrize("name, k", [("arctan", 1), ("asinh", 1), ("softsign", 1), ("softsign", 2), ("softsign", 3)])
@pytest.mark.parametrize("c", [Fraction(1, 2), Fraction(-2), Fraction(5, 3)])
def test_special_kernels(name: str, k: int, c: Fraction) -> None:
    activation = symbolic.activation(name)
    found = expectation(activation.tree, k, c)
    certified = symbolic.gaussian_expectation(symbolic.Chain((), k), symbolic.Chain.of((c, activation)), digits=20)
    assert found is not None
    checked(symbolic.Constant(found, certified.value, certified.radius), name)


@pytest.mark.parametrize("name", ["tanh", "mish", "sigmoid"])
def test_no_form_is_invented(name: str) -> None:
    assert expectation(symbolic.activation(name).tree, 1, Fraction(1)) is None


@pytest.mark.parametrize(
    "tree, expected",
    [
        (mul(Z, power(add(rational(1), call("exp", negative(Z))), -1)), sympy.Rational(1, 2)),
        (call("log", add(call("exp", Z), rational(1))), sympy.Rational(1, 2)),
        (power(rational(2), Z), sympy.log(2) * sympy.exp(sympy.log(2) ** 2 / 2)),
        (call("softplus", mul(rational(3), Z)), sympy.Rational(3, 2)),
        (mul(Z, call("tanh", power(Z, 3)), call("cos", Z), call("sigmoid", Z)), None),
    ],
)
def test_forms_that_are_recognised(tree: Any, expected: Any) -> None:
    found = expectation(tree, 1, Fraction(1))
    assert found is expected is None or sympy.simplify(found - expected) == 0


def test_divergence_has_no_closed_form() -> None:
    assert expectation(call("exp", power(Z, 2)), 0, Fraction(1)) is None
    assert expectation(call("exp", power(Z, 2)), 0, Fraction(1, 2)) == sympy.sqrt(2)
