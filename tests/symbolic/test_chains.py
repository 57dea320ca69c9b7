"""Gaussian expectations of chains s(xi_m s(... s(xi_1 u))), against quadrature and identities."""

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symbolic
from symbolic.chains import Chain


def test_an_interruption_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def interrupted(*arguments: Any) -> Any:
        calls.append(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr("symbolic.balls.evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        symbolic.moment(symbolic.activation("tanh"), 1, digits=17)
    assert len(calls) == 1


def trapezoid(chains: list[Chain], function: Any) -> float:
    """E[prod chains] in double precision; the rule with step 1/20 is exponentially accurate for analytic integrands."""
    total = 0.0
    for j in range(-240, 241):
        u = j / 20
        product = math.exp(-u * u / 2) / math.sqrt(2 * math.pi) / 20
        for chain in chains:
            inner = u
            for scale, _ in chain.links:
                inner = function(float(scale) * inner)
            product *= inner**chain.exponent
        total += product
    return total


FLOATS = {
    "tanh": math.tanh,
    "sin": math.sin,
    "gelu": lambda z: z * math.erfc(-z / math.sqrt(2)) / 2,
    "silu": lambda z: z / (1 + math.exp(-z)),
}


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("exponent", [1, 2, 3])
def test_chains_against_quadrature(name: str, exponent: int) -> None:
    s = symbolic.activation(name)
    chains = [Chain.of((1, s)), Chain.of((Fraction(1, 2), s), (0.75, s), (Fraction(-6, 5), s), exponent=exponent)]
    ours = float(symbolic.gaussian_expectation(*chains))
    assert ours == pytest.approx(trapezoid(chains, FLOATS[name]), rel=1e-12, abs=1e-16)  # rounding of 481 terms


def test_homogeneous_chains_are_exact() -> None:
    relu, leaky = symbolic.activation("relu"), symbolic.activation("leaky_relu", slope="-1/2")
    both = symbolic.gaussian_expectation(Chain.of((1, relu)), Chain.of((2, relu), (Fraction(3, 2), relu)))
    assert abs(float(both) - 1.5) < 1e-28
    # leaky(-x) = x/2 > 0, then positive again: E[u leaky(leaky(u))] = (1 - 1/2)/2.
    folded = symbolic.gaussian_expectation(Chain((), 1), Chain.of((1, leaky), (1, leaky)))
    assert abs(float(folded) - 0.25) < 1e-28


def test_clipped_chains_cut_at_every_kink() -> None:
    clip = symbolic.activation("hardtanh")
    found = symbolic.gaussian_expectation(Chain((), 1), Chain.of((2, clip), (Fraction(3, 2), clip)))
    # clip(1.5 clip(2u)) = clip(3u): E[u clip(3u)] = 3 P(|u| < 1/3)
    assert abs(float(found) - 3 * math.erf(1 / 3 / math.sqrt(2))) < 1e-15


@settings(max_examples=15, deadline=None)
@given(st.fractions(min_value=-2, max_value=2, max_denominator=8))
def test_stein_identity(c: Fraction) -> None:
    # h(c) = E[g tanh(cg)] = c E[1 - tanh(cg)^2]
    tanh = symbolic.activation("tanh")
    squared = symbolic.gaussian_expectation(Chain.of((c, tanh), exponent=2), digits=20)
    assert abs(float(symbolic.hermite(tanh, c, digits=20)) - float(c) * (1 - float(squared))) < 1e-15


def test_parity_gives_exact_zeros() -> None:
    tanh, cos = symbolic.activation("tanh"), symbolic.activation("cos")
    assert symbolic.gaussian_expectation(Chain.of((1, tanh))).closed_form == 0
    assert symbolic.gaussian_expectation(Chain.of((1, tanh), (1, cos)), Chain((), 1)).closed_form == 0
    assert symbolic.gaussian_expectation(Chain.of((1, cos), (1, tanh))).closed_form is None
