"""The scalar comparison flow of the off-manifold argument, ``d gamma / dt = c gamma**p``, run rather than solved.

The argument for escape off the symmetric manifold (THEORY T6, section 4) ends in such an inequality; whether it gives
the escape law depends on ``p`` and on the start.  Here the time is measured by adaptive quadrature in
``x = ln gamma``, where ``dt = exp((1 - p) x) / c dx``, and never taken from the antiderivative, so that the measured
number can refute a printed one.  Starts far below the smallest float are given by their logarithm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.integrate import quad

_PIECE = 4.0  # length in x of one quadrature piece: the integrand changes by exp(4 |1 - p|) on it, easy for 21 nodes
_RELATIVE_TOLERANCE = 1e-13


@dataclass(frozen=True)
class FlowTime:
    """A time with an absolute error estimate; ``log_value = ln(value)`` stays finite where ``value`` overflows."""

    value: float
    error: float
    log_value: float


def inequality_escape_time(power: float, start: float, threshold: float, *, rate: float = 1.0) -> FlowTime:
    """Measure the time that ``d gamma/dt = rate gamma**power`` takes from ``start`` to ``threshold``.

    ``0 < start <= threshold``, ``rate > 0``; raises ValueError otherwise.  Source: THEORY section 4.
    """
    if not 0 < start < math.inf or not 0 < threshold < math.inf:
        raise ValueError(
            f"start and threshold must be positive and finite, got {start!r} and {threshold!r}; "
            "a start that underflows is given by its logarithm to inequality_escape_time_from_log"
        )
    return inequality_escape_time_from_log(power, math.log(start), math.log(threshold), rate=rate)


def inequality_escape_time_from_log(
    power: float, log_start: float, log_threshold: float, *, rate: float = 1.0
) -> FlowTime:
    """The same from ``ln gamma_0``, for starts like ``eps**(2 r)`` that no float can hold.

    The quadrature is adaptive Gauss-Kronrod on pieces of ``ln gamma``; the error is the sum of its estimates over the
    pieces plus the rounding of the sum.
    """
    if not (math.isfinite(power) and math.isfinite(log_start) and math.isfinite(log_threshold)):
        raise ValueError(f"power and logarithms must be finite, got {power!r}, {log_start!r}, {log_threshold!r}")
    if log_start > log_threshold:
        raise ValueError("the start must not lie above the threshold: gamma grows")
    if not 0 < rate < math.inf:
        raise ValueError(f"the rate must be positive and finite, got {rate!r}")
    if log_start == log_threshold:
        return FlowTime(0.0, 0.0, -math.inf)
    # The largest value of the integrand is factored out, so that nothing overflows on the way.
    peak = max((1 - power) * log_start, (1 - power) * log_threshold)

    def speed_inverse(x: float) -> float:
        return math.exp((1 - power) * x - peak)

    pieces = max(1, math.ceil((log_threshold - log_start) / _PIECE))
    width = (log_threshold - log_start) / pieces
    values, errors = [], []
    for k in range(pieces):
        left = log_start + k * width
        right = log_threshold if k == pieces - 1 else log_start + (k + 1) * width
        value, error = quad(speed_inverse, left, right, epsabs=0.0, epsrel=_RELATIVE_TOLERANCE)
        values.append(value)
        errors.append(error)
    total = math.fsum(values)
    log_value = math.log(total) + peak - math.log(rate)
    # exp of an argument of size |a| carries |a| units of rounding; the sum of the pieces adds one more.
    rounding = (2 + abs(peak) + abs((1 - power) * log_start)) * math.ulp(1.0)
    relative = math.fsum(errors) / total + rounding
    try:
        value = math.exp(peak) / rate * total
    except OverflowError:
        value = math.inf
    return FlowTime(value, value * relative, log_value)
