from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import sympy

from symbolic import imbalance
from symbolic.imbalance import (
    gradient_step_identity,
    imbalance_identities,
    imbalance_identity,
    matrix_identity,
    neuron_identity,
)

Activation = Callable[[sympy.Expr], sympy.Expr]


@pytest.mark.parametrize("depth", [2, 3, 4, 5])
def test_identity_holds_for_every_layer_pair(depth: int) -> None:
    for layer, sides in imbalance_identities(depth).items():
        assert sides.measured, layer
        assert sides.residual == {}


def test_measured_side_by_hand_for_the_smallest_network() -> None:
    # y = w2 s(w1 x), G_1 = Loss' w2 s' x, G_2 = Loss' s: d(w2^2 - w1^2)/dt = 2 Loss' (w1 x w2 s' - w2 s).
    sides = imbalance_identity(2, 1, (1, 1, 1))
    assert sides.measured == {
        "Loss'(z_2[0])*W_1[0,0]*W_2[0,0]*s'(z_1[0])*x[0]": 2,
        "Loss'(z_2[0])*W_2[0,0]*s(z_1[0])": -2,
    }


@pytest.mark.parametrize("reading", ["sign-flipped", "no-minus-s", "leading-term", "half"])
@pytest.mark.parametrize("layer", [1, 2])
def test_counterfeits_leave_a_residual_and_do_not_touch_the_measured_side(
    layer: int, reading: imbalance.Reading
) -> None:
    altered = imbalance_identity(3, layer, reading=reading)
    assert altered.residual
    assert altered.measured == imbalance_identity(3, layer).measured


@pytest.mark.parametrize("widths", [(3, 2, 1, 2), (1, 3, 2, 1)])
def test_uneven_widths_and_single_neurons(widths: tuple[int, ...]) -> None:
    for layer in (1, 2):
        for neuron in range(widths[layer]):
            assert neuron_identity(3, layer, neuron, widths).residual == {}
    assert neuron_identity(3, 1, 0, widths, reading="half").residual


def test_matrix_form_holds_and_is_not_a_function_of_phi_off_the_diagonal() -> None:
    for i in (0, 1):
        for j in (0, 1):
            assert matrix_identity(3, 1, (i, j)).residual == {}
            assert bool(matrix_identity(3, 1, (i, j), reading="phi-only").residual) == (i != j)
    assert matrix_identity(3, 1, (0, 1), reading="sign-flipped").residual


@pytest.mark.parametrize("layer", [1, 2])
def test_gradient_step_is_exact_to_second_order_in_eta(layer: int) -> None:
    assert gradient_step_identity(3, layer).residual == {}
    missing = gradient_step_identity(3, layer, reading="first-order").residual
    assert missing and all("eta**2" in monomial for monomial in missing)
    flipped = gradient_step_identity(3, layer, reading="second-order-flipped").residual
    assert flipped == {monomial: 2 * value for monomial, value in missing.items()}


@pytest.mark.parametrize("reading", ["half", "sign-flipped", "no-minus-s", "leading-term"])
def test_counterfeits_of_the_matrix_and_of_the_step_leave_a_residual(reading: str) -> None:
    step = gradient_step_identity(3, 2, reading=reading)  # type: ignore[arg-type]
    assert step.residual and not any("eta**2" in monomial for monomial in step.residual)
    for entry in ((0, 1), (1, 1)):
        assert matrix_identity(3, 2, entry, reading=reading).residual  # type: ignore[arg-type]


def test_the_leading_term_is_the_truth_for_a_quadratic_activation() -> None:
    a_1, a_2 = sympy.symbols("a_1 a_2")
    y, z = sympy.symbols("y z")

    def s(value: sympy.Expr) -> sympy.Expr:
        return a_1 * value + a_2 * value**2

    assert sympy.expand(s(y).diff(y) * z - s(z) - a_2 * (2 * y * z - z**2)) == 0


def _without_an_activation(weights: Sequence[sympy.Matrix], inputs: sympy.Matrix, s: Activation) -> sympy.Matrix:
    hidden = weights[1] * (weights[0] * inputs)  # the s after layer 1 is dropped
    for weight in weights[2:]:
        hidden = weight * hidden.applyfunc(s)
    return hidden


def _with_one_index_changed(weights: Sequence[sympy.Matrix], inputs: sympy.Matrix, s: Activation) -> sympy.Matrix:
    hidden = weights[0] * inputs
    for weight in weights[1:]:
        passed = hidden.applyfunc(s)
        passed[1] = passed[0]
        hidden = weight * passed
    return hidden


def _transposed(weights: Sequence[sympy.Matrix], inputs: sympy.Matrix, s: Activation) -> sympy.Matrix:
    hidden = weights[0] * inputs
    for weight in weights[1:]:
        hidden = weight.T * hidden.applyfunc(s)
    return hidden


@pytest.mark.parametrize("mutant", [_without_an_activation, _with_one_index_changed, _transposed])
def test_a_mutated_network_turns_the_proof_red(mutant: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imbalance, "composed_output", mutant)
    assert all(sides.residual for sides in imbalance_identities(3).values())


def test_all_pairs_together_equal_the_pairs_one_by_one() -> None:
    for reading in ("exact", "half"):
        together = imbalance_identities(3, (1, 2, 1, 2), reading)  # type: ignore[arg-type]
        for layer in (1, 2):
            assert together[layer] == imbalance_identity(3, layer, (1, 2, 1, 2), reading)  # type: ignore[arg-type]


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="depth >= 2"):
        imbalance_identities(1)
    for depth, layer, widths in ((1, 1, None), (3, 3, None), (3, 0, None), (3, 1, (2, 2)), (2, 1, (2, 0, 1))):
        with pytest.raises(ValueError, match="expected"):
            imbalance_identity(depth, layer, widths)
    with pytest.raises(ValueError, match="expected neurons in"):
        neuron_identity(2, 1, 2)
    with pytest.raises(ValueError, match="reading"):
        imbalance_identity(2, 1, reading="twice")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="reading"):
        gradient_step_identity(2, 1, reading="twice")  # type: ignore[arg-type]
