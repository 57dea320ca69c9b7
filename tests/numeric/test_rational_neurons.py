from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import numeric
from numeric.rational_neurons import (
    RationalNeurons,
    RationalSample,
    closed_orders,
    compare_moments,
    equal_power_sums,
    rational_moment,
    rational_moment_rate,
    rational_sample,
    rational_velocities,
)

F = Fraction
QUADRATIC = (F(0), F(1), F(1, 2))
CUBIC = (F(0), F(1), F(0), F(-1, 3))
small = st.fractions(min_value=-3, max_value=3, max_denominator=7)


def test_the_grid_integrates_like_a_gaussian() -> None:
    sample = rational_sample(3, [(F(1), F(0))], [1], (0, 1))
    for power, exact in ((0, 1), (1, 0), (2, 1), (4, 3), (6, 15), (7, 0)):
        assert sum(w * x[1] ** power for w, x in zip(sample.weights, sample.points, strict=True)) == exact
    assert sum(w * x[0] ** 2 * x[1] ** 4 for w, x in zip(sample.weights, sample.points, strict=True)) == 3


def test_one_neuron_by_hand() -> None:
    # x = 2, y = 1, a = 3, w = 1/2: z = 1, s = 3/2, s' = 2, r = 9/2 - 1 = 7/2.
    sample = RationalSample(((F(2),),), (F(1),), (F(1),))
    net = RationalNeurons(((F(3), (F(1, 2),)),), (1,))
    velocities = rational_velocities(net, QUADRATIC, sample)
    assert velocities.neurons == ((F(-21, 4), (F(-42),)),)
    assert rational_moment(net, (2, 1)) == F(9, 2)
    assert rational_moment_rate(net, velocities, (2, 1)) == 2 * 3 * F(-21, 4) * F(1, 2) + 9 * F(-42)


def test_relu_has_slope_zero_at_and_below_its_kink() -> None:
    sample = RationalSample(((F(1),), (F(-1),)), (F(1, 2), F(1, 2)), (F(1), F(1)))
    for w in (F(0), F(2)):
        ((_, (dw,)),) = rational_velocities(RationalNeurons(((F(1), (w,)),), (1,)), None, sample).neurons
        assert dw == (0 if w == 0 else F(-1, 2))  # only x = 1 counts: r = 1, weight 1/2


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(small, small, small), min_size=1, max_size=4))
def test_exact_and_float_agree(rows: list[tuple[F, F, F]]) -> None:
    sample = rational_sample(2, [(F(3, 5), F(4, 5))], [1], CUBIC)
    net = RationalNeurons(tuple((a, (v, w)) for a, v, w in rows), (1,) * len(rows))
    exact = rational_velocities(net, CUBIC, sample)
    tensor = lambda values: torch.tensor([[float(x) for x in row] for row in values], dtype=torch.float64)  # noqa: E731
    floats = numeric.Neurons(tensor([[a for a, _ in net.neurons]])[0], tensor([w for _, w in net.neurons]))
    data = numeric.Sample(tensor(sample.points), tensor([sample.targets])[0], tensor([sample.weights])[0])
    velocities = numeric.neuron_velocities(floats, data, lambda z: z - z**3 / 3)
    # |z| <= 12 and weights of alternating sign: terms up to 12^6 are added in float64.
    assert torch.allclose(velocities.a, tensor([[a for a, _ in exact.neurons]])[0], rtol=1e-9, atol=1e-7)
    assert torch.allclose(velocities.w, tensor([w for _, w in exact.neurons]), rtol=1e-9, atol=1e-7)


def test_copies_are_neurons() -> None:
    sample = rational_sample(2, [(F(1),)], [1], QUADRATIC)
    one, two = (F(1), (F(2),)), (F(-2), (F(1, 3),))
    counted = RationalNeurons((one, two), (2, 1))
    written_out = RationalNeurons((one, one, two), (1, 1, 1))
    assert rational_velocities(counted, QUADRATIC, sample).neurons == tuple(
        rational_velocities(written_out, QUADRATIC, sample).neurons[i] for i in (0, 2)
    )
    comparison = compare_moments(counted, written_out, 3, (1, 1), QUADRATIC, sample)
    assert (comparison.difference, comparison.moment_gap, comparison.output_gap) == (0, 0, 0)


def test_a_gap_shows() -> None:
    sample = rational_sample(2, [(F(1),)], [1], QUADRATIC)
    nets = [RationalNeurons(((F(1), (w,)),), (1,)) for w in (F(1), F(2))]
    comparison = compare_moments(nets[0], nets[1], 1, (1, 0), QUADRATIC, sample)
    assert comparison.moment_gap == 1
    assert comparison.output_gap > 0


@pytest.mark.parametrize("degree", range(1, 9))
def test_power_sums_are_equal_up_to_the_degree_and_no_further(degree: int) -> None:
    left, right = equal_power_sums(degree)
    assert len(left) == len(right) == degree + 1
    for k in range(degree + 1):
        assert sum(t**k for t in left) == sum(t**k for t in right)
    assert sum(t ** (degree + 1) for t in left) != sum(t ** (degree + 1) for t in right)


@pytest.mark.parametrize(
    ("s", "width", "identical", "closed"),
    [
        (QUADRATIC, 1, False, (1, 2)),
        (QUADRATIC, 2, False, (2,)),
        (CUBIC, 2, False, (2,)),
        (QUADRATIC, 3, False, ()),
        ((0, 1), 3, False, (2,)),
        (QUADRATIC, 3, True, (1, 2)),
    ],
)
def test_orders_that_close(s: tuple[F, ...], width: int, identical: bool, closed: tuple[int, ...]) -> None:
    for seed in (0, 1):
        assert closed_orders(s, width, 2, seed, identical=identical) == closed


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        closed_orders(QUADRATIC, 0, 1, 0)
    with pytest.raises(ValueError, match="a degree in"):
        equal_power_sums(9)
    with pytest.raises(ValueError, match="at least one node"):
        rational_sample(0, [(F(1),)], [1], QUADRATIC)
