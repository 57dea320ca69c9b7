"""Budgets, exact forms and combinations of measured ingredients."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.values import Budget, Combination, Form

parts = st.floats(0, 1e6)
forms = st.dictionaries(st.sampled_from("abcd"), st.fractions(max_denominator=50), max_size=4).map(Form)


@given(st.lists(parts, min_size=5, max_size=5), st.lists(parts, min_size=5, max_size=5))
def test_totals_of_budgets_add(left: list[float], right: list[float]) -> None:
    total = (Budget(*left) + Budget(*right)).total
    assert math.isclose(total, math.fsum(left) + math.fsum(right), rel_tol=1e-12, abs_tol=1e-300)


def test_a_negative_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="finite_eps"):
        Budget(finite_eps=-1e-9)


def test_an_infinite_part_makes_the_budget_infinite() -> None:
    assert Budget(sampling=math.inf).total == math.inf


@given(forms, forms)
def test_forms_are_equal_iff_their_difference_has_no_terms(left: Form, right: Form) -> None:
    assert (not (left - right).terms) == (left.terms == right.terms)


def test_zero_coefficients_do_not_count() -> None:
    assert Form({"x": Fraction(0), "y": Fraction(1, 2)}).terms == {"y": Fraction(1, 2)}
    assert str(Form({"x": Fraction(0)})) == "0"


def test_a_combination_names_what_is_missing() -> None:
    combination = Combination({"lhs": 1.0, "rhs": -2.0})
    assert combination.evaluate({"lhs": 3.0, "rhs": 1.0, "other": 9.0}) == 1.0
    with pytest.raises(ValueError, match="rhs"):
        combination.evaluate({"lhs": 3.0})
