"""The imbalance identity of THEORY T1 with symbolic widths: one proof for every width and position in the network.

The loss sees layers l and l+1 only through z_{l+1}, so that with delta = grad_{z_{l+1}} Loss at the point

    dLoss = d sum_k delta_k z_{l+1,k},
    z_{l+1,k} = sum_i W_{l+1}[k,i] s(z_{l,i}),   z_{l,i} = sum_j W_l[i,j] h_{l-1,j},

with sums over n_{l+1}, n_l and n_{l-1}, which stay symbols, and h_{l-1} a function of the layers below alone. The
three lines of the proof are then executed: (1) G_l and G_{l+1} by plain differentiation of these sums with respect to
W_l[a,b] and W_{l+1}[a,b], which yields Kronecker deltas; (2) contraction with the weights, a delta between two
indices of equal range removing one sum; (3) comparison of the expanded sums. ``imbalance`` proves the same from the
whole composed loss, without the definition of delta, at concrete widths. A term reads ``sum(b0<n, ...) factors``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import permutations, product
from types import MappingProxyType
from typing import Literal

import sympy
from sympy.core.function import AppliedUndef

from symbolic.polynomial_form import IdentitySides, LinearForm, as_fraction, undefined_function

Statement = Literal["scalar", "neuron", "matrix"]
Reading = Literal["exact", "sign-flipped", "no-minus-s", "half", "leading-term"]

_BELOW, _HERE, _ABOVE = sympy.symbols("n_below n n_above", integer=True, positive=True)
_LOWER, _UPPER, _H, _DELTA = (sympy.IndexedBase(name) for name in ("W_lower", "W_upper", "h", "delta"))
_IN, _HIDDEN, _OUT, _A, _B = sympy.symbols("in hidden out a b", integer=True)
_AGAIN = sympy.Symbol("in_again", integer=True)
_TAYLOR = sympy.IndexedBase("a")  # a[2], the coefficient of z^2 in s
_FREE_I, _FREE_J = sympy.symbols("i j", integer=True)
_S = undefined_function("s")
_VALUE, _SLOPE = sympy.IndexedBase("s(z)"), sympy.IndexedBase("s'(z)")


def composed_linearisation() -> sympy.Expr:
    """sum_k delta_k sum_i W_{l+1}[k,i] s(sum_j W_l[i,j] h_j): the two layers, linear in what the loss sees."""
    hidden = sympy.Sum(_LOWER[_HIDDEN, _IN] * _H[_IN], (_IN, 0, _BELOW - 1))
    output = sympy.Sum(_UPPER[_OUT, _HIDDEN] * _S(hidden), (_HIDDEN, 0, _HERE - 1))
    return sympy.Sum(_DELTA[_OUT] * output, (_OUT, 0, _ABOVE - 1))


def imbalance_identity_any_width(statement: Statement = "scalar", reading: Reading = "exact") -> IdentitySides:
    """Both sides of T1 with symbolic widths.

    "scalar": d(|W_{l+1}|^2 - |W_l|^2)/dt = 2 <p, phi(z_l)>; "neuron": column i of W_{l+1} and row i of W_l only, free
    index i; "matrix": entry (i, j) of d(W_{l+1}^T W_{l+1} - W_l W_l^T)/dt, free indices i and j. Other readings alter
    the claimed side; "leading-term" puts s = a_1 z + a_2 z^2 in it. Raises ValueError for an unknown statement or
    reading.
    """
    if statement not in ("scalar", "neuron", "matrix"):
        raise ValueError(f"expected a statement scalar, neuron or matrix, got {statement!r}: choose one of them")
    return IdentitySides(
        dict(_differentiated(composed_linearisation, statement)), _sum_form(_claimed(statement, reading))
    )


# The readings of one statement differ on the claimed side alone. The network is an argument, so that another definition
# of it is another derivation.
@lru_cache(maxsize=8)
def _differentiated(network: Callable[[], sympy.Expr], statement: Statement) -> Mapping[str, Fraction]:
    return MappingProxyType(_sum_form(_measured(network(), statement)))


def _measured(loss: sympy.Expr, statement: Statement) -> sympy.Expr:
    """The left-hand side along gradient flow, G by plain differentiation with respect to one entry [a, b]."""
    lower, upper = loss.diff(_LOWER[_A, _B]), loss.diff(_UPPER[_A, _B])

    def below(row: sympy.Symbol, other: sympy.Symbol) -> sympy.Expr:  # (G_l W_l^T)[row, other]
        return sympy.Sum(lower.xreplace({_A: row}) * _LOWER[other, _B], (_B, 0, _BELOW - 1))

    def above(column: sympy.Symbol, other: sympy.Symbol) -> sympy.Expr:  # (G_{l+1}^T W_{l+1})[column, other]
        return sympy.Sum(upper.xreplace({_B: column}) * _UPPER[_A, other], (_A, 0, _ABOVE - 1))

    i, j = _FREE_I, _FREE_J
    if statement == "matrix":
        return below(i, j) + below(j, i) - above(i, j) - above(j, i)
    neuron = 2 * below(i, i) - 2 * above(i, i)
    return sympy.Sum(neuron, (i, 0, _HERE - 1)) if statement == "scalar" else neuron


def _claimed(statement: Statement, reading: Reading) -> sympy.Expr:
    """The right-hand side in the notation of the theorem, with p_i, z_i written as sums."""

    def p(index: sympy.Symbol) -> sympy.Expr:
        return sympy.Sum(_UPPER[_OUT, index] * _DELTA[_OUT], (_OUT, 0, _ABOVE - 1))

    def z(of: sympy.Symbol, over: sympy.Symbol = _IN) -> sympy.Expr:
        return sympy.Sum(_LOWER[of, over] * _H[over], (over, 0, _BELOW - 1))

    def defect(at: sympy.Symbol, of: sympy.Symbol) -> sympy.Expr:  # p_at (s'(z_at) z_of - s(z_of)), phi if at = of
        if reading == "leading-term":  # s = a_1 z + a_2 z^2: a_2 (2 z_at z_of - z_of^2)
            return p(at) * _TAYLOR[2] * (2 * z(at) * z(of, _AGAIN) - z(of) * z(of, _AGAIN))
        subtracted = 0 if reading == "no-minus-s" else _VALUE[of]
        return p(at) * (_SLOPE[at] * z(of) - subtracted)

    factors = {"exact": 1, "sign-flipped": -1, "no-minus-s": 1, "half": sympy.Rational(1, 2), "leading-term": 1}
    if reading not in factors:
        raise ValueError(f"expected a reading among {', '.join(factors)}, got {reading!r}: choose one of them")
    i, j = _FREE_I, _FREE_J
    if statement == "matrix":
        return factors[reading] * (defect(i, j) + defect(j, i))
    neuron = 2 * factors[reading] * defect(i, i)
    return sympy.Sum(neuron, (i, 0, _HERE - 1)) if statement == "scalar" else neuron


@dataclass(frozen=True)
class _Term:
    """coefficient * sum over ``bound`` (index -> width) of the product of ``factors``."""

    coefficient: Fraction
    bound: tuple[tuple[sympy.Symbol, sympy.Symbol], ...]
    factors: tuple[sympy.Expr, ...]

    def times(self, other: _Term) -> _Term:
        return _Term(self.coefficient * other.coefficient, self.bound + other.bound, self.factors + other.factors)

    def renamed(self, old: sympy.Symbol, new: sympy.Symbol) -> _Term:
        bound = tuple((new if index == old else index, width) for index, width in self.bound)
        return _Term(self.coefficient, bound, tuple(factor.xreplace({old: new}) for factor in self.factors))


def _sum_form(expression: sympy.Expr) -> LinearForm:
    form: LinearForm = {}
    for term in _terms(expression):
        key, coefficient = _term_text(_without_deltas(term)), term.coefficient
        form[key] = form.get(key, Fraction(0)) + coefficient
    return {key: form[key] for key in sorted(form) if form[key]}


def _terms(expression: sympy.Expr) -> list[_Term]:
    """The expression as a list of single sums over single products; every bound index gets a name of its own."""
    if expression.is_Rational:
        return [_Term(as_fraction(expression), (), ())]
    if isinstance(expression, sympy.Add):
        return [term for argument in expression.args for term in _terms(argument)]
    if isinstance(expression, sympy.Mul):
        result = [_Term(Fraction(1), (), ())]
        for argument in expression.args:
            result = [left.times(right) for left, right in product(result, _terms(argument))]
        return result
    if isinstance(expression, sympy.Sum):
        names = {index: sympy.Dummy(index.name, integer=True) for index, _, _ in expression.limits}
        if any(start != 0 for _, start, _ in expression.limits):
            raise ValueError(f"expected sums from 0, got {expression.limits}: shift the index")
        bound = _Term(Fraction(1), tuple((names[index], end + 1) for index, _, end in expression.limits), ())
        return [bound.times(term) for term in _terms(expression.function.subs(names))]
    return [_Term(Fraction(1), (), (_function_value(expression),))]


def _function_value(factor: sympy.Expr) -> sympy.Expr:
    """s(z_i) and s'(z_i) as indexed atoms, once their argument is recognised as z_i = sum_j W_l[i,j] h_j."""
    if isinstance(factor, sympy.Indexed | sympy.KroneckerDelta):
        return factor
    bases = {_S: _VALUE, undefined_function("s", 1): _SLOPE}
    if not isinstance(factor, AppliedUndef) or factor.func not in bases:
        raise ValueError(f"expected a weight, a delta or a value of s, got {factor}: extend the rewriting")
    base, (argument,) = bases[factor.func], factor.args
    (term,) = _terms(argument)
    (inner, width), *others = term.bound
    rows = [f.indices[0] for f in term.factors if f.base == _LOWER and f.indices[-1] == inner]
    expected = {_LOWER[rows[0], inner], _H[inner]} if rows else set()
    if others or width != _BELOW or term.coefficient != 1 or len(term.factors) != 2 or set(term.factors) != expected:
        raise ValueError(f"expected the pre-activation of layer l as argument of s, got {argument}")
    return base[rows[0]]


def _without_deltas(term: _Term) -> _Term:
    """Remove every Kronecker delta together with one sum, if both of its indices run over the same width."""
    widths = dict(term.bound) | {_FREE_I: _HERE, _FREE_J: _HERE}
    for position, factor in enumerate(term.factors):
        if not isinstance(factor, sympy.KroneckerDelta):
            continue
        left, right = factor.args
        gone, kept = (left, right) if left in dict(term.bound) else (right, left)
        if gone not in dict(term.bound) or widths[gone] != widths[kept]:
            raise ValueError(f"expected a delta between two indices of equal range, one of them summed, got {factor}")
        rest = _Term(
            term.coefficient,
            tuple((index, width) for index, width in term.bound if index != gone),
            term.factors[:position] + term.factors[position + 1 :],
        )
        return _without_deltas(rest.renamed(gone, kept))
    return term


def _term_text(term: _Term) -> str:
    """The term without its coefficient; bound indices renamed, per width, in the way that gives the smallest text."""
    indices = [index for index, _ in term.bound]
    letters = [sympy.Symbol(f"b{number}", integer=True) for number in range(len(indices))]
    return min(_text_with_names(term, dict(zip(indices, names, strict=True))) for names in permutations(letters))


def _text_with_names(term: _Term, names: dict[sympy.Symbol, sympy.Symbol]) -> str:
    limits = ", ".join(sorted(f"{names[index]}<{width}" for index, width in term.bound))
    factors = "*".join(sorted(str(factor.xreplace(names)) for factor in term.factors))
    return f"sum({limits}) {factors}"
