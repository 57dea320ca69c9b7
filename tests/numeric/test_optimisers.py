import math

import pytest
import torch

from numeric.activations import activation
from numeric.data import Population
from numeric.losses import loss
from numeric.network import mean_loss, uniform_network
from numeric.off_manifold import single_mode_batches
from numeric.optimisers import Optimiser, descend, sgd
from numeric.run_status import RunStatus
from numeric.starts import he_start

NET = uniform_network(3, 4, 3, activation("tanh"))
DATA = single_mode_batches(NET, range(3), 24)
WEIGHTS = he_start(NET, range(3), (1, 2, 3), 0.3)


def torch_run(make, member: int, steps: int) -> list[torch.Tensor]:
    leaves = [w[member].clone().requires_grad_(True) for w in WEIGHTS]
    optimiser = make(leaves)
    for _ in range(steps):
        optimiser.zero_grad()
        mean_loss(NET, leaves, DATA.covariates[member], DATA.targets[member], loss("mse")).backward()
        optimiser.step()
    return [leaf.detach() for leaf in leaves]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Optimiser("gd", 0.1), lambda p: torch.optim.SGD(p, 0.1)),
        (Optimiser("gd", 0.1, weight_decay=0.3), lambda p: torch.optim.SGD(p, 0.1, weight_decay=0.3)),
        (Optimiser("heavy_ball", 0.05, momentum=0.8), lambda p: torch.optim.SGD(p, 0.05, momentum=0.8)),
        (Optimiser("rmsprop", 0.01, smoothing=0.95, delta=1e-6), lambda p: torch.optim.RMSprop(p, 0.01, 0.95, 1e-6)),
        (Optimiser("adam", 0.01), lambda p: torch.optim.Adam(p, 0.01)),
        (
            Optimiser("adam", 0.01, beta1=0.5, beta2=0.9, delta=1e-3),
            lambda p: torch.optim.Adam(p, 0.01, (0.5, 0.9), 1e-3),
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Optimiser) else "torch",
)
def test_torch_semantics(ours: Optimiser, theirs) -> None:
    run = descend(NET, WEIGHTS, DATA, ours, 25, escape=None)
    for member in range(3):
        for got, expected in zip(run.weights, torch_run(theirs, member, 25), strict=True):
            torch.testing.assert_close(got[member], expected, rtol=1e-11, atol=1e-13)
    assert run.steps.tolist() == [25, 25, 25]


def test_sign_and_delta_zero() -> None:
    run = descend(NET, WEIGHTS, DATA, Optimiser("sign", 0.01), 1, escape=None)
    for got, start in zip(run.weights, WEIGHTS, strict=True):
        torch.testing.assert_close((got - start).abs(), torch.full_like(start, 0.01), rtol=1e-10, atol=0)
    adam = descend(NET, WEIGHTS, DATA, Optimiser("adam", 0.01, delta=0.0), 1, escape=None)
    for got, signed in zip(adam.weights, run.weights, strict=True):
        torch.testing.assert_close(got, signed, rtol=1e-10, atol=1e-13)  # Adam's first step is a sign step
    # Where the gradient is exactly zero, delta = 0 means no step, not 0/0.
    silent = Population(DATA.covariates, DATA.targets, torch.zeros_like(DATA.node_weights))
    rest = descend(NET, WEIGHTS, silent, Optimiser("adam", 0.01, delta=0.0), 3, escape=None)
    assert all(torch.equal(a, b) for a, b in zip(rest.weights, WEIGHTS, strict=True))


def test_escape_step_is_the_first_below_and_small_steps_follow_the_flow() -> None:
    run = descend(NET, WEIGHTS, DATA, Optimiser("gd", 0.05), 3000, record_every=1)
    assert run.status == (RunStatus.ESCAPED,) * 3
    assert run.recorded_losses is not None
    for member in range(3):
        step = int(run.escape_steps[member])
        losses = run.recorded_losses[member]
        assert losses[step] <= 0.5 * losses[0] < losses[step - 1]
        assert bool(losses[step + 1 :].isnan().all())
        assert int(run.steps[member]) == step
        assert float(run.losses[member]) == float(losses[step])
    fine = descend(NET, WEIGHTS, DATA, Optimiser("gd", 0.025), 6000)
    ratio = fine.escape_steps * 0.025 / (run.escape_steps * 0.05)
    torch.testing.assert_close(ratio.double(), torch.ones(3, dtype=torch.float64), rtol=0.02, atol=0)


@pytest.mark.parametrize("optimiser", [sgd(0.1, 5), sgd(0.02, 5, 0.9), Optimiser("gd", 0.1, noise=0.05)])
def test_randomness_is_paired_and_independent_of_the_batch(optimiser: Optimiser) -> None:
    whole = descend(NET, WEIGHTS, DATA, optimiser, 40, escape=None)
    again = descend(NET, WEIGHTS, DATA, optimiser, 40, escape=None)
    other = descend(NET, WEIGHTS, DATA, optimiser, 40, escape=None, seeds=(5, 6, 7))
    part = Population(DATA.covariates[[2]], DATA.targets[[2]], DATA.node_weights)
    alone = descend(NET, [w[[2]] for w in WEIGHTS], part, optimiser, 40, escape=None, seeds=(2,))
    for a, b, c, d in zip(whole.weights, again.weights, other.weights, alone.weights, strict=True):
        assert torch.equal(a, b) and not torch.equal(a, c)
        assert torch.equal(a[2], d[0])


def test_noise_has_the_variance_of_its_stochastic_equation() -> None:
    silent = Population(DATA.covariates, DATA.targets, torch.zeros_like(DATA.node_weights))
    run = descend(NET, WEIGHTS, silent, Optimiser("gd", 0.04, noise=0.3), 400, escape=None)
    moves = torch.cat([(a - b).reshape(-1) for a, b in zip(run.weights, WEIGHTS, strict=True)])
    # 96 draws of variance sigma^2 t = 0.09 * 16: five standard errors of a variance are 0.72 of it.
    assert float(moves.var()) == pytest.approx(0.09 * 16, rel=0.72)


def test_minibatch_of_everything_is_unbiased() -> None:
    many = [w[:1].expand(400, -1, -1) for w in WEIGHTS]
    one = Population(DATA.covariates[0], DATA.targets[0], DATA.node_weights)
    noisy = descend(NET, many, one, sgd(0.1, 4), 1, escape=None)
    full = descend(NET, [w[:1] for w in WEIGHTS], one, Optimiser("gd", 0.1), 1, escape=None)
    for a, b in zip(noisy.weights, full.weights, strict=True):
        spread = a.std(0) / math.sqrt(400)
        assert bool(((a.mean(0) - b[0]).abs() < 5 * spread + 1e-12).all())


def test_divergence_and_budget_are_statuses() -> None:
    run = descend(NET, [100 * w for w in WEIGHTS], DATA, Optimiser("gd", 1e200), 60, escape="loss:0.001")
    assert run.status == (RunStatus.NOT_FINITE,) * 3
    short = descend(NET, WEIGHTS, DATA, Optimiser("gd", 1e-3), 5)
    assert short.status == (RunStatus.BUDGET_SPENT,) * 3 and short.escape_steps.tolist() == [-1, -1, -1]
    nothing = descend(NET, WEIGHTS, DATA, Optimiser("adam", 1e-3), 0)
    assert nothing.steps.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Optimiser("lion", 0.1),
        lambda: Optimiser("gd", 0.0),
        lambda: Optimiser("gd", math.inf),
        lambda: Optimiser("adam", 0.1, beta2=1.0),
        lambda: Optimiser("adam", 0.1, delta=-1e-8),
        lambda: descend(NET, WEIGHTS, DATA, Optimiser("gd", 0.1), -1),
        lambda: descend(NET, WEIGHTS, DATA, Optimiser("gd", 0.1), 1, seeds=(1,)),
        lambda: descend(NET, [w[:0] for w in WEIGHTS], DATA, Optimiser("gd", 0.1), 1),
    ],
)
def test_hostile(make) -> None:
    with pytest.raises(ValueError):
        make()


def test_members_of_several_activations_descend_as_alone() -> None:
    acts = [activation(name) for name in ("gelu", "tanh", "gelu")]
    both = Optimiser("adam", 0.02, noise=0.01, batch=8)
    run = descend(NET, WEIGHTS, DATA, both, 60, activations=acts, escape="loss:0.9", record_every=20)
    assert len(set(run.escape_steps.tolist())) == 3  # members leave one by one, so that the ensemble is narrowed
    for m, act in enumerate(acts):
        own = Population(DATA.covariates[m : m + 1], DATA.targets[m : m + 1], DATA.node_weights)
        net = uniform_network(3, 4, 3, act)
        start = [w[m : m + 1] for w in WEIGHTS]
        alone = descend(net, start, own, both, 60, escape="loss:0.9", seeds=[m], record_every=20)
        assert alone.escape_steps[0] == run.escape_steps[m]
        assert torch.equal(alone.losses[0], run.losses[m])
        assert all(torch.equal(a[0], b[m]) for a, b in zip(alone.weights, run.weights, strict=True))
    with pytest.raises(ValueError, match="there are 2 activations"):
        descend(NET, WEIGHTS, DATA, both, 1, activations=acts[:2])
