"""The differential inequalities of THEORY section 4, integrated: d gamma/dt = c gamma^p from gamma(0) = eps^s.

Three readings for r small layers: as printed, with the overlap f, with the energy f^2. The first gives Theta(1) for
every r, which refutes it as the mechanism of eps^{-(r-2)}; the other two give that law.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from symbolic.escape import EPS, THRESHOLD

RATE = sp.Symbol("c", positive=True)
"""The constant c of d gamma/dt = c gamma^p."""
COUNT = sp.Symbol("r", positive=True, integer=True)
"""The number r of small layers, when it is left symbolic."""


@dataclass(frozen=True)
class InequalityEscape:
    """When d gamma/dt = c gamma^p reaches theta from eps^s.

    time is exact in eps, theta and c; exponent is the power of eps in it (0 when it tends to a constant or to a
    logarithm); logarithm is a SymPy truth value, or a condition on r when r is symbolic.
    """

    power: sp.Expr
    start_exponent: sp.Expr
    time: sp.Expr
    exponent: sp.Expr
    logarithm: sp.Basic


def inequality_escape(power: object, start_exponent: object) -> InequalityEscape:
    """Integrate d gamma/dt = c gamma^power from gamma = eps^start_exponent to theta.

    Arguments are numbers or SymPy expressions, start_exponent > 0 (ValueError when it is known not to be).
    """
    p, s = sp.sympify(power), sp.sympify(start_exponent)
    if s.is_positive is False:
        raise ValueError(f"the start exponent must be positive, so that gamma(0) = eps^s is small; got {s}")
    gamma = sp.Symbol("gamma", positive=True)
    time = sp.integrate(gamma ** (-p) / RATE, (gamma, EPS**s, THRESHOLD))
    balance = sp.simplify(s * (1 - p))
    return InequalityEscape(p, s, sp.simplify(time), sp.Min(0, balance), sp.Eq(balance, 0))


def printed_inequality(small_layers: object = COUNT) -> InequalityEscape:
    """As printed: d gamma/dt = c gamma^{1-1/r}, gamma(0) = eps^{2r}."""
    r = sp.sympify(small_layers)
    return inequality_escape(1 - 1 / r, 2 * r)


def overlap_inequality(small_layers: object = COUNT) -> InequalityEscape:
    """Corrected, gamma = the overlap f: d f/dt = c f^{2-2/r}, f(0) = eps^r."""
    r = sp.sympify(small_layers)
    return inequality_escape(2 - 2 / r, r)


def energy_inequality(small_layers: object = COUNT) -> InequalityEscape:
    """Corrected, gamma = the energy f^2: d gamma/dt = c gamma^{3/2-1/r}, gamma(0) = eps^{2r}."""
    r = sp.sympify(small_layers)
    return inequality_escape(sp.Rational(3, 2) - 1 / r, 2 * r)
