import math

import pytest
import torch

from numeric.activations import activation
from numeric.data import Population
from numeric.descent_steps import gradient_spread, inverse_interpolation, real_steps
from numeric.losses import loss
from numeric.network import gradient, uniform_network
from numeric.off_manifold import single_mode_batches
from numeric.optimisers import Optimiser, descend
from numeric.starts import he_start

NET = uniform_network(3, 4, 3, activation("tanh"))
DATA = single_mode_batches(NET, range(2), 12)
WEIGHTS = he_start(NET, range(2), (1, 2, 3), 0.3)


def test_inverse_interpolation_is_exact_for_an_inverse_cubic() -> None:
    def count(value: float) -> float:
        return 7 + 2 * value + value**3

    values = []
    for n in (8, 9, 10, 11):
        low, high = -2.0, 2.0
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (middle, high) if count(middle) < n else (low, middle)
        values.append(low)
    assert inverse_interpolation(values, 11, 0.9) == pytest.approx(count(0.9), abs=1e-12)


def test_steps_lie_between_the_last_two_and_on_the_recorded_loss() -> None:
    run = descend(NET, WEIGHTS, DATA, Optimiser("gd", 0.05), 4000, record_every=1)
    steps = real_steps(NET, WEIGHTS, DATA, Optimiser("gd", 0.05), 4000)
    assert run.recorded_losses is not None
    for real, counted, losses in zip(steps, run.escape_steps.tolist(), run.recorded_losses, strict=True):
        before, after, target = float(losses[counted - 1]), float(losses[counted]), 0.5 * float(losses[0])
        straight = counted - 1 + (before - target) / (before - after)
        assert counted - 1 < real <= counted
        assert real == pytest.approx(straight, abs=0.02)  # the chord errs by an eighth of the loss's curvature a step
    # Halved steps: n eta changes by O(eta) only, far less than a step.
    halved = real_steps(NET, WEIGHTS, DATA, Optimiser("gd", 0.025), 8000)
    quarter = real_steps(NET, WEIGHTS, DATA, Optimiser("gd", 0.0125), 16000)
    first, second = halved - 2 * steps, quarter - 2 * halved
    assert second == pytest.approx(first, abs=0.05)  # n = a/eta + b + ...: both are -b
    assert (abs(first) > 0.1).all()


def test_a_scale_is_followed_as_well_and_no_escape_is_nan() -> None:
    start = descend(NET, WEIGHTS, DATA, Optimiser("sign", 0.01), 0).scales[:, 0]
    target = float(start.max()) + 0.005
    steps = real_steps(NET, WEIGHTS, DATA, Optimiser("sign", 0.01), 400, f"scale:{target}@1")
    run = descend(NET, WEIGHTS, DATA, Optimiser("sign", 0.01), 400, escape=f"scale:{target}@1")
    assert [math.ceil(n) for n in steps] == run.escape_steps.tolist()
    assert math.isnan(real_steps(NET, WEIGHTS, DATA, Optimiser("gd", 1e-6), 5)[0])
    with pytest.raises(ValueError, match="overlap"):
        real_steps(NET, WEIGHTS, DATA, Optimiser("gd", 1e-6), 5, "overlap:0.5")


def test_spread_is_the_deviation_of_one_sample() -> None:
    weights = [w[0] for w in WEIGHTS]
    one = Population(DATA.covariates[0], DATA.targets[0], DATA.node_weights)
    spread, mean = gradient_spread(NET, weights, one, (1, 3))
    each = [gradient(NET, weights, one.covariates[:, [i]], one.targets[:, [i]], loss("mse")) for i in range(12)]
    whole = gradient(NET, weights, one.covariates, one.targets, loss("mse"))
    assert mean == pytest.approx(math.hypot(float(whole[0].norm()), float(whole[2].norm())), rel=1e-12)
    squares = [float(sum(((g[k] - whole[k]) ** 2).sum() for k in (0, 2))) for g in each]
    assert spread == pytest.approx(math.sqrt(sum(squares) / 12), rel=1e-12)
    assert isinstance(whole[0], torch.Tensor)
