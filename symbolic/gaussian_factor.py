"""Expectations of polynomials in function values over independent Gaussian modes, factor by factor.

A term such as ``X_1*s(X_1*u_1)*u_2*s(u_2)`` with independent u_1, u_2 ~ N(0, 1) has the expectation
``X_1 * E[s(X_1*g)] * E[g*s(g)]``; the result is a linear form in which each expectation over one mode is one factor.
Terms that vanish by parity are dropped: odd powers of u alone always, odd functions of a mode if ``s`` is declared odd.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import prod

import sympy
from sympy.core.function import AppliedUndef
from sympy.polys.rings import ring

from symbolic.polynomial_form import Canonicaliser, LinearForm, as_fraction, outermost_values

_G = sympy.Symbol("g")


def expectation_form(expression: sympy.Expr, modes: Sequence[sympy.Symbol], odd: bool) -> LinearForm:
    """E over independent standard Gaussian ``modes`` of a polynomial in modes and function values.

    Each function value may depend on one mode at most. With ``odd`` its argument must be odd in the mode
    (proportional to it, or to an odd function of it), and the parity of the k-th derivative of s is that of k + 1.
    Raises ValueError otherwise.
    """
    nested = sympy.sympify(expression)
    if odd:
        nested = nested.replace(_is_odd_value_at_zero, lambda _: sympy.Integer(0))
    factors = {mode: (mode, "g", True) for mode in modes}
    replacements: dict[sympy.Expr, sympy.Expr] = {}
    for value in outermost_values(nested):
        mode, name, is_odd = _classified(value, modes, odd)
        symbol = sympy.Dummy(name)
        replacements[value] = symbol
        factors[symbol] = (mode, name, is_odd)
    polynomial = nested.xreplace(replacements)
    symbols = sorted(polynomial.free_symbols, key=lambda s: (factors.get(s, (None, s.name))[1], str(s)))
    if not symbols:
        return {"1": as_fraction(polynomial)} if polynomial else {}
    domain, *_ = ring(symbols, sympy.QQ)
    try:
        element = domain.from_expr(polynomial)
    except (ValueError, sympy.CoercionFailed) as failure:
        raise ValueError(f"expected a polynomial in modes and function values, got {polynomial}") from failure
    form: LinearForm = {}
    for powers, coefficient in element.terms():
        atoms = [
            (*factors.get(s, (None, s.name, False)), power) for s, power in zip(symbols, powers, strict=True) if power
        ]
        key, moment = _term_expectation(atoms, modes, odd)
        form[key] = form.get(key, Fraction(0)) + moment * as_fraction(coefficient)
    return {key: form[key] for key in sorted(form) if form[key]}


Atom = tuple[sympy.Symbol | None, str, bool, int]  # mode, name, whether an odd function of the mode, power


def _term_expectation(atoms: list[Atom], modes: Sequence[sympy.Symbol], odd: bool) -> tuple[str, int]:
    """The expectation of one product: its text and a numerical factor, 0 when it vanishes by parity."""
    texts = [_power_text(name, power) for mode, name, _, power in atoms if mode is None]
    factor = 1
    for mode in modes:
        own = [(name, is_odd, power) for at, name, is_odd, power in atoms if at == mode]
        pure = all(name == "g" for name, _, _ in own)
        degree = sum(power for _, is_odd, power in own if is_odd)
        if (odd or pure) and degree % 2:
            return "", 0
        if pure:
            factor *= prod(range(degree - 1, 0, -2))  # E[g^k] = (k - 1)!! for even k
        else:
            texts.append(f"E[{'*'.join(sorted(_power_text(name, power) for name, _, power in own))}]")
    return "*".join(sorted(texts)) or "1", factor


def _classified(value: sympy.Expr, modes: Sequence[sympy.Symbol], odd: bool) -> tuple[sympy.Symbol | None, str, bool]:
    present = [mode for mode in modes if mode in value.free_symbols]
    if len(present) > 1:
        raise ValueError(f"expected functions of one mode each, got {value}: evaluate at the point first")
    argument, order = _argument_and_order(value)
    mode = present[0] if present else None
    if odd and not _is_odd(argument, mode):
        raise ValueError(f"expected an argument that is odd in one mode, got {value}: parity says nothing otherwise")
    name = Canonicaliser().name(value.xreplace({mode: _G}) if mode is not None else value)
    return mode, name, order % 2 == 0


def _is_odd_value_at_zero(node: sympy.Basic) -> bool:
    """s(0), s''(0), ... of an odd function."""
    return isinstance(node, AppliedUndef) and node.args == (0,) and _argument_and_order(node)[1] % 2 == 0


def _is_odd(argument: sympy.Expr, mode: sympy.Symbol | None) -> bool:
    """Whether the argument is structurally odd in the mode, s being odd; 0 is odd."""
    if mode is None:
        return bool(argument == 0)
    flipped = argument.subs(mode, -mode).replace(lambda node: isinstance(node, AppliedUndef), _pulled_sign)
    return bool(sympy.expand(flipped + argument) == 0)


def _pulled_sign(value: sympy.Expr) -> sympy.Expr:
    """s(-y) as -s(y), s'(-y) as s'(y), and so on."""
    argument, order = _argument_and_order(value)
    if not argument.could_extract_minus_sign():
        return value
    return (-1) ** (order + 1) * value.func(-argument)


def _argument_and_order(value: sympy.Expr) -> tuple[sympy.Expr, int]:
    if not isinstance(value, AppliedUndef) or len(value.args) != 1:
        raise ValueError(f"expected a value of s or of a derivative of it, got {value}")
    return value.args[0], value.func.__name__.count("'")


def _power_text(name: str, power: int) -> str:
    return name if power == 1 else f"{name}**{power}"
