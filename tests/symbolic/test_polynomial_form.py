from __future__ import annotations

from fractions import Fraction

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from symbolic.polynomial_form import Canonicaliser, IdentitySides, form_text, subtract_forms

x, y, w = sympy.symbols("x y w")
s, loss = sympy.Function("s"), sympy.Function("Loss")


def test_named_argument_gets_its_short_name_and_others_are_written_out() -> None:
    names = Canonicaliser([("z_1[0]", w * x)])
    assert names.form(s(x * w) + s(y) / 3) == {"s(z_1[0])": Fraction(1), "s(y)": Fraction(1, 3)}


def test_derivatives_by_the_chain_rule_of_sympy() -> None:
    names = Canonicaliser([("z", w * x)])
    assert names.form(s(w * x).diff(w)) == {"s'(z)*x": Fraction(1)}
    assert names.form(s(w * x).diff(w, 2)) == {"s''(z)*x**2": Fraction(1)}
    gradient = loss(s(w * x), y).diff(w)
    assert names.form(gradient) == {"Loss_0(s(z), y)*s'(z)*x": Fraction(1)}
    assert names.form(loss(x, y).diff(y)) == {"Loss_1(x, y)": Fraction(1)}


def test_equal_polynomials_have_equal_forms_whatever_the_route() -> None:
    names = Canonicaliser()
    nested = s((x + y) ** 2 * w) * (x - y) * (x + y)
    flat = s(w * x**2 + 2 * w * x * y + w * y**2) * (x**2 - y**2)
    assert names.form(nested) == names.form(sympy.expand(flat))
    assert names.form(nested - flat) == {}


def test_forms_are_reduced_modulo_the_vanishing_polynomial() -> None:
    unit = Canonicaliser(vanishing=x**2 + y**2 - 1)
    assert unit.form(s(x**2 + y**2) + x**3) == {"s(1)": Fraction(1), "x": Fraction(1), "x*y**2": Fraction(-1)}
    assert unit.form(x**2 + y**2 - 1) == {}


@pytest.mark.parametrize("expression", [sympy.sqrt(2), sympy.pi * x, sympy.sqrt(x), sympy.exp(x), 1 / x])
def test_what_is_not_a_rational_polynomial_is_refused(expression: sympy.Expr) -> None:
    with pytest.raises(ValueError, match="expected a"):
        Canonicaliser().form(expression)


def test_mixed_derivative_is_refused_instead_of_misnamed() -> None:
    with pytest.raises(ValueError, match="mixed"):
        Canonicaliser().form(loss(s(x), s(y)).diff(x, y))


fractions = st.fractions(min_value=-5, max_value=5, max_denominator=7)


@given(st.lists(fractions, min_size=4, max_size=4))
def test_coefficients_are_exact(values: list[Fraction]) -> None:
    keys = (x, s(x), x * y, sympy.Integer(1))
    expression = sum(sympy.Rational(v.numerator, v.denominator) * key for v, key in zip(values, keys, strict=True))
    expected = dict(zip(("x", "s(x)", "x*y", "1"), values, strict=True))
    assert Canonicaliser().form(expression) == {key: value for key, value in expected.items() if value}


def test_residual_is_empty_exactly_when_both_sides_agree() -> None:
    one, two = {"a": Fraction(1), "b": Fraction(2)}, {"a": Fraction(1), "c": Fraction(1, 2)}
    assert IdentitySides(one, one).residual == {}
    assert IdentitySides(one, two).residual == {"b": Fraction(2), "c": Fraction(-1, 2)}
    assert subtract_forms(two, one) == {"b": Fraction(-2), "c": Fraction(1, 2)}
    assert form_text(two) == "a + 1/2*c" and form_text({}) == "0"
