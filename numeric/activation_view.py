"""A torch activation seen as a NumPy one, so that a typed expression can also run in the manifold ODE.

The catalogue's NumPy activations are definitions of their own; this is not one, and no test of theirs may use it.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from numeric.activations import Activation
from numeric.scalar_activations import ScalarActivation
from numeric.universality import measure_universality

FloatArray = NDArray[np.float64]

_SAMPLE = np.linspace(0.0, 6.0, 97)[1:]
_ROUNDING = 32 * float(np.finfo(np.float64).eps)  # two evaluations of one formula, at z and at -z


def scalar_view(activation: Activation) -> ScalarActivation:
    """Wrap ``activation``: alpha, oddness and a kink at 0 are measured from its values (THEORY T2).

    Kinks away from 0 are taken from the activation; those that a typed expression does not declare are not found, and
    show up in the quadrature's error estimate.
    """

    def evaluate(z: FloatArray) -> tuple[FloatArray, FloatArray]:
        points = torch.from_numpy(np.array(z, dtype=np.float64))
        return activation.value(points).numpy(), activation.derivative(points).numpy()

    measured = measure_universality(activation)
    right, left = evaluate(_SAMPLE)[0], evaluate(-_SAMPLE)[0]
    odd = bool(np.all(np.abs(right + left) <= _ROUNDING * (np.abs(right) + np.abs(left))))
    kinks = activation.kinks if measured.smooth else tuple(sorted({0.0, *activation.kinks}))
    return ScalarActivation(activation.label, evaluate, measured.alpha, odd=odd, kinks=kinks)
