from __future__ import annotations

from fractions import Fraction

import pytest
import sympy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sympy.polys.rings import ring

from symbolic import closure
from symbolic.closure import (
    Data,
    ensemble,
    gaussian_grid,
    moment_derivative,
    moment_indices,
    neuron_velocities,
    outputs,
    polynomial_activation,
    relu_activation,
    teacher_data,
)

F = Fraction
QUADRATIC = polynomial_activation([0, 1, F(1, 2)])
UNIT = (F(3, 5), F(4, 5))

small = st.fractions(min_value=-2, max_value=2, max_denominator=4)
neurons = st.lists(st.tuples(small, st.tuples(small, small)), min_size=1, max_size=3)


@pytest.mark.parametrize("half_nodes", [1, 2, 3, 4])
def test_grid_has_the_gaussian_moments_and_no_negative_weight(half_nodes: int) -> None:
    points, weights = gaussian_grid(half_nodes, 1)
    assert min(weights) >= 0
    for power in range(2 * half_nodes + 2):
        expected = 0 if power % 2 else sympy.factorial2(power - 1)
        assert sum(w * x**power for w, (x,) in zip(weights, points, strict=True)) == expected
    degree = 2 * half_nodes + 2  # the first moment that a finite grid misses
    assert sum(w * x**degree for w, (x,) in zip(weights, points, strict=True)) != sympy.factorial2(degree - 1)


def test_product_grid_is_isotropic() -> None:
    points, weights = gaussian_grid(3, 2)
    for power, expected in ((2, 1), (4, 3), (6, 15), (5, 0)):
        values = [(UNIT[0] * x + UNIT[1] * y) ** power for x, y in points]
        assert sum(w * v for w, v in zip(weights, values, strict=True)) == expected


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(neurons, st.lists(small, min_size=5, max_size=5))
def test_velocities_are_the_gradient_of_the_composed_loss(
    net: list[tuple[Fraction, tuple[Fraction, Fraction]]], targets: list[Fraction]
) -> None:
    points = ((F(1), F(0)), (F(0), F(1)), (F(1), F(-2)), (F(-1, 2), F(1)), (F(2), F(1)))
    data = Data(points, (F(1, 5),) * 5, tuple(targets))
    n = len(net)
    domain, *z = ring([f"z{k}" for k in range(3 * n)], sympy.QQ)  # a, w_1, w_2 of each neuron in turn

    def rational(value: Fraction) -> object:
        return sympy.QQ(value.numerator, value.denominator)

    loss = domain.zero
    for x, y in zip(points, targets, strict=True):
        preactivations = [z[k + 1] * rational(x[0]) + z[k + 2] * rational(x[1]) for k in range(0, 3 * n, 3)]
        terms = [z[3 * i] * (u + u**2 * rational(F(1, 2))) for i, u in enumerate(preactivations)]
        loss += (sum(terms, domain.zero) * rational(F(1, n)) - rational(y)) ** 2 * rational(F(1, 10))
    at = [(z[3 * i + k], rational((a, *w)[k])) for i, (a, w) in enumerate(net) for k in range(3)]
    velocities = neuron_velocities(ensemble(net), QUADRATIC, data)
    for i, (da, dw) in enumerate(velocities):
        gradient = [loss.diff(z[3 * i + k]).evaluate(at) * -n for k in range(3)]
        assert [rational(v) for v in (da, *dw)] == gradient


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(neurons)
def test_multiplicities_are_copies(net: list[tuple[Fraction, tuple[Fraction, Fraction]]]) -> None:
    data = teacher_data(QUADRATIC.value, UNIT, half_nodes=1)
    counted, copied = (
        ensemble(net, range(1, len(net) + 1)),
        ensemble([n for i, n in enumerate(net) for _ in range(i + 1)]),
    )
    assert outputs(counted, QUADRATIC, data) == outputs(copied, QUADRATIC, data)
    for index in moment_indices(2, 2):
        assert counted.moment(index) == copied.moment(index)
        rates = [moment_derivative(e, index, neuron_velocities(e, QUADRATIC, data)) for e in (counted, copied)]
        assert rates[0] == rates[1]


def test_moment_derivative_is_the_derivative_along_the_flow() -> None:
    net = ensemble([(F(1), (F(1, 2), F(-1))), (F(-2), (F(1), F(1, 3)))])
    velocities = neuron_velocities(net, QUADRATIC, teacher_data(QUADRATIC.value, UNIT, half_nodes=2))
    t = F(1, 10**9)
    moved = ensemble(
        [
            (a + t * da, tuple(x + t * dx for x, dx in zip(w, dw, strict=True)))
            for (a, w), (da, dw) in zip(net.neurons, velocities, strict=True)
        ]
    )
    for index in moment_indices(3, 2):
        slope = (moved.moment(index) - net.moment(index)) / t
        # First order in t = 1e-9; the second-order term is at most a few thousand t here.
        assert abs(slope - moment_derivative(net, index, velocities)) < F(1, 10**5)


def test_indices_and_values_of_activations() -> None:
    assert list(moment_indices(2, 1)) == [(0, 1), (0, 2), (1, 0), (1, 1), (2, 0)]
    relu = relu_activation()
    assert [relu.value(closure._exact(F(v))) for v in (-2, 0, 3)] == [0, 0, 3]
    assert [relu.slope(closure._exact(F(v))) for v in (-2, 0, 3)] == [0, 0, 1]
    trimmed = polynomial_activation([0, 1, F(1, 2), 0])
    assert (trimmed.degree, trimmed.leading) == (2, F(1, 2))
    assert trimmed.slope(closure._exact(F(3))) == 4


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="multiplicity"):
        ensemble([])
    with pytest.raises(ValueError, match="multiplicity"):
        ensemble([(F(1), (F(1),))], [0])
    with pytest.raises(ValueError, match="expected at least one node"):
        gaussian_grid(0, 1)
