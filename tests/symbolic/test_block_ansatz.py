from __future__ import annotations

from collections.abc import Callable
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


@pytest.mark.parametrize("group_size", [1, 2])
def test_vector_output_is_invariant_for_odd_activations_only(group_size: int) -> None:
    assert vector_output_invariance(group_size).residual == {}
    general = vector_output_invariance(group_size, odd=False).measured
    assert general["A(1, 0): E[s(X_1*g)]*E[s(g)]*b_2"] == -1


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


@pytest.mark.parametrize("group_size", [2, 3])
def test_non_collective_pair_is_unstable_at_any_gain(group_size: int) -> None:
    sides = pair_hessian(group_size, "non-collective")
    assert sides.residual == {}
    assert set(sides.measured) == {"AB: E[g*s(g)]*E[s'(g)]*b_2"}  # A = B = 0: eigenvalues +-M
    assert pair_hessian(group_size, "non-collective", "gain-decides").residual


@pytest.mark.parametrize("group_size", [1, 2])
def test_stage_point_is_critical_and_the_pair_decouples(group_size: int) -> None:
    assert stage_is_critical(group_size).residual == {}
    assert pair_decoupling(group_size).residual == {}


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
    def without_activation(
        rows: sympy.Matrix, readout: sympy.Matrix, inputs: sympy.Matrix, s: Activation
    ) -> sympy.Matrix:
        hidden = (rows * inputs).applyfunc(s)
        hidden[0] = (rows * inputs)[0]
        return readout * hidden

    def permuted(rows: sympy.Matrix, readout: sympy.Matrix, inputs: sympy.Matrix, s: Activation) -> sympy.Matrix:
        hidden = (rows * inputs).applyfunc(s)
        hidden[0], hidden[-1] = hidden[-1], hidden[0]
        return readout * hidden

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
