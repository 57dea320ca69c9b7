"""Truncated Laurent series with exact coefficients.

A series is stored the other way round from the usual: for each product of named constants (a monomial of
``symbolic.exact``) one FLINT polynomial over the rationals. A multiplication is then a handful of FLINT products
instead of n^2 products of constants, which is what makes order 40 cheap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isqrt
from typing import Any

from flint import fmpq, fmpq_poly

from symbolic import exact
from symbolic.exact import ONE, Exact, Monomial

Polynomial = Any  # flint.fmpq_poly
_ZERO = Exact()


class PowerSeries:
    """``t**shift * (sum_m m * p_m(t) + O(t**length))`` with monomials m and rational polynomials p_m."""

    __slots__ = ("length", "parts", "shift")

    def __init__(self, parts: Mapping[Monomial, Polynomial], length: int, shift: int = 0) -> None:
        self.parts = {m: p for m, p in parts.items() if p}
        self.length = length
        self.shift = shift

    @property
    def order(self) -> int:
        """First power of t that is not known."""
        return self.shift + self.length

    def coefficient(self, power: int) -> Exact:
        """Coefficient of ``t**power``; raises ValueError beyond the known order."""
        if power >= self.order:
            raise ValueError(f"expected a power below {self.order}, got {power}: expand to a higher order")
        index = power - self.shift
        if index < 0:
            return Exact()
        found = {m: p[index] for m, p in self.parts.items() if p[index] != 0}
        return Exact(found) if found else _ZERO

    def __neg__(self) -> PowerSeries:
        return PowerSeries({m: -p for m, p in self.parts.items()}, self.length, self.shift)

    def __add__(self, other: PowerSeries) -> PowerSeries:
        shift, order = min(self.shift, other.shift), min(self.order, other.order)
        length = max(order - shift, 0)
        parts: dict[Monomial, Polynomial] = {}
        for series in (self, other):
            for monomial, polynomial in series.parts.items():
                moved = polynomial.left_shift(series.shift - shift).truncate(length)
                parts[monomial] = parts[monomial] + moved if monomial in parts else moved
        return PowerSeries(parts, length, shift)

    def __sub__(self, other: PowerSeries) -> PowerSeries:
        return self + (-other)

    def stripped(self) -> PowerSeries:
        """The same series without the leading coefficients that are written as zero."""
        if not self.parts or any(p[0] != 0 for p in self.parts.values()):
            return self
        drop = min(next(k for k, c in enumerate(p.coeffs()) if c != 0) for p in self.parts.values())
        parts = {m: p.right_shift(drop) for m, p in self.parts.items()}
        return PowerSeries(parts, self.length - drop, self.shift + drop)

    def __mul__(self, other: PowerSeries) -> PowerSeries:
        if self.shift < 0 or other.shift < 0:
            # A pole costs fewer known terms when the zero that cancels it is factored out first.
            self, other = self.stripped(), other.stripped()
        length = min(self.length, other.length)
        parts: dict[Monomial, Polynomial] = {}
        for left, p in self.parts.items():
            for right, q in other.parts.items():
                product = p.mul_low(q, length)
                for monomial, c in exact.multiply_monomials(left, right).terms.items():
                    term = product if c == 1 else product * c
                    parts[monomial] = parts[monomial] + term if monomial in parts else term
        return PowerSeries(parts, length, self.shift + other.shift)

    def times(self, constant: Exact) -> PowerSeries:
        """The series times a constant."""
        return self * constant_series(constant, self.length)

    def scaled_variable(self, factor: Exact) -> PowerSeries:
        """The series at ``factor * t`` (shift 0 only)."""
        coefficients, scale = [], exact.number(1)
        for power in range(self.length):
            coefficients.append(self.coefficient(power) * scale)
            scale = scale * factor
        return from_coefficients(coefficients)

    def normalised(self) -> PowerSeries:
        """The same series with a non-zero first coefficient; a series that vanishes to its order has length 0.

        Raises ValueError when a coefficient can be proved neither zero nor non-zero.
        """
        drop = 0
        while drop < self.length and exact.is_zero(self.coefficient(self.shift + drop)):
            drop += 1
        parts = {m: p.right_shift(drop) for m, p in self.parts.items()} if drop < self.length else {}
        return PowerSeries(parts, self.length - drop, self.shift + drop)

    def derivative(self) -> PowerSeries:
        """d/dt of the series."""
        return PowerSeries(
            {m: _weighted(p, self.shift) for m, p in self.parts.items()}, self.length, self.shift - 1
        ).without_negative_zero()

    def without_negative_zero(self) -> PowerSeries:
        """Drop a first coefficient that differentiation has made exactly zero."""
        if self.length == 0 or any(p[0] != 0 for p in self.parts.values()):
            return self
        return PowerSeries({m: p.right_shift(1) for m, p in self.parts.items()}, self.length - 1, self.shift + 1)

    def starting_at(self, shift: int) -> PowerSeries:
        """The same series written with a smaller shift."""
        if shift > self.shift:
            raise ValueError(f"expected a shift of at most {self.shift}, got {shift}")
        parts = {m: p.left_shift(self.shift - shift) for m, p in self.parts.items()}
        return PowerSeries(parts, self.order - shift, shift)


def _weighted(polynomial: Polynomial, shift: int) -> Polynomial:
    return fmpq_poly([(k + shift) * c for k, c in enumerate(polynomial.coeffs())])


def constant_series(value: Exact, length: int) -> PowerSeries:
    """The constant ``value`` known to ``length`` powers."""
    return PowerSeries({m: fmpq_poly([c]) for m, c in value.terms.items()}, length)


def variable(length: int, sign: int = 1) -> PowerSeries:
    """``sign * t`` to ``length`` powers."""
    return PowerSeries({ONE: fmpq_poly([0, sign])}, length)


def from_coefficients(coefficients: Sequence[Exact]) -> PowerSeries:
    """The series with the given coefficients of 1, t, t^2, ..."""
    columns: dict[Monomial, list[Any]] = {}
    for power, coefficient in enumerate(coefficients):
        for monomial, value in coefficient.terms.items():
            columns.setdefault(monomial, [fmpq(0)] * len(coefficients))[power] = value
    return PowerSeries({m: fmpq_poly(column) for m, column in columns.items()}, len(coefficients))


def from_rationals(coefficients: Iterable[Any]) -> PowerSeries:
    """The series with the given rational coefficients."""
    listed = list(coefficients)
    return PowerSeries({ONE: fmpq_poly(listed)}, len(listed))


def compose(outer: PowerSeries, inner: PowerSeries) -> PowerSeries:
    """``outer(inner(t))`` for an outer series of shift 0 and an inner one without constant term."""
    inner = inner.starting_at(0) if inner.shift > 0 else inner
    order = min(inner.order, outer.length)
    if len(inner.parts) == 1:
        (monomial, polynomial), *_ = inner.parts.items()
        if polynomial.degree() == 1 and monomial == ONE:
            # t -> q t with rational q (mostly 1), polynomial by polynomial.
            return PowerSeries({m: p(polynomial).truncate(order) for m, p in outer.parts.items()}, order)
        if polynomial.degree() == 1:
            scaled = outer.scaled_variable(Exact({monomial: polynomial[1]}))
            return PowerSeries({m: p.truncate(order) for m, p in scaled.parts.items()}, order)
    return _in_giant_steps(outer, inner, order)


def _in_giant_steps(outer: PowerSeries, inner: PowerSeries, order: int) -> PowerSeries:
    """Brent and Kung: about 2 sqrt(n) products of series instead of the n of Horner's rule."""
    width = max(isqrt(order), 1)
    powers = [constant_series(exact.number(1), order)]
    for _ in range(width):
        powers.append(powers[-1] * inner)
    result = constant_series(Exact(), order)
    for start in reversed(range(0, order, width)):
        if result.parts:
            result = result * powers[width]
        result = result + _combination(outer, powers, start, min(start + width, order), order)
    return result


def _combination(outer: PowerSeries, powers: Sequence[PowerSeries], start: int, stop: int, order: int) -> PowerSeries:
    """The sum of outer's coefficient of w^k times powers[k - start] for start <= k < stop."""
    parts: dict[Monomial, Polynomial] = {}
    for left, coefficients in outer.parts.items():
        for k in range(start, stop):
            factor = coefficients[k]
            if factor == 0:
                continue
            for right, polynomial in powers[k - start].parts.items():
                for monomial, c in exact.multiply_monomials(left, right).terms.items():
                    term = polynomial * (factor * c)
                    parts[monomial] = parts[monomial] + term if monomial in parts else term
    return PowerSeries(parts, order)


def reciprocal(series: PowerSeries) -> PowerSeries:
    """1 / series, with a pole where the series vanishes; raises ZeroDivisionError when it vanishes to its order."""
    return rational_power(series, fmpq(-1))


def rational_power(series: PowerSeries, exponent: Any) -> PowerSeries:
    """``series**exponent`` for a rational exponent, t > 0.

    Raises ZeroDivisionError for a negative power of a series that vanishes to its order, ValueError when the result is
    no Laurent series with real coefficients.
    """
    exponent = fmpq(exponent)
    if exponent.q == 1 and exponent >= 0:
        return _integer_power(series, int(exponent.p))
    base = series.normalised()
    if base.length == 0:
        raise ZeroDivisionError(f"the power {exponent} of an expression that vanishes to order {base.order}")
    shift = base.shift * exponent
    if shift.q != 1:
        raise ValueError(f"t^({shift}) is not an integer power of t")
    leading = base.coefficient(base.shift)
    unit = PowerSeries(base.parts, base.length).times(exact.power(leading, fmpq(-1)))
    tail = unit - constant_series(exact.number(1), unit.length)
    tail = PowerSeries({m: p.truncate(unit.length) for m, p in tail.parts.items()}, unit.length)
    grown = compose(_binomial(exponent, unit.length), _without_constant(tail)).times(exact.power(leading, exponent))
    return PowerSeries(grown.parts, grown.length, int(shift.p))


def _without_constant(series: PowerSeries) -> PowerSeries:
    """Remove the constant coefficient, which the caller knows to be zero although it may not be written as zero."""
    parts = {m: p - fmpq_poly([p[0]]) for m, p in series.parts.items()}
    return PowerSeries(parts, series.length, series.shift)


def _binomial(exponent: Any, length: int) -> PowerSeries:
    coefficients, value = [], fmpq(1)
    for k in range(length):
        coefficients.append(value)
        value = value * (exponent - k) / (k + 1)
    return from_rationals(coefficients)


def _integer_power(series: PowerSeries, exponent: int) -> PowerSeries:
    result = constant_series(exact.number(1), max(series.length, 1))
    square = series
    while exponent:
        if exponent & 1:
            result = result * square
        exponent >>= 1
        if exponent:
            square = square * square
    return result
