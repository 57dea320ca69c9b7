"""The factors by which an activation departs from its linear part, without cancellation near 0.

    psi(z) = s(z) / (alpha z) - 1,      chi(z) = s'(z) / alpha - 1,      alpha = s'(0),

for activations with s(0) = 0 and alpha > 0.  Near 0 both are summed from the Taylor coefficients of s (ball
arithmetic, rounded once); farther out the subtraction loses no digits that matter (THEORY section 3, "Numerics").
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import flint
import numpy as np
from numpy.typing import NDArray

from numeric.ball_activations import ball_activation
from numeric.scalar_activations import ScalarActivation

FloatArray = NDArray[np.float64]

_NEAR = 0.4  # inside, the series; the nearest singularity of the catalogue is at distance 1 (arctan, asinh)
_ORDER = 48  # .4^48 = 8e-20
_BITS = 192


def departure_factors(activation: ScalarActivation) -> Callable[[FloatArray], tuple[FloatArray, FloatArray]]:
    """The function z -> (psi(z), chi(z)), pointwise on arrays.

    Raises ValueError unless the activation is analytic, in the catalogue, with s(0) = 0 and s'(0) > 0.
    """
    if activation.kinks or not activation.alpha > 0.0 or float(activation.value(np.zeros(()))) != 0.0:
        raise ValueError(
            f"the residual form needs s analytic with s(0) = 0 and s'(0) > 0, which {activation.name} does not satisfy"
        )
    psi_near, chi_near = _coefficients(activation.name)
    alpha, odd = activation.alpha, activation.odd

    def factors(z: FloatArray) -> tuple[FloatArray, FloatArray]:
        near = np.abs(z) <= _NEAR
        small = np.where(near, z, 0.0)
        variable = small * small if odd else small
        lead = variable  # both series start at the first power
        psi, chi = lead * _horner(psi_near, variable), lead * _horner(chi_near, variable)
        if near.all():
            return psi, chi
        far = np.where(near, 1.0, z)
        s, ds = activation.evaluate(far)
        return np.where(near, psi, s / (alpha * far) - 1.0), np.where(near, chi, ds / alpha - 1.0)

    return factors


@lru_cache(maxsize=64)
def _coefficients(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Coefficients of psi / z and chi / z (odd s: psi / z^2, chi / z^2 as series in z^2), lowest first."""
    with flint.ctx.workprec(_BITS):
        activation = ball_activation(name)
        a = activation.coefficients(_ORDER + 1)
        stride = 2 if activation.odd else 1
        powers = range(1 + stride, _ORDER + 2, stride)
        psi = tuple(float((a[k] / a[1]).mid()) for k in powers)
        chi = tuple(float((k * a[k] / a[1]).mid()) for k in powers)
    return psi, chi


def _horner(coefficients: tuple[float, ...], x: FloatArray) -> FloatArray:
    total = np.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total *= x
        total += coefficient
    return total
