from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import pytest
import sympy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from symbolic import manifold
from symbolic.manifold import (
    identical_rows_gradient,
    manifold_tangency,
    network_tangency,
    reduced_system,
    restricted_loss,
)
from symbolic.reduced_gains import general_gains, ntk_gains

Activation = Callable[[sympy.Expr], sympy.Expr]


@pytest.mark.parametrize("row", ["teacher", "arbitrary"])
@pytest.mark.parametrize("widths", [(2,), (3,), (2, 3), (2, 3, 2)])
def test_every_entry_of_the_gradient_is_the_reduced_gradient_over_the_widths(
    widths: tuple[int, ...], row: manifold.Row
) -> None:
    sides = network_tangency(len(widths) + 1, widths, row)
    assert sides.measured
    assert sides.residual == {}


def test_measured_entry_by_hand() -> None:
    # L = 2: dLoss/dW_1[i,j] = Loss' g_2 c_2 s'(z_1) g_1 E[x_j | u] = Loss' g_1 g_2 c_2 s'(z_1) u v_j, no width in it.
    entry = "G_1[1,0]: Loss'(z_2)*c_2*g_1*g_2*s'(z_1)*u*v[0]"
    assert manifold_tangency(2, 1, (3,)).measured[entry] == 1
    assert manifold_tangency(2, 2, (3,)).measured["G_2[0,2]: Loss'(z_2)*g_2*s(z_1)"] == 1


@pytest.mark.parametrize("reading", ["not-normalised", "fan-in-only", "wrong-gain"])
@pytest.mark.parametrize("widths", [(2,), (2, 3)])
def test_counterfeits_leave_a_residual(widths: tuple[int, ...], reading: manifold.TangencyReading) -> None:
    depth = len(widths) + 1
    altered = network_tangency(depth, widths, reading=reading)
    assert altered.residual


def test_output_on_the_manifold_is_that_of_the_scalar_chain() -> None:
    assert restricted_loss(4, (2, 3, 2)).residual == {}
    assert restricted_loss(3, (2, 3), reading="wrong-gain").residual


def _index_changed(
    weights: Sequence[sympy.Matrix], gains: Sequence[sympy.Expr], inputs: sympy.Matrix, s: Activation
) -> sympy.Expr:
    hidden = gains[0] * weights[0] * inputs
    for gain, weight in zip(gains[1:], weights[1:], strict=True):
        passed = hidden.applyfunc(s)
        passed[0] = passed[1]
        hidden = gain * weight * passed
    return hidden[0, 0]


def _activation_dropped(
    weights: Sequence[sympy.Matrix], gains: Sequence[sympy.Expr], inputs: sympy.Matrix, s: Activation
) -> sympy.Expr:
    hidden = gains[0] * weights[0] * inputs
    hidden[0] = s(hidden[0])
    for gain, weight in zip(gains[1:], weights[1:], strict=True):
        hidden = gain * weight * hidden
    return hidden[0, 0]


@pytest.mark.parametrize("mutant", [_index_changed, _activation_dropped])
def test_a_mutated_network_turns_the_proof_red(mutant: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifold, "composed_output", mutant)
    assert network_tangency(3, (2, 2)).residual


def test_identical_rows_as_printed_are_not_invariant() -> None:
    printed = identical_rows_gradient()
    assert printed.weights[1] == ((Fraction(1), Fraction(2)),) * 2
    assert not printed.rows_stay_identical
    # The ratio of the two rows is that of the entries of the common row of W_2.
    assert printed.gradient[1] == tuple(2 * entry for entry in printed.gradient[0])
    assert identical_rows_gradient(upper_row=(Fraction(3), Fraction(3))).rows_stay_identical


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.lists(st.fractions(1, 3), min_size=4, max_size=4))
def test_reduced_system_agrees_with_the_formula_for_general_gains(widths: list[int], squares: list[Fraction]) -> None:
    given_squares = squares[: len(widths) + 1]
    system = reduced_system(widths, given_squares)
    formula = general_gains([sympy.sqrt(sympy.Rational(g)) for g in given_squares], widths)
    assert [sympy.Rational(a) for a in system.squared_gains] == [a**2 for a in formula.gains]
    assert set(system.mobility) == {Fraction(1)}
    product = Fraction(1)
    for square in given_squares:
        product *= square
    assert set(system.squared_rates) == {product}  # K_F = M_1 alpha^(L-1) prod g_l


def test_reduced_system_in_both_parameterisations() -> None:
    plain, ntk = reduced_system((5, 5, 5)), reduced_system((5, 5, 5), "ntk")
    assert plain.squared_gains == (Fraction(1, 5), 1, 1, 5) and plain.mobility == (1,) * 4
    assert ntk.squared_gains == (1, 1, 1, 5) and ntk.mobility == (Fraction(1, 5),) * 4
    assert [a**2 for a in ntk_gains(4, 5).gains] == [sympy.Rational(a) for a in ntk.squared_gains]
    assert plain.squared_rates == (1,) * 4 and ntk.squared_rates == (Fraction(1, 5),) * 4
    uneven = reduced_system((2, 3), "ntk")
    assert uneven.squared_gains == (1, 1, 3) and uneven.mobility == (Fraction(1, 2), Fraction(1, 3), Fraction(1, 3))


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="expected depth"):
        manifold_tangency(3, 1, (2,))
    with pytest.raises(ValueError, match="layer"):
        manifold_tangency(2, 3, (2,))
    with pytest.raises(ValueError, match="row"):
        manifold_tangency(2, 1, (2,), row="common")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="reading"):
        manifold_tangency(2, 1, (2,), reading="typo")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="squared gains"):
        reduced_system((2, 2), "mup")
