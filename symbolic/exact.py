"""The exact constants in which Taylor coefficients are written.

An :class:`Exact` is a finite sum of rationals times products of named constants raised to rational powers. The named
constants are primes (for roots of rationals), pi, ``exp``, ``log``, ``sin``, ``cos``, ``atan``, ``asin`` and ``erf`` of
another ``Exact``, and non-integer or negative powers of a sum. Addition and multiplication are plain bookkeeping; an
element that is not the empty sum is *proved* non-zero by a ball that excludes zero, and proved zero by clearing the
powers of sums and using sin^2 + cos^2 = 1. Where neither succeeds the question is refused, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import flint
from flint import arb, fmpq, fmpz

Rational = Any  # flint.fmpq; python-flint ships no type that mypy could read here
Ball = Any  # flint.arb

ZERO_TEST_BITS = (128, 512, 4096)
FACTORED_COMPLETELY = 10**30
SMOOTH_BITS = 16


class UndecidedError(ValueError):
    """A constant that could be proved neither zero nor non-zero (nor its sign)."""


@dataclass(frozen=True)
class Generator:
    """A named constant. ``name`` identifies it; ``argument`` is what the function is applied to (empty for pi)."""

    name: str
    kind: str = field(compare=False)
    argument: Exact | None = field(compare=False, default=None)
    prime: int = field(compare=False, default=0)


class Monomial:
    """A product of named constants to non-zero rational powers, sorted by name; the hash is computed once."""

    __slots__ = ("_hash", "items")

    def __init__(self, *items: tuple[Generator, Rational]) -> None:
        self.items = items
        self._hash = hash(tuple((g.name, int(e.p), int(e.q)) for g, e in items))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Monomial) and self.items == other.items)

    def __iter__(self) -> Iterator[tuple[Generator, Rational]]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, position: int) -> tuple[Generator, Rational]:
        return self.items[position]


ONE = Monomial()
PI_GENERATOR = Generator("pi", "pi")


class Exact:
    """An immutable element of the ring of exact constants; build it with the functions of this module."""

    __slots__ = ("_text", "terms")

    def __init__(self, terms: Mapping[Monomial, Rational] | None = None) -> None:
        self.terms: dict[Monomial, Rational] = {m: c for m, c in (terms or {}).items() if c != 0}
        self._text: str | None = None

    def __repr__(self) -> str:
        if self._text is None:
            self._text = " + ".join(_term_text(m, c) for m, c in self.sorted_terms()) or "0"
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Exact) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(repr(self))

    def sorted_terms(self) -> list[tuple[Monomial, Rational]]:
        """Terms in a canonical order, so that equal elements print and hash alike."""
        return sorted(self.terms.items(), key=lambda item: monomial_text(item[0]))

    def __add__(self, other: Exact) -> Exact:
        total = dict(self.terms)
        for monomial, coefficient in other.terms.items():
            total[monomial] = total.get(monomial, fmpq(0)) + coefficient
        return Exact(total)

    def __neg__(self) -> Exact:
        return Exact({m: -c for m, c in self.terms.items()})

    def __sub__(self, other: Exact) -> Exact:
        return self + (-other)

    def __mul__(self, other: Exact) -> Exact:
        total: dict[Monomial, Rational] = {}
        for left, a in self.terms.items():
            for right, b in other.terms.items():
                for monomial, c in multiply_monomials(left, right).terms.items():
                    total[monomial] = total.get(monomial, fmpq(0)) + a * b * c
        return Exact(total)

    def scaled(self, factor: Rational) -> Exact:
        """The element times a rational."""
        return Exact({m: c * factor for m, c in self.terms.items()})

    def rational(self) -> Rational | None:
        """The value as a rational when the element is written as one, else None."""
        if not self.terms:
            return fmpq(0)
        if len(self.terms) == 1 and ONE in self.terms:
            return self.terms[ONE]
        return None


def number(value: Any) -> Exact:
    """The rational ``value`` (int or fmpq) as an element."""
    return Exact({ONE: fmpq(value)})


PI_MONOMIAL = Monomial((PI_GENERATOR, fmpq(1)))
PI = Exact({PI_MONOMIAL: fmpq(1)})


def monomial_text(monomial: Monomial) -> str:
    """Canonical text of a product of named constants."""
    return "*".join(f"{g.name}^({e})" for g, e in monomial)


def _term_text(monomial: Monomial, coefficient: Rational) -> str:
    return f"({coefficient})*{monomial_text(monomial)}" if monomial else f"({coefficient})"


def _floor(value: Rational) -> int:
    return int(value.p // value.q)


@lru_cache(maxsize=65536)
def multiply_monomials(left: Monomial, right: Monomial) -> Exact:
    """Product of two monomials, with integer powers of primes and of sums multiplied out."""
    if not left or not right:
        return Exact({left or right: fmpq(1)})
    return _combined(left, right)


def _combined(left: Monomial, right: Monomial) -> Exact:
    exponents: dict[Generator, Rational] = dict(left)
    for generator, exponent in right:
        exponents[generator] = exponents.get(generator, fmpq(0)) + exponent
    return normalised(exponents)


def normalised(exponents: Mapping[Generator, Rational]) -> Exact:
    """The product of named constants to rational powers, in normal form."""
    coefficient, rest, expand = fmpq(1), [], Exact({ONE: fmpq(1)})
    for generator, exponent in exponents.items():
        kept = exponent
        if generator.kind == "prime":
            whole = _floor(exponent)
            coefficient *= fmpq(generator.prime) ** whole
            kept = exponent - whole
        elif generator.kind == "sum" and exponent >= 1:
            whole = _floor(exponent)
            assert generator.argument is not None
            expand = expand * integer_power(generator.argument, whole)
            kept = exponent - whole
        if kept != 0:
            rest.append((generator, kept))
    monomial = Monomial(*sorted(rest, key=lambda item: item[0].name))
    product = _reduced(monomial).scaled(coefficient)
    return product if expand == number(1) else product * expand


def _reduced(monomial: Monomial) -> Exact:
    """Partial fractions for two-term sums: m S^-k = (S^(1-k) - c S^-k) / d where S = c + d m, c and d rational."""
    exponents = dict(monomial)
    for generator, exponent in monomial:
        if generator.kind != "sum" or exponent >= 0:
            continue
        assert generator.argument is not None
        terms = generator.argument.terms
        if len(terms) != 2 or ONE not in terms:
            continue
        factor = next(m for m in terms if m)
        if all(_divides(e, exponents.get(g, fmpq(0))) for g, e in factor):
            for g, e in factor:
                exponents[g] = exponents[g] - e
            lifted = {**exponents, generator: exponent + 1}
            return (normalised(lifted) - normalised(exponents).scaled(terms[ONE])).scaled(1 / terms[factor])
    return Exact({monomial: fmpq(1)})


def _divides(factor: Rational, whole: Rational) -> bool:
    return bool(whole >= factor) if factor > 0 else bool(whole <= factor)


def integer_power(base: Exact, exponent: int) -> Exact:
    """``base**exponent`` for exponent >= 0, by repeated squaring."""
    result, square = number(1), base
    while exponent:
        if exponent & 1:
            result = result * square
        square, exponent = square * square, exponent >> 1
    return result


def total(elements: Iterable[Exact]) -> Exact:
    """Sum of the elements."""
    result = Exact()
    for element in elements:
        result = result + element
    return result


# --- certified values -------------------------------------------------------------------------------------------------


def enclosure(element: Exact, bits: int = 128) -> Ball:
    """A ball that contains the element, computed with ``bits`` bits of working precision."""
    with flint.ctx.workprec(bits + 32):
        value = arb(0)
        for monomial, coefficient in element.terms.items():
            value += arb(coefficient) * _monomial_value(monomial, bits)
        return value


def _monomial_value(monomial: Monomial, bits: int) -> Ball:
    value = arb(1)
    for generator, exponent in monomial:
        base = _generator_value(generator, bits)
        value *= base ** int(exponent.p) if exponent.q == 1 else base ** arb(exponent)
    return value


def _generator_value(generator: Generator, bits: int) -> Ball:
    if generator.kind == "pi":
        return arb.pi()
    if generator.kind == "prime":
        return arb(generator.prime)
    assert generator.argument is not None
    argument = enclosure(generator.argument, bits)
    return argument if generator.kind == "sum" else getattr(argument, generator.kind)()


def is_zero(element: Exact) -> bool:
    """Decide exactly whether the element is zero.

    Raises UndecidedError (a ValueError) when neither a ball nor the algebraic relations decide.
    """
    if not element.terms:
        return True
    if len(element.terms) == 1 and not any(g.kind in ("sin", "cos") for g, _ in next(iter(element.terms))):
        return False  # the other named constants are non-zero by construction
    if not enclosure(element, ZERO_TEST_BITS[0]).contains(0):
        return False
    if not cleared(element).terms:
        return True
    for bits in ZERO_TEST_BITS[1:]:
        if not enclosure(element, bits).contains(0):
            return False
    raise UndecidedError(
        f"expected a constant that can be proved zero or non-zero, got {element!r}, which is zero to "
        f"{ZERO_TEST_BITS[-1]} bits without an identity that shows it: write the activation in a simpler form"
    )


def sign(element: Exact) -> int:
    """The sign (-1, 0, 1) of the element; raises UndecidedError when it cannot be decided."""
    if is_zero(element):
        return 0
    for bits in ZERO_TEST_BITS:
        ball = enclosure(element, bits)
        if not ball.contains(0):
            return 1 if ball > 0 else -1
    raise UndecidedError(
        f"the sign of {element!r} is not decided at {ZERO_TEST_BITS[-1]} bits: write it in a simpler form"
    )


def cleared(element: Exact) -> Exact:
    """The element times a non-zero constant, free of negative powers of sums and of even powers of cosines."""
    for _ in range(16):  # nested sums are cleared from the outside in; each pass removes one layer
        sums = {g for m in element.terms for g, e in m if g.kind == "sum" and e < 0}
        if not sums:
            break
        for generator in sorted(sums, key=lambda g: g.name):
            lowest = min((e for m in element.terms for g, e in m if g == generator), default=fmpq(0))
            if lowest < 0:
                lift = Monomial((generator, fmpq(-_floor(lowest))))
                element = total(_combined(m, lift).scaled(c) for m, c in element.terms.items())
    return total(_without_squared_cosines(m).scaled(c) for m, c in element.terms.items())


def _without_squared_cosines(monomial: Monomial) -> Exact:
    for position, (generator, exponent) in enumerate(monomial):
        if generator.kind == "cos" and exponent >= 2:
            assert generator.argument is not None
            lower = {g: e for other, (g, e) in enumerate(monomial) if other != position}
            if exponent > 2:
                lower[generator] = exponent - 2
            sine = Generator(f"sin({generator.argument!r})", "sin", generator.argument)
            replaced = Exact({ONE: fmpq(1), Monomial((sine, fmpq(2))): fmpq(-1)})
            product = normalised(lower) * replaced
            return total(_without_squared_cosines(m).scaled(c) for m, c in product.terms.items())
    return Exact({monomial: fmpq(1)})


# --- powers --------------------------------------------------------------------------------


def power(base: Exact, exponent: Rational) -> Exact:
    """``base**exponent`` for a rational exponent.

    Raises ZeroDivisionError for 0 to a negative power and ValueError for a fractional power of a negative number.
    """
    exponent = fmpq(exponent)
    if exponent.q == 1 and exponent >= 0:
        return integer_power(base, int(exponent.p))
    if is_zero(base):
        if exponent < 0:
            raise ZeroDivisionError("division by a constant that is zero")
        return Exact()
    if exponent.q != 1 and sign(base) < 0:
        raise ValueError(f"expected a non-negative base for the exponent {exponent}, got {base!r}")
    if len(base.terms) == 1:
        return _power_of_term(*next(iter(base.terms.items())), exponent)
    content, primitive = primitive_part(base)
    generator = Generator(f"({primitive!r})", "sum", primitive)
    return power(number(content), exponent) * normalised({generator: exponent})


def _power_of_term(monomial: Monomial, coefficient: Rational, exponent: Rational) -> Exact:
    exponents: dict[Generator, Rational] = {g: e * exponent for g, e in monomial}
    if exponent.q == 1:
        return normalised(exponents).scaled(coefficient ** int(exponent.p))
    result = normalised(exponents)
    for prime, multiplicity in factors(coefficient):
        result = result * normalised({Generator(f"{prime}", "prime", None, prime): multiplicity * exponent})
    return result


def factors(value: Rational) -> Iterator[tuple[int, Rational]]:
    """Primes and exponents of the absolute value of a non-zero rational."""
    for part, direction in ((fmpz(value.p), 1), (fmpz(value.q), -1)):
        # A full factorisation of a large number may not end: it keeps a composite cofactor, at the price that two of
        # its roots may not be recognised as related.
        small = abs(part) <= FACTORED_COMPLETELY
        for prime, multiplicity in part.factor() if small else part.factor_smooth(SMOOTH_BITS):
            yield int(prime), fmpq(direction * multiplicity)


def primitive_part(element: Exact) -> tuple[Rational, Exact]:
    """``element = content * primitive`` with content > 0 and the first coefficient of primitive equal to +-1."""
    first = abs(element.sorted_terms()[0][1])
    return first, element.scaled(1 / first)
