"""Escape in discrete time and under other optimisers, for the clock y' = K y^{r-1} (THEORY section 4).

Gradient descent and heavy ball y_{n+1} - y_n = beta (y_n - y_{n-1}) + eta F(y_n) follow a modified equation
dy/dn = h(y) = eta h_1 + eta^2 h_2 + ..., found here from (e^D - 1 - beta (1 - e^{-D})) y = eta F(y), D = d/dn along h.
Sign descent moves by eta a step; Adam and RMSprop, in the quasi-steady reading (moments equal to the gradient and its
square), by eta F/(|F| + delta). Additive noise sigma sets a floor below which the initial scale does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import factorial, prod
from typing import Any

import sympy as sp

from symbolic.escape import EPS, THRESHOLD, escape_integral, power_integral

STEP = sp.Symbol("eta", positive=True)
"""The step size."""
MOMENTUM = sp.Symbol("beta", nonnegative=True)
"""The momentum, 0 for gradient descent."""
RATE = sp.Symbol("K", positive=True)
"""The rate of the clock."""
DAMPING = sp.Symbol("delta", positive=True)
"""Adam's epsilon, called delta here because eps is the initial scale."""
NOISE = sp.Symbol("sigma", positive=True)
"""dy = K y^{r-1} dt + sigma dB."""
SPREAD = sp.Symbol("v", nonnegative=True)
"""Relative variance of a minibatch's gradient: every sample's gradient is proportional to y^{r-1}."""
SCALE = sp.Symbol("y", positive=True)
FIELD = sp.Function("F")


@dataclass(frozen=True)
class StepLaw:
    """The number of steps from eps to theta as a series in eta: {power of eta: coefficient}; delay adds a constant.

    delay is the leading number of steps lost by a start at rest (heavy ball: the momentum has to build up), next_delay
    the coefficient of eta in it.
    """

    terms: dict[int, sp.Expr]
    delay: sp.Expr
    next_delay: sp.Expr = sp.S.Zero

    @property
    def steps(self) -> sp.Expr:
        """The sum of the terms and the delay."""
        return sum((c * STEP**k for k, c in self.terms.items()), self.delay)


@dataclass(frozen=True)
class NoiseLaw:
    """Below scale the noise decides and the escape takes a multiple of time, whatever eps is."""

    scale: sp.Expr
    time: sp.Expr


def modified_equation(order: int) -> tuple[sp.Expr, ...]:
    """(h_1, ..., h_order) of dy/dn = sum eta^k h_k for heavy ball, in an undefined F(y) and beta.

    ValueError unless order >= 1.
    """
    slopes = [FIELD(SCALE).diff(SCALE, k) for k in range(order)]
    return tuple(
        sp.factor(
            sum(_in_beta(c) * sp.prod(f**k for f, k in zip(slopes, powers, strict=True)) for powers, c in h.terms())
        )
        for h in _modified_equation(order)
    )


@cache
def _modified_equation(order: int) -> tuple[Any, ...]:
    """The same as polynomials in F, F', ..., F^(order - 1) over the rational functions of beta."""
    if order < 1:
        raise ValueError(f"expected an order >= 1, got {order}")
    rational, beta = sp.field(MOMENTUM.name, sp.QQ)
    polynomials, *slopes = sp.ring([f"F_{k}" for k in range(order)], rational)

    def weight(k: int) -> Any:
        """Coefficient of D^k in e^D - 1 - beta (1 - e^{-D})."""
        return (1 + beta * (-1) ** k) / factorial(k)

    def along(series: list[Any], h: list[Any]) -> list[Any]:
        """d/dn along h of a series in eta; no coefficient up to eta^order has the last derivative in it."""
        result = [polynomials.zero] * len(series)
        for i, term in enumerate(series):
            slope = sum((term.diff(f) * g for f, g in pairwise(slopes)), polynomials.zero)
            for j, part in enumerate(h[: len(result) - i]):
                result[i + j] += slope * part
        return result

    h = [polynomials.zero]
    for m in range(1, order + 1):
        h.append(polynomials.zero)
        derivatives, known = list(h), polynomials.zero
        for k in range(2, m + 1):
            derivatives = along(derivatives, h)
            known += derivatives[m] * weight(k)
        h[m] = ((slopes[0] if m == 1 else polynomials.zero) - known) * (1 / weight(1))
    return tuple(h[1:])


def _in_beta(coefficient: Any, momentum: object = MOMENTUM) -> sp.Expr:
    """A rational function of beta as an expression, at a momentum."""
    return coefficient.as_expr().subs(sp.Symbol(MOMENTUM.name), momentum)


@cache
def heavy_ball_steps(small_layers: int, order: int = 2, momentum: object = MOMENTUM) -> StepLaw:
    """Steps of heavy ball from eps to theta with F = K y^{r-1}: `order` terms, from eta^{-1} on.

    n = (1 - beta) t/eta + (1 + beta)(r - 1)/(2 (1 - beta)) log(theta/eps) + ..., so the exponent is that of the flow.
    ValueError for a momentum outside [0, 1).
    """
    beta, clock = sp.sympify(momentum), RATE * SCALE ** (_check(small_layers) - 1)
    if beta.is_number and not 0 <= beta < 1:
        raise ValueError(f"momentum must lie in [0, 1), got {momentum!r}")
    # F^(k) = (r-1)(r-2)...(r-k) F/y^k, so that h_{k+1} is a number c_k, a function of beta, times F (F/y)^k.
    numbers = [int(sp.ff(small_layers - 1, k)) for k in range(order)]
    c = [
        sum(x * prod(n**k for n, k in zip(numbers, powers, strict=True)) for powers, x in h.terms())
        for h in _modified_equation(order)
    ]
    growth = RATE * SCALE ** (small_layers - 2)
    inverse = _quotient([1 / c[0]] + [0 * x for x in c[1:]], [x / c[0] for x in c])
    terms = {k - 1: _from_eps_to_theta(_in_beta(x, beta) * growth**k / clock) for k, x in enumerate(inverse)}
    slope = sp.diff(clock, SCALE).subs(SCALE, EPS)
    return StepLaw(terms, _missing_steps().subs(MOMENTUM, beta), start_delay()[1].subs(MOMENTUM, beta) * slope)


@cache
def _missing_steps() -> sp.Expr:
    """At rest the step n is (1 - beta^n) of the steady one: the missing parts add up to sum beta^n steady steps."""
    index = sp.Symbol("n", integer=True, positive=True)
    converging = sp.Sum(MOMENTUM**index, (index, 1, sp.oo)).doit().args[0]  # the branch |beta| < 1
    return sp.simplify(converging.expr)


@cache
def start_delay() -> tuple[sp.Expr, sp.Expr]:
    """(c_0, c_1): a start at rest loses c_0 + c_1 eta F'(eps) + O(eta^2) steps.

    With F linear about the start, e = y - y_0 + F/F' obeys e_{n+1} = (1 + beta + x) e_n - beta e_{n-1}, x = eta F',
    from e_0 = e_{-1}. Of its roots l > m, the slow part of e_n is e_0 l^{n+1} (1-m)/(l-m), which is e_0 l^{n-delay}.
    The curvature of F enters at eta^2 only.
    """
    rational, beta = sp.field(MOMENTUM.name, sp.QQ)
    one, zero = rational.one, rational.zero
    # The root l = 1 + c_1 x + .. of l^2 - (1 + beta + x) l + beta = 0, where (1 - beta) c_1 = 1.  Its next coefficient
    # changes the logarithms below in the ratio of their first coefficients, and leaves the delay to first order alone.
    large = (one, one / (1 - beta), zero)
    small = tuple(beta * c for c in _quotient((one, zero, zero), large))
    growth = _log_coefficients(large)
    ratio = _log_coefficients(
        _quotient(
            tuple(a - b for a, b in zip(large, small, strict=True)),
            tuple(a - b for a, b in zip((one, zero, zero), small, strict=True)),
        )
    )
    lost = [a - b for a, b in zip(ratio, growth, strict=True)]
    # (lost_1 + lost_2 x)/(growth_1 + growth_2 x) to first order.
    delay = (lost[0] / growth[0], (lost[1] * growth[0] - lost[0] * growth[1]) / growth[0] ** 2)
    first, second = (sp.factor(_in_beta(c)) for c in delay)
    return first, second


def _quotient(above: Sequence[Any], below: Sequence[Any]) -> tuple[Any, ...]:
    """Coefficients of the quotient of two power series in x, given by as many of their own; below[0] is not 0."""
    found: list[Any] = []
    for k, coefficient in enumerate(above):
        found.append((coefficient - sum(below[j] * found[k - j] for j in range(1, k + 1))) / below[0])
    return tuple(found)


def _log_coefficients(f: Sequence[Any]) -> tuple[Any, Any]:
    """Coefficients of x and x^2 in log f, for f = 1 + f_1 x + f_2 x^2."""
    return f[1], f[2] - f[1] ** 2 / 2


def sgd_steps(small_layers: int) -> StepLaw:
    """Mean number of steps of minibatch descent, overshoot excluded.

    n = t/eta + (1 + v)(r - 1)/2 log(theta/eps) + O(eta).
    The remaining time T(y), T' = -1/F, changes in one step y -> y + eta xi F by -eta xi + eta^2 xi^2 F'/2 + ..., with
    E xi = 1 and E xi^2 = 1 + v: the noise is a factor of F, so it changes no exponent and leaves no floor.
    """
    clock = RATE * SCALE ** (_check(small_layers) - 1)
    remaining = [-1 / clock]  # T' and its derivatives
    remaining.append(sp.diff(remaining[0], SCALE))
    moments = (sp.Integer(1), 1 + SPREAD)
    change = [moments[k] * clock ** (k + 1) * remaining[k] / factorial(k + 1) for k in (0, 1)]  # of E T, per eta^{k+1}
    # n = int dT/(change per step) = int dy/F (1/eta + change_2 + ...), since change_1 = -1.
    terms = {-1: _from_eps_to_theta(1 / clock), 0: _from_eps_to_theta(sp.cancel(change[1] / clock))}
    return StepLaw(terms, sp.Integer(0))


def gradient_descent_steps(small_layers: int, order: int = 2) -> StepLaw:
    """n eta - t_flow = (eta/2)(r - 1) log(theta/eps) + O(eta^2): heavy ball with beta = 0."""
    return heavy_ball_steps(small_layers, order, 0)


def sign_descent_steps() -> sp.Expr:
    """(theta - eps)/eta: no blow-up and no dependence on r."""
    return _from_eps_to_theta(1 / STEP)


def adam_steps(small_layers: int) -> sp.Expr:
    """int dy (F + delta)/(eta F): the steps of sign descent plus (delta/eta) t_flow."""
    clock = RATE * SCALE ** (_check(small_layers) - 1)
    return sp.expand(_from_eps_to_theta(sp.expand((clock + DAMPING) / (STEP * clock))))


def adam_memory(small_layers: int, beta1: object, beta2: object) -> sp.Expr:
    """What the memories of Adam's moments, and finite steps, add to `adam_steps`: a number of steps, leading in eta.

    The moments lag by tau_i = beta_i/(1 - beta_i) steps: m = F - tau_1 dF/dn, sqrt(v) = F - tau_2 dF/dn (corrected for
    bias, so that a start on the plateau costs nothing). Hence
    dn = dy (F + delta)/(eta F) + (tau_1 F'/F - tau_2 F'/(F + delta)) dy,
    and half a step of every log of the speed h = eta F/(F + delta), as in gradient descent.
    """
    clock = RATE * SCALE ** (_check(small_layers) - 1)
    lag1, lag2 = (sp.sympify(beta) / (1 - sp.sympify(beta)) for beta in (beta1, beta2))

    def grown(x: sp.Expr) -> sp.Expr:
        return sp.log(x.subs(SCALE, THRESHOLD) / x.subs(SCALE, EPS))

    half = sp.Rational(1, 2) * grown(clock / (clock + DAMPING))
    return lag1 * grown(clock) - lag2 * grown(clock + DAMPING) + half


def adam_crossover(small_layers: int) -> sp.Expr:
    """eps_c, below which the power law is back: delta t_flow, leading in eps, equals theta. ValueError if r < 3."""
    if _check(small_layers) < 3:
        raise ValueError(f"the flow has a power law, and Adam a crossover, for r >= 3 only, got {small_layers}")
    leading = next(term for term in sp.Add.make_args(escape_integral(small_layers)) if term.has(EPS))
    coefficient, power = sp.expand(DAMPING * leading / RATE).as_coeff_exponent(EPS)  # coefficient eps^power = theta
    return sp.powdenest((THRESHOLD / coefficient) ** (1 / power), force=True)


def noise_floor(small_layers: int) -> NoiseLaw:
    """The scale l and time tau at which drift and noise balance: l/tau = K l^{r-1} and l = sigma sqrt(tau).

    In y/l and t/tau the equation has no parameter left, so an escape from below l takes a pure number times tau.
    """
    r = _check(small_layers)
    length, time = sp.symbols("l tau", positive=True)
    # l = sigma sqrt(tau) gives tau = l^2/sigma^2; the balance of the drift then is one power equation for l.
    duration = sp.solve(sp.Eq(length, NOISE * sp.sqrt(time)), time)[0]
    ratio = sp.powsimp(length / duration / (RATE * length ** (r - 1)))
    coefficient, power = ratio.as_coeff_exponent(length)
    scale = sp.powdenest(coefficient ** (-1 / power), force=True)
    return NoiseLaw(sp.expand_power_base(scale), sp.powsimp(sp.powdenest(duration.subs(length, scale), force=True)))


@dataclass(frozen=True)
class NoisyEscape:
    """Mean time from y = 0 to infinity, and what a finite threshold takes off: terms in falling order of size.

    The terms are powers of sigma^2/(K theta^r) times theta^{2-r}/K; each is the next omitted one of those before it.
    """

    to_infinity: sp.Expr
    beyond_threshold: tuple[sp.Expr, ...]


def noise_escape_time(small_layers: int, order: int = 3) -> NoisyEscape:
    """Mean passage time from y = 0 of dy = K y^{r-1} dt + sigma dB (|y| for even r): a pure number times tau.

    With V = y^r/r and lengths in l, times in tau, it is 2 int_0^inf dy int_a^y dz exp(-2 (V(y) - V(z))), a = 0 for even
    r (reflection at 0) and -inf for odd r. z = y s makes the integral over y a gamma function and the rest a beta
    function. Beyond the threshold F T' + (sigma^2/2) T'' = -1 is solved in powers of sigma^2. ValueError if r < 3: then
    infinity is not reached in finite time.
    """
    r = _check(small_layers)
    if r < 3:
        raise ValueError(f"the noisy clock reaches infinity in finite time for r >= 3 only, got {r}")
    radial = sp.gamma(sp.Rational(2, r)) * sp.Rational(r, 2) ** sp.Rational(2, r) / r  # times (1 -+ |s|^r)^{-2/r}
    angular = sp.beta(sp.Rational(1, r), 1 - sp.Rational(2, r)) / r  # 0 < s < 1
    if r % 2:
        angular += sp.beta(sp.Rational(1, r), sp.Rational(1, r)) / r  # s < 0
    clock = RATE * SCALE ** (r - 1)
    slope, beyond = -1 / clock, []
    for _ in range(order):
        power = sp.degree(sp.denom(slope), SCALE)
        beyond.append((-slope * SCALE / (power - 1)).subs(SCALE, THRESHOLD))  # int_theta^inf of a negative power
        slope = sp.cancel(-(NOISE**2) / 2 * sp.diff(slope, SCALE) / clock)
    return NoisyEscape(2 * radial * angular * noise_floor(r).time, tuple(beyond))


def _from_eps_to_theta(integrand: sp.Expr) -> sp.Expr:
    """int_eps^theta of a sum of powers of y."""
    total = sp.Integer(0)
    for term in sp.Add.make_args(sp.expand(integrand)):
        coefficient, power = term.as_coeff_exponent(SCALE)
        total += coefficient * power_integral(int(power))
    return total


def _check(small_layers: int) -> int:
    if isinstance(small_layers, bool) or not isinstance(small_layers, int) or small_layers < 1:
        raise ValueError(f"the number of small layers must be an integer r >= 1, got {small_layers!r}")
    return small_layers
