"""Theorem A of THEORY section 4: the algebra behind the clock of escape off the manifold, at any width and alignment.

For a contiguous bottleneck of r layers the leading-order correlation is f = a.W_r ... W_1 m. With forward vectors
B_1 = m, B_{l+1} = W_l B_l, backward vectors A_r = a, A_{l-1} = W_l^T A_l, gradients G_l = df/dW_l,
T = sum_l |G_l|_F^2 and Gamma = |a||m|:

    (1)  |G_l|_F = |A_l||B_l|
    (2)  A_l.B_{l+1} = f for l < r
    (3)  prod_l |G_l| = Gamma prod_{l<r} |A_l||B_{l+1}| = Gamma f^{r-1} / prod_{l<r} cos_l,  cos_l = cos(A_l, B_{l+1})
    (4)  T >= r (prod_l |G_l|^2)^{1/r} >= r Gamma^{2/r} f^{2-2/r} for f > 0    (means; cos_l <= 1)

with equality in (4) iff all |G_l| are equal (balanced) and all cos_l = 1 (aligned). The frozen layers' factor
alpha^{L-b} is part of a. (1), (2) and, for Theorem B, f' = T along dW_l/dt = G_l and the homogeneity of G_l are proved
as polynomial identities, G_l by plain differentiation of the composed product; (4) is exhibited, raised to the power
r to stay rational, as T^r = r^r Gamma^2 f^{2r-2} times two factors that are each at least 1. Layers count from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import prod
from types import MappingProxyType
from typing import Literal

import sympy
from flint import fmpq, fmpq_mat

from symbolic.polynomial_form import Canonicaliser, IdentitySides, LinearForm

Statement = Literal["gradient-norm", "interface", "flow", "homogeneity"]
EqualityReading = Literal["exact", "no-factor-r", "power-too-high", "printed-power"]
Network = Callable[[sympy.Matrix, Sequence[sympy.Matrix], sympy.Matrix], sympy.Expr]
RationalMatrix = Sequence[Sequence[Fraction | int]]

_STATEMENTS: tuple[Statement, ...] = ("gradient-norm", "interface", "flow", "homogeneity")


def composed_overlap(readout: sympy.Matrix, weights: Sequence[sympy.Matrix], source: sympy.Matrix) -> sympy.Expr:
    """f = a.W_r ... W_1 m for columns a, m and W_1 first: the function that is differentiated."""
    forward = source
    for weight in weights:
        forward = weight * forward
    return readout.dot(forward)


def overlap_identity(statement: Statement, layer: int, widths: Sequence[int]) -> IdentitySides:
    """Both sides of one polynomial identity behind Theorem A, for symbolic weights, a and m.

    ``widths`` is (n_0, ..., n_r). "gradient-norm": |G_l|^2 = |A_l|^2 |B_l|^2; "interface": A_l.B_{l+1} = f, l < r;
    "flow": df/dt = T along dW_l/dt = G_l (``layer`` has no meaning); "homogeneity": f = <W_l, G_l> (Euler). Raises
    ValueError for a layer outside the product or an unknown statement.
    """
    if statement not in _STATEMENTS:
        raise ValueError(f"expected a statement among {', '.join(_STATEMENTS)}, got {statement!r}: choose one of them")
    depth = len(widths) - 1
    _check_layer(layer, depth - 1 if statement == "interface" else depth, widths)
    weights, readout, source = _symbols(widths)
    measured, claimed = _sides(statement, layer, weights, readout, source)
    names = Canonicaliser()
    return IdentitySides(names.form(measured), names.form(claimed))


def gradient_scaling(layer: int, widths: Sequence[int], power: int | None = None) -> IdentitySides:
    """Both sides of G_l(eps W) = eps^(r-1) G_l(W), all entries of one layer (Theorem B, homogeneity).

    With dW/dt = G(W) it makes eps W(eps^(r-2) t) a solution whenever W(t) is one: every time of the leading-order
    flow, blow-up included, scales as eps^-(r-2) for the same start, whatever the sign of f(0). ``power`` other than r
    - 1 is a counterfeit. Raises ValueError for a layer outside the product.
    """
    depth = len(widths) - 1
    _check_layer(layer, depth, widths)
    eps = sympy.Symbol("eps")
    names, scaled, plain = _scaled_and_plain(composed_overlap, layer, tuple(widths))
    measured: LinearForm = {}
    claimed: LinearForm = {}
    for k, (left, right) in enumerate(zip(scaled, plain, strict=True)):
        label = f"G_{layer}[{k // plain.cols},{k % plain.cols}]"
        measured |= {f"{label}: {key}": value for key, value in names.form(left).items()}
        factor = eps ** (depth - 1 if power is None else power)
        claimed |= {f"{label}: {key}": value for key, value in names.form(factor * right).items()}
    return IdentitySides(measured, claimed)


def equality_case(layers: int, reading: EqualityReading = "exact") -> IdentitySides:
    """Both sides of T^r = r^r Gamma^2 f^{2r-2} at balanced aligned weights W_l = c u_l u_{l-1}^T, |u_l| = 1, width 2.

    ``measured`` is T^r from the differentiated product, a polynomial in c, |a| and |m|; ``claimed`` the bound.
    Counterfeits: "no-factor-r" (Gamma^2 f^{2r-2}), "power-too-high" (f^{2r-1}), "printed-power" (f^{r-1}: the
    exponent 1 - 1/r put on f).
    """
    a, m = _NORMS
    weights, units = _balanced_and_aligned(layers)
    f = composed_overlap(a * units[-1], weights, m * units[0])
    claims = {
        "exact": layers**layers * (a * m) ** 2 * f ** (2 * layers - 2),
        "no-factor-r": (a * m) ** 2 * f ** (2 * layers - 2),
        "power-too-high": layers**layers * (a * m) ** 2 * f ** (2 * layers - 1),
        "printed-power": layers**layers * (a * m) ** 2 * f ** (layers - 1),
    }
    if reading not in claims or layers < 2:
        raise ValueError(
            f"expected at least 2 layers and a reading among {', '.join(claims)}, got {layers}, {reading!r}"
        )
    return IdentitySides(dict(_total_power(composed_overlap, layers)), Canonicaliser().form(claims[reading]))


_NORMS = sympy.symbols("|a| |m|")


def _balanced_and_aligned(layers: int) -> tuple[list[sympy.Matrix], list[sympy.Matrix]]:
    """Weights W_l = c u_l u_{l-1}^T of width 2, and the unit vectors u_0 ... u_r."""
    c = sympy.Symbol("c")
    units = [sympy.Matrix(_PYTHAGOREAN[index % len(_PYTHAGOREAN)]) for index in range(layers + 1)]
    return [c * units[index + 1] * units[index].T for index in range(layers)], units


@lru_cache(maxsize=8)
def _total_power(network: Network, layers: int) -> Mapping[str, Fraction]:
    a, m = _NORMS
    weights, units = _balanced_and_aligned(layers)
    gradients = [
        _gradient(network, weights, a * units[-1], m * units[0], layer) for layer in range(1, len(weights) + 1)
    ]
    total = sympy.Add(*(_inner(gradient, gradient) for gradient in gradients))
    return MappingProxyType(Canonicaliser().form(total**layers))


# The powers that are claimed differ on the claimed side alone, and so do the bounds of `equality_case`. The network is
# an argument, so that another definition of it is another derivation.
@lru_cache(maxsize=8)
def _scaled_and_plain(
    network: Network, layer: int, widths: tuple[int, ...]
) -> tuple[Canonicaliser, sympy.Matrix, sympy.Matrix]:
    """G_l(eps W) and G_l(W), with what turns their entries into forms."""
    weights, readout, source = _symbols(widths)
    eps = sympy.Symbol("eps")
    scaled, plain = (_gradient(network, w, readout, source, layer) for w in ([eps * w for w in weights], weights))
    return Canonicaliser(), scaled, plain


@dataclass(frozen=True)
class TheoremAInstance:
    """Theorem A at one rational point; everything exact. ``layers`` is r.

    T^r = bound^r * imbalance_factor * misalignment_factor with bound^r = r^r Gamma^2 f^{2r-2} =: ``bound_power``.
    Both factors are at least 1 when f is not 0; the first is 1 iff all |G_l| are equal, the second iff all A_l,
    B_{l+1} are parallel. They are None at f = 0. ``alignment_rate`` = T - f^2 sum_l 1/|W_l|_F^2, f times the
    logarithmic growth rate of f / prod |W_l|_F along dW_l/dt = G_l: never negative (Theorem B); None when a weight
    matrix vanishes.
    """

    layers: int
    overlap: Fraction
    total: Fraction
    gamma_squared: Fraction
    imbalance_factor: Fraction | None
    misalignment_factor: Fraction | None
    alignment_rate: Fraction | None
    largest_gradient_ratio: Fraction | None

    @property
    def bound_power(self) -> Fraction:
        """(r Gamma^{2/r} f^{2-2/r})^r."""
        power: Fraction = self.layers**self.layers * self.gamma_squared * self.overlap ** (2 * self.layers - 2)
        return power

    @property
    def gap(self) -> Fraction:
        """T^r minus the r-th power of the bound: not negative, 0 iff balanced and aligned (f not 0)."""
        return self.total**self.layers - self.bound_power


def theorem_a_instance(
    readout: Sequence[Fraction | int], weights: Sequence[RationalMatrix], source: Sequence[Fraction | int]
) -> TheoremAInstance:
    """Theorem A evaluated exactly at rational a (``readout``), W_1..W_r and m (``source``).

    Raises ValueError when the shapes do not chain or r < 2.
    """
    W = [_rational_matrix(weight) for weight in weights]
    a, m = (_rational_matrix([[entry] for entry in vector]) for vector in (readout, source))
    sizes = [m.nrows(), *(weight.nrows() for weight in W)]
    if len(W) < 2 or [weight.ncols() for weight in W] != sizes[:-1] or a.nrows() != sizes[-1]:
        shapes = [(weight.nrows(), weight.ncols()) for weight in W]
        raise ValueError(
            f"expected at least two weight matrices that chain from m to a, got {shapes}: check the widths"
        )
    f = _rational_overlap(a, W, m)
    squares = [_gradient_square(a, W, m, layer) for layer in range(len(W))]
    total, norms = sum(squares, Fraction(0)), [_square(weight) for weight in W]
    backward, forward = _rational_vectors(a, W, m)
    cosines = (f**2 / (_square(A) * _square(B)) for A, B in zip(backward[:-1], forward[1:], strict=True))
    gamma_squared, product = _square(a) * _square(m), prod(norms, start=Fraction(1))
    return TheoremAInstance(
        layers=len(W),
        overlap=f,
        total=total,
        gamma_squared=gamma_squared,
        imbalance_factor=(total / len(W)) ** len(W) / prod(squares, start=Fraction(1)) if f else None,
        misalignment_factor=1 / prod(cosines, start=Fraction(1)) if f else None,
        alignment_rate=total - f**2 * sum(1 / norm for norm in norms) if product else None,
        largest_gradient_ratio=max(g * norm for g, norm in zip(squares, norms, strict=True)) / (gamma_squared * product)
        if gamma_squared * product
        else None,
    )


def _rational_matrix(rows: RationalMatrix) -> fmpq_mat:
    return fmpq_mat([[fmpq(Fraction(e).numerator, Fraction(e).denominator) for e in row] for row in rows])


def _rational_overlap(a: fmpq_mat, weights: Sequence[fmpq_mat], m: fmpq_mat) -> Fraction:
    forward = m
    for weight in weights:
        forward = weight * forward
    value = (a.transpose() * forward)[0, 0]
    return Fraction(int(value.p), int(value.q))


def _gradient_square(a: fmpq_mat, weights: Sequence[fmpq_mat], m: fmpq_mat, layer: int) -> Fraction:
    """|df/dW_l|_F^2; f is linear in W_l: its derivative by one entry is f with W_l replaced by that unit matrix."""
    rows, columns = weights[layer].nrows(), weights[layer].ncols()
    total = Fraction(0)
    for i in range(rows):
        for j in range(columns):
            unit = fmpq_mat(rows, columns)
            unit[i, j] = fmpq(1)
            total += _rational_overlap(a, [*weights[:layer], unit, *weights[layer + 1 :]], m) ** 2
    return total


def _rational_vectors(a: fmpq_mat, weights: Sequence[fmpq_mat], m: fmpq_mat) -> tuple[list[fmpq_mat], list[fmpq_mat]]:
    """Backward vectors A_1..A_r and forward vectors B_1..B_r."""
    backward, forward = [a], [m]
    for weight in reversed(weights[1:]):
        backward.append(weight.transpose() * backward[-1])
    for weight in weights[:-1]:
        forward.append(weight * forward[-1])
    return backward[::-1], forward


def _square(matrix: fmpq_mat) -> Fraction:
    value = sum((entry**2 for entry in matrix.entries()), fmpq(0))
    return Fraction(int(value.p), int(value.q))


# Rational unit vectors of the plane, no two of them parallel.
_PYTHAGOREAN = tuple(
    (sympy.Rational(p, h), sympy.Rational(q, h))
    for p, q, h in ((3, 4, 5), (5, 12, 13), (15, 8, 17), (-20, 21, 29), (7, -24, 25))
)


def _check_layer(layer: int, last: int, widths: Sequence[int]) -> None:
    if not 1 <= layer <= last or min(widths) < 1:
        raise ValueError(f"expected a layer in 1..{last} and positive widths, got {layer} and {tuple(widths)}")


def _symbols(widths: Sequence[int]) -> tuple[list[sympy.Matrix], sympy.Matrix, sympy.Matrix]:
    """Symbolic W_1..W_r, a and m for widths (n_0, ..., n_r)."""
    weights = [_matrix(f"W_{k}", rows, columns) for k, (columns, rows) in enumerate(pairwise(widths), start=1)]
    return weights, _matrix("a", widths[-1], 1), _matrix("m", widths[0], 1)


def _sides(
    statement: Statement,
    layer: int,
    weights: Sequence[sympy.Matrix],
    readout: sympy.Matrix,
    source: sympy.Matrix,
) -> tuple[sympy.Expr, sympy.Expr]:
    f = composed_overlap(readout, weights, source)
    forward, backward = _vectors(weights, readout, source)
    if statement == "interface":
        return backward[layer - 1].dot(forward[layer]), f
    if statement == "flow":
        t = sympy.Symbol("t")
        moved = [w + t * g for w, g in zip(weights, _gradients(weights, readout, source), strict=True)]
        return composed_overlap(readout, moved, source).diff(t).subs(t, 0), _total(weights, readout, source)
    gradient = _gradient(composed_overlap, weights, readout, source, layer)
    if statement == "homogeneity":
        return f, _inner(weights[layer - 1], gradient)
    norms = (vector.dot(vector) for vector in (backward[layer - 1], forward[layer - 1]))
    return _inner(gradient, gradient), sympy.Mul(*norms)


def _vectors(
    weights: Sequence[sympy.Matrix], readout: sympy.Matrix, source: sympy.Matrix
) -> tuple[list[sympy.Matrix], list[sympy.Matrix]]:
    """Forward vectors B_1..B_r and backward vectors A_1..A_r."""
    forward, backward = [source], [readout]
    for weight in weights[:-1]:
        forward.append(weight * forward[-1])
    for weight in reversed(weights[1:]):
        backward.append(weight.T * backward[-1])
    return forward, backward[::-1]


def _gradients(weights: Sequence[sympy.Matrix], readout: sympy.Matrix, source: sympy.Matrix) -> list[sympy.Matrix]:
    """df/dW_l for every layer."""
    return [_gradient(composed_overlap, weights, readout, source, layer) for layer in range(1, len(weights) + 1)]


def _gradient(
    network: Network, weights: Sequence[sympy.Matrix], readout: sympy.Matrix, source: sympy.Matrix, layer: int
) -> sympy.Matrix:
    """df/dW_l for one layer, entry by entry, by differentiation of the composed product."""
    free = _matrix("free", *weights[layer - 1].shape)
    f = network(readout, [*weights[: layer - 1], free, *weights[layer:]], source)
    point = dict(zip(free, weights[layer - 1], strict=True))
    return free.applyfunc(lambda entry: f.diff(entry).xreplace(point))


def _total(weights: Sequence[sympy.Matrix], readout: sympy.Matrix, source: sympy.Matrix) -> sympy.Expr:
    return sympy.Add(*(_inner(gradient, gradient) for gradient in _gradients(weights, readout, source)))


def _inner(left: sympy.Matrix, right: sympy.Matrix) -> sympy.Expr:
    return sympy.Add(*left.multiply_elementwise(right))


def _matrix(name: str, rows: int, columns: int) -> sympy.Matrix:
    entries = [sympy.Symbol(f"{name}[{i},{j}]") for i in range(rows) for j in range(columns)]
    return sympy.Matrix(rows, columns, entries)
