"""CONTRACT "Conformance tests": rules that every claim of the catalogue keeps, ours and those to come."""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sympy

import symbolic
import symbolic.imbalance
import symbolic.manifold
import symbolic.theorem_a
from verify.catalogue import catalogue, in_order
from verify.claim import Case, Claim, Context, Expect, Reading, Tier
from verify.decision import Outcome, decide
from verify.judge import judge
from verify.render import latex
from verify.results import SCHEMA, Results, Verdict
from verify.values import Evidence, Measurement, Prediction

from . import network_mutants
from .test_results import record

CLAIMS = catalogue()
PRINTED = [claim for claim in CLAIMS if any(claim.expected(c) is Expect.REFUTED for c in claim.cases)]
PROOFS = [claim for claim in CLAIMS if claim.evidence is Evidence.PROOF]


def by_id(claims: list[Claim] | tuple[Claim, ...]) -> Any:
    return pytest.mark.parametrize("claim", claims, ids=[claim.id for claim in claims])


def smoke(claim: Claim) -> tuple[Case, ...]:
    return claim.cases_in(Tier.SMOKE)


@pytest.fixture
def without_symbolic(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it to make the symbolic witness impossible to import, until the test ends."""

    def block() -> None:
        for name in [name for name in sys.modules if name == "symbolic" or name.startswith("symbolic.")]:
            monkeypatch.setitem(sys.modules, name, None)

    return block


@by_id(CLAIMS)
def test_1_a_measurement_does_not_listen_to_the_prediction(claim: Claim, without_symbolic: Callable[[], None]) -> None:
    heard = [(case, claim.measure(case, Context(seed=1))) for case in smoke(claim)]
    numerical = [
        (case, measurement)
        for case, measurement in heard
        # A proof's measurement is the other side of the identity, which the symbolic witness derives.
        if (measurement.evidence or claim.evidence) is not Evidence.PROOF
    ]
    without_symbolic()
    for case, measurement in numerical:
        assert claim.measure(case, Context(seed=1)) == measurement


@by_id(PRINTED)
def test_2_a_printed_error_turns_around_when_it_is_corrected(claim: Claim) -> None:
    assert claim.corrected is not None
    turned = replace(claim, predict=claim.corrected)
    for case in smoke(claim):
        result = judge(turned, case, Context())
        if claim.expected(case) is Expect.REFUTED:
            assert (result.verdict, result.as_expected) == (Verdict.PASS, False)


def _dropped_activation(weights: Any, *rest: Any) -> Any:
    *_, inputs, activation = rest
    gains = rest[0] if len(rest) == 3 else (1,) * len(weights)
    hidden = gains[0] * weights[0] * inputs
    for layer, (gain, weight) in enumerate(zip(gains[1:], weights[1:], strict=True)):
        # The first hidden layer lost its activation.
        hidden = gain * weight * (hidden if layer == 0 else hidden.applyfunc(activation))
    return hidden if len(rest) == 2 else hidden[0, 0]


def _changed_index(weights: Any, *rest: Any) -> Any:
    *_, inputs, activation = rest
    gains = rest[0] if len(rest) == 3 else (1,) * len(weights)
    hidden = gains[0] * weights[0] * inputs
    for gain, weight in zip(gains[1:], weights[1:], strict=True):
        values = hidden.applyfunc(activation)
        values[0, 0] = activation(hidden[values.rows - 1, 0] + hidden[0, 0])  # unit 0 hears its neighbour, too
        hidden = gain * weight * values
    return hidden if len(rest) == 2 else hidden[0, 0]


def _dropped_layer(readout: Any, weights: Any, source: Any) -> Any:
    forward = source
    for weight in weights[1:]:
        forward = weight * forward
    return readout.dot(forward)


def _squared_unit(readout: Any, weights: Any, source: Any) -> Any:
    forward = source
    for weight in weights:
        forward = weight * forward
        forward[0] = forward[0] + forward[0] ** 2  # one unit is not linear
    return readout.dot(forward)


# The product of Theorem A has no activation to lose: it loses a layer, or gets a unit that is not linear.
OVERLAP_MUTANTS = {_dropped_activation: _dropped_layer, _changed_index: _squared_unit}
OTHER_MUTANTS = {
    _dropped_activation: network_mutants.DROPPED_ACTIVATION,
    _changed_index: network_mutants.CHANGED_INDEX,
}


@pytest.mark.parametrize("mutant", [_dropped_activation, _changed_index])
@by_id(PROOFS)
def test_3_a_proof_goes_red_when_the_network_is_another(
    claim: Claim, mutant: Callable[..., sympy.Matrix], monkeypatch: pytest.MonkeyPatch
) -> None:
    for (home, name), network in OTHER_MUTANTS[mutant].items():
        monkeypatch.setattr(home, name, network)
    for module in (symbolic.imbalance, symbolic.manifold):
        monkeypatch.setattr(module, "composed_output", mutant)
    monkeypatch.setattr(symbolic.theorem_a, "composed_overlap", OVERLAP_MUTANTS[mutant])
    proofs = [case for case in smoke(claim) if case.word("check") == "proof"]
    assert proofs
    outcomes = {decide(claim.predict(case), claim.measure(case, Context())).outcome for case in proofs}
    assert outcomes == {Outcome.REFUTED}


@by_id(CLAIMS)
def test_4_doubled_budgets_still_refute_every_counterfeit(claim: Claim) -> None:
    for case in claim.cases_in(Tier.STANDARD):
        measurement = claim.measure(case, Context())
        wide = replace(measurement, budget=measurement.budget.scaled(2))
        prediction = claim.predict(case)
        for counterfeit in claim.counterfeits:
            altered = counterfeit.alter(case, prediction)
            if altered is not None:
                altered = replace(altered, budget=altered.budget.scaled(2))
                assert decide(altered, wide).outcome is Outcome.REFUTED, (case.text, counterfeit.name)


@by_id(CLAIMS)
def test_5_standard_is_spread_over_classes_and_depths(claim: Claim) -> None:
    cases = claim.cases_in(Tier.STANDARD)
    names = {key for case in cases for key, _ in case.parameters}
    if "activation" in names:
        # A proof is for an undefined activation, and a typed expression is a case of its own kind: neither has a name.
        named = [case.word("activation") for case in cases if "activation" in dict(case.parameters)]
        found = [symbolic.classify(symbolic.activation(name)) for name in named]
        assert len({c.universality_class for c in found}) >= 2
        assert any(c.alpha != 1 for c in found)
    if names & {"L", "r"}:
        assert len({tuple(case[k] for k in ("L", "r") if k in dict(case.parameters)) for case in cases}) >= 2
    # Declared, not timed: tests/benchmarks holds the declared seconds against the measured ones.
    assert sum(case.seconds for case in smoke(claim)) <= 2


def test_6_ids_are_unique_and_parents_exist() -> None:
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)
    with pytest.raises(ValueError, match="two claims"):
        in_order([CLAIMS[0], replace(CLAIMS[0], title="again")])
    with pytest.raises(ValueError, match="no claim file"):
        in_order([replace(CLAIMS[0], depends=("not.there",))])
    a, b = replace(CLAIMS[0], id="a.a", depends=("b.b",)), replace(CLAIMS[0], id="b.b", depends=("a.a",))
    with pytest.raises(ValueError, match="circle"):
        in_order([a, b])


@by_id(CLAIMS)
def test_6_every_claim_is_as_expected_and_shows(claim: Claim) -> None:
    assert smoke(claim), "a claim without a smoke case is not verified by default"
    results = tuple(judge(claim, case, Context()) for case in smoke(claim))
    tried = {c.name for result in results for c in result.counterfeits}
    nearest = next(c.name for c in claim.counterfeits if c.nearest)
    assert nearest in tried, "the nearest counterfeit is tried in tier smoke"
    for result in results:
        assert result.as_expected is True, result.reason
        assert all(counterfeit.refuted for counterfeit in result.counterfeits)
        assert result.hypotheses
        grades = [grade.value for grade in Evidence]
        assert grades.index(str(result.evidence)) >= grades.index(claim.evidence.value)
    files = latex.render(Results(schema=SCHEMA, run=record(), results=results))
    assert latex.escape(results[0].verdict.value) in files[f"{claim.theorem}.tex"]


@by_id(CLAIMS)
def test_every_counterfeit_is_tried_in_some_case_of_standard(claim: Claim) -> None:
    for counterfeit in claim.counterfeits:
        assert any(counterfeit.alter(case, claim.predict(case)) is not None for case in claim.cases_in(Tier.STANDARD))


def test_the_readings_that_are_known_to_be_wrong_are_expected_refuted() -> None:
    assert {"prefactor.as-printed", "off-manifold.inequality.as-printed"} <= {claim.id for claim in PRINTED}
    assert all(
        claim.read(case) is Reading.AS_PRINTED
        for claim in PRINTED
        for case in claim.cases
        if claim.expected(case) is Expect.REFUTED
    )


def test_a_shifted_exponent_turns_the_court_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Break the symbolic witness on purpose: the judge must notice."""
    claim = next(claim for claim in CLAIMS if claim.id == "critical-depth.exponent")
    shifted = replace(claim, predict=lambda case: Prediction(1 - case.integer("r")))
    assert judge(shifted, smoke(claim)[0], Context()).verdict is Verdict.FAIL


def test_a_measurement_that_is_off_by_one_percent_fails() -> None:
    """Break the numeric witness on purpose: the budget is sharp enough to see one per cent of K."""
    claim = next(claim for claim in CLAIMS if claim.id == "prefactor.hermite")

    def skewed(case: Case, context: Context) -> Measurement:
        measurement = claim.measure(case, context)
        assert isinstance(measurement.value, float)
        return replace(measurement, value=1.01 * measurement.value)

    assert judge(replace(claim, measure=skewed), smoke(claim)[0], Context()).verdict is Verdict.FAIL
