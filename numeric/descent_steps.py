"""Numbers of steps as real numbers, read off recorded runs of networks (THEORY section 4, discrete time).

A descent escapes between two steps; the loss (or a layer's scale) is interpolated there, so that a correction of half a
step to a count of thousands can be seen.  A number of steps times the learning rate is a flow time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from numeric.data import Population
from numeric.escape_rule import parse_escape_rule
from numeric.losses import loss
from numeric.network import Network, gradient
from numeric.optimisers import Optimiser, descend

Array = NDArray[np.float64]


def real_steps(
    net: Network,
    weights: Sequence[Tensor],
    data: Population,
    optimiser: Optimiser,
    limit: int,
    escape: str = "loss:0.5",
    seeds: Sequence[int] | None = None,
) -> Array:
    """Numbers of steps (M,) until the escape rule (loss:F or scale:X@l) holds; NaN for members that did not escape.

    Interpolation: the inverse cubic through the last four iterates; linear for a noisy optimiser and sign descent,
    whose iterates do not lie on a smooth curve.  Raises ValueError for another rule.
    """
    rule = parse_escape_rule(escape, net.depth)
    run = descend(net, weights, data, optimiser, limit, escape=rule, seeds=seeds, record_every=1)
    assert run.recorded_losses is not None
    assert run.recorded_scales is not None
    if rule.kind == "overlap":
        raise ValueError(f"the steps to {rule} are not recorded; use loss:F or scale:X@l")
    losses, scales = run.recorded_losses, run.recorded_scales
    series = losses if rule.kind == "loss" else scales[:, :, rule.layer - 1]
    target = rule.level * losses[:, 0] if rule.kind == "loss" else torch.full_like(losses[:, 0], rule.level)
    smooth = not (optimiser.noise or optimiser.batch or optimiser.name == "sign")
    steps = np.full(series.shape[0], math.nan)
    for member, last in enumerate(run.escape_steps.tolist()):
        if last >= 1:
            used = min(4 if smooth else 2, last + 1)
            values = series[member, last - used + 1 : last + 1].tolist()
            steps[member] = inverse_interpolation(values, last, float(target[member]))
    return steps


def inverse_interpolation(values: Sequence[float], last: int, target: float) -> float:
    """n at which the polynomial n(value) through the iterates last - k + 1 .. last takes ``target`` (Neville)."""
    x = np.asarray(values, dtype=np.float64)
    n = np.arange(last - len(x) + 1, last + 1, dtype=np.float64)
    for width in range(1, len(x)):
        left, right = x[:-width], x[width:]
        n = ((target - left) * n[1:] - (target - right) * n[:-1]) / (right - left)
    return float(n[0])


def gradient_spread(
    net: Network, weights: Sequence[Tensor], data: Population, layers: Sequence[int]
) -> tuple[float, float]:
    """(root mean square deviation of one sample's gradient, norm of the mean) on ``layers`` (1-based) of one network.

    The samples have equal weights; Frobenius norms.
    """
    samples = data.covariates.shape[-1]
    x, y = data.covariates.mT[:, :, None], data.targets.mT[:, :, None]
    grads = gradient(net, [w.expand(samples, *w.shape) for w in weights], x, y, loss("mse"))
    spread = mean = 0.0
    for layer in layers:
        g = grads[layer - 1]
        mean += float((g.mean(0) ** 2).sum())
        spread += float(((g - g.mean(0)) ** 2).sum(dim=(1, 2)).mean())
    return math.sqrt(spread), math.sqrt(mean)
