from __future__ import annotations

from collections.abc import Callable

import pytest
import sympy

from symbolic import dimension_free as df
from symbolic.dimension_free import imbalance_identity_any_width

STATEMENTS: tuple[df.Statement, ...] = ("scalar", "neuron", "matrix")


@pytest.mark.parametrize("statement", STATEMENTS)
def test_identity_holds_for_symbolic_widths(statement: df.Statement) -> None:
    sides = imbalance_identity_any_width(statement)
    assert sides.measured and sides.residual == {}


def test_the_scalar_statement_in_full() -> None:
    assert imbalance_identity_any_width("scalar").measured == {
        "sum(b0<n, b1<n_above) W_upper[b1, b0]*delta[b1]*s(z)[b0]": -2,
        "sum(b0<n, b1<n_above, b2<n_below) W_lower[b0, b2]*W_upper[b1, b0]*delta[b1]*h[b2]*s'(z)[b0]": 2,
    }


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("reading", ["sign-flipped", "no-minus-s", "half", "leading-term"])
def test_counterfeits_leave_a_residual(statement: df.Statement, reading: df.Reading) -> None:
    altered = imbalance_identity_any_width(statement, reading)
    assert altered.residual
    assert altered.measured == imbalance_identity_any_width(statement).measured


def _mutant(pass_on: Callable[[sympy.Expr], sympy.Expr], transposed: bool) -> Callable[[], sympy.Expr]:
    i, j, k = df._HIDDEN, df._IN, df._OUT
    z = sympy.Sum(df._LOWER[i, j] * df._H[j], (j, 0, df._BELOW - 1))
    weight = df._UPPER[i, k] if transposed else df._UPPER[k, i]
    output = sympy.Sum(weight * pass_on(z), (i, 0, df._HERE - 1))
    return lambda: sympy.Sum(df._DELTA[k] * output, (k, 0, df._ABOVE - 1))


@pytest.mark.parametrize("pass_on", [lambda z: z, lambda z: 2 * df._S(z), lambda z: df._S(z) + 1])
def test_an_activation_changed_turns_the_proof_red(
    pass_on: Callable[[sympy.Expr], sympy.Expr], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(df, "composed_linearisation", _mutant(pass_on, transposed=False))
    assert imbalance_identity_any_width("scalar").residual


def test_a_linear_term_in_the_activation_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # phi of s + z is phi of s: the imbalance does not see the linear part, whatever the slope.
    monkeypatch.setattr(df, "composed_linearisation", _mutant(lambda z: df._S(z) + 3 * z, transposed=False))
    assert imbalance_identity_any_width("scalar").residual == {}


def test_a_transposed_weight_is_caught_by_the_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(df, "composed_linearisation", _mutant(df._S, transposed=True))
    with pytest.raises(ValueError, match="equal range"):
        imbalance_identity_any_width("scalar")


def test_equal_sums_have_equal_forms_whatever_the_names_of_the_indices() -> None:
    a, b = sympy.symbols("a b", integer=True)
    left = sympy.Sum(df._H[a] * df._DELTA[b] * df._H[b], (a, 0, df._BELOW - 1), (b, 0, df._BELOW - 1))
    right = sympy.Sum(df._H[b], (b, 0, df._BELOW - 1)) * sympy.Sum(df._H[a] * df._DELTA[a], (a, 0, df._BELOW - 1))
    assert df._sum_form(left - right) == {}
    assert df._sum_form(left - 2 * right)


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="statement"):
        imbalance_identity_any_width("vector")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="reading"):
        imbalance_identity_any_width("scalar", "typo")  # type: ignore[arg-type]
