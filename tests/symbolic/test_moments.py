"""Gaussian moments: enclosures against independent quadrature, closed forms inside them, tails truly bounded."""

from fractions import Fraction
from typing import Any

import mpmath
import pytest
import sympy
from flint import arb

import symbolic
from symbolic import trees
from symbolic.chains import Chain, _tail_bound
from symbolic.moments import checked

MP = mpmath.mp.clone()
MP.dps = 30
FINE = mpmath.mp.clone()
FINE.dps = 60


def sigmoid(z: Any) -> Any:
    return 1 / (1 + MP.exp(-z))


FUNCTIONS: dict[str, Any] = {
    "linear": lambda z: z,
    "relu": lambda z: max(z, 0),
    "leaky_relu": lambda z: z if z > 0 else z / 100,
    "abs": abs,
    "tanh": MP.tanh,
    "erf": MP.erf,
    "sin": MP.sin,
    "arctan": MP.atan,
    "asinh": MP.asinh,
    "sinh": MP.sinh,
    "softsign": lambda z: z / (1 + abs(z)),
    "gelu": lambda z: z * (1 + MP.erf(z / MP.sqrt(2))) / 2,
    "gelu_tanh": lambda z: z / 2 * (1 + MP.tanh(MP.sqrt(2 / MP.pi) * (z + MP.mpf("0.044715") * z**3))),
    "silu": lambda z: z * sigmoid(z),
    "swish": lambda z: z * sigmoid(z),
    "mish": lambda z: z * MP.tanh(MP.log(1 + MP.exp(z))),
    "sigmoid": sigmoid,
    "softplus": lambda z: MP.log(1 + MP.exp(z)),
    "elu": lambda z: z if z > 0 else MP.expm1(z),
    "celu": lambda z: z if z > 0 else MP.expm1(z),
    "selu": lambda z: (
        MP.mpf("1.0507009873554804934193349852946")
        * (z if z > 0 else MP.mpf("1.6732632423543772848170429916717") * MP.expm1(z))
    ),
    "hardtanh": lambda z: min(max(z, -1), 1),
    "hardswish": lambda z: z * min(max(z + 3, 0), 6) / 6,
    "squared_relu": lambda z: max(z, 0) ** 2,
    "quadratic": lambda z: z + z * z / 2,
    "cubic": lambda z: z - z**3 / 3,
    "snake": lambda z: z + MP.sin(z) ** 2,
    "gaussian": lambda z: MP.exp(-z * z),
    "cos": MP.cos,
    "logcosh": lambda z: MP.log(MP.cosh(z)),
}
# Cuts at every kink; beyond 11 the density is below 1e-26.
CUTS = [-11, -7, -3, -1, 0, 1, 3, 7, 11]


def quadrature(function: Any) -> Any:
    return MP.quad(lambda u: function(u) * MP.npdf(u), CUTS)


def assert_encloses(constant: symbolic.Constant, value: Any) -> None:
    # 1e-20: the quadrature's own truncation (at 11 for sinh) and rounding at 30 digits, far below any defect.
    assert abs(MP.mpf(constant.value) - value) <= MP.mpf(constant.radius) + MP.mpf(10) ** -20 * max(1, abs(value))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_hermite_coefficients_of_the_catalogue(name: str) -> None:
    h = symbolic.hermite(symbolic.activation(name))
    assert_encloses(h, quadrature(lambda u: u * FUNCTIONS[name](u)))
    assert float(h.radius) <= 1e-29 * max(1.0, abs(float(h)))


def test_every_member_is_covered() -> None:
    assert set(FUNCTIONS) == set(symbolic.catalogue())


@pytest.mark.parametrize("name", ["gelu", "elu", "hardswish", "softsign"])
@pytest.mark.parametrize("k, c", [(0, 1), (1, Fraction(3, 7)), (3, 1)])
def test_moments_and_other_scales(name: str, k: int, c: Fraction) -> None:
    activation, function = symbolic.activation(name), FUNCTIONS[name]
    if k == 1:
        assert_encloses(symbolic.hermite(activation, c), quadrature_at_kinks(function, k, MP.mpf(3) / 7))
    else:
        assert_encloses(symbolic.moment(activation, k), quadrature_at_kinks(function, k, MP.mpf(1)))


def quadrature_at_kinks(function: Any, k: int, c: Any) -> Any:
    cuts = sorted({*CUTS, *(x / c for x in (-3, -1, 1, 3))})
    return MP.quad(lambda u: u**k * function(c * u) * MP.npdf(u), cuts)


@pytest.mark.parametrize("name", symbolic.catalogue())
def test_closed_forms_lie_in_enclosures_of_50_digits(name: str) -> None:
    activation = symbolic.activation(name)
    for k in range(4):
        constant = symbolic.moment(activation, k, digits=50)
        if constant.closed_form is not None:
            value = FINE.mpf(str(constant.closed_form.evalf(60)))
            rounding = FINE.mpf(10) ** -55 * max(1, abs(value))  # of evalf to 60 digits
            assert abs(value - FINE.mpf(constant.value)) <= FINE.mpf(constant.radius) + rounding


KNOWN = {
    "linear": 1,
    "relu": sympy.Rational(1, 2),
    "erf": 2 / sympy.sqrt(3 * sympy.pi),
    "sin": sympy.exp(-sympy.Rational(1, 2)),
    "sinh": sympy.exp(sympy.Rational(1, 2)),
    "gelu": sympy.Rational(1, 2),
    "silu": sympy.Rational(1, 2),
    "softplus": sympy.Rational(1, 2),
    "hardtanh": sympy.erf(1 / sympy.sqrt(2)),
    "squared_relu": sympy.sqrt(2 / sympy.pi),
    "arctan": sympy.sqrt(sympy.pi * sympy.E / 2) * sympy.erfc(1 / sympy.sqrt(2)),
    "asinh": sympy.exp(sympy.Rational(1, 4)) * sympy.besselk(0, sympy.Rational(1, 4)) / sympy.sqrt(2 * sympy.pi),
    "cos": 0,
}


@pytest.mark.parametrize("name", KNOWN)
def test_closed_forms_that_the_program_finds(name: str) -> None:
    found = symbolic.hermite(symbolic.activation(name)).closed_form
    assert found is not None
    assert abs(sympy.N(found - KNOWN[name], 30, chop=True)) < 1e-25


def test_a_wrong_closed_form_is_noticed() -> None:
    wrong = symbolic.Constant(sympy.Rational(1, 2) + sympy.Rational(1, 10**20), "0.5" + "0" * 29, "1e-30")
    with pytest.raises(ArithmeticError, match="outside its certified enclosure"):
        checked(wrong, "wrong")


@pytest.mark.parametrize("name", ["tanh", "mish", "hardtanh", "elu"])
def test_more_digits_nest(name: str) -> None:
    activation = symbolic.activation(name)
    coarse, fine = (symbolic.hermite(activation, digits=digits) for digits in (10, 80))
    assert len(fine.value) > 80 > 20 > len(coarse.value)
    assert coarse.ball().overlaps(fine.ball(400)) and fine.ball(400).rad() < 1e-79


def test_double_factorials_and_cancellation() -> None:
    power = symbolic.activation_from_tree(trees.power(trees.Z, 20), "z^20")
    assert symbolic.moment(power, 20).closed_form == sympy.factorial2(39)
    mixed = symbolic.activation_from_tree(trees.add(trees.Z, trees.power(trees.Z, 50)), "z + z^50")
    # The two half-lines cancel from 1e32 to 1; the precision has to follow.
    assert abs(float(symbolic.hermite(mixed)) - 1) < 1e-29


def test_growth_is_respected() -> None:
    def exponential(rate: Fraction) -> symbolic.Activation:
        square = trees.mul(trees.rational(rate), trees.power(trees.Z, 2))
        return symbolic.activation_from_tree(trees.call("exp", square), "exp")

    assert symbolic.moment(exponential(Fraction(1, 4)), 0).closed_form == sympy.sqrt(2)
    for rate in (Fraction(1, 2), Fraction(1)):
        with pytest.raises(ValueError, match="may diverge"):
            symbolic.moment(exponential(rate), 0)


@pytest.mark.parametrize("tree", [trees.power(trees.Z, -1), trees.call("tan", trees.Z), trees.call("log", trees.Z)])
def test_singular_activations_are_refused(tree: Any) -> None:
    with pytest.raises(ValueError):
        symbolic.moment(symbolic.activation_from_tree(tree, "singular"), 0)


@pytest.mark.parametrize("k, digits", [(-1, 30), (1, 0), (1, 1001)])
def test_arguments_are_checked(k: int, digits: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        symbolic.moment(symbolic.activation("tanh"), k, digits=digits)


@pytest.mark.parametrize(
    "name, start", [("sinh", 3), ("gelu", 4), ("softplus", 3), ("cubic", 3), ("elu", 3), ("mish", 3)]
)
def test_the_tail_bound_is_above_the_tail(name: str, start: int) -> None:
    activation = symbolic.activation(name)
    for side in (1, -1):
        bound = _tail_bound((Chain.of((1, activation)), Chain((), 1)), side, arb(start))
        tail = MP.quad(lambda u: abs(u * FUNCTIONS[name](side * u)) * MP.npdf(u), [start, start + 2, start + 8])  # noqa: B023
        assert bound is not None
        assert 0 < tail < float(bound)
