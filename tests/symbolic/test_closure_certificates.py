from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from symbolic import closure_certificates as cc
from symbolic.closure import Data, ensemble, polynomial_activation, relu_activation, teacher_data
from symbolic.closure_certificates import (
    binomial_certificate,
    binomial_difference,
    certificate,
    finite_difference_certificate,
    prouhet_certificate,
    prouhet_difference,
    prouhet_tarry_escott,
    width_certificate,
)

F = Fraction
QUADRATIC = polynomial_activation([0, 1, F(1, 2)], "quadratic")
CUBIC = polynomial_activation([0, 1, 0, F(-1, 3)], "cubic")
V = (F(3, 5), F(4, 5))
QUADRATIC_DATA, CUBIC_DATA = teacher_data(QUADRATIC.value, V), teacher_data(CUBIC.value, V)


@pytest.mark.parametrize("degree", range(1, 9))
def test_prouhet_tarry_escott_solutions(degree: int) -> None:
    left, right = prouhet_tarry_escott(degree)
    assert len(left) == len(right) == degree + 1 and not set(left) & set(right)
    assert all(sum(t**k for t in left) == sum(t**k for t in right) for k in range(degree + 1))


def test_a_wrong_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cc, "_PROUHET_TARRY_ESCOTT", {2: ((0, 4, 5), (1, 2, 7))})
    with pytest.raises(ValueError, match="power sums"):
        prouhet_tarry_escott(2)
    with pytest.raises(ValueError, match="degree in"):
        prouhet_tarry_escott(9)


@pytest.mark.parametrize("order", range(1, 9))
def test_no_order_up_to_eight_is_closed(order: int) -> None:
    for activation, data in ((QUADRATIC, QUADRATIC_DATA), (CUBIC, CUBIC_DATA)):
        found = prouhet_certificate(order, activation, data, V)
        assert found.refutes_closure
        assert found.moment_gap == 0 and found.output_gap == 0
        assert found.moment == (1, order - 1, 0)
        assert found.first.width == found.second.width == 2 * (order + 1)


def test_first_certificate_by_hand() -> None:
    # s = z + z^2/2, y = s(u): d<a>/dt = mean over w of E[y s(w.x)] = mean(T), T(t v) = t + (3/4) t^2 -> 3 t^2/4 + ...
    # E[y s(t u)] = t E[u^2] + (t^2/4) E[u^4] = t + (3/4) t^2; sums over {0, 3} and {1, 2}: 3/8 (9 - 5) = 3/2.
    assert prouhet_certificate(1, QUADRATIC, QUADRATIC_DATA, V).difference == F(3, 2)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(1, 4),
    st.lists(st.fractions(-2, 2, max_denominator=3), min_size=3, max_size=4).filter(lambda c: c[-1] != 0),
    st.fractions(F(1, 4), 2, max_denominator=4),
    st.sampled_from([V, (F(1), F(0)), (F(-5, 13), F(12, 13)), (F(1, 2), F(-2))]),
)
def test_closed_form_of_every_order_agrees_with_back_propagation(
    order: int, coefficients: list[Fraction], spacing: Fraction, direction: tuple[Fraction, Fraction]
) -> None:
    activation = polynomial_activation(coefficients)
    data = teacher_data(lambda u: u**2 + u**3 + 1, V, half_nodes=2)
    found = binomial_certificate(order, activation, data, direction, spacing)
    assert found.moment_gap == 0
    assert found.difference == binomial_difference(order, activation, data, direction, spacing)


@pytest.mark.parametrize("reading", ["closed", "single-sign", "order-m", "sign-flipped"])
@pytest.mark.parametrize("order", [1, 2, 5])
def test_counterfeit_closed_forms_disagree(order: int, reading: cc.ClosedFormReading) -> None:
    found = binomial_certificate(order, CUBIC, CUBIC_DATA, V, F(1, 3)).difference
    assert found == binomial_difference(order, CUBIC, CUBIC_DATA, V, F(1, 3))
    assert found != binomial_difference(order, CUBIC, CUBIC_DATA, V, F(1, 3), reading)


def test_closed_form_at_a_high_order() -> None:
    found = binomial_certificate(12, CUBIC, CUBIC_DATA, V, F(1, 2))
    assert found.refutes_closure
    assert found.difference == binomial_difference(12, CUBIC, CUBIC_DATA, V, F(1, 2))


def test_the_certificate_vanishes_with_the_correlation_of_the_top_degree() -> None:
    # Teacher u alone: E[y u^2] = 0, so the quadratic term does not see it and the leading difference is 0.
    data = teacher_data(lambda u: u, V)
    assert binomial_difference(2, QUADRATIC, data, V) == 0
    assert binomial_certificate(2, QUADRATIC, data, V).difference == 0


def test_linear_activation_has_no_certificate_of_this_kind() -> None:
    linear = polynomial_activation([0, 1])
    for order in (2, 3, 4):
        assert prouhet_certificate(order, linear, QUADRATIC_DATA, V).difference == 0
    with pytest.raises(ValueError, match="degree >= 2"):
        binomial_certificate(2, linear, QUADRATIC_DATA, V)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_relu_is_zero_on_one_ray_and_not_off_it(order: int) -> None:
    relu = relu_activation()
    data = teacher_data(relu.value, V)
    on_the_ray = finite_difference_certificate(order, relu, data, V)
    assert on_the_ray.difference == 0 and on_the_ray.moment_gap == 0
    off_the_ray = finite_difference_certificate(order, relu, data, V, offset=(F(1), F(-1)), spacing=F(1, 2))
    assert off_the_ray.refutes_closure


@pytest.mark.parametrize(("width", "order"), [(2, 1), (3, 1), (3, 2), (4, 3), (5, 2), (9, 8)])
@pytest.mark.parametrize("activation", [QUADRATIC, CUBIC])
def test_not_closed_below_the_width(width: int, order: int, activation: cc.ExactActivation) -> None:
    data = teacher_data(activation.value, (F(1),))
    found = width_certificate(width, order, activation, data)
    assert found.refutes_closure
    assert found.first.width == width
    assert (found.output_gap == 0) == (order >= (activation.degree or 0))


def test_at_the_width_there_is_no_certificate() -> None:
    with pytest.raises(ValueError, match="above the order"):
        width_certificate(3, 3, QUADRATIC, teacher_data(QUADRATIC.value, (F(1),)))


def test_certificate_compares_every_moment() -> None:
    first, second = (ensemble([(F(1), (F(t), F(0))) for t in half]) for half in ((0, 3), (1, 1)))
    gap = certificate(first, second, 1, (1, 0, 0), QUADRATIC, QUADRATIC_DATA)
    assert gap.moment_gap == F(1, 2) and not gap.refutes_closure
    assert not replace(gap, moment_gap=F(0), derivatives=(F(1), F(1))).refutes_closure
    with pytest.raises(ValueError, match="expected a moment of order"):
        certificate(first, second, 1, (1, 1, 0), QUADRATIC, QUADRATIC_DATA)


def test_a_wrong_back_propagation_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    original = cc.neuron_velocities

    def mutant(net: cc.Ensemble, activation: cc.ExactActivation, data: Data) -> object:
        """s' in place of s in the force on the readout weight."""
        slope_for_value = replace(activation, value=activation.slope)
        return original(net, slope_for_value, data)

    monkeypatch.setattr(cc, "neuron_velocities", mutant)
    found = binomial_certificate(2, QUADRATIC, QUADRATIC_DATA, V)
    assert found.difference != binomial_difference(2, QUADRATIC, QUADRATIC_DATA, V)


QUARTIC = polynomial_activation([F(1, 2), 1, 0, 0, F(1, 4)], "quartic")


@pytest.mark.parametrize("activation", [QUADRATIC, CUBIC, QUARTIC])
@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_power_sums_give_the_difference_of_the_back_propagation(activation: cc.ExactActivation, order: int) -> None:
    data = teacher_data(activation.value, V, 4)
    found = prouhet_certificate(order, activation, data, V, F(1, 2))
    assert prouhet_difference(order, activation, data, V, F(1, 2)) == found.difference != 0


def test_readings_of_the_difference_are_wrong() -> None:
    data = teacher_data(QUARTIC.value, V, 4)
    exact = prouhet_difference(3, QUARTIC, data, V)
    for reading in ("closed", "single-sign", "no-input-force"):
        assert prouhet_difference(3, QUARTIC, data, V, reading=reading) != exact  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="reading"):
        prouhet_difference(3, QUARTIC, data, V, reading="typo")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="polynomial"):
        prouhet_difference(3, relu_activation(), data, V)
