"""The symmetric manifold: the L-dimensional gradient flow of the layer scales (THEORY T4, sections 0 and 2).

On the manifold every matrix is constant, W_l = const 1 1^T, and the net is a chain of scalars,

    z_1 = a_1 X_1 u,   z_l = a_l X_l s(z_{l-1}),   yhat = z_L,   u = v.x ~ N(0, 1),

with the loss 1/2 E (yhat - y)^2, the teacher y = beta t(u), and the flow dX_l/dt = -c_l^2 dLoss/dX_l.
The gains a_l and mobilities c_l^2 hold the parameterisation: plain has X_l = F_l = |W_l|_F, a_l = sqrt(n_{l-1}/n_l) and
c_l^2 = 1 (n_0 = n_L = 1); ntk carries 1/sqrt(n_{l-1}) on the hidden and output layers, X_l = F_l / sqrt(n_l) for l < L
and X_L = F_L / sqrt(n_{L-1}), hence a_l = 1 but a_L = sqrt(n_{L-1}), c_l^2 = 1/n_l and c_L^2 = 1/n_{L-1}.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numeric.gaussian import GaussianRule, split_rule, trapezoid_rule
from numeric.scalar_activations import ScalarActivation, scalar_activation

FloatArray = NDArray[np.float64]
Observable = Literal["loss", "overlap"]


class ManifoldModel:
    """A net on the symmetric manifold; all arrays are float64, time is gradient-flow time.

    Parameters: ``activation`` and ``teacher`` (default: the activation) by name or as
    :class:`~numeric.scalar_activations.ScalarActivation`; ``depth`` L >= 2; ``width`` N, or the L - 1 hidden widths;
    ``parameterisation`` ntk or plain; ``beta`` the teacher's amplitude; ``gains`` a_l and ``mobilities`` c_l^2 [L]
    replace those of the parameterisation; ``rule`` the quadrature (default: trapezoid on [-9, 9] with step .2, split
    Gauss-Legendre when the activation or the teacher has a kink at 0).

    Raises ValueError for an unknown name, depth < 2, width < 1, or arrays of wrong length or sign.
    """

    def __init__(
        self,
        activation: str | ScalarActivation,
        depth: int,
        width: int | Sequence[int] = 64,
        parameterisation: str = "ntk",
        teacher: str | ScalarActivation | None = None,
        beta: float = 1.0,
        gains: ArrayLike | None = None,
        mobilities: ArrayLike | None = None,
        rule: GaussianRule | None = None,
    ) -> None:
        self.activation = scalar_activation(activation)
        self.teacher = self.activation if teacher is None else scalar_activation(teacher)
        self.depth = _checked_depth(depth)
        self.widths = _checked_widths(width, self.depth)
        self.parameterisation = parameterisation
        if not math.isfinite(beta):
            raise ValueError(f"beta, the amplitude of the teacher, must be finite, got {beta!r}")
        self.beta = float(beta)
        default_gains, default_mobilities = parameterisation_arrays(parameterisation, self.widths)
        self.gains = default_gains if gains is None else _checked_array("gains", gains, self.depth)
        self.mobilities = (
            default_mobilities if mobilities is None else _checked_array("mobilities", mobilities, self.depth)
        )
        if not (self.mobilities > 0.0).all():
            raise ValueError(f"mobilities must be positive, got {self.mobilities.tolist()}")
        self.rule = self._default_rule() if rule is None else rule
        self._nodes, self._weights = self.rule.nodes[None, :], self.rule.weights[None, :]
        targets = self.beta * self.teacher.value(self.rule.nodes)
        self._targets, self._weighted_targets = targets[None, :], (self.rule.weights * targets)[None, :]
        self.target_power: Any = float(self._weighted_targets[0] @ targets)

    def refined(self, factor: float = 2.0) -> ManifoldModel:
        """The same model with ``factor`` times as many quadrature nodes."""
        return self.with_rule(self.rule.refined(factor))

    def select(self, members: NDArray[Any]) -> ManifoldModel:
        """The model for these members of an ensemble; all members share one."""
        del members
        return self

    def with_rule(self, rule: GaussianRule) -> ManifoldModel:
        """The same model with another quadrature."""
        return ManifoldModel(
            self.activation,
            self.depth,
            self.widths,
            self.parameterisation,
            self.teacher,
            self.beta,
            self.gains,
            self.mobilities,
            rule,
        )

    def output(self, X: ArrayLike) -> FloatArray:
        """yhat at the quadrature nodes; X [..., L] gives [..., nodes]."""
        X = self._checked_scales(X)
        z = (X[..., 0] * self.gains[0])[..., None] * self.rule.nodes
        for layer in range(1, self.depth):
            z = (X[..., layer] * self.gains[layer])[..., None] * self.activation.evaluate(z)[0]
        return np.asarray(z)

    def loss(self, X: ArrayLike) -> FloatArray:
        """1/2 E (yhat - y)^2; X [..., L] gives [...]."""
        residual = self.output(X) - self._targets[0]
        value: FloatArray = 0.5 * np.einsum("...n,...n,n->...", residual, residual, self.rule.weights)
        return value

    def overlap(self, X: ArrayLike) -> FloatArray:
        """E[yhat y] / E[y^2]; X [..., L] gives [...]."""
        value: FloatArray = np.einsum("...n,n->...", self.output(X), self._weighted_targets[0]) / self.target_power
        return value

    def rates(self, X: ArrayLike) -> FloatArray:
        """dX/dt [..., L]."""
        X = self._checked_scales(X)
        flat: FloatArray = self.evaluate(X.reshape(-1, self.depth))[0]
        return flat.reshape(X.shape)

    def evaluate(
        self, X: FloatArray, observable: Observable | None = None
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """dX/dt [M, L] for X [M, L], the observable [M] and its time derivative [M] (zeros when None is asked for).

        One forward and one backward pass: dyhat/dX_l is formed as a_l (dyhat/dz_l) s(z_{l-1}), so that X_l = 0 is no
        special case.
        """
        scaled = X * self.gains
        inputs: list[FloatArray] = [self._nodes]  # s(z_{l-1}), the input of layer l
        derivatives: list[FloatArray] = []
        for layer in range(self.depth - 1):
            s, ds = self.activation.evaluate(scaled[:, layer, None] * inputs[-1])
            inputs.append(s)
            derivatives.append(ds)
        residual = scaled[:, -1, None] * inputs[-1]
        np.subtract(residual, self._targets, out=residual)
        weighted = residual * self._weights
        gradient = self._pull_back(scaled, inputs, derivatives, weighted)
        rates = -self.mobilities * gradient
        if observable == "loss":
            value = 0.5 * np.vecdot(weighted, residual)
            return rates, value, (gradient * rates).sum(axis=1)
        if observable == "overlap":
            pull = self._pull_back(scaled, inputs, derivatives, self._weighted_targets)  # dE[yhat y]/dX
            value = np.vecdot(residual + self._targets, self._weighted_targets) / self.target_power
            return rates, value, (pull * rates).sum(axis=1) / self.target_power
        zeros = np.zeros(X.shape[0])
        return rates, zeros, zeros

    def _pull_back(
        self, scaled: FloatArray, inputs: list[FloatArray], derivatives: list[FloatArray], cotangent: FloatArray
    ) -> FloatArray:
        """sum_n cotangent_n dyhat_n/dX_l [M, L]; the cotangent is [M, n] or [1, n]."""
        gradient, delta = np.empty_like(scaled), cotangent
        for layer in range(self.depth - 1, 0, -1):
            np.vecdot(inputs[layer], delta, out=gradient[:, layer])
            # dz_l/dz_{l-1} without its factor a_l X_l, which is the same at all nodes and comes in below
            delta = delta * derivatives[layer - 1]
        np.vecdot(inputs[0], delta, out=gradient[:, 0])
        later = np.multiply.accumulate(scaled[:, :0:-1], axis=1)[:, ::-1]  # prod_{m > l} a_m X_m
        gradient[:, :-1] *= later
        gradient *= self.gains
        return gradient

    def _default_rule(self) -> GaussianRule:
        even_only = self.activation.odd and self.teacher.odd
        kinks = self.activation.kinks + self.teacher.kinks
        if kinks:
            return split_rule(kinks, even_only=even_only)
        return trapezoid_rule(even_only=even_only)

    def _checked_scales(self, X: ArrayLike) -> FloatArray:
        X = np.asarray(X, dtype=np.float64)
        if X.ndim == 0 or X.shape[-1] != self.depth:
            raise ValueError(
                f"layer scales need {self.depth} entries along the last axis, got an array of shape {X.shape}"
            )
        return X


def _checked_depth(depth: int) -> int:
    if not isinstance(depth, int | np.integer) or depth < 2:
        raise ValueError(f"depth must be an integer of at least 2 (one hidden layer and the output), got {depth!r}")
    return int(depth)


def _checked_widths(width: int | Sequence[int], depth: int) -> tuple[int, ...]:
    widths = tuple(width) if isinstance(width, Sequence) else (width,) * (depth - 1)
    if len(widths) != depth - 1 or not all(isinstance(n, int | np.integer) and n >= 1 for n in widths):
        raise ValueError(f"width must be one integer >= 1 or the {depth - 1} hidden widths, got {width!r}")
    return tuple(int(n) for n in widths)


def _checked_array(name: str, values: ArrayLike, depth: int) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (depth,) or not np.isfinite(array).all():
        raise ValueError(f"{name} must hold {depth} finite numbers, one per layer, got {values!r}")
    return array


def parameterisation_arrays(name: str, widths: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Gains a_l and mobilities c_l^2 [L] of the parameterisation."""
    n = np.array([1, *widths, 1], dtype=np.float64)
    if name == "plain":
        return np.sqrt(n[:-1] / n[1:]), np.ones(n.size - 1)
    if name == "ntk":
        gains = np.ones(n.size - 1)
        gains[-1] = math.sqrt(n[-2])
        return gains, 1.0 / np.append(n[1:-1], n[-2])
    raise ValueError(f"unknown parameterisation {name!r}: choose ntk or plain")
