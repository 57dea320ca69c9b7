"""Witness 2: what the dynamics does, measured (torch, NumPy, SciPy, python-flint). No SymPy, nothing from symbolic.

Every public name is listed in `_PUBLIC` and imported on first use (PEP 562), so that importing the package is cheap.
A name listed here never equals the name of a module of this package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numeric.estimators import Limit as Limit
    from numeric.estimators import Slopes as Slopes
    from numeric.estimators import difference_slopes as difference_slopes
    from numeric.estimators import extrapolate_slopes as extrapolate_slopes
    from numeric.estimators import finite_scale_error as finite_scale_error
    from numeric.estimators import local_slopes as local_slopes
    from numeric.estimators import measured_order as measured_order
    from numeric.inequality import FlowTime as FlowTime
    from numeric.inequality import inequality_escape_time as inequality_escape_time
    from numeric.inequality import inequality_escape_time_from_log as inequality_escape_time_from_log
    from numeric.taylor_fit import TaylorFit as TaylorFit
    from numeric.taylor_fit import fit_taylor as fit_taylor
    from numeric.universality import UniversalityMeasurement as UniversalityMeasurement
    from numeric.universality import measure_universality as measure_universality
    from numeric.universality import phi_coefficients as phi_coefficients

_PUBLIC: dict[str, str] = {
    "FlowTime": "inequality",
    "Limit": "estimators",
    "Slopes": "estimators",
    "TaylorFit": "taylor_fit",
    "UniversalityMeasurement": "universality",
    "difference_slopes": "estimators",
    "extrapolate_slopes": "estimators",
    "finite_scale_error": "estimators",
    "fit_taylor": "taylor_fit",
    "inequality_escape_time": "inequality",
    "inequality_escape_time_from_log": "inequality",
    "local_slopes": "estimators",
    "measure_universality": "universality",
    "measured_order": "estimators",
    "phi_coefficients": "universality",
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"numeric has no public name {name!r}")
    return getattr(import_module(f"numeric.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_PUBLIC)
