"""Finite ensembles of neurons, their row moments and the exact time derivatives of these (THEORY section 5,
definitions).

L = 2 in mean-field time: yhat(x) = (1/N) sum_i a_i s(w_i.x), r = yhat - y, and per neuron

    da_i/dt = -E[r s(w_i.x)],   dw_i/dt = -a_i E[r s'(w_i.x) x]       (N times the gradient flow of E[r^2] / 2).

Moments M_{p,q} = (1/N) sum_i a_i^p w_i^q, q a multi-index, order p + |q|; an index is the tuple (p, q_1, ..., q_d).
Closed at order m on a class of ensembles: every dM/dt of order <= m is a function of the moments of order <= m on
that class. Two ensembles of the class with equal moments up to order m and one different derivative refute it: a
certificate.

Everything is rational: activations are polynomials or piecewise linear, and the expectation over x is a finite
weighted sum. ``gaussian_grid`` has integer nodes and reproduces the Gaussian moments exactly up to degree 2n + 1, so
that for polynomial integrands of that degree it is the Gaussian expectation. Derivatives of moments are obtained
neuron by neuron, by back-propagation and the product rule, never from formulas about moments. Numbers are
``Fraction`` at the door and FLINT rationals inside, where they are several times faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from math import prod

from flint import fmpq, fmpq_mat

Vector = tuple[Fraction, ...]
MomentIndex = tuple[int, ...]

_ZERO = fmpq(0)


@dataclass(frozen=True)
class ExactActivation:
    """An activation and its derivative as exact functions on FLINT rationals.

    For a polynomial also its degree, leading coefficient and all coefficients; else None, 0 and ().
    """

    name: str
    value: Callable[[fmpq], fmpq]
    slope: Callable[[fmpq], fmpq]
    degree: int | None = None
    leading: Fraction = Fraction(0)
    coefficients: Vector = ()


@dataclass(frozen=True)
class Data:
    """A finite weighted sample: points x in Q^d, weights that sum to 1, targets y."""

    points: tuple[Vector, ...]
    weights: Vector
    targets: Vector

    def correlation(self, direction: Vector, power: int) -> Fraction:
        """E[y (direction.x)^power]."""
        terms = zip(self.weights, self.targets, self.points, strict=True)
        return _fraction(sum(_exact(weight * y) * _dot(direction, x) ** power for weight, y, x in terms))


@dataclass(frozen=True)
class Ensemble:
    """Neurons (a_i, w_i), each with a multiplicity: c copies of the same neuron."""

    neurons: tuple[tuple[Fraction, Vector], ...]
    multiplicities: tuple[int, ...]

    @cached_property
    def width(self) -> int:
        """N, the number of neurons with their multiplicities."""
        return sum(self.multiplicities)

    def mean(self, values: Sequence[fmpq]) -> fmpq:
        """(1/N) sum over the neurons of one value per distinct neuron."""
        return sum((c * v for c, v in zip(self.multiplicities, values, strict=True)), _ZERO) / self.width

    def moment(self, index: MomentIndex) -> Fraction:
        """M_{p,q} = (1/N) sum_i a_i^p w_i^q."""
        return _fraction(self.mean([_monomial(coordinates, index) for coordinates in self._coordinates]))

    @cached_property
    def _coordinates(self) -> tuple[tuple[fmpq, ...], ...]:
        return tuple((_exact(a), *map(_exact, w)) for a, w in self.neurons)


def ensemble(neurons: Sequence[tuple[Fraction, Vector]], multiplicities: Sequence[int] | None = None) -> Ensemble:
    """An ensemble of neurons (a, w); multiplicities default to 1. Raises ValueError when nothing or a copy count <
    1."""
    counts = tuple(multiplicities) if multiplicities is not None else (1,) * len(neurons)
    if not neurons or len(counts) != len(neurons) or min(counts) < 1:
        raise ValueError(
            f"expected at least one neuron and one positive multiplicity each, got {len(neurons)}, {counts}"
        )
    return Ensemble(tuple(neurons), counts)


def polynomial_activation(coefficients: Sequence[Fraction | int], name: str = "polynomial") -> ExactActivation:
    """s(z) = sum_k c_k z^k from (c_0, c_1, ...)."""
    c = [_exact(Fraction(value)) for value in coefficients]
    while len(c) > 1 and c[-1] == 0:
        c.pop()
    slopes = [k * value for k, value in enumerate(c)][1:]
    return ExactActivation(
        name,
        lambda z: _horner(c, z),
        lambda z: _horner(slopes, z),
        len(c) - 1,
        _fraction(c[-1]),
        tuple(map(_fraction, c)),
    )


def relu_activation() -> ExactActivation:
    """max(z, 0), with slope 0 at 0."""
    return ExactActivation("relu", lambda z: max(z, _ZERO), lambda z: fmpq(1 if z > 0 else 0))


def gaussian_grid(half_nodes: int, dimension: int) -> tuple[tuple[Vector, ...], Vector]:
    """Points and weights of the product grid {-n, ..., n}^d with E[x^k] equal to the Gaussian moment for k <= 2n + 1.

    The 2n + 1 weights per axis solve a Vandermonde system exactly. Raises ValueError for n or d below 1.
    """
    if half_nodes < 1 or dimension < 1:
        raise ValueError(f"expected at least one node and one dimension, got {half_nodes} and {dimension}")
    nodes = range(-half_nodes, half_nodes + 1)
    moments = [_gaussian_moment(k) for k in range(len(nodes))]
    solution = fmpq_mat([[fmpq(node**k) for node in nodes] for k in range(len(nodes))]).solve(
        fmpq_mat([[fmpq(moment)] for moment in moments])
    )
    axis = [_fraction(solution[i, 0]) for i in range(len(nodes))]
    points = tuple(product(map(Fraction, nodes), repeat=dimension))
    weights = tuple(prod(choice, start=Fraction(1)) for choice in product(axis, repeat=dimension))
    return points, weights


def teacher_data(teacher: Callable[[fmpq], fmpq], direction: Vector, half_nodes: int = 3) -> Data:
    """The one-mode teacher y = teacher(direction.x) on the Gaussian grid of the direction's dimension."""
    points, weights = gaussian_grid(half_nodes, len(direction))
    return Data(points, weights, tuple(_fraction(teacher(_dot(direction, x))) for x in points))


def outputs(net: Ensemble, activation: ExactActivation, data: Data) -> Vector:
    """yhat(x) = (1/N) sum_i a_i s(w_i.x) at every data point."""
    return tuple(map(_fraction, _outputs(net, activation, data)))


def neuron_velocities(net: Ensemble, activation: ExactActivation, data: Data) -> tuple[tuple[Fraction, Vector], ...]:
    """(da_i/dt, dw_i/dt) for every distinct neuron, by back-propagation through the network at every data point."""
    predicted = _outputs(net, activation, data)
    residuals = zip(predicted, data.targets, data.weights, strict=True)
    weighted = [_exact(weight) * (yhat - _exact(y)) for yhat, y, weight in residuals]
    points = [tuple(map(_exact, x)) for x in data.points]
    velocities = []
    for a, w in net.neurons:
        preactivations = [_dot(w, x) for x in points]
        da = -sum((r * activation.value(z) for r, z in zip(weighted, preactivations, strict=True)), _ZERO)
        slopes = [r * activation.slope(z) for r, z in zip(weighted, preactivations, strict=True)]
        dw = (-_exact(a) * sum((r * x[k] for r, x in zip(slopes, points, strict=True)), _ZERO) for k in range(len(w)))
        velocities.append((_fraction(da), tuple(map(_fraction, dw))))
    return tuple(velocities)


def moment_derivative(net: Ensemble, index: MomentIndex, velocities: Sequence[tuple[Fraction, Vector]]) -> Fraction:
    """dM_{p,q}/dt by the product rule from the velocities of the neurons."""
    rates = [
        _monomial_rate((_exact(a), *map(_exact, w)), (_exact(da), *map(_exact, dw)), index)
        for (a, w), (da, dw) in zip(net.neurons, velocities, strict=True)
    ]
    return _fraction(net.mean(rates))


def moment_indices(order: int, dimension: int) -> Iterator[MomentIndex]:
    """All indices (p, q_1, ..., q_d) with 1 <= p + |q| <= order."""
    for index in product(range(order + 1), repeat=dimension + 1):
        if 1 <= sum(index) <= order:
            yield index


def _outputs(net: Ensemble, activation: ExactActivation, data: Data) -> list[fmpq]:
    neurons = [(_exact(a), tuple(map(_exact, w))) for a, w in net.neurons]
    points = [tuple(map(_exact, x)) for x in data.points]
    return [net.mean([a * activation.value(_dot(w, x)) for a, w in neurons]) for x in points]


def _monomial(variables: Sequence[fmpq], index: MomentIndex) -> fmpq:
    return prod((variable**power for variable, power in zip(variables, index, strict=True)), start=fmpq(1))


def _monomial_rate(variables: Sequence[fmpq], rates: Sequence[fmpq], index: MomentIndex) -> fmpq:
    total = _ZERO
    for slot, power in enumerate(index):
        if power:
            lowered = (*index[:slot], power - 1, *index[slot + 1 :])
            total += power * rates[slot] * _monomial(variables, lowered)
    return total


def _dot(left: Sequence[Fraction | fmpq], right: Sequence[Fraction | fmpq]) -> fmpq:
    return sum((_exact(a) * _exact(b) for a, b in zip(left, right, strict=True)), _ZERO)


def _horner(coefficients: Sequence[fmpq], z: fmpq) -> fmpq:
    value = _ZERO
    for coefficient in reversed(coefficients):
        value = value * z + coefficient
    return value


def _exact(value: Fraction | fmpq) -> fmpq:
    return fmpq(value.numerator, value.denominator) if isinstance(value, Fraction) else value


def _fraction(value: fmpq) -> Fraction:
    return Fraction(int(value.p), int(value.q))


def _gaussian_moment(power: int) -> int:
    """E[g^k], g ~ N(0, 1): 0 for odd k, (k - 1)!! for even k."""
    result = 1
    for factor in range(power - 1, 0, -2):
        result *= factor
    return 0 if power % 2 else result
