"""The universality class of an activation, read off its values in torch (THEORY T2).

The other witness derives the class from the formula; this one only evaluates the code that the networks run:
``phi(z) = z s'(z) - s(z)`` is sampled and its order at 0 measured.  The evidence is numerical: a coefficient is zero
when it cannot be told from zero at the stated error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from numeric.taylor_fit import Array, TaylorFit, fit_taylor

_WIDE = np.concatenate([-np.geomspace(8.0, 1e-3, 185), np.geomspace(1e-3, 8.0, 185)])
_ROUNDING = 64 * float(np.finfo(np.float64).eps)  # z s' - s by subtraction keeps a few units of its two terms


class ScalarActivation(Protocol):
    """What is needed of an activation: float64 tensor in, float64 tensor of the same shape out."""

    def value(self, z: torch.Tensor, /) -> torch.Tensor:
        """s(z)."""

    def derivative(self, z: torch.Tensor, /) -> torch.Tensor:
        """s'(z)."""

    def phi(self, z: torch.Tensor, /) -> torch.Tensor:
        """z s'(z) - s(z)."""


@dataclass(frozen=True)
class UniversalityMeasurement:
    """What the values of an activation say about its class.

    ``phi``: coefficients of phi at 0.  ``right`` and ``left``: one-sided coefficients of s itself.  ``alpha`` is
    s'(0), the mean of its one-sided values.  ``order`` and ``leading_coefficient`` are None for class A and outside.
    ``universality_class`` is A, B, C, D, outside, or undecided (phi is not zero but no coefficient could be told
    from zero); ``reason`` says why in one sentence.
    """

    universality_class: str
    order: int | None
    leading_coefficient: float | None
    leading_error: float | None
    alpha: float
    alpha_error: float
    smooth: bool
    homogeneous: bool
    phi: TaylorFit
    right: TaylorFit
    left: TaylorFit
    reason: str


def phi_coefficients(activation: ScalarActivation, highest: int = 6) -> TaylorFit:
    """Measure ``c_0 .. c_highest`` of phi at 0, with an absolute error for each.

    For an activation with a kink at 0 the two-sided interpolation does not converge; its errors then show it, and
    ``measure_universality`` gives the one-sided expansions.
    """
    return fit_taylor(_on_arrays(activation.phi), highest, noise=_terms(activation))


def measure_universality(activation: ScalarActivation, highest: int = 6) -> UniversalityMeasurement:
    """Measure smoothness at 0, alpha, the order of phi and the class.  Source: THEORY T2."""
    value = _on_arrays(activation.value)
    right = fit_taylor(value, highest, side="right")
    left = fit_taylor(value, highest, side="left")
    phi = phi_coefficients(activation, highest)
    smooth = _same_expansion(right, left)
    homogeneous = _vanishes(activation)
    alpha = (right.coefficients[1] + left.coefficients[1]) / 2
    alpha_error = (right.errors[1] + left.errors[1]) / 2
    if smooth:
        # The two-sided fit of s is far better conditioned than the one-sided ones.
        both = fit_taylor(value, highest)
        alpha, alpha_error = both.coefficients[1], both.errors[1]
    order = next((k for k in range(highest + 1) if not phi.is_zero(k)), None)
    flat = not homogeneous and _flat_up_to_a_kink(activation)
    name, reason = _classify(smooth, homogeneous, flat, alpha, alpha_error, order)
    leads = name in ("B", "C", "D") and order is not None
    return UniversalityMeasurement(
        universality_class=name,
        order=order if leads else None,
        leading_coefficient=phi.coefficients[order] if leads and order is not None else None,
        leading_error=phi.errors[order] if leads and order is not None else None,
        alpha=alpha,
        alpha_error=alpha_error,
        smooth=smooth,
        homogeneous=homogeneous,
        phi=phi,
        right=right,
        left=left,
        reason=reason,
    )


def _classify(
    smooth: bool, homogeneous: bool, flat: bool, alpha: float, alpha_error: float, order: int | None
) -> tuple[str, str]:
    # For a kinked homogeneous activation alpha is the mean of the two slopes, which is h_s = E[g s(g)].
    if alpha <= 10 * alpha_error:
        return "outside", f"the mean slope at 0 is {alpha:.3g}, not positive"
    if homogeneous:
        return "A", "phi vanishes at every sample: s is homogeneous of degree 1"
    if not smooth:
        return "outside", "the expansions of s to the right and to the left of 0 differ"
    if flat:
        return "outside", "phi vanishes in a neighbourhood of 0 but not everywhere"
    if order is None:
        return "undecided", "phi is not zero everywhere, but no measured Taylor coefficient can be told from zero"
    if order == 0:
        return "D", "phi(0) = -s(0) is not zero"
    return ("B" if order % 2 else "C"), f"the first coefficient of phi that is not zero has order {order}"


def _same_expansion(right: TaylorFit, left: TaylorFit, safety: float = 10.0) -> bool:
    pairs = zip(right.coefficients, left.coefficients, right.errors, left.errors, strict=True)
    return all(abs(a - b) <= safety * (da + db) for a, b, da, db in pairs)


def _vanishes(activation: ScalarActivation) -> bool:
    """Whether |phi| stays within the rounding of its two terms on a wide sample, not only near 0 (hardtanh)."""
    phi = np.abs(_on_arrays(activation.phi)(_WIDE))
    return bool(np.all(phi <= _ROUNDING * _terms(activation)(_WIDE)))


def _flat_up_to_a_kink(activation: ScalarActivation) -> bool:
    """Whether phi is zero to rounding on both sides of 0 and then starts abruptly, as for hardtanh.

    A power z**q above rounding also looks flat near 0, but neighbouring samples differ by a factor of 1.05 in z, so it
    climbs from rounding to 1e-6 only over several of them (for any q below 300); a kink does it in one or two.
    """
    relative = np.abs(_on_arrays(activation.phi)(_WIDE)) / (_terms(activation)(_WIDE) + np.finfo(np.float64).tiny)
    for outward in (relative[_WIDE < 0][::-1], relative[_WIDE > 0]):
        start = int(np.argmax(outward > _ROUNDING))  # 0 when this side is flat throughout
        if outward[0] > _ROUNDING or (start > 0 and outward[start : start + 2].max() < 1e-6):
            return False
    return True


def _terms(activation: ScalarActivation) -> Callable[[Array], Array]:
    """Size of what phi is the difference of, |z s'| + |s|: the rounding of phi is at most a few units of it."""
    value, derivative = _on_arrays(activation.value), _on_arrays(activation.derivative)
    return lambda z: np.abs(z * derivative(z)) + np.abs(value(z))


def _on_arrays(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Array], Array]:
    def call(z: Array) -> Array:
        with torch.no_grad():
            return np.asarray(function(torch.from_numpy(np.ascontiguousarray(z))).numpy(), dtype=np.float64)

    return call
