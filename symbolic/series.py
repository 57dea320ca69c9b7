"""Exact expansions at 0: Taylor coefficients of s and of phi(z) = z s'(z) - s(z), two-sided and one-sided.

Source: THEORY section 0 (phi_s = sum_k (k-1) a_k z^k) and T2. Never ``sympy.series``: every coefficient comes from
exact power-series arithmetic (``symbolic.power_series``); SymPy objects are made only for the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flint import fmpq

from symbolic import elementary, exact, exact_functions
from symbolic.activations import Activation
from symbolic.exact import PI, Exact, UndecidedError
from symbolic.power_series import PowerSeries, constant_series, rational_power, variable
from symbolic.trees import Tree

if TYPE_CHECKING:
    import sympy

LARGEST_ORDER = 2000
SIGN_ORDER = 120  # an argument of sign, heaviside or a condition that vanishes to this order is taken to be zero


class NoExpansionError(ValueError):
    """A function without a one-sided Taylor expansion at 0: a pole, a root or a logarithm there, or no real values."""


@dataclass(frozen=True)
class Expansions:
    """Coefficients of 1, t, ..., t^order of s(t) and of s(-t), t > 0, and whether a kink lies at 0."""

    right: tuple[Exact, ...]
    left: tuple[Exact, ...]
    kinked: bool

    @property
    def smooth(self) -> bool:
        """Whether both sides are one Taylor series up to the order of the expansion."""
        return self.first_mismatch() is None

    def first_mismatch(self) -> int | None:
        """The lowest power at which the two one-sided expansions are not one function, or None."""
        if not self.kinked:
            return None
        for power, (above, below) in enumerate(zip(self.right, self.left, strict=True)):
            mirrored = below if power % 2 == 0 else -below
            if not exact.is_zero(above - mirrored):
                return power
        return None


class _MoreTermsError(Exception):
    """Asks for an expansion with more terms."""


class _Expander:
    """Evaluates an elementary tree as a series in t > 0 with z = side * t."""

    def __init__(self, side: int, length: int) -> None:
        self.side, self.length = side, length
        self.kinked = False
        self._done: dict[Tree, PowerSeries] = {}

    def series(self, tree: Tree) -> PowerSeries:
        if tree not in self._done:
            self._done[tree] = getattr(self, f"_{tree[0]}")(tree)
        return self._done[tree]

    def constant(self, value: Exact) -> PowerSeries:
        return constant_series(value, self.length)

    def _z(self, _tree: Tree) -> PowerSeries:
        return variable(self.length, self.side)

    def _rational(self, tree: Tree) -> PowerSeries:
        return self.constant(exact.number(fmpq(tree[1], tree[2])))

    def _constant(self, tree: Tree) -> PowerSeries:
        return self.constant(PI if tree[1] == "pi" else exact_functions.exponential(exact.number(1)))

    def _add(self, tree: Tree) -> PowerSeries:
        result = self.series(tree[1])
        for term in tree[2:]:
            result = result + self.series(term)
        return result

    def _mul(self, tree: Tree) -> PowerSeries:
        result = self.series(tree[1])
        for factor in tree[2:]:
            result = result * self.series(factor)
        return result

    def _pow(self, tree: Tree) -> PowerSeries:
        base, exponent = tree[1], tree[2]
        if exponent[0] == "rational":
            return self._power(base, fmpq(exponent[1], exponent[2]))
        if base == ("constant", "e"):
            return elementary.exp(self.series(exponent))
        grown = self.series(exponent)
        value = self._as_rational(grown)
        if value is not None:
            return self._power(base, value)
        return elementary.exp(grown * elementary.log(self.series(base)))

    def _power(self, base: Tree, exponent: Any) -> PowerSeries:
        series = self.series(base)
        if exponent.q != 1 and series.normalised().shift != 0:
            self.kinked = True  # the root of t^2 is |z|, not z
        return rational_power(series, exponent)

    def _as_rational(self, series: PowerSeries) -> Any:
        """The value of a series that is written as a rational constant, else None."""
        if series.shift != 0 or any(p.degree() > 0 for p in series.parts.values()):
            return None
        return series.coefficient(0).rational()

    def _call(self, tree: Tree) -> PowerSeries:
        name, arguments = tree[1], [self.series(argument) for argument in tree[2:]]
        if name in ("max", "min"):
            return self._extremum(arguments, 1 if name == "max" else -1)
        if name == "abs":
            return arguments[0] if self._sign(arguments[0]) >= 0 else -arguments[0]
        if name == "sign":
            return self.constant(exact.number(self._sure_sign(arguments[0])))
        if name == "heaviside":
            return self.constant(exact.number(fmpq(1 + self._sure_sign(arguments[0]), 2)))
        return elementary.FUNCTIONS[name](arguments[0])

    def _extremum(self, arguments: list[PowerSeries], direction: int) -> PowerSeries:
        best = arguments[0]
        for candidate in arguments[1:]:
            if direction * self._sign(candidate - best) > 0:
                best = candidate
        return best

    def _piecewise(self, tree: Tree) -> PowerSeries:
        for condition, value in tree[1:]:
            if condition[0] == "true":
                return self.series(value)
            gap = self._sure_sign(self.series(condition[2]) - self.series(condition[1]))
            if gap > 0 or (gap == 0 and condition[0] == "less_equal"):
                return self.series(value)
        raise ValueError("a piecewise function that is not defined on this side of 0")

    def _sure_sign(self, series: PowerSeries) -> int:
        """The sign where a vanishing argument would pick another branch, so that 0 needs many vanishing terms."""
        sign = self._sign(series)
        if sign == 0 and series.order < SIGN_ORDER:
            raise _MoreTermsError(SIGN_ORDER - series.order)
        return sign

    def _sign(self, series: PowerSeries) -> int:
        """Sign of the series for small t > 0; notes a kink when the argument vanishes at 0."""
        lowest = series.normalised()
        if lowest.length == 0:
            return 0
        if lowest.shift != 0:
            self.kinked = True
        return exact.sign(lowest.coefficient(lowest.shift))


def _one_side(tree: Tree, side: int, order: int) -> tuple[tuple[Exact, ...], bool]:
    """Coefficients of 1 ... t^order on one side, with more working terms where quotients lose some."""
    extra = 0
    while True:
        expander = _Expander(side, order + 1 + extra)
        try:
            result = expander.series(tree)
        except UndecidedError:
            raise
        except _MoreTermsError as more:
            extra += more.args[0]
            continue
        except (ValueError, ZeroDivisionError) as error:
            raise NoExpansionError(f"no expansion at 0: {error}") from error
        if result.shift < 0:
            result = result.normalised()
            if result.shift < 0 and result.length > 0:
                raise NoExpansionError(f"no expansion at 0: a pole of order {-result.shift}")
        if result.order > order:
            return tuple(result.coefficient(power) for power in range(order + 1)), expander.kinked
        extra += order + 1 - result.order
        if extra > 4 * order + SIGN_ORDER:
            raise NoExpansionError(
                "no expansion at 0: too many terms cancel in a quotient, write the activation in a simpler form"
            )


@lru_cache(maxsize=512)
def expansions(tree: Tree, order: int) -> Expansions:
    """Both one-sided expansions of an elementary tree at 0.

    Raises NoExpansionError (a ValueError) when a side has no Taylor expansion, ValueError for an order outside
    0 ... 2000.
    """
    if not 0 <= order <= LARGEST_ORDER:
        raise ValueError(f"expected an order between 0 and {LARGEST_ORDER}, got {order}")
    right, kinked = _one_side(tree, 1, order)
    if not kinked:
        return Expansions(right, tuple(-c if k % 2 and c.terms else c for k, c in enumerate(right)), False)
    left, _ = _one_side(tree, -1, order)
    return Expansions(right, left, True)


def exact_taylor(activation: Activation, order: int) -> tuple[Exact, ...]:
    """Taylor coefficients of s at 0 as exact constants; see :func:`taylor`."""
    both = expansions(activation.elementary, order)
    mismatch = both.first_mismatch()
    if mismatch is not None:
        raise ValueError(
            f"expected an activation that is smooth at 0, got {activation.name}, whose one-sided expansions differ at "
            f"order {mismatch}: use one_sided_taylor"
        )
    return both.right


def taylor(activation: Activation, order: int) -> tuple[sympy.Expr, ...]:
    """Taylor coefficients (a_0, ..., a_order) of s at 0, exact.

    Raises ValueError for an activation that is not smooth at 0. Source: THEORY section 0.
    """
    from symbolic.translate import exact_to_sympy

    return tuple(exact_to_sympy(c) for c in exact_taylor(activation, order))


def phi_taylor(activation: Activation, order: int) -> tuple[sympy.Expr, ...]:
    """Taylor coefficients of phi(z) = z s'(z) - s(z): c_k = (k - 1) a_k, k = 0 ... order.

    Raises ValueError for an activation that is not smooth at 0. Source: THEORY section 0.
    """
    from symbolic.translate import exact_to_sympy

    return tuple(exact_to_sympy(c) for c in phi_coefficients(exact_taylor(activation, order)))


def phi_coefficients(coefficients: tuple[Exact, ...]) -> tuple[Exact, ...]:
    """Coefficients of phi from those of s; the linear term always cancels."""
    return tuple(c.scaled(fmpq(k - 1)) if c.terms else c for k, c in enumerate(coefficients))


def one_sided_taylor(activation: Activation, side: int, order: int) -> tuple[sympy.Expr, ...]:
    """Coefficients a_k of s(z) = sum_k a_k z^k for small z of the given sign (side = 1 or -1).

    Raises ValueError when the side has no Taylor expansion (a pole, a root, a logarithm at 0).
    """
    from symbolic.translate import exact_to_sympy

    if side not in (1, -1):
        raise ValueError(f"expected side 1 or -1, got {side}")
    both = expansions(activation.elementary, order)
    if side == 1:
        return tuple(exact_to_sympy(c) for c in both.right)
    return tuple(exact_to_sympy(-c if k % 2 else c) for k, c in enumerate(both.left))
