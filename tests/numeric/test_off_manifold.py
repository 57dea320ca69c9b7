import math

import pytest
import torch

from numeric.activations import activation
from numeric.flow import FlowOptions
from numeric.off_manifold import off_manifold_escape_times
from numeric.run_status import RunStatus


@pytest.mark.parametrize(("name", "r"), [("tanh", 3), ("linear", 4), ("gelu", 3)])
def test_difference_slopes_reach_the_exponent(name: str, r: int) -> None:
    eps = [0.01 * 2.0**-k for k in range(3)]
    run = off_manifold_escape_times(activation(name), 4, range(1, r + 1), eps, range(3), width=6, inputs=3, batch=24)
    assert run.all_escaped and run.escape_times.shape == (3, 3)
    t = run.escape_times
    slope = torch.log2((t[:, 2] - t[:, 1]) / (t[:, 1] - t[:, 0]))
    assert float((slope - (r - 2)).abs().max()) < 0.02  # eps^1 or eps^2 corrections at eps = 0.005


def test_time_grows_like_the_logarithm_at_two_layers() -> None:
    eps = [1e-3, 1e-5, 1e-7]
    run = off_manifold_escape_times(activation("tanh"), 3, (1, 2), eps, range(2), width=6, inputs=3, batch=24)
    t = run.escape_times
    ratio = (t[:, 2] - t[:, 1]) / (t[:, 1] - t[:, 0])
    torch.testing.assert_close(ratio, torch.ones_like(ratio), rtol=1e-3, atol=0)


def test_members_are_paired_and_errors_estimated() -> None:
    arguments = {"width": 5, "inputs": 3, "batch": 20}
    act = activation("tanh")
    both = off_manifold_escape_times(act, 3, (1, 2, 3), [0.1, 0.05], (4, 9), estimate_error=True, **arguments)
    alone = off_manifold_escape_times(act, 3, (1, 2, 3), [0.05], (9,), **arguments)
    assert float(both.escape_times[1, 1]) == float(alone.escape_times[0, 0])
    exact = off_manifold_escape_times(
        act, 3, (1, 2, 3), [0.1, 0.05], (4, 9), options=FlowOptions(rtol=1e-10, method="dop853"), **arguments
    )
    assert bool(((both.escape_times - exact.escape_times).abs() < 3 * both.error_estimates).all())


def test_failures_are_told() -> None:
    run = off_manifold_escape_times(
        activation("tanh"), 3, (1, 2, 3), [1e-3], (0,), width=4, inputs=2, batch=16, options=FlowOptions(budget=10)
    )
    assert not run.all_escaped and run.status == ((RunStatus.BUDGET_SPENT,),)
    assert math.isnan(float(run.escape_times[0, 0]))


@pytest.mark.parametrize(
    ("depth", "small", "eps", "seeds"),
    [(3, (1,), [], (0,)), (3, (1,), [0.1], ()), (3, (1,), [0.0], (0,)), (3, (4,), [0.1], (0,)), (0, (), [0.1], (0,)),
     (3, (1,), [1e-300], (0,))],
)  # fmt: skip
def test_hostile(depth: int, small: tuple[int, ...], eps: list[float], seeds: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        off_manifold_escape_times(activation("tanh"), depth, small, eps, seeds, width=4, inputs=2, batch=8)
