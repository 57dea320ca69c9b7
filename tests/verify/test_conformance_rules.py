"""The rules themselves can fail: each of these claims breaks one, and the sentence says which."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from verify.claim import Case, Claim, Context, Counterfeit, Erratum, Expect, Reading, Tier, case
from verify.conformance import RULES, breaches
from verify.values import Budget, Evidence, Measurement, Prediction

Sample = Callable[..., Claim]


def listens(_: Case, context: Context) -> Measurement:
    import symbolic

    return Measurement(float(symbolic.escape_exponent(3) + 2), budget=Budget(rounding=0.1))


def drawn(_: Case, context: Context) -> Measurement:
    return Measurement(1.0 + 1e-3 * random.random(), budget=Budget(rounding=0.1))


def near(_: Case, truth: Prediction) -> Prediction:
    return Prediction(1.5)


TWO = Counterfeit("two", lambda *_: Prediction(2.0), nearest=True)
PRINTED = {
    "reading": Reading.AS_PRINTED,
    "expect": Expect.REFUTED,
    "predict": lambda _: Prediction(2.0),
    "erratum": Erratum("p", "f", "t", "sample.claim"),
    "counterfeits": (Counterfeit("three", lambda *_: Prediction(3.0), nearest=True),),
}


def test_a_good_claim_breaks_none(sample: Sample) -> None:
    assert list(breaches(sample())) == []
    assert list(breaches(sample(**PRINTED, corrected=lambda _: Prediction(1.0)))) == []


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        ({"measure": listens}, ["1 independent: the measurement of [n=1] asks the symbolic witness"]),
        ({"measure": drawn}, ["1 independent: two measurements of [n=1] with the same seed differ"]),
        ({**PRINTED, "corrected": lambda _: Prediction(2.0)}, ["2 turns around: given the corrected prediction"]),
        (
            {"counterfeits": (Counterfeit("near", near, nearest=True),)},
            ["4 sharp: with doubled budgets the counterfeit 'near' undecided"],
        ),
        (
            {"cases": (case(Tier.SMOKE, 0.1, L=3, activation="tanh"), case(Tier.STANDARD, 0.1, L=3, activation="sin"))},
            ["5 spread: tier standard has activations of one class",
             "5 spread: tier standard has no activation with alpha",
             "5 spread: tier standard has one depth"],
        ),
        ({"cases": (case(Tier.SMOKE, 3.0, n=1),)}, ["5 spread: tier smoke declares 3 s"]),
        ({"cases": (case(Tier.STANDARD, 0.1, n=1),)}, ["6 heard: no case is in tier smoke"]),
        ({"predict": lambda _: Prediction(1.5)}, ["6 heard: [n=1] is fail"]),
        ({"evidence": Evidence.STATISTICAL, "measure": lambda *_: Measurement(
            1.0, budget=Budget(rounding=0.1), evidence=Evidence.PROOF)}, ["6 heard: [n=1] is graded proof, stronger"]),
        (
            {"counterfeits": (Counterfeit("true", lambda *_: Prediction(1.0), nearest=True),)},
            ["6 heard: [n=1] does not refute the counterfeit 'true': holds"],
        ),
        (
            {
                "cases": (case(Tier.SMOKE, 0.1, n=1), case(Tier.STANDARD, 0.1, n=2)),
                "counterfeits": (
                    Counterfeit("late", lambda c, _: Prediction(2.0) if c.integer("n") == 2 else None, nearest=True),
                ),
            },
            ["6 heard: the nearest counterfeit 'late' is tried in no smoke case"],
        ),
        (
            {"counterfeits": (TWO, Counterfeit("none", lambda *_: None))},
            ["6 counterfeits: the counterfeit 'none' says the truth in every case"],
        ),
    ],
)  # fmt: skip
def test_a_broken_rule_is_named(sample: Sample, changes: dict[str, Any], sentences: list[str]) -> None:
    found = list(breaches(sample(**changes)))
    for sentence in sentences:
        assert any(line.startswith(sentence) for line in found), found


def test_transplants_are_tried_with_doubled_budgets_too(sample: Sample) -> None:
    """Six budgets are needed: what r + 1 says is five away, which one budget refutes and two do not."""

    def claim(*, apart: float) -> Claim:
        return sample(
            cases=(case(Tier.SMOKE, 0.1, r=3), case(Tier.STANDARD, 0.1, r=4)),
            predict=lambda c: Prediction(apart * c.integer("r"), budget=Budget(finite_eps=0.5)),
            measure=lambda c, _: Measurement(apart * c.integer("r"), budget=Budget(rounding=0.5)),
            counterfeits=(Counterfeit("far", lambda *_: Prediction(1e9), nearest=True),),
        )

    assert list(RULES["4 sharp"](claim(apart=7.0))) == []
    assert list(RULES["6 heard"](claim(apart=5.0))) == []
    found = list(RULES["4 sharp"](claim(apart=5.0)))
    assert len(found) == 4
    assert all("the counterfeit 'transplant: r=" in sentence and "undecided" in sentence for sentence in found)


@pytest.mark.parametrize(
    "tables", [{}, {"T1.tex": r"\texttt{other.claim}"}, {"T2.tex": r"\texttt{sample.\allowbreak{}claim}"}]
)
def test_a_claim_without_a_row_in_its_table_is_named(
    sample: Sample, monkeypatch: pytest.MonkeyPatch, tables: dict[str, str]
) -> None:
    from verify.render import latex

    monkeypatch.setattr(latex, "render", lambda _: tables)
    assert list(RULES["6 heard"](sample())) == ["its results make no row in the table of its theorem"]


def test_a_claim_that_raises_breaks_the_rule_that_it_raises_in(sample: Sample) -> None:
    def broken(*_: object) -> Measurement:
        raise RuntimeError("no such\nluck")

    found = list(breaches(sample(measure=broken)))
    assert "1 independent: RuntimeError: no such luck" in found


def test_the_symbolic_witness_is_back_afterwards(sample: Sample) -> None:
    list(RULES["1 independent"](sample(measure=listens)))
    import symbolic

    assert symbolic.escape_exponent(3) == -1


def test_rules_are_generators_of_sentences(sample: Sample) -> None:
    assert all(isinstance(rule(sample()), Iterator) for rule in RULES.values())


def test_what_the_symbolic_witness_said_once_does_not_count(sample: Sample) -> None:
    remembered: list[float] = []

    def overhears(_: Case, context: Context) -> Measurement:
        if not remembered:
            import symbolic

            remembered.append(float(symbolic.escape_exponent(3) + 2))
        return Measurement(remembered[0], budget=Budget(rounding=0.1))

    found = list(RULES["1 independent"](sample(measure=overhears)))
    assert found
    assert "asks the symbolic witness" in found[0]
