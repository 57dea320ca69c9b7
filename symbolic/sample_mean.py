"""Gamma = |mean(y x)| of a finite sample, in ball arithmetic; Stein's identity for comparison.

A finite batch is an exact instance of the theory, its mean being E (THEORY sections 4 and 6). Rows are samples; every
float is taken as the binary number that it is. Standardised columns have mean 0 and variance 1 (the mean square, with
1/n), standardised targets have mean 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flint
from flint import acb, arb, arb_mat

from symbolic.activations import Activation
from symbolic.balls import evaluate
from symbolic.chains import Chain, expectation_ball, working_bits
from symbolic.moments import Constant, constant_from_ball

Ball = Any  # flint.arb
Balls = Any  # flint.arb_mat


@dataclass(frozen=True)
class SampleTeacher:
    """y = s(v.x / |v|); the direction v has one entry per column of the sample."""

    activation: Activation
    direction: tuple[float, ...]


@dataclass(frozen=True)
class Sample:
    """n samples of d covariates: the entries (n x d), and mean and standard deviation of every column, in balls.

    ``digits``: what was asked for; the balls are finer.
    """

    entries: Balls
    means: tuple[Ball, ...]
    deviations: tuple[Ball, ...]
    digits: int

    @staticmethod
    def of(rows: Sequence[Sequence[float]], digits: int = 20) -> Sample:
        """The sample with these rows; ValueError when it is empty, not rectangular or not finite."""
        n = len(rows)
        d = len(rows[0]) if n else 0
        if n == 0 or d == 0 or any(len(row) != d for row in rows):
            raise ValueError("a sample needs at least one row, and rows of one length >= 1")
        if not all(math.isfinite(x) for row in rows for x in row):
            raise ValueError("a sample must be finite: remove or impute missing values first")
        with flint.ctx.workprec(working_bits(digits)):
            flat = [arb(float(x)) for row in rows for x in row]
            ones, entries = arb_mat(1, n, [1] * n), arb_mat(n, d, flat)
            means = (ones * entries / n).entries()
            squares = (ones * arb_mat(n, d, [x * x for x in flat]) / n).entries()
            constant = [len({row[j] for row in rows}) == 1 for j in range(d)]
            deviations = [
                arb(0) if same else (square - mean * mean).sqrt()
                for same, square, mean in zip(constant, squares, means, strict=True)
            ]
            return Sample(entries, tuple(means), tuple(deviations), digits)


@dataclass(frozen=True)
class SampleAlignment:
    """Gamma = |mean(y x)| and, for comparison, the sum of the absolute overlaps |mean(y x_j)|."""

    norm: Constant
    absolute_sum: Constant


def sample_alignment(
    sample: Sample, targets: Sequence[float] | SampleTeacher, *, standardise: bool = True
) -> SampleAlignment:
    """mean(y x), certified; the targets are n numbers or a teacher's.

    ValueError for a constant column (when it is to be standardised) or targets that do not fit.
    """
    with flint.ctx.workprec(working_bits(sample.digits)):
        means, scales = _frame(sample, standardise)
        if isinstance(targets, SampleTeacher):
            projected = _projected(sample, targets.direction, means, scales)
            y = [evaluate(targets.activation.elementary, acb(u), False).real for u in projected]
        else:
            y = _labels(targets, sample.entries.nrows(), standardise)
        vector = _mean_with(sample, y, means, scales)
        return SampleAlignment(
            constant_from_ball(_norm(vector), sample.digits),
            constant_from_ball(sum((abs(x) for x in vector), arb(0)), sample.digits),
        )


def sample_alignment_by_stein(sample: Sample, teacher: SampleTeacher) -> Constant:
    """h_s(c) |Sigma v| / c, c^2 = v^T Sigma v, of the standardised sample: Gamma if it were Gaussian.

    Right for Gaussian covariates only. ValueError as in `sample_alignment`.
    """
    with flint.ctx.workprec(working_bits(sample.digits)):
        means, scales = _frame(sample, standardise=True)
        projected = _projected(sample, teacher.direction, means, scales)
        spread = _norm(projected) / arb(len(projected)).sqrt()
        image = _norm(_mean_with(sample, projected, means, scales))
        # The spread's own rounding, 2^-53, is far below what anybody compares this number with.
        h = expectation_ball((Chain((), 1), Chain.of((float(spread), teacher.activation))), sample.digits)
        return constant_from_ball(h * image / spread, sample.digits)


def _frame(sample: Sample, standardise: bool) -> tuple[Sequence[Ball], Sequence[Ball]]:
    """What is subtracted from every column, and what it is then divided by."""
    if not standardise:
        d = len(sample.means)
        return [arb(0)] * d, [arb(1)] * d
    for j, deviation in enumerate(sample.deviations):
        if not deviation > 0:
            raise ValueError(f"column {j + 1} of the sample is constant and cannot be standardised: drop it")
    return sample.means, sample.deviations


def _labels(targets: Sequence[float], n: int, standardise: bool) -> list[Ball]:
    if len(targets) != n:
        raise ValueError(f"expected one target per sample, {n} of them, got {len(targets)}")
    values = [arb(float(y)) for y in targets]
    mean = sum(values, arb(0)) / n if standardise else arb(0)
    return [y - mean for y in values]


def _projected(sample: Sample, direction: Sequence[float], means: Sequence[Ball], scales: Sequence[Ball]) -> list[Ball]:
    """v.x / |v| of every sample: with x_j = (e_j - mean_j) / scale_j a product with v_j / scale_j, minus a constant."""
    d = len(means)
    if len(direction) != d or not any(direction):
        raise ValueError(f"expected a direction of {d} entries that is not zero, got {len(direction)}")
    v = [arb(float(x)) for x in direction]
    length = _norm(v)
    factors = [x / (length * scale) for x, scale in zip(v, scales, strict=True)]
    shift = sum((mean * factor for mean, factor in zip(means, factors, strict=True)), arb(0))
    return [u - shift for u in (sample.entries * arb_mat(d, 1, factors)).entries()]


def _mean_with(sample: Sample, y: Sequence[Ball], means: Sequence[Ball], scales: Sequence[Ball]) -> list[Ball]:
    """mean(y x_j) of every column."""
    n = len(y)
    total = sum(y, arb(0))
    products = (arb_mat(1, n, y) * sample.entries).entries()
    return [(p - mean * total) / (n * scale) for p, mean, scale in zip(products, means, scales, strict=True)]


def _norm(entries: Sequence[Ball]) -> Ball:
    return sum((x * x for x in entries), arb(0)).sqrt()
