"""Bottlenecks named by a case: which layers are small, the O(1) scales of the others, and both witnesses' net for it.

Parameters: ``L``, ``r``, ``activation``, and optionally ``placement`` (which r layers are small), ``xi`` (the scale of
all other layers) and ``parameterisation``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from verify.claim import Case
from verify.claims._critical_depth import Expansion, Net

WIDTH = 64


def optional(case: Case, name: str, default: Any) -> Any:
    """The parameter ``name``, or ``default`` where the case has none."""
    return dict(case.parameters).get(name, default)


def small_layers(case: Case) -> tuple[int, ...]:
    """The small layers, counted from 1: the first r, the last r, or layer 1 and the last r - 1 (``ends``)."""
    depth = case.integer("L")
    r = optional(case, "r", depth)
    if not 1 <= r <= depth:
        raise ValueError(f"{r} small layers do not fit into {depth}")
    placement = optional(case, "placement", "first")
    if placement == "first":
        return tuple(range(1, r + 1))
    if placement == "last":
        return tuple(range(depth - r + 1, depth + 1))
    if placement == "ends":
        return (1, *range(depth - r + 2, depth + 1))
    raise ValueError(f"unknown placement {placement!r}")


def outer_scales(case: Case) -> list[float]:
    """xi_l of all L layers, read where the layer is not small."""
    return [float(optional(case, "xi", 1.0))] * case.integer("L")


def parameterisation(case: Case) -> str:
    """ntk unless the case says plain."""
    return str(optional(case, "parameterisation", "ntk"))


def model(case: Case) -> Any:
    """The numeric witness's net on the symmetric manifold."""
    import numeric

    return numeric.ManifoldModel(case.word("activation"), case.integer("L"), WIDTH, parameterisation(case))


def starts(case: Case, eps: Sequence[float]) -> Any:
    """Its starts [M, L]."""
    import numpy as np

    import numeric

    small, depth = small_layers(case), case.integer("L")
    scales = np.array(outer_scales(case))
    scales[[layer - 1 for layer in small]] = 1.0
    return numeric.bottleneck_starts(eps, depth, small, scales)


def prediction_of(case: Case) -> Any:
    """The symbolic witness's expansion of the escape time, with certified numbers."""
    return _prediction(*_plain(case, small_layers(case)))


def correction_scale(case: Case) -> float:
    """B: a correction of relative order n at the scale y of the small layers is about (B y)^n."""
    law, small = prediction_of(case), small_layers(case)
    terms = tuple((float(t.coefficient), t.eps_power, t.log_power) for t in law.terms if t.coefficient is not None)
    scales = tuple(outer_scales(case))
    plain = Net(case.word("activation"), case.integer("L"), small, scales, WIDTH, parameterisation(case))
    return Expansion(plain, float(law.K_eff), terms, law.remainder_power).scale


def constants_of(case: Case, small: tuple[int, ...]) -> Any:
    """The symbolic witness's certified constants of the case's net with those small layers."""
    return _constants(*_plain(case, small))


def _plain(case: Case, small: tuple[int, ...]) -> tuple[str, int, tuple[int, ...], str, tuple[str, ...]]:
    """What the symbolic witness is asked for; scales in their shortest decimal form, so that .7 is seven tenths."""
    scales = tuple(str(x) for x in outer_scales(case))
    return case.word("activation"), case.integer("L"), small, parameterisation(case), scales


@cache
def _prediction(activation: str, depth: int, small: tuple[int, ...], name: str, scales: tuple[str, ...]) -> Any:
    import symbolic

    # eps enters the values of the terms alone, which nobody reads here.
    return symbolic.predict_escape(symbolic.activation(activation), depth, small, "1e-9", WIDTH, name, scales)


@cache
def _constants(activation: str, depth: int, small: tuple[int, ...], name: str, scales: tuple[str, ...]) -> Any:
    import symbolic

    return symbolic.network_constants(symbolic.activation(activation), depth, small, WIDTH, name, scales)
