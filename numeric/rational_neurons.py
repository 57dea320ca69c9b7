"""Neurons of a two-layer net in exact rational arithmetic: back-propagation, moments, and which orders close.

Conventions of THEORY section 5, mean-field: ``yhat(x) = (1/N) sum_i a_i s(w_i.x)``, r = yhat - y,

    da_i/dt = -E[r s(w_i.x)],   dw_i/dt = -a_i E[r s'(w_i.x) x],   M_{p,q} = (1/N) sum_i a_i^p w_i^q.

An index of a moment is the tuple (p, q_1, ..., q_d), of order p + |q|. An activation is given by its polynomial
coefficients (c_0, c_1, ...), or by None for ReLU. The expectation is a finite weighted sum; on ``rational_sample`` it
is the Gaussian expectation for polynomials of degree up to 2n + 1 in each coordinate. Python-flint's rationals do the
arithmetic, nothing is rounded. ``neuron_moments`` has the same in float64, by autograd.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod

from flint import fmpq, fmpq_mat

Vector = tuple[Fraction, ...]
Index = tuple[int, ...]
Coefficients = Sequence[Fraction | int] | None


@dataclass(frozen=True)
class RationalSample:
    """Points x in Q^d, their weights, which sum to 1, and the targets y."""

    points: tuple[Vector, ...]
    weights: Vector
    targets: Vector


@dataclass(frozen=True)
class RationalNeurons:
    """Distinct neurons (a_i, w_i) and the number of copies of each."""

    neurons: tuple[tuple[Fraction, Vector], ...]
    copies: tuple[int, ...]

    @property
    def width(self) -> int:
        """N, copies included."""
        return sum(self.copies)


@dataclass(frozen=True)
class MomentComparison:
    """Two nets: the difference of one moment's time derivative, and the largest gaps in what should be equal."""

    difference: Fraction
    moment_gap: Fraction
    output_gap: Fraction


def rational_sample(
    half_nodes: int, modes: Sequence[Vector], amplitudes: Sequence[Fraction | int], s: Coefficients
) -> RationalSample:
    """The teacher y = sum_k b_k s(v_k.x) on the grid {-n, ..., n}^d, with weights that integrate as N(0, I_d) does.

    modes: vectors v_k of Q^d; amplitudes: b_k; s: the teacher's activation. Raises ValueError without a node or mode.
    """
    if half_nodes < 1 or not modes:
        raise ValueError(f"expected at least one node and one mode, got {half_nodes} and {len(modes)}")
    nodes = range(-half_nodes, half_nodes + 1)
    axis = [_lagrange_weight(node, nodes) for node in nodes]
    dimension = len(modes[0])
    points = tuple(tuple(map(Fraction, x)) for x in product(nodes, repeat=dimension))
    weights = tuple(prod(choice, start=Fraction(1)) for choice in product(axis, repeat=dimension))
    targets = tuple(
        _fraction(sum((_flint(b) * _value(s, _dot(v, x)) for b, v in zip(amplitudes, modes, strict=True)), fmpq(0)))
        for x in points
    )
    return RationalSample(points, weights, targets)


def rational_velocities(net: RationalNeurons, s: Coefficients, sample: RationalSample) -> RationalNeurons:
    """(da_i/dt, dw_i/dt) by back-propagation of every point's residual through every neuron; copies as in ``net``."""
    errors = [
        _flint(weight) * (yhat - _flint(y))
        for weight, yhat, y in zip(sample.weights, _outputs(net, s, sample), sample.targets, strict=True)
    ]
    velocities = []
    for a, w in net.neurons:
        da, dw = fmpq(0), [fmpq(0)] * len(w)
        for x, error in zip(sample.points, errors, strict=True):
            z = _dot(w, x)
            da -= error * _value(s, z)
            back = error * _flint(a) * _slope(s, z)
            dw = [total - back * _flint(x_k) for total, x_k in zip(dw, x, strict=True)]
        velocities.append((_fraction(da), tuple(map(_fraction, dw))))
    return RationalNeurons(tuple(velocities), net.copies)


def rational_moment(net: RationalNeurons, index: Index) -> Fraction:
    """M_{p,q}."""
    return _fraction(_moment(net, index))


def rational_moment_rate(net: RationalNeurons, velocities: RationalNeurons, index: Index) -> Fraction:
    """dM_{p,q}/dt by the product rule along the velocities."""
    return _fraction(_rate(net, velocities, index))


def compare_moments(
    first: RationalNeurons, second: RationalNeurons, order: int, index: Index, s: Coefficients, sample: RationalSample
) -> MomentComparison:
    """dM/dt of the moment ``index`` in the first net minus the second, and the largest gap of a moment up to order."""
    rates = [_rate(net, rational_velocities(net, s, sample), index) for net in (first, second)]
    outputs = zip(_outputs(first, s, sample), _outputs(second, s, sample), strict=True)
    return MomentComparison(
        _fraction(rates[0] - rates[1]),
        _fraction(max(abs(_moment(first, k) - _moment(second, k)) for k in _indices(order, len(index) - 1))),
        _fraction(max(abs(a - b) for a, b in outputs)),
    )


def closed_orders(
    s: Sequence[Fraction | int], width: int, highest: int, seed: int, *, identical: bool = False
) -> tuple[int, ...]:
    """The orders m <= ``highest`` at which every dM/dt of order <= m is a polynomial in the moments of order <= m.

    Scalar inputs, y = s(x), N = ``width`` neurons (all identical on request). For each moment the derivative, back-
    propagated at random integer ensembles, is compared with the span of the products of moments there, by exact rank.
    "Not in the span" is a proof: no polynomial does it. "In the span" at 4 points more than products is an identity but
    for a coincidence. Raises ValueError for a width or an order below 1.
    """
    if width < 1 or highest < 1:
        raise ValueError(f"expected a width and an order of at least 1, got {width} and {highest}")
    sample = rational_sample(len(s), [(Fraction(1),)], [1], s)
    draw = _Ensembles(width, identical, random.Random(seed), s, sample)
    return tuple(
        order
        for order in range(1, highest + 1)
        if all(_in_span(index, order, draw, len(s) - 1) for index in _indices(order, 1))
    )


def equal_power_sums(degree: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two sets of ``degree`` + 1 integers with equal power sums up to ``degree`` (Prouhet-Tarry-Escott).

    Each set is tabulated once (THEORY section 5) and compared on every call. Raises ValueError outside 1..8.
    """
    if degree not in _EQUAL_POWER_SUMS:
        raise ValueError(f"expected a degree in 1..8, got {degree}")
    left, right = _EQUAL_POWER_SUMS[degree]
    if any(sum(t**k for t in left) != sum(t**k for t in right) for k in range(degree + 1)):
        raise ValueError(f"the sets tabulated for degree {degree} have different power sums: fix the table")
    return left, right


_EQUAL_POWER_SUMS: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {
    1: ((0, 3), (1, 2)),
    2: ((0, 4, 5), (1, 2, 6)),
    3: ((0, 4, 7, 11), (1, 2, 9, 10)),
    4: ((0, 4, 8, 16, 17), (1, 2, 10, 14, 18)),
    5: ((0, 5, 6, 16, 17, 22), (1, 2, 10, 12, 20, 21)),
    6: ((0, 18, 27, 58, 64, 89, 101), (1, 13, 38, 44, 75, 84, 102)),
    7: ((0, 4, 9, 23, 27, 41, 46, 50), (1, 2, 11, 20, 30, 39, 48, 49)),
    8: ((0, 24, 30, 83, 86, 133, 157, 181, 197), (1, 17, 41, 65, 112, 115, 168, 174, 198)),
}


class _Ensembles:
    """Random integer ensembles and their velocities, drawn once and shared by all moments."""

    def __init__(
        self, width: int, identical: bool, source: random.Random, s: Coefficients, sample: RationalSample
    ) -> None:
        self._width, self._identical, self._source, self._s, self._sample = width, identical, source, s, sample
        self._drawn: list[tuple[RationalNeurons, RationalNeurons]] = []

    def first(self, count: int) -> list[tuple[RationalNeurons, RationalNeurons]]:
        """The first ``count`` of them."""
        while len(self._drawn) < count:
            atoms = 1 if self._identical else self._width
            neurons = tuple((self._number(), (self._number(),)) for _ in range(atoms))
            net = RationalNeurons(neurons, (self._width // atoms,) * atoms)
            self._drawn.append((net, rational_velocities(net, self._s, self._sample)))
        return self._drawn[:count]

    def _number(self) -> Fraction:
        return Fraction(self._source.randint(-99, 99))


def _in_span(index: Index, order: int, draw: _Ensembles, degree: int) -> bool:
    products = sorted({choice for target in _bidegrees(index, degree) for choice in _products(target, order)})
    points = draw.first(len(products) + 4)
    rows = []
    for net, velocities in points:
        moments = {k: _moment(net, k) for k in _indices(order, 1)}
        basis = [prod((moments[k] for k in choice), start=fmpq(1)) for choice in products]
        rows.append([*basis, _rate(net, velocities, index)])
    with_target, without = fmpq_mat(rows), fmpq_mat([row[:-1] or [fmpq(0)] for row in rows])
    return bool(with_target.rref()[1] == without.rref()[1])


def _bidegrees(index: Index, degree: int) -> set[tuple[int, int]]:
    """Degrees in the a_i and in the w_i that occur in dM_{p,q}/dt for a polynomial s of that degree."""
    p, q = index
    found = set()
    for k in range(degree + 1):
        for rise in (0, *(1 + j for j in range(degree + 1))):  # 0: the teacher; 1 + j: yhat brings one a and w^j
            a, w = (1, rise - 1) if rise else (0, 0)
            if p:
                found.add((p - 1 + a, q + k + w))
            if q and k:
                found.add((p + 1 + a, q - 1 + k - 1 + w))
    return found


def _products(target: tuple[int, int], order: int) -> Iterator[tuple[Index, ...]]:
    """Multisets of indices of order <= m that add up to the target."""

    def extend(left: tuple[int, int], indices: list[Index]) -> Iterator[tuple[Index, ...]]:
        if left == (0, 0):
            yield ()
        for position, (p, q) in enumerate(indices):
            if p <= left[0] and q <= left[1]:
                for rest in extend((left[0] - p, left[1] - q), indices[position:]):
                    yield ((p, q), *rest)

    yield from extend(target, sorted(_indices(order, 1)))


def _indices(order: int, dimension: int) -> Iterator[Index]:
    return (index for index in product(range(order + 1), repeat=dimension + 1) if 1 <= sum(index) <= order)


def _outputs(net: RationalNeurons, s: Coefficients, sample: RationalSample) -> list[fmpq]:
    return [
        sum((c * _flint(a) * _value(s, _dot(w, x)) for (a, w), c in _counted(net)), fmpq(0)) / net.width
        for x in sample.points
    ]


def _moment(net: RationalNeurons, index: Index) -> fmpq:
    return sum((c * _monomial((a, *w), index) for (a, w), c in _counted(net)), fmpq(0)) / net.width


def _rate(net: RationalNeurons, velocities: RationalNeurons, index: Index) -> fmpq:
    total = fmpq(0)
    for ((a, w), c), (da, dw) in zip(_counted(net), velocities.neurons, strict=True):
        for slot, speed in enumerate((da, *dw)):
            if index[slot]:
                lowered = (*index[:slot], index[slot] - 1, *index[slot + 1 :])
                total += c * index[slot] * _flint(speed) * _monomial((a, *w), lowered)
    return total / net.width


def _counted(net: RationalNeurons) -> Iterator[tuple[tuple[Fraction, Vector], int]]:
    return zip(net.neurons, net.copies, strict=True)


def _monomial(variables: Sequence[Fraction], index: Index) -> fmpq:
    return prod((_flint(v) ** k for v, k in zip(variables, index, strict=True)), start=fmpq(1))


def _value(s: Coefficients, z: fmpq) -> fmpq:
    if s is None:
        return max(z, fmpq(0))
    return sum((_flint(c) * z**k for k, c in enumerate(s)), fmpq(0))


def _slope(s: Coefficients, z: fmpq) -> fmpq:
    if s is None:
        return fmpq(1 if z > 0 else 0)  # slope 0 at the kink, as automatic differentiation has it
    return sum((k * _flint(c) * z ** (k - 1) for k, c in enumerate(s) if k), fmpq(0))


def _lagrange_weight(node: int, nodes: range) -> Fraction:
    """E[prod_{m != node} (g - m)/(node - m)], g ~ N(0, 1): the weight of the interpolatory rule."""
    polynomial = [Fraction(1)]
    for other in nodes:
        if other != node:
            shifted = [Fraction(0), *polynomial]
            lowered = [other * c for c in polynomial] + [Fraction(0)]
            polynomial = [(up - down) / (node - other) for up, down in zip(shifted, lowered, strict=True)]
    # E[g^k] = (k - 1)!! for even k, 0 for odd k.
    return sum((c * prod(range(1, k, 2)) for k, c in enumerate(polynomial) if k % 2 == 0), Fraction(0))


def _dot(left: Sequence[Fraction], right: Sequence[Fraction]) -> fmpq:
    return sum((_flint(a) * _flint(b) for a, b in zip(left, right, strict=True)), fmpq(0))


def _flint(value: Fraction | int) -> fmpq:
    return fmpq(value.numerator, value.denominator)


def _fraction(value: fmpq) -> Fraction:
    return Fraction(int(value.p), int(value.q))
