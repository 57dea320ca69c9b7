from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import pytest
import sympy

from symbolic import block_ansatz as ba
from symbolic.block_ansatz import (
    growth_rates,
    loop_gain,
    off_block_force,
    pair_decoupling,
    pair_hessian,
    stage_is_critical,
    vector_output_invariance,
)


@pytest.mark.parametrize("group_size", [1, 2, 3])
def test_scalar_output_has_a_first_order_off_block_force(group_size: int) -> None:
    sides = off_block_force(group_size)
    assert sides.residual == {}
    assert sides.measured["E[g*s(g)]*E[s'(X_1*g)]*a_1*b_2"] == Fraction(1, group_size)
    for reading in ("invariant", "no-teacher-term"):
        assert off_block_force(group_size, reading).residual  # type: ignore[arg-type]
    assert bool(off_block_force(group_size, "not-divided").residual) == (group_size > 1)


@pytest.mark.parametrize(("group_size", "depth"), [(1, 2), (2, 2), (1, 3)])
def test_vector_output_is_invariant_for_odd_activations_only(group_size: int, depth: int) -> None:
    assert vector_output_invariance(group_size, depth).residual == {}
    assert vector_output_invariance(group_size, depth, odd=False).measured


def test_the_force_that_oddness_removes() -> None:
    # On the weight from unit 0 (group 1) to output 2: E[r_2 s(X_1 u_1)] = E[s(X_1 g)] (a_2 E[s(X_2 g)] - b_2 E[s(g)]).
    general = vector_output_invariance(1, odd=False).measured
    assert general["(2, 1, 0): E[s(X1_1*g)]*E[s(g)]*b_2"] == -1
    assert general["(2, 1, 0): E[s(X1_1*g)]*E[s(X1_2*g)]*a_2"] == 1


@pytest.mark.parametrize("group_size", [1, 2, 3])
def test_collective_pair(group_size: int) -> None:
    sides = pair_hessian(group_size)
    assert sides.residual == {}
    assert sides.measured == {
        "AA: E[s'(g)**2]*b_1**2": Fraction(1, group_size),
        "AB: E[g*s(g)]*E[s'(g)]*b_2": -1,
        "BB: E[s(g)**2]": group_size,
    }
    assert pair_hessian(group_size, reading="no-mixing").residual
    assert pair_hessian(group_size, reading="gain-decides").residual


@pytest.mark.parametrize("group_size", [1, 2])
def test_collective_pair_of_a_layer_chain(group_size: int) -> None:
    sides = pair_hessian(group_size, depth=3)
    assert sides.residual == {}
    assert sides.measured == {
        "AA: E[s'(X_2*s(g))**2*s'(g)**2]*X_2**2*b_1**2": Fraction(1, group_size),
        "AB: E[g*s(X_2*s(g))]*E[s'(X_2*s(g))*s'(g)]*X_2*b_2": -1,
        "BB: E[s(X_2*s(g))**2]": group_size,
    }


@pytest.mark.parametrize("group_size", [2, 3])
def test_non_collective_pair_is_unstable_at_any_gain_for_two_layers(group_size: int) -> None:
    sides = pair_hessian(group_size, "non-collective")
    assert sides.residual == {}
    assert set(sides.measured) == {"AB: E[g*s(g)]*E[s'(g)]*b_2"}  # A = B = 0: eigenvalues +-M
    assert pair_hessian(group_size, "non-collective", reading="gain-decides").residual
    assert pair_hessian(group_size, "non-collective", reading="no-mixing").residual


def test_non_collective_pair_is_neutral_for_three_layers() -> None:
    sides = pair_hessian(2, "non-collective", depth=3)
    assert sides.measured == {} and sides.claimed == {}
    assert pair_hessian(2, "non-collective", depth=3, reading="gain-decides").residual


@pytest.mark.parametrize(("group_size", "depth"), [(1, 2), (2, 2), (1, 3)])
def test_stage_point_is_critical_and_the_pair_decouples(group_size: int, depth: int) -> None:
    assert stage_is_critical(group_size, depth).residual == {}
    assert pair_decoupling(group_size, depth).residual == {}


def test_spectrum() -> None:
    A, B, M = sympy.symbols("A B M", positive=True)
    x = sympy.Symbol("x")
    minus_hessian = sympy.Matrix([[-A, M], [M, -B]])
    larger, smaller = growth_rates(A, B, M)
    assert sympy.expand((x - larger) * (x - smaller) - minus_hessian.charpoly(x).as_expr()) == 0
    # The product of the eigenvalues is A B (1 - G): for A, B > 0 the larger one changes sign at G = 1 and only there.
    assert sympy.expand(larger * smaller - A * B * (1 - loop_gain(A, B, M))) == 0
    assert growth_rates(sympy.Integer(1), sympy.Integer(4), sympy.Integer(2))[0] == 0
    assert growth_rates(sympy.Integer(0), sympy.Integer(0), sympy.Integer(3)) == (3, -3)


Activation = Callable[[sympy.Expr], sympy.Expr]


def test_a_mutated_network_turns_the_proofs_red(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_activation(weights: Sequence[sympy.Matrix], inputs: sympy.Matrix, s: Activation) -> sympy.Matrix:
        hidden = (weights[0] * inputs).applyfunc(s)
        hidden[0] = (weights[0] * inputs)[0]
        return weights[1] * hidden

    def permuted(weights: Sequence[sympy.Matrix], inputs: sympy.Matrix, s: Activation) -> sympy.Matrix:
        hidden = (weights[0] * inputs).applyfunc(s)
        hidden[0], hidden[-1] = hidden[-1], hidden[0]
        return weights[1] * hidden

    for mutant in (without_activation, permuted):
        monkeypatch.setattr(ba, "composed_outputs", mutant)
        assert off_block_force(2).residual
        assert pair_hessian(2).residual
    assert vector_output_invariance(2).residual


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="n >= 2"):
        pair_hessian(1, "non-collective")
    with pytest.raises(ValueError, match="at least one unit"):
        off_block_force(0)
    with pytest.raises(ValueError, match="reading"):
        off_block_force(1, "typo")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="reading"):
        pair_hessian(1, reading="typo")  # type: ignore[arg-type]
