import torch

from numeric.kernels import PAD
from numeric.products import NumpyProducts
from numeric.workspace import Workspace

SHAPES = [(5, 3), (4, 5), (2, 4)]


def workspace(stores_slope: bool) -> Workspace:
    return Workspace(SHAPES, 7, 16, stores_slope, NumpyProducts(), torch.float64, torch.device("cpu"))


def test_the_views_of_a_plan_lie_in_one_memory() -> None:
    plan = workspace(True).plan(3, 16)
    for slot, width in zip(plan.hidden, (5, 4), strict=True):
        assert slot.tensor.shape == (3, width, 16)
        assert slot.flat.numel() % PAD == 0 and slot.slope.shape == slot.flat.shape
        slot.operand[2, 1, 5] = 8.0
        assert slot.tensor[2, 1, 5] == 8.0 and slot.flat[(2 * width + 1) * 16 + 5] == 8.0
        assert slot.slope.data_ptr() != slot.flat.data_ptr()
    assert [tuple(g.shape) for g in plan.grads] == [(3, *shape) for shape in SHAPES]
    assert plan.output.shape == (3, 2, 16)


def test_neighbouring_deltas_do_not_overlap() -> None:
    one, two = workspace(False).plan(7, 16).deltas
    one.tensor.fill_(1.0)
    two.tensor.fill_(2.0)
    assert bool((one.tensor == 1.0).all())


def test_a_plan_is_made_once_and_buffers_are_counted_once() -> None:
    space = workspace(False)
    assert space.plan(3, 16) is space.plan(3, 16)
    slot = space.plan(2, 16).hidden[0]
    assert slot.slope.data_ptr() == slot.flat.data_ptr()
    padded = [-(-7 * n * 16 // PAD) * PAD for n in (5, 4, 5, 5, 2)]  # two layers, two deltas, the output
    assert space.bytes() == 8 * (sum(padded) + 7 * sum(a * b for a, b in SHAPES))
    assert workspace(True).bytes() > space.bytes()
