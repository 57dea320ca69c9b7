"""Transplanted predictions: what the theory says of *another* case, tried on this one. Each must be refuted.

A check that cannot tell GELU's prediction from tanh's, or r from r + 1, has no power, whatever its own counterfeits
say. A transplant is made by asking the claim for the prediction of a case that differs in one respect:

- ``activation``: an activation of another universality class (where the case names one of the catalogue);
- ``r+1``, ``r-1``: one bottleneck layer more or fewer;
- ``L for r``: all layers in place of the bottleneck;
- ``parameterisation``: plain in place of ntk, or the other way round.

Where the theory says the same of both cases (the exponent of two activations) there is nothing to refute, and the
transplant does not apply; where it says the same only up to what the measurement can see, the claim must say why, in
``Claim.indifferent``. A claim whose prediction is a formula over measured ingredients brings its transplants itself, as
counterfeits that are marked with the kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from verify.claim import Case, Claim, Counterfeit, Expect, Parameter
from verify.values import Prediction

ACTIVATION = "activation"
MORE = "r+1"
FEWER = "r-1"
DEPTH = "L for r"
PARAMETERISATION = "parameterisation"
KINDS = (ACTIVATION, MORE, FEWER, DEPTH, PARAMETERISATION)

_OTHER_PARAMETERISATION = {"plain": "ntk", "ntk": "plain"}


def transplants(claim: Claim, case: Case) -> Iterator[Counterfeit]:
    """The transplants that ``case`` admits, as counterfeits; none where the claim itself is expected to be wrong."""
    if claim.expected(case) is Expect.REFUTED:
        return
    own = {counterfeit.transplant for counterfeit in claim.counterfeits}
    for kind, donor in donors(case):
        if kind not in claim.indifferent and kind not in own:
            yield Counterfeit(f"transplant: {donor.text}", _prediction_of(claim, donor), transplant=kind)


def donors(case: Case) -> Iterator[tuple[str, Case]]:
    """(kind, the case whose prediction is transplanted) for every kind that the parameters of ``case`` admit."""
    parameters = dict(case.parameters)
    activation = parameters.get("activation")
    other_activation = _of_another_class(activation) if isinstance(activation, str) else None
    if other_activation:
        yield ACTIVATION, _changed(case, activation=other_activation)
    r, depth = parameters.get("r"), parameters.get("L")
    if isinstance(r, int):
        # More bottleneck layers than layers is no case at all: then the network grows with them.
        deeper = {"L": max(depth, r + 1)} if isinstance(depth, int) else {}
        yield MORE, _changed(case, r=r + 1, **deeper)
        if r > 1:
            yield FEWER, _changed(case, r=r - 1)
        if isinstance(depth, int) and depth != r:
            yield DEPTH, _changed(case, r=depth)
    other = _OTHER_PARAMETERISATION.get(str(parameters.get("parameterisation")))
    if other:
        yield PARAMETERISATION, _changed(case, parameterisation=other)


def _changed(case: Case, **changes: Parameter) -> Case:
    return replace(case, parameters=tuple((key, changes.get(key, value)) for key, value in case.parameters))


def _of_another_class(activation: str) -> str | None:
    """tanh (class B); GELU (class C) for an activation of class B itself; None for a name that is not ours to judge."""
    import symbolic

    if activation not in symbolic.catalogue():
        return None
    return "gelu" if symbolic.classify(symbolic.activation(activation)).universality_class == "B" else "tanh"


def _prediction_of(claim: Claim, donor: Case) -> Callable[[Case, Prediction], Prediction | None]:
    def alter(_: Case, honest: Prediction) -> Prediction | None:
        try:
            altered = claim.predict(donor)
        except (ValueError, KeyError):
            return None  # the theory says nothing of such a case
        return None if altered.value == honest.value else altered

    return alter
