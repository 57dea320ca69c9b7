import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from numeric.alignment import (
    input_alignment,
    neighbour_alignment,
    rank_one_fraction,
    symmetric_projection,
    transverse_distance,
)


def net(seed=0, widths=(3, 5, 4, 1)):
    generator = torch.Generator().manual_seed(seed)
    shapes = zip(widths[1:], widths[:-1], strict=True)
    return [torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in shapes]


def symmetric_net():
    row = torch.tensor([[0.3, -1.0, 2.0]], dtype=torch.float64)
    return [
        row.expand(5, 3),
        torch.full((4, 5), 0.7, dtype=torch.float64),
        torch.full((1, 4), -2.0, dtype=torch.float64),
    ]


def test_the_manifold_is_at_distance_zero_and_its_layers_are_aligned_rank_one() -> None:
    weights = symmetric_net()
    assert transverse_distance(weights) == pytest.approx((0, 0, 0), abs=1e-15)
    assert rank_one_fraction(weights) == pytest.approx((1, 1, 1))
    assert neighbour_alignment(weights) == pytest.approx((1, 1))


@given(st.integers(0, 50))
def test_the_projection_is_orthogonal(seed: int) -> None:
    weights = net(seed)
    near = symmetric_projection(weights)
    for w, p, again in zip(weights, near, symmetric_projection(near), strict=True):
        assert torch.allclose(p, again)
        assert abs(float(((w - p) * p).sum())) < 1e-12
    for distance, w, p in zip(transverse_distance(weights), weights, near, strict=True):
        assert distance**2 == pytest.approx(1 - float(p.norm() ** 2 / w.norm() ** 2))


def test_identical_rows_alone_are_not_on_the_manifold_beyond_the_first_layer() -> None:
    weights = symmetric_net()
    weights[1] = torch.arange(5, dtype=torch.float64).expand(4, 5)  # identical rows that are not constant
    assert transverse_distance(weights)[1] > 0.4


@given(st.integers(0, 20), st.floats(1e-6, 1e6))
def test_scale_and_hidden_rotation_change_nothing(seed: int, scale: float) -> None:
    weights = net(seed)
    rotation = torch.linalg.qr(net(seed + 100, (5, 5))[0])[0]
    turned = [rotation @ weights[0], scale * weights[1] @ rotation.T, weights[2]]
    assert neighbour_alignment(turned) == pytest.approx(neighbour_alignment(weights), abs=1e-9)
    assert rank_one_fraction(turned) == pytest.approx(rank_one_fraction(weights), abs=1e-9)


def test_known_values() -> None:
    a = math.cos(0.4)
    first = torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    second = torch.tensor([[math.cos(0.4), math.sin(0.4)]], dtype=torch.float64)
    assert neighbour_alignment([first, second]) == pytest.approx((a,))
    product = float((second @ first).norm() / (second.norm() * first.norm()))
    assert neighbour_alignment([first, -second]) == pytest.approx((product,))
    assert rank_one_fraction([torch.diag(torch.tensor([3.0, 4.0]))]) == pytest.approx((16 / 25,))
    assert input_alignment([first, second], torch.tensor([1.0, 1.0], dtype=torch.float64)) == pytest.approx(0.5**0.5)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: rank_one_fraction([torch.zeros(2, 2)]), "exactly zero"),
        (lambda: transverse_distance([]), "weight matrices"),
        (lambda: neighbour_alignment([torch.ones(2, 3), torch.ones(1, 3)]), "do not fit"),
        (lambda: input_alignment([torch.ones(2, 3)], torch.ones(2)), "3 entries"),
    ],
)
def test_bad_input_gets_a_sentence(call, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()
