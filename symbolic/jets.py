"""Derivatives of an activation at any rational point, exact first and then enclosed (THEORY T2).

The expansion of s(z + point) at 0 has exact constants such as exp(3/8) or erf(2^(1/2)); a ball of sufficient precision
gives each to far more digits than float64 holds.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

from symbolic import exact, trees
from symbolic.activations import Activation
from symbolic.exact import Exact
from symbolic.series import NoExpansionError, expansions
from symbolic.trees import Tree

_BITS = (256, 512, 1024, 2048)  # working precision; the tails of erf at 20 cancel six hundred of them
_WANTED = 64  # bits of relative accuracy, ten more than float64 has: the rounded value is right to half a unit


def certified_jet(activation: Activation, point: Fraction, order: int = 4) -> tuple[float, ...]:
    """s(point), s'(point), ..., s^(order)(point), each rounded to float64 from an enclosure of at least 64 bits.

    Raises NoExpansionError (a ValueError) at a kink or where s has no Taylor expansion, ValueError for a constant that
    no enclosure of 2048 bits resolves.
    """
    return _jet(activation.elementary, activation.name, point, order)


@lru_cache(maxsize=1024)
def _jet(tree: Tree, name: str, point: Fraction, order: int) -> tuple[float, ...]:
    both = expansions(trees.substituted(tree, trees.add(trees.Z, trees.rational(point))), order)
    if not both.smooth:
        raise NoExpansionError(f"{name} is not smooth at {point}")
    return tuple(math.factorial(k) * _rounded(coefficient) for k, coefficient in enumerate(both.right))


def _rounded(element: Exact) -> float:
    if not element.terms:
        return 0.0
    for bits in _BITS:
        ball = exact.enclosure(element, bits)
        if ball.rel_accuracy_bits() >= _WANTED:
            return float(ball.mid())
    if exact.is_zero(element):
        return 0.0
    raise ValueError(f"expected a constant that {_BITS[-1]} bits resolve, got {element!r}")
