"""Records the flow at requested times from the dense output of each step."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from numeric.ensemble import Ensemble
from numeric.stepper import Field, Segment, Stepper


class Recorder:
    """Losses (M, T), layer scales (M, T, L) and, if asked for, states (M, T, stride) at times (T,); NaN until known."""

    def __init__(self, times: Tensor, state: Tensor, units: Tensor, keep_states: bool) -> None:
        members, count = state.shape[0], times.numel()
        self.times = times.to(dtype=state.dtype, device=state.device)
        self.losses = state.new_full((members, count), math.nan)
        self.scales = state.new_full((members, count, units.numel()), math.nan)
        self.states = state.new_full((members, count, state.shape[1]), math.nan) if keep_states else None
        self._units = units

    def start(self, ensemble: Ensemble, state: Tensor, first: Field) -> None:
        """Record time 0 if it is asked for."""
        for index in (self.times == 0).nonzero()[:, 0].tolist():
            self.losses[:, index] = first.losses
            self.scales[:, index] = first.norms / self._units
            if self.states is not None:
                self.states[:, index] = state

    def step(
        self, ensemble: Ensemble, stepper: Stepper, ids: Tensor, accept: Tensor, old: Tensor, new: Tensor, h: Tensor
    ) -> None:
        """Record what lies in the steps that were accepted: old time < requested time <= new time."""
        column = stepper.time_column
        begin, end = old[:, column, None], new[:, column, None]
        hits = (accept[:, None] & (self.times > begin) & (self.times <= end)).nonzero()
        if hits.shape[0] == 0:
            return
        rows, unique = torch.unique(hits[:, 0], return_inverse=True)
        segment = stepper.complete(ensemble.select(rows), stepper.record(rows, old, h))
        spread = Segment(segment.start[unique], segment.stages[:, unique], segment.h[unique])
        theta = stepper.theta_of(spread, self.times[hits[:, 1]])
        states = stepper.at(spread, theta)
        members, index = ids[hits[:, 0]], hits[:, 1]
        self.losses[members, index] = ensemble.select(hits[:, 0]).losses(states)
        self.scales[members, index] = ensemble.layout.norms(states) / self._units
        if self.states is not None:
            self.states[members, index] = states
