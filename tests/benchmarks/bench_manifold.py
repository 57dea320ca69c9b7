"""Escape times of the manifold flow against LSODA, diffrax, heyoka and mpmath, one thread, interleaved.

Seconds are CPU seconds of this process, so that a shared machine disturbs both sides alike; compilation of a peer
counts.  Optional peers are used when they can be imported.  mpmath.odefun takes a quarter of an hour and more: it is
stopped when the bar is reached, and its ratio is a lower bound; SADDLE_ESCAPE_BENCH_SLOW=1 lets it finish.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import mpmath
import numpy as np
from scipy.integrate import solve_ivp

from numeric.high_precision import precise_escape
from numeric.manifold import ManifoldModel
from numeric.manifold_sweep import bottleneck_starts, manifold_escape

EPS = np.geomspace(1e-6, 10**-1.5, 64)
THETA, DEPTH, WIDTH, RTOL = 0.5, 4, 64, 1e-9
ROUNDS = 3


def rows() -> list[dict[str, Any]]:
    """One dict per kernel and peer: kernel, ours_seconds, peer, peer_seconds, ratio, bar, met."""
    return [*_sweep_rows(), *_precise_rows()]


def _row(kernel: str, ours: float, peer: str, seconds: float | None, bar: float) -> dict[str, Any]:
    ratio = None if seconds is None else seconds / ours
    met = "not measured" if ratio is None else "yes" if ratio >= bar else "no"
    return {
        "kernel": kernel,
        "ours_seconds": ours,
        "peer": peer,
        "peer_seconds": seconds,
        "ratio": ratio,
        "bar": f">= {bar:g}x",
        "met": met,
    }


def _seconds(job: Callable[[], Any]) -> float:
    start = time.process_time()
    job()
    return time.process_time() - start


def _interleaved(ours: Callable[[], Any], peer: Callable[[], Any], rounds: int = ROUNDS) -> tuple[float, float]:
    """The median of ``rounds`` of each, run alternately; ours is short and runs before and after the peer."""
    times = [(_seconds(ours), _seconds(peer), _seconds(ours)) for _ in range(rounds)]
    return median(t for a, _, b in times for t in (a, b)), median(t for _, t, _ in times)


def _sweep_rows() -> list[dict[str, Any]]:
    model, starts = ManifoldModel("tanh", DEPTH, WIDTH), bottleneck_starts(EPS, DEPTH)
    ours: list[Any] = []

    def sweep(estimate_error: bool = False, scales_rtol: float = RTOL) -> None:
        ours[:] = [
            manifold_escape(
                model, starts, "scale:0.5@1", rtol=RTOL, scales_rtol=scales_rtol, estimate_error=estimate_error
            )
        ]

    peer: list[float] = []

    def lsoda() -> None:
        peer[:] = [_lsoda_escape(float(e)) for e in EPS]

    sweep()
    kernel = f"64 escape times, eps in [1e-6, 10^-1.5], rtol {RTOL:g}, L = 4 tanh"
    rows = []
    for what, scales_rtol in (("", 1e-6), (", scales to 1e-9 too", RTOL)):
        for estimated in (False, True):
            mine = functools.partial(sweep, estimated, scales_rtol)
            seconds, lsoda_seconds = _interleaved(mine, lsoda)
            worst = float(np.abs(ours[0].times / np.array(peer) - 1.0).max())
            if not worst < 1e-6:  # LSODA in t loses two to three digits of its tolerance over the plateau
                raise ValueError(f"the sweep and LSODA disagree by {worst:.1e}: no ratio")
            name = kernel + what + (", error estimate included" if estimated else "")
            rows.append(_row(name, seconds, "scipy LSODA in t, a loop", lsoda_seconds, 40.0))
    return rows


def _lsoda_escape(eps: float) -> float:
    """The leanest right-hand side for one member: half of the nodes, four products a layer."""
    u, w, y = _NODES
    N = float(WIDTH)

    def rates(_: float, X: np.ndarray) -> list[float]:
        s1 = np.tanh(X[0] * u)
        s2 = np.tanh(X[1] * s1)
        s3 = np.tanh(X[2] * s2)
        d = (y - math.sqrt(N) * X[3] * s3) * w
        g4 = math.sqrt(N) * (d @ s3)
        d = math.sqrt(N) * X[3] * d * (1.0 - s3 * s3)
        g3 = d @ s2
        d = X[2] * d * (1.0 - s2 * s2)
        g2 = d @ s1
        d = X[1] * d * (1.0 - s1 * s1)
        return [d @ u / N, g2 / N, g3 / N, g4 / N]

    def event(_: float, X: np.ndarray) -> float:
        return float(X[0] - THETA)

    event.terminal = True  # type: ignore[attr-defined]
    horizon = 20.0 * eps**-2 + 1e4
    run = solve_ivp(rates, (0.0, horizon), [eps] * DEPTH, "LSODA", events=event, rtol=RTOL, atol=RTOL * eps)
    return float(run.t_events[0][0])


def _half_nodes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rule = ManifoldModel("tanh", DEPTH, WIDTH).rule
    return rule.nodes, rule.weights, np.tanh(rule.nodes)


_NODES = _half_nodes()


def _precise_rows() -> list[dict[str, Any]]:
    model = ManifoldModel("tanh", DEPTH, WIDTH)
    thirty = min(_seconds(lambda: precise_escape(model, ["1e-6"] * DEPTH, "scale:0.5@1", 30)) for _ in range(2))
    fifty = _seconds(lambda: precise_escape(model, ["1e-6"] * DEPTH, "scale:0.5@1", 50))
    heyoka = importlib.util.find_spec("heyoka") is not None
    rows = []
    for digits in (30, 50):
        _known_time(digits + 5)  # not a part of anybody's time
    for digits, ours, in_time, bar in ((30, thirty, False, 4.0), (30, thirty, True, 10.0), (50, fifty, False, 5.0)):
        name = "heyoka in t, known end" if in_time else "heyoka, same variable"
        peer = None
        if heyoka:
            peer = _seconds(lambda digits=digits, in_time=in_time: _heyoka_escape(digits, in_time))  # type: ignore[misc]
        rows.append(
            _row(f"tau to {digits} digits, eps = 1e-6", ours, name + ("" if heyoka else " (not installed)"), peer, bar)
        )
    short = min(_seconds(lambda: precise_escape(model, ["1e-2"] * DEPTH, "scale:0.5@1", 30)) for _ in range(2))
    rows.append(_odefun_row(short))
    return rows


def _odefun_row(ours: float) -> dict[str, Any]:
    bar, slow = 200.0, os.environ.get("SADDLE_ESCAPE_BENCH_SLOW") == "1"
    limit = math.inf if slow else 1.1 * bar * ours  # a tenth beyond the bar, so that it is not met by rounding
    result: list[Any] = []
    seconds = _seconds(lambda: result.append(_odefun_escape(30, limit)))
    name = f"mpmath.odefun in log X (mpmath on {mpmath.libmp.BACKEND})"
    if result[0] is None:
        return _row("tau to 30 digits, eps = 1e-2", ours, name + ", stopped unfinished: at least", seconds, bar)
    model = ManifoldModel("tanh", DEPTH, WIDTH)
    with mpmath.workdps(40):
        known = mpmath.mpf(precise_escape(model, ["1e-2"] * DEPTH, "scale:0.5@1", 30).time)
        wrong = abs(mpmath.mpf(result[0]) / known - 1)
    if not wrong < mpmath.mpf(10) ** -29:
        raise ValueError(f"odefun and the collocation disagree by {float(wrong):.1e}: no ratio")
    return _row("tau to 30 digits, eps = 1e-2", ours, name, seconds, bar)


class _StoppedError(Exception):
    """The peer has used more than its time."""


def _quadrature(digits: int) -> tuple[mpmath.MPContext, list[Any]]:
    """A private context and (u, weight, target) on u >= 0 with the step that the digits need."""
    context = mpmath.mp.clone()
    context.dps = digits + 5
    step = context.mpf(math.floor(1e4 * 3 * math.pi / (math.log(10) * (digits + 2)))) / 10000
    count = math.floor(math.sqrt(2 * math.log(10) * (digits + 3)) / float(step))
    nodes = []
    for k in range(count + 1):
        u = k * step
        weight = step * context.exp(-u * u / 2) / context.sqrt(2 * context.pi) * (1 if k == 0 else 2)
        nodes.append((u, weight, context.tanh(u)))
    return context, nodes


def _odefun_escape(digits: int, limit: float = math.inf) -> Any:
    """dx_m/dv and dt/dv in v = log X_1 from log 1e-2 to log 1/2, by mpmath's Taylor series method.

    None if it has not finished after ``limit`` CPU seconds.
    """
    end = time.process_time() + limit
    context, nodes = _quadrature(digits)
    gain = context.mpf(8)

    def field(v: Any, state: list[Any]) -> list[Any]:
        if time.process_time() > end:
            raise _StoppedError
        X = [context.exp(v), *(context.exp(x) for x in state[:3])]
        sums = [context.mpf(0)] * 4
        for u, w, y in nodes:
            s1 = context.tanh(X[0] * u)
            s2 = context.tanh(X[1] * s1)
            s3 = context.tanh(X[2] * s2)
            d = w * (y - gain * X[3] * s3)
            sums[3] += gain * d * s3
            d *= gain * X[3] * (1 - s3 * s3)
            sums[2] += d * s2
            d *= X[2] * (1 - s2 * s2)
            sums[1] += d * s1
            sums[0] += d * X[1] * (1 - s1 * s1) * u
        rates = [total / WIDTH / x for total, x in zip(sums, X, strict=True)]
        return [*(rate / rates[0] for rate in rates[1:]), 1 / rates[0]]

    start = context.log(context.mpf("1e-2"))
    try:
        solution = context.odefun(field, start, [start, start, start, context.mpf(0)])
        return solution(context.log(context.mpf(1) / 2))[3]
    except _StoppedError:
        return None


def _heyoka_escape(digits: int, in_time: bool) -> Any:
    """heyoka's Taylor integrator in multiple precision: tau in the same variable, or X_1 at the known tau in t.

    Building and compiling count.  Raises ValueError if the result is wrong.
    """
    import heyoka as hy

    context, nodes = _quadrature(digits)
    bits = math.ceil((digits + 5) * math.log2(10))
    real = lambda x: hy.real(context.nstr(x, digits + 8), bits)  # noqa: E731
    logs = hy.make_vars("x1", "x2", "x3", "x4")
    time_ = hy.make_vars("t")
    X = [hy.exp(x) for x in logs]
    sums: list[list[Any]] = [[], [], [], []]
    for u, w, y in nodes:
        s1 = hy.tanh(X[0] * real(u))
        s2 = hy.tanh(X[1] * s1)
        s3 = hy.tanh(X[2] * s2)
        d = real(w) * (real(y) - 8.0 * X[3] * s3)
        sums[3].append(8.0 * d * s3)
        d = d * 8.0 * X[3] * (1.0 - s3 * s3)
        sums[2].append(d * s2)
        d = d * X[2] * (1.0 - s2 * s2)
        sums[1].append(d * s1)
        sums[0].append(d * X[1] * (1.0 - s1 * s1) * real(u))
    rates = [hy.sum(terms) / 64.0 / x for terms, x in zip(sums, X, strict=True)]
    start, end = real(context.log(context.mpf("1e-6"))), real(context.log(context.mpf(1) / 2))
    settings = {"fp_type": hy.real, "prec": bits, "compact_mode": True}
    tau = context.mpf(_known_time(digits + 5))
    if in_time:
        system = list(zip(logs, rates, strict=True))
        integrator = hy.taylor_adaptive(system, [start] * 4, time=hy.real(0, bits), **settings)
        integrator.propagate_until(real(tau))
        X_end = np.exp([float(x) for x in integrator.state])
        speed = ManifoldModel("tanh", DEPTH, WIDTH).rates(X_end[None])[0, 0] / X_end[0]
        wrong = abs(float(integrator.state[0] - end)) / speed / float(tau)  # as an error of tau
    else:
        system = [(x, rate / rates[0]) for x, rate in zip(logs, rates, strict=True)] + [(time_, 1.0 / rates[0])]
        integrator = hy.taylor_adaptive(system, [start] * 4 + [hy.real(0, bits)], time=start, **settings)
        integrator.propagate_until(end)
        wrong = abs(float(integrator.state[4] / real(tau) - 1.0))
    if not wrong < 10.0 ** (1 - digits):
        raise ValueError(f"heyoka and the collocation disagree by {wrong:.1e}: no ratio")
    return integrator


@functools.cache
def _known_time(digits: int) -> str:
    return precise_escape(ManifoldModel("tanh", DEPTH, WIDTH), ["1e-6"] * DEPTH, "scale:0.5@1", digits).time
