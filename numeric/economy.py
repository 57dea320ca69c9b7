"""The cheapest quadrature that a tolerance needs: fewer nodes where the last digits are not asked for."""

from __future__ import annotations

import functools
import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from numeric.gaussian import GaussianRule, trapezoid_rule
from numeric.manifold import FloatArray, ManifoldModel

_STEPS = (0.45, 0.4, 0.375, 0.35, 0.325, 0.3, 0.275, 0.25)
_SHARE = 0.1  # of the tolerance, for the quadrature


@functools.lru_cache(maxsize=64)
def economical_model(model: ManifoldModel, rtol: float) -> ManifoldModel:
    """``model`` with the coarsest trapezoid rule whose rates agree with its own to a tenth of ``rtol``.

    Compared where nonlinearity is strongest on the way out of the saddle: all scales at the saturation scale, at two
    thirds and at a third of it (less a tenth: at the minimum itself the rates vanish).  The choice depends on the
    model and the tolerance only, never on the ensemble.  The node 0 is left out where integrands vanish there.  A
    model whose rule is not the trapezoid rule, or that has no saturation scale, is returned as it is.
    """
    if model.rule.kinks is not None or not rtol > 1e-13:
        return model
    X = _saturation(model) * 0.9 * np.outer([1.0, 2.0 / 3.0, 1.0 / 3.0], np.ones(model.depth))
    if not np.isfinite(X).all() or not X.all():
        return model
    # The density at the cut is below rtol by a factor that pays for the growth of the integrand.
    radius = min(model.rule.radius, math.sqrt(2.0 * math.log(1e5 / rtol)))
    for step in _STEPS:
        if step <= model.rule.resolution:
            break
        cheap = model.with_rule(_without_zero(trapezoid_rule(radius, step, even_only=model.rule.even_only)))
        if agrees(cheap, model, X, _SHARE * rtol).all():
            return cheap
    return model


def _without_zero(rule: GaussianRule) -> GaussianRule:
    """An even-only rule is for odd activations and teachers: at u = 0 every net and every residual is zero."""
    return replace(rule, nodes=rule.nodes[1:], weights=rule.weights[1:]) if rule.even_only else rule


def agrees(cheap: ManifoldModel, model: ManifoldModel, X: FloatArray, rtol: float) -> NDArray[np.bool_]:
    """For each X [M, L]: do the rates of both agree to ``rtol`` of the largest rate?"""
    with np.errstate(all="ignore"):  # what is not finite does not agree
        rates = model.rates(X)
        difference = np.abs(cheap.rates(X) - rates).max(axis=1)
        return np.asarray(difference <= rtol * np.abs(rates).max(axis=1))


def _saturation(model: ManifoldModel) -> float:
    """The scale at which the linear output E[yhat y] alpha^{L-1} prod a_l X^L reaches the teacher's overlap."""
    rule = model.rule
    targets = model.beta * model.teacher.value(rule.nodes)
    first_moment = abs(float(np.vecdot(rule.weights * rule.nodes, targets)))
    slope = abs(model.activation.alpha) ** (model.depth - 1) * abs(float(np.prod(model.gains)))
    return math.nan if slope == 0.0 else (first_moment / slope) ** (1.0 / model.depth)
