"""The clock y' = K y^{r-1} under fixed-step optimisers and under noise: counted steps, passage times, sampled paths.

Nothing is taken from a modified equation: the steps are taken one by one with the update rules of `numeric.optimisers`,
and the number of steps is read off the iterates.  Time is gradient-flow time; a number of steps is a real number, by
interpolation through the iterates around the crossing.  Source: THEORY section 4, discrete time and optimisers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import quad, solve_ivp

from numeric.descent_steps import inverse_interpolation
from numeric.inequality import inequality_escape_time
from numeric.optimisers import _SLOTS, _UPDATES, Optimiser

Array = NDArray[np.float64]

_BEFORE, _AFTER = 4, 3  # iterates before and from the crossing on that the interpolation uses
_BLOCK = 64  # steps of randomness drawn at once


@dataclass(frozen=True)
class PassageTime:
    """A mean time and its error estimate (quadrature: tolerance; paths: see ``sampled_passage``)."""

    value: float
    error: float


@dataclass(frozen=True)
class StepSample:
    """Numbers of steps of independent paths, (M,): a mean-zero control is added, see ``minibatch_steps``."""

    steps: Array
    unfinished: int


def clock_steps(
    optimiser: Optimiser, small_layers: int, rate: float, starts: Sequence[float], threshold: float, limit: int
) -> Array:
    """Steps n >= 0, real numbers (M,), from each start to the threshold at rest; NaN where ``limit`` does not suffice.

    Between iterates n is the polynomial of degree 6 in the scale through the seven iterates around the crossing.
    Raises ValueError unless 0 < start < threshold, rate > 0 and the optimiser is free of noise.
    """
    if not all(0 < start < threshold for start in starts) or not starts or rate <= 0:
        raise ValueError(
            f"expected starts between 0 and the threshold {threshold} and rate > 0, got {list(starts)}, {rate}"
        )
    if optimiser.noise or optimiser.batch:
        raise ValueError("a deterministic optimiser has neither noise nor minibatches")
    y = torch.tensor(list(starts), dtype=torch.float64)
    slots = [torch.zeros_like(y) for _ in range(_SLOTS[optimiser.name])]
    update = _UPDATES[optimiser.name]
    passed = torch.zeros(y.shape, dtype=torch.int64)
    window = y.expand(_BEFORE + _AFTER, -1).clone()
    steps = torch.zeros_like(passed)
    for step in range(limit):
        moved = y + update(optimiser, -rate * y ** (small_layers - 1), slots, step)
        moving = passed < _AFTER
        y = torch.where(moving, moved, y)
        window = torch.where(moving, torch.cat([window[1:], y[None]]), window)
        steps += moving
        passed += moving & (y >= threshold)
        if not step % 16 and bool((passed == _AFTER).all()):
            break
    result = np.full(len(starts), math.nan)
    for member, (count, done) in enumerate(zip(steps.tolist(), (passed == _AFTER).tolist(), strict=True)):
        if done:
            used = min(_BEFORE + _AFTER, count + 1)
            result[member] = inverse_interpolation(window[-used:, member].tolist(), count, threshold)
    return result


def flow_steps(small_layers: int, rate: float, start: float, threshold: float, learning_rate: float) -> PassageTime:
    """t_flow/eta by quadrature: the number of steps that the flow itself would count."""
    flow = inequality_escape_time(small_layers - 1, start, threshold, rate=rate)
    return PassageTime(flow.value / learning_rate, flow.error / learning_rate)


def minibatch_steps(
    small_layers: int,
    sample_rates: Sequence[float],
    batch: int,
    start: float,
    threshold: float,
    learning_rate: float,
    paths: int,
    seed: int,
    limit: int,
) -> StepSample:
    """Minibatch descent on samples whose gradients are k_i y^{r-1}, drawn with replacement; K = mean k_i.

    A path stops at the first y_N >= threshold.  What is returned is N, less the overshoot (the flow time beyond the
    threshold over eta), plus sum_n (k_n/K - 1), k_n the minibatch's rate: the sum has mean zero (optional stopping) and
    takes off the scatter of N.  Raises ValueError for rates that are not positive.
    """
    rates = np.asarray(sample_rates, dtype=np.float64)
    if rates.min() <= 0 or not 0 < start < threshold or batch < 1 or small_layers < 3:
        raise ValueError("expected positive rates, 0 < start < threshold, batch >= 1 and r >= 3")
    rate = float(rates.mean())
    generator = np.random.default_rng(seed)
    y, total, result = np.full(paths, start), np.zeros(paths), np.full(paths, math.nan)
    ids = np.arange(paths)
    for step in range(limit):
        if step % _BLOCK == 0:
            draws = rates[generator.integers(len(rates), size=(_BLOCK, batch, paths))].mean(axis=1)
        drawn = draws[step % _BLOCK, ids]
        y = y + learning_rate * drawn * y ** (small_layers - 1)
        total = total + drawn / rate
        over = y >= threshold
        if over.any():
            r = small_layers
            beyond = (threshold ** (2 - r) - y[over] ** (2 - r)) / ((r - 2) * rate * learning_rate)
            result[ids[over]] = total[over] - beyond  # N + sum (k_n/K - 1) = sum k_n/K
            y, total, ids = y[~over], total[~over], ids[~over]
            if not ids.size:
                break
    return StepSample(result, int(ids.size))


def mean_passage(
    small_layers: int, rate: float, noise: float, starts: Sequence[float], threshold: float
) -> tuple[PassageTime, ...]:
    """Mean times of dy = K y^{r-1} dt + sigma dB from each start in [0, threshold) to the threshold (|y| for even r).

    Exact up to quadrature: T(x) = (2/sigma^2) int_x^theta g dy, g' = 1 - (2 K y^{r-1}/sigma^2) g, where g(0) is 0 for
    even r (reflection) and int_{-inf}^0 exp(-2 K |z|^r/(r sigma^2)) dz for odd r.  The error is the change from a
    tolerance that is a hundred times larger.
    """
    r = small_layers
    if not all(0 <= start < threshold for start in starts) or min(rate, noise) <= 0 or r < 2:
        raise ValueError(f"expected starts in [0, {threshold}), r >= 2, a rate and a noise > 0, got {list(starts)}")
    length = (noise**2 / rate) ** (1 / r)
    unit = (length / noise) ** 2
    below = quad(lambda z: math.exp(-2 * z**r / r), 0, math.inf, epsabs=0, epsrel=1e-13)[0] if r % 2 else 0.0

    def rhs(y: float, state: Array) -> list[float]:
        return [1 - 2 * y ** (r - 1) * state[0], 2 * state[0]]

    def jacobian(y: float, _: Array) -> list[list[float]]:
        return [[-2 * y ** (r - 1), 0.0], [2.0, 0.0]]

    points = sorted({0.0, *(start / length for start in starts), threshold / length})
    accurate, rough = (
        solve_ivp(rhs, (0.0, points[-1]), [below, 0.0], "LSODA", points, rtol=rtol, atol=1e-14, jac=jacobian).y[1]
        for rtol in (1e-11, 1e-9)
    )
    times = {
        point: PassageTime(float(unit * (accurate[-1] - a)), float(unit * abs(accurate[-1] - a - (rough[-1] - b))))
        for point, a, b in zip(points, accurate, rough, strict=True)
    }
    return tuple(times[start / length] for start in starts)


def sampled_passage(
    small_layers: int, rate: float, noise: float, threshold: float, step: float, paths: int, seed: int, limit: int
) -> tuple[Array, Array]:
    """Passage times from y = 0, (M,) each, by Euler-Maruyama with `step` and, on the same noise, with 2 `step`.

    NaN for paths that did not arrive within `limit` steps.  The noisy start is at rest; |y| counts for even r.
    """
    r = small_layers
    generator = np.random.default_rng(seed)
    kick = noise * math.sqrt(step)
    y = np.zeros((2, paths))
    arrived = np.full((2, paths), math.nan)
    half = np.zeros(paths)
    for k in range(1, limit + 1):
        if (k - 1) % _BLOCK == 0:
            draws = generator.standard_normal((_BLOCK, paths))
        xi = draws[(k - 1) % _BLOCK]
        with np.errstate(over="ignore", invalid="ignore"):
            y[0] += step * rate * y[0] ** (r - 1) + kick * xi
            if k % 2:
                half = xi
            else:
                y[1] += 2 * step * rate * y[1] ** (r - 1) + kick * (half + xi)
            reach = np.abs(y) if r % 2 == 0 else y
        for row in (0, 1) if k % 2 == 0 else (0,):
            new = np.isnan(arrived[row]) & (reach[row] >= threshold)
            arrived[row, new] = k * step
            y[row, new | ~np.isnan(arrived[row])] = 0.0  # parked
        if k % _BLOCK == 0 and not np.isnan(arrived).any():
            break
    return arrived[0], arrived[1]
