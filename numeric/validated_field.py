"""The vector field of the manifold flow as a finite sum in ball arithmetic, and a rigorous bound of what it leaves out.

With s_0 = u, z_l = a_l X_l s_{l-1}, s_l = s(z_l), yhat = z_L the relative rates of THEORY section 0 are

    w_l = (dX_l/dt)/X_l = c_l^2 a_l G_l / X_l,   G_l = E[g_l(u)],
    g_l = (beta t(u) - yhat(u)) s_{l-1} prod_{m > l} a_m X_m s'(z_{m-1}).

Here E is replaced by the trapezoid sum with step h and nodes |k h| <= R.  Its error has two rigorous parts
(Trefethen and Weideman, SIAM Review 56, 2014, theorem 5.1): for an integrand analytic in the strip |Im u| <= a

    |h sum_k g(k h) - int g| <= sup_{|y| <= a} (int |g(x + iy)| dx + int |g(x - iy)| dx) / (e^{2 pi a/h} - 1),

and the nodes left out.  ``ball_strips`` bounds every factor of g_l by p + k|u| on the strip, so that |g_l| is at most
a polynomial of degree 2 in |u| and the Gaussian weight, |density(x + iy)| = e^{y^2/2} density(x), leaves moments in
closed form.  The bound holds for all layer scales up to given ones and falls with them like the rates do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import flint
import numpy as np
from numpy.typing import NDArray

from numeric.ball_manifold import ball_parameters, exact
from numeric.ball_strips import StripActivation, quotient, strip_activation
from numeric.manifold import ManifoldModel

Ball = Any  # flint.arb
Series = Any  # flint.arb_series
FloatArray = NDArray[np.float64]

_LADDER = tuple(Fraction(round(1024 * 0.8 * 0.93**k), 1024) for k in range(48))  # steps h that are tried
_HEIGHTS = tuple(16.0 * 0.92**k for k in range(55))  # heights a of the strip that are tried
_MEAN = math.sqrt(2.0 / math.pi)  # E|x|
_FARTHEST = 60  # the density at this distance is 10^-782


@dataclass(frozen=True)
class TrapezoidRule:
    """Nodes k step, |k| <= count; ``even``: only k > 0 with doubled weights, for even integrands that vanish at 0.

    ``height``: of the strip from which the error is bounded.
    """

    step: Fraction
    count: int
    even: bool
    height: float


def _worst(sizes: FloatArray, height: float, step: float) -> float:
    """The first part of the error, in float64, for bounds of these sizes."""
    exponent = 0.5 * height**2 - 2.0 * math.pi * height / step
    return float(2.0 * math.exp(exponent) * sizes.max())


class ValidatedField:
    """Sums G_l of a model by a trapezoid rule, and the bound of their error; at the caller's precision.

    Raises ValueError when the activation or the teacher has no bound on a strip.
    """

    def __init__(self, model: ManifoldModel) -> None:
        self.activation: StripActivation = strip_activation(model.activation.name)
        self.teacher: StripActivation = strip_activation(model.teacher.name)
        self.depth = model.depth
        self.even = self.activation.odd and self.teacher.odd
        self.beta = exact(model.beta)
        self.gains, self.mobilities = ball_parameters(model)
        self._nodes = lru_cache(maxsize=None)(self._weighted_nodes)

    def rates(self, X: Sequence[Series], rule: TrapezoidRule) -> list[Series]:
        """The relative rates w_l of the finite sum, for layer scales that are power series of length ``flint.ctx.cap``.

        Coefficients are no numbers where a wide ball does not exclude a division by zero.
        """
        scaled = [a * x for a, x in zip(self.gains, X, strict=True)]
        pair, hidden = self.activation.pair, range(self.depth - 1)
        sums = [flint.arb_series([0], prec=x.prec) for x in X]
        for u, weight, target in self._nodes(rule, flint.ctx.prec):
            z = scaled[0] * u
            inputs, slopes = [], []
            for layer in hidden:
                s, ds = pair(z)
                inputs.append(s)
                slopes.append(ds)
                z = scaled[layer + 1] * s
            delta = target - z * weight
            for layer in range(self.depth - 1, 0, -1):
                sums[layer] += delta * inputs[layer - 1]
                delta *= scaled[layer] * slopes[layer - 1]
            sums[0] += delta * u
        factors = (c * a for c, a in zip(self.mobilities, self.gains, strict=True))
        w = [f * quotient(G, x) for f, G, x in zip(factors, sums, X, strict=True)]
        if any(g.prec != flint.ctx.cap for g in w):  # what is beyond the length of a series reads as 0
            raise RuntimeError("a power series was cut short")
        return w

    def choose(self, X: FloatArray, lead: int, rates: FloatArray, tolerance: float) -> TrapezoidRule:
        """The coarsest rule whose bound changes no rate by more than ``tolerance`` times that of layer ``lead``.

        ``rates`` are the relative rates at X in float64.  All of this is float64: ``errors`` proves what is chosen.
        """
        return self._coarsest(X, np.append(tolerance * abs(float(rates[lead])) * np.abs(X), math.inf))

    def choose_for_loss(self, X: FloatArray, tolerance: float) -> TrapezoidRule:
        """The coarsest rule whose bound changes the loss by no more than ``tolerance``."""
        return self._coarsest(X, np.append(np.full(X.size, math.inf), tolerance))

    def _coarsest(self, X: FloatArray, wanted: FloatArray) -> TrapezoidRule:
        """For largest errors of dX_l/dt and, last, of the loss."""
        sizes = [abs(flint.arb(float(x))) for x in X]
        strips = []  # (height, E of the bound over the density)
        for height in _HEIGHTS:
            # a ball without a finite radius has the midpoint 0: its upper end is what counts
            q = np.array([[float(c.upper()) for c in p] for p in self._sizes(sizes, flint.arb(height))])
            if np.isfinite(q).all():
                strips.append((height, q @ [1.0, _MEAN + height, 1.0 + 2.0 * height * _MEAN + height**2]))
        if not strips or not (wanted > 0.0).all():
            raise ValueError("the scales are too large, or the rate is not positive: no quadrature rule can be chosen")
        for step in _LADDER:
            worst, height = min((_worst(size / wanted, height, float(step)), height) for height, size in strips)
            if worst < 1.0:
                break
        count = math.ceil(2 / step)
        while count * step < _FARTHEST and any(
            float(e.upper()) > w for e, w in zip(self._tail_errors(sizes, step, count), wanted, strict=True)
        ):
            count += 1
        return TrapezoidRule(step, count, self.even, height)

    def errors(self, X: Sequence[Ball], rule: TrapezoidRule) -> list[Ball]:
        """Bounds of |dX_l/dt - exact| that hold for all real layer scales of size up to |X|."""
        sizes = [abs(x).upper() for x in X]
        strip = self._strip_errors(sizes, rule.step, rule.height)
        tail = self._tail_errors(sizes, rule.step, rule.count)
        return [a + b for a, b in zip(strip, tail, strict=True)][:-1]

    def loss(self, X: Sequence[Ball], rule: TrapezoidRule) -> Ball:
        """A ball of 1/2 E (yhat - beta t)^2 for all real layer scales in the balls X."""
        total = flint.arb(0)
        for u, weight, target in self._nodes(rule, flint.ctx.prec):
            z = self.gains[0] * X[0] * u
            for a, x in zip(self.gains[1:], X[1:], strict=True):
                z = a * x * self.activation.value(z)
            total += weight * (z - target / weight) ** 2 / 2
        sizes = [abs(x).upper() for x in X]
        strip = self._strip_errors(sizes, rule.step, rule.height)[-1]
        return total + flint.arb(0, (strip + self._tail_errors(sizes, rule.step, rule.count)[-1]).upper())

    def _strip_errors(self, sizes: list[Ball], step: Fraction, height: float) -> list[Ball]:
        """The first part of the error, from the strip of that height; not finite where the strip is too wide."""
        a, mean = flint.arb(height), (2 / flint.arb.pi()).sqrt()  # mean = E|x|
        moments = [flint.arb(1), mean + a, 1 + 2 * a * mean + a * a]  # E[(|x| + a)^i]
        growth = 2 * (a * a / 2).exp() / (2 * flint.arb.pi() * a / exact(step)).expm1()
        return [growth * sum(q * m for q, m in zip(p, moments, strict=True)) for p in self._sizes(sizes, a)]

    def _tail_errors(self, sizes: list[Ball], step: Fraction, count: int) -> list[Ball]:
        """The second part: twice int_R^inf of the bounds on the real axis, R = count step >= 2, where they decrease."""
        R = exact(count * step)
        density = (-R * R / 2).exp() / (2 * flint.arb.pi()).sqrt()
        # u^i density = -(u^{i-1} density)' / (1 - (i - 1)/u^2), for i = 0 the denominator is at least 1.
        moments = [density / R, density, R * density / (1 - 1 / (R * R))]
        return [2 * sum(q * m for q, m in zip(p, moments, strict=True)) for p in self._sizes(sizes, flint.arb(0))]

    def _sizes(self, sizes: list[Ball], height: Ball) -> list[tuple[Ball, Ball, Ball]]:
        """q_0, q_1, q_2 with |c_l^2 a_l g_l(u)| <= sum_i q_i |u|^i on |Im u| <= height, per layer, then of the loss."""
        scaled = [abs(a) * x for a, x in zip(self.gains, sizes, strict=True)]
        at_zero = abs(self.activation.value(flint.arb(0)))
        constant, linear, imaginary = flint.arb(0), flint.arb(1), height
        inputs, slopes = [(constant, linear)], []
        for layer in range(self.depth - 1):
            B = self.activation.bound(scaled[layer] * imaginary)
            constant, linear, imaginary = (scaled[layer] * B * value for value in (constant, linear, imaginary))
            constant += at_zero
            inputs.append((constant, linear))
            slopes.append(B)
        beta = abs(self.beta)
        r0 = beta * abs(self.teacher.value(flint.arb(0))) + scaled[-1] * constant
        r1 = beta * self.teacher.bound(height) + scaled[-1] * linear
        result, product = [], flint.arb(1)
        for layer in range(self.depth - 1, -1, -1):
            constant, linear = inputs[layer]
            factor = abs(self.mobilities[layer] * self.gains[layer]) * product
            result.append((factor * r0 * constant, factor * (r0 * linear + r1 * constant), factor * r1 * linear))
            if layer:
                product *= scaled[layer] * slopes[layer - 1]
        return [*result[::-1], (r0 * r0 / 2, r0 * r1, r1 * r1 / 2)]

    def _weighted_nodes(self, rule: TrapezoidRule, bits: int) -> tuple[tuple[Ball, Ball, Ball], ...]:
        """(u, weight, weight times target) of every node; ``bits`` keeps precisions apart."""
        nodes = []
        for k in range(1 if rule.even else -rule.count, rule.count + 1):
            u = exact(rule.step * k)
            weight = exact(rule.step) * (-u * u / 2).exp() / (2 * flint.arb.pi()).sqrt()
            if rule.even:
                weight *= 2
            nodes.append((u, weight, weight * self.beta * self.teacher.value(u)))
        return tuple(nodes)
