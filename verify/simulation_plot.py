"""The figure of ``saddle-escape simulate --plot``: loss and layer scales against gradient-flow time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verify.simulation import (
    Member,
    full_network,
    full_options,
    full_start,
    manifold_model,
    threads_for,
    work_of,
)
from verify.simulation_request import Request, manifold_starts

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FORMATS = (".png", ".pdf", ".svg")
_POINTS = 400
_BEYOND = 1.3  # the figure goes on past the escape, so that the descent is seen
_MOST_CURVES = 6  # more members in one figure are not told apart


def check_plot(file: Path) -> None:
    """Raise ValueError, before anything has run, if the figure could not be written."""
    try:
        import_module("matplotlib")
    except ImportError as error:
        raise ValueError("--plot needs matplotlib, which is not installed: pip install matplotlib") from error
    if file.suffix.lower() not in _FORMATS:
        raise ValueError(f"--plot writes {', '.join(_FORMATS)}, got {file.name!r}")
    if not file.parent.is_dir():
        raise ValueError(f"the folder of --plot does not exist: {file.parent}")


def draw(request: Request, done: Sequence[Member], file: Path) -> None:
    """Integrate the first members again, now keeping the way, and write the figure."""
    shown = done[:_MOST_CURVES]
    figure = import_module("matplotlib.figure").Figure(figsize=(7.0, 6.0), layout="constrained")
    losses, scales = figure.subplots(2, 1, sharex=True)
    for row, member in enumerate(shown):
        times, loss, layers = _trajectory(request, row, member)
        losses.plot(times, loss, label=_label(member))
        if row == 0:
            for layer in range(request.layers):
                scales.plot(times, layers[:, layer], label=f"layer {layer + 1}")
        if member.escape_time is not None:
            losses.axvline(member.escape_time, color="0.7", linewidth=0.8)
    name = "$X_l$" if request.parameterisation == "ntk" else "$|W_l|_F$"
    losses.set_ylabel(r"loss $\frac{1}{2}\,E\,(\hat y - y)^2$")
    scales.set_ylabel(f"layer scale {name}" + (f", {_label(shown[0])}" if len(shown) > 1 else ""))
    scales.set_xlabel("gradient-flow time")
    scales.legend()
    if len(shown) > 1:
        losses.legend()
    title = f"{request.activation}, L = {request.layers}, N = {request.width}, {request.parameterisation}"
    hidden = len(done) - len(shown)
    losses.set_title(title + (f" (first {len(shown)} of {len(done)})" if hidden else ""))
    try:
        figure.savefig(file)
    except OSError as error:
        raise ValueError(f"the figure {file} cannot be written: {error.strerror}") from error


def _trajectory(request: Request, row: int, member: Member) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Times (T), losses (T) and layer scales (T, L) of member number ``row``."""
    import numpy as np

    import numeric

    end = _BEYOND * member.end_time if member.escape_time is not None else member.end_time
    end = min(end, request.until)
    if not (math.isfinite(end) and end > 0):
        raise ValueError("the run took no time, so there is nothing to draw")
    times = np.linspace(0.0, end, _POINTS)
    if not request.full:
        way = numeric.manifold_trajectory(manifold_model(request), manifold_starts(request)[row], times)
        return times, way.loss, way.scales
    net = full_network(request)
    # On a device the data are moved there, as in the run itself.
    weights, data = full_start(request, net, [(member.eps, member.seed if member.seed is not None else request.seed)])
    with threads_for(work_of(request, net)):
        run = numeric.gradient_flow(
            net,
            weights,
            data.to(device=request.device),
            escape=None,
            until=end,
            saved_times=times.tolist(),
            options=full_options(request),
        )
    assert run.saved is not None
    return times, run.saved.losses[0].cpu().numpy(), run.saved.scales[0].cpu().numpy()


def _label(member: Member) -> str:
    eps = "" if member.eps is None else f"eps = {member.eps:g}"
    seed = "" if member.seed is None else f"seed {member.seed}"
    return ", ".join(part for part in (eps, seed) if part) or "given start"
