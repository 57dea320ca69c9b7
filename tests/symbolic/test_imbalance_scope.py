from __future__ import annotations

from fractions import Fraction

import pytest
import sympy

from symbolic import imbalance_scope as scope
from symbolic.imbalance_scope import homogeneous_matrix_entry, normalised, scope_identity, scope_parts
from symbolic.polynomial_form import undefined_function

HOLDS: tuple[scope.Architecture, ...] = ("homogeneous", "piecewise-linear", "residual-block", "convolution")
FAILS: tuple[scope.Architecture, ...] = ("bias", "skip", "batch-norm", "layer-norm")


def test_the_table_is_complete() -> None:
    assert sorted((*HOLDS, *FAILS)) == sorted(scope.ARCHITECTURES)
    assert scope._STATEMENTS.keys() == set(scope.ARCHITECTURES)


@pytest.mark.parametrize("architecture", HOLDS)
def test_holds_as_printed(architecture: scope.Architecture) -> None:
    sides = scope_identity(architecture)
    assert sides.residual == {}
    assert bool(sides.measured) == (architecture != "homogeneous")


@pytest.mark.parametrize("architecture", FAILS)
def test_fails_as_printed_and_holds_corrected(architecture: scope.Architecture) -> None:
    printed = scope_identity(architecture)
    assert printed.measured and printed.residual
    assert scope_identity(architecture, "corrected").residual == {}


@pytest.mark.parametrize("architecture", scope.ARCHITECTURES)
def test_the_parts_add_up_to_the_printed_claim_and_what_it_lacks_to_the_rate(architecture: scope.Architecture) -> None:
    sides, parts = scope_identity(architecture), scope_parts(architecture)

    def combined(**coefficients: int) -> dict[str, Fraction]:
        total: dict[str, Fraction] = {}
        for name, coefficient in coefficients.items():
            for monomial, value in parts[name.replace("_", " ").replace("S", "s'")].items():
                total[monomial] = total.get(monomial, Fraction(0)) + coefficient * value
        return {monomial: value for monomial, value in total.items() if value}

    assert combined(p_z_S=2, p_s=-2) == sides.claimed
    true = {
        "bias": lambda: combined(p_z_S=2, p_s=-2, p_b_S=-2),
        "skip": lambda: combined(p_z_S=2, p_s=-2, q_z_S=2, p_h=-2),
        "batch-norm": lambda: combined(p_s=-2),
        "layer-norm": lambda: combined(p_s=-2),
    }
    assert true.get(architecture, lambda: combined(p_z_S=2, p_s=-2))() == sides.measured


def test_bias_residual_is_the_bias_term() -> None:
    # 2 <b_1, dLoss/db_1>: one term per output and hidden neuron, each with a bias in it.
    residual = scope_identity("bias").residual
    assert len(residual) == 4 and all("b_1" in monomial for monomial in residual)


def test_neuron_by_neuron_for_homogeneous_activations_but_not_off_the_diagonal() -> None:
    assert scope_identity("homogeneous", "corrected").residual == {}
    for i in (0, 1):
        for j in (0, 1):
            sides = homogeneous_matrix_entry(i, j)
            assert sides.residual == {}
            assert bool(sides.measured) == (i != j)
            assert homogeneous_matrix_entry(i, j, "no-minus-s").residual != {}


def test_normalised_values_have_mean_zero_and_unit_variance() -> None:
    z = sympy.Matrix(3, 2, [1, 2, 4, 7, 1, 5])
    root = undefined_function("R")
    for over_rows in (True, False):
        values = normalised(z, over_rows).replace(root, lambda v: 1 / sympy.sqrt(v))
        lines = values.T if over_rows else values
        for k in range(lines.rows):
            line = lines[k, :]
            assert sum(line) == 0
            assert sympy.simplify(sum(v**2 for v in line) / len(line)) == 1


@pytest.mark.parametrize("architecture", ["batch-norm", "layer-norm"])
def test_an_eps_in_the_variance_breaks_the_conservation(
    architecture: scope.Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, eps = undefined_function("R"), sympy.Symbol("eps")

    def with_eps(z: sympy.Matrix, over_rows: bool) -> sympy.Matrix:
        return normalised(z, over_rows).replace(root, lambda variance: root(variance + eps))

    monkeypatch.setattr(scope, "normalised", with_eps)
    assert scope_identity(architecture, "corrected").residual


def test_a_changed_index_turns_the_proofs_red(monkeypatch: pytest.MonkeyPatch) -> None:
    original = scope.composed_pair

    def mutant(architecture: scope.Architecture, weights: scope.Weights, inputs: sympy.Matrix) -> list[sympy.Expr]:
        swapped = scope.Weights(weights.lower, weights.upper.T, weights.lower_bias, weights.upper_bias)
        return original(architecture, swapped, inputs)

    monkeypatch.setattr(scope, "composed_pair", mutant)
    for architecture in ("residual-block", "bias", "skip"):
        assert scope_identity(architecture, "corrected").residual  # type: ignore[arg-type]


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="architecture"):
        scope_identity("attention")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="reading"):
        scope_identity("bias", "ours")  # type: ignore[arg-type]
