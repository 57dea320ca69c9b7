import numpy as np
import pytest

from numeric.economy import agrees, economical_model
from numeric.manifold import ManifoldModel
from numeric.manifold_sweep import bottleneck_starts, manifold_escape


@pytest.mark.parametrize("name", ["tanh", "gelu", "linear", "sin", "silu"])
def test_fewer_nodes_within_the_tolerance(name):
    model = ManifoldModel(name, 3, 8)
    sizes = []
    for rtol in (1e-5, 1e-8, 1e-11):
        cheap = economical_model(model, rtol)
        sizes.append(cheap.rule.nodes.size)
        X = np.random.default_rng(0).uniform(0.05, 0.5, size=(50, 3))
        # chosen at three points for a tenth of rtol; elsewhere below saturation it may be a few times that
        assert agrees(cheap, model, X, rtol).all()
    assert sizes[0] < sizes[1] <= sizes[2] <= model.rule.nodes.size


def test_kinks_and_models_without_a_linear_part_are_left_alone():
    for model in (ManifoldModel("relu", 3), ManifoldModel("cos", 3), ManifoldModel("tanh", 3, beta=0.0)):
        assert economical_model(model, 1e-6) is model
    tanh = ManifoldModel("tanh", 3)
    assert economical_model(tanh, 1e-14) is tanh


def test_members_outside_the_tested_region_run_again_with_all_nodes():
    # an O(1) layer far above the saturation scale brings the poles of tanh near the real axis
    model = ManifoldModel("tanh", 3, 8)
    starts = bottleneck_starts([1e-3], 3, (2, 3), 4.0)
    assert not agrees(economical_model(model, 1e-9), model, starts, 1e-9).all()
    loose = manifold_escape(model, starts, "overlap:0.1", rtol=1e-9, estimate_error=False)
    tight = manifold_escape(model, starts, "overlap:0.1", rtol=1e-13, estimate_error=False)
    assert loose.times[0] == pytest.approx(tight.times[0], rel=3e-8)
    estimated = manifold_escape(model, starts, "overlap:0.1", rtol=1e-9)
    finest = manifold_escape(model.refined(2.0), starts, "overlap:0.1", rtol=1e-13, estimate_error=False)
    # the default nodes are too few here as well, and the estimate, against two thirds of them, says so; the midpoints
    # of the economical nodes would be twice as far away
    assert abs(loose.times[0] - finest.times[0]) <= estimated.errors[0] < 4e-4 * finest.times[0]
    assert estimated.times[0] == loose.times[0] and estimated.evaluations[0] > loose.evaluations[0]


def test_no_node_lies_where_an_odd_integrand_vanishes():
    assert economical_model(ManifoldModel("tanh", 3), 1e-9).rule.nodes.min() > 0.0
    assert economical_model(ManifoldModel("gelu", 3), 1e-9).rule.nodes.min() < 0.0
    model = ManifoldModel("tanh", 3)
    assert economical_model(model, 1e-9) is economical_model(model, 1e-9)
