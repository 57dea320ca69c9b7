"""The manifold flow minus its leading law, in variables that lose no digits (THEORY section 3).

With q_l = X_l^2 (times a ratio of mobilities) the leading law makes all dq_l/dt equal, so that q_l(0) + s, with one s
for all layers, solves it exactly, for unequal starts too.  Write q_l = q_l(0) + s + sigma_l with s the mean over the
small layers.  Let i be the first small layer, G(u) the output of the layers before it (u itself when i = 1), psi_j and
chi_j the departures of s(z_j) and s'(z_j) from alpha z_j and alpha, P = alpha^{L-i} prod_{m>=i} a_m X_m, and

    1 + F_l = prod_{i<=j<l} (1 + psi_j) prod_{j>=l} (1 + chi_j),     kappa = E[y G] at the start,
    eta_l = ( E[y (G - G_0)] + E[y G F_l] - E[yhat G (1 + F_l)] ) / kappa        for l >= i.

Then, exactly, dq_l/dt = 2 c^2 P kappa (1 + eta_l), so that with the mean eta of the small layers

    d sigma_l / ds = (eta_l - eta) / (1 + eta),
    K_eff dt/ds    = 1/(2 prod_small sqrt(q_l) prod_later(X_m / xi_m) (1 + eta)),

and the remainder R of K_eff t over the leading integral 1/2 int ds / prod_small sqrt(q_l(0) + s) has a derivative made
of small factors only.  The state holds exp(-p Lambda) sigma_l / (q_* + s), R and Lambda = 1/2 log((q_* + s)/q_*), with
p the measured power at which eta grows with the scale: on the plateau the first is then constant, and steps are long.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from numeric.cancellation_free import departure_factors
from numeric.escape_rule import EscapeRule
from numeric.manifold import ManifoldModel

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Factors = Callable[[FloatArray], tuple[FloatArray, FloatArray]]

_FIRST_STEP = 0.25
_SMALLEST_STEP = 1e-13
_THETA, _THETA_WEIGHTS = np.polynomial.legendre.leggauss(4)
_DIRECT = 0.01  # relative change of an O(1) layer above which G - G_0 is simply subtracted


class ResidualChart:
    """See the module; one instance follows M members with the same small layers."""

    def __init__(self, model: ManifoldModel, rule: EscapeRule, X: FloatArray, small: BoolArray) -> None:
        self._model, self._rule, self._small = model, rule, small
        self._factors: Factors = departure_factors(model.activation)
        self._first = int(np.flatnonzero(small)[0])
        after = np.arange(model.depth) > self._first
        self._later = after & ~small
        reference = float(np.exp(np.log(model.mobilities[small]).mean()))
        self._stretch = np.sqrt(model.mobilities / reference)  # X_l = stretch_l sqrt(q_l)
        self._signs, self._start = np.sign(X), X
        self.q0: FloatArray = (X / self._stretch) ** 2
        self.q_star = np.exp(np.log(self.q0[:, small]).mean(axis=1))
        self._loss0 = model.loss(X)
        self._wy = model.rule.weights * model.beta * model.teacher.value(model.rule.nodes)
        self._G0 = self._before(X)[0]
        self._kappa = np.vecdot(self._G0, self._wy)
        gains = float(np.prod(model.gains[self._first :]))
        self._slope = model.activation.alpha ** (model.depth - 1 - self._first) * gains
        self.rate: FloatArray = reference * self._slope * self._kappa * X[:, self._later].prod(axis=1)
        self._direction = self.rate * self._signs[:, small].prod(axis=1)  # positive when the start escapes
        self._held = np.zeros(X.shape[0])
        self._eta_size = np.zeros(X.shape[0])
        self.state = np.zeros((X.shape[0], model.depth + 2))
        self._power = np.zeros(X.shape[0])
        self._power = self._measured_power()

    @property
    def stretch(self) -> FloatArray:
        """X_l / sqrt(q_l) [L]."""
        return self._stretch

    @property
    def power(self) -> FloatArray:
        """p [M] of the members that are still followed."""
        return self._power

    @property
    def escapes(self) -> BoolArray:
        """The members whose leading law grows."""
        return np.asarray(np.isfinite(self._direction) & (self._direction > 0.0))

    def field(self, state: FloatArray, at_event: BoolArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """As in :class:`~numeric.event_stepper.Chart`."""
        small, scale = self._small, self.q_star * np.exp(2.0 * state[:, -1])
        shift = self._shift(state)
        X = self.scales(state)
        eta = self._eta(X, shift)
        mean = eta[:, small].mean(axis=1)
        with_s = self.q0 + self._s(state)[:, None]
        damping = np.exp(-self._power * state[:, -1])[:, None]
        sigma = state[:, :-2] / damping * scale[:, None]
        bracket = np.log1p(sigma[:, small] / with_s[:, small]).sum(axis=1)
        bracket += np.log1p(shift[:, self._later] / self.q0[:, self._later]).sum(axis=1)
        departure = -0.5 * bracket - np.log1p(mean)
        weight = scale / np.sqrt(with_s[:, small]).prod(axis=1)
        speed = np.abs(self._direction) * np.exp(-departure) / weight
        held = np.maximum(speed, self._held)
        g, g_rate = self._event(X, eta, mean, speed * scale)
        slope = np.empty_like(state)
        slope[:, :-2] = 2.0 * damping * (eta - mean[:, None]) / (1.0 + mean[:, None])
        slope[:, :-2] -= (2.0 + self._power[:, None]) * state[:, :-2]
        slope[:, -2] = weight * np.expm1(departure)
        slope[:, -1] = 1.0
        self._eta_size = np.abs(eta[:, small]).max(axis=1) * damping[:, 0]
        return slope * (speed / np.where(at_event, g_rate, held))[:, None], g, g_rate / held, held

    def slopes(self, state: FloatArray, at_event: BoolArray) -> FloatArray:
        """As in :class:`~numeric.event_stepper.Chart`."""
        return self.field(state, at_event)[0]

    def hold(self, members: BoolArray, speed: FloatArray) -> None:
        """As in :class:`~numeric.event_stepper.Chart`."""
        self._held = np.where(members, np.maximum(self._held, speed), self._held)

    def tolerance(self, state: FloatArray, new: FloatArray, rtol: FloatArray) -> FloatArray:
        """Relative to the departures, however small, in the small layers; relative to s in the others."""
        tolerated = np.empty_like(state)
        common = np.maximum(np.abs(new[:, :-2][:, self._small]).max(axis=1), self._eta_size)
        damping = np.exp(-self._power * new[:, -1])
        tolerated[:, :-2] = rtol[:, None] * np.where(self._small, common[:, None], damping[:, None])
        tolerated[:, -2] = rtol * (1.0 + np.abs(new[:, -2]))  # the remainder always holds a constant of order one
        tolerated[:, -1] = rtol
        return np.maximum(tolerated, 1e-300)

    def first_step(self, slope: FloatArray) -> FloatArray:
        """As in :class:`~numeric.event_stepper.Chart`."""
        return np.full(slope.shape[0], _FIRST_STEP)

    def smallest_step(self) -> FloatArray:
        """As in :class:`~numeric.event_stepper.Chart`."""
        return np.full(self.state.shape[0], _SMALLEST_STEP)

    def times(self, state: FloatArray) -> FloatArray:
        """Lambda: the members of a residual run are not stopped by time."""
        return state[:, -1]

    def scales(self, state: FloatArray) -> FloatArray:
        """As in :class:`~numeric.event_stepper.Chart`."""
        return np.asarray(self._signs * self._stretch * np.sqrt(self._q(state)))

    def keep(self, mask: BoolArray) -> None:
        """As in :class:`~numeric.event_stepper.Chart`."""
        self.state, self._signs, self._start = self.state[mask], self._signs[mask], self._start[mask]
        self.q0, self.q_star, self.rate = self.q0[mask], self.q_star[mask], self.rate[mask]
        self._loss0, self._G0, self._kappa = self._loss0[mask], self._G0[mask], self._kappa[mask]
        self._power = self._power[mask]
        self._direction, self._held, self._eta_size = self._direction[mask], self._held[mask], self._eta_size[mask]

    def _measured_power(self) -> FloatArray:
        """d log|eta| / d Lambda at the start, within [0, 8]."""
        sizes = []
        for advance in (0.0, 0.125):
            state = self.state.copy()
            state[:, -1] = advance
            eta = self._eta(self.scales(state), self._shift(state))[:, self._small]
            sizes.append(np.maximum(np.abs(eta).max(axis=1), 1e-300))
        return np.asarray(np.clip(np.log(sizes[1] / sizes[0]) / 0.125, 0.0, 8.0))

    def _s(self, state: FloatArray) -> FloatArray:
        return np.asarray(self.q_star * np.expm1(2.0 * state[:, -1]))

    def _shift(self, state: FloatArray) -> FloatArray:
        """q_l - q_l(0) [M, L], to full relative precision."""
        scale = self.q_star * np.exp(2.0 * state[:, -1])
        departure = state[:, :-2] * np.exp(self._power * state[:, -1])[:, None]
        return np.asarray(self._s(state)[:, None] + scale[:, None] * departure)

    def _q(self, state: FloatArray) -> FloatArray:
        return np.asarray(self.q0 + self._shift(state))

    def _before(self, X: FloatArray) -> tuple[FloatArray, list[FloatArray]]:
        """G at the nodes [M, n] and, for every layer before the first small one, dG/dX_l [M, n]."""
        model = self._model
        G = np.broadcast_to(model.rule.nodes, (X.shape[0], model.rule.nodes.size))
        inputs, slopes = [], []
        for layer in range(self._first):
            inputs.append(G)
            G, ds = model.activation.evaluate((X[:, layer] * model.gains[layer])[:, None] * G)
            slopes.append(ds)
        derivatives: list[FloatArray] = []
        delta = np.ones((X.shape[0], 1))
        for layer in range(self._first - 1, -1, -1):
            delta = delta * slopes[layer] * model.gains[layer]
            derivatives.insert(0, delta * inputs[layer])
            delta = delta * X[:, layer, None]
        return G, derivatives

    def _drift(self, X: FloatArray, G: FloatArray, shift: FloatArray) -> FloatArray:
        """E[y (G - G_0)] [M]: by the mean value of the gradient while the O(1) layers have hardly moved."""
        direct = np.vecdot(G - self._G0, self._wy)
        first = self._first
        # X - xi from X^2 - xi^2: no cancellation
        moved = shift[:, :first] * self._stretch[:first] ** 2 / (X[:, :first] + self._start[:, :first])
        total = np.zeros(X.shape[0])
        for theta, weight in zip(0.5 * (1.0 + _THETA), 0.5 * _THETA_WEIGHTS, strict=True):
            between = X.copy()
            between[:, :first] = self._start[:, :first] + theta * moved
            for layer, derivative in enumerate(self._before(between)[1]):
                total += weight * moved[:, layer] * np.vecdot(derivative, self._wy)
        large = (np.abs(moved) > _DIRECT * np.abs(self._start[:, :first])).any(axis=1)
        return np.where(large, direct, total)

    def _eta(self, X: FloatArray, shift: FloatArray) -> FloatArray:
        """eta_l [M, L]."""
        model, first, depth = self._model, self._first, self._model.depth
        G, derivatives = self._before(X)
        scaled = X * model.gains
        psi, chi = [], []
        z = scaled[:, first, None] * G
        for layer in range(first, depth - 1):
            p, c = self._factors(z)
            psi.append(p)
            chi.append(c)
            z = (model.activation.alpha * scaled[:, layer + 1])[:, None] * (z + z * p)
        weighted_output, wyG = z * model.rule.weights, self._wy * G
        prefix, count = [np.zeros_like(G)], depth - first  # prod (1 + psi) - 1 over the layers before l
        for p in psi:
            prefix.append(prefix[-1] + p + prefix[-1] * p)
        suffix = np.zeros_like(G)
        eta = np.empty_like(X)
        drift = self._drift(X, G, shift) if first else np.zeros(X.shape[0])
        for index in range(count - 1, -1, -1):
            if index < count - 1:
                suffix = suffix + chi[index] + suffix * chi[index]
            F = prefix[index] + suffix + prefix[index] * suffix
            pull = np.vecdot(wyG, F) - np.vecdot(weighted_output, G + G * F)
            eta[:, first + index] = (drift + pull) / self._kappa
        for layer, derivative in enumerate(derivatives):
            H = derivative * X[:, layer, None]
            pull = np.vecdot(self._wy - weighted_output, H + H * suffix)
            eta[:, layer] = pull / self._kappa - 1.0
        return eta

    def _event(
        self, X: FloatArray, eta: FloatArray, mean: FloatArray, growth: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """The escape observable and its time derivative; ``growth`` is half of ds/dt."""
        rule = self._rule
        if rule.kind == "scale":
            layer = rule.layer - 1
            q = (X[:, layer] / self._stretch[layer]) ** 2
            rate = growth * (1.0 + eta[:, layer]) / (1.0 + mean) / q
            return np.log(np.abs(X[:, layer]) / rule.level), rate
        _, value, change = self._model.evaluate(X, rule.kind)
        if rule.kind == "loss":
            return rule.level - value / self._loss0, -change / self._loss0
        return value - rule.level, change
