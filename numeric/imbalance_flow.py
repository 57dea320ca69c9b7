"""The imbalance along a gradient flow: its change, and the integral of the identity's right-hand side (THEORY T1).

The weights are integrated; the right-hand side is evaluated by autograd at Gauss-Legendre times of [0, T] and summed.
Neither knows of the identity: Delta(T) - Delta(0) comes from the end of the flow, the integral from its inside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from numeric.data import population
from numeric.flow import FlowOptions, gradient_flow
from numeric.imbalance import ImbalanceCase, ImbalanceTerms, imbalance_terms
from numeric.layout import Layout
from numeric.network import Weights, gradient
from numeric.run_status import RunStatus

FloatArray = NDArray[np.float64]
Integrand = Callable[[ImbalanceTerms], Mapping[str, float]]

_EDGES = (0.0, 1.0 / 16, 1.0 / 4, 1.0)  # of the panels, in units of T: the flow is fastest at its start
_HALVINGS = 2  # of every panel, where the quadrature is not accurate enough
_LOOSER = 30.0  # by which the error of the looser run exceeds that of the tighter one
_NODES = (10, 16)  # Gauss-Legendre nodes of a panel; the coarse rule judges the fine one


@dataclass(frozen=True)
class ImbalanceFlow:
    """Change of Delta_l over [0, T] and integrals over [0, T] of what ``integrand`` returned, in units of |W|^2.

    start: the integrand at t = 0.  error: estimate of the largest error of any of them.  rounding: what float64 leaves
    of the difference of two squared norms.  size: |W_{l+1}|^2 + |W_l|^2 at t = 0.  steps: of the integrator.
    """

    change: float
    integrals: Mapping[str, float]
    start: Mapping[str, float]
    error: float
    rounding: float
    size: float
    steps: int


def gradient_time(case: ImbalanceCase) -> float:
    """|G| / |dG/dt| at the start of the flow: the time in which the gradient changes by its own size.

    dG/dt = -H G by a central difference, whose step moves the weights by a hundred-thousandth of their norm.
    """
    grads = gradient(case.net, case.weights, case.x, case.y, case.loss)
    step = 1e-5 * _norm(case.weights) / _norm(grads)

    def moved(h: float) -> Weights:
        weights = [w + h * g for w, g in zip(case.weights, grads, strict=True)]
        return gradient(case.net, weights, case.x, case.y, case.loss)

    change = [a - b for a, b in zip(moved(step), moved(-step), strict=True)]
    return 2.0 * step * _norm(grads) / _norm(change)


def _norm(weights: Weights) -> float:
    return math.sqrt(sum(float((w * w).sum()) for w in weights))


def imbalance_along_flow(
    case: ImbalanceCase,
    until: float,
    integrand: Integrand,
    *,
    accuracy: float = 1e-9,
    rtol: float = 1e-12,
    device: str = "cpu",
) -> ImbalanceFlow:
    """Integrate the flow of ``case`` to ``until`` (gradient-flow time) and ``integrand`` along it.

    integrand: named values at one time, from the imbalance terms of the pair there.  The error is the change under a
    looser tolerance plus that under fewer nodes; panels are halved where the latter exceeds ``accuracy`` times |W|^2 of
    the pair.  Raises ValueError when the flow does not reach ``until``.
    """
    edges: tuple[float, ...] = _EDGES
    result = _attempt(case, until, integrand, edges, rtol, device)
    for _ in range(_HALVINGS):
        if result.error <= accuracy * result.size:
            break
        edges = tuple(sorted({*edges, *((a + b) / 2.0 for a, b in pairwise(edges))}))
        result = _attempt(case, until, integrand, edges, rtol, device)
    return result


def _attempt(
    case: ImbalanceCase, until: float, integrand: Integrand, edges: tuple[float, ...], rtol: float, device: str
) -> ImbalanceFlow:
    coarse, fine = (_rule(until, edges, count) for count in _NODES)
    times = np.unique(np.concatenate([coarse[0], fine[0], [until]]))
    tight, steps = _states(case, times, rtol, device)
    loose, _ = _states(case, times, _LOOSER * rtol, device)
    along = [_integrand(case, weights, integrand) for weights in tight]
    integrals, other = _sum(along, times, fine), _sum(along, times, coarse)
    wanted = set(np.searchsorted(times, coarse[0]).tolist())
    rough = _sum([_integrand(case, w, integrand) if k in wanted else {} for k, w in enumerate(loose)], times, coarse)
    before = _delta(case, case.weights)
    change, change_loose = _delta(case, tight[-1]) - before, _delta(case, loose[-1]) - before
    quadrature = max(abs(integrals[name] - other[name]) for name in integrals)
    solver = abs(change - change_loose) + max(abs(other[name] - rough[name]) for name in integrals)
    pair = case.weights[case.layer - 1 : case.layer + 1]
    size = sum(float((w * w).sum()) for w in pair)
    # Both squared norms are sums of as many rounded squares as a layer has entries.
    rounding = sum(w.numel() for w in pair) * torch.finfo(torch.float64).eps * size
    start = _integrand(case, case.weights, integrand)
    return ImbalanceFlow(change, integrals, start, quadrature + solver, rounding, size, steps)


def _states(case: ImbalanceCase, times: FloatArray, rtol: float, device: str) -> tuple[list[Weights], int]:
    """Weights at each time."""
    # No layer grows by orders of magnitude here, so that plain time is the natural clock.
    options = FlowOptions(rtol=rtol, method="dop853", clock="time", device=device)
    flow = gradient_flow(
        case.net,
        case.weights,
        population(case.x, case.y),
        criterion=case.loss,
        escape=None,
        saved_times=times.tolist(),
        keep_states=True,
        options=options,
    )
    if flow.status[0] is not RunStatus.UNTIL_REACHED or flow.saved is None or flow.saved.states is None:
        raise ValueError(f"the flow did not reach the time {times[-1]:g}: {flow.status[0].value}")
    views = Layout(case.net.shapes).views(flow.saved.states[0].cpu())
    return [[view[k] for view in views] for k in range(len(times))], int(flow.steps[0])


def _integrand(case: ImbalanceCase, weights: Weights, integrand: Integrand) -> Mapping[str, float]:
    return integrand(imbalance_terms(case.net, weights, case.x, case.y, case.loss, case.layer))


def _delta(case: ImbalanceCase, weights: Weights) -> float:
    """|W_{l+1}|^2 - |W_l|^2."""
    lower, upper = weights[case.layer - 1], weights[case.layer]
    return float((upper * upper).sum() - (lower * lower).sum())


def _rule(until: float, edges: tuple[float, ...], count: int) -> tuple[FloatArray, FloatArray]:
    """Nodes in [0, until] and weights of the composite Gauss-Legendre rule."""
    x, w = np.polynomial.legendre.leggauss(count)
    panels = [(until * a, until * (b - a) / 2.0) for a, b in pairwise(edges)]
    return np.concatenate([a + h * (1.0 + x) for a, h in panels]), np.concatenate([h * w for _, h in panels])


def _sum(along: list[Mapping[str, float]], times: FloatArray, rule: tuple[FloatArray, FloatArray]) -> dict[str, float]:
    """The rule applied to every named value; ``times`` contain its nodes."""
    nodes = np.searchsorted(times, rule[0]).tolist()
    names = along[nodes[0]]
    return {name: math.fsum(w * along[k][name] for k, w in zip(nodes, rule[1].tolist(), strict=True)) for name in names}


def flow_rates(terms: ImbalanceTerms) -> dict[str, float]:
    """The integrand of the identity itself: 2 E<p, phi>."""
    return {"2 E<p, phi>": 2.0 * terms.phi}
