"""Trajectories of the manifold flow at prescribed times (THEORY T4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numeric.dormand_prince import STAGES, error_norm, step, step_factor
from numeric.manifold import ManifoldModel
from numeric.run_status import RunStatus

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ManifoldTrajectory:
    """Layer scales and loss at ``times`` [T]; T comes first, then the members if several starts were given.

    ``scales`` [T, (M,) L], ``loss`` [T, (M)].  ``scales_error`` and ``loss_error`` [T, (M)] are estimates: the largest
    difference from a run with a thirtyfold looser tolerance and two thirds of the quadrature nodes.  A member that
    failed has NaN from the failure on, and its ``status`` [M] says why.
    ``evaluations``: right-hand sides per member [M].
    """

    times: FloatArray
    scales: FloatArray
    loss: FloatArray
    scales_error: FloatArray
    loss_error: FloatArray
    status: tuple[RunStatus, ...]
    evaluations: NDArray[np.int64]


def manifold_trajectory(
    model: ManifoldModel,
    start: ArrayLike,
    times: ArrayLike,
    rtol: float = 1e-10,
    atol: float = 1e-13,
    max_steps: int = 100_000,
) -> ManifoldTrajectory:
    """Follow dX/dt from ``start`` [L] or [M, L] at t = 0 and report at ``times``, increasing and not negative.

    ``rtol`` and ``atol`` bound the local error of a step in every scale.  Raises ValueError for tolerances that are not
    positive, times that do not increase, and starts of wrong shape or not finite.
    """
    times = _checked_times(times)
    if not (0.0 < rtol < 1.0 and 0.0 < atol < 1.0):
        raise ValueError(f"rtol and atol must lie strictly between 0 and 1, got rtol={rtol!r}, atol={atol!r}")
    X = np.asarray(start, dtype=np.float64)
    if X.ndim not in (1, 2) or X.shape[-1] != model.depth or not np.isfinite(X).all():
        raise ValueError(
            f"start must be finite, of shape [{model.depth}] or [members, {model.depth}], got shape {X.shape}"
        )
    members = np.atleast_2d(X)
    fine, status, used = _march(model, members, times, rtol, atol, max_steps, 0.01)
    rough_model = model.refined(2.0 / 3.0)
    rough, _, used_rough = _march(rough_model, members, times, 30.0 * rtol, 30.0 * atol, max_steps, 0.017)
    loss, shape = model.loss(fine), (times.size, *X.shape[:-1])
    return ManifoldTrajectory(
        times,
        fine.reshape(*shape, model.depth),
        loss.reshape(shape),
        np.abs(fine - rough).max(axis=-1).reshape(shape),
        np.abs(loss - rough_model.loss(rough)).reshape(shape),
        status,
        used + used_rough,
    )


def _march(
    model: ManifoldModel, start: FloatArray, times: FloatArray, rtol: float, atol: float, max_steps: int, first: float
) -> tuple[FloatArray, tuple[RunStatus, ...], NDArray[np.int64]]:
    """Scales [T, M, L] at the times, status and evaluations per member; every member has its own step and clock."""
    count = start.shape[0]
    scales = np.full((times.size, *start.shape), np.nan)
    status = [RunStatus.BUDGET_SPENT] * count
    evaluations = np.ones(count, dtype=np.int64)
    index = np.arange(count)  # the members still running
    X, clock, following = start.copy(), np.zeros(count), np.zeros(count, dtype=np.int64)
    slope = model.rates(X)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        growth = np.abs(slope).max(axis=1) / (np.abs(X).max(axis=1) + atol)
        size = np.where(growth > 0.0, first / growth, times[-1] if times.size else 0.0)
        for _ in range(max_steps):
            due = (following < times.size) & (times[np.minimum(following, times.size - 1)] <= clock)
            while due.any():
                scales[following[due], index[due]] = X[due]
                following = following + due
                due = (following < times.size) & (times[np.minimum(following, times.size - 1)] <= clock)
            keep = _retire(index, status, following == times.size, RunStatus.UNTIL_REACHED)
            keep &= _retire(index, status, keep & ~np.isfinite(slope).all(axis=1), RunStatus.NOT_FINITE)
            keep &= _retire(index, status, keep & (clock + size <= clock), RunStatus.STEP_UNDERFLOW)
            index, following = index[keep], following[keep]
            X, slope, clock, size = X[keep], slope[keep], clock[keep], size[keep]
            if index.size == 0:
                break
            target = times[following]
            lands = clock + size >= target
            taken = np.where(lands, target - clock, size)
            new, errors = step(model.rates, X, slope, taken)
            evaluations[index] += STAGES
            norm = error_norm(errors, atol + rtol * np.maximum(np.abs(X), np.abs(new)), taken)
            accepted = norm <= 1.0
            X = np.where(accepted[:, None], new, X)
            clock = np.where(accepted, np.where(lands, target, clock + taken), clock)
            # A step that was cut short to land says nothing against the longer one.
            proposal = taken * np.where(accepted, step_factor(norm), np.minimum(step_factor(norm), 0.9))
            size = np.where(accepted & lands, np.maximum(proposal, size), proposal)
            if accepted.any():
                slope = np.where(accepted[:, None], model.rates(X), slope)
    return scales, tuple(status), evaluations


def _retire(
    index: NDArray[np.int64], status: list[RunStatus], ended: NDArray[np.bool_], reason: RunStatus
) -> NDArray[np.bool_]:
    """Record ``reason`` for the members that ended; the mask of those that go on."""
    for member in index[ended]:
        status[member] = reason
    return ~ended


def _checked_times(times: ArrayLike) -> FloatArray:
    array = np.atleast_1d(np.asarray(times, dtype=np.float64))
    if (
        array.ndim != 1
        or array.size == 0
        or not np.isfinite(array).all()
        or array[0] < 0.0
        or (np.diff(array) <= 0.0).any()
    ):
        raise ValueError(f"times must be finite, not negative and strictly increasing, got {times!r}")
    return array
