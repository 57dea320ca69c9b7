"""A claim that breaks a rule of the house is refused when it is made."""

from collections.abc import Callable
from typing import Any

import pytest

from verify.claim import Claim, Counterfeit, Erratum, Expect, Reading, Tier, case
from verify.values import Prediction

two = Counterfeit("two", lambda *_: Prediction(2.0), nearest=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "NoDots"}, "kebab-case"),
        ({"id": "sample"}, "kebab-case"),
        ({"theorem": "Theorem 1"}, "T1"),
        ({"cases": ()}, "at least one case"),
        ({"cases": (case(Tier.SMOKE, 1, n=1), case(Tier.FULL, 2, n=1))}, "same parameters"),
        ({"counterfeits": ()}, "at least one counterfeit"),
        ({"counterfeits": (two, two)}, "exactly one counterfeit is the nearest"),
        ({"assumes": ()}, "hypotheses"),
        ({"witnesses": ()}, "witnesses"),
        ({"expect": Expect.REFUTED}, "as printed"),
        ({"expect": Expect.REFUTED, "reading": Reading.AS_PRINTED}, "corrected prediction"),
        (
            {"expect": Expect.REFUTED, "reading": Reading.AS_PRINTED, "corrected": lambda _: Prediction(1.0)},
            "its erratum",
        ),
        ({"erratum": Erratum("printed", "why", "true", "sample.claim")}, "its erratum"),
        ({"cases": (case(Tier.SMOKE, 1, expect=Expect.REFUTED, n=1),)}, "as printed"),
        (
            {
                "reading": Reading.AS_PRINTED,
                "cases": (case(Tier.SMOKE, 1, expect=Expect.REFUTED, reading=Reading.CORRECTED, n=1),),
            },
            "as printed",
        ),
    ],
)
def test_broken_rules_are_named(sample: Callable[..., Claim], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sample(**changes)


def test_case_text_keeps_the_declared_order() -> None:
    instance = case(Tier.SMOKE, 0.1, r=3, L=5, activation="tanh", eps=1e-4)
    assert instance.text == "r=3,L=5,activation=tanh,eps=0.0001"
    assert (instance.integer("r"), instance.word("activation"), instance.real("eps")) == (3, "tanh", 1e-4)
    with pytest.raises(KeyError, match="no parameter 'width'"):
        instance["width"]
    with pytest.raises(TypeError, match="expected an integer"):
        instance.integer("eps")


def test_a_tier_includes_the_smaller_ones(sample: Callable[..., Claim]) -> None:
    claim = sample(cases=tuple(case(tier, 0.1, n=int(tier)) for tier in Tier))
    assert [len(claim.cases_in(tier)) for tier in Tier] == [1, 2, 3]


def test_a_case_may_be_read_otherwise_than_its_claim(sample: Callable[..., Claim]) -> None:
    plain, other = case(Tier.SMOKE, 0.1, n=1), case(Tier.SMOKE, 0.1, reading=Reading.CORRECTED, n=2)
    claim = sample(reading=Reading.AS_PRINTED, cases=(plain, other))
    assert (claim.read(plain), claim.read(other)) == (Reading.AS_PRINTED, Reading.CORRECTED)
    assert plain.text == "n=1"  # the reading is no parameter: it changes neither the name of a case nor its seed


def test_an_as_printed_case_of_another_claim_may_be_expected_refuted(sample: Callable[..., Claim]) -> None:
    printed = case(Tier.SMOKE, 0.1, expect=Expect.REFUTED, reading=Reading.AS_PRINTED, n=1)
    claim = sample(
        cases=(printed, case(Tier.SMOKE, 0.1, n=2)),
        corrected=lambda _: Prediction(1.0),
        erratum=Erratum("printed", "why", "true", "sample.claim"),
    )
    assert claim.reading is Reading.OURS and claim.expected(printed) is Expect.REFUTED
