from fractions import Fraction
from itertools import pairwise

import pytest
import sympy as sp

from symbolic.activations import activation
from symbolic.balance import MEAN_SCALE, balance_identity, balance_laws
from symbolic.certified_values import certified_value, network_constants
from symbolic.escape import EPS
from symbolic.expansion_series import imbalance_series
from symbolic.normal_form import make_bottleneck
from symbolic.rate import ALPHA, small_scale
from symbolic.reduced_gains import ntk_gains, symbolic_gains
from symbolic.symbolic_constants import moment_symbol, symbolic_constants, taylor_symbol

WIDTH = sp.Symbol("N", positive=True)


@pytest.mark.parametrize("depth,pair", [(2, 1), (3, 1), (3, 2), (4, 2)])
def test_the_exact_identity_for_an_undefined_activation(depth, pair):
    assert balance_identity(depth, pair) == 0


@pytest.mark.parametrize("depth,q", [(2, 3), (3, 2), (4, 3), (5, 2), (5, 3), (6, 5)])
def test_all_layers_small_the_law_of_the_theory(depth, q):
    for law in balance_laws(depth, None, q, ntk_gains(depth, WIDTH)):
        pair = law.pair
        power = depth - 1 - pair + q * (pair - 1)
        prefactor = -2 / sp.sqrt(WIDTH) * (q - 1) * taylor_symbol(q) * moment_symbol(q) * ALPHA**power
        scales = sp.prod(small_scale(m) ** (q if m <= pair else 1) for m in range(1, depth + 1))
        assert sp.simplify(law.rate - prefactor * scales) == 0
        assert sp.simplify(law.prefactor - prefactor) == 0
        assert law.exponent == depth + (q - 1) * pair
        c, growth = taylor_symbol(q) * moment_symbol(q) / (ALPHA * moment_symbol(1)), (q - 1) * pair + 2
        along = (
            -(q - 1) * c * ALPHA ** ((q - 1) * (pair - 1)) * sp.Rational(2, growth) * (MEAN_SCALE**growth - EPS**growth)
        )
        assert sp.simplify(law.along_flow - along) == 0


def test_the_printed_rate_is_the_first_pair_of_class_b_only():
    exponents = [law.exponent for law in balance_laws(5, None, 3)]
    assert exponents == [7, 9, 11, 13]
    assert [law.exponent for law in balance_laws(5, None, 2)] == [6, 7, 8, 9]


@pytest.mark.parametrize("small", [(1, 2, 4), (2, 4, 5), (3, 4), (5,)])
@pytest.mark.parametrize("q", [2, 3])
def test_bottleneck_exponents_count_the_small_layers_below(small, q):
    for law in balance_laws(5, small, q):
        below = sum(m <= law.pair for m in small)
        assert law.exponent == len(small) + (q - 1) * below


def test_class_a_conserves_every_imbalance():
    assert all(law.rate == 0 and law.exponent is None and law.along_flow == 0 for law in balance_laws(4, (2, 3), None))


@pytest.mark.parametrize("depth,q", [(4, 2), (5, 2), (5, 3)])
def test_the_first_pair_along_the_flow_against_the_series_of_the_normal_form(depth, q):
    """Delta_1 = Y^2 (exp 2 delta_2 - exp 2 delta_1), from the order-by-order solution, at its first order."""
    net, gains = make_bottleneck(depth), symbolic_gains(depth)
    constants = symbolic_constants(net, gains, q - 1, q)
    deltas = imbalance_series(net, constants, q - 1)
    difference = deltas[2] + -deltas[1]
    series = sum(
        2 * MEAN_SCALE**2 * constants.expression(c) * EPS**n * (MEAN_SCALE / EPS) ** p * sp.log(MEAN_SCALE / EPS) ** j
        for (n, p, j), c in difference.terms.items()
    )
    assert sp.simplify(series - balance_laws(depth, None, q, gains)[0].along_flow) == 0


# --- the prefactors against exact rational back-propagation on a finite data set

INPUTS = [Fraction(k, 5) for k in (-9, -4, -1, 2, 5, 11)]
TARGETS = [Fraction(k, 7) for k in (-5, -3, 1, 2, 4, 9)]
COEFFICIENTS = (Fraction(0), Fraction(9, 10), Fraction(3, 10), Fraction(-1, 5))


def s(z, coefficients):
    return sum(c * z**k for k, c in enumerate(coefficients))


def s_prime(z, coefficients):
    return sum(k * c * z ** (k - 1) for k, c in enumerate(coefficients) if k)


def weighted_gradient(scales, gains, coefficients, u, y):
    """X_l d/dX_l of (y - yhat/2) yhat for one sample."""
    z = [gains[0] * scales[0] * u]
    for b, x in zip(gains[1:], scales[1:], strict=True):
        z.append(b * x * s(z[-1], coefficients))
    back, result = y - z[-1], [Fraction(0)] * len(scales)
    for layer in range(len(scales) - 1, -1, -1):
        result[layer] = back * z[layer]
        if layer:
            back *= gains[layer] * scales[layer] * s_prime(z[layer - 1], coefficients)
    return result


def mean(values):
    return sum(values) / len(values)


def drift(scales, gains, coefficients):
    """dDelta_l/dt, mobility 1, exactly."""
    samples = [weighted_gradient(scales, gains, coefficients, u, y) for u, y in zip(INPUTS, TARGETS, strict=True)]
    total = [mean([sample[layer] for sample in samples]) for layer in range(len(scales))]
    return [2 * (b - a) for a, b in pairwise(total)]


def frozen(scales, gains, coefficients, u):
    """(g, [d g / d log xi_m]) for the given layers in front."""
    g, slopes = u, []
    for b, x in zip(gains, scales, strict=True):
        z = b * x * g
        slope = s_prime(z, coefficients)
        slopes = [slope * b * x * d for d in slopes] + [slope * z]
        g = s(z, coefficients)
    return g, slopes


@pytest.mark.parametrize(
    "small,coefficients",
    [((1, 2, 3, 4), COEFFICIENTS), ((2, 4), COEFFICIENTS), ((3, 4), (0, Fraction(4, 5), 0, Fraction(-1, 3)))],
)
def test_prefactors_against_exact_back_propagation(small, coefficients):
    depth, eps = 4, Fraction(1, 10**8)
    gains = (Fraction(5, 4), Fraction(2, 3), Fraction(1), Fraction(3))
    xi = (Fraction(3, 4), Fraction(5, 3), Fraction(1, 2), Fraction(1))
    scales = [eps if m in small else xi[m - 1] for m in range(1, depth + 1)]
    q = next(k for k, c in enumerate(coefficients) if k > 1 and c)
    before = small[0] - 1
    outputs = [frozen(xi[:before], gains[:before], coefficients, u) for u in INPUTS]
    numbers = {sp.Symbol("c2", positive=True): sp.Integer(1), ALPHA: coefficients[1]}
    numbers |= {taylor_symbol(k): c for k, c in enumerate(coefficients) if k > 1}
    numbers |= {sp.Symbol(f"b_{m}", positive=True): b for m, b in enumerate(gains, 1)}
    numbers |= {sp.Symbol(f"xi_{m}", positive=True): x for m, x in enumerate(xi, 1)}
    for k in (1, q):
        numbers[moment_symbol(k)] = mean([y * g**k for y, (g, _) in zip(TARGETS, outputs, strict=True)])
    for m in range(before):
        mark = tuple(int(j == m) for j in range(before))
        numbers[moment_symbol(1, mark)] = mean([y * d[m] for y, (_, d) in zip(TARGETS, outputs, strict=True)])
    exact = {
        key: sp.Rational(Fraction(value).numerator, Fraction(value).denominator)
        for key, value in numbers.items()
        if key != sp.Symbol("c2", positive=True)
    }
    exact[sp.Symbol("c2", positive=True)] = sp.Integer(1)
    for law, measured in zip(balance_laws(depth, small, q), drift(scales, gains, coefficients), strict=True):
        predicted = law.prefactor.subs(exact)
        ratio = measured / Fraction(int(predicted.p), int(predicted.q)) / eps**law.exponent
        # Exact arithmetic: what is left is the next order, O(eps) with a coefficient of order one.
        assert abs(ratio - 1) < 100 * eps, law.pair


def test_prefactors_as_certified_numbers():
    """tanh, L = 4, ntk: pair 1 has -(2/sqrt N) 2 a_3 M_3 = (4/3) M_3 / 8, M_3 = E[tanh(u) u^3]."""
    constants = network_constants(activation("tanh"), 4)
    laws = balance_laws(4, None, 3, ntk_gains(4, 64))
    value = certified_value(laws[0].prefactor, constants)
    third = certified_value(moment_symbol(3), constants)
    assert abs(Fraction(value.value) - Fraction(third.value) / 6) < Fraction(1, 10**28)
    with pytest.raises(ValueError, match="constant of the theory"):
        certified_value(sp.Symbol("omega"), constants)
    with pytest.raises(ValueError, match="homogeneous"):
        certified_value(ALPHA, network_constants(activation("relu"), 4))
    with pytest.raises(ValueError, match="sums, products"):
        certified_value(sp.sin(ALPHA), constants)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="pair"):
        balance_identity(3, 3)
    with pytest.raises(ValueError, match="4 gains"):
        balance_laws(4, gains=ntk_gains(3, 4))
