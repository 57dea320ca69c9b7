"""What the claims on closure share: activations, samples, and pairs of nets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from math import comb
from typing import TYPE_CHECKING, Any

from verify.claim import Case, Counterfeit, Hypothesis
from verify.values import Budget, Evidence, Form, Measurement, Prediction

if TYPE_CHECKING:
    import numeric
    import symbolic

DEFINITION = (
    "order m closes on a class of nets: each dM/dt of order <= m is a function of the moments of order <= m there"
)

# Coefficients (c_0, c_1, ...) of s. One of each parity, one with alpha != 1, one of degree 4, where dw/dt takes part.
POLYNOMIALS: Mapping[str, tuple[Fraction, ...]] = {
    "z": (Fraction(0), Fraction(1)),
    "z+z^2/2": (Fraction(0), Fraction(1), Fraction(1, 2)),
    "z-z^3/3": (Fraction(0), Fraction(1), Fraction(0), Fraction(-1, 3)),
    "2z+z^2-z^3/6": (Fraction(0), Fraction(2), Fraction(1), Fraction(-1, 6)),
    "z+z^4/4": (Fraction(0), Fraction(1), Fraction(0), Fraction(0), Fraction(1, 4)),
}
# Another class than the key's: the quadratic is of class C, the cubic of class B.
ANOTHER = {"z+z^2/2": "z-z^3/3", "z-z^3/3": "z+z^2/2", "2z+z^2-z^3/6": "z-z^3/3", "z+z^4/4": "z-z^3/3"}

# Rational unit vectors, so that nodes and inner products stay rational; the third is orthogonal to neither of the
# other two.
MODES = (
    (Fraction(3, 5), Fraction(4, 5)),
    (Fraction(-4, 5), Fraction(3, 5)),
    (Fraction(1), Fraction(0)),
)
AMPLITUDES = (Fraction(1), Fraction(2), Fraction(-1, 2))
DIRECTION = MODES[0]
SPACING = Fraction(1, 2)

# The integrand y (v.x)^D has degree 2 D <= 8: nine nodes on an axis integrate degree 9 exactly.
HALF_NODES = 4

POLYNOMIAL = Hypothesis("s is a polynomial of degree >= 2", lambda case: len(POLYNOMIALS[case.word("s")]) > 2)
ORTHONORMAL_INPUTS = Hypothesis("x has the Gaussian moments up to degree 9 in each coordinate")


def _teacher_has_degree(case: Case) -> bool:

    activation, data = symbolic_data(case)
    assert isinstance(activation.degree, int)
    return data.correlation(DIRECTION, activation.degree) != 0


CORRELATED = Hypothesis("E[y (v.x)^D] is not 0, D the degree of s", _teacher_has_degree)


def modes_of(case: Case) -> int:
    """How many modes the teacher has: the parameter ``modes``, 1 by default."""
    return case.integer("modes") if "modes" in dict(case.parameters) else 1


def symbolic_data(case: Case) -> tuple[symbolic.ExactActivation, symbolic.Data]:
    """The activation and the sample, as the symbolic witness has them."""
    import symbolic

    activation = symbolic.polynomial_activation(POLYNOMIALS[case.word("s")], case.word("s"))
    parts = [symbolic.teacher_data(activation.value, mode, HALF_NODES) for mode in MODES[: modes_of(case)]]
    targets = tuple(
        sum((b * y for b, y in zip(AMPLITUDES, values, strict=False)), Fraction(0))
        for values in zip(*(part.targets for part in parts), strict=True)
    )
    return activation, replace(parts[0], targets=targets)


def compared(case: Case, nodes: Callable[[int], tuple[list[int], list[int], Callable[[int], int]]]) -> Measurement:
    """d<a w_1^(m-1)>/dt in the first net minus the second, and the gaps in what should be equal.

    nodes(m): the two lists of multiples of h v, and the number of copies of a node. ``check=rational`` back-propagates
    in exact arithmetic; ``check=autograd`` in float64, with every copy a neuron of its own.
    """
    m = case.integer("m")
    first, second, copies = nodes(m)
    if case.word("check") == "autograd":
        return _by_autograd(case, first, second, copies)
    import numeric

    nets = [_rational_net(half, copies) for half in (first, second)]
    found = numeric.compare_moments(nets[0], nets[1], m, (1, m - 1, 0), POLYNOMIALS[case.word("s")], _sample(case))
    return Measurement(
        Form({"difference": found.difference, "moment gap": found.moment_gap, "output gap": found.output_gap}),
        f"exact back-propagation through {nets[0].width} and {nets[1].width} neurons",
    )


def predicted(case: Case, difference: Fraction) -> Prediction:
    """The difference alone: equal moments and equal outputs are part of the statement, with gaps 0."""
    text = f"d<a w_1^(m-1)>/dt differs by {difference}, all moments of order <= m and the outputs are equal"
    if case.word("check") == "autograd":
        return Prediction(float(difference), text)
    return Prediction(Form({"difference": difference}), text)


def prouhet_nodes(m: int) -> tuple[list[int], list[int], Callable[[int], int]]:
    """The Prouhet-Tarry-Escott solution of degree m, one copy of each node."""
    import numeric

    first, second = numeric.equal_power_sums(m)
    return list(first), list(second), lambda _: 1


def binomial_nodes(difference_order: int) -> tuple[list[int], list[int], Callable[[int], int]]:
    """Even j against odd j, binom(K, j) copies."""
    every = range(difference_order + 1)
    return list(every[0::2]), list(every[1::2]), lambda j: comb(difference_order, j)


def altered(make: Callable[[Case], Fraction]) -> Callable[[Case, Prediction], Prediction | None]:
    """A counterfeit that says another difference; None where it is the honest one."""

    def alter(case: Case, honest: Prediction) -> Prediction | None:
        prediction = predicted(case, make(case))
        return None if prediction.value == honest.value else prediction

    return alter


def another_activation(difference: Callable[[Case], Fraction]) -> Counterfeit:
    """The transplant: the difference that the theory gives for an activation of another class or degree."""

    def alter(case: Case, _: Prediction) -> Prediction:
        changed = {"s": ANOTHER[case.word("s")]}
        donor = replace(case, parameters=tuple((key, changed.get(key, value)) for key, value in case.parameters))
        return predicted(case, difference(donor))

    return Counterfeit("another activation's difference", alter, transplant="activation")


def _sample(case: Case) -> numeric.RationalSample:
    import numeric

    count = modes_of(case)
    return numeric.rational_sample(HALF_NODES, MODES[:count], AMPLITUDES[:count], POLYNOMIALS[case.word("s")])


def _neurons(half: list[int]) -> list[tuple[Fraction, tuple[Fraction, ...]]]:
    """(+1, w) and (-1, w) for every node w = j h v."""
    return [(Fraction(a), tuple(j * SPACING * v for v in DIRECTION)) for j in half for a in (1, -1)]


def _rational_net(half: list[int], copies: Callable[[int], int]) -> numeric.RationalNeurons:
    import numeric

    return numeric.RationalNeurons(tuple(_neurons(half)), tuple(copies(j) for j in half for _ in (1, -1)))


def _by_autograd(case: Case, first: list[int], second: list[int], copies: Callable[[int], int]) -> Measurement:
    import torch

    import numeric

    m, exact = case.integer("m"), _sample(case)
    coefficients = [float(c) for c in POLYNOMIALS[case.word("s")]]

    def s(z: torch.Tensor) -> torch.Tensor:
        return sum((c * z**k for k, c in enumerate(coefficients)), torch.zeros_like(z))

    def tensor(values: Any) -> torch.Tensor:
        return torch.tensor([[float(x) for x in row] for row in values], dtype=torch.float64)

    inputs, targets = tensor(exact.points), tensor([exact.targets])[0]
    weights = tensor([exact.weights])[0]
    rates, terms, neurons_in_all = [], 0.0, 0
    for half in (first, second):
        flat = _neurons([j for j in half for _ in range(copies(j))])
        net = numeric.Neurons(tensor([[a for a, _ in flat]])[0], tensor([w for _, w in flat]))
        velocities = numeric.neuron_velocities(net, numeric.Sample(inputs, targets, weights), s)
        rates.append(float(numeric.moment_derivative(net, velocities, 1, (m - 1, 0))))
        # The sizes of what is added up: every point's share of every neuron's force, in absolute value.
        terms += _sizes(coefficients, inputs, (weights * targets).abs(), net.w, m)
        neurons_in_all += net.a.numel()
    roundings = neurons_in_all + inputs.shape[0] + len(coefficients) + m
    return Measurement(
        rates[0] - rates[1],
        "autograd in float64, one neuron for each copy",
        budget=Budget(rounding=roundings * torch.finfo(torch.float64).eps * terms),
        evidence=Evidence.NUMERICAL,
    )


def _sizes(coefficients: list[float], inputs: Any, shares: Any, w: Any, m: int) -> float:
    """The derivative of <a w_1^(m-1)> with every power of s, every point and every neuron in absolute value."""
    z = inputs.abs() @ w.abs().T  # (n, N)
    readout = shares @ sum(abs(c) * z**k for k, c in enumerate(coefficients))
    slopes = sum(k * abs(c) * z ** (k - 1) for k, c in enumerate(coefficients) if k)
    row = (shares * inputs[:, 0].abs()) @ slopes
    first = w[:, 0].abs()
    lowered = (m - 1) * first ** (m - 2) * row if m > 1 else 0 * row
    return float((first ** (m - 1) * readout + lowered).mean())
