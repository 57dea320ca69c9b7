"""Truncated series in the initial scale eps, whose coefficients are Laurent polynomials in w and log w.

Near a saddle every quantity is a sum of eps^n w^p (log w)^j, where w = Y/eps >= 1 is the growth of the geometric mean
Y of the small layers. The coefficients live in any commutative ring with +, - and *: polynomials in symbols (exact
formulas) or balls (certified numbers). The ring enters through one function, `rational`, that embeds Fractions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import factorial
from typing import Any

Key = tuple[int, int, int]
"""(n, p, j): power of eps, power of w, power of log w."""
Coefficient = Any
"""An element of the coefficient ring."""


@dataclass(frozen=True)
class ScaleSeries:
    """sum of coefficient * eps^n w^p (log w)^j over `terms`, truncated after eps^order."""

    terms: Mapping[Key, Coefficient]
    order: int
    rational: Callable[[Fraction], Coefficient]

    def __add__(self, other: ScaleSeries) -> ScaleSeries:
        total = dict(self.terms)
        for key, value in other.terms.items():
            total[key] = total[key] + value if key in total else value
        return self._like(total)

    def __mul__(self, other: ScaleSeries) -> ScaleSeries:
        product: dict[Key, Coefficient] = {}
        for (n1, p1, j1), left in self.terms.items():
            for (n2, p2, j2), right in other.terms.items():
                if n1 + n2 <= self.order:
                    key = (n1 + n2, p1 + p2, j1 + j2)
                    value = left * right
                    product[key] = product[key] + value if key in product else value
        return self._like(product)

    def __neg__(self) -> ScaleSeries:
        return self.scaled(Fraction(-1))

    def scaled(self, factor: Fraction) -> ScaleSeries:
        """The series times a rational number."""
        return self.times(self.rational(factor))

    def times(self, factor: Coefficient) -> ScaleSeries:
        """The series times an element of the coefficient ring."""
        return self._like({key: factor * value for key, value in self.terms.items()})

    def shifted(self, power: int) -> ScaleSeries:
        """The series times Y^power = eps^power w^power."""
        return self._like({(n + power, p + power, j): c for (n, p, j), c in self.terms.items()})

    def exp(self) -> ScaleSeries:
        """exp of a series without a term of order eps^0 (ValueError otherwise)."""
        return self._compose(lambda k: Fraction(1, factorial(k)))

    def reciprocal_of_one_plus(self) -> ScaleSeries:
        """1/(1 + series) of a series without a term of order eps^0 (ValueError otherwise)."""
        return self._compose(lambda k: Fraction((-1) ** k))

    def relax(self, rate: int) -> ScaleSeries:
        """The solution of dx/d(log w) + rate * x = series with x = 0 at w = 1."""
        solution: dict[Key, Coefficient] = {}
        for (n, p, j), value in self.terms.items():
            for power, share in _primitive(p + rate, j).items():
                _accumulate(solution, (n, p, power), self.rational(share) * value)
        for (n, _, j), value in list(solution.items()):
            if j == 0:
                _accumulate(solution, (n, -rate, 0), self.rational(Fraction(-1)) * value)
        return self._like(solution)

    def at_order(self, n: int) -> ScaleSeries:
        """The part of order eps^n."""
        return self._like({key: value for key, value in self.terms.items() if key[0] == n})

    def _compose(self, taylor: Callable[[int], Fraction]) -> ScaleSeries:
        if any(n < 1 for n, _, _ in self.terms):
            raise ValueError("only a series that starts at order eps^1 can be substituted into a power series")
        total = power = one(self.order, self.rational)
        for k in range(1, self.order + 1):
            power = power * self
            if not power.terms:
                break
            total = total + power.scaled(taylor(k))
        return total

    def _like(self, terms: Mapping[Key, Coefficient]) -> ScaleSeries:
        kept = {key: value for key, value in terms.items() if key[0] <= self.order and not is_zero(value)}
        return ScaleSeries(kept, self.order, self.rational)


def is_zero(value: Coefficient) -> bool:
    """True iff the coefficient is certainly zero; a ball around zero that is not the point zero is kept."""
    return bool(value == 0)


def one(order: int, rational: Callable[[Fraction], Coefficient]) -> ScaleSeries:
    """The series 1."""
    return ScaleSeries({(0, 0, 0): rational(Fraction(1))}, order, rational)


def zero(order: int, rational: Callable[[Fraction], Coefficient]) -> ScaleSeries:
    """The series 0."""
    return ScaleSeries({}, order, rational)


def _primitive(rate: int, logs: int) -> dict[int, Fraction]:
    """P with (d/dv + rate) P(v) = v^logs as {power of v: coefficient}; the free constant is 0."""
    if rate == 0:
        return {logs + 1: Fraction(1, logs + 1)}
    result = {logs: Fraction(1, rate)}
    for power in range(logs, 0, -1):
        result[power - 1] = -Fraction(power, rate) * result[power]
    return result


def _accumulate(target: dict[Key, Coefficient], key: Key, value: Coefficient) -> None:
    target[key] = target[key] + value if key in target else value
