from __future__ import annotations

from fractions import Fraction

import pytest
import sympy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sympy.core.function import AppliedUndef

from symbolic.polynomial_form import Canonicaliser, IdentitySides, form_text, subtract_forms, undefined_function

x, y, w = sympy.symbols("x y w")
s, loss = undefined_function("s"), undefined_function("Loss")


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


def test_derivatives_are_those_of_sympy() -> None:
    native_s, native_loss = sympy.Function("s"), sympy.Function("Loss")
    for order in (1, 2):
        ours = loss(s(w * x), w * y**2 + s(x)).diff(w, order)
        native = native_loss(native_s(w * x), w * y**2 + native_s(x)).diff(w, order)
        tanh_and_product = {"s": sympy.tanh, "Loss": lambda a, b: a**3 * sympy.exp(b)}
        assert sympy.simplify(_concrete(ours, tanh_and_product) - _concrete(native, tanh_and_product)) == 0


def _concrete(expression: sympy.Expr, functions: dict[str, object]) -> sympy.Expr:
    """The undefined functions and their derivatives replaced by those of known functions."""
    a, b = sympy.symbols("a b")

    def value(node: sympy.Expr) -> sympy.Expr:
        name, _, slots = node.func.__name__.partition("_")
        order, base = name.count("'"), name.rstrip("'")
        if base == "s":
            return functions["s"](a).diff(a, order).subs(a, node.args[0])  # type: ignore[operator]
        known = functions["Loss"](a, b)  # type: ignore[operator]
        for slot in slots.split(",") if slots else []:
            known = known.diff((a, b)[int(slot)])
        return known.subs({a: node.args[0], b: node.args[1]}, simultaneous=True)

    return expression.replace(lambda node: isinstance(node, AppliedUndef), value).doit()


def test_mixed_derivatives_do_not_depend_on_the_order() -> None:
    mixed = [loss(s(x), s(y)).diff(*order) for order in ((x, y), (y, x))]
    assert Canonicaliser().form(mixed[0] - mixed[1]) == {}
    assert Canonicaliser().form(mixed[0]) == {"Loss_0,1(s(x), s(y))*s'(x)*s'(y)": Fraction(1)}
    assert undefined_function("s", 1) == undefined_function("s", 1) != undefined_function("s")


def test_derivative_objects_of_sympy_are_refused() -> None:
    with pytest.raises(ValueError, match="undefined_function"):
        Canonicaliser().form(sympy.Function("f")(2 * x).diff(x))


fractions = st.fractions(min_value=-5, max_value=5, max_denominator=7)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
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
