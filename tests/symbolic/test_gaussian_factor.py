from __future__ import annotations

from fractions import Fraction

import pytest
import sympy

from symbolic.gaussian_factor import expectation_form
from symbolic.polynomial_form import undefined_function

u, v, X, b = sympy.symbols("u v X b")
s = undefined_function("s")


def test_independent_modes_factor() -> None:
    form = expectation_form(X * s(X * u) * v * s(v) / 2, (u, v), odd=False)
    assert form == {"E[g*s(g)]*E[s(X*g)]*X": Fraction(1, 2)}


def test_pure_powers_are_gaussian_moments() -> None:
    assert expectation_form(u**6 + u**4 * v**2 + b * u**3 + 2, (u, v), odd=False) == {"1": Fraction(15 + 3 + 2)}
    assert expectation_form(sympy.Integer(0), (u,), odd=False) == {}


def test_parity_is_used_only_where_it_is_known() -> None:
    product = s(X * u) * s(v).diff(v)
    assert expectation_form(product, (u, v), odd=True) == {}
    assert expectation_form(product, (u, v), odd=False) == {"E[s'(g)]*E[s(X*g)]": Fraction(1)}
    assert expectation_form(u * s(u), (u, v), odd=True) == {"E[g*s(g)]": Fraction(1)}
    assert expectation_form(s(u).diff(u, 2) * s(u), (u,), odd=True) == {"E[s''(g)*s(g)]": Fraction(1)}
    assert expectation_form(s(u).diff(u, 2), (u,), odd=True) == {}


def test_chains_of_odd_functions() -> None:
    chain = s(X * s(u))
    assert expectation_form(chain * v * s(v), (u, v), odd=True) == {}
    assert expectation_form(chain * s(u).diff(u), (u, v), odd=True) == {}
    slope = expectation_form(chain.diff(u) * v * s(b * s(v)), (u, v), odd=True)
    assert slope == {"E[g*s(b*s(g))]*E[s'(X*s(g))*s'(g)]*X": Fraction(1)}
    assert expectation_form(s(u * s(u).diff(u)), (u,), odd=True) == {}
    assert expectation_form(s(X * s(b * s(sympy.Integer(0)))) + 1, (u,), odd=True) == {"1": Fraction(1)}
    with pytest.raises(ValueError, match="odd in one mode"):
        expectation_form(s(s(u) ** 2), (u,), odd=True)


def test_values_at_zero() -> None:
    assert expectation_form(s(sympy.Integer(0)) * b + 1, (u,), odd=True) == {"1": Fraction(1)}
    assert expectation_form(s(sympy.Integer(0)) * b, (u,), odd=False) == {"b*s(0)": Fraction(1)}


def test_what_does_not_factor_is_refused() -> None:
    with pytest.raises(ValueError, match="one mode each"):
        expectation_form(s(u + v), (u, v), odd=False)
    with pytest.raises(ValueError, match="odd in one mode"):
        expectation_form(s(u + 1), (u,), odd=True)
    with pytest.raises(ValueError, match="polynomial"):
        expectation_form(1 / u, (u,), odd=False)
