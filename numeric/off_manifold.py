"""Escape times from He-normal starts with chosen layers scaled by eps, paired over eps (THEORY T6 and section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from numeric.activations import Activation
from numeric.data import Population, gaussian_batch, teacher
from numeric.escape_rule import EscapeRule
from numeric.flow import FlowOptions, gradient_flow
from numeric.network import Network, uniform_network
from numeric.run_status import RunStatus
from numeric.starts import he_start


@dataclass(frozen=True)
class OffManifoldEscape:
    """Escape times (S, E) for S seeds and E values of eps (NaN without escape), with statuses and evaluations alike.

    error_estimates (S, E): |difference from ten times the tolerance| if asked for, else NaN.
    """

    eps: tuple[float, ...]
    seeds: tuple[int, ...]
    escape_times: Tensor
    error_estimates: Tensor
    status: tuple[tuple[RunStatus, ...], ...]
    evaluations: Tensor
    seconds: float

    @property
    def all_escaped(self) -> bool:
        """Whether every member escaped: an exponent must not be read off a selection of seeds."""
        return all(status is RunStatus.ESCAPED for row in self.status for status in row)


def off_manifold_escape_times(
    activation: Activation,
    depth: int,
    small: Sequence[int],
    eps: Sequence[float],
    seeds: Sequence[int] = tuple(range(8)),
    *,
    width: int = 16,
    inputs: int = 8,
    batch: int = 64,
    parameterisation: str = "plain",
    escape: str | EscapeRule = "loss:0.5",
    estimate_error: bool = False,
    options: FlowOptions | None = None,
) -> OffManifoldEscape:
    """Escape times of the exponent protocol: y = s(v.x) on a Gaussian batch, the same W_0 and batch at every eps.

    small: the layers (1-based) that are multiplied by eps.  Each seed has its own batch, an exact instance of theory
    with m = mean(y x).  The default rtol, 1e-4, gives escape times to about 3e-5 and local slopes to 1e-4: most of the
    error is a common factor, the same at every eps.
    Raises ValueError for empty lists, eps that is not positive, or senseless sizes.
    """
    if not seeds or not eps:
        raise ValueError(f"expected at least one seed and one eps, got {len(seeds)} and {len(eps)}")
    net = uniform_network(depth, width, inputs, activation, parameterisation)
    weights = he_start(net, seeds, small, eps)
    data = single_mode_batches(net, seeds, batch, copies=len(eps))
    options = options or FlowOptions(rtol=1e-4)
    result = gradient_flow(net, weights, data, escape=escape, estimate_error=estimate_error, options=options)
    shape = (len(eps), len(seeds))
    status = [result.status[e * len(seeds) : (e + 1) * len(seeds)] for e in range(len(eps))]
    return OffManifoldEscape(
        eps=tuple(float(e) for e in eps),
        seeds=tuple(seeds),
        escape_times=result.escape_times.reshape(shape).T,
        error_estimates=result.error_estimates.reshape(shape).T,
        status=tuple(zip(*status, strict=True)),
        evaluations=result.evaluations.reshape(shape).T,
        seconds=result.seconds,
    )


def single_mode_batches(net: Network, seeds: Sequence[int], batch: int, copies: int = 1) -> Population:
    """One Gaussian batch per seed with y = s(v.x), v the first axis, repeated `copies` times along the members."""
    v = torch.zeros(1, net.widths[0], dtype=torch.float64)
    v[0, 0] = 1.0
    x = gaussian_batch(seeds, net.widths[0], batch)
    y = teacher(net.activation, v)(x)
    nodes = torch.full((batch,), 1.0 / batch, dtype=torch.float64)
    return Population(x.repeat(copies, 1, 1), y.repeat(copies, 1, 1), nodes)
