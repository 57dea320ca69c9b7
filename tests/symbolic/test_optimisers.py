import mpmath
import numpy as np
import pytest
import sympy as sp
from scipy.integrate import quad

from symbolic.escape import EPS, THRESHOLD, escape_exponent, escape_integral
from symbolic.optimisers import (
    DAMPING,
    FIELD,
    MOMENTUM,
    NOISE,
    RATE,
    SCALE,
    SPREAD,
    STEP,
    adam_crossover,
    adam_memory,
    adam_steps,
    gradient_descent_steps,
    heavy_ball_steps,
    modified_equation,
    noise_escape_time,
    noise_floor,
    sgd_steps,
    sign_descent_steps,
    start_delay,
)

MP = mpmath.mp.clone()
MP.dps = 20


def same(left, right):
    return sp.simplify(sp.expand_log(left - right)) == 0


@pytest.mark.parametrize("r", [2, 3, 8])
def test_the_laws_of_the_theory(r):
    flow, logarithm = escape_integral(r) / RATE, sp.log(THRESHOLD) - sp.log(EPS)
    descent = gradient_descent_steps(r)
    assert same(descent.terms[-1], flow)
    assert same(descent.terms[0], sp.Rational(r - 1, 2) * logarithm)
    assert descent.delay == 0
    ball = heavy_ball_steps(r)
    assert same(ball.terms[-1], (1 - MOMENTUM) * flow)
    assert same(ball.terms[0], (1 + MOMENTUM) * (r - 1) / (2 * (1 - MOMENTUM)) * logarithm)
    assert same(adam_steps(r), sign_descent_steps() + DAMPING / STEP * flow)


def test_gradient_descent_on_the_linear_clock_is_a_geometric_sequence():
    """r = 2: n = log(theta/eps)/log(1 + eta K), so the series is that of 1/log(1 + x) to every order."""
    x = sp.Symbol("x")
    law = gradient_descent_steps(2, 4)
    series = sp.series(1 / sp.log(1 + x), x, 0, 3).removeO()
    assert same(law.steps, series.subs(x, STEP * RATE) * (sp.log(THRESHOLD) - sp.log(EPS)))


def test_the_modified_equation_reproduces_one_step():
    """Flow of the modified equation for one step from y, expanded in eta, against y + eta F(y)."""
    h = modified_equation(3)
    speed = sum(term * STEP ** (k + 1) for k, term in enumerate(h)).subs(MOMENTUM, 0)
    total, derivative = SCALE, speed
    for k in range(1, 4):
        total += derivative / sp.factorial(k)
        derivative = sp.diff(derivative, SCALE) * speed
    difference = sp.expand(total - SCALE - STEP * FIELD(SCALE)).doit()
    assert all(sp.simplify(difference.coeff(STEP, k)) == 0 for k in (0, 1, 2, 3))


def iterate(field, start, end, eta, beta):
    """Heavy ball from rest until y >= end: (steps, y there)."""
    y, velocity, n = MP.mpf(start), MP.mpf(0), 0
    while y < end:
        velocity = beta * velocity + eta * field(y)
        y += velocity
        n += 1
    return n, y


@pytest.mark.parametrize("r,K,eps,theta", [(3, 1, 0.1, 0.5), (4, 2, 0.2, 0.6), (2, 1, 0.05, 1.0)])
def test_gradient_descent_counts_these_steps(r, K, eps, theta):
    """n at the y where it stopped, so that no step is cut: the error of `order` terms falls like eta^(order - 1)."""
    at = {RATE: K, EPS: sp.Float(eps, 20)}
    for order in (2, 3):
        law = gradient_descent_steps(r, order).steps.subs(at)
        errors = []
        for eta in (0.1, 0.05):
            n, y = iterate(lambda z: K * z ** (r - 1), eps, theta, MP.mpf(eta), 0)
            predicted = law.subs({STEP: sp.Float(eta, 20), THRESHOLD: sp.Float(str(y), 20)})
            errors.append(abs(float(predicted) - n))
        assert errors[1] < 2.0 ** -(order - 1) * 1.3 * errors[0]
        assert errors[1] < 0.05


@pytest.mark.parametrize("beta", [0.5, 0.8])
def test_heavy_ball_from_rest_counts_these_steps(beta):
    r, eps, theta = 3, 0.1, 0.4
    law = heavy_ball_steps(r, 2, sp.Rational(str(beta)))
    errors = []
    for eta in (0.04 * (1 - beta) ** 2, 0.02 * (1 - beta) ** 2):  # the terms left out grow like (1 - beta)^{-2 k}
        n, y = iterate(lambda z: z ** (r - 1), eps, theta, MP.mpf(eta), MP.mpf(beta))
        at = {RATE: 1, EPS: sp.Float(eps, 20), STEP: sp.Float(eta, 20), THRESHOLD: sp.Float(str(y), 20)}
        errors.append(float(law.steps.subs(at)) - n)
    # What is left out is O(eta): extrapolated to eta = 0 nothing remains, to O(eta^2).
    assert abs(2 * errors[1] - errors[0]) < 0.05


def test_adam_in_the_quasi_steady_reading():
    """y += eta F/(F + delta), counted: the sum over steps is the integral up to the rounding of a step at each end."""
    r, K, eps, theta, eta, delta = 4, 1.0, 0.05, 0.5, 1e-4, 1e-3
    y, n = eps, 0
    while y < theta:
        y += eta * K * y ** (r - 1) / (K * y ** (r - 1) + delta)
        n += 1
    at = {RATE: K, EPS: eps, THRESHOLD: y, STEP: eta, DAMPING: delta}
    # The next order of the modified equation is half the logarithm of the ratio of the two speeds.
    assert abs(float(adam_steps(r).subs(at)) - n) < 5


def test_adams_crossover():
    value = adam_crossover(8).subs({DAMPING: sp.Rational(1, 10**8), RATE: 1, THRESHOLD: sp.Rational(1, 2)})
    assert abs(float(value) - 0.039) < 5e-4
    for r in (3, 4, 6):
        formula = (DAMPING / ((r - 2) * RATE * THRESHOLD)) ** sp.Rational(1, r - 2)
        assert sp.simplify(sp.powdenest(adam_crossover(r) / formula, force=True)) == 1
    with pytest.raises(ValueError, match="r >= 3"):
        adam_crossover(2)


def exit_time(sigma, K, r):
    """Mean time from 0 to infinity of dy = K y^{r-1} dt + sigma dB, r even: the scale function, twice integrated."""
    a = 2 * K / (r * sigma**2)
    end = 12 * a ** (-1 / r)

    def inner(y):
        return y * quad(lambda t: np.exp(-a * y**r * (1 - t**r)), 0, 1, points=[0.9, 0.99, 0.999], epsabs=1e-12)[0]

    head = quad(inner, 0, end, points=[end / 12, end / 6, end / 3], epsrel=1e-9)[0]
    # Beyond 12 sizes the inner integral is the inverse drift, 1/(a r y^{r-1}), to a part in 12^r.
    return 2 / sigma**2 * (head + end ** (2 - r) / (a * r * (r - 2)))


def test_noise_sets_a_floor_and_its_time_scales():
    r = 4
    law = noise_floor(r)
    assert same(law.scale**r, NOISE**2 / RATE)
    assert same(law.time, law.scale**2 / NOISE**2)
    assert sp.simplify(law.time / NOISE ** sp.Rational(-2 * (r - 2), r)).free_symbols == {RATE}
    ratio = exit_time(0.1, 1, r) / exit_time(0.3, 2, r)
    predicted = law.time.subs({NOISE: sp.Rational(1, 10), RATE: 1}) / law.time.subs(
        {NOISE: sp.Rational(3, 10), RATE: 2}
    )
    # Both times carry the same relative error of the cut at 12 sizes.
    assert abs(float(ratio) / float(predicted) - 1) < 1e-6


@pytest.mark.parametrize("r", range(3, 8))
def test_the_exponent_of_descent_and_momentum_is_that_of_the_flow(r):
    for law in (gradient_descent_steps(r), heavy_ball_steps(r, 2, sp.Rational(9, 10))):
        leading = next(t for t in sp.Add.make_args(sp.expand(law.terms[-1])) if t.has(EPS))
        assert leading.as_coeff_exponent(EPS)[1] == escape_exponent(r)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        heavy_ball_steps(3, 2, 1)
    with pytest.raises(ValueError, match="r >= 1"):
        gradient_descent_steps(0)
    with pytest.raises(ValueError, match="order"):
        modified_equation(0)


@pytest.mark.parametrize("beta", [sp.Rational(1, 2), sp.Rational(4, 5)])
def test_a_start_at_rest_loses_what_the_linear_recursion_loses(beta):
    """r = 2, where F is linear: the slow part of the recursion from rest, exactly, against the expansion."""
    zero, one = (c.subs(MOMENTUM, beta) for c in start_delay())
    assert zero == beta / (1 - beta)
    for x in (1e-3, 1e-4):
        large = (1 + beta + x + MP.sqrt((1 + beta + x) ** 2 - 4 * beta)) / 2
        small = beta / large
        delay = -MP.log(large * (1 - small) / (large - small)) / MP.log(large)
        assert abs(float(delay) - float(zero + one * x)) < 40 / float(1 - beta) ** 4 * x**2
    assert heavy_ball_steps(3, 1, beta).next_delay == one * RATE * 2 * EPS


def test_minibatches_without_spread_are_gradient_descent():
    for r in (2, 3, 5):
        noisy, plain = sgd_steps(r), gradient_descent_steps(r)
        assert all(same(noisy.terms[k].subs(SPREAD, 0), plain.terms[k]) for k in (-1, 0))
        assert same(sp.diff(noisy.terms[0], SPREAD), plain.terms[0])


@pytest.mark.parametrize("r", [3, 4, 5, 8])
def test_the_pure_number_of_the_noisy_escape_is_its_double_integral(r):
    escape = noise_escape_time(r)
    pure = escape.to_infinity.subs({RATE: 1, NOISE: 1})

    def inner(y):
        lower = -MP.inf if r % 2 else 0
        return MP.quad(lambda z: MP.exp(-2 * (y**r - z**r) / r), [lower, 0, y] if r % 2 else [0, y])

    slow = 2 * MP.quad(inner, [0, 1, 2, 4]) + mpmath.mpf(4) ** (2 - r) / (r - 2)
    assert float(pure) == pytest.approx(float(slow), rel=1e-3)
    assert same(escape.beyond_threshold[0], THRESHOLD ** (2 - r) / ((r - 2) * RATE))
    # F T' + sigma^2/2 T'' = -1 with T(theta) = the sum: what is left over is of the order of the next term.
    total = sum(escape.beyond_threshold)
    rest = RATE * THRESHOLD ** (r - 1) * sp.diff(total, THRESHOLD) + NOISE**2 / 2 * sp.diff(total, THRESHOLD, 2) + 1
    power = sp.simplify(rest).as_coeff_exponent(NOISE)[1]
    assert power == 2 * len(escape.beyond_threshold)
    with pytest.raises(ValueError):
        noise_escape_time(2)


def test_adam_without_memory_is_euler_and_equal_memories_cancel_in_the_sign_regime():
    euler = adam_memory(4, 0, 0)
    speed = RATE * SCALE**3 / (RATE * SCALE**3 + DAMPING)
    assert same(euler, sp.log(speed.subs(SCALE, THRESHOLD) / speed.subs(SCALE, EPS)) / 2)
    equal = adam_memory(4, sp.Rational(9, 10), sp.Rational(9, 10)) - euler
    assert same(sp.limit(equal, DAMPING, 0), 0)
