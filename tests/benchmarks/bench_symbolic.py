"""The symbolic witness against sympy.series, and the certified Hermite coefficients of the whole catalogue.

Every SymPy run is a process of its own with a limit of processor time, because some of them do not finish; its clock
starts after the import. Ours runs just before and just after each of them with empty caches, three times each, and the
slower of the two medians counts. Seconds are processor seconds of one thread: other work on the machine does not count.
"""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import time
from typing import Any

import symbolic
from symbolic import chains, elementary, exact, series

ORDER = 40
PEER_LIMIT_SECONDS = 10.0
WALL_FACTOR = 12.0  # wall seconds that a peer gets for each processor second, on a busy machine and with its import
SMOOTH = (
    "tanh",
    "erf",
    "sin",
    "arctan",
    "asinh",
    "sinh",
    "gelu",
    "gelu_tanh",
    "silu",
    "swish",
    "mish",
    "sigmoid",
    "softplus",
    "quadratic",
    "cubic",
    "snake",
    "gaussian",
    "cos",
    "logcosh",
)
BAR_RATIO = 100.0
BAR_HERMITE_SECONDS = 5.0

_PEER = """
import math, resource, sys, time, sympy
z = sympy.Symbol("z")
s = sympy.sympify(sys.argv[1], locals={"z": z})
phi = z * sympy.diff(s, z) - s
start = time.process_time()
limit = math.ceil(start + float(sys.argv[3]))
resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
series = sympy.series(phi, z, 0, int(sys.argv[2]) + 1).removeO()
coefficients = sympy.Poly(series, z).all_coeffs()
print(time.process_time() - start)
"""


def _forget() -> None:
    """Empty every cache of the expansion, so that each run starts cold."""
    for cached in (
        series.expansions,
        exact.multiply_monomials,
        elementary._exp_coefficients,
        elementary._tangent_coefficients,
        chains.expectation_ball,
    ):
        cached.cache_clear()


def _ours(name: str) -> float:
    return statistics.median(_once(name) for _ in range(3))


def _once(name: str) -> float:
    activation = symbolic.activation(name)
    _forget()
    start = time.process_time()
    symbolic.phi_taylor(activation, ORDER)
    return time.process_time() - start


def _peer(name: str, limit: float) -> tuple[str, float | None]:
    """(what to call the peer, processor seconds of sympy.series for phi, None when it did not finish)."""
    command = [sys.executable, "-c", _PEER, str(symbolic.activation(name).expression), str(ORDER), str(limit)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=WALL_FACTOR * limit)
    except subprocess.TimeoutExpired:
        return "sympy.series (not measured, the machine is busy)", None
    if done.returncode == 0:
        return "sympy.series", float(done.stdout)
    if done.returncode == -signal.SIGXCPU:
        return f"sympy.series (not finished in {limit:g} s)", None
    return f"sympy.series (failed: {done.stderr.strip().splitlines()[-1:]})", None


def _expansion_row(name: str, limit: float) -> dict[str, Any]:
    before = _ours(name)
    peer, peer_seconds = _peer(name, limit)
    ours_seconds = max(before, _ours(name))
    # Where the peer does not finish, its limit gives a lower bound of the ratio.
    reached = limit if "not finished" in peer else peer_seconds
    ratio = None if reached is None else reached / ours_seconds
    return {
        "kernel": f"phi of {name} to order {ORDER}",
        "ours_seconds": ours_seconds,
        "peer": peer,
        "peer_seconds": peer_seconds,
        "ratio": ratio,
        "bar": f">= {BAR_RATIO:g} times",
        "met": "not measured" if ratio is None else "yes" if ratio >= BAR_RATIO else "no",
    }


def _hermite_row() -> dict[str, Any]:
    _forget()
    start = time.process_time()
    for name in symbolic.catalogue():
        symbolic.hermite(symbolic.activation(name), digits=30)
    seconds = time.process_time() - start
    return {
        "kernel": f"certified h_s of all {len(symbolic.catalogue())} activations, 30 digits",
        "ours_seconds": seconds,
        "peer": "none",
        "peer_seconds": None,
        "ratio": None,
        "bar": f"< {BAR_HERMITE_SECONDS:g} s",
        "met": "yes" if seconds < BAR_HERMITE_SECONDS else "no",
    }


def rows(limit: float = PEER_LIMIT_SECONDS) -> list[dict[str, Any]]:
    """One row a kernel; ``limit`` is the time that sympy.series gets for each activation, in seconds."""
    symbolic.phi_taylor(symbolic.activation("linear"), ORDER)  # imports SymPy once, outside the clock
    return [*(_expansion_row(name, limit) for name in SMOOTH), _hermite_row()]


if __name__ == "__main__":
    for row in rows():
        print(row)
