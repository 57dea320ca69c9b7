"""Certified escape times where the flow of a balanced net is one integral (THEORY T5).

For the linear activation X_l^2 - X_m^2 (in units of equal mobility) is conserved, so that from any start with q_l =
X_l^2 the flow is one equation for s, q_l = q_l(0) + s:

    dt = ds / (2 c^2 (M_1 - A) A),   A = A(s) = prod_l a_l X_l,   M_1 = E[y u],

with unequal starts, gains and widths.  The integral is enclosed rigorously by flint (Petras' algorithm on complex
balls), M_1 by a closed form where the teacher has one.  The result is an enclosure, not an estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint

from numeric.ball_manifold import ball_parameters, exact
from numeric.escape_rule import EscapeRule, parse_escape_rule
from numeric.manifold import ManifoldModel

_GUARD_BITS = 64
_MOMENTS = {  # E[u t(u)] in closed form
    "linear": lambda: flint.arb(1),
    "erf": lambda: 2 / (3 * flint.arb.pi()).sqrt(),  # (2/sqrt pi) E[e^{-u^2}] = (2/sqrt pi)/sqrt 3
    "sin": lambda: flint.arb(flint.fmpq(-1, 2)).exp(),
    "relu": lambda: flint.arb(flint.fmpq(1, 2)),
    "gelu": lambda: flint.arb(flint.fmpq(1, 2)),  # s'(u) - 1/2 is odd
    "silu": lambda: flint.arb(flint.fmpq(1, 2)),
    "quadratic": lambda: flint.arb(1),
    "cubic": lambda: flint.arb(0),
}


@dataclass(frozen=True)
class CertifiedEscape:
    """``lower`` <= escape time <= ``upper``, decimal strings rounded outwards; ``digits``: correct ones of the ball."""

    lower: str
    upper: str
    digits: float


def certified_escape(
    model: ManifoldModel,
    start: Sequence[str | float | Fraction],
    rule: str | EscapeRule = "scale:0.5@1",
    digits: int = 30,
) -> CertifiedEscape:
    """An enclosure of the time at which the scale of the rule's layer reaches its level, for the linear activation.

    ``start``: L positive layer scales; strings and fractions are exact, floats read by their shortest decimal form.
    Raises ValueError unless the activation is linear, the teacher has a closed first moment, the rule is of kind scale,
    the start is positive and below the level, and the level is below the minimum of the loss.
    """
    parsed = parse_escape_rule(rule, model.depth)
    if model.activation.name != "linear" or model.teacher.name not in _MOMENTS:
        raise ValueError(
            f"a certified time needs the linear activation and a teacher among {', '.join(sorted(_MOMENTS))}, "
            f"got {model.activation.name} and {model.teacher.name}"
        )
    if parsed.kind != "scale":
        raise ValueError(f"a certified time needs a rule of kind scale (scale:0.5@1), got {parsed}")
    if len(start) != model.depth or not 5 <= digits <= 1000:
        raise ValueError(f"expected {model.depth} layer scales and 5 to 1000 digits, got {len(start)} and {digits!r}")
    bits = int(3.33 * digits) + _GUARD_BITS
    with flint.ctx.workprec(bits):
        return _enclose(model, [exact(x) for x in start], parsed.layer - 1, exact(parsed.level), digits)


def _enclose(model: ManifoldModel, X: list[Any], lead: int, level: Any, digits: int) -> CertifiedEscape:
    if not all(x > 0 for x in X) or not X[lead] < level:
        raise ValueError(f"start must be positive and below the level {level}, got {X}")
    gains, mobilities = ball_parameters(model)
    moment = exact(model.beta) * _MOMENTS[model.teacher.name]()
    # q_l = X_l^2 / c_l^2: then dq_l/dt = 2 (M_1 - A) A for every layer.
    q = [x * x / c for x, c in zip(X, mobilities, strict=True)]
    slope = flint.arb(1)
    for gain, c in zip(gains, mobilities, strict=True):
        slope *= gain * c.sqrt()
    start, end = q[lead], level * level / mobilities[lead]
    offsets = [value - start for value in q]  # q_l = q_lead + offset
    final = slope
    for offset in offsets:
        final *= (end + offset).sqrt()
    if not final < moment:
        raise ValueError("the level is not below the minimum of the loss, so that the flow never reaches it")

    def integrand(v: Any, analytic: bool) -> Any:
        # in v = log of the leading q, which resolves the plateau
        lead_q = v.exp()
        output = flint.acb(slope)
        for offset in offsets:
            output *= (lead_q + offset).sqrt(analytic=analytic)
        return lead_q / (2 * (moment - output) * output)

    enclosure = flint.acb.integral(integrand, flint.acb(start.log()), flint.acb(end.log())).real
    lower, upper = enclosure.lower(), enclosure.upper()
    accuracy = enclosure.rel_accuracy_bits() * 0.30103
    shown = digits + 5
    return CertifiedEscape(outward(lower, shown, -1), outward(upper, shown, 1), accuracy)


def outward(value: Any, digits: int, side: int) -> str:
    """A decimal string on the given side of ``value``: its rounding, moved by one unit of the last digit shown."""
    nearest = flint.arb(value.str(digits, radius=False))
    moved = nearest + side * abs(nearest) * flint.arb(10) ** (1 - digits)
    return str(moved.str(digits + 2, radius=False))
