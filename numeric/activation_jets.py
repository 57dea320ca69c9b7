"""What this witness's three definitions of an activation say at a point: torch, NumPy, and a power series of balls.

Networks run the torch definition, the manifold's equations the NumPy one; the series (FLINT, 1024 bits) takes the
catalogue's tree and gives derivatives of any order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray

from numeric.activations import Activation
from numeric.scalar_activations import scalar_activation
from numeric.taylor import Tree, taylor

FloatArray = NDArray[np.float64]

DEFINITIONS = ("torch", "numpy")
_BITS = 1024  # exp(-400) at z = 20 is below 2^-577


def activation_jet(activation: Activation, point: float, order: int = 4) -> tuple[float, ...]:
    """s(point), ..., s^(order)(point), each the float64 nearest to a ball of the series (up to a unit for k >= 3).

    The point is taken as it is, a dyadic number; at a kink the derivatives are those from the right.
    """
    fraction = Fraction(point)
    shifted = _shifted(activation.tree, ("add", ("z",), ("rational", fraction.numerator, fraction.denominator)))
    return tuple(math.factorial(k) * a for k, a in enumerate(taylor(shifted, order, 1, _BITS)))


def one_sided_coefficients(activation: Activation, order: int, side: int) -> tuple[float, ...]:
    """Coefficients a_0 .. a_order of s at 0, as approached from the side +1 or -1, from balls of 256 bits."""
    return taylor(activation.tree, order, side)


def pointwise_pair(activation: Activation, points: Sequence[float], definition: str) -> tuple[FloatArray, FloatArray]:
    """s and s' at the points, float64, by the definition "torch" or "numpy" (the catalogue's entry of that name).

    Raises ValueError for another definition.
    """
    z = np.asarray(points, dtype=np.float64)
    if definition == "torch":
        tensor = torch.from_numpy(z)
        return activation.value(tensor).numpy(), activation.derivative(tensor).numpy()
    if definition == "numpy":
        return scalar_activation(activation.name).evaluate(z)
    raise ValueError(f"unknown definition {definition!r}; expected one of {', '.join(DEFINITIONS)}")


def _shifted(tree: Tree, argument: Tree) -> Tree:
    if tree == ("z",):
        return argument
    return tuple(_shifted(part, argument) if isinstance(part, tuple) else part for part in tree)
