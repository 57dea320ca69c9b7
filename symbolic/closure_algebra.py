"""Where the moments do close: exact linear algebra at fixed width, and the controls of THEORY section 5.

At width N and for polynomial s, power sums of degree <= N generate all symmetric functions of the neurons, so that
every dM/dt of order <= m is a polynomial in the moments of order <= m as soon as m >= N. Here this is verified, not
cited: with symbolic neurons (d = 1) the loss is composed on a rational quadrature grid, differentiated, and each
dM/dt is solved for as a linear combination of products of moments. Where m < N the same system has no solution (and
``width_certificate`` shows that no function whatever can do it). Controls that close: linear s at every order m >= 2,
all neurons identical, and the conserved a_i^2 - |w_i|^2 / D of s = z^D.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import sympy
from flint import fmpq, fmpq_mat
from sympy.polys.rings import PolyElement, PolyRing, ring

from symbolic.closure import (
    Data,
    MomentIndex,
    Vector,
    gaussian_grid,
    moment_indices,
    polynomial_activation,
    teacher_data,
)
from symbolic.polynomial_form import IdentitySides, LinearForm, as_fraction

LinearReading = Literal["exact", "sign-flipped", "no-teacher"]


@dataclass(frozen=True)
class ClosureCheck:
    """Outcome at one width and order: dM/dt for each moment as a form in products of moments, or None when
    impossible.

    A product is written ``M[1,0]*M[0,2]``; the empty product is ``1``.
    """

    width: int
    order: int
    derivatives: dict[MomentIndex, LinearForm | None]

    @property
    def closed(self) -> bool:
        """Whether every derivative is a polynomial in the moments of order <= m."""
        return all(form is not None for form in self.derivatives.values())


def closure_check(
    width: int, order: int, coefficients: Sequence[Fraction | int] = (0, 1, Fraction(1, 2)), identical: bool = False
) -> ClosureCheck:
    """Is dM/dt, order <= m, a polynomial in the moments of order <= m at width N? Scalar inputs (d = 1), y = s(x).

    ``coefficients`` (c_0, c_1, ...) define the activation; ``identical=True`` restricts to ensembles of N identical
    neurons (one atom). Raises ValueError for a width or an order below 1.
    """
    if width < 1 or order < 1:
        raise ValueError(f"expected a width and an order of at least 1, got {width} and {order}")
    model = _SymbolicEnsemble(width, 1, identical)
    teacher = polynomial_activation(coefficients)
    data = teacher_data(teacher.value, (Fraction(1),), half_nodes=max(1, len(coefficients)))
    rates = model.velocities(coefficients, data)
    indices = list(moment_indices(order, 1))
    moments = {index: model.moment(index) for index in indices}
    return ClosureCheck(
        width,
        order,
        {index: _in_products(model, model.rate(index, rates), moments) for index in indices},
    )


def linear_closure(
    index: MomentIndex, width: int = 2, data: Data | None = None, reading: LinearReading = "exact"
) -> IdentitySides:
    """Both sides of the moment equation of linear s, s(z) = z, which closes every order m >= 2:

    dM_{p,q}/dt = -p sum_k e_k M_{p-1,q+1_k} - sum_k q_k e_k M_{p+1,q-1_k},   e = Sigma mean(a w) - E[y x].

    The left-hand side differentiates the composed loss of N symbolic neurons. ``index`` is (p, q_1, ..., q_d);
    ``data`` is a sample in Q^d, by default the isotropic grid with y = x_1 + 2. Counterfeits: "sign-flipped",
    "no-teacher" (e without E[y x]).
    """
    dimension = len(index) - 1
    sample = data if data is not None else _default_data(dimension)
    model = _SymbolicEnsemble(width, dimension, identical=False)
    measured = model.rate(index, model.velocities((0, 1), sample))
    claimed = model.ring.zero
    p = index[0]
    for k, error in enumerate(_linear_error(model, sample, with_teacher=reading != "no-teacher"), start=1):
        if p:
            claimed -= p * error * model.moment(_shifted(index, 0, -1, k, +1))
        if index[k]:
            claimed -= index[k] * error * model.moment(_shifted(index, 0, +1, k, -1))
    if reading not in ("exact", "sign-flipped", "no-teacher"):
        raise ValueError(f"expected a reading exact, sign-flipped or no-teacher, got {reading!r}: choose one of them")
    return IdentitySides(_form(measured), _form(-claimed if reading == "sign-flipped" else claimed))


def monomial_conservation(degree: int, width: int = 2, claimed_degree: int | None = None) -> IdentitySides:
    """Both sides of d(a_0^2)/dt = d(|w_0|^2)/dt / D for s = z^D, d = 2: a moment identity that is closed at any
    order.

    ``claimed_degree`` other than D is a counterfeit. Raises ValueError for D < 1.
    """
    if degree < 1:
        raise ValueError(f"expected a degree of at least 1, got {degree}: s = z^D")
    model = _SymbolicEnsemble(width, 2, identical=False)
    rates = model.velocities((*(0,) * degree, 1), _default_data(2))
    (a, *w), (da, *dw) = model.neurons[0], rates[0]
    norm_rate = sum((2 * x * dx for x, dx in zip(w, dw, strict=True)), model.ring.zero)
    return IdentitySides(_form(2 * a * da), _form(norm_rate * sympy.QQ(1, claimed_degree or degree)))


class _SymbolicEnsemble:
    """N symbolic neurons (a_i, w_i), the composed loss on a sample, and moments as polynomials."""

    def __init__(self, width: int, dimension: int, identical: bool) -> None:
        atoms = 1 if identical else width
        names = [f"{letter}{i}" for i in range(atoms) for letter in ("a", *(f"w{k + 1}_" for k in range(dimension)))]
        self.ring: PolyRing
        self.ring, *generators = ring(names, sympy.QQ)
        size = dimension + 1
        self.neurons: list[list[PolyElement]] = [generators[i * size : (i + 1) * size] for i in range(atoms)]
        self.copies = width // atoms
        self.width = width

    def output(self, coefficients: Sequence[Fraction | int], x: Vector) -> PolyElement:
        """yhat(x) = (1/N) sum_i a_i s(w_i.x)."""
        total = self.ring.zero
        for a, *w in self.neurons:
            z = sum((_rational(x_k) * w_k for x_k, w_k in zip(x, w, strict=True)), self.ring.zero)
            total += a * sum((_rational(c) * z**k for k, c in enumerate(coefficients) if c), self.ring.zero)
        return total * sympy.QQ(self.copies, self.width)

    def velocities(self, coefficients: Sequence[Fraction | int], data: Data) -> list[list[PolyElement]]:
        """-N dLoss/d(a_i, w_i) of the composed loss E[(yhat - y)^2] / 2, by differentiation."""
        loss = self.ring.zero
        for x, weight, y in zip(data.points, data.weights, data.targets, strict=True):
            loss += _rational(weight) * (self.output(coefficients, x) - _rational(y)) ** 2 * sympy.QQ(1, 2)
        # One symbol stands for `copies` identical neurons, each of which gets its share of the gradient.
        scale = sympy.QQ(-self.width, self.copies)
        return [[loss.diff(variable) * scale for variable in neuron] for neuron in self.neurons]

    def moment(self, index: MomentIndex) -> PolyElement:
        """M_{p,q} as a polynomial."""
        return self._mean([_monomial(self.ring, neuron, index) for neuron in self.neurons])

    def rate(self, index: MomentIndex, velocities: list[list[PolyElement]]) -> PolyElement:
        """dM_{p,q}/dt by the product rule."""
        rates = []
        for neuron, velocity in zip(self.neurons, velocities, strict=True):
            monomial = _monomial(self.ring, neuron, index)
            rates.append(sum((monomial.diff(x) * dx for x, dx in zip(neuron, velocity, strict=True)), self.ring.zero))
        return self._mean(rates)

    def _mean(self, values: list[PolyElement]) -> PolyElement:
        return sum(values, self.ring.zero) * sympy.QQ(self.copies, self.width)


def _in_products(
    model: _SymbolicEnsemble, polynomial: PolyElement, moments: dict[MomentIndex, PolyElement]
) -> LinearForm | None:
    """The polynomial as a combination of products of moments, degree by degree; None when one degree has no
    solution."""
    form: LinearForm = {}
    for bidegree, part in _homogeneous_parts(model, polynomial).items():
        products = list(_products_of_bidegree(bidegree, sorted(moments)))
        solution = _solve(part, [_expand(model, choice, moments) for choice in products])
        if solution is None:
            return None
        form |= {_product_text(choice): value for choice, value in zip(products, solution, strict=True) if value}
    return form


def _homogeneous_parts(model: _SymbolicEnsemble, polynomial: PolyElement) -> dict[tuple[int, int], PolyElement]:
    """Parts of equal degree in the a_i and in the w_i (d = 1): moments are homogeneous in both."""
    parts: dict[tuple[int, int], PolyElement] = {}
    for powers, coefficient in polynomial.terms():
        bidegree = (sum(powers[0::2]), sum(powers[1::2]))
        parts.setdefault(bidegree, model.ring.zero)
        parts[bidegree] += model.ring.term_new(powers, coefficient)
    return parts


def _products_of_bidegree(bidegree: tuple[int, int], indices: list[MomentIndex]) -> Iterator[tuple[MomentIndex, ...]]:
    """All multisets of moment indices whose sum is the bidegree."""
    if bidegree == (0, 0):
        yield ()
        return
    for position, (p, q) in enumerate(indices):
        if p <= bidegree[0] and q <= bidegree[1]:
            for rest in _products_of_bidegree((bidegree[0] - p, bidegree[1] - q), indices[position:]):
                yield ((p, q), *rest)


def _solve(target: PolyElement, basis: list[PolyElement]) -> list[Fraction] | None:
    """Rational coefficients with target = sum of coefficient * basis, or None; by exact row reduction."""
    rows = sorted({powers for polynomial in (target, *basis) for powers in polynomial})
    columns = [*basis, target]
    matrix = fmpq_mat([[_flint(column.get(powers, 0)) for column in columns] for powers in rows])
    reduced, rank = matrix.rref()
    solution = [Fraction(0)] * len(basis)
    for row in range(rank):
        pivot = next(column for column in range(len(columns)) if reduced[row, column] != 0)
        if pivot == len(basis):
            return None
        solution[pivot] = as_fraction(sympy.Rational(int(reduced[row, len(basis)].p), int(reduced[row, len(basis)].q)))
    return solution


def _expand(
    model: _SymbolicEnsemble, choice: tuple[MomentIndex, ...], moments: dict[MomentIndex, PolyElement]
) -> PolyElement:
    result = model.ring.one
    for index in choice:
        result *= moments[index]
    return result


def _linear_error(model: _SymbolicEnsemble, data: Data, with_teacher: bool) -> list[PolyElement]:
    """e = Sigma mean(a w) - E[y x]."""
    dimension = len(data.points[0])
    overlaps = [model.moment(_shifted((0,) * (dimension + 1), 0, 1, k, 1)) for k in range(1, dimension + 1)]

    def expectation(values: list[Fraction]) -> Fraction:
        return sum((w * v for w, v in zip(data.weights, values, strict=True)), Fraction(0))

    errors = []
    for k in range(dimension):
        covariance = [expectation([x[k] * x[j] for x in data.points]) for j in range(dimension)]
        error = sum((_rational(c) * u for c, u in zip(covariance, overlaps, strict=True)), model.ring.zero)
        target = expectation([y * x[k] for y, x in zip(data.targets, data.points, strict=True)])
        errors.append(error - _rational(target) if with_teacher else error)
    return errors


def _default_data(dimension: int) -> Data:
    points, weights = gaussian_grid(2, dimension)
    return Data(points, weights, tuple(x[0] + 2 for x in points))


def _shifted(index: MomentIndex, first: int, by: int, second: int, and_by: int) -> MomentIndex:
    changed = list(index)
    changed[first] += by
    changed[second] += and_by
    return tuple(changed)


def _monomial(domain: PolyRing, neuron: list[PolyElement], index: MomentIndex) -> PolyElement:
    result = domain.one
    for variable, power in zip(neuron, index, strict=True):
        result *= variable**power
    return result


def _product_text(choice: tuple[MomentIndex, ...]) -> str:
    return "*".join(f"M[{','.join(map(str, index))}]" for index in choice) or "1"


def _form(polynomial: PolyElement) -> LinearForm:
    return {str(monomial.as_expr()): as_fraction(c) for monomial, c in _monomials(polynomial)}


def _monomials(polynomial: PolyElement) -> Iterator[tuple[PolyElement, object]]:
    for powers, coefficient in polynomial.terms():
        yield polynomial.ring.term_new(powers, polynomial.ring.domain.one), coefficient


def _rational(value: Fraction | int) -> object:
    fraction = Fraction(value)
    return sympy.QQ(fraction.numerator, fraction.denominator)


def _flint(value: object) -> fmpq:
    rational = as_fraction(value)
    return fmpq(rational.numerator, rational.denominator)
