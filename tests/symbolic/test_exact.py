"""Ring of exact constants: identities that hold are proved, what does not vanish is proved not to."""

import pytest
from flint import arb, fmpq
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolic import exact, exact_functions
from symbolic.exact import PI, Exact, UndecidedError, number
from symbolic.translate import exact_to_sympy

ONE = number(1)
HALF = fmpq(1, 2)


def root(n: int) -> Exact:
    return exact.power(number(n), HALF)


E = exact_functions.exponential(ONE)
INVERSE = exact.power(ONE + E, fmpq(-1))
SIN, COS = exact_functions.odd_function("sin", ONE), exact_functions.cosine(ONE)

VANISHING = {
    "roots": root(2) * root(3) * root(6) - number(6),
    "nested quotient": exact.power(ONE + root(2), fmpq(-1)) - root(2) + ONE,
    "partial fractions": E * INVERSE + INVERSE - ONE,
    "root of a sum": exact.power(ONE + E, HALF) * exact.power(ONE + E, HALF) - ONE - E,
    "root of a sum, lifted": (ONE + E) * exact.power(ONE + E, -HALF) - exact.power(ONE + E, HALF),
    "pythagoras": SIN * SIN + COS * COS - ONE,
    "pythagoras cubed": COS * COS * COS - COS + COS * SIN * SIN,
    "exp of log": exact_functions.exponential(exact_functions.logarithm(number(3)).scaled(HALF)) - root(3),
    "log of product": exact_functions.logarithm(number(6))
    - exact_functions.logarithm(number(2))
    - exact_functions.logarithm(number(3)),
    "log of exp": exact_functions.logarithm(exact_functions.exponential(PI).scaled(fmpq(4)))
    - PI
    - exact_functions.logarithm(number(2)).scaled(fmpq(2)),
    "sin of pi/2": exact_functions.odd_function("sin", PI.scaled(HALF)) - ONE,
    "cos of pi": exact_functions.cosine(PI) + ONE,
    "atan": exact_functions.odd_function("atan", number(-1)) + PI.scaled(fmpq(1, 4)),
    "odd": exact_functions.odd_function("erf", number(-2)) + exact_functions.odd_function("erf", number(2)),
    "pi powers": exact.power(PI, -HALF) * exact.power(PI, fmpq(3, 2)) - PI,
}


@pytest.mark.parametrize("name", VANISHING)
def test_identities_are_proved(name: str) -> None:
    assert exact.is_zero(VANISHING[name])


@pytest.mark.parametrize("name", VANISHING)
def test_a_perturbed_identity_is_refuted(name: str) -> None:
    assert not exact.is_zero(VANISHING[name] + number(fmpq(1, 10**60)))


def test_an_unknown_relation_is_refused_not_guessed() -> None:
    double_angle = exact_functions.odd_function("sin", number(2)) - (SIN * COS).scaled(fmpq(2))
    with pytest.raises(UndecidedError, match="proved zero or non-zero"):
        exact.is_zero(double_angle)


def test_a_logarithm_that_vanishes_is_never_named() -> None:
    # atan(tan 1) = 1 is an identity that the ring does not know, so that its logarithm must not pass for non-zero.
    one = exact_functions.odd_function("atan", SIN * exact.power(COS, -1))
    with pytest.raises(UndecidedError):
        exact_functions.logarithm(one)


def test_signs() -> None:
    assert exact.sign(PI - number(fmpq(22, 7))) == -1
    assert exact.sign(E - number(fmpq(27, 10))) == 1
    assert exact.sign(VANISHING["roots"]) == 0


def test_errors() -> None:
    with pytest.raises(ZeroDivisionError):
        exact.power(VANISHING["partial fractions"], fmpq(-1))
    with pytest.raises(ValueError, match="non-negative base"):
        exact.power(number(-2), HALF)
    with pytest.raises(ValueError, match="positive argument of log"):
        exact_functions.logarithm(number(-1))


def test_a_large_number_is_not_factored_to_the_end() -> None:
    huge = number(10**200 + 357) * number(10**150 + 67)
    assert exact.is_zero(exact.power(huge, HALF) * exact.power(huge, HALF) - huge)


GENERATORS = (ONE, PI, root(2), E, INVERSE, SIN, COS, exact_functions.logarithm(number(3)), exact.power(PI, -HALF))
rationals = st.fractions(min_value=-3, max_value=3, max_denominator=7).map(lambda f: fmpq(f.numerator, f.denominator))
elements = st.lists(st.tuples(st.sampled_from(GENERATORS), rationals), max_size=4).map(
    lambda parts: exact.total(generator.scaled(factor) for generator, factor in parts)
)


def value(element: Exact) -> arb:
    return exact.enclosure(element, 100)


@settings(max_examples=30, deadline=None)
@given(elements, elements, elements)
def test_the_ring_laws_and_the_values(a: Exact, b: Exact, c: Exact) -> None:
    assert exact.is_zero((a + b) * c - a * c - b * c)
    assert exact.is_zero((a * b) * c - a * (b * c))
    assert value(a * b).overlaps(value(a) * value(b))
    assert value(a + b).overlaps(value(a) + value(b))


@settings(max_examples=30, deadline=None)
@given(elements)
def test_sympy_agrees_with_the_enclosure(a: Exact) -> None:
    assert arb(str(exact_to_sympy(a).evalf(25))).overlaps(value(a) + arb(0, 1e-20))


@settings(max_examples=40, deadline=None)
@given(elements, st.integers(-3, 3))
def test_integer_powers(a: Exact, exponent: int) -> None:
    if exact.is_zero(a):
        return
    assert exact.is_zero(exact.power(a, exponent) * exact.power(a, -exponent) - ONE)
