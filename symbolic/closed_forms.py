"""Closed forms of E[u^k s(c u)], found by rewriting s as a sum of integrable terms.

On each interval between kinks the tree is multiplied out into terms of ``symbolic.gaussian_terms``; factors that have
no rule but a parity are kept as such, so that E[u sigmoid(u)]-like parts drop out where symmetry makes them vanish. The
result is a derivation, yet callers still check it against the certified enclosure (``symbolic.moments``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cmp_to_key, reduce
from itertools import pairwise

import sympy
from flint import fmpq

from symbolic import exact, trees
from symbolic.exact import PI, Exact, number
from symbolic.gaussian_terms import HALF, ONE, Interval, NoClosedForm, Term, integral
from symbolic.translate import tree_parity
from symbolic.trees import Tree

Terms = tuple[Term, ...]
MOST_TERMS = 400


def expectation(tree: Tree, power: int, scale: Fraction) -> sympy.Expr | None:
    """E[u^power s(scale u)], u ~ N(0, 1), in closed form, or None when no rule gives it."""
    try:
        expander = _Expander(_symmetric(tree), number(fmpq(scale.numerator, scale.denominator)))
        total = sympy.Integer(0)
        for interval, terms in expander.pieces():
            total += sum(integral(replace(term, power=term.power + power), interval) for term in terms)
        return total
    except (NoClosedForm, ValueError, ZeroDivisionError):
        return None


def _symmetric(tree: Tree) -> Tree:
    """sigmoid(x) = (1 + tanh(x/2))/2 and softplus(x) = x/2 + log(2 cosh(x/2)): parities show."""
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


class _Expander:
    """Multiplies a tree out on each interval between its kinks; z = scale * u."""

    def __init__(self, tree: Tree, scale: Exact) -> None:
        self.tree, self.scale = tree, scale
        self.inside = number(0)
        self.whole_line = True

    def pieces(self) -> list[tuple[Interval, Terms]]:
        roots = self._kinks(self.tree)
        ordered = _ordered(roots)
        ends: list[Exact | None] = [None, *ordered, None]
        self.whole_line = not ordered
        pieces = []
        for low, high in pairwise(ends):
            self.inside = _inside(low, high)
            pieces.append((Interval(low, high), self.expand(self.tree)))
        return pieces

    def _kinks(self, tree: Tree) -> list[Exact]:
        """Zeros of the arguments of the kinks; every such argument has to be linear in u."""
        found: list[Exact] = []
        if tree[0] == "piecewise":
            for condition, value in tree[1:]:
                if condition[0] != "true":
                    found += self._kinks(condition[1]) + self._kinks(condition[2])
                    found += self._zero(trees.add(condition[2], trees.negative(condition[1])))
                found += self._kinks(value)
            return found
        parts = [part for part in tree[1:] if isinstance(part, tuple)]
        if tree[0] == "call" and tree[1] in ("max", "min"):
            pairs = [(a, b) for position, a in enumerate(parts) for b in parts[position + 1 :]]
            found += [zero for a, b in pairs for zero in self._outer_zero(a, b)]
        elif tree[0] == "call" and tree[1] in trees.KINKED:
            found += self._zero(parts[0])
        return found + [zero for part in parts for zero in self._kinks(part)]

    def _outer_zero(self, a: Tree, b: Tree) -> list[Exact]:
        """Zeros of a - b, where either may have kinks of its own: zeros of every linear piece are collected."""
        if not self._kinks(a) and not self._kinks(b):
            return self._zero(trees.add(a, trees.negative(b)))
        difference = trees.add(a, trees.negative(b))
        inner = _Expander(difference, self.scale)
        kinks = self._kinks(a) + self._kinks(b)
        ordered = _ordered(kinks)
        ends: list[Exact | None] = [None, *ordered, None]
        zeros: list[Exact] = []
        for low, high in pairwise(ends):
            inner.inside, inner.whole_line = _inside(low, high), False
            zeros += _linear_zero(inner.expand(difference))
        return zeros

    def _zero(self, tree: Tree) -> list[Exact]:
        return _linear_zero(self.expand(tree))

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
        return (Term(PI if tree[1] == "pi" else exact.exponential(ONE)),)

    def _add(self, tree: Tree) -> Terms:
        return tuple(term for part in tree[1:] for term in self.expand(part))

    def _mul(self, tree: Tree) -> Terms:
        return reduce(_product, (self.expand(part) for part in tree[1:]))

    def _pow(self, tree: Tree) -> Terms:
        exponent = tree[2]
        if exponent[0] != "rational":
            if tree[1] == ("constant", "e"):
                return _exponential(self.expand(exponent))
            raise NoClosedForm
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
        if name in ("abs", "sign", "heaviside"):
            return self._kinked(name, self.expand(tree[2]))
        if name in ("max", "min"):
            return self._extremum(tree)
        try:
            return _FUNCTIONS[name](self.expand(tree[2]))
        except (NoClosedForm, KeyError):
            return self._opaque(tree)

    def _kinked(self, name: str, argument: Terms) -> Terms:
        side = self._sign(argument)
        if name == "abs":
            return tuple(replace(term, coefficient=term.coefficient.scaled(fmpq(side))) for term in argument)
        return (Term(number(side) if name == "sign" else number(fmpq(1 + side, 2))),)

    def _extremum(self, tree: Tree) -> Terms:
        direction, best = (1 if tree[1] == "max" else -1), tree[2]
        for candidate in tree[3:]:
            if direction * self._sign(self.expand(trees.add(candidate, trees.negative(best)))) > 0:
                best = candidate
        return self.expand(best)

    def _piecewise(self, tree: Tree) -> Terms:
        for condition, value in tree[1:]:
            if condition[0] == "true":
                return self.expand(value)
            if self._sign(self.expand(trees.add(condition[2], trees.negative(condition[1])))) > 0:
                return self.expand(value)
        raise NoClosedForm

    def _sign(self, terms: Terms) -> int:
        """Sign of a linear function inside the present interval."""
        linear = _polynomial(terms)
        if linear is None or max(linear, default=0) > 1:
            raise NoClosedForm
        return exact.sign(linear.get(0, number(0)) + linear.get(1, number(0)) * self.inside)

    def _opaque(self, tree: Tree) -> Terms:
        parity = tree_parity(tree)
        if parity == "none" or not self.whole_line:
            raise NoClosedForm
        return (Term(ONE, special=(parity, ())),)


def _compare(a: Exact, b: Exact) -> int:
    return exact.sign(a - b)


def _ordered(points: list[Exact]) -> list[Exact]:
    """The distinct points in increasing order."""
    kept: list[Exact] = []
    for point in sorted(points, key=cmp_to_key(_compare)):
        if not kept or not exact.is_zero(point - kept[-1]):
            kept.append(point)
    return kept


def _inside(low: Exact | None, high: Exact | None) -> Exact:
    if low is None and high is None:
        return number(0)
    if low is None:
        assert high is not None
        return high - ONE
    return low + ONE if high is None else (low + high).scaled(HALF)


def _linear_zero(terms: Terms) -> list[Exact]:
    linear = _polynomial(terms)
    if linear is None or max(linear, default=0) > 1:
        raise NoClosedForm
    return [-linear.get(0, number(0)) * exact.power(linear[1], fmpq(-1))] if 1 in linear else []


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
    constant = exact.exponential(polynomial.get(0, number(0)))
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
        Term(exact.cosine(offset), special=("sin", (slope,))),
        Term(exact.odd_function("sin", offset), special=("cos", (slope,))),
    )
    return tuple(term for term in parts if term.coefficient.terms)


def _cosine(argument: Terms) -> Terms:
    slope, offset = _affine(argument)
    parts = (
        Term(exact.cosine(offset), special=("cos", (slope,))),
        Term(-exact.odd_function("sin", offset), special=("sin", (slope,))),
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
