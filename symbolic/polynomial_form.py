"""Canonical linear forms: both sides of an identity as plain data, ``monomial string -> Fraction``.

A proof in this package differentiates a composed loss with undefined activation ``s`` and undefined loss function and
ends in a polynomial over *atoms*: weights, inputs, and function values such as ``s(z_1[0])`` or ``s'(z_1[0])``.
Expanding the nested expression directly explodes; here every outermost function value is first replaced by one atom,
whose name is built from the canonical form of its argument, and only then is the polynomial expanded, by sparse
arithmetic over the rationals. Two expressions that are equal as polynomials in their atoms have equal forms, whatever
route led to them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy
from sympy.core.function import AppliedUndef, UndefinedFunction
from sympy.polys.rings import ring

LinearForm = dict[str, Fraction]


@dataclass(frozen=True)
class IdentitySides:
    """Both sides of an identity as linear forms over monomials.

    ``measured`` comes from plain differentiation of a composed loss, ``claimed`` from the formula of the theorem (or
    of a counterfeit of it). The identity is proved when the two dictionaries are equal.
    """

    measured: LinearForm
    claimed: LinearForm

    @property
    def residual(self) -> LinearForm:
        """``measured - claimed`` with zero terms removed: empty exactly when the identity holds."""
        return subtract_forms(self.measured, self.claimed)


def subtract_forms(left: LinearForm, right: LinearForm) -> LinearForm:
    """Difference of two linear forms, without zero terms."""
    difference = {key: left.get(key, Fraction(0)) - right.get(key, Fraction(0)) for key in left.keys() | right.keys()}
    return {key: difference[key] for key in sorted(difference) if difference[key]}


def form_text(form: LinearForm) -> str:
    """The form as one deterministic line, terms in the order of their monomials; ``0`` for the empty form."""
    return " + ".join(f"{form[key]}*{key}" if form[key] != 1 else key for key in sorted(form)) or "0"


def as_fraction(value: object) -> Fraction:
    """An exact rational from a SymPy or FLINT rational, an int or a Fraction."""
    rational = sympy.Rational(value)
    return Fraction(int(rational.p), int(rational.q))


def undefined_function(name: str, order: int = 0, slots: tuple[int, ...] = ()) -> Any:
    """An undefined function whose derivatives are undefined functions with names of their own.

    One argument: s, s', s'', ...; several: Loss, Loss_0, Loss_0,1, ... by the sorted slots of differentiation.
    SymPy's own ``Function`` writes a derivative at a composed argument as a ``Subs`` object whose construction prints
    the whole argument; this says the same in one node. The chain rule remains SymPy's. Two calls with equal arguments
    give equal functions.
    """

    def fdiff(self: Any, argindex: int = 1) -> Any:
        if len(self.args) == 1:
            return undefined_function(name, order + 1)(*self.args)
        return undefined_function(name, slots=tuple(sorted((*slots, argindex - 1))))(*self.args)

    label = name + "'" * order + ("_" + ",".join(map(str, slots)) if slots else "")
    return UndefinedFunction(label, bases=(AppliedUndef,), __dict__={"fdiff": fdiff})


class Canonicaliser:
    """Turns SymPy expressions into linear forms, naming each function value once.

    ``names`` maps a short name to the expression that it stands for, e.g. ``{"z_1[0]": W_1[0,0]*x[0] + ...}``: the
    function value ``s(W_1[0,0]*x[0] + ...)`` is then called ``s(z_1[0])``. An argument without a registered name is
    written out, so that an unexpected argument can never be mistaken for an expected one.

    ``vanishing`` is a polynomial known to be zero, for instance ``v[0]**2 + v[1]**2 - 1`` for a unit vector: forms,
    and the arguments of function values, are normal forms modulo it (remainder in the lexicographic order of the
    names).
    """

    def __init__(
        self,
        names: Iterable[tuple[str, sympy.Expr]] = (),
        vanishing: sympy.Expr | None = None,
    ) -> None:
        self._texts: dict[str, str] = {}
        self._atoms: dict[sympy.Expr, sympy.Symbol] = {}
        self._vanishing = vanishing
        self._forms: dict[sympy.Expr, LinearForm] = {}
        for name, expression in names:
            self._texts[form_text(self.form(expression))] = name

    def form(self, expression: sympy.Expr) -> LinearForm:
        """The canonical linear form of a polynomial expression in symbols and values of undefined functions.

        Raises ValueError when the expression is not such a polynomial.
        """
        nested = sympy.sympify(expression)
        if nested not in self._forms:
            self._forms[nested] = self._expanded(nested)
        return dict(self._forms[nested])

    def _expanded(self, nested: sympy.Expr) -> LinearForm:
        polynomial = nested.xreplace({value: self._atom(value) for value in outermost_values(nested)})
        symbols = polynomial.free_symbols | (self._vanishing.free_symbols if self._vanishing is not None else set())
        if not symbols:
            constant = as_fraction(polynomial) if polynomial.is_Rational else None
            if constant is None:
                raise ValueError(f"expected a rational constant, got {polynomial}: keep irrational factors in symbols")
            return {"1": constant} if constant else {}
        generators = sorted(symbols, key=lambda symbol: str(symbol.name))
        domain, *_ = ring(generators, sympy.QQ)
        try:
            element = domain.from_expr(polynomial)
            if self._vanishing is not None:
                element = element.rem(domain.from_expr(self._vanishing))
        except (ValueError, sympy.CoercionFailed) as failure:
            raise ValueError(f"expected a polynomial in weights and function values, got {polynomial}") from failure
        names = [str(symbol.name) for symbol in generators]
        return {_monomial_text(names, powers): as_fraction(value) for powers, value in element.terms()}

    def _atom(self, value: sympy.Expr) -> sympy.Symbol:
        if value not in self._atoms:
            self._atoms[value] = sympy.Symbol(self.name(value))
        return self._atoms[value]

    def name(self, value: sympy.Expr) -> str:
        """The name of one function value, such as ``s'(z_1[0])``; ValueError for SymPy's own derivative objects."""
        if not isinstance(value, AppliedUndef):
            raise ValueError(f"expected a value of an undefined_function, got {value}: define its function by that")
        return f"{value.func.__name__}({self._arguments(value.args)})"

    def _arguments(self, arguments: Iterable[sympy.Expr]) -> str:
        texts = [form_text(self.form(argument)) for argument in arguments]
        return ", ".join(self._texts.get(text, text) for text in texts)


def outermost_values(expression: sympy.Expr) -> set[sympy.Expr]:
    """The function values of the expression that are not inside another one."""
    found: set[sympy.Expr] = set()
    seen: set[sympy.Expr] = set()
    stack = [expression]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, AppliedUndef | sympy.Subs | sympy.Derivative):
            found.add(node)
        else:
            stack.extend(node.args)
    return found


def _monomial_text(names: list[str], powers: tuple[int, ...]) -> str:
    factors = [name if power == 1 else f"{name}**{power}" for name, power in zip(names, powers, strict=True) if power]
    return "*".join(factors) or "1"
