"""Transplants: another case's prediction, which the same check must refute."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from verify.claim import Case, Claim, Context, Counterfeit, Erratum, Expect, Reading, Tier, case
from verify.judge import judge
from verify.transplant import KINDS, donors, transplants
from verify.values import Budget, Measurement, Prediction


def kinds(**parameters: int | str) -> dict[str, str]:
    return {kind: donor.text for kind, donor in donors(case(Tier.SMOKE, 0.1, **parameters))}


def test_donors_differ_in_one_respect() -> None:
    assert kinds(r=3, L=5, activation="tanh", parameterisation="ntk") == {
        "activation": "r=3,L=5,activation=gelu,parameterisation=ntk",
        "r+1": "r=4,L=5,activation=tanh,parameterisation=ntk",
        "r-1": "r=2,L=5,activation=tanh,parameterisation=ntk",
        "L for r": "r=5,L=5,activation=tanh,parameterisation=ntk",
        "parameterisation": "r=3,L=5,activation=tanh,parameterisation=plain",
    }
    assert kinds(r=1, L=1) == {"r+1": "r=2,L=2"}
    assert kinds(activation="gelu") == {"activation": "activation=tanh"}
    assert kinds(n=3) == {}
    assert set(kinds(r=3, L=5, activation="tanh", parameterisation="ntk")) == set(KINDS)


def law(case: Case) -> Prediction:
    if case.integer("r") > 4:
        raise ValueError("no law beyond r = 4")
    return Prediction(2.0 - case.integer("r"))


def measured(case: Case, _: Context) -> Measurement:
    return Measurement(2.0 - case.integer("r"), budget=Budget(rounding=0.1))


@pytest.fixture
def exponent(sample: Callable[..., Claim]) -> Claim:
    return sample(
        cases=(case(Tier.SMOKE, 0.1, r=3, activation="tanh"),),
        predict=law,
        measure=measured,
        counterfeits=(Counterfeit("none", lambda *_: Prediction(9.0), nearest=True),),
    )


def test_what_differs_is_refuted_and_what_is_the_same_does_not_apply(exponent: Claim) -> None:
    tried = judge(exponent, exponent.cases[0], Context()).counterfeits
    assert {(c.transplant, c.refuted) for c in tried} == {("", True), ("r+1", True), ("r-1", True)}


def test_a_check_without_power_is_seen(exponent: Claim) -> None:
    blunt = replace(exponent, measure=lambda c, _: Measurement(2.0 - c.integer("r"), budget=Budget(rounding=5.0)))
    tried = judge(blunt, blunt.cases[0], Context()).counterfeits
    assert not any(c.refuted for c in tried if c.transplant)


def test_a_case_that_the_theory_says_nothing_of_does_not_apply(exponent: Claim) -> None:
    edge = replace(exponent, cases=(case(Tier.SMOKE, 0.1, r=4, activation="tanh"),))
    assert {c.transplant for c in judge(edge, edge.cases[0], Context()).counterfeits} == {"", "r-1"}


def test_a_donor_that_the_prediction_does_not_know_does_not_apply(exponent: Claim) -> None:
    known = replace(exponent, predict=lambda case: Prediction({3: -1.0, 2: 0.0}[case.integer("r")]))
    assert {c.transplant for c in judge(known, known.cases[0], Context()).counterfeits} == {"", "r-1"}


def test_a_prediction_of_something_else_does_not_apply(exponent: Claim) -> None:
    def by_r(case: Case) -> dict[str, float]:
        return {f"slope at r = {case['r']}": 2.0 - case.integer("r")}

    named = replace(
        exponent,
        predict=lambda case: Prediction(by_r(case)),
        measure=lambda case, _: Measurement(by_r(case), budget=Budget(rounding=0.1)),
        counterfeits=(
            Counterfeit(
                "one more",
                lambda case, truth: Prediction({k: v + 1 for k, v in by_r(case).items()}),
                nearest=True,
            ),
        ),
    )
    assert [c.name for c in judge(named, named.cases[0], Context()).counterfeits] == ["one more"]


def test_a_claim_may_say_why_it_is_indifferent_or_bring_its_own(exponent: Claim) -> None:
    silent = replace(exponent, indifferent={"r+1": "because"})
    assert [c.transplant for c in transplants(silent, silent.cases[0])] == ["activation", "r-1"]
    own = Counterfeit("of GELU", lambda *_: Prediction(7.0), nearest=True, transplant="activation")
    bringing = replace(exponent, counterfeits=(own,))
    assert [c.transplant for c in transplants(bringing, bringing.cases[0])] == ["r+1", "r-1"]


def test_a_printed_error_is_not_asked_for_power(exponent: Claim) -> None:
    printed = replace(
        exponent,
        reading=Reading.AS_PRINTED,
        expect=Expect.REFUTED,
        corrected=law,
        erratum=Erratum("p", "f", "t", "sample.claim"),
    )
    assert list(transplants(printed, printed.cases[0])) == []


def test_an_activation_of_somebody_elses_own_is_no_case_for_a_transplant(sample: Callable[..., Claim]) -> None:
    assert kinds(activation="not-in-the-catalogue") == {}
    claim = sample(cases=(case(Tier.SMOKE, 0.1, activation="not-in-the-catalogue"),))
    assert judge(claim, claim.cases[0], Context()).verdict.value == "pass"
