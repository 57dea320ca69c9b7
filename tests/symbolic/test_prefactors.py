"""K in every parameterisation, corrected and as printed (THEORY T3)."""

from fractions import Fraction

import mpmath
import pytest
import sympy

import symbolic


def tanh() -> symbolic.Activation:
    return symbolic.activation("tanh")


def test_the_formula_in_both_parameterisations() -> None:
    gelu = symbolic.activation("gelu")
    plain, ntk = (symbolic.prefactor(gelu, 4, 64, parameterisation) for parameterisation in ("plain", "ntk"))
    assert plain.closed_form == sympy.Rational(1, 16)
    assert ntk.closed_form == sympy.Rational(1, 128)
    assert float(ntk.radius) < 1e-30


def test_an_irrational_width() -> None:
    erf = symbolic.activation("erf")
    found = symbolic.prefactor(erf, 3, 10, beta=Fraction(1, 2))
    expected = 2 / sympy.sqrt(3 * sympy.pi) * (4 / sympy.pi) / sympy.sqrt(10) / 2
    assert sympy.simplify(found.closed_form - expected) == 0
    assert abs(float(found) - float(expected)) < 1e-16


def test_general_gains_reduce_to_the_named_ones() -> None:
    ntk = symbolic.prefactor(tanh(), 3, 64)
    gains = symbolic.prefactor(tanh(), 3, 64, gains=(1, "1/4", "1/2"))
    assert ntk.value == gains.value


def test_a_different_teacher() -> None:
    found = symbolic.prefactor(tanh(), 5, 16, teacher=symbolic.activation("sin"), beta=2)
    assert found.closed_form == sympy.exp(-sympy.Rational(1, 2)) / 2
    assert symbolic.prefactor(symbolic.activation("sin"), 5, 16, teacher=tanh()).closed_form is None


@pytest.mark.parametrize("slope", ["0", "1/10", "1/2", "1"])
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_leaky_relu_has_its_own_formula(slope: str, depth: int) -> None:
    a = sympy.Rational(slope)
    leaky = symbolic.activation("leaky_relu", slope=slope)
    assert symbolic.prefactor(leaky, depth, 64).closed_form == (1 + a**depth) / 16


def test_a_negative_slope_folds_back() -> None:
    # For u < 0: s(u) = |u|/3 is positive, and the second s leaves it alone.
    leaky = symbolic.activation("leaky_relu", slope="-1/3")
    ours = symbolic.prefactor(leaky, 3, 1)

    def s(z: float) -> float:
        return z if z > 0 else -z / 3

    reference = mpmath.quad(lambda u: s(u) * s(s(u)) * mpmath.npdf(u), [-12, -4, 0, 4, 12])
    assert abs(float(ours) - float(reference)) < 1e-12


def test_homogeneous_student_with_another_teacher() -> None:
    relu = symbolic.activation("relu")
    found = symbolic.prefactor(relu, 3, 4, teacher=tanh())
    # E[tanh(u) max(u, 0)] is half of E[u tanh u].
    assert abs(float(found) - float(symbolic.hermite(tanh())) / 4) < 1e-16


def test_as_printed_is_negative_for_tanh_and_twice_that_of_sin() -> None:
    printed = {name: symbolic.prefactor_as_printed(symbolic.activation(name), 4, 64) for name in ("tanh", "sin")}
    assert printed["tanh"].closed_form == -sympy.Rational(1, 12)
    assert printed["sin"].closed_form == -sympy.Rational(1, 24)
    corrected = {name: float(symbolic.prefactor(symbolic.activation(name), 4, 64)) for name in ("tanh", "sin")}
    assert 0 < corrected["tanh"] < corrected["sin"] < 1.01 * corrected["tanh"]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: symbolic.prefactor(tanh(), 0, 64), "depth of at least 1"),
        (lambda: symbolic.prefactor(tanh(), 3, 0), "width of at least 1"),
        (lambda: symbolic.prefactor(tanh(), 3, 64, "mup"), "'ntk' or 'plain'"),
        (lambda: symbolic.prefactor(tanh(), 3, 64, gains=(1, 1)), "one gain per layer"),
        (lambda: symbolic.prefactor(symbolic.activation("selu"), 3, 64), "derivative at 0"),
        (lambda: symbolic.prefactor_as_printed(symbolic.activation("linear"), 3, 64), "phi vanishes"),
        (lambda: symbolic.prefactor_as_printed(symbolic.activation("relu"), 3, 64), "smooth at 0"),
    ],
)
def test_errors(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
