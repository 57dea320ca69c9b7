from __future__ import annotations

from collections.abc import Callable

import pytest
import sympy

from symbolic import manifold_any_width as any_width
from symbolic.manifold import manifold_tangency
from symbolic.manifold_any_width import manifold_tangency_any_width


@pytest.mark.parametrize("depth", [2, 3, 4, 5])
def test_tangent_at_every_width(depth: int) -> None:
    for layer in range(1, depth + 1):
        sides = manifold_tangency_any_width(depth, layer)
        assert sides.measured and sides.residual == {}


def test_entries_by_hand() -> None:
    assert manifold_tangency_any_width(3, 2).measured == {
        "Loss'(z_3)*c_3*g_2*g_3*n_1*n_2*s'(z_2)*s(z_1)": 1,  # times n_2 n_1
    }
    assert manifold_tangency_any_width(2, 1).measured == {"Loss'(z_2)*c_2*g_1*g_2*n_1*s'(z_1)*u*v[b]": 1}


@pytest.mark.parametrize("widths", [(2, 3), (3, 2)])
def test_agrees_with_the_proof_at_concrete_widths(widths: tuple[int, int]) -> None:
    for layer in (1, 2, 3):
        concrete = manifold_tangency(3, layer, widths).measured
        ((monomial, coefficient),) = manifold_tangency_any_width(3, layer).measured.items()
        fans = {1: (1, widths[0]), 2: widths, 3: (widths[1], 1)}[layer]
        at_widths = coefficient / (fans[0] * fans[1])
        for index, width in enumerate(widths, start=1):
            at_widths *= width if f"n_{index}" in monomial.split("*") else 1
        plain = sorted(factor for factor in monomial.split("*") if not factor.startswith(("n_", "v[")))
        for entry, value in concrete.items():
            factors = sorted(f for f in entry.split(": ")[1].split("*") if not f.startswith("v["))
            assert (factors, value) == (plain, at_widths)


@pytest.mark.parametrize("reading", ["not-normalised", "fan-in-only", "wrong-gain"])
def test_counterfeits_leave_a_residual(reading: any_width.Reading) -> None:
    residuals = [manifold_tangency_any_width(3, layer, reading).residual for layer in (1, 2, 3)]
    assert residuals[0] and residuals[1]
    assert bool(residuals[2]) == (reading != "fan-in-only")  # n_L = 1


def _mutant(change: Callable[[int, sympy.Expr], sympy.Expr]) -> Callable[[int], sympy.Expr]:
    """The network of depth 2 with the hidden value passed on changed."""

    def output(depth: int) -> sympy.Expr:
        i, j = sympy.symbols("i_1 i_0", integer=True)
        lower, upper = any_width._weight(1), any_width._weight(2)
        z = any_width._gain(1) * sympy.Sum(lower[i, j] * any_width._X[j], (j, 0, any_width._width(0, 2) - 1))
        hidden = sympy.Sum(upper[0, i] * change(depth, z), (i, 0, any_width._width(1, 2) - 1))
        return any_width._gain(2) * hidden

    return output


def test_a_mutated_network_turns_the_proof_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(any_width, "composed_output", _mutant(lambda _, z: any_width._S(z)))
    assert manifold_tangency_any_width(2, 1).residual == {}
    for change in (lambda _, z: z, lambda _, z: 2 * any_width._S(z), lambda _, z: any_width._S(2 * z)):
        monkeypatch.setattr(any_width, "composed_output", _mutant(change))
        assert manifold_tangency_any_width(2, 1).residual


def test_a_transposed_weight_is_caught_by_the_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    def transposed(depth: int) -> sympy.Expr:
        original = any_width_output(depth)
        middle, below, above = any_width._weight(2), *sympy.symbols("i_1 i_2", integer=True)
        return original.xreplace({middle[above, below]: middle[below, above]})

    any_width_output = any_width.composed_output
    monkeypatch.setattr(any_width, "composed_output", transposed)
    with pytest.raises(ValueError, match="equal range"):
        manifold_tangency_any_width(3, 2)


def test_a_sum_that_does_not_collapse_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    free = sympy.IndexedBase("r")
    i = sympy.Symbol("i_1", integer=True)
    monkeypatch.setattr(any_width, "composed_output", _mutant(lambda _, z: free[i] * any_width._S(z)))
    with pytest.raises(ValueError, match="collapses"):
        manifold_tangency_any_width(2, 2)


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="layer in"):
        manifold_tangency_any_width(2, 3)
    with pytest.raises(ValueError, match="reading"):
        manifold_tangency_any_width(2, 1, "typo")  # type: ignore[arg-type]
