"""The 32 He nets by torchode, torchdiffeq and diffrax: escape times from which `bench_flow` reads error and cost.

torchode and torchdiffeq are told the end times, since neither locates an event for each member of a batch: they
integrate in t up to the exact escape time, and the error of tau is the loss that is missing there over its slope
|grad|^2.  Their gradient is torch.func.vmap(grad), as their users have it, or this project's, which compares the
solvers alone.  diffrax integrates in the growth clock with an event of its own.
"""

from __future__ import annotations

import functools
import os
from typing import Any

import numpy as np
import torch

from numeric.data import Population
from numeric.ensemble import Ensemble
from numeric.losses import loss
from numeric.network import Network, mean_loss

Job = tuple[Network, list[torch.Tensor], Population]


class _TimeFlow:
    """-grad of all members in t, and what an end at time tau says about the escape time."""

    def __init__(self, job: Job, own_gradient: bool) -> None:
        net, weights, self.data = job
        self.ensemble = Ensemble(net, self.data)
        self.layout = self.ensemble.layout
        self.start = self._padded(weights)[:, : self.layout.parameters].contiguous()
        self._state = torch.zeros(self.start.shape[0], self.layout.stride, dtype=torch.float64)
        self._out = torch.zeros_like(self._state)
        self._vmap = None if own_gradient else torch.func.vmap(torch.func.grad(functools.partial(_loss, net)))
        self.half = 0.5 * self.losses(self.start)

    def _padded(self, weights: list[torch.Tensor]) -> torch.Tensor:
        return self.layout.flatten(weights, torch.float64, "cpu")

    def losses(self, weights: torch.Tensor) -> torch.Tensor:
        self._state[:, : weights.shape[1]] = weights
        return self.ensemble.losses(self._state)

    def __call__(self, weights: torch.Tensor) -> torch.Tensor:
        if self._vmap is not None:
            grads = self._vmap(self.layout.views(weights), self.data.covariates, self.data.targets)
            return torch.cat([g.flatten(1) for g in grads], 1).neg_()
        self._state[:, : weights.shape[1]] = weights
        self.ensemble.gradient(self._state, self._out)
        return -self._out[:, : weights.shape[1]]

    def escape_times(self, ends: torch.Tensor, exact: np.ndarray) -> np.ndarray:
        slope = self(ends).square().sum(1)
        return exact + ((self.losses(ends) - self.half) / slope).numpy()


def _loss(net: Network, layers: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return mean_loss(net, layers, x, y, loss("mse"))


def torchode_times(job: Job, exact: np.ndarray, rtol: float, atol: float, own_gradient: bool) -> np.ndarray:
    """Tsit5 with a step for each member."""
    import torchode

    flow = _TimeFlow(job, own_gradient)
    term = torchode.ODETerm(lambda t, y: flow(y))  # type: ignore[arg-type]
    step = torchode.Tsit5(term=term)
    controller = torchode.IntegralController(atol=atol, rtol=rtol, term=term)
    ends = torch.from_numpy(exact)
    problem = torchode.InitialValueProblem(flow.start, torch.zeros_like(ends), ends)
    with torch.no_grad():
        solution = torchode.AutoDiffAdjoint(step, controller).solve(problem, term)
    return flow.escape_times(solution.ys[:, -1], exact)


def torchdiffeq_times(job: Job, exact: np.ndarray, rtol: float, atol: float, own_gradient: bool) -> np.ndarray:
    """dopri5 on t/tau, one step for all members."""
    import torchdiffeq

    flow = _TimeFlow(job, own_gradient)
    ends = torch.from_numpy(exact)[:, None]
    with torch.no_grad():
        grid = torch.tensor([0.0, 1.0], dtype=torch.float64)
        path = torchdiffeq.odeint(lambda s, y: ends * flow(y), flow.start, grid, rtol=rtol, atol=atol, method="dopri5")
    return flow.escape_times(path[-1], exact)


def diffrax_times(job: Job, rtol: float, atol: float) -> np.ndarray:
    """Tsit5 in the growth clock, vmap over members, escape as a located event.  The first call compiles."""
    _, weights, data = job
    arrays = [w.numpy() for w in weights]
    return np.asarray(_diffrax_solver()(arrays, data.covariates.numpy(), data.targets.numpy(), rtol, atol))


@functools.cache
def _diffrax_solver() -> Any:
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    import diffrax
    import jax
    import optimistix

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def mse(layers: Any, x: Any, y: Any) -> Any:
        for w in layers[:-1]:
            x = jnp.tanh(w @ x)
        return 0.5 * jnp.mean((layers[-1] @ x - y) ** 2)

    def field(clock: Any, state: Any, arguments: Any) -> Any:
        layers, _ = state
        x, y, _ = arguments
        grads = jax.grad(mse)(layers, x, y)
        rate = jnp.sqrt(sum(jnp.sum(g * g) / jnp.sum(w * w) for g, w in zip(grads, layers, strict=True)))
        return [-g / rate for g in grads], 1.0 / rate

    def gap(t: Any, y: Any, args: Any, **_: Any) -> Any:
        covariates, targets, half = args
        return mse(y[0], covariates, targets) - half

    def one(layers: Any, x: Any, y: Any, rtol: Any, atol: Any) -> Any:
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(field),
            diffrax.Tsit5(),
            t0=0.0,
            t1=1e3,
            dt0=None,
            y0=(layers, jnp.zeros(())),
            args=(x, y, 0.5 * mse(layers, x, y)),
            stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
            event=diffrax.Event(gap, optimistix.Newton(rtol=1e-9, atol=1e-12)),
            max_steps=4096,
            throw=False,
        )
        return solution.ys[1][-1]

    return jax.jit(jax.vmap(one, in_axes=(0, 0, 0, None, None)))
