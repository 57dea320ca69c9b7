"""The numbers of the stage-1 saddle of the block ansatz, enclosed: A, B, M, the loop gain and the growth rate.

THEORY section 5: A = b_1^2 E[s'^2]/n, B = n E[s^2], M = b_2 E[g s] E[s'], G = M^2/(A B), and the collective pair
grows at rate -(A+B)/2 + sqrt(((A-B)/2)^2 + M^2) (``block_ansatz`` proves the Hessian). Since E[g s] = E[s'] = h for a
continuous s and h^2 is at most E[s^2] and at most E[s'^2] (the first Hermite coefficient of either), G <=
(b_2/b_1)^2, with equality for linear s.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from flint import arb, ctx, fmpq

from symbolic.activations import Activation, activation_from_tree
from symbolic.chains import Chain, expectation_ball, working_bits
from symbolic.moments import Constant, constant_from_ball
from symbolic.tree_calculus import derivative
from symbolic.trees import Z

Ball = Any  # flint.arb


@dataclass(frozen=True)
class StagePair:
    """The collective pair at the stage-1 saddle: Hessian [[A, -M], [-M, B]], G = M^2/(A B), largest eigenvalue of -H.

    ``unstable`` is True when G > 1 is certain, False when G < 1 is certain, None when the enclosure of G contains 1.
    """

    A: Constant
    B: Constant
    M: Constant
    gain: Constant
    growth_rate: Constant
    unstable: bool | None


def stage_pair(
    activation: Activation,
    first_amplitude: Fraction | int,
    second_amplitude: Fraction | int,
    group_size: int = 1,
    digits: int = 30,
) -> StagePair:
    """The pair for teacher amplitudes b_1, b_2 and groups of n units; x ~ N(0, I), orthonormal modes, vector output.

    Raises ValueError for an activation that is not odd (the saddle exists for odd s only), b_1 = 0 or n < 1.
    """
    if activation.parity != "odd":
        raise ValueError(f"expected an odd activation, got {activation.name}: the ansatz is invariant for odd s only")
    if first_amplitude == 0 or group_size < 1:
        raise ValueError(f"expected b_1 not 0 and n >= 1, got {first_amplitude} and {group_size}")
    slope = slope_of(activation)
    value_chain, slope_chain, linear = Chain.of((1, activation)), Chain.of((1, slope)), Chain((), 1)
    with ctx.workprec(working_bits(digits)):
        b_1, b_2, n = (_ball(Fraction(value)) for value in (first_amplitude, second_amplitude, group_size))
        A = b_1**2 * expectation_ball((slope_chain, slope_chain), digits) / n
        B = n * expectation_ball((value_chain, value_chain), digits)
        M = b_2 * expectation_ball((linear, value_chain), digits) * expectation_ball((slope_chain,), digits)
        gain = M**2 / (A * B)
        # The positive root of x^2 + (A + B) x + A B - M^2, written without cancellation of A + B against the root.
        rate = 2 * (M**2 - A * B) / (A + B + ((A - B) ** 2 + 4 * M**2).sqrt())
        unstable = True if gain > 1 else False if gain < 1 else None
        A, B, M, gain, rate = (constant_from_ball(ball, digits) for ball in (A, B, M, gain, rate))
    return StagePair(A, B, M, gain, rate, unstable)


def slope_of(activation: Activation) -> Activation:
    """s' as an activation of its own, for expectations of chains."""
    return activation_from_tree(derivative(activation.elementary, Z), f"derivative of {activation.name}")


def _ball(value: Fraction) -> Ball:
    return arb(fmpq(value.numerator, value.denominator))
