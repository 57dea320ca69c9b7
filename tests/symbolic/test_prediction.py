from fractions import Fraction
from math import comb

import mpmath
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolic.activations import activation
from symbolic.correction import Origin, escape_expansion
from symbolic.escape import Regime
from symbolic.prediction import predict_escape
from symbolic.prefactors import prefactor
from symbolic.rate import ALPHA, layer_scales
from symbolic.reduced_gains import general_gains, plain_gains
from symbolic.symbolic_constants import taylor_symbol

MP = mpmath.mp.clone()
MP.dps = 25

FUNCTIONS = {
    "tanh": MP.tanh,
    "erf": MP.erf,
    "gelu": lambda z: z * (1 + MP.erf(z / MP.sqrt(2))) / 2,
    "silu": lambda z: z / (1 + MP.exp(-z)),
    "sin": MP.sin,
}


def expectation(f):
    """E[f(u)] by the trapezoid rule, exponentially accurate for functions analytic near the real line."""
    step = MP.mpf(1) / 5
    return step * MP.fsum(f(k * step) * MP.exp(-((k * step) ** 2) / 2) for k in range(-46, 47)) / MP.sqrt(2 * MP.pi)


def chain_moment(s, teacher, gains, scales, k):
    """E[y g^k] for the frozen layers with the given scales."""

    def integrand(u):
        g = u
        for b, xi in zip(gains, scales, strict=False):
            g = s(b * xi * g)
        return teacher(u) * g**k

    return expectation(integrand)


def log_derivative(f, orders):
    """Central differences of f(eta) in several variables, error step^2, for orders 0, 1, 2 in each."""
    step = MP.mpf(10) ** -6
    total, points = MP.mpf(0), [(MP.mpf(1), ())]
    for order in orders:
        points = [
            (w * (-1) ** j * comb(order, j), (*at, (MP.mpf(order) / 2 - j) * step))
            for w, at in points
            for j in range(order + 1)
        ]
    for weight, at in points:
        total += weight * f(at)
    return total / step ** sum(orders)


CASES = [
    ("tanh", "tanh", 4, (1, 2, 3, 4), (1, 1, 1, 1), "ntk"),
    ("gelu", "gelu", 4, (1, 2, 3, 4), (1, 1, 1, 1), "plain"),
    ("silu", "tanh", 4, (2, 3, 4), ("3/2", 1, 1, 1), "plain"),
    ("gelu", "erf", 6, (3, 4, 5, 6), ("3/4", "5/4", 1, 1, 1, 1), "ntk"),
    ("erf", "sin", 7, (2, 3, 4, 5, 6, 7), ("2/3", 1, 1, 1, 1, 1, 1), "general"),
]
WIDTH = 7


def parameterised(kind, depth):
    if kind == "general":
        return general_gains([sp.Rational(4, 3), *[1] * (depth - 1)], [WIDTH] * (depth - 1))
    return kind


@pytest.mark.parametrize("name,teacher,depth,small,scales,kind", CASES)
def test_every_certified_coefficient_against_the_symbolic_expansion(name, teacher, depth, small, scales, kind):
    """Numbers for a_k from mpmath's Taylor series and for M_k and its derivatives from quadrature and differences."""
    s, t = FUNCTIONS[name], FUNCTIONS[teacher]
    prediction = predict_escape(
        activation(name), depth, small, "0.01", WIDTH, parameterised(kind, depth), scales, activation(teacher)
    )
    gains = parameterised(kind, depth)
    if isinstance(gains, str):
        gains = plain_gains(depth, WIDTH) if gains == "plain" else general_gains_of_ntk(depth)
    numbers, coefficients = {}, MP.taylor(s, 0, 8)
    numbers[ALPHA] = coefficients[1]
    numbers |= {taylor_symbol(k): coefficients[k] for k in range(2, 9)}
    xi = [MP.mpf(Fraction(x).numerator) / Fraction(x).denominator for x in scales]
    numbers |= dict(zip(layer_scales(depth), xi, strict=True))
    before = small[0] - 1
    b = [MP.mpf(str(sp.N(g, 25))) for g in gains.gains]

    def value(symbol):
        k, *orders = (int(part) for part in symbol.name.split("_")[1:])
        orders = orders or [0] * before

        def at(eta):
            return chain_moment(s, t, b[:before], [x * MP.exp(e) for x, e in zip(xi, eta, strict=False)], k)

        return log_derivative(at, orders)

    expected = escape_expansion(depth, small, 2, gains)
    for term in prediction.terms:
        if term.coefficient is None:
            continue
        formula = next(
            t
            for t in expected.terms
            if (t.eps_power, t.log_power, t.origin) == (term.eps_power, term.log_power, term.origin)
        ).coefficient
        free = sp.sympify(formula).free_symbols
        numbers |= {m: value(m) for m in free if m.name.startswith("M_") and m not in numbers}
        reference = sp.N(sp.sympify(formula).subs({k: sp.Float(str(v), 25) for k, v in numbers.items()}), 20)
        # Differences with step 1e-6 at 25 digits keep about 12 digits of first and second derivatives.
        assert abs(reference - sp.Float(term.coefficient.value, 25)) < 1e-9 * max(1, abs(reference)) + float(
            term.coefficient.radius
        ), (term, reference)


def general_gains_of_ntk(depth):
    """Gains 1 up to the last; the last one and the mobility do not enter the coefficients of K_eff t."""
    return general_gains([1] * depth, [1] * (depth - 1))


def test_the_number_of_the_theory_and_its_enclosure():
    prediction = predict_escape(activation("tanh"), 4)
    logarithm = next(t for t in prediction.terms if t.log_power == 1)
    assert abs(Fraction(logarithm.coefficient.value) - Fraction("1.199857959")) < Fraction(1, 10**9)
    assert float(logarithm.coefficient.radius) < 1e-28
    assert logarithm.origin is Origin.NONLINEARITY


@pytest.mark.parametrize("kind", ["ntk", "plain"])
@pytest.mark.parametrize("name", ["linear", "relu", "leaky_relu", "tanh", "erf", "gelu", "quadratic"])
def test_the_rate_of_all_small_layers_is_the_prefactor(name, kind):
    rate = predict_escape(activation(name), 3, None, "0.01", 64, kind).K_eff
    reference = prefactor(activation(name), 3, 64, kind)
    assert abs(Fraction(rate.value) - Fraction(reference.value)) <= Fraction(rate.radius) + Fraction(reference.radius)
    if rate.closed_form is not None and reference.closed_form is not None:
        assert sp.simplify(rate.closed_form - reference.closed_form) == 0


def test_leaky_relu_has_its_own_rate():
    """K = (1 + a^L) / (2 sqrt N) for the teacher leaky ReLU."""
    rate = predict_escape(activation("leaky_relu", slope="1/10"), 4, width=64).K_eff
    assert abs(Fraction(rate.value) - (1 + Fraction(1, 10**4)) / 16) <= Fraction(rate.radius)


@settings(deadline=None, max_examples=12)
@given(st.data())
def test_the_exponent_is_independent_of_placement_and_activation(data):
    depth = data.draw(st.integers(1, 5))
    small = sorted(data.draw(st.sets(st.integers(1, depth), min_size=1)))
    name = data.draw(st.sampled_from(["linear", "tanh", "gelu", "leaky_relu"]))
    prediction = predict_escape(activation(name), depth, small, "0.001", digits=12)
    r = len(small)
    assert prediction.exponent == -max(r - 2, 0)
    assert prediction.logarithm == (r == 2) == (prediction.regime is Regime.LOGARITHM)
    assert (prediction.time is None) == (r <= 2)
    assert sum(term.coefficient is None for term in prediction.terms) == 1


def test_the_time_is_the_sum_of_the_terms_over_the_rate():
    prediction = predict_escape(activation("gelu"), 5, eps="0.02", threshold="0.1")
    total = sum(Fraction(term.value.value) for term in prediction.terms)
    assert abs(total / Fraction(prediction.K_eff.value) / Fraction(prediction.time.value) - 1) < Fraction(1, 10**25)


def test_a_threshold_gives_the_time_of_the_bare_clock_for_a_linear_net():
    """Linear, all layers small: K t is exactly int_eps^theta y^{1-r} dy as long as yhat is small."""
    for r, expected in ((1, "0.09"), (2, None), (3, "90"), (4, "4950")):
        prediction = predict_escape(activation("linear"), r, eps="0.01", threshold="0.1", parameterisation="plain")
        value = Fraction(prediction.time.value)
        reference = Fraction(expected) if expected else Fraction(str(sp.N(sp.log(10), 30)))
        assert abs(value - reference) < Fraction(1, 10**20)


def test_the_remainder_knows_that_tanh_is_odd():
    assert predict_escape(activation("tanh"), 4).remainder_power == 2
    assert predict_escape(activation("gelu"), 4).remainder_power == 1


@pytest.mark.parametrize(
    "change,message",
    [
        ({"activation": activation("sigmoid")}, "class D"),
        ({"activation": activation("softsign")}, "outside"),
        ({"teacher": activation("cos")}, "positive alignment"),
        ({"beta": -1}, "positive alignment"),
        ({"eps": 0}, "eps must be positive"),
        ({"scales": [1, 1]}, "one scale per layer"),
        ({"scales": [1, 0, 1]}, "scale must be positive"),
        ({"width": 0}, "width"),
        ({"parameterisation": "mup"}, "'ntk' or 'plain'"),
        ({"small": [7]}, "small layers"),
    ],
)
def test_broken_hypotheses_and_arguments_are_named(change, message):
    arguments = {"activation": activation("tanh"), "depth": 3, "small": [1, 2], **change}
    with pytest.raises(ValueError, match=message):
        predict_escape(**arguments)
