"""The escape time of one network, predicted with certified numbers: what `saddle-escape predict` prints.

K_eff t = leading term + corrections + constant (THEORY section 3, T5), equal start eps of the small layers, O(1) scales
xi elsewhere, x ~ N(0, I), y = beta t(v.x). eps is X_l in ntk and F_l = |W_l|_F in plain; time is gradient-flow time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import flint
from flint import arb

from symbolic.activations import Activation
from symbolic.certified_constants import CertifiedConstants
from symbolic.certified_values import Scalar, fraction_ball, network_constants, positive_fraction
from symbolic.chains import working_bits
from symbolic.correction import EscapeExpansion, ExpansionTerm, Origin, expansion_terms
from symbolic.escape import Regime, escape_law
from symbolic.expansion_series import threshold_coefficients
from symbolic.moments import Constant, constant_from_ball, moment
from symbolic.rate import ALPHA
from symbolic.reduced_gains import ReducedGains

if TYPE_CHECKING:
    import sympy

Ball = Any  # flint.arb


@dataclass(frozen=True)
class PredictedTerm:
    """coefficient * eps^eps_power * log(1/eps)^log_power of K_eff t, and its value.

    The constant, which the escape rule fixes, has coefficient None; its value is None unless a threshold was given.
    """

    coefficient: Constant | None
    eps_power: int
    log_power: int
    origin: Origin
    value: Constant | None


@dataclass(frozen=True)
class EscapePrediction:
    """The law, its rate, every term of K_eff t and the time.

    exponent: power of eps in the time, -(r-2) for r >= 3 and 0 else; logarithm: whether log(1/eps) leads (r = 2).
    time is t itself, without the constant when no threshold was given (then None for r <= 2, where nothing is left).
    remainder_power: the first power of eps in K_eff t that is left out, beyond the constant.
    """

    depth: int
    small: tuple[int, ...]
    eps: Fraction
    regime: Regime
    exponent: int
    logarithm: bool
    K_eff: Constant
    terms: tuple[PredictedTerm, ...]
    time: Constant | None
    remainder_power: int


def predict_escape(
    activation: Activation,
    depth: int,
    small: Sequence[int] | int | None = None,
    eps: Scalar = Fraction(1, 100),
    width: int = 64,
    parameterisation: str | ReducedGains = "ntk",
    scales: Sequence[Scalar] | None = None,
    teacher: Activation | None = None,
    beta: Scalar = 1,
    threshold: Scalar | None = None,
    digits: int = 30,
) -> EscapePrediction:
    """Predict the escape from the saddle at scale eps.

    small: the layers that start at eps (all for None, the first `small` for an int); scales: xi_l of all L layers, read
    where the layer is not small (1 by default); teacher: t, the student's activation by default; threshold: escape is
    read where the geometric mean of the small layers reaches it, the constant then being predicted up to O(threshold).
    ValueError when the hypotheses of the law fail: class D or outside, or no positive alignment E[y g] K > 0.
    """
    constants = network_constants(activation, depth, small, width, parameterisation, scales, teacher, beta, digits)
    net = constants.net
    start = positive_fraction(eps, "eps")
    law = escape_law(depth, net.small, constants.gains)
    with flint.ctx.workprec(working_bits(digits + 10)):
        rate = _positive_rate(constants.effective_rate())
        expansion = expansion_terms(net, constants, constants.curved_powers())
        constant = None if threshold is None else _constant_ball(constants, positive_fraction(threshold, "threshold"))
        values = [_value(term, start, constant) for term in expansion.terms]
        return EscapePrediction(
            depth,
            net.small,
            start,
            law.regime,
            law.exponent,
            law.logarithm,
            constant_from_ball(rate, digits, _closed_rate(constants)),
            tuple(_predicted(t, v, digits) for t, v in zip(expansion.terms, values, strict=True)),
            _time(expansion, values, rate, digits),
            expansion.remainder_power,
        )


def _positive_rate(rate: Ball) -> Ball:
    if not rate > 0:
        raise ValueError(
            f"the law needs positive alignment, K_eff > 0, and here K_eff = {rate.str(10)}: a start of the wrong sign "
            "never escapes, and with E[y u] = 0 the escape follows another clock"
        )
    return rate


def _constant_ball(constants: CertifiedConstants, threshold: Fraction) -> Ball:
    theta, total = fraction_ball(threshold), arb(0)
    for (power, logs), coefficient in threshold_coefficients(constants.net, constants).items():
        total = total + coefficient * theta**power * theta.log() ** logs
    return total


def _value(term: ExpansionTerm, eps: Fraction, constant: Ball | None) -> Ball | None:
    if term.coefficient is None:
        return constant
    return term.coefficient * fraction_ball(eps) ** term.eps_power * (1 / fraction_ball(eps)).log() ** term.log_power


def _time(expansion: EscapeExpansion, values: list[Ball | None], rate: Ball, digits: int) -> Constant | None:
    known = [value for value in values if value is not None]
    if len(known) < len(values) and len(expansion.net.small) <= 2:
        return None
    return constant_from_ball(sum(known, arb(0)) / rate, digits)


def _predicted(term: ExpansionTerm, value: Ball | None, digits: int) -> PredictedTerm:
    coefficient = None if term.coefficient is None else constant_from_ball(term.coefficient, digits)
    shown = None if value is None else constant_from_ball(value, digits)
    return PredictedTerm(coefficient, term.eps_power, term.log_power, term.origin, shown)


def _closed_rate(constants: CertifiedConstants) -> sympy.Expr | None:
    """K_eff as an exact expression, where E[y u] has one and the first layer is small."""
    from symbolic.prefactors import derivative_at_zero
    from symbolic.rate import effective_rate
    from symbolic.translate import exact_to_sympy, fraction_to_sympy

    if constants.homogeneous or constants.net.before:
        return None
    overlap = moment(constants.teacher, 1, constants.beta, constants.digits).closed_form
    if overlap is None:
        return None
    scales = [fraction_to_sympy(scale) for scale in constants.scales]
    rate = effective_rate(constants.net.depth, constants.net.small, constants.gains, scales)
    return rate.coefficient.subs(ALPHA, exact_to_sympy(derivative_at_zero(constants.activation))) * overlap
