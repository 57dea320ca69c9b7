"""What the claims about optimisers share: the clock, the nets, and how their corrections are read off."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from verify.claim import Case, Hypothesis
from verify.hypotheses import leaves_the_origin_at_first_order, smooth_at_the_origin
from verify.values import Budget, Measurement

if TYPE_CHECKING:
    import numeric

# The clock y' = K y^{r-1}. K is not 1, so that a lost factor of K shows; eps is far enough from theta for the logarithm
# to count, and near enough for a few thousand steps to do.
RATE, START, THRESHOLD = 1.25, 0.2, 1.0
LIMIT = 200_000  # steps; ten times what any case takes
# He nets: narrow, because the statements do not speak of the width; four seeds, because they speak of each.
WIDTH, INPUTS, BATCH, SEEDS = 8, 4, 16, range(4)
FLOW_TOLERANCE = 1e-8  # of the flow that the steps are compared with; its own error estimate enters the budget
LEVEL = 1 - 1e-5  # two-sided, a case


def on_a_net(case: Case) -> bool:
    """Whether the case is measured on He nets, not on the clock."""
    return case.word("check") == "net"


def _or_clock(hypothesis: Hypothesis) -> Hypothesis:
    return Hypothesis(hypothesis.name, lambda case: not _has(case, "activation") or hypothesis.holds(case))


def _has(case: Case, name: str) -> bool:
    return name in dict(case.parameters)


ASSUMES = (
    _or_clock(smooth_at_the_origin("activation")),
    _or_clock(leaves_the_origin_at_first_order("activation")),
    Hypothesis("all r bottleneck layers start at the scale eps; on the clock, y(0) = eps"),
    Hypothesis("the step is small where the nonlinearity of the clock is felt: eta K theta^(r-2) << 1"),
)


def substituted(expression: Any, **values: float) -> float:
    """A formula of ``symbolic`` at the case's numbers: eps, theta, K, eta, delta, sigma, v by name."""
    import sympy

    names = {str(symbol): symbol for symbol in sympy.sympify(expression).free_symbols}
    return float(sympy.sympify(expression).subs({names[key]: value for key, value in values.items() if key in names}))


def he_nets(case: Case, ladder: tuple[float, ...], seeds: range) -> tuple[Any, Any, Any]:
    """(net, weights, data): He starts of ``seeds`` at every eps, the first r layers small; one batch for each seed."""
    import numeric

    net = numeric.uniform_network(
        case.integer("L"), WIDTH, INPUTS, numeric.activation(case.word("activation")), "plain"
    )
    small = tuple(range(1, case.integer("r") + 1))
    weights = numeric.he_start(net, seeds, small, ladder)
    return net, weights, numeric.single_mode_batches(net, seeds, BATCH, copies=len(ladder))


def correction_on_nets(
    case: Case,
    ladder: tuple[float, ...],
    make: Callable[[float], numeric.Optimiser],
    learning_rate: float,
    flow_factor: float,
) -> Measurement:
    """How much n - flow_factor t_flow/eta grows when eps is halved, mean of the seeds; ladder: eps, eps/2, eps/4.

    The flow runs from the same weights. The correction of next order in eta is taken off by a run with twice the
    step, and what it amounts to is the budget for those that follow; to it come the flow's own error estimate and the
    drift.
    """
    import numpy as np

    import numeric

    net, weights, data = he_nets(case, ladder, SEEDS)
    options = numeric.FlowOptions(rtol=FLOW_TOLERANCE)
    flow = numeric.gradient_flow(net, weights, data, escape="loss:0.5", estimate_error=True, options=options)
    times = flow.escape_times.numpy()
    growth = {}
    for eta in (2 * learning_rate, learning_rate):
        excess = numeric.real_steps(net, weights, data, make(eta), LIMIT) - flow_factor * times / eta
        growth[eta] = np.diff(excess.reshape(len(ladder), -1), axis=0).mean(axis=1)
    fine, rough = growth[learning_rate], growth[2 * learning_rate]
    if not np.isfinite([fine, rough]).all():
        return Measurement(math.nan, problem="a member did not escape within the number of steps")
    error = 2 * flow_factor * float(flow.error_estimates.max()) / learning_rate
    settled, drift = 2 * fine - rough, abs((2 * fine - rough)[-1] - (2 * fine - rough)[-2])
    return Measurement(
        float(settled[-1]),
        f"growth of n - {flow_factor:g} t/eta, eps = {ladder[-2]:g} to {ladder[-1]:g}, {len(SEEDS)} He nets, loss:0.5",
        "steps",
        Budget(
            discretisation=float(abs(fine[-1] - rough[-1])) + error,
            # The next correction is of order eps; order 1/2 bounds it from the drift, with room for what follows.
            finite_eps=float(drift) / (math.sqrt(2) - 1),
        ),
    )
