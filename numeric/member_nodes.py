"""One manifold model whose quadrature nodes differ from member to member: two runs as one ensemble."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numeric.manifold import FloatArray, ManifoldModel


class MemberNodes(ManifoldModel):
    """``models``, alike but for their nodes, of which they have equally many, for ``count`` members each in that order.

    Rates, loss and overlap take X [M, L] of all members; :meth:`select` keeps some of them.  A member's numbers are
    those of its own model, bit for bit.
    """

    def __init__(self, models: Sequence[ManifoldModel], count: int) -> None:
        self.__dict__.update(models[0].__dict__)
        for name in ("_nodes", "_weights", "_targets", "_weighted_targets"):
            rows = np.concatenate([getattr(model, name) for model in models])
            setattr(self, name, np.repeat(rows, count, axis=0))
        self.target_power = np.repeat([model.target_power for model in models], count)

    def select(self, members: NDArray[Any]) -> ManifoldModel:
        """The model of the members of that mask, or with those numbers."""
        chosen = copy.copy(self)
        for name in ("_nodes", "_weights", "_targets", "_weighted_targets", "target_power"):
            setattr(chosen, name, getattr(self, name)[members])
        return chosen

    def rates(self, X: ArrayLike) -> FloatArray:
        """dX/dt [M, L]."""
        return self.evaluate(self._checked_scales(X))[0]

    def loss(self, X: ArrayLike) -> FloatArray:
        """1/2 E (yhat - y)^2 [M]."""
        return self.evaluate(self._checked_scales(X), "loss")[1]

    def overlap(self, X: ArrayLike) -> FloatArray:
        """E[yhat y] / E[y^2] [M]."""
        return self.evaluate(self._checked_scales(X), "overlap")[1]
