"""The decision: total, pure, and exact at its borders."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.decision import Outcome, decide
from verify.values import Budget, Combination, Form, Measurement, Prediction

finite = st.floats(-1e100, 1e100)


def outcome(predicted: object, measured: object, tolerance: float = 0.0, **measurement: object) -> Outcome:
    return decide(
        Prediction(predicted),  # type: ignore[arg-type]
        Measurement(measured, budget=Budget(rounding=tolerance), **measurement),  # type: ignore[arg-type]
    ).outcome


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        (0.0, Outcome.HOLDS),
        (1.0, Outcome.HOLDS),
        (1.0000001, Outcome.UNDECIDED),
        (3.0, Outcome.UNDECIDED),
        (3.0000001, Outcome.REFUTED),
        (math.inf, Outcome.REFUTED),
        (math.nan, Outcome.UNDECIDED),
    ],
)
def test_one_budget_holds_and_three_refute(distance: float, expected: Outcome) -> None:
    assert outcome(0.0, distance, 1.0) is expected
    assert outcome(0.0, -distance, 1.0) is expected


@given(finite, finite, st.floats(0, 1e100))
def test_the_decision_is_symmetric_and_monotone_in_the_budget(p: float, m: float, tolerance: float) -> None:
    assert outcome(p, m, tolerance) is outcome(m, p, tolerance)
    if outcome(p, m, tolerance) is Outcome.HOLDS:
        assert outcome(p, m, 2 * tolerance) is Outcome.HOLDS


@pytest.mark.parametrize("tolerance", [math.inf, math.nan])
def test_a_budget_that_is_not_finite_decides_nothing(tolerance: float) -> None:
    assert outcome(0.0, 0.0, tolerance) is Outcome.UNDECIDED


def test_budgets_of_both_witnesses_add() -> None:
    decision = decide(Prediction(0.0, budget=Budget(finite_eps=1.0)), Measurement(2.0, budget=Budget(rounding=1.0)))
    assert decision.outcome is Outcome.HOLDS
    assert decision.ratio == 1.0


def test_without_a_budget_only_equality_holds() -> None:
    assert outcome(0.1, 0.1) is Outcome.HOLDS
    assert outcome(0.1, math.nextafter(0.1, 1)) is Outcome.REFUTED


def test_exact_values_of_every_kind() -> None:
    assert outcome(Fraction(1, 3), Fraction(2, 6)) is Outcome.HOLDS
    assert outcome(Fraction(1, 3), Fraction(1, 3) + Fraction(1, 10**40)) is Outcome.REFUTED
    assert outcome("B", "B") is Outcome.HOLDS
    assert outcome("B", "C") is Outcome.REFUTED
    assert outcome(Form({"x": Fraction(1)}), Form({"x": Fraction(1), "y": Fraction(0)})) is Outcome.HOLDS
    assert outcome(Form({"x": Fraction(1)}), Form({"x": Fraction(1), "y": Fraction(1)})) is Outcome.REFUTED


def test_the_residual_of_an_identity_is_reported() -> None:
    decision = decide(Prediction(Form({"x": Fraction(1)})), Measurement(Form({"x": Fraction(3)})))
    assert (decision.predicted, decision.measured) == ("0", "2*x")
    assert decision.ratio == math.inf


def test_the_worst_component_decides_and_is_named() -> None:
    decision = decide(Prediction({"a": 0.0, "b": 0.0}), Measurement({"a": 0.5, "b": 9.0}, budget=Budget(rounding=1.0)))
    assert (decision.outcome, decision.component) == (Outcome.REFUTED, "b")


def test_a_component_that_is_not_a_number_does_not_hide() -> None:
    decision = decide(
        Prediction({"a": 0.0, "b": 0.0}), Measurement({"a": 0.5, "b": math.nan}, budget=Budget(rounding=1.0))
    )
    assert (decision.outcome, decision.component) == (Outcome.UNDECIDED, "b")


def test_a_problem_decides_nothing_whatever_the_numbers() -> None:
    assert outcome(1.0, 1.0, 1.0, problem="no escape within the budget") is Outcome.UNDECIDED


def test_a_combination_is_evaluated_on_the_measured_ingredients() -> None:
    prediction = Prediction(Combination({"A": 2.0, "B": -2.0}))
    assert decide(prediction, Measurement(4.0, ingredients={"A": 3.0, "B": 1.0})).outcome is Outcome.HOLDS


@pytest.mark.parametrize(
    ("predicted", "measured"),
    [("B", 1.0), (1.0, {"a": 1.0}), ({"a": 1.0}, {"b": 1.0}), ({}, {}), (Form({}), "0")],
)
def test_values_of_different_kinds_are_an_error_not_a_verdict(predicted: object, measured: object) -> None:
    with pytest.raises(ValueError, match=r"kind|shapes|same"):
        outcome(predicted, measured, 1.0)


def test_combinations_in_a_mapping_are_evaluated_name_by_name() -> None:
    prediction = Prediction({"X": Combination({"A": 2.0}), "Y": Combination({"A": 1.0, "B": 1.0})})
    measurement = Measurement({"X": 6.0, "Y": 4.0}, ingredients={"A": 3.0, "B": 1.0})
    assert decide(prediction, measurement).outcome is Outcome.HOLDS


def test_a_problem_needs_no_ingredients() -> None:
    measurement = Measurement(math.nan, problem="no escape")
    assert decide(Prediction(Combination({"A": 1.0})), measurement).outcome is Outcome.UNDECIDED


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_what_cannot_be_judged_does_not_hide_behind_an_infinite_distance(names: tuple[str, str]) -> None:
    values = {"a": math.inf, "b": math.nan}
    decision = decide(
        Prediction(dict.fromkeys(names, 0.0)),
        Measurement({name: values[name] for name in names}, budget=Budget(rounding=1.0)),
    )
    assert (decision.outcome, decision.component) == (Outcome.UNDECIDED, "b")
