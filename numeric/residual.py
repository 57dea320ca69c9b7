"""Escape times split into the leading law and a remainder, each to full precision (THEORY section 3).

The logarithms that follow the power law (coefficient 1.2 of log(1/eps) under eps^{-2}/2 for tanh, L = 4) lie sixty
orders of magnitude below it at eps = 1e-30.  Here the leading law is subtracted analytically and the remainder is
integrated by itself, so that float64 resolves it at any eps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numeric.escape_rule import EscapeRule, parse_escape_rule
from numeric.event_stepper import End, follow
from numeric.manifold import ManifoldModel
from numeric.manifold_sweep import small_mask
from numeric.residual_chart import ResidualChart
from numeric.run_status import RunStatus

FloatArray = NDArray[np.float64]

_SMALLEST = 1e-100  # squares and their ratios must stay normal numbers
_ROUNDING = 64 * float(np.finfo(np.float64).eps)  # sums over nodes and steps


@dataclass(frozen=True)
class ResidualEscape:
    """K_eff t = ``leading`` + ``remainder`` at the escape, one entry per start.

    ``rate``: K_eff [M] of the start (THEORY section 3).  ``leading`` [M]: 1/2 int_0^inf ds / prod sqrt(X_l(0)^2 + s)
    over the r small layers, which is eps^{2-r}/(r-2) for equal scales; for r = 2 it is log(2/(X(0) + X'(0))), for r = 1
    minus the scale.  ``remainder`` [M] holds what the leading law leaves, the constant that depends on the escape rule
    included; ``remainder_errors`` are estimated by a second run with a hundredfold looser tolerance, other steps and
    two thirds of the nodes.  ``times`` = (leading + remainder) / rate.  ``scales`` [M, L]: where the run ended.
    ``imbalance_growth`` [M, L-1]: what X_{l+1}^2 - X_l^2 has gained there, however small against X_l^2, and
    ``imbalance_errors``, estimated by the same second run.
    """

    rate: FloatArray
    leading: FloatArray
    remainder: FloatArray
    remainder_errors: FloatArray
    times: FloatArray
    scales: FloatArray
    imbalance_growth: FloatArray
    imbalance_errors: FloatArray
    status: tuple[RunStatus, ...]
    evaluations: NDArray[np.int64]
    rule: EscapeRule


def residual_escape(
    model: ManifoldModel,
    starts: ArrayLike,
    small: Sequence[int] | None = None,
    rule: str | EscapeRule = "loss:0.5",
    *,
    rtol: float = 1e-12,
    max_steps: int = 1500,
) -> ResidualEscape:
    """Escape from ``starts`` [M, L] whose layers ``small`` (counted from 1, default all) are small.

    The activation must be analytic with s(0) = 0 and s'(0) > 0 (classes A, B, C without kinks).  Raises ValueError
    otherwise, for a wrong shape, a zero scale, a start of the wrong sign, or a tolerance outside (0, 1).
    """
    X = np.atleast_2d(np.asarray(starts, dtype=np.float64))
    if X.ndim != 2 or X.shape[1] != model.depth or not np.isfinite(X).all() or not X.all():
        raise ValueError(f"starts must be finite, not zero and of shape [members, {model.depth}], got {starts!r}")
    if not 0.0 < rtol < 1.0:
        raise ValueError(f"rtol must lie strictly between 0 and 1, got {rtol!r}")
    if (np.abs(X) < _SMALLEST).any():
        raise ValueError(f"layer scales below {_SMALLEST:g} leave the range of float64: got {np.abs(X).min():g}")
    parsed, mask = parse_escape_rule(rule, model.depth), small_mask(small, model.depth)
    chart = ResidualChart(model, parsed, X, mask)
    if not chart.escapes.all():
        raise ValueError("K_eff times the product of the small scales must be positive, or there is no leading law")
    rough_chart = ResidualChart(model.refined(2.0 / 3.0), parsed, X, mask)
    q0, q_star, rate = chart.q0[:, mask], chart.q_star, chart.rate
    power, rough_power = chart.power, rough_chart.power
    end = _follow(chart, rtol, max_steps)
    rough = _follow(rough_chart, 100.0 * rtol, max_steps, 1.7)
    escaped = (end.status == RunStatus.ESCAPED) & (rough.status == RunStatus.ESCAPED)
    remainder = _remainder(q0, q_star, end)
    errors = np.maximum(np.abs(remainder - _remainder(q0, q_star, rough)), _ROUNDING * np.abs(remainder))
    growth = _imbalance_growth(chart.stretch, q_star, power, end)
    change = np.abs(growth - _imbalance_growth(chart.stretch, q_star, rough_power, rough))
    leading = _leading(q0)
    remainder, errors = np.where(escaped, remainder, np.nan), np.where(escaped, errors, np.nan)
    return ResidualEscape(
        np.abs(rate),
        leading,
        remainder,
        errors,
        (leading + remainder) / np.abs(rate),
        end.scales,
        np.where(escaped[:, None], growth, np.nan),
        np.where(escaped[:, None], np.maximum(change, _ROUNDING * np.abs(growth)), np.nan),
        tuple(end.status),
        end.evaluations + rough.evaluations,
        parsed,
    )


def _follow(chart: ResidualChart, rtol: float, max_steps: int, first_step_factor: float = 1.0) -> End:
    with np.errstate(all="ignore"):  # members that leave the range of float64 are caught by their status
        return follow(chart, rtol, np.inf, max_steps, first_step_factor)


def _remainder(q0: FloatArray, q_star: FloatArray, end: End) -> FloatArray:
    """R minus the part of the leading integral that lies beyond the end of the run."""
    R, s = end.states[:, -2], q_star * np.expm1(2.0 * end.states[:, -1])
    r = q0.shape[1]
    if r == 1:
        return np.asarray(R + np.sqrt(q0[:, 0] + s))
    if r == 2:
        return np.asarray(R + np.log(0.5 * np.sqrt(q0 + s[:, None]).sum(axis=1)))
    return np.asarray(R - leading_integral(q0, s))


def _imbalance_growth(stretch: FloatArray, q_star: FloatArray, power: FloatArray, end: End) -> FloatArray:
    """Growth of X_{l+1}^2 - X_l^2, X_l^2 = stretch_l^2 (q_l(0) + s + sigma_l): the common s drops out by itself."""
    advance = end.states[:, -1]
    s, sigma = (
        q_star * np.expm1(2.0 * advance),
        end.states[:, :-2] * (q_star * np.exp((2.0 + power) * advance))[:, None],
    )
    return np.asarray(np.diff(stretch**2) * s[:, None] + np.diff(stretch**2 * sigma, axis=1))


def _leading(q0: FloatArray) -> FloatArray:
    r = q0.shape[1]
    if r == 1:
        return np.asarray(-np.sqrt(q0[:, 0]))
    if r == 2:
        return np.asarray(-np.log(0.5 * np.sqrt(q0).sum(axis=1)))
    return leading_integral(q0, np.zeros(q0.shape[0]))


def leading_integral(q0: FloatArray, s: FloatArray, points: int = 256) -> FloatArray:
    """1/2 int_s^inf ds' / prod_l sqrt(q0_l + s') [M] for q0 [M, r], r >= 3, s [M]; Carlson's R_F(q0 + s) when r = 3.

    With w^2 = (s + q)/(s' + q), q the smallest of the q0_l, it is an integral over [0, 1] whose integrand has its
    singularities at |w| = 1/sqrt(largest/smallest - 1): Gauss-Legendre.
    """
    r = q0.shape[1]
    smallest = q0.min(axis=1)
    base = smallest + s
    ratio = (q0 - smallest[:, None]) / base[:, None]
    nodes, weights = np.polynomial.legendre.leggauss(points)
    w = 0.5 * (1.0 + nodes)
    density = w ** (r - 3) / np.sqrt(1.0 + ratio[:, None, :] * (w * w)[None, :, None]).prod(axis=2)
    return np.asarray(base ** (1.0 - 0.5 * r) * np.vecdot(density, 0.5 * weights))
