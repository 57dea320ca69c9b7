"""The expansion of the escape time: formulas of the theory, and an independent integration of the flow."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp

from symbolic.correction import Origin, collapse_deviation, escape_expansion
from symbolic.rate import ALPHA, layer_scales
from symbolic.reduced_gains import general_gains, ntk_gains, symbolic_gains
from symbolic.symbolic_constants import moment_symbol, taylor_symbol

NTK4 = ntk_gains(4, 64)


def ratio(q):
    return taylor_symbol(q) * moment_symbol(q) / (ALPHA * moment_symbol(1))


def same(left, right):
    return sp.simplify(left - right) == 0


@pytest.mark.parametrize("depth,q", [(3, 2), (4, 2), (5, 2), (4, 3), (5, 3), (6, 3), (5, 4), (6, 4)])
def test_the_first_correction_is_the_coefficient_of_the_theory(depth, q):
    expansion = escape_expansion(depth, first_power=q, gains=ntk_gains(depth, 64))
    assert same(expansion.coefficient(2 - depth), sp.Rational(1, depth - 2))
    if depth == q + 1:
        assert same(expansion.coefficient(0, 1), -sp.Rational(2 * q, q + 1) * ratio(q))
    else:
        A = sp.Rational(q - 1, (q + 1) * depth) - sp.Rational(2 * q, (q + 1) * (depth - q - 1))
        assert same(expansion.coefficient(q + 1 - depth), A * ratio(q))
        assert same(collapse_deviation(depth, q), sp.Abs((depth - 2) * A * ratio(q)))


@pytest.mark.parametrize("depth,first_power,names", [(2, 3, [(0, 1)]), (3, 3, [(-1, 0)]), (5, None, [(-3, 0)])])
def test_where_nothing_stands_between_the_leading_term_and_the_constant(depth, first_power, names):
    terms = escape_expansion(depth, first_power=first_power).terms
    assert [(t.eps_power, t.log_power) for t in terms if t.coefficient is not None] == names
    assert [t.origin for t in terms] == [Origin.LEADING, Origin.ESCAPE_RULE]


def test_one_small_layer_is_a_constant_minus_eps():
    expansion = escape_expansion(3, [2])
    assert expansion.coefficient(1) == -1
    assert expansion.remainder_power == 2
    with pytest.raises(ValueError, match="escape rule"):
        expansion.coefficient(0)


def source_of_the_theory(depth, small):
    """S = sum over O(1) layers of (d log K_eff / d xi_m)^2, with E[y g] a function of the scales before i_1."""
    xi = layer_scales(depth)
    total = 0
    for m in range(1, depth + 1):
        if m in small:
            continue
        if m > small[0]:
            total += xi[m - 1] ** -2
        else:
            mark = tuple(int(j == m) for j in range(1, small[0]))
            total += (moment_symbol(1, mark) / moment_symbol(1) / xi[m - 1]) ** 2
    return total


def effective_ratio(depth, small, q, gains):
    """c_eff of the theory with the gains written in."""
    xi, b, total = layer_scales(depth), gains.gains, 0
    upper = min(small[1], depth)
    for j in range(small[0], upper):
        path = ALPHA ** (j - small[0]) * sp.prod(b[small[0] - 1 : j]) * sp.prod(xi[small[0] : j])
        total += path ** (q - 1)
    return ratio(q) * total


@pytest.mark.parametrize("depth,small", [(5, (1, 2, 3, 4)), (6, (1, 3, 5, 6)), (6, (2, 4, 5, 6)), (7, (3, 5, 6, 7))])
def test_four_small_layers_have_the_logarithm_of_the_theory(depth, small):
    gains = symbolic_gains(depth)
    S, c_eff = source_of_the_theory(depth, small), effective_ratio(depth, small, 3, gains)
    linear = escape_expansion(depth, small, None, gains)
    assert same(linear.coefficient(0, 1).subs(_homogeneous(small)), -S.subs(_homogeneous(small)) / 2)
    cubic = escape_expansion(depth, small, 3, gains)
    assert same(cubic.coefficient(0, 1), -sp.Rational(3, 2) * c_eff - S / 2)
    assert {t.origin for t in cubic.terms} == {Origin.LEADING, Origin.NONLINEARITY, Origin.DRIFT, Origin.ESCAPE_RULE}


def _homogeneous(small):
    """For s(z) = alpha z every log-derivative of E[y g] is E[y g]."""
    marks = [tuple(int(j == m) for j in range(1, small[0])) for m in range(1, small[0])]
    return {moment_symbol(1, mark): moment_symbol(1) for mark in marks}


@pytest.mark.parametrize("depth,small", [(4, (1, 2, 4)), (5, (2, 4, 5)), (5, (2, 3, 4)), (6, (1, 5, 6))])
def test_three_small_layers_of_order_two_have_the_logarithm_of_the_theory(depth, small):
    gains = symbolic_gains(depth)
    expected = -sp.Rational(4, 3) * effective_ratio(depth, small, 2, gains)
    assert same(escape_expansion(depth, small, 2, gains).coefficient(0, 1), expected)


def test_tanh_at_depth_four_has_the_number_of_the_theory():
    """-(3/2)(a_3 M_3/M_1) with a_3 = -1/3, M_k = E[tanh(u) u^k] by the trapezoid rule, exponentially accurate here."""
    u, w = np.linspace(-12, 12, 481), np.exp(-(np.linspace(-12, 12, 481) ** 2) / 2)
    M = {k: float(np.sum(w * np.tanh(u) * u**k)) for k in (1, 3)}
    values = {ALPHA: 1, taylor_symbol(3): sp.Rational(-1, 3), moment_symbol(1): M[1], moment_symbol(3): M[3]}
    coefficient = escape_expansion(4, first_power=3, gains=NTK4).coefficient(0, 1).subs(values)
    assert abs(float(coefficient) - 1.199857959) < 5e-10  # the digits printed by the theory


def test_class_c_has_a_second_order_logarithm_at_depth_four():
    coefficient = escape_expansion(4, first_power=2, gains=NTK4).coefficient(0, 1)
    a2, a3, m1, m2, m3 = (*map(taylor_symbol, (2, 3)), *map(moment_symbol, (1, 2, 3)))
    by_hand = (8 * (a2 * m2 / (ALPHA * m1)) ** 2 - 9 * a2 * m2 / m1 - 9 * a3 * m3 / (ALPHA * m1)) / 6
    assert same(coefficient, by_hand)


def test_the_remainder_is_the_next_order_of_the_series():
    assert escape_expansion(2, first_power=3).remainder_power == 2
    assert escape_expansion(5, first_power=None).remainder_power == 2
    assert escape_expansion(5, [1, 2, 3, 4], first_power=None).remainder_power == 2
    assert escape_expansion(4, first_power=3).remainder_power == 1


# --- an independent reference: the true flow of the reduced chain on a finite data set, in v = log of the mean scale


@dataclass(frozen=True)
class Case:
    name: str
    s: Callable
    ds: Callable
    taylor: tuple[float, ...]  # alpha, a_2, a_3, ...
    first_power: int | None
    small: tuple[int, ...]
    scales: tuple[float, ...]
    gains: tuple[float, ...]


DATA = np.array([-1.7, -1.1, -0.3, 0.4, 0.9, 1.6, 2.1])
TARGET = np.array([-1.2, -0.5, 0.1, 0.3, 0.7, 1.5, 1.1])


def polynomial(*coefficients):
    p = np.polynomial.Polynomial([0.0, *coefficients])
    return p, p.deriv()


CUBIC = (0.8, 0.0, -0.25)
MIXED = (0.9, 0.3, 0.2, -0.15, 0.1)
TANH = (1.0, 0.0, -1 / 3, 0.0, 2 / 15)


def tanh_prime(z):
    return 1 - np.tanh(z) ** 2


CASES = [
    Case("tanh, resonance", np.tanh, tanh_prime, TANH, 3, (1, 2, 3, 4), (1,) * 4, (1, 1, 1, 1)),
    Case("class C, second order", *polynomial(*MIXED), MIXED, 2, (1, 2, 3, 4), (1,) * 4, (1.3, 0.7, 1.1, 2.0)),
    Case("class C, r = 5", *polynomial(*MIXED), MIXED, 2, (1, 2, 3, 4, 5), (1,) * 5, (1.3, 0.7, 1.1, 0.8, 2.0)),
    Case("linear, drift", *polynomial(1.2), (1.2,), None, (2, 3, 4, 5), (0.7, 1, 1, 1, 1), (1.1, 0.9, 1, 1, 2)),
    Case("cubic, r < L", *polynomial(*CUBIC), CUBIC, 3, (2, 4, 5, 6), (0.7, 1, 0.9, 1, 1, 1), (1, 1.1, 1, 0.9, 1, 2)),
    Case("class C, r < L", *polynomial(*MIXED), MIXED, 2, (2, 4, 5), (0.7, 1, 0.9, 1, 1), (1, 1.1, 0.8, 0.9, 2)),
    Case("class C, interplay", *polynomial(*MIXED), MIXED, 2, (1, 3, 4, 5, 6), (1, 0.8) + (1,) * 4, (1,) * 5 + (2,)),
    Case("tanh, r = 6", np.tanh, tanh_prime, TANH, 3, (1, 2, 3, 4, 5, 6), (1,) * 6, (1, 1.2, 1, 0.9, 1, 2)),
]


def chain(case, scales, u=DATA):
    """(z_l, ds(z_l)) by forward propagation."""
    z = [case.gains[0] * scales[0] * u]
    for b, x in zip(case.gains[1:], scales[1:], strict=True):
        z.append(b * x * case.s(z[-1]))
    return z


def gradient(case, scales):
    """E[(y - yhat) dyhat/dX_l] by back-propagation."""
    z = chain(case, scales)
    error, force = (TARGET - z[-1]) / len(DATA), np.empty(len(scales))
    for layer in range(len(scales) - 1, -1, -1):
        force[layer] = np.dot(error, z[layer]) / scales[layer]
        if layer:
            error = error * case.gains[layer] * scales[layer] * case.ds(z[layer - 1])
    return force


def frozen_output(case, scales):
    """g, the input of the first small layer."""
    first = case.small[0]
    return DATA if first == 1 else case.s(chain(case, scales)[first - 2])


def rate(case):
    """K_eff on the data set."""
    first, depth = case.small[0], len(case.gains)
    passive = [m for m in range(first + 1, depth + 1) if m not in case.small]
    path = np.prod(case.gains[first - 1 :]) * np.prod([case.scales[m - 1] for m in passive])
    return case.taylor[0] ** (depth - first) * path * np.mean(TARGET * frozen_output(case, case.scales))


def residual(case, eps, theta=0.05):
    """K_eff t - int_eps^theta Y^{1-r} dY of the true flow, Y the geometric mean of the small scales."""
    small = [i - 1 for i in case.small]
    start = np.array([0.0 if i in small else np.log(x) for i, x in enumerate(case.scales)])
    K, r = rate(case), len(small)

    def right(v, state):
        logs = state[:-1].copy()
        logs[small] += v
        scales = np.exp(logs)
        speed = gradient(case, scales) / scales
        mean = speed[small].mean()
        change = speed / mean
        change[small] -= 1
        return [*change, K / mean - np.exp((2 - r) * v)]

    # K/mean and Y^{2-r} agree to a part in Y^{q-1}: their difference carries the rounding of either, and no less.
    noise = max(1e-10, 1e-14 * eps ** (2 - r))
    solution = solve_ivp(
        right, np.log([eps, theta]), [*start, 0.0], "DOP853", rtol=1e-11, atol=[*[1e-14] * len(start), noise]
    )
    assert solution.success
    return solution.y[-1, -1]


def values(case):
    """Numbers for the symbols of the expansion, log-derivatives of M_k by complex steps."""
    numbers = {ALPHA: case.taylor[0]}
    numbers |= {taylor_symbol(k): a for k, a in enumerate((*case.taylor[1:], 0, 0, 0, 0), start=2)}
    numbers |= dict(zip(layer_scales(len(case.scales)), case.scales, strict=True))
    g = frozen_output(case, case.scales)
    before = case.small[0] - 1
    for k in range(1, len(case.small)):
        numbers[moment_symbol(k)] = np.mean(TARGET * g**k)
        for m in range(before):
            moved = np.array(case.scales, dtype=complex)
            moved[m] *= np.exp(1e-20j)
            mark = tuple(int(j == m) for j in range(before))
            numbers[moment_symbol(k, mark)] = np.mean(TARGET * frozen_output(case, moved) ** k).imag / 1e-20
    return numbers


def prediction(case):
    depth = len(case.gains)
    gains = general_gains([sp.nsimplify(b) for b in case.gains], (1,) * (depth - 1))
    terms = escape_expansion(depth, case.small, case.first_power, gains).terms
    at = values(case)
    numbers = [(None if t.coefficient is None else float(t.coefficient.subs(at)), t) for t in terms]
    return [(c, t.eps_power, t.log_power) for c, t in numbers if c is not None and t.origin is not Origin.LEADING]


LADDER = {r: top * np.array([4.0, 2.0, 1.0]) for r, top in {3: 1e-4, 4: 1e-4, 5: 4e-4, 6: 2e-3}.items()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_expansion_against_the_integrated_flow(case):
    """What is left after the predicted terms tends to a constant, like eps: three eps give its limit and its slope."""
    eps = LADDER[len(case.small)]
    predicted = sum(c * eps**p * np.log(1 / eps) ** j for c, p, j in prediction(case))
    left = np.array([residual(case, e) for e in eps]) - predicted
    first, second = np.abs(np.diff(left))
    # The remainder is O(eps) or smaller, so halving eps halves the step; 1e-6 is the rounding of the reference.
    assert second <= 0.52 * first + 1e-6
    # A logarithm whose coefficient is off by a percent would leave a step of that size behind.
    assert second <= 0.01 * max(abs(c) for c, _, j in prediction(case) if j) * np.log(2) + 1e-6
