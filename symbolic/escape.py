"""The critical-depth law at leading order: r layers at scale eps escape in Theta(1), log(1/eps) or eps^{-(r-2)}.

On the balanced manifold the r small scales are equal, dy/dt = K_eff y^{r-1}, so K_eff t = int_eps^theta y^{-(r-1)} dy
(THEORY T5). Here SymPy does the integral and the law is read off its leading term.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache

import sympy as sp

from symbolic.rate import EffectiveRate, effective_rate
from symbolic.reduced_gains import ReducedGains

EPS = sp.Symbol("eps", positive=True)
"""The common initial scale of the small layers."""
THRESHOLD = sp.Symbol("theta", positive=True)
"""The scale at which escape is read."""


class Regime(Enum):
    """How the escape time grows as eps -> 0."""

    CONSTANT = "constant"
    LOGARITHM = "logarithm"
    POWER = "power"


@dataclass(frozen=True)
class EscapeLaw:
    """The leading law of one bottleneck.

    exponent is the power of eps in the escape time (0 for the constant and for the logarithm), exact_integral is
    K_eff t from eps to theta, and leading its leading term as eps -> 0. rate holds K_eff.
    """

    small_layers: int
    regime: Regime
    exponent: int
    exact_integral: sp.Expr
    leading: sp.Expr
    rate: EffectiveRate

    @property
    def logarithm(self) -> bool:
        """True iff the logarithm leads (r = 2)."""
        return self.regime is Regime.LOGARITHM


def escape_integral(small_layers: int) -> sp.Expr:
    """K_eff t = int_eps^theta y^{-(r-1)} dy in the symbols EPS and THRESHOLD, for r = small_layers >= 1."""
    return power_integral(1 - _check_count(small_layers))


@cache
def power_integral(power: int) -> sp.Expr:
    """int_eps^theta y^power dy for an integer power."""
    y = sp.Symbol("y", positive=True)
    return sp.expand_log(sp.expand(sp.integrate(y**power, (y, EPS, THRESHOLD))))


def escape_exponent(small_layers: int) -> int:
    """p(r) = -max(r - 2, 0), the power of eps in the escape time, read off the integral. ValueError unless r >= 1."""
    return _leading_term(escape_integral(small_layers))[1]


def escape_law(
    depth: int,
    small: Sequence[int] | int | None = None,
    gains: ReducedGains | None = None,
    scales: Sequence[object] | None = None,
) -> EscapeLaw:
    """The leading law for any depth, bottleneck, parameterisation and O(1) scales (arguments of `effective_rate`).

    Holds for classes A, B and C with alpha > 0 and E[y g(u)] K > 0; class D has no plateau. Source: THEORY T5.
    """
    rate = effective_rate(depth, small, gains, scales)
    integral = escape_integral(len(rate.small))
    leading, exponent, logarithm = _leading_term(integral)
    regime = Regime.LOGARITHM if logarithm else Regime.POWER if exponent < 0 else Regime.CONSTANT
    return EscapeLaw(len(rate.small), regime, exponent, integral, leading, rate)


def _leading_term(expression: sp.Expr) -> tuple[sp.Expr, int, bool]:
    """(term, power of eps, has a logarithm) of the part of a sum that is largest as eps -> 0."""
    groups: dict[tuple[int, bool], sp.Expr] = {}
    for term in sp.Add.make_args(expression):
        coefficient, power = term.as_coeff_exponent(EPS)
        key = (int(power), coefficient.has(sp.log(EPS)))
        groups[key] = groups.get(key, sp.Integer(0)) + term
    power, logarithm = min(groups, key=lambda key: (key[0], not key[1]))
    return groups[power, logarithm], power, logarithm


def _check_count(small_layers: int) -> int:
    if isinstance(small_layers, bool) or not isinstance(small_layers, int) or small_layers < 1:
        raise ValueError(f"the number of small layers must be an integer r >= 1, got {small_layers!r}")
    return small_layers
