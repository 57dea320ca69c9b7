"""Where the weights of a member lie in its row of an ensemble's flat state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from numeric.kernels import padded
from numeric.network import Weights


@dataclass(frozen=True)
class Layout:
    """Where the weights of one member lie in its flat state row."""

    shapes: tuple[tuple[int, int], ...]

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Start of each W_l; the last entry is the number of parameters, the index of the spare column."""
        starts = [0]
        for rows, columns in self.shapes:
            starts.append(starts[-1] + rows * columns)
        return tuple(starts)

    @property
    def parameters(self) -> int:
        """Number of weights of one member; also the index of the spare column."""
        return self.offsets[-1]

    @property
    def stride(self) -> int:
        """Length of a row of the state."""
        return padded(self.parameters + 1)

    def views(self, state: Tensor) -> Weights:
        """The weights (M, n_l, n_{l-1}) as views into `state` (M, stride)."""
        return [
            state[:, start : start + rows * columns].view(-1, rows, columns)
            for start, (rows, columns) in zip(self.offsets[:-1], self.shapes, strict=True)
        ]

    def flatten(self, weights: Sequence[Tensor], dtype: torch.dtype, device: torch.device | str) -> Tensor:
        """A new state (M, stride) from weights of shape (M, n_l, n_{l-1}) or (n_l, n_{l-1}).

        Raises ValueError for other shapes or an empty ensemble.
        """
        parts = [weight.unsqueeze(0) if weight.ndim == 2 else weight for weight in weights]
        members = max((part.shape[0] for part in parts), default=0)
        if members == 0:
            raise ValueError("an ensemble needs at least one member, got none")
        got = tuple(tuple(part.shape[1:]) for part in parts)
        if got != self.shapes or any(part.shape[0] not in (1, members) for part in parts):
            raise ValueError(f"expected weights of shapes {self.shapes} for each of {members} members, got {got}")
        state = torch.zeros(members, self.stride, dtype=dtype, device=device)
        for view, part in zip(self.views(state), parts, strict=True):
            view.copy_(part)
        return state

    def norms(self, state: Tensor) -> Tensor:
        """Frobenius norms per layer, (M, L)."""
        bounds = self.offsets
        return torch.stack(
            [torch.linalg.vector_norm(state[:, a:b], dim=1) for a, b in pairwise(bounds)],
            dim=1,
        )
