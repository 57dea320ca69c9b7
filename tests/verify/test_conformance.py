"""CONTRACT "Conformance tests": rules that every claim of the catalogue keeps, ours and those to come."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sympy

import symbolic
import symbolic.imbalance
import symbolic.manifold
import symbolic.theorem_a
from verify.catalogue import catalogue, in_order
from verify.claim import Case, Claim, Context, Expect, Reading, Tier
from verify.conformance import RULES
from verify.decision import Outcome, decide
from verify.judge import judge
from verify.results import Verdict
from verify.selection import THEOREMS
from verify.transplant import transplants
from verify.values import Evidence, Measurement, Prediction

from . import network_mutants

CLAIMS = catalogue()
IDS = Path(__file__).with_name("claim_ids.txt")
PRINTED = [claim for claim in CLAIMS if any(claim.expected(c) is Expect.REFUTED for c in claim.cases)]
PROOFS = [claim for claim in CLAIMS if claim.evidence is Evidence.PROOF]


def by_id(claims: list[Claim] | tuple[Claim, ...]) -> Any:
    return pytest.mark.parametrize("claim", claims, ids=[claim.id for claim in claims])


def smoke(claim: Claim) -> tuple[Case, ...]:
    return claim.cases_in(Tier.SMOKE)


@pytest.mark.parametrize("rule", RULES)
@by_id(CLAIMS)
def test_every_claim_keeps_the_rules(claim: Claim, rule: str) -> None:
    assert list(RULES[rule](claim)) == []


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


def test_6_ids_are_unique_and_parents_exist() -> None:
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)
    with pytest.raises(ValueError, match="two claims"):
        in_order([CLAIMS[0], replace(CLAIMS[0], title="again")])
    with pytest.raises(ValueError, match="no claim file"):
        in_order([replace(CLAIMS[0], depends=("not.there",))])
    a, b = replace(CLAIMS[0], id="a.a", depends=("b.b",)), replace(CLAIMS[0], id="b.b", depends=("a.a",))
    with pytest.raises(ValueError, match="circle"):
        in_order([a, b])


def test_every_theorem_is_tried_against_transplanted_predictions() -> None:
    """By an activation of another class at least; T5 and T6 also by r +- 1, T3 to T5 also by the parameterisation."""
    offered: dict[str, set[str]] = {}
    for claim in CLAIMS:
        for case in claim.cases_in(Tier.STANDARD):
            own = {c.transplant for c in claim.counterfeits if c.transplant}
            offered.setdefault(claim.theorem, set()).update(own, (c.transplant for c in transplants(claim, case)))
    for theorem in THEOREMS:
        assert "activation" in offered[theorem], theorem
    assert all({"r+1", "r-1", "L for r"} <= offered[theorem] for theorem in ("T5", "T6"))
    assert all("parameterisation" in offered[theorem] for theorem in ("T3", "T4", "T5"))


def test_the_catalogue_holds_what_the_theory_states() -> None:
    """Ids are a contract: papers and workflows name them."""
    assert set(IDS.read_text().split()) <= {claim.id for claim in CLAIMS}


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


def test_a_measurement_that_is_off_by_one_in_a_million_fails() -> None:
    """Break the numeric witness on purpose: the budget is sharp enough to see the millionth part of K."""
    claim = next(claim for claim in CLAIMS if claim.id == "prefactor.hermite")

    def skewed(case: Case, context: Context) -> Measurement:
        measurement = claim.measure(case, context)
        assert isinstance(measurement.value, float)
        return replace(measurement, value=(1 + 1e-6) * measurement.value)

    assert judge(replace(claim, measure=skewed), smoke(claim)[0], Context()).verdict is Verdict.FAIL
