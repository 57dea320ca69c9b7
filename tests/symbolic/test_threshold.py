import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import symbolic
from symbolic.threshold import threshold_time

NODES = np.linspace(-9.0, 9.0, 91)  # the trapezoid rule is exponentially accurate there
WEIGHTS = np.exp(-(NODES**2) / 2) / np.exp(-(NODES**2) / 2).sum()
WIDTH = 16
PHI = np.vectorize(lambda z: 0.5 * math.erfc(-z / math.sqrt(2)))
FUNCTIONS = {
    "linear": (lambda z: z, np.ones_like),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "gelu": (lambda z: z * PHI(z), lambda z: PHI(z) + z * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)),
}


def of_the_flow(name, depth, r, eps, ends, layer):
    """The time between two thresholds along the whole flow (self term included), plain, by back-propagation."""
    value, slope = FUNCTIONS[name]
    target = value(NODES)
    gains = [1 / math.sqrt(WIDTH), *[1.0] * (depth - 2), math.sqrt(WIDTH)]

    def rates(_, X):
        z = [gains[0] * X[0] * NODES]
        for a, x in zip(gains[1:], X[1:], strict=True):
            z.append(a * x * value(z[-1]))
        delta, found = z[-1] - target, np.zeros(depth)
        for k in range(depth - 1, -1, -1):
            below = value(z[k - 1]) if k else NODES
            found[k] = -WEIGHTS @ (delta * gains[k] * below)
            if k:
                delta = delta * gains[k] * X[k] * slope(z[k - 1])
        return found

    events = [lambda _, X, end=end: X[layer - 1] - end for end in ends]
    events[-1].terminal = True
    start = np.array([eps if k < r else 1.0 for k in range(depth)])
    run = solve_ivp(rates, (0, 1e9), start, "DOP853", rtol=1e-12, atol=1e-16, events=events)
    return run.t_events[1][0] - run.t_events[0][0]


@pytest.mark.parametrize(
    ("name", "depth", "r", "layer"),
    [
        ("gelu", 2, 2, 1),
        ("tanh", 3, 3, 1),
        ("tanh", 3, 3, 3),
        ("gelu", 3, 3, 2),
        ("linear", 4, 3, 1),
        ("tanh", 3, 2, 2),
    ],
)
def test_what_is_left_out_shrinks_at_the_order_that_it_names(name, depth, r, layer):
    errors = []
    for theta in (0.02, 0.01):
        known = threshold_time(
            symbolic.activation(name), depth, r, theta / 8, (theta, 2 * theta), WIDTH, "plain", layer=layer
        )
        assert known.order == r
        flow = of_the_flow(name, depth, r, theta / 8, (theta, 2 * theta), layer)
        errors.append(known.rate * flow - known.scaled_time)
    # Relative order r of y^{2-r}: the second power of theta, of which the next order changes a little.
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.15)
    # tanh bends at relative order 2, which for two small layers is left out already
    assert (known.scale == 0) == (name == "tanh" and r == 2)


@pytest.mark.parametrize("r", [1, 2, 3, 5])
def test_a_linear_net_without_frozen_layers_has_the_integral_alone(r):
    known = threshold_time(symbolic.activation("linear"), max(r, 2), r, 1e-3, (0.01, 0.02))
    integral = math.log(2) if r == 2 else (0.02 ** (2 - r) - 0.01 ** (2 - r)) / (2 - r)
    assert known.scaled_time == pytest.approx(integral, rel=1e-13)


@settings(deadline=None, max_examples=10)
@given(st.floats(0.01, 0.04), st.floats(1.1, 1.9), st.sampled_from(["gelu", "tanh", "sin"]))
def test_times_add_up(theta, factor, name):
    def time(low, high):
        return threshold_time(symbolic.activation(name), 4, 4, 1e-3, (low, high)).scaled_time

    whole = time(theta, theta * factor**2)
    assert time(theta, theta * factor) + time(theta * factor, theta * factor**2) == pytest.approx(whole, rel=1e-9)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"eps": 0.02}, "expected eps < the first"),
        ({"thresholds": (0.02, 0.01)}, "expected eps < the first"),
        ({"layer": 4}, "a threshold of a small layer"),
        ({"activation": symbolic.activation("sigmoid")}, "class D"),
        ({"activation": symbolic.activation("gelu"), "thresholds": (0.5, 40.0)}, "beyond the scale"),
    ],
)
def test_what_it_refuses(changes, sentence):
    arguments = {
        "activation": symbolic.activation("tanh"),
        "depth": 4,
        "small": 3,
        "eps": 1e-3,
        "thresholds": (0.01, 0.02),
    }
    with pytest.raises(ValueError, match=sentence):
        threshold_time(**(arguments | changes))
