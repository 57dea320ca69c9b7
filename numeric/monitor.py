"""The number that an escape rule watches, its crossing, and the root inside a step."""

from __future__ import annotations

import torch
from torch import Tensor

from numeric.ensemble import Ensemble
from numeric.escape_rule import EscapeRule

_ROOT_ITERATIONS = 40


class Monitor:
    """Values of the escape rule's number per member.  Without a rule it watches the loss, and nothing ever escapes."""

    def __init__(self, rule: EscapeRule | None, units: Tensor) -> None:
        self.rule = rule
        self._units = units

    def values(self, ensemble: Ensemble, state: Tensor, losses: Tensor, norms: Tensor) -> Tensor:
        """The watched number (A,): the loss, the scale X_l of one layer, or the overlap E[yhat y]/E[y^2]."""
        if self.rule is None or self.rule.kind == "loss":
            return losses
        if self.rule.kind == "scale":
            layer = self.rule.layer - 1
            return norms[:, layer] / self._units[layer]
        return ensemble.overlaps(state)

    def at(self, ensemble: Ensemble, state: Tensor) -> Tensor:
        """The watched number at a state, at the price of one forward pass (none for a scale)."""
        if self.rule is None or self.rule.kind == "loss":
            return ensemble.losses(state)
        if self.rule.kind == "overlap":
            return ensemble.overlaps(state)
        norms = ensemble.layout.norms(state)
        return self.values(ensemble, state, norms[:, 0], norms)

    def gap(self, values: Tensor, initial: Tensor) -> Tensor:
        """Positive before the escape, zero or negative after it, (A,)."""
        assert self.rule is not None  # only asked when there is a rule
        if self.rule.falls:
            return values - self.rule.level * initial
        return self.rule.level - values


class Bracket:
    """Illinois iteration for roots of decreasing functions on [0, 1], one per member, vectorised and independent.

    A member whose bracket is done keeps its root while others go on, so that the root does not depend on them.
    """

    def __init__(self, left: Tensor, right: Tensor) -> None:
        self.low, self.high = torch.zeros_like(left), torch.ones_like(left)
        self._left, self._right = left, right
        self.root = torch.ones_like(left)
        self.done = torch.zeros_like(left, dtype=torch.bool)
        self._last = torch.zeros_like(left)

    def guess(self) -> Tensor:
        """The next trial point of every member."""
        width = self._left - self._right
        secant = self.low + self._left * (self.high - self.low) / width
        middle = 0.5 * (self.low + self.high)
        inside = (secant > self.low) & (secant < self.high) & secant.isfinite()
        return torch.where(self.done, self.root, torch.where(inside, secant, middle))

    def update(self, theta: Tensor, value: Tensor) -> None:
        """Take in the values at the trial points."""
        before = value > 0
        side = torch.where(before, torch.ones_like(value), -torch.ones_like(value))
        again = side == self._last
        # Illinois: halve the value at the end that has been kept twice, or regula falsi creeps.
        left = torch.where(before, value, torch.where(again, 0.5 * self._left, self._left))
        right = torch.where(before, torch.where(again, 0.5 * self._right, self._right), value)
        live = ~self.done
        self._left, self._right = torch.where(live, left, self._left), torch.where(live, right, self._right)
        self.low = torch.where(live & before, theta, self.low)
        self.high = torch.where(live & ~before, theta, self.high)
        self._last = torch.where(live, side, self._last)
        self.root = torch.where(live, theta, self.root)

    def settle(self, converged: Tensor) -> bool:
        """Mark members as done; True when all are."""
        self.done = self.done | converged
        return bool(self.done.all())
