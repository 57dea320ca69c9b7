"""Starts of the wrong sign, K prod X_l(0) < 0: when they escape, and at what time (THEORY section 2, section 3).

The leading flow dX_l/dt = K prod_{m != l} X_m keeps every difference of squares, so all X_l^2 shrink together until the
smallest reaches zero: X_l^2 = w + delta_l, delta_l the limit of the differences, min delta_l = 0. Where that minimum is
attained once the layer passes through zero, the product changes its sign and the others grow again,

    K t = int_0^oo dw / prod_l sqrt(w + delta_l)  -  (K t of the aligned start),

half of the integral on the way down, which begins at w = min X_l(0)^2, and half on the way up. Where it is attained
twice the integral diverges: the start never escapes. Unequal starts have delta_l = O(eps^2) and escape at the order of
the law. An equal start has delta = 0 for a linear s, and never escapes; a nonlinear s moves the imbalances by the
balance law to delta_l - delta_{l+1} = O(eps^{(q-1) l + 2}), all different, so that the start does escape, later than
any aligned one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from flint import acb

from symbolic.activations import Activation
from symbolic.balance import MEAN_SCALE, balance_laws
from symbolic.certified_values import certified_value, network_constants
from symbolic.classes import classify
from symbolic.escape import EPS
from symbolic.unequal_start import unequal_escape_time

_REACH = 120.0  # in log w beyond the outermost delta: what is cut off is below e^{-60} of the integral


@dataclass(frozen=True)
class MisalignedEscape:
    """imbalances: delta_l, from the balance law or the start itself; scaled_time: K t, infinite where it never escapes.

    order: the power of eps with which K t grows as eps -> 0, None for infinite times; logarithm: whether a logarithm
    multiplies it; relative_error_power: the first omitted power of eps, relative to the time (from the activation, the
    end of the escape, which is O(1) in K t, or the self term).
    """

    imbalances: tuple[float, ...]
    scaled_time: float
    order: Fraction | None
    logarithm: bool
    relative_error_power: int


def misaligned_escape(
    activation: Activation,
    starts: Sequence[Fraction | int],
    eps: float,
    width: int = 64,
    parameterisation: str = "ntk",
) -> MisalignedEscape:
    """Predict the escape of X_l(0) = eps starts_l with an odd number of negative layers, L >= 3, all layers small.

    ValueError for another sign, fewer than three layers, or unequal starts whose smallest layer is tied and whose
    activation is not linear.
    """
    depth = len(starts)
    if depth < 3 or math.prod(starts) >= 0:
        raise ValueError(f"expected at least three layers and a negative product, got {tuple(map(str, starts))}")
    sizes = [abs(Fraction(x)) for x in starts]
    smallest = min(sizes)
    aligned = eps ** (2 - depth) * float(unequal_escape_time(sizes))
    found = classify(activation)
    power = found.order
    if sizes.count(smallest) == 1:
        # The start's own imbalances lead.
        delta = [eps**2 * float(x**2 - smallest**2) for x in sizes]
        order, logarithm = Fraction(2 - depth), False
    elif power is None:
        delta, order, logarithm = [eps**2 * float(x**2 - smallest**2) for x in sizes], None, False
    elif len(set(sizes)) == 1:
        delta = _drifted(activation, starts, eps, power, width, parameterisation)
        order, logarithm = _order(delta, depth, power)
    else:
        raise ValueError("a tie of the smallest layers among unequal starts of a nonlinear activation is not covered")
    time = math.inf if order is None else _passage(delta) - aligned
    corrections = [depth, *([] if power is None else [power - 1]), *([] if order is None else [math.floor(-order)])]
    return MisalignedEscape(tuple(delta), time, order, logarithm, min(corrections))


def _drifted(
    activation: Activation, starts: Sequence[Fraction | int], eps: float, power: int, width: int, parameterisation: str
) -> list[float]:
    """delta_l of an equal start: Delta_l = X_{l+1}^2 - X_l^2 when the scale has shrunk from eps to zero."""
    depth, size = len(starts), Fraction(eps) * abs(Fraction(starts[0]))
    constants = network_constants(activation, depth, None, width, parameterisation)
    # Exact sums: the differences are many orders of magnitude apart.
    squares, sign = [Fraction(0)], 1
    for law in balance_laws(depth, None, power):
        sign *= 1 if starts[law.pair - 1] > 0 else -1
        # Each layer below the pair enters to the power q - 1 more than in the product itself.
        change = Fraction(float(certified_value(law.along_flow.subs({MEAN_SCALE: 0, EPS: 1}), constants)))
        exponent = (power - 1) * law.pair + 2
        squares.append(squares[-1] + change * sign ** (power - 1) * size**exponent)
    lowest = min(squares)
    return [float(square - lowest) for square in squares]


def _order(delta: Sequence[float], depth: int, power: int) -> tuple[Fraction, bool]:
    """K t ~ prod of the delta_l^{-1/2} of the L - 2 layers that stop first, times a logarithm if the last two differ.

    The layer that reaches zero first is number m (from 1): the imbalances that hold it back are of the orders of the
    pairs below it, and its own for every layer above.
    """
    first_to_vanish = min(range(depth), key=delta.__getitem__) + 1
    orders = [Fraction((power - 1) * pair + 2, 2) for pair in range(1, depth)]
    stopping = [orders[min(layer, first_to_vanish) - 1] for layer in range(1, depth + 1) if layer != first_to_vanish]
    stopping.sort()
    return -sum(stopping[: depth - 2], Fraction(0)), stopping[-1] != stopping[-2]


def _passage(delta: Sequence[float]) -> float:
    """int_0^oo dw / prod sqrt(w + delta_l) in log w, for exactly one delta_l = 0."""
    others = [d for d in delta if d > 0]
    if len(others) != len(delta) - 1:
        return math.inf
    unit = max(others)

    def integrand(v: Any, _: bool) -> Any:
        # w = unit e^v; one factor sqrt(w) of the layer with delta = 0.
        value = (v / 2).exp()
        for d in others:
            value = value / (v.exp() + d / unit).sqrt()
        return value

    low = math.log(min(others) / unit) - _REACH
    total = acb.integral(integrand, acb(low), acb(_REACH))
    scale: float = unit ** (1 - len(delta) / 2)
    return float(total.real.mid()) * scale
