import numpy as np
import pytest

from numeric.manifold import ManifoldModel
from numeric.manifold_sweep import bottleneck_starts, manifold_escape
from numeric.member_nodes import MemberNodes


@pytest.mark.parametrize("name", ["tanh", "gelu"])
def test_each_member_has_the_numbers_of_its_own_model(name):
    first = ManifoldModel(name, 3, 8, beta=1.5)
    second = first.with_rule(first.rule.shifted())
    X = np.random.default_rng(0).uniform(-0.9, 0.9, size=(5, 3))
    both, together = MemberNodes([first, second], 5), np.concatenate([X, X])
    assert not np.array_equal(first.rates(X), second.rates(X))
    for observable in (None, "loss", "overlap"):
        for mine, one, other in zip(
            both.evaluate(together, observable),
            first.evaluate(X, observable),
            second.evaluate(X, observable),
            strict=True,
        ):
            np.testing.assert_array_equal(mine, np.concatenate([one, other]))
    np.testing.assert_allclose(both.loss(together)[:5], first.loss(X), rtol=1e-14)
    np.testing.assert_allclose(both.overlap(together)[5:], second.overlap(X), rtol=1e-13)
    chosen = np.array([7, 1])
    np.testing.assert_array_equal(
        both.select(chosen).rates(together[chosen]), np.concatenate([second.rates(X[[2]]), first.rates(X[[1]])])
    )
    assert first.select(chosen) is first


@pytest.mark.parametrize("rule", ["loss:0.5", "overlap:0.2", "scale:0.3@1"])
@pytest.mark.parametrize("name", ["tanh", "gelu", "relu"])
def test_the_error_estimate_changes_nothing_in_the_run_itself(name, rule):
    model, starts = ManifoldModel(name, 3, 8), bottleneck_starts([0.2, 1e-2, 1e-4], 3)
    alone = manifold_escape(model, starts, rule, estimate_error=False)
    both = manifold_escape(model, starts, rule)
    assert np.array_equal(alone.times, both.times) and np.array_equal(alone.scales, both.scales)
    assert (both.evaluations > alone.evaluations).all() and (both.errors < 1e-8 * both.times).all()
