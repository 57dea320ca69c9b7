from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import pytest
import sympy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from symbolic import theorem_a
from symbolic.theorem_a import equality_case, gradient_scaling, overlap_identity, theorem_a_instance

F = Fraction
STATEMENTS: tuple[theorem_a.Statement, ...] = ("gradient-norm", "interface", "flow", "homogeneity")


def _last(statement: str, widths: tuple[int, ...]) -> int:
    return {"interface": len(widths) - 2, "flow": 1}.get(statement, len(widths) - 1)


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("widths", [(2, 2, 2), (2, 3, 1, 2), (3, 2, 2, 2, 1)])
def test_identities_hold_for_symbolic_weights(widths: tuple[int, ...], statement: theorem_a.Statement) -> None:
    for layer in range(1, _last(statement, widths) + 1):
        sides = overlap_identity(statement, layer, widths)
        assert sides.measured and sides.residual == {}


@pytest.mark.parametrize("widths", [(2, 2), (2, 3, 2), (1, 2, 2, 1)])
def test_gradients_are_homogeneous_of_degree_r_minus_one(widths: tuple[int, ...]) -> None:
    r = len(widths) - 1
    for layer in range(1, r + 1):
        sides = gradient_scaling(layer, widths)
        assert sides.measured and sides.residual == {}
        for power in (r - 2, r):
            if power >= 0:
                assert gradient_scaling(layer, widths, power).residual


def test_gradient_norm_by_hand() -> None:
    # r = 2, widths 1: f = a w2 w1 m, so |G_1|^2 = (a w2 m)^2.
    assert overlap_identity("gradient-norm", 1, (1, 1, 1)).measured == {"W_2[0,0]**2*a[0,0]**2*m[0,0]**2": 1}


@pytest.mark.parametrize("layers", [2, 3, 4, 5])
def test_equality_at_balanced_aligned_weights(layers: int) -> None:
    assert equality_case(layers).residual == {}
    # |G_l| = |a||m| c^(r-1) for each l, hence T = r (|a||m|)^2 c^(2r-2).
    power, scale = 2 * layers * (layers - 1), 2 * layers
    assert equality_case(layers).measured == {f"c**{power}*|a|**{scale}*|m|**{scale}": layers**layers}
    for reading in ("no-factor-r", "power-too-high", "printed-power"):
        assert equality_case(layers, reading).residual  # type: ignore[arg-type]


numbers = st.fractions(min_value=-3, max_value=3, max_denominator=5)


@st.composite
def points(draw: st.DrawFn) -> tuple[list[Fraction], list[list[list[Fraction]]], list[Fraction]]:
    widths = draw(st.lists(st.integers(1, 3), min_size=3, max_size=5))

    def vector(size: int) -> list[Fraction]:
        return draw(st.lists(numbers, min_size=size, max_size=size))

    weights = [[vector(columns) for _ in range(rows)] for columns, rows in pairwise(widths)]
    return vector(widths[-1]), weights, vector(widths[0])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(points())
def test_the_inequality_and_its_two_factors_at_random_rational_points(
    point: tuple[list[Fraction], list[list[list[Fraction]]], list[Fraction]],
) -> None:
    instance = theorem_a_instance(*point)
    assert instance.gap >= 0
    if instance.alignment_rate is not None:
        assert instance.alignment_rate >= 0
    if instance.largest_gradient_ratio is not None:
        assert instance.largest_gradient_ratio <= 1
    if instance.overlap == 0:
        assert instance.imbalance_factor is None and instance.misalignment_factor is None
        return
    assert instance.imbalance_factor is not None and instance.misalignment_factor is not None
    assert instance.imbalance_factor >= 1 and instance.misalignment_factor >= 1
    factors = instance.imbalance_factor * instance.misalignment_factor
    assert instance.total**instance.layers == instance.bound_power * factors


def _aligned(scales: Sequence[Fraction], bend: Fraction | int = 0) -> theorem_a.TheoremAInstance:
    units = [(F(3, 5), F(4, 5)), (F(5, 13), F(12, 13)), (F(15, 17), F(8, 17)), (F(-20, 29), F(21, 29))]
    weights = [
        [[scale * row * column for column in units[k]] for row in units[k + 1]] for k, scale in enumerate(scales)
    ]
    weights[1][0][0] += bend
    return theorem_a_instance([2 * u for u in units[len(scales)]], weights, [3 * u for u in units[0]])


def test_the_rational_total_is_the_symbolic_one() -> None:
    weights = [[[F(1), F(2)], [F(-1, 2), F(3)], [F(0), F(1)]], [[F(1), F(1, 3), F(-2)], [F(2), F(0), F(1)]]]
    readout, source = [F(1), F(-3)], [F(2), F(5)]
    symbols = [theorem_a._matrix("W_1", 3, 2), theorem_a._matrix("W_2", 2, 3)]
    a, m = theorem_a._matrix("a", 2, 1), theorem_a._matrix("m", 2, 1)
    total = theorem_a._total(symbols, a, m)
    values = dict(zip(a, readout, strict=True)) | dict(zip(m, source, strict=True))
    for matrix, weight in zip(symbols, weights, strict=True):
        values |= dict(zip(matrix, (entry for row in weight for entry in row), strict=True))
    expected = total.subs({symbol: sympy.Rational(v.numerator, v.denominator) for symbol, v in values.items()})
    assert sympy.Rational(theorem_a_instance(readout, weights, source).total) == expected


def test_equality_iff_balanced_and_aligned() -> None:
    equal = _aligned((F(1, 2),) * 3)
    assert equal.largest_gradient_ratio == 1 and equal.alignment_rate == 0
    assert equal.gap == 0 and equal.imbalance_factor == 1 == equal.misalignment_factor
    unbalanced = _aligned((F(1, 2), F(1, 3), F(1)))
    assert unbalanced.gap > 0 and unbalanced.imbalance_factor != 1 and unbalanced.misalignment_factor == 1
    bent = _aligned((F(1, 2),) * 3, bend=F(1, 7))
    assert bent.gap > 0 and bent.misalignment_factor != 1


def test_the_bound_with_the_printed_power_of_f_is_violated() -> None:
    # T >= r Gamma^(2/r) f^(1-1/r) fails at small weights: raised to the power r, T^r against r^r Gamma^2 f^(r-1).
    small = _aligned((F(1, 100),) * 3)
    assert small.total**3 < 3**3 * small.gamma_squared * small.overlap**2
    assert small.gap == 0


def _transposed(readout: sympy.Matrix, weights: Sequence[sympy.Matrix], source: sympy.Matrix) -> sympy.Expr:
    forward = source
    for weight in weights:
        forward = weight.T * forward
    return readout.dot(forward)


@pytest.mark.parametrize("statement", ["gradient-norm", "interface"])
def test_a_mutated_product_turns_the_proof_red(statement: theorem_a.Statement, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theorem_a, "composed_overlap", _transposed)
    assert overlap_identity(statement, 1, (2, 2, 2)).residual


def test_impossible_requests_are_refused() -> None:
    for statement, layer, widths in (("norm", 1, (1, 1, 1)), ("interface", 2, (1, 1, 1)), ("flow", 1, (1, 0, 1))):
        with pytest.raises(ValueError, match="expected a"):
            overlap_identity(statement, layer, widths)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 2 layers"):
        equality_case(1)
    with pytest.raises(ValueError, match="chain"):
        theorem_a_instance([1], [[[1, 2]], [[1, 1]]], [1, 1])
