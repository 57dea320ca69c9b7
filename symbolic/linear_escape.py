"""The two-layer linear net, solved: the additive constant of the logarithmic law (THEORY T5, r = 2).

With y = X_1 = X_2, A = a_1 a_2 and M_1 = E[y u] the share p = A y^2 / M_1 of the teacher that is learnt obeys the
logistic equation dp/dt = 2 K p (1 - p), K = c^2 A M_1, and the loss is E[y^2]/2 - M_1^2/2 + M_1^2 (1 - p)^2 / 2.
"""

from __future__ import annotations

import sympy as sp

from symbolic.escape import EPS
from symbolic.reduced_gains import ReducedGains

SHARE = sp.Symbol("p", positive=True)
"""The learnt share p of the teacher."""


def logistic_residual(gains: ReducedGains) -> sp.Expr:
    """dp/dt - 2 K p (1 - p), with dy/dt = -c^2 dLoss/dX_2 differentiated from the loss of the chain: zero."""
    first, second, moment = sp.symbols("X_1 X_2 M_1", positive=True)
    A, teacher_power = sp.prod(gains.gains), sp.Symbol("P", positive=True)
    # E (A X_1 X_2 u - y)^2 / 2 with E u^2 = 1, E[y u] = M_1, E y^2 = P.
    loss = (A**2 * first**2 * second**2 - 2 * A * first * second * moment + teacher_power) / 2
    y = sp.Symbol("X", positive=True)
    speed = -gains.mobility * sp.diff(loss, second).subs({first: y, second: y})
    share = A * y**2 / moment
    rate = gains.mobility * A * moment
    return sp.simplify(sp.diff(share, y) * speed - 2 * rate * share * (1 - share))


def logarithm_constant(gains: ReducedGains, fraction: object, moment: object = 1) -> sp.Expr:
    """lim K t - log(1/eps) as eps -> 0, t the time at which the loss falls to ``fraction`` of its start.

    The linear teacher y = M_1 u, so that the loss is M_1^2 (1 - p)^2 / 2. gains: of a net of depth 2. ValueError for
    another depth or a fraction outside (0, 1).
    """
    level = sp.sympify(fraction)
    if gains.depth != 2 or not 0 < level < 1:
        raise ValueError(f"expected a net of two layers and a fraction in (0, 1), got {gains.depth} and {fraction!r}")
    A = sp.prod(gains.gains)
    start = A * EPS**2 / sp.sympify(moment)
    end = 1 - sp.sqrt(level) * (1 - start)
    # int dp / (2 p (1 - p)) in partial fractions.
    antiderivative = sp.integrate(sp.apart(1 / (2 * SHARE * (1 - SHARE))), SHARE)
    antiderivative = antiderivative.replace(lambda e: e.func is sp.log, lambda e: sp.log(_positive(e.args[0])))
    lower = sp.expand_log(antiderivative.subs(SHARE, start), force=True)
    upper = antiderivative.subs(SHARE, end)
    constant = upper.subs(EPS, 0) - (lower - sp.log(EPS)).subs(EPS, 0)
    return sp.simplify(constant)


def _positive(argument: sp.Expr) -> sp.Expr:
    """p - 1 -> 1 - p inside a logarithm: the two differ by a constant of integration."""
    return -argument if argument.subs(SHARE, sp.Rational(1, 2)) < 0 else argument
