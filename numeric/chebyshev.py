"""Chebyshev collocation in ball arithmetic: nodes, coefficients and the integral from the left end.

Nodes are the n + 1 extrema x_j = -cos(j pi / n) on [-1, 1], from left to right.  Matrices are flint.arb_mat at the
precision of the caller (``with flint.ctx.workprec(bits)``).  Source: Trefethen, "Spectral Methods in MATLAB".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import flint
import numpy as np
from numpy.typing import NDArray

Ball = Any  # flint.arb
BallMatrix = Any  # flint.arb_mat


@dataclass(frozen=True)
class ChebyshevGrid:
    """``nodes``: n + 1 balls.  ``integration`` maps values to integrals up to x_i, ``coefficients`` to c_0 .. c_n."""

    nodes: tuple[Ball, ...]
    integration: BallMatrix
    coefficients: BallMatrix
    floating_integration: NDArray[np.float64]


@lru_cache(maxsize=32)
def chebyshev_grid(degree: int, bits: int) -> ChebyshevGrid:
    """The grid of that degree at a working precision of ``bits``; raises ValueError for a degree below 2."""
    if degree < 2:
        raise ValueError(f"the degree of a Chebyshev grid must be at least 2, got {degree!r}")
    n = degree
    with flint.ctx.workprec(bits + 10 + 2 * n.bit_length()):
        # cos(k pi / n), k = 0 .. 2n - 1, serves every T_k(x_j) = (-1)^k cos(j k pi / n)
        table = [flint.arb.cos_pi_fmpq(flint.fmpq(k, n)) for k in range(2 * n)]
        nodes = tuple(-table[j] for j in range(n + 1))
        values = [[(-1) ** k * table[(j * k) % (2 * n)] for k in range(n + 1)] for j in range(n + 1)]  # T_k(x_j)
        to_coefficients = flint.arb_mat(
            [[values[j][k] * _end_weight(j, n) * _end_weight(k, n) * 2 / n for j in range(n + 1)] for k in range(n + 1)]
        )
        integrate = flint.arb_mat(n + 2, n + 1)
        for k in range(n + 1):
            if k == 0:
                integrate[1, 0] = flint.arb(1)
            elif k == 1:
                integrate[2, 1] = flint.arb(flint.fmpq(1, 4))
            else:
                integrate[k + 1, k] = flint.arb(flint.fmpq(1, 2 * (k + 1)))
                integrate[k - 1, k] = flint.arb(flint.fmpq(-1, 2 * (k - 1)))
        for k in range(n + 1):  # the constant makes the integral vanish at -1, where T_j = (-1)^j
            integrate[0, k] = -sum(((-1) ** j * integrate[j, k] for j in range(1, n + 2)), flint.arb(0))
        extended = flint.arb_mat([[(-1) ** k * table[(j * k) % (2 * n)] for k in range(n + 2)] for j in range(n + 1)])
        integration = extended * integrate * to_coefficients
    floating = np.array([[float(integration[i, j].mid()) for j in range(n + 1)] for i in range(n + 1)])
    floating.setflags(write=False)
    return ChebyshevGrid(nodes, integration, to_coefficients, floating)


def _end_weight(index: int, n: int) -> Any:
    return flint.arb(flint.fmpq(1, 2)) if index in (0, n) else flint.arb(1)


def column(values: list[Ball]) -> BallMatrix:
    """The values as a matrix of one column."""
    return flint.arb_mat(len(values), 1, values)


def series_value(coefficients: list[Ball], x: Ball) -> Ball:
    """sum c_k T_k(x) by Clenshaw's recurrence."""
    ahead, beyond = flint.arb(0), flint.arb(0)
    for c in reversed(coefficients[1:]):
        ahead, beyond = c + 2 * x * ahead - beyond, ahead
    return coefficients[0] + x * ahead - beyond


def antiderivative(coefficients: list[Ball]) -> list[Ball]:
    """Coefficients of an integral of sum c_k T_k (its constant is 0), one more than were given."""
    c = [*coefficients, flint.arb(0), flint.arb(0)]
    return [flint.arb(0), *(((2 if k == 1 else 1) * c[k - 1] - c[k + 1]) / (2 * k) for k in range(1, len(c) - 1))]
