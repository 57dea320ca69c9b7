"""Elementary functions of exact constants (``symbolic.exact``), simplified where the value is known."""

from __future__ import annotations

from flint import fmpq

from symbolic.exact import (
    PI,
    PI_MONOMIAL,
    Exact,
    Generator,
    Monomial,
    Rational,
    factors,
    is_zero,
    normalised,
    number,
    power,
    primitive_part,
    sign,
    total,
)


def exponential(argument: Exact) -> Exact:
    """exp(argument): exp(q log p) becomes a root, every other term a named constant to a rational power."""
    result = number(1)
    for monomial, coefficient in argument.terms.items():
        result = result * _exponential_of_term(monomial, coefficient)
    return result


def _exponential_of_term(monomial: Monomial, coefficient: Rational) -> Exact:
    if len(monomial) == 1 and monomial[0][0].kind == "log" and monomial[0][1] == 1:
        inner = monomial[0][0].argument
        assert inner is not None
        return power(inner, coefficient)
    unit = Exact({monomial: fmpq(1)})
    return normalised({Generator(f"exp({unit!r})", "exp", unit): coefficient})


def logarithm(argument: Exact) -> Exact:
    """log(argument) for a positive argument; raises ValueError otherwise."""
    if sign(argument) <= 0:
        raise ValueError(f"expected a positive argument of log, got {argument!r}")
    if len(argument.terms) != 1:
        if is_zero(argument - number(1)):
            return Exact()
        content, primitive = primitive_part(argument)
        return logarithm(number(content)) + _named("log", primitive)
    monomial, coefficient = next(iter(argument.terms.items()))
    parts = [_named("log", number(prime)).scaled(multiplicity) for prime, multiplicity in factors(coefficient)]
    for generator, exponent in monomial:
        parts.append(_logarithm_of_generator(generator).scaled(exponent))
    return total(parts)


def _logarithm_of_generator(generator: Generator) -> Exact:
    if generator.kind == "exp":
        assert generator.argument is not None
        return generator.argument
    if generator.kind == "prime":
        return _named("log", number(generator.prime))
    if generator.kind == "sum":
        assert generator.argument is not None
        return _named("log", generator.argument)
    value = Exact({Monomial((generator, fmpq(1))): fmpq(1)})
    # A negative named constant can only stand in an even power here, because the whole argument is positive.
    if is_zero(value - number(1)) or is_zero(value + number(1)):
        return Exact()
    return _named("log", value if sign(value) > 0 else -value)


def _named(kind: str, argument: Exact) -> Exact:
    return Exact({Monomial((Generator(f"{kind}({argument!r})", kind, argument), fmpq(1))): fmpq(1)})


def odd_function(kind: str, argument: Exact) -> Exact:
    """sin, atan, asin or erf of an element; odd, and non-zero off 0 (sin: off the multiples of pi)."""
    if is_zero(argument):
        return Exact()
    special = _sine_by_rule(argument) if kind == "sin" else _special_value(kind, argument)
    if special is not None:
        return special
    return _named(kind, argument) if sign(argument) > 0 else -_named(kind, -argument)


def cosine(argument: Exact) -> Exact:
    """cos of an element."""
    if is_zero(argument):
        return number(1)
    if _quarter_turns(argument):
        return odd_function("sin", argument + PI.scaled(fmpq(1, 2)))
    inverse = _inverse_inside(argument)
    if inverse is not None:
        kind, inner, _ = inverse
        squared = inner * inner
        return power(number(1) - squared, fmpq(1, 2)) if kind == "asin" else power(number(1) + squared, fmpq(-1, 2))
    return _named("cos", argument if sign(argument) > 0 else -argument)


def _quarter_turns(argument: Exact) -> int:
    """m when the argument is m pi/2 plus terms without pi, m an integer; else 0."""
    turns = 2 * argument.terms.get(PI_MONOMIAL, fmpq(0))
    return int(turns.p) if turns.q == 1 else 0


def _inverse_inside(argument: Exact) -> tuple[str, Exact, int] | None:
    """(function, x, sign) when the argument is +-asin(x) or +-atan(x)."""
    if len(argument.terms) != 1:
        return None
    monomial, coefficient = next(iter(argument.terms.items()))
    if len(monomial) == 1 and monomial[0][0].kind in ("asin", "atan") and monomial[0][1] == 1 and abs(coefficient) == 1:
        inner = monomial[0][0].argument
        assert inner is not None
        return monomial[0][0].kind, inner, int(coefficient.p)
    return None


def _sine_by_rule(argument: Exact) -> Exact | None:
    """sin where it is algebraic: quarter turns are taken off, sin(asin x) = x, sin(atan x) = x / sqrt(1 + x^2)."""
    turns = _quarter_turns(argument)
    if turns:
        rest = argument - PI.scaled(fmpq(turns, 2))
        return (odd_function("sin", rest), cosine(rest), -odd_function("sin", rest), -cosine(rest))[turns % 4]
    inverse = _inverse_inside(argument)
    if inverse is None:
        return None
    kind, inner, direction = inverse
    value = inner if kind == "asin" else inner * power(number(1) + inner * inner, fmpq(-1, 2))
    return value.scaled(fmpq(direction))


def _special_value(kind: str, argument: Exact) -> Exact | None:
    value = argument.rational()
    if kind == "atan" and value is not None and abs(value) == 1:
        return PI.scaled(value / 4)
    if kind == "asin" and value is not None and abs(value) == 1:
        return PI.scaled(value / 2)
    if kind == "asin" and value is not None and abs(value) == fmpq(1, 2):
        return PI.scaled(value / 3)
    return None
