"""Saxe, McClelland and Ganguli (ICLR 2014): the exact dynamics of a two-layer linear network, as three claims.

Setting: yhat = W_2 W_1 x, loss 1/2 E |y - yhat|^2, whitened inputs, E[y x^T] = U S V^T, time constant 1, and
gradient flow from W_1 = sqrt(u0) R V^T, W_2 = sqrt(u0) U R^T with R^T R = 1: small, balanced and aligned. A mode of
strength s then follows du/dt = 2 u (s - u).
"""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
from numpy.typing import NDArray

from verify import (
    Budget,
    Case,
    Claim,
    Context,
    Counterfeit,
    Evidence,
    Hypothesis,
    Measurement,
    Prediction,
    Reading,
    Tier,
    Witness,
    case,
)

Matrix = NDArray[np.float64]
SIZES = (6, 8, 5)  # inputs, hidden units, outputs: none of them equal, none of them the number of modes


# --- the first witness: the differential equation of a mode, solved ------------------------------------------------


@functools.cache
def _sigmoid() -> tuple[object, tuple[object, ...]]:
    """u(t) of du/dt = 2 u (s - u), u(0) = u0, by separation of variables; and its symbols (t, s, u0)."""
    import sympy

    t, s, u0, u, v = sympy.symbols("t s u0 u v", positive=True)
    # t = int_{u0}^{u} dv / (2 v (s - v)), by partial fractions; exponentiated it is linear in u.
    integrand = sympy.apart(1 / (2 * v * (s - v)), v)
    antiderivative = sympy.integrate(integrand, v)
    odds = sympy.exp(2 * s * t) * u0 / (s - u0)  # u / (s - u)
    solution = s * odds / (1 + odds)
    assert sympy.simplify(sympy.diff(antiderivative, v) - integrand) == 0
    assert sympy.simplify(sympy.diff(solution, t) - 2 * solution * (s - solution)) == 0
    assert sympy.simplify(solution.subs(t, 0) - u0) == 0
    del u
    return solution, (t, s, u0)


def _strengths(case: Case) -> list[float]:
    return [float(word) for word in case.word("s").split("-")]


def _times(case: Case) -> list[float]:
    """Before, in the middle of and after the transition of the strongest mode."""
    strongest = max(_strengths(case))
    return [factor / strongest for factor in (1.0, 3.0, 5.0)]


def _trajectory(case: Case, rate: float = 1.0) -> Prediction:
    solution, (t, s, u0) = _sigmoid()
    values = {
        f"u_{k} at t = {time:.4g}": float(solution.subs({t: rate * time, s: strength, u0: case.real("u0")}))  # type: ignore[attr-defined]
        for k, strength in enumerate(_strengths(case), 1)
        for time in _times(case)
    }
    return Prediction(values, "u = s e^{2st} / (e^{2st} - 1 + s/u0)")


def _half_time(strength: float, u0: float) -> float:
    return math.log((strength - u0) / u0) / (2 * strength)  # where u / (s - u) = 1


def _half_times(case: Case) -> Prediction:
    values = {
        f"half-time of mode {k}": _half_time(strength, case.real("u0"))
        for k, strength in enumerate(_strengths(case), 1)
    }
    return Prediction(values, "t = log((s - u0)/u0) / (2 s)", "time")


def _order(case: Case, *, strongest_first: bool = True) -> Prediction:
    modes = sorted(range(1, len(_strengths(case)) + 1), key=lambda k: -_strengths(case)[k - 1])
    return Prediction("-".join(str(k) for k in (modes if strongest_first else modes[::-1])), "by falling strength")


# --- the second witness: the flow of the two matrices, in random frames ---------------------------------------------


@functools.lru_cache(maxsize=32)
def _flow(
    strengths: tuple[float, ...], u0: float, seed: int, rtol: float, times: tuple[float, ...]
) -> tuple[tuple[float, ...], ...]:
    """Strength of every mode at every time, from the gradient flow of W_1 and W_2."""
    from scipy.integrate import solve_ivp

    n_in, n_hidden, n_out = SIZES
    draw = np.random.default_rng(seed)
    U, R, V = (np.linalg.qr(draw.standard_normal((n, len(strengths))))[0] for n in (n_out, n_hidden, n_in))
    target = U @ np.diag(strengths) @ V.T

    def rates(_: float, w: Matrix) -> Matrix:
        W1, W2 = w[: n_hidden * n_in].reshape(n_hidden, n_in), w[n_hidden * n_in :].reshape(n_out, n_hidden)
        error = target - W2 @ W1
        return np.concatenate([(W2.T @ error).ravel(), (error @ W1.T).ravel()])

    start = np.concatenate([(math.sqrt(u0) * R @ V.T).ravel(), (math.sqrt(u0) * U @ R.T).ravel()])
    flow = solve_ivp(rates, (0.0, times[-1]), start, t_eval=times, method="DOP853", rtol=rtol, atol=rtol * u0)
    found = []
    for w in flow.y.T:
        W1, W2 = w[: n_hidden * n_in].reshape(n_hidden, n_in), w[n_hidden * n_in :].reshape(n_out, n_hidden)
        found.append(tuple(float(x) for x in np.einsum("ok,oh,hi,ik->k", U, W2, W1, V)))
    return tuple(found)


def _measure_trajectory(case: Case, context: Context) -> Measurement:
    times, strengths = tuple(_times(case)), tuple(_strengths(case))
    fine, coarse = (_flow(strengths, case.real("u0"), context.seed, rtol, times) for rtol in (1e-10, 1e-8))
    names = [f"u_{k} at t = {time:.4g}" for k in range(1, len(strengths) + 1) for time in times]
    values = [fine[i][k] for k in range(len(strengths)) for i in range(len(times))]
    error = max(abs(a - b) for a, b in zip(itertools.chain(*fine), itertools.chain(*coarse), strict=True))
    return Measurement(
        dict(zip(names, values, strict=True)),
        f"W_1: {SIZES[1]} x {SIZES[0]}, W_2: {SIZES[2]} x {SIZES[1]}, random orthogonal frames",
        budget=Budget(discretisation=error),
    )


def _crossings(case: Case, context: Context, rtol: float, steps: int) -> list[float]:
    """Time at which each mode reaches half its strength: inverse interpolation of log(u/(s-u)) between saved times."""
    strengths = tuple(_strengths(case))
    until = 2.0 * math.log(1 / case.real("u0")) / min(strengths)
    times = tuple(np.linspace(until / steps, until, steps))
    modes = np.array(_flow(strengths, case.real("u0"), context.seed, rtol, times)).T
    found = []
    for strength, u in zip(strengths, modes, strict=True):
        after = int(np.argmax(u >= strength / 2))
        window = slice(max(after - 3, 0), after + 3)
        # Six values of a smooth function around the crossing, as a polynomial of t in u.
        found.append(float(np.polyval(np.polyfit(u[window] - strength / 2, times[window], 5), 0.0)))
    return found


def _measure_half_times(case: Case, context: Context) -> Measurement:
    fine, coarse = _crossings(case, context, 1e-10, 800), _crossings(case, context, 1e-8, 400)
    return Measurement(
        {f"half-time of mode {k}": time for k, time in enumerate(fine, 1)},
        "first time at which u = s/2",
        "time",
        Budget(discretisation=max(abs(a - b) for a, b in zip(fine, coarse, strict=True))),
    )


def _measure_order(case: Case, context: Context) -> Measurement:
    times = _crossings(case, context, 1e-8, 400)
    order = sorted(range(1, len(times) + 1), key=lambda k: times[k - 1])
    return Measurement("-".join(str(k) for k in order), f"half-times {', '.join(f'{t:.4g}' for t in times)}")


# --- the claims -----------------------------------------------------------------------------------------------------

ASSUMES = (
    Hypothesis("inputs are whitened, the network is linear with two layers"),
    Hypothesis("the start is balanced and aligned with the singular vectors"),
    Hypothesis("0 < u0 < s of every mode", lambda case: 0 < case.real("u0") < min(_strengths(case))),
)
CASES = (
    case(Tier.SMOKE, 0.2, s="3-1.5-1", u0=0.001),
    case(Tier.STANDARD, 0.2, s="1-2-4", u0=0.01),
    case(Tier.STANDARD, 0.2, s="5-0.8", u0=0.0001),
)
PAPER = "Saxe, McClelland, Ganguli, Exact solutions to the nonlinear dynamics of learning (ICLR 2014)"


def _claim(**fields: object) -> Claim:
    common: dict[str, object] = {
        "theorem": "Saxe",
        "reading": Reading.AS_PRINTED,
        "witnesses": (Witness.SYMBOLIC, Witness.NUMERIC),
        "assumes": ASSUMES,
        "cases": CASES,
    }
    return Claim(**(common | fields))  # type: ignore[arg-type]


CLAIMS = (
    _claim(
        id="saxe.mode-trajectory",
        title="sigmoidal mode trajectories",
        latex=r"u(t) = \frac{s\,e^{2st}}{e^{2st} - 1 + s/u_0}",
        plain="Each mode of a two-layer linear network is learnt along a sigmoid that only its own strength sets.",
        source=f"{PAPER}, section 1.2",
        evidence=Evidence.NUMERICAL,
        predict=_trajectory,
        measure=_measure_trajectory,
        counterfeits=(
            Counterfeit("the factor 2 forgotten: e^{st}", lambda case, _: _trajectory(case, 0.5), nearest=True),
            Counterfeit(
                "the shallow network's exponential s (1 - e^{-t}) + u0 e^{-t}",
                lambda case, _: Prediction(
                    {
                        f"u_{k} at t = {time:.4g}": s + (case.real("u0") - s) * math.exp(-time)
                        for k, s in enumerate(_strengths(case), 1)
                        for time in _times(case)
                    }
                ),
            ),
        ),
    ),
    _claim(
        id="saxe.time-scale",
        title="time scale 1/s",
        latex=r"t_{1/2} = \frac{1}{2s}\log\frac{s-u_0}{u_0}",
        plain="A mode is half learnt after a time of order 1/s, up to a logarithm of the start.",
        source=f"{PAPER}, section 1.2: learning time of order 1/s",
        evidence=Evidence.NUMERICAL,
        predict=_half_times,
        measure=_measure_half_times,
        depends=("saxe.mode-trajectory",),
        counterfeits=(
            Counterfeit(
                "the logarithm forgotten: 1/s",
                lambda case, _: Prediction(
                    {f"half-time of mode {k}": 1 / s for k, s in enumerate(_strengths(case), 1)}
                ),
                nearest=True,
            ),
            Counterfeit(
                "the time scale 1/s^2",
                lambda case, _: Prediction(
                    {
                        f"half-time of mode {k}": _half_time(s, case.real("u0")) / s
                        for k, s in enumerate(_strengths(case), 1)
                    }
                ),
            ),
        ),
    ),
    _claim(
        id="saxe.mode-order",
        title="stronger modes first",
        latex=r"s_a > s_b \implies t_a < t_b",
        plain="Modes are learnt in the order of their strength, the strongest first.",
        source=f"{PAPER}, section 1.2",
        evidence=Evidence.NUMERICAL,
        predict=_order,
        measure=_measure_order,
        depends=("saxe.time-scale",),
        counterfeits=(
            Counterfeit("the weakest first", lambda case, _: _order(case, strongest_first=False), nearest=True),
            Counterfeit(
                "in the order of the outputs, whatever their strength",
                lambda case, truth: (
                    None
                    if truth.value == (order := "-".join(str(k) for k in range(1, len(_strengths(case)) + 1)))
                    else Prediction(order)
                ),
            ),
        ),
    ),
)
