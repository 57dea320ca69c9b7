from __future__ import annotations

import random
from fractions import Fraction

import pytest

from symbolic import closure_algebra as ca
from symbolic.closure import (
    Data,
    Ensemble,
    ensemble,
    moment_derivative,
    neuron_velocities,
    polynomial_activation,
    teacher_data,
)
from symbolic.closure_algebra import closure_check, linear_closure, monomial_conservation
from symbolic.polynomial_form import LinearForm

F = Fraction


def _value(form: LinearForm, net: Ensemble) -> Fraction:
    total = F(0)
    for product, coefficient in form.items():
        for factor in product.split("*") if product != "1" else []:
            p, q = (int(part) for part in factor[2:-1].split(","))
            coefficient *= net.moment((p, q))
        total += coefficient
    return total


@pytest.mark.parametrize(("width", "order"), [(1, 1), (2, 2), (3, 3), (2, 3)])
def test_closed_from_the_width_on(width: int, order: int) -> None:
    check = closure_check(width, order)
    assert check.closed
    # Independent of the linear algebra: the found equations against literal back-propagation at random neurons.
    rng = random.Random(7)
    quadratic = polynomial_activation([0, 1, F(1, 2)])
    data = teacher_data(quadratic.value, (F(1),))
    net = ensemble([(F(rng.randint(-9, 9), 4), (F(rng.randint(-9, 9), 5),)) for _ in range(width)])
    velocities = neuron_velocities(net, quadratic, data)
    for index, form in check.derivatives.items():
        assert form is not None
        assert _value(form, net) == moment_derivative(net, index, velocities)


@pytest.mark.parametrize(("width", "order"), [(2, 1), (3, 1), (3, 2)])
def test_not_closed_below_the_width(width: int, order: int) -> None:
    check = closure_check(width, order)
    assert not check.closed
    assert all(form is None for form in check.derivatives.values())


def test_cubic_activation_closes_at_its_width_too() -> None:
    cubic = (0, 1, 0, F(-1, 3))
    assert closure_check(2, 2, cubic).closed and not closure_check(2, 1, cubic).closed


def test_identical_neurons_are_one_atom() -> None:
    check = closure_check(5, 1, identical=True)
    assert check.closed
    quadratic = polynomial_activation([0, 1, F(1, 2)])
    net = ensemble([(F(2, 3), (F(-1, 2),))], [5])
    velocities = neuron_velocities(net, quadratic, teacher_data(quadratic.value, (F(1),)))
    for index, form in check.derivatives.items():
        assert form is not None and _value(form, net) == moment_derivative(net, index, velocities)


@pytest.mark.parametrize("index", [(2, 0, 0), (1, 1, 0), (0, 1, 1), (0, 2, 0), (1, 1, 1), (3, 0, 0), (0, 1, 0)])
def test_linear_activation_closes(index: tuple[int, ...]) -> None:
    assert linear_closure(index).residual == {}
    assert linear_closure(index, reading="sign-flipped").residual
    assert linear_closure(index, reading="no-teacher").residual


def test_linear_activation_closes_for_any_covariance() -> None:
    data = Data(((F(1), F(2)), (F(0), F(-1)), (F(1, 2), F(3))), (F(1, 2), F(1, 4), F(1, 4)), (F(1), F(-2), F(5)))
    assert linear_closure((1, 1, 0), width=3, data=data).residual == {}


def test_linear_closure_is_not_blind_to_the_activation(monkeypatch: pytest.MonkeyPatch) -> None:
    original = ca._SymbolicEnsemble.velocities
    monkeypatch.setattr(
        ca._SymbolicEnsemble, "velocities", lambda self, coefficients, data: original(self, (0, 1, 1), data)
    )
    assert linear_closure((1, 1, 0)).residual


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_monomial_activation_conserves_the_weighted_norm_difference(degree: int) -> None:
    sides = monomial_conservation(degree)
    assert sides.measured and sides.residual == {}
    assert monomial_conservation(degree, claimed_degree=degree + 1).residual


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="width"):
        closure_check(0, 1)
    with pytest.raises(ValueError, match="degree"):
        monomial_conservation(0)
    with pytest.raises(ValueError, match="reading"):
        linear_closure((1, 1), reading="typo")  # type: ignore[arg-type]
