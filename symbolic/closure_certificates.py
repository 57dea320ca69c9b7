"""Certificates that no finite order of moments is closed (THEORY section 5), in exact rational arithmetic.

Each certificate is a pair of ensembles whose moments up to order m are equal, computed one by one, and a moment of
order <= m whose time derivatives, by back-propagation through every neuron, differ. Families:

``prouhet_certificate``
    Neurons (+1, w), (-1, w) on w = h t v, {t} the two halves of a Prouhet-Tarry-Escott solution of degree m (equal
    power sums up to m, asserted). The output is 0 in both. Width 2 (m + 1). d<a w_1^(m-1)>/dt differs.
``binomial_certificate``
    Nodes w = j h v, j = 0..K, K = m + D - 1, multiplicity binom(K, j), even j in one ensemble and odd j in the other,
    times a = +-1: a K-th finite difference. For polynomial s of degree D and leading coefficient c_D the difference is
    (-1)^K T_D(v) v_1^(m-1) K! h^K / 2^(K-1), T_D(v) = c_D E[y (v.x)^D], at every order m.
``width_certificate``
    a_i = 1 and width N > m: a Prouhet-Tarry-Escott solution padded by common neurons.
``finite_difference_certificate``
    K = m + 1 nodes w_0 + j h v and d<a>/dt, any activation; ReLU on one ray (w_0 = 0) gives exactly 0, off it not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb, factorial
from typing import Literal

from symbolic.closure import (
    Data,
    Ensemble,
    ExactActivation,
    MomentIndex,
    Vector,
    ensemble,
    moment_derivative,
    moment_indices,
    neuron_velocities,
    outputs,
)

ClosedFormReading = Literal["exact", "closed", "single-sign", "order-m", "sign-flipped", "no-factorial"]
ProuhetReading = Literal["exact", "closed", "single-sign", "no-input-force"]

_PROUHET_TARRY_ESCOTT: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {
    1: ((0, 3), (1, 2)),
    2: ((0, 4, 5), (1, 2, 6)),
    3: ((0, 4, 7, 11), (1, 2, 9, 10)),
    4: ((0, 4, 8, 16, 17), (1, 2, 10, 14, 18)),
    5: ((0, 5, 6, 16, 17, 22), (1, 2, 10, 12, 20, 21)),
    6: ((0, 18, 27, 58, 64, 89, 101), (1, 13, 38, 44, 75, 84, 102)),
    7: ((0, 4, 9, 23, 27, 41, 46, 50), (1, 2, 11, 20, 30, 39, 48, 49)),
    8: ((0, 24, 30, 83, 86, 133, 157, 181, 197), (1, 17, 41, 65, 112, 115, 168, 174, 198)),
}


@dataclass(frozen=True)
class Certificate:
    """Two ensembles, the order m, one moment of order <= m and its time derivative in both.

    ``moment_gap`` is the largest absolute difference of a moment of order <= m, ``output_gap`` that of the outputs on
    the data; both are computed, not assumed.
    """

    order: int
    moment: MomentIndex
    first: Ensemble
    second: Ensemble
    derivatives: tuple[Fraction, Fraction]
    moment_gap: Fraction
    output_gap: Fraction

    @property
    def difference(self) -> Fraction:
        """Derivative in the first ensemble minus derivative in the second."""
        return self.derivatives[0] - self.derivatives[1]

    @property
    def refutes_closure(self) -> bool:
        """Equal moments up to the order, and yet different derivatives of one of them."""
        return self.moment_gap == 0 and self.difference != 0


def prouhet_tarry_escott(degree: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two sets of degree + 1 integers with equal power sums up to ``degree`` and different ones at degree + 1.

    The tabulated solution is checked on every call; ValueError for a degree outside 1..8 or a solution that is wrong.
    """
    if degree not in _PROUHET_TARRY_ESCOTT:
        raise ValueError(f"expected a degree in 1..8, got {degree}: use binomial_certificate for higher orders")
    left, right = _PROUHET_TARRY_ESCOTT[degree]
    gaps = [sum(t**k for t in left) - sum(t**k for t in right) for k in range(degree + 2)]
    if any(gaps[:-1]) or not gaps[-1]:
        raise ValueError(
            f"expected equal power sums exactly up to degree {degree}, got differences {gaps}: fix the table"
        )
    return left, right


def certificate(
    first: Ensemble, second: Ensemble, order: int, moment: MomentIndex, activation: ExactActivation, data: Data
) -> Certificate:
    """The certificate of one pair: every moment of order <= m compared, the derivative back-propagated in both.

    Raises ValueError when ``moment`` is not of order 1..m.
    """
    if not 1 <= sum(moment) <= order:
        raise ValueError(f"expected a moment of order 1..{order}, got {moment}: closure concerns these only")
    indices = moment_indices(order, len(moment) - 1)
    derivatives = tuple(
        moment_derivative(net, moment, neuron_velocities(net, activation, data)) for net in (first, second)
    )
    return Certificate(
        order,
        moment,
        first,
        second,
        (derivatives[0], derivatives[1]),
        max(abs(first.moment(index) - second.moment(index)) for index in indices),
        max(abs(a - b) for a, b in zip(*(outputs(net, activation, data) for net in (first, second)), strict=True)),
    )


def prouhet_certificate(
    order: int, activation: ExactActivation, data: Data, direction: Vector, spacing: Fraction = Fraction(1)
) -> Certificate:
    """Neurons (+-1, h t v): yhat = 0 in both, odd powers of a vanish, d<a w_1^(m-1)>/dt differs for polynomial s."""
    nets = [
        ensemble([(Fraction(sign), _scaled(direction, t * spacing)) for t in half for sign in (1, -1)])
        for half in prouhet_tarry_escott(order)
    ]
    return certificate(nets[0], nets[1], order, _readout_index(order, direction), activation, data)


def prouhet_difference(
    order: int,
    activation: ExactActivation,
    data: Data,
    direction: Vector,
    spacing: Fraction = Fraction(1),
    reading: ProuhetReading = "exact",
) -> Fraction:
    """What d<a w_1^(m-1)>/dt differs by in ``prouhet_certificate``, from the power sums of the solution [ours].

    yhat = 0, so a neuron (+-1, w = h t v) brings w_1^(m-1) E[y s(w.x)] + (m-1) w_1^(m-2) E[y s'(w.x) x_1]: a polynomial
    in t. Its terms up to t^m cancel between the halves; what is left are the power sums of degree m+1 to m+D-1.
    Counterfeits: "closed" (0), "single-sign" (half), "no-input-force" (dw/dt dropped: the same unless D > 3 - it
    enters at degree m+D-3). Raises ValueError for an activation that is no polynomial.
    """
    if activation.degree is None:
        raise ValueError(f"expected a polynomial activation, got {activation.name}")
    if reading not in ("exact", "closed", "single-sign", "no-input-force"):
        raise ValueError(f"expected a reading exact, closed, single-sign or no-input-force, got {reading!r}")
    left, right = prouhet_tarry_escott(order)
    v_1, total = direction[0], Fraction(0)
    for k, c in enumerate(activation.coefficients):
        readout = c * data.correlation(direction, k) * v_1 ** (order - 1)
        total += readout * spacing ** (order - 1 + k) * _power_gap(left, right, order - 1 + k)
        if k and order > 1 and reading != "no-input-force":
            along = sum(
                (weight * y * x[0] * _along(direction, x) ** (k - 1) for weight, y, x in _rows(data)), Fraction(0)
            )
            row = (order - 1) * k * c * along * v_1 ** (order - 2)
            total += row * spacing ** (order + k - 3) * _power_gap(left, right, order + k - 3)
    copies = {"closed": Fraction(0), "single-sign": Fraction(1, 2)}.get(reading, Fraction(1))
    return copies * total / len(left)


def binomial_certificate(
    order: int, activation: ExactActivation, data: Data, direction: Vector, spacing: Fraction = Fraction(1)
) -> Certificate:
    """The closed-form family of every order for a polynomial activation of degree D >= 2."""
    even, odd = _finite_difference_pair(_difference_order(order, activation), None, direction, spacing)
    return certificate(even, odd, order, _readout_index(order, direction), activation, data)


def binomial_difference(
    order: int,
    activation: ExactActivation,
    data: Data,
    direction: Vector,
    spacing: Fraction = Fraction(1),
    reading: ClosedFormReading = "exact",
) -> Fraction:
    """The closed form (-1)^K T_D(v) v_1^(m-1) K! h^K / 2^(K-1), K = m + D - 1, of the difference.

    It is non-zero whenever E[y (v.x)^D] and v_1 are: no order m is closed. Counterfeits: "closed" (0, what closure at
    order m would mean), "single-sign" (2^K in the denominator: the two signs of a not both counted), "order-m" (K = m
    in the factorial and the powers), "sign-flipped", "no-factorial" (K! dropped).
    """
    K = _difference_order(order, activation)
    T = activation.leading * data.correlation(direction, K - order + 1) * direction[0] ** (order - 1)
    values = {
        "exact": Fraction((-1) ** K * factorial(K), 2 ** (K - 1)) * T * spacing**K,
        "closed": Fraction(0),
        "single-sign": Fraction((-1) ** K * factorial(K), 2**K) * T * spacing**K,
        "order-m": Fraction((-1) ** order * factorial(order), 2 ** (order - 1)) * T * spacing**order,
        "sign-flipped": -Fraction((-1) ** K * factorial(K), 2 ** (K - 1)) * T * spacing**K,
        "no-factorial": Fraction((-1) ** K, 2 ** (K - 1)) * T * spacing**K,
    }
    if reading not in values:
        raise ValueError(f"expected a reading among {', '.join(values)}, got {reading!r}: choose one of them")
    return values[reading]


def finite_difference_certificate(
    order: int,
    activation: ExactActivation,
    data: Data,
    direction: Vector,
    offset: Vector | None = None,
    spacing: Fraction = Fraction(1),
) -> Certificate:
    """K = m + 1 nodes w_0 + j h v and the moment <a>: for any activation; exactly 0 for ReLU if w_0 = 0."""
    even, odd = _finite_difference_pair(order + 1, offset, direction, spacing)
    return certificate(even, odd, order, (1, *(0 for _ in direction)), activation, data)


def width_certificate(
    width: int, order: int, activation: ExactActivation, data: Data, spacing: Fraction = Fraction(1)
) -> Certificate:
    """Width N > m, d = 1, all a_i = 1: a Prouhet-Tarry-Escott solution of degree m and N - m - 1 common neurons.

    The first moment of order <= m, in lexicographic order, whose derivative differs is reported (the last one tried
    if none does). Raises ValueError when N <= m: there the moments determine the ensemble.
    """
    if width <= order:
        raise ValueError(f"expected a width above the order {order}, got {width}: at width N the order N is closed")
    common = [7 + k for k in range(width - order - 1)]
    nets = [ensemble([(Fraction(1), (spacing * t,)) for t in (*half, *common)]) for half in prouhet_tarry_escott(order)]
    found: Certificate | None = None
    for moment in moment_indices(order, 1):
        found = certificate(nets[0], nets[1], order, moment, activation, data)
        if found.difference:
            break
    assert found is not None  # order >= 1 has at least one moment
    return found


def _finite_difference_pair(
    difference_order: int, offset: Vector | None, direction: Vector, spacing: Fraction
) -> tuple[Ensemble, Ensemble]:
    """Nodes w_0 + j h v with multiplicity binom(K, j) and a = +-1: even j, odd j."""
    origin = offset if offset is not None else tuple(Fraction(0) for _ in direction)

    def net(parity: int) -> Ensemble:
        nodes = range(parity, difference_order + 1, 2)
        neurons = [
            (Fraction(sign), tuple(o + e for o, e in zip(origin, _scaled(direction, j * spacing), strict=True)))
            for j in nodes
            for sign in (1, -1)
        ]
        return ensemble(neurons, [comb(difference_order, j) for j in nodes for _ in (1, -1)])

    return net(0), net(1)


def _power_gap(left: Sequence[int], right: Sequence[int], power: int) -> int:
    gap: int = sum(t**power for t in left) - sum(t**power for t in right)
    return gap


def _rows(data: Data) -> zip[tuple[Fraction, Fraction, Vector]]:
    return zip(data.weights, data.targets, data.points, strict=True)


def _along(direction: Vector, x: Vector) -> Fraction:
    return sum((a * b for a, b in zip(direction, x, strict=True)), Fraction(0))


def _difference_order(order: int, activation: ExactActivation) -> int:
    if activation.degree is None or activation.degree < 2:
        raise ValueError(
            f"expected a polynomial activation of degree >= 2, got {activation.name} of degree {activation.degree}: "
            "use finite_difference_certificate"
        )
    return order + activation.degree - 1


def _readout_index(order: int, direction: Vector) -> MomentIndex:
    """The index of a w_1^(m-1)."""
    return (1, order - 1, *(0 for _ in direction[1:]))


def _scaled(direction: Sequence[Fraction], factor: Fraction) -> Vector:
    return tuple(factor * component for component in direction)
