"""Closed forms of E[u^k s(c u)], found by rewriting s as a sum of integrable terms.

On each interval between kinks (``symbolic.pieces``) the tree is multiplied out into terms of
``symbolic.gaussian_terms``; factors that have no rule but a parity are kept as such, so that parts drop out where
symmetry makes them vanish. The result is a derivation, yet callers still check it against the certified enclosure
(``symbolic.moments``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import reduce

import sympy
from flint import fmpq

from symbolic import exact, exact_functions, trees
from symbolic.exact import PI, Exact, number
from symbolic.gaussian_terms import HALF, ONE, NoClosedForm, Term, integral
from symbolic.pieces import IDENTITY, Interval, resolve
from symbolic.translate import tree_parity
from symbolic.trees import Tree

Terms = tuple[Term, ...]
MOST_TERMS = 400


def expectation(tree: Tree, power: int, scale: Fraction) -> sympy.Expr | None:
    """E[u^power s(scale u)], u ~ N(0, 1), in closed form, or None when no rule gives it."""
    try:
        factor = number(fmpq(scale.numerator, scale.denominator))
        total = sympy.Integer(0)
        for interval, piece in resolve(_symmetric(tree), IDENTITY.scaled(factor), Interval()):
            terms = _Expander(factor, interval.whole_line).expand(piece)
            total += sum(integral(replace(term, power=term.power + power), interval) for term in terms)
        return total
    except (NoClosedForm, ValueError, ZeroDivisionError):
        return None


def _symmetric(tree: Tree) -> Tree:
    """sigmoid(x) = (1 + tanh(x/2))/2 and softplus(x) = x/2 + log(2 cosh(x/2)): parities show."""
    written = _recognised(tree)
    if written is not None:
        return _symmetric(written)
    if tree[0] in ("add", "mul", "pow"):
        return (tree[0], *(_symmetric(part) for part in tree[1:]))
    if tree[0] != "call":
        return trees.elementary(tree)
    name, arguments = tree[1], tuple(_symmetric(part) for part in tree[2:])
    half = trees.rational(Fraction(1, 2))
    if name in ("sigmoid", "silu", "swish"):
        inner = trees.mul(arguments[1], arguments[0]) if name == "swish" else arguments[0]
        gate = trees.mul(half, trees.add(trees.rational(1), trees.call("tanh", trees.mul(half, inner))))
        return gate if name == "sigmoid" else trees.mul(arguments[0], gate)
    if name == "softplus":
        halved = trees.mul(half, arguments[0])
        doubled = trees.mul(trees.rational(2), trees.call("cosh", halved))
        return trees.add(halved, trees.call("log", doubled))
    return trees.elementary(tree)


def _recognised(tree: Tree) -> Tree | None:
    """sigmoid and softplus where they are written out, as 1/(1 + e^t) and log(1 + e^t)."""
    if tree[0] == "pow" and tree[2] == trees.rational(-1):
        inner = _one_plus_exponential(tree[1])
        return None if inner is None else trees.call("sigmoid", trees.negative(inner))
    if tree[:2] == ("call", "log"):
        inner = _one_plus_exponential(tree[2])
        return None if inner is None else trees.call("softplus", inner)
    return None


def _one_plus_exponential(tree: Tree) -> Tree | None:
    if tree[0] != "add" or len(tree) != 3 or trees.rational(1) not in tree[1:]:
        return None
    other: Tree = tree[2] if tree[1] == trees.rational(1) else tree[1]
    if other[:2] == ("call", "exp"):
        return trees.elementary(other[2])
    return trees.elementary(other[2]) if other[0] == "pow" and other[1] == ("constant", "e") else None


class _Expander:
    """Multiplies a tree without kinks out; z = scale * u."""

    def __init__(self, scale: Exact, whole_line: bool) -> None:
        self.scale, self.whole_line = scale, whole_line

    def expand(self, tree: Tree) -> Terms:
        terms = getattr(self, f"_{tree[0]}")(tree)
        if len(terms) > MOST_TERMS:
            raise NoClosedForm
        return _collected(terms)

    def _z(self, _tree: Tree) -> Terms:
        return (Term(self.scale, 1),)

    def _rational(self, tree: Tree) -> Terms:
        return (Term(number(fmpq(tree[1], tree[2]))),)

    def _constant(self, tree: Tree) -> Terms:
        return (Term(PI if tree[1] == "pi" else exact_functions.exponential(ONE)),)

    def _add(self, tree: Tree) -> Terms:
        return tuple(term for part in tree[1:] for term in self.expand(part))

    def _mul(self, tree: Tree) -> Terms:
        return reduce(_product, (self.expand(part) for part in tree[1:]))

    def _pow(self, tree: Tree) -> Terms:
        exponent = tree[2]
        if exponent[0] != "rational":
            constant = _polynomial(self.expand(tree[1]))
            if constant is None or set(constant) != {0}:
                raise NoClosedForm
            logarithm = (Term(exact_functions.logarithm(constant[0])),)
            return _exponential(_product(logarithm, self.expand(exponent)))
        base = self.expand(tree[1])
        if exponent[2] == 1 and exponent[1] >= 0:
            if exponent[1] > MOST_TERMS:
                raise NoClosedForm
            return reduce(lambda left, right: _collected(_product(left, right)), [base] * exponent[1], (Term(ONE),))
        return self._inverse_power(tree, base, fmpq(exponent[1], exponent[2]))

    def _inverse_power(self, tree: Tree, base: Terms, exponent: Fraction) -> Terms:
        if len(base) == 1 and base[0].special is None and base[0].power == 0:
            only = base[0]
            coefficient = exact.power(only.coefficient, exponent)
            return (Term(coefficient, 0, only.linear.scaled(exponent), only.quadratic.scaled(exponent)),)
        linear = _polynomial(base)
        if exponent == -1 and linear is not None and set(linear) == {0, 1}:
            return (Term(ONE, special=("inverse", (linear[0], linear[1]))),)
        return self._opaque(tree)

    def _call(self, tree: Tree) -> Terms:
        name = tree[1]
        try:
            return _FUNCTIONS[name](self.expand(tree[2]))
        except (NoClosedForm, KeyError):
            return self._opaque(tree)

    def _piecewise(self, tree: Tree) -> Terms:
        return self._opaque(tree)

    def _opaque(self, tree: Tree) -> Terms:
        parity = tree_parity(tree)
        if parity == "none" or not self.whole_line:
            raise NoClosedForm
        return (Term(ONE, special=(parity, ())),)


def _polynomial(terms: Terms) -> dict[int, Exact] | None:
    """Coefficients by power when the terms are a polynomial in u, else None."""
    if any(term.special is not None or term.linear.terms or term.quadratic.terms for term in terms):
        return None
    collected: dict[int, Exact] = {}
    for term in terms:
        collected[term.power] = collected.get(term.power, number(0)) + term.coefficient
    return {power: value for power, value in collected.items() if not exact.is_zero(value)}


def _collected(terms: Terms) -> Terms:
    sums: dict[Term, Exact] = {}
    for term in terms:
        key = replace(term, coefficient=ONE)
        sums[key] = sums.get(key, number(0)) + term.coefficient
    return tuple(replace(key, coefficient=value) for key, value in sums.items() if value.terms)


def _product(left: Terms, right: Terms) -> Terms:
    return tuple(term for a in left for b in right for term in _term_product(a, b))


def _term_product(a: Term, b: Term) -> Terms:
    linear, quadratic, power = a.linear + b.linear, a.quadratic + b.quadratic, a.power + b.power
    coefficient = a.coefficient * b.coefficient
    if a.special is None or b.special is None:
        return (Term(coefficient, power, linear, quadratic, a.special or b.special),)
    if a.special[0] in ("sin", "cos") and b.special[0] in ("sin", "cos"):
        parts = _trigonometric_product(a.special, b.special)
        return tuple(Term(coefficient * part, power, linear, quadratic, special) for part, special in parts)
    bare = [replace(term, power=0, linear=number(0), quadratic=number(0)).parity for term in (a, b)]
    if None in bare:
        raise NoClosedForm
    return (Term(coefficient, power, linear, quadratic, ("even" if bare[0] == bare[1] else "odd", ())),)


def _trigonometric_product(
    a: tuple[str, tuple[Exact, ...]], b: tuple[str, tuple[Exact, ...]]
) -> list[tuple[Exact, tuple[str, tuple[Exact, ...]] | None]]:
    (p,), (q,) = a[1], b[1]
    half = number(HALF)
    if a[0] == b[0]:
        outer = half if a[0] == "cos" else -half
        return [(half, _wave("cos", p - q)), (outer, _wave("cos", p + q))]
    if a[0] == "cos":
        p, q = q, p
    # sin p cos q = (sin(p + q) + sin(p - q))/2
    return [(half, ("sin", (p + q,))), (half, ("sin", (p - q,)))]


def _wave(name: str, frequency: Exact) -> tuple[str, tuple[Exact, ...]] | None:
    return (name, (frequency,)) if frequency.terms else None


def _exponential(argument: Terms) -> Terms:
    polynomial = _polynomial(argument)
    if polynomial is None or max(polynomial, default=0) > 2:
        raise NoClosedForm
    constant = exact_functions.exponential(polynomial.get(0, number(0)))
    return (Term(constant, 0, polynomial.get(1, number(0)), polynomial.get(2, number(0))),)


def _affine(argument: Terms) -> tuple[Exact, Exact]:
    polynomial = _polynomial(argument)
    if polynomial is None or 1 not in polynomial or max(polynomial) > 1:
        raise NoClosedForm
    return polynomial[1], polynomial.get(0, number(0))


def _hyperbolic(sign: int) -> Callable[[Terms], Terms]:
    def rule(argument: Terms) -> Terms:
        negated = tuple(replace(term, coefficient=-term.coefficient) for term in argument)
        grown, decayed = _exponential(argument), _exponential(negated)
        scaled = [(grown[0], HALF), (decayed[0], sign * HALF)]
        return tuple(replace(term, coefficient=term.coefficient.scaled(factor)) for term, factor in scaled)

    return rule


def _sine(argument: Terms) -> Terms:
    slope, offset = _affine(argument)
    parts = (
        Term(exact_functions.cosine(offset), special=("sin", (slope,))),
        Term(exact_functions.odd_function("sin", offset), special=("cos", (slope,))),
    )
    return tuple(term for term in parts if term.coefficient.terms)


def _cosine(argument: Terms) -> Terms:
    slope, offset = _affine(argument)
    parts = (
        Term(exact_functions.cosine(offset), special=("cos", (slope,))),
        Term(-exact_functions.odd_function("sin", offset), special=("sin", (slope,))),
    )
    return tuple(term for term in parts if term.coefficient.terms)


def _error(argument: Terms) -> Terms:
    return (Term(ONE, special=("erf", _affine(argument))),)


def _odd_inverse(name: str) -> Callable[[Terms], Terms]:
    def rule(argument: Terms) -> Terms:
        slope, offset = _affine(argument)
        if offset.terms:
            raise NoClosedForm
        side = exact.sign(slope)
        return (Term(number(side), special=(name, (slope.scaled(fmpq(side)),))),)

    return rule


_FUNCTIONS: dict[str, Callable[[Terms], Terms]] = {
    "exp": _exponential,
    "sinh": _hyperbolic(-1),
    "cosh": _hyperbolic(1),
    "sin": _sine,
    "cos": _cosine,
    "erf": _error,
    "atan": _odd_inverse("atan"),
    "asinh": _odd_inverse("asinh"),
}
