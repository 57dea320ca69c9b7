import math

import numpy as np
import pytest
import torch

from numeric.activations import activation
from numeric.kernels import PAD, kernel
from numeric.products import NumpyProducts
from numeric.workspace import Workspace

SHAPES = [(5, 3), (4, 5), (2, 4)]


def workspace(stores_slope: bool) -> Workspace:
    return Workspace(SHAPES, (1.0, 1.0, 0.5), 7, 16, stores_slope, NumpyProducts(), torch.float64, torch.device("cpu"))


def test_the_views_of_a_plan_lie_in_one_memory() -> None:
    plan = workspace(True).plan(3, 16, kernel(activation("sin")))
    for layer, width in zip(plan.layers, (5, 4), strict=True):
        assert layer.z.shape == layer.h.shape == layer.scratch.shape == (3, 1, width, 16)
        layer.z[2, 0, 1, 5], layer.h[2, 0, 1, 5], layer.scratch[2, 0, 1, 5] = 0.5, 7.0, 3.0
        layer.forward()
        assert layer.h[2, 0, 1, 5] == pytest.approx(math.sin(0.5), rel=1e-15)
        assert layer.right.shape[-2:] == (16, width) and layer.right[2].ravel()[5 * width + 1] == layer.h[2, 0, 1, 5]
        layer.backward()
        assert layer.h[2, 0, 1, 5] == pytest.approx(3.0 * math.cos(0.5), rel=1e-15)
        assert layer.left.ravel()[(2 * width + 1) * 16 + 5] == layer.h[2, 0, 1, 5]
    assert [part.size for part in plan.parts] == [3 * a * b for a, b in SHAPES]
    assert plan.top.output.shape == plan.top.delta.shape == (3, 2, 16)
    assert [scaled.shape for scaled in plan.scaled] == [(0,), (0,), (3, 1, 2, 4)]


def test_layers_do_not_overlap_but_share_their_scratch() -> None:
    one, two = workspace(False).plan(7, 16, kernel(activation("tanh"))).layers
    one.h[:], two.h[:], two.scratch[:] = 1.0, 2.0, 3.0
    assert (one.h == 1.0).all() and (two.h == 2.0).all() and one.scratch[0, 0, 0, 0] == 3.0
    assert one.z is not one.h and np.shares_memory(one.z, one.h)
    assert all(
        np.shares_memory(x.scratch, x.h) for x in workspace(False).plan(7, 16, kernel(activation("linear"))).layers
    )


def test_a_plan_is_made_once_and_buffers_are_counted_once() -> None:
    space, tanh = workspace(False), kernel(activation("tanh"))
    assert space.plan(3, 16, tanh) is space.plan(3, 16, tanh)
    assert space.plan(3, 16, kernel(activation("relu"))) is not space.plan(3, 16, tanh)
    # Two layers, the scratch, output and its delta, the scaled weights, the gradients of a block, the loss.
    sizes = [*(n * 16 for n in (5, 4, 5, 2, 2)), 2 * 4, 4 * 5, 1]
    assert space.bytes() == 8 * sum(-(-7 * size // PAD) * PAD for size in sizes)
    assert workspace(True).bytes() == space.bytes() + 8 * sum(-(-7 * n * 16 // PAD) * PAD for n in (5, 4))
