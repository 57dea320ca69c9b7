"""How fast the imbalances of neighbouring layers drift at a point of the manifold, without cancellation (THEORY T4b).

dDelta_l/dt = 2 (X_{l+1} dX_{l+1}/dt - X_l dX_l/dt) is taken as it stands, from the rates of the flow.  Near the saddle
the two terms agree to a relative eps^{(q-1) l}, so the subtraction is done in ball arithmetic, at a precision that is
doubled until the difference itself is known to the precision of float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import flint
import numpy as np
from numpy.typing import ArrayLike, NDArray

from numeric.ball_manifold import BallManifold, exact
from numeric.manifold import ManifoldModel

FloatArray = NDArray[np.float64]
Ball = Any  # flint.arb

_QUADRATURE_DIGITS = 17  # of the Gaussian expectation: what a float can show
_FIRST_BITS, _MOST_BITS = 192, 3072
_WANTED_BITS = 53  # of the difference


@dataclass(frozen=True)
class ImbalanceRates:
    """``rates`` [M, L-1]: dDelta_l/dt, Delta_l = X_{l+1}^2 - X_l^2; ``errors`` [M, L-1]: the radius of the balls plus
    the change when the nodes of the quadrature move by half a step.  Where a rate is zero its radius is what is left.
    """

    rates: FloatArray
    errors: FloatArray


def manifold_imbalance_rates(model: ManifoldModel, scales: ArrayLike) -> ImbalanceRates:
    """dDelta_l/dt of the manifold flow at ``scales`` [M, L] or [L], l = 1 ... L - 1; time is gradient-flow time.

    Raises ValueError for a wrong shape, scales that are zero or not finite, or an activation that is not analytic.
    """
    X = np.atleast_2d(np.asarray(scales, dtype=np.float64))
    if X.ndim != 2 or X.shape[1] != model.depth or not np.isfinite(X).all() or not X.all():
        raise ValueError(f"scales must be finite, not zero and of shape [members, {model.depth}], got {scales!r}")
    rows = [_rates(model, row) for row in X]
    return ImbalanceRates(np.array([row[0] for row in rows]), np.array([row[1] for row in rows]))


def _rates(model: ManifoldModel, X: FloatArray) -> tuple[list[float], list[float]]:
    bits = _FIRST_BITS
    while True:
        with flint.ctx.workprec(bits):
            flow = BallManifold(model, _QUADRATURE_DIGITS, bits)
            scales = [exact(x) for x in X]
            drift = _drift(scales, flow.relative_rates(scales))
            # A difference that contains zero is zero as far as this precision can tell: the next one decides.
            known = all(ball.rel_accuracy_bits() >= _WANTED_BITS for ball in drift)
            if known or 2 * bits > _MOST_BITS or model.activation.name == "linear":
                moved = _drift(scales, flow.relative_rates(scales, shifted=True))
                errors = [float(a.rad()) + float(abs(a - b).upper()) for a, b in zip(drift, moved, strict=True)]
                return [float(ball.mid()) for ball in drift], errors
        bits *= 2


def _drift(X: list[Ball], relative: list[Ball]) -> list[Ball]:
    powers = [2 * x * x * rate for x, rate in zip(X, relative, strict=True)]  # d(X_l^2)/dt
    return [upper - lower for lower, upper in pairwise(powers)]
