"""What the theory says of K t of one net with all layers small, as the claims on the collapse read it (T3).

A net is read off a case: ``activation``, ``L``, optionally ``teacher`` (default the activation) and
``parameterisation`` (default ntk). Everything is relative to the line eps^(2-L)/(L-2).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

from verify.claim import Case
from verify.claims._critical_depth import Expansion, Net

WIDTH = 64
MECHANISMS = 3  # leading law, activation and saturation: all three make up the constant


def line(eps: float, depth: int) -> float:
    """What K t tends to."""
    return eps ** (2 - depth) / (depth - 2)


def optional(case: Case, name: str) -> str | None:
    """The parameter ``name``, or None where the case has none."""
    return str(dict(case.parameters)[name]) if name in dict(case.parameters) else None


def student(case: Case) -> Any:
    """The symbolic witness's activation."""
    import symbolic

    return symbolic.activation(case.word("activation"))


@dataclass(frozen=True)
class Collapse:
    """The expansion of K t, and the scale Y at which the escape rule is read along the leading law.

    rate: K. q: the order of phi, None in class A.
    """

    law: Expansion
    q: int | None
    end: float

    @property
    def rate(self) -> float:
        """K."""
        return self.law.rate

    @property
    def depth(self) -> int:
        """L."""
        return self.law.net.depth

    @property
    def order(self) -> int | None:
        """The order of the first deviation of K t/line from one, the constant aside; None where nothing is known."""
        corrections = self.law.terms[1:]
        return corrections[0][1] + self.depth - 2 if corrections else None

    @property
    def logarithmic(self) -> bool:
        """Whether the first deviation carries a logarithm."""
        return bool(self.law.terms[1:]) and self.law.terms[1][2] > 0

    @property
    def amplitude(self) -> float:
        """(L-2) A, the coefficient of the first deviation."""
        return (self.depth - 2) * self.law.terms[1][0]

    def deviation(self, eps: float) -> float:
        """K t/line - 1 at eps without the constant of the escape rule."""
        return self._corrections(eps) / line(eps, self.depth)

    def clock_deviation(self, eps: float) -> float:
        """K dt/d(line) - 1 between eps and eps/2, where the constant drops out."""
        gap = line(eps / 2, self.depth) - line(eps, self.depth)
        return (self._corrections(eps / 2) - self._corrections(eps)) / gap

    def omitted(self, eps: float) -> float:
        """Size of what `clock_deviation` leaves out, relative to the line."""
        return self.law.omitted(eps)

    def constant(self, eps: float) -> float:
        """Size of the constant of the escape rule, relative to the line: what the plateau lacks at its end."""
        return MECHANISMS * (max(self.law.scale, 1 / self.end) * eps) ** (self.depth - 2)

    def after_constant(self, eps: float) -> float:
        """Size of the next omitted term, relative to the constant."""
        return MECHANISMS * (self.law.scale * eps) ** self.law.omitted_power

    def _corrections(self, eps: float) -> float:
        return math.fsum(c * eps**power * math.log(1 / eps) ** logs for c, power, logs in self.law.terms[1:])


def collapse(case: Case, level: float) -> Collapse:
    """The law of a case; the rule is read where E[yhat y]/E[y^2] reaches ``level``."""
    teacher, name = optional(case, "teacher"), case.word("activation")
    return _collapse(name, case.integer("L"), optional(case, "parameterisation") or "ntk", teacher or name, level)


@functools.cache
def _collapse(name: str, depth: int, parameterisation: str, teacher: str, level: float) -> Collapse:
    import symbolic

    activation, target = symbolic.activation(name), symbolic.activation(teacher)
    # eps enters the values of the terms alone, which nobody reads here.
    escape = symbolic.predict_escape(
        activation, depth, eps="1e-9", width=WIDTH, parameterisation=parameterisation, teacher=target
    )
    terms = tuple((float(t.coefficient), t.eps_power, t.log_power) for t in escape.terms if t.coefficient is not None)
    net = Net(name, depth, tuple(range(1, depth + 1)), (1.0,) * depth, WIDTH, parameterisation)
    power = float(symbolic.gaussian_expectation(*[symbolic.Chain.of((1, target))] * 2))
    # E[yhat y] = (K/c^2) Y^L to leading order
    mobility = 1.0 if parameterisation == "plain" else 1.0 / WIDTH
    end = math.pow(level * power * mobility / float(escape.K_eff), 1 / depth)
    law = Expansion(net, float(escape.K_eff), terms, escape.remainder_power)
    return Collapse(law, symbolic.classify(activation).order, end)
