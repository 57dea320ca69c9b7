"""What the data contribute to the clock: Gamma = |E[y x]| for several modes and a covariance (THEORY section 6, T8).

y = sum_k beta_k s(v_k.x), x ~ N(0, Sigma), s_k^2 = v_k^T Sigma v_k. Splitting x into its regression on v_k.x and a part
independent of it (Stein) gives E[s(v_k.x) x] = h_s(s_k) Sigma v_k / s_k with h_s(c) = E[g s(c g)], so

    Gamma_vec = sum_k beta_k h_s(s_k) Sigma v_k / s_k.

As printed, h stands outside the sum, as one number; that is true only when all s_k are equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint
from flint import arb

from symbolic import trees
from symbolic.activations import Activation, activation_from_tree
from symbolic.certified_values import fraction_ball
from symbolic.chains import Chain, expectation_ball, working_bits
from symbolic.moments import Constant, constant_from_ball
from symbolic.tree_calculus import substituted

Ball = Any  # flint.arb
Scalar = Fraction | int | float | str
Matrix = Sequence[Sequence[Scalar]]


@dataclass(frozen=True)
class Mode:
    """One term beta s(v.x) of the teacher: its amplitude and its direction, exact; the direction need not be a unit."""

    amplitude: Fraction
    direction: tuple[Fraction, ...]

    @staticmethod
    def of(amplitude: Scalar, direction: Sequence[Scalar]) -> Mode:
        """A mode from numbers of any exact or binary type."""
        return Mode(Fraction(amplitude), tuple(Fraction(x) for x in direction))


@dataclass(frozen=True)
class Alignment:
    """Gamma_vec = E[y x], Gamma = |Gamma_vec|, and each mode's overlap Gamma_vec.Sigma v_k / s_k."""

    vector: tuple[Constant, ...]
    norm: Constant
    overlaps: tuple[Constant, ...]


def alignment(
    activation: Activation, modes: Sequence[Mode], covariance: Matrix | None = None, digits: int = 30
) -> Alignment:
    """E[y x] with every mode's own h_s(s_k), certified. covariance: d x d, symmetric, the identity when None.

    ValueError for modes of different dimensions, a covariance that does not fit or is not symmetric, or s_k <= 0.
    """
    return _alignment(activation, modes, covariance, digits, as_printed=False)


def alignment_as_printed(
    activation: Activation, modes: Sequence[Mode], covariance: Matrix | None = None, digits: int = 30
) -> Alignment:
    """The same with the one number h_s(1) outside the sum, as the revised write-up prints it."""
    return _alignment(activation, modes, covariance, digits, as_printed=True)


def _alignment(
    activation: Activation, modes: Sequence[Mode], covariance: Matrix | None, digits: int, as_printed: bool
) -> Alignment:
    images, variances = _checked(modes, covariance)
    with flint.ctx.workprec(working_bits(digits + 10)):
        spreads = [fraction_ball(variance).sqrt() for variance in variances]
        slopes = [_hermite(activation, Fraction(1) if as_printed else variance, digits + 5) for variance in variances]
        weights = [fraction_ball(mode.amplitude) * h / s for mode, h, s in zip(modes, slopes, spreads, strict=True)]
        vector = [_dot(weights, [fraction_ball(image[j]) for image in images]) for j in range(len(images[0]))]
        overlaps = [
            _dot(vector, [fraction_ball(x) / spread for x in image])
            for image, spread in zip(images, spreads, strict=True)
        ]
        norm = _root(_dot(vector, vector))
        return Alignment(
            tuple(constant_from_ball(x, digits) for x in vector),
            constant_from_ball(norm, digits),
            tuple(constant_from_ball(x, digits) for x in overlaps),
        )


def _checked(modes: Sequence[Mode], covariance: Matrix | None) -> tuple[list[tuple[Fraction, ...]], list[Fraction]]:
    """Sigma v_k and v_k^T Sigma v_k of every mode."""
    if not modes or len({len(mode.direction) for mode in modes}) != 1:
        raise ValueError("the modes need directions of one dimension, and there must be at least one mode")
    d = len(modes[0].direction)
    sigma = [[Fraction(int(i == j)) for j in range(d)] for i in range(d)]
    if covariance is not None:
        sigma = [[Fraction(x) for x in row] for row in covariance]
    if [len(row) for row in sigma] != [d] * d or any(sigma[i][j] != sigma[j][i] for i in range(d) for j in range(i)):
        raise ValueError(f"the covariance must be a symmetric {d} x {d} matrix, got {covariance!r}")
    images = [
        tuple(sum((row[j] * mode.direction[j] for j in range(d)), Fraction(0)) for row in sigma) for mode in modes
    ]
    variances = [
        sum((a * b for a, b in zip(mode.direction, image, strict=True)), Fraction(0))
        for mode, image in zip(modes, images, strict=True)
    ]
    if min(variances) <= 0:
        raise ValueError("every mode needs v^T Sigma v > 0: drop modes that the data do not see")
    return images, variances


def _hermite(activation: Activation, variance: Fraction, digits: int) -> Ball:
    """h_s(c) = E[g s(c g)] for c = sqrt(variance)."""
    spread = trees.power(trees.rational(variance), Fraction(1, 2))
    scaled = substituted(activation.elementary, trees.Z, trees.mul(spread, trees.Z))
    stretched = activation if variance == 1 else activation_from_tree(scaled, f"{activation.name} of a wider argument")
    return expectation_ball((Chain((), 1), Chain.of((1, stretched))), digits)


def _root(square: Ball) -> Ball:
    """The square root of a number known to be >= 0, whose ball may reach below."""
    if square > 0:
        return square.sqrt()
    half = square.upper().sqrt() / 2
    return arb(half, half)


def _dot(left: Sequence[Ball], right: Sequence[Ball]) -> Ball:
    return sum((a * b for a, b in zip(left, right, strict=True)), arb(0))
