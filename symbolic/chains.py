"""Certified Gaussian expectations of products of chains u -> s_m(xi_m s(... s_1(xi_1 u))).

Arb's adaptive integration between the kinks on [-R, R], and an explicit bound of the tail beyond R
(``symbolic.envelopes``). Where a kink's argument is affine in u, the integrand between two cuts is the active branch
alone, analytic across the cuts, so that kinks cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, reduce
from typing import Any

import flint
from flint import acb, arb, fmpq

from symbolic import balls, envelopes, exact
from symbolic.activations import Activation
from symbolic.envelopes import Growth
from symbolic.exact import Exact, number
from symbolic.pieces import IDENTITY, Affine, Interval, affine, resolve
from symbolic.translate import tree_parity
from symbolic.trees import Tree

Ball = Any  # flint.arb
MOST_DIGITS = 1000
LARGEST_RADIUS = 400
EVALUATIONS_PER_BIT = 120  # a kink that is not resolved costs some ten evaluations per bit, a singularity never ends
COARSE_DIGITS = 2
Links = tuple[tuple[Fraction, Tree], ...]


@dataclass(frozen=True)
class Chain:
    """A factor of a Gaussian expectation: u -> (s_m(xi_m ... s_1(xi_1 u)))**exponent; without links u**exponent.

    ``links`` lists (xi_1, s_1) first. Scales are exact; a float is taken at its exact binary value.
    """

    links: tuple[tuple[Fraction, Activation], ...]
    exponent: int = 1

    @staticmethod
    def of(*links: tuple[Fraction | int | float, Activation], exponent: int = 1) -> Chain:
        """A chain with scales of any exact or binary type."""
        return Chain(tuple((Fraction(scale), link) for scale, link in links), exponent)


def working_bits(digits: int) -> int:
    """Working precision for a number of digits; 32 guard bits, sums of a few hundred terms lose far fewer."""
    return int(digits * 3.3219281) + 32


@lru_cache(maxsize=1024)
def expectation_ball(chains: tuple[Chain, ...], digits: int) -> Ball:
    """E[prod of the chains at u], u ~ N(0, 1), as an Arb ball of about ``digits`` digits.

    Raises ValueError when no tail bound is found or the integral may diverge.
    """
    if not chains:
        return arb(1)
    if not 1 <= digits <= MOST_DIGITS:
        raise ValueError(f"expected between 1 and {MOST_DIGITS} digits, got {digits}")
    parity: int | None = reduce(_times, [_chain_parity(chain) for chain in chains])
    if parity == -1:
        _integrated(
            chains, True, COARSE_DIGITS, working_bits(COARSE_DIGITS)
        )  # zero only if the half-line integral exists
        return arb(0)
    even, lost, before = parity == 1, 0, None
    while True:
        total = _integrated(chains, even, digits, working_bits(digits) + lost)
        missing = _missing_bits(total, digits)
        if missing <= 0 or (before is not None and missing > before // 2):
            return total  # a wider enclosure than was asked for, where more precision does not help
        lost += missing + 16  # pieces cancelled, or the integrand is large
        before = missing


def _missing_bits(ball: Ball, digits: int) -> int:
    """How many bits the radius is above 10^-digits, relative to the value or, below 1 and near 0, absolute."""
    with flint.ctx.workprec(64):
        goal = arb(10) ** (-digits) * max(1, abs(ball).lower() if not ball.contains(0) else 1)
        if ball.rad() <= goal:
            return 0
        return int(float((ball.rad() / goal).log() / arb(2).log())) + 1


def _integrated(chains: tuple[Chain, ...], even: bool, digits: int, bits: int) -> Ball:
    """Integral over the line, tails included; an even integrand is twice its right half."""
    with flint.ctx.workprec(bits):
        tolerance = arb(10) ** (-(digits + 4))
        truncations = [_truncation(chains, side, tolerance) for side in ((1,) if even else (1, -1))]
        end = number(max(radius for radius, _ in truncations))
        tail = sum((bound for _, bound in truncations), arb(0)).upper()
        window = Interval(number(0) if even else -end, end)
        total = arb(0, tail)
        for interval, pieces in _chain_pieces(chains, window):
            total += _between(interval, pieces, bits, tolerance)
        return 2 * total if even else total


Piece = tuple[tuple[Links, int], ...]  # for each chain its links without the resolved kinks, and its exponent


def _chain_pieces(chains: Sequence[Chain], window: Interval) -> list[tuple[Interval, Piece]]:
    """The window cut at the affine kinks of all chains."""
    pieces: list[tuple[Interval, Piece]] = [(window, ())]
    for chain in chains:
        links = tuple((scale, link.elementary) for scale, link in chain.links)
        pieces = [
            (cut, (*before, (resolved, chain.exponent)))
            for interval, before in pieces
            for cut, resolved in _link_pieces(links, IDENTITY, interval)
        ]
    return pieces


def _link_pieces(links: Links, argument: Affine | None, interval: Interval) -> list[tuple[Interval, Links]]:
    """One chain's links with their affine kinks resolved; ``argument`` is what enters the first of them."""
    if not links:
        return [(interval, ())]
    (scale, tree), *rest = links
    entering = None if argument is None else argument.scaled(number(_rational(scale)))
    return [
        (cut, ((scale, piece), *after))
        for part, piece in resolve(tree, entering, interval)
        for cut, after in _link_pieces(tuple(rest), affine(piece, entering), part)
    ]


def _between(interval: Interval, pieces: Piece, bits: int, tolerance: Ball) -> Ball:
    """Integral over one interval of the product of the resolved chains times the Gaussian density."""
    root = 1 / (2 * arb.pi()).sqrt()
    stopped: list[BaseException] = []

    def integrand(u: Ball, analytic: bool) -> Ball:
        # Arb goes on calling after an exception (Ctrl-C, say) and loses it: keep it, and say nothing from then on.
        if stopped:
            return balls.undefined()
        try:
            value = (-u * u / 2).exp() * root
            for links, exponent in pieces:
                value = value * _chain_value(links, u, analytic) ** exponent
        except BaseException as error:
            stopped.append(error)
            return balls.undefined()
        return value

    ends = [acb(_end(end, bits)) for end in (interval.low, interval.high)]
    value = acb.integral(integrand, *ends, rel_tol=tolerance, abs_tol=tolerance, eval_limit=EVALUATIONS_PER_BIT * bits)
    if stopped:
        raise stopped[0]
    if not value.is_finite():
        raise ValueError(
            "the Gaussian integral was not bounded: the activation may have a singularity on the real line"
        )
    if not value.imag.contains(0):
        raise ValueError("expected a real activation, got one with complex values on the real line")
    return value.real


def _end(end: Exact | None, bits: int) -> Ball:
    assert end is not None
    return exact.enclosure(end, bits)


def _chain_value(links: Links, u: Ball, analytic: bool) -> Ball:
    value = u
    for scale, tree in links:
        value = balls.evaluate(tree, value * _rational(scale), analytic)
    return value


def _rational(value: Fraction) -> Any:
    return fmpq(value.numerator, value.denominator)


def _chain_parity(chain: Chain) -> int | None:
    """+1 even, -1 odd, None neither, for the chain as a function of u."""
    parity: int | None = -1
    for _, activation in chain.links:
        kind = tree_parity(activation.elementary)
        if kind == "even" and parity is not None:
            parity = 1
        elif kind == "none":
            parity = 1 if parity == 1 else None
    if parity == -1:
        return 1 if chain.exponent % 2 == 0 else -1
    return parity


def _times(left: int | None, right: int | None) -> int | None:
    """Parity of a product."""
    return None if left is None or right is None else left * right


def _truncation(chains: Sequence[Chain], side: int, tolerance: Ball) -> tuple[int, Ball]:
    """The end R of the integration and a bound of the integral of |integrand| over the tail beyond it."""
    last_error = "no bound on the tail was small enough"
    radius = 8
    while radius <= LARGEST_RADIUS:
        try:
            bound = _tail_bound(chains, side, arb(radius))
        except ValueError as error:
            last_error, bound = str(error), None
        if bound is not None and bound < tolerance:
            return radius, bound.upper()
        radius += 1 if radius < 40 else 20
    raise ValueError(f"{last_error}: the Gaussian expectation may diverge, or the activation needs a simpler form")


def _tail_bound(chains: Sequence[Chain], side: int, start: Ball) -> Ball | None:
    """Bound of int_R^inf |prod chains| phi(u) du: the envelope decays at least like exp(-slope (u - R))."""
    total = envelopes.constant(arb(1))
    for chain in chains:
        variable = envelopes.tail_variable(start, side)
        for scale, activation in chain.links:
            scaled = envelopes.product(envelopes.constant(arb(_rational(scale))), variable)
            variable = envelopes.growth(activation.elementary, scaled)
        total = envelopes.product(total, _power(variable, chain.exponent))
    slope = (1 - 2 * total.curvature) * start - total.rate - total.degree / (1 + start)
    if not slope > 0 or not 1 - 2 * total.curvature > 0:
        return None
    exponent = total.rate * start + (total.curvature - arb(1) / 2) * start * start
    return total.factor * (1 + start) ** total.degree * exponent.exp() / ((2 * arb.pi()).sqrt() * slope)


def _power(growth: Growth, exponent: int) -> Growth:
    return envelopes.rational_power(growth, fmpq(exponent))
