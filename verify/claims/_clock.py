"""K read off the clock of the manifold flow: shared by the claims on the prefactor."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from verify.values import Budget, Measurement

# (L-2) K eps^(L-2) t is 1 within about 1e-4 here; the drift along the ladder says how closely.
LADDER = tuple(1e-4 * 2.0**-k for k in range(3))


def measured_rate(model: Any, rule: str) -> Measurement:
    """K from the growth of the escape time between neighbouring rungs, in which the constant of the rule drops out.

    model: a ``numeric.ManifoldModel`` with L >= 3 layers, all of them small. Unit 1/time.
    """
    import numeric

    depth = model.depth
    escape = numeric.manifold_escape(model, numeric.bottleneck_starts(LADDER, depth), rule)
    stuck = [status for status in escape.status if status is not numeric.RunStatus.ESCAPED]
    if stuck:
        return Measurement(math.nan, problem=stuck[0].advice)
    integrals = [eps ** (2 - depth) / (depth - 2) for eps in LADDER]
    gained = [late - early for early, late in pairwise(escape.times.tolist())]
    rates = [(late - early) / gain for (early, late), gain in zip(pairwise(integrals), gained, strict=True)]
    error = float(escape.errors[-1] + escape.errors[-2]) / gained[-1] * rates[-1]
    return Measurement(
        rates[-1],
        f"d(eps^(2-L)/(L-2)) / dt, eps = {LADDER[-2]:.3g} to {LADDER[-1]:.3g}, {rule}",
        "1/time",
        # The next term is O(eps) or smaller; order 1/2 bounds it from the drift with room for what follows it.
        Budget(discretisation=error, finite_eps=abs(rates[-1] - rates[-2]) / (math.sqrt(2) - 1)),
    )
