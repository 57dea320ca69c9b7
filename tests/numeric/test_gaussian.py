import math

import numpy as np
import pytest

from numeric.gaussian import density, split_rule, trapezoid_rule


@pytest.mark.parametrize("rule", [trapezoid_rule(), split_rule(), split_rule((-1.0, 0.5))])
def test_moments_are_double_factorials(rule):
    for k in range(1, 6):
        exact = math.prod(range(1, 2 * k, 2))
        # The cut at 9 loses about 9^(2k) 1e-18 of the moment.
        assert rule.weights @ rule.nodes ** (2 * k) == pytest.approx(exact, rel=1e-13 + 9.0 ** (2 * k) * 1e-18)
    assert abs(rule.weights @ rule.nodes**3) < 1e-13


@pytest.mark.parametrize("make", [trapezoid_rule, split_rule])
def test_even_only_rule_agrees_with_the_full_one(make):
    half, full = make(even_only=True), make()
    assert half.nodes.min() >= 0.0
    assert half.weights @ np.tanh(half.nodes) ** 2 == pytest.approx(full.weights @ np.tanh(full.nodes) ** 2, rel=1e-14)


def test_split_rule_resolves_a_kink_that_the_trapezoid_rule_does_not():
    exact = 2.0 / math.sqrt(2.0 * math.pi)  # E|g|
    split, plain = split_rule(), trapezoid_rule()
    assert split.weights @ np.abs(split.nodes) == pytest.approx(exact, rel=1e-14)
    assert abs(plain.weights @ np.abs(plain.nodes) - exact) > 1e-4


def test_split_rule_at_a_moving_kink():
    rule = split_rule((0.7,))
    exact = 0.5 * math.erfc(0.7 / math.sqrt(2.0))
    assert rule.weights @ (rule.nodes > 0.7) == pytest.approx(exact, rel=1e-13)


def test_trapezoid_error_falls_exponentially_with_the_number_of_nodes():
    # E[1/(1 + g^2)] = sqrt(pi e / 2) erfc(1/sqrt 2); poles at +-i: error about exp(-2 pi / step)
    exact = math.sqrt(math.pi * math.e / 2.0) * math.erfc(1.0 / math.sqrt(2.0))
    errors = []
    for step in (1.0, 0.5, 0.25):
        rule = trapezoid_rule(step=step)
        errors.append(abs(rule.weights @ (1.0 / (1.0 + rule.nodes**2)) - exact))
    for error, step in zip(errors, (1.0, 0.5, 0.25), strict=True):
        predicted = 2.0 * math.pi * float(density(np.array(0.0))) * math.exp(0.5 - 2.0 * math.pi / step)
        assert error == pytest.approx(predicted, rel=0.2)


def test_refinement_doubles_the_nodes_and_coarsening_reduces_them():
    for rule in (trapezoid_rule(), split_rule()):
        assert rule.refined().nodes.size >= 2 * rule.nodes.size - 1
        assert rule.refined(2.0 / 3.0).nodes.size < rule.nodes.size


@pytest.mark.parametrize("arguments", [{"step": 0.0}, {"step": -1.0}, {"radius": 40.0}, {"radius": math.nan}])
def test_trapezoid_rule_refuses_nonsense(arguments):
    with pytest.raises(ValueError, match="trapezoid rule needs"):
        trapezoid_rule(**arguments)


def test_split_rule_refuses_nonsense():
    with pytest.raises(ValueError, match="split rule needs"):
        split_rule(points=1)


def test_rules_are_read_only():
    with pytest.raises(ValueError):
        trapezoid_rule().weights[0] = 1.0


@pytest.mark.parametrize("even_only", [False, True])
def test_shifted_nodes_are_as_good_and_err_the_other_way(even_only):
    rule = trapezoid_rule(step=1.0, even_only=even_only)
    exact = math.exp(-0.5 * 9.0)  # E cos(3 g)
    error, other = (float(r.weights @ np.cos(3.0 * r.nodes)) - exact for r in (rule, rule.shifted()))
    assert abs(error) > 1e-4 and error == pytest.approx(-other, rel=1e-2)
    assert abs(rule.shifted().nodes).min() == 0.5 and rule.shifted().refined().nodes.size > rule.nodes.size
    with pytest.raises(ValueError, match="only the trapezoid rule can be shifted"):
        split_rule().shifted()


@pytest.mark.parametrize("rule", [trapezoid_rule(), trapezoid_rule(even_only=True), split_rule()])
def test_a_wider_rule_reaches_further_with_as_dense_nodes(rule):
    wider = rule.wider()
    assert wider.nodes.max() > rule.nodes.max() and wider.nodes.size > rule.nodes.size
    assert float(wider.weights @ wider.nodes**4) == pytest.approx(3.0, rel=1e-13)
