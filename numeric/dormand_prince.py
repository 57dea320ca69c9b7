"""One step of the Runge-Kutta pair of order 8(5,3) of Dormand and Prince, for many members with a step of their own.

Coefficients: E. Hairer, S. P. Norsett, G. Wanner, "Solving Ordinary Differential Equations I", second edition, section
II.5, code DOP853.  Row s of ``A`` holds the weights of the stages before stage s + 1, its last row the step itself;
``E5`` and ``E3`` give the two embedded error estimates.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

A: tuple[tuple[float, ...], ...] = (
    (0.05260015195876773,),
    (
        0.0197250569845379,
        0.0591751709536137,
    ),
    (
        0.02958758547680685,
        0.0,
        0.08876275643042054,
    ),
    (
        0.2413651341592667,
        0.0,
        -0.8845494793282861,
        0.924834003261792,
    ),
    (
        0.037037037037037035,
        0.0,
        0.0,
        0.17082860872947386,
        0.12546768756682242,
    ),
    (
        0.037109375,
        0.0,
        0.0,
        0.17025221101954405,
        0.06021653898045596,
        -0.017578125,
    ),
    (
        0.03709200011850479,
        0.0,
        0.0,
        0.17038392571223998,
        0.10726203044637328,
        -0.015319437748624402,
        0.008273789163814023,
    ),
    (
        0.6241109587160757,
        0.0,
        0.0,
        -3.3608926294469414,
        -0.868219346841726,
        27.59209969944671,
        20.154067550477894,
        -43.48988418106996,
    ),
    (
        0.47766253643826434,
        0.0,
        0.0,
        -2.4881146199716677,
        -0.590290826836843,
        21.230051448181193,
        15.279233632882423,
        -33.28821096898486,
        -0.020331201708508627,
    ),
    (
        -0.9371424300859873,
        0.0,
        0.0,
        5.186372428844064,
        1.0914373489967295,
        -8.149787010746927,
        -18.52006565999696,
        22.739487099350505,
        2.4936055526796523,
        -3.0467644718982196,
    ),
    (
        2.273310147516538,
        0.0,
        0.0,
        -10.53449546673725,
        -2.0008720582248625,
        -17.9589318631188,
        27.94888452941996,
        -2.8589982771350235,
        -8.87285693353063,
        12.360567175794303,
        0.6433927460157636,
    ),
    (
        0.054293734116568765,
        0.0,
        0.0,
        0.0,
        0.0,
        4.450312892752409,
        1.8915178993145003,
        -5.801203960010585,
        0.3111643669578199,
        -0.1521609496625161,
        0.20136540080403034,
        0.04471061572777259,
    ),
)
E3: tuple[float, ...] = (
    -0.18980075407240762,
    0.0,
    0.0,
    0.0,
    0.0,
    4.450312892752409,
    1.8915178993145003,
    -5.801203960010585,
    -0.4226823213237919,
    -0.1521609496625161,
    0.20136540080403034,
    0.02265179219836082,
)
E5: tuple[float, ...] = (
    0.01312004499419488,
    0.0,
    0.0,
    0.0,
    0.0,
    -1.2251564463762044,
    -0.4957589496572502,
    1.6643771824549864,
    -0.35032884874997366,
    0.3341791187130175,
    0.08192320648511571,
    -0.022355307863886294,
)

STAGES = 12
ORDER = 8
_ROWS = tuple(np.array(row) for row in A)
_ERRORS = np.array([E5, E3])


def step(
    field: Callable[[FloatArray], FloatArray],
    state: FloatArray,
    slope: FloatArray,
    size: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """One step of dy/ds = field(y) for M members.

    ``state`` and ``slope`` = field(state): [M, n]; ``size``: [M].  Returns the new state [M, n] and the two raw error
    estimates [2, M, n] (orders 5 and 3, not yet multiplied by the step).  Every member is computed by the same
    sequence of elementwise operations: its result does not depend on the other members, bit for bit.
    """
    members, components = state.shape
    slopes = np.empty((STAGES, members, components))
    slopes[0] = slope
    h = size[:, None]
    for stage in range(1, STAGES):
        # einsum and not BLAS: BLAS picks its summation order by the shape of the whole batch.
        increment = np.einsum("s,smn->mn", _ROWS[stage - 1], slopes[:stage])
        slopes[stage] = field(state + h * increment)
    new = state + h * np.einsum("s,smn->mn", _ROWS[-1], slopes)
    return new, np.einsum("es,smn->emn", _ERRORS, slopes)


def error_norm(errors: FloatArray, scale: FloatArray, size: FloatArray) -> FloatArray:
    """The error of a step relative to the tolerance, [M]: Hairer's combination of both estimates.

    ``errors`` [2, M, n] as returned by :func:`step`, ``scale`` [M, n] the tolerated error per component.
    """
    scaled = errors / scale
    fifth, third = np.vecdot(scaled, scaled)
    denominator = np.sqrt((fifth + 0.01 * third) * scale.shape[1])
    safe = np.where(denominator > 0.0, denominator, 1.0)
    norm = np.abs(size) * fifth / safe
    return np.where(np.isfinite(norm), norm, np.inf)


def step_factor(norm: FloatArray) -> FloatArray:
    """The factor by which the next step may differ, between 1/5 and 8; ``norm`` as from :func:`error_norm`."""
    with np.errstate(divide="ignore"):
        return np.clip(0.9 * norm ** (-1.0 / ORDER), 0.2, 8.0)
