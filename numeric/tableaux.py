"""Embedded Runge-Kutta pairs as data: Tsitouras 5(4) with its free interpolant, Dormand-Prince 8(5,3) with its own.

Sources: Ch. Tsitouras, "Runge-Kutta pairs of order 5(4) satisfying only the first column simplifying assumption"
(2011); Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I" (DOP853), whose coefficients SciPy
carries.  Only autonomous systems are integrated here, so the nodes c are the row
sums of `a` and are not stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.integrate import DOP853

Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Tableau:
    """An explicit pair whose last stage is the derivative at the new point (first same as last).

    a: rows for stages 2 .. s; the last row is the weights of the solution.  error: weights over all s stages, one
    for a plain estimate, two (fifth and third order) for the 8(5,3) combination.  extra: rows of further stages that
    only dense output needs.  dense: (stages + extra, degree) matrix; the state at the fraction theta of a step h is
    y + h sum_i k_i sum_j dense[i][j] theta^(j+1).  order: of the solution; dense_order: of the interpolant.
    """

    name: str
    order: int
    error_order: int
    a: Rows
    error: Rows
    extra: Rows
    dense: Rows
    dense_order: int

    @property
    def stages(self) -> int:
        """Stages of a step, the reused one included."""
        return len(self.a) + 1


def tableau(name: str) -> Tableau:
    """The pair "tsit5" or "dop853".  Raises ValueError for another name."""
    if name == "tsit5":
        return _tsit5()
    if name == "dop853":
        return _dop853()
    raise ValueError(f"unknown method {name!r}; expected 'tsit5' or 'dop853'")


_TSIT5_A: Rows = (
    (0.161,),
    (-0.008480655492356989, 0.335480655492357),
    (2.8971530571054935, -6.359448489975075, 4.3622954328695815),
    (5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525),
    (5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383),
    (0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774),
)
_TSIT5_ERROR = (
    -0.00178001105222577714,
    -0.0008164344596567469,
    0.007880878010261995,
    -0.1447110071732629,
    0.5823571654525552,
    -0.45808210592918697,
    0.015151515151515152,
)


@lru_cache(maxsize=1)
def _tsit5() -> Tableau:
    p = np.polynomial.Polynomial
    theta = p([0.0, 1.0])
    weights = [
        -1.0530884977290216 * theta * (theta - 1.3299890189751412) * p([0.7139816917074209, -1.4364028541716351, 1.0]),
        0.1017 * theta**2 * p([1.2949852507374631, -2.1966568338249754, 1.0]),
        2.490627285651252793 * theta**2 * p([1.57803468208092486, -2.38535645472061657, 1.0]),
        -16.54810288924490272 * theta**2 * (theta - 1.21712927295533244) * (theta - 0.61620406037800089),
        47.37952196281928122 * theta**2 * (theta - 1.203071208372362603) * (theta - 0.658047292653547382),
        -34.87065786149660974 * theta**2 * (theta - 1.2) * (theta - 0.666666666666666667),
        2.5 * theta**2 * (theta - 1.0) * (theta - 0.6),
    ]
    dense = tuple(tuple(float(c) for c in weight.coef[1:5]) for weight in weights)
    return Tableau("tsit5", 5, 4, _TSIT5_A, (_TSIT5_ERROR,), (), dense, 4)


@lru_cache(maxsize=1)
def _dop853() -> Tableau:
    a = [tuple(float(v) for v in row[: i + 1]) for i, row in enumerate(DOP853.A[1:])]
    a.append(tuple(float(v) for v in DOP853.B))
    extra = tuple(tuple(float(v) for v in row[: 13 + i]) for i, row in enumerate(DOP853.A_EXTRA))
    error = (tuple(float(v) for v in DOP853.E5), tuple(float(v) for v in DOP853.E3))
    return Tableau("dop853", 8, 7, tuple(a), error, extra, _dop853_dense(), 7)


def _dop853_dense() -> Rows:
    """SciPy's nested form F_0 .. F_6 in x and 1 - x, expanded into powers of theta, as weights of the 16 stages.

    y = y_0 + x (F_0 + (1-x) (F_1 + x (F_2 + (1-x) (F_3 + x (F_4 + (1-x) (F_5 + x F_6)))))), with F_0 = dy,
    F_1 = h f_0 - dy, F_2 = 2 dy - h (f_1 + f_0), F_3.. = h D K.
    """
    stages = 16
    step = np.zeros(stages)
    step[:12] = DOP853.B
    first, last = np.eye(stages)[0], np.eye(stages)[12]
    parts = [step, first - step, 2.0 * step - (last + first), *(np.asarray(row) for row in DOP853.D)]
    x, rest = np.polynomial.Polynomial([0.0, 1.0]), np.polynomial.Polynomial([1.0, -1.0])
    dense = np.zeros((stages, 7))
    factor = np.polynomial.Polynomial([1.0])
    for index, part in enumerate(parts):
        factor = factor * (x if index % 2 == 0 else rest)
        coefficients = np.zeros(8)
        coefficients[: len(factor.coef)] = factor.coef
        dense += np.outer(part, coefficients[1:8])
    return tuple(tuple(float(v) for v in row) for row in dense)
