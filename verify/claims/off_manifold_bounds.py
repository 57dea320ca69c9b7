"""T6: Theorem A (a lower bound on the growth of the overlap, at any width and alignment) and Theorem B (the clock)."""

from __future__ import annotations

import math
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.hypotheses import leaves_the_origin_at_first_order, smooth_at_the_origin
from verify.values import Budget, Combination, Evidence, Form, Measurement, Prediction

WIDTH, INPUTS, BATCH = 8, 5, 32
MEMBERS = 4  # random starts of a case; every one of them has to obey
# Where the flow is looked at besides its start: f in units of E|y|^2, on the way and close to the blow-up.
LEVELS = (1e2, 1e20)
ALIGNED_SCALE = 0.5  # not 1, where every power is the same

CONTIGUOUS = Hypothesis(
    "the bottleneck is contiguous and lies in the net",
    lambda case: _is_proof(case) or _first(case) + case.integer("r") - 1 <= case.integer("L"),
)


def _is_proof(case: Case) -> bool:
    return dict(case.parameters).get("check") == "proof"


def _first(case: Case) -> int:
    return int(dict(case.parameters).get("first", 1))


def _smooth(hypothesis: Hypothesis) -> Hypothesis:
    """The hypothesis on the activation; a proof has none, its letters stand for the slopes."""
    return Hypothesis(hypothesis.name, lambda case: _is_proof(case) or hypothesis.holds(case))


ASSUMES = (
    CONTIGUOUS,
    _smooth(smooth_at_the_origin("activation")),
    _smooth(leaves_the_origin_at_first_order("activation")),
)


def _log_alpha(case: Case) -> float:
    """(L - b) ln alpha: the slopes of the activations from the first small layer b on."""
    import symbolic

    alpha = symbolic.classify(symbolic.activation(case.word("activation"))).alpha
    return (case.integer("L") - _first(case)) * math.log(float(alpha))


def _problem(case: Case, context: Context, members: int = MEMBERS) -> Any:
    """The bottleneck of He-normal nets on Gaussian batches, or one that is balanced and aligned."""
    import torch

    import numeric

    depth, r, first = case.integer("L"), case.integer("r"), _first(case)
    net = numeric.uniform_network(depth, WIDTH, INPUTS, numeric.activation(case.word("activation")))
    seeds = range(context.seed % 2**31, context.seed % 2**31 + members)
    data = numeric.single_mode_batches(net, seeds, BATCH)
    small = range(first, first + r)
    if case.word("start") == "he":
        return numeric.bottleneck_net(net, numeric.he_start(net, seeds), small, data)
    # Rank one along m = E[y x] of each member's own batch.
    parts = [
        numeric.aligned_start(net, (ALIGNED_SCALE,) * depth, m[0], (seed,))
        for seed, m in zip(seeds, data.correlation(), strict=True)
    ]
    return numeric.bottleneck_net(net, [torch.cat(layer) for layer in zip(*parts, strict=True)], small, data)


def _mean(values: Any) -> float:
    return float(values.mean())


# --- Theorem A -------------------------------------------------------------------------------------------------------


def _sides(case: Case, reading: str = "exact") -> Any:
    import symbolic

    r, statement = case.integer("r"), case.word("statement")
    if statement == "equality":
        return symbolic.equality_case(r, reading)  # type: ignore[arg-type]
    return symbolic.overlap_identity(statement, case.integer("l"), (2,) * (r + 1))  # type: ignore[arg-type]


def _bound(case: Case, *, factor: float | None = None, power: float | None = None, alpha: float = 1.0) -> Prediction:
    """ln T = ln(r Gamma^{2/r} f^{2-2/r}) + the two gaps, which are zero iff balanced, and iff aligned."""
    r = case.integer("r")
    parts = {
        "1": math.log(r if factor is None else factor) + alpha * 2 / r * _log_alpha(case),
        "ln |a||m|": 2 / r,
        "ln f": 2 - 2 / r if power is None else power,
    }
    gaps: dict[str, float] = {}
    if case.word("start") == "he":
        gaps = {"ln imbalance factor": 1.0, "ln misalignment factor": 1 / r}
    return Prediction(
        {"ln T": Combination(parts | gaps), "imbalance": Combination({}), "misalignment": Combination({})},
        "T = r Gamma^(2/r) f^(2-2/r) times factors >= 1, which are 1 iff balanced and aligned",
    )


def _theorem_a(case: Case) -> Prediction:
    return Prediction(Form(_sides(case).claimed), case.word("statement")) if _is_proof(case) else _bound(case)


def _measure_theorem_a(case: Case, context: Context) -> Measurement:
    if _is_proof(case):
        measured = _sides(case).measured
        return Measurement(Form(measured), f"{len(measured)} monomials by differentiation of a.W_r ... W_1 m")
    import torch

    import numeric

    # f > 0 in about half of the nets; the theorem is silent on the others.
    problem = _problem(case, context, 8 * MEMBERS)
    at = numeric.leading_order_at(problem.net, problem.weights, problem.data)
    kept = at.overlap > 0
    if not bool(kept.any()):
        return Measurement(math.nan, problem="f > 0 in none of the nets")
    imbalance, misalignment = at.log_imbalance[kept], at.log_misalignment[kept]
    # Aligned and balanced both gaps are zero; elsewhere they are nowhere negative.
    he = case.word("start") == "he"
    gaps = (max(0.0, -float(g.min())) if he else float(g.abs().max()) for g in (imbalance, misalignment))
    # f is a sum whose terms cancel: its rounding is relative to the product of the norms.
    terms = (sum(problem.net.widths) + BATCH) * torch.finfo(torch.float64).eps
    cancelled = at.gamma * at.operator_norms.prod(-1) / at.overlap
    return Measurement(
        dict(zip(("ln T", "imbalance", "misalignment"), (_mean(at.total[kept].log()), *gaps), strict=True)),
        f"means over {int(kept.sum())} nets with f > 0, width {WIDTH}, batch {BATCH}; T by autograd",
        "",
        Budget(rounding=terms * float(cancelled[kept].max()) * 2 * problem.net.depth),
        {
            "1": 1.0,
            "ln |a||m|": _mean(problem.bare_gamma[kept].log()),
            "ln f": _mean(at.overlap[kept].log()),
            "ln imbalance factor": _mean(imbalance),
            "ln misalignment factor": _mean(misalignment),
        },
        Evidence.NUMERICAL,
    )


def _altered_bound(name: str, reading: str, *, nearest: bool = False) -> Counterfeit:
    def alter(case: Case, _: Prediction) -> Prediction | None:
        if _is_proof(case):
            if case.word("statement") != "equality":
                return None  # the steps of the proof do not contain the bound
            return Prediction(Form(_sides(case, reading).claimed))
        r = case.integer("r")
        return {
            "no-factor-r": lambda: _bound(case, factor=1),
            "printed-power": lambda: _bound(case, power=1 - 1 / r),
            "power-too-high": lambda: _bound(case, power=2 - 1 / r),
        }[reading]()

    return Counterfeit(name, alter, nearest=nearest)


def _all_slopes(case: Case, _: Prediction) -> Prediction | None:
    if _is_proof(case) or _log_alpha(case) == 0:
        return None
    depth, first = case.integer("L"), _first(case)
    return _bound(case, alpha=(depth - first + 1) / (depth - first))


# --- Theorem B -------------------------------------------------------------------------------------------------------


def _upper(case: Case, *, factor: float = 1.0, power: float | None = None, r: int | None = None) -> Prediction:
    """ln of f^{-(r-2)/r} / ((r-2) Gamma^{2/r})."""
    r = case.integer("r") if r is None else r
    late = {
        "1": -math.log(factor * (r - 2)) - 2 / r * _log_alpha(case),
        "ln |a||m|": -2 / r,
        "ln f": -(r - 2) / r if power is None else power,
    }
    return _clock(case, late, "t* - t0 <= f^(-(r-2)/r) / ((r-2) Gamma^(2/r)), attained as t0 -> t*")


def _lower(case: Case, *, factor: float = 1.0, power: float | None = None) -> Prediction:
    """ln of M^{-(r-2)} / ((r-2) Gamma)."""
    r = case.integer("r")
    late = {
        "1": -math.log(factor * (r - 2)) - _log_alpha(case),
        "ln |a||m|": -1.0,
        "ln max |W_l|": -(r - 2) if power is None else power,
    }
    return _clock(case, late, "t* - t0 >= M^(-(r-2)) / ((r-2) Gamma), M = max |W_l|_op, attained as t0 -> t*")


def _clock(case: Case, late: dict[str, float], text: str) -> Prediction:
    excess = Combination({f"excess, r = {case.integer('r')}": 1.0})
    return Prediction({"ln time left": Combination(late), "excess": excess}, text)


def _measure_clock(case: Case, context: Context, *, upper: bool) -> Measurement:
    import numeric

    problem = _problem(case, context)
    stages = numeric.stages_to_blow_up(problem, LEVELS, numeric.FlowOptions(rtol=1e-5, method="dop853"))
    if not bool(stages[0].time_left.isfinite().all()):
        return Measurement(math.nan, problem="a member did not blow up within its budget")
    # A balanced aligned start attains both bounds at once, a random one close to the blow-up.
    late = stages[0] if case.word("start") == "aligned" else stages[-1]
    at, r = late.order, case.integer("r")
    norms = at.operator_norms.log()
    # How far this state is from attaining the bound: what is left of imbalance and misalignment there.
    gap = float((at.log_imbalance + at.log_misalignment).max()) + (
        0.0 if upper else (r - 2) * float((norms.amax(-1) - norms.amin(-1)).max())
    )
    errors = [float((stage.error / stage.time_left).max()) for stage in stages]
    return Measurement(
        {"ln time left": _mean(late.time_left.log()), "excess": 0.0},
        f"leading-order flow of {MEMBERS} nets, f(0) > 0 in {int((stages[0].order.overlap > 0).sum())}; "
        f"looked at from the start to f = {LEVELS[-1]:.0e} E|y|^2",
        "",
        Budget(discretisation=max(errors), finite_eps=abs(gap)),
        {
            "1": 1.0,
            "ln |a||m|": _mean(problem.bare_gamma.log()),
            "ln f": _mean(at.overlap.abs().log()),
            "ln max |W_l|": _mean(norms.amax(-1)),
            **{
                f"excess, r = {k}": _excess(stages, k, upper=upper)
                for k in {r - 1, r, r + 1, case.integer("L")}
                if k > 2
            },
        },
    )


def _excess(stages: Any, r: int, *, upper: bool) -> float:
    """By how much, in ln t, the worst member breaks the bound of r layers at any stage with f > 0; 0 if none does."""
    worst = 0.0
    for stage in stages:
        at, left = stage.order, stage.time_left.log()
        if upper:  # NaN where f < 0: the bound is silent there
            over = left + math.log(r - 2) + (2 / r) * at.gamma.log() + ((r - 2) / r) * at.overlap.log()
            over = over[at.overlap > 0]
        else:
            over = -math.log(r - 2) - at.gamma.log() - (r - 2) * at.operator_norms.amax(-1).log() - left
        worst = max([worst, *over.tolist()])
    return worst


CLOCK_CASES = (
    case(Tier.SMOKE, 0.5, activation="linear", r=3, L=3, first=1, start="he"),
    case(Tier.STANDARD, 0.7, activation="gelu", r=3, L=5, first=2, start="he"),
    case(Tier.STANDARD, 0.6, activation="gelu", r=4, L=4, first=1, start="aligned"),
    case(Tier.FULL, 0.8, activation="tanh", r=4, L=6, first=3, start="he"),
    case(Tier.FULL, 1.2, activation="silu", r=8, L=8, first=1, start="he"),
)

CLAIMS = (
    Claim(
        id="off-manifold.mass-bound",
        theorem="T6",
        title="Theorem A: the overlap's growth",
        latex=r"T = \sum_l \|G_l\|_F^2 \geq r\,\Gamma^{2/r} f^{2-2/r},\quad f > 0",
        plain="The gradient mass of r small layers is at least r Gamma^(2/r) f^(2-2/r), with equality iff they are"
        " balanced and aligned; no hypothesis on width or alignment.",
        source="THEORY section 4, Theorem A",
        reading=Reading.OURS,
        evidence=Evidence.PROOF,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=ASSUMES,
        cases=(
            case(Tier.SMOKE, 0.3, check="proof", statement="gradient-norm", r=3, l=2),
            case(Tier.SMOKE, 0.1, check="proof", statement="interface", r=3, l=1),
            case(Tier.SMOKE, 0.1, check="proof", statement="equality", r=3),
            case(Tier.STANDARD, 0.2, check="proof", statement="flow", r=3, l=1),
            case(Tier.STANDARD, 0.2, check="proof", statement="gradient-norm", r=4, l=3),
            case(Tier.STANDARD, 0.2, check="proof", statement="equality", r=4),
            case(Tier.FULL, 0.3, check="proof", statement="equality", r=5),
            case(Tier.SMOKE, 0.1, activation="linear", r=3, L=3, first=1, start="he", check="random-net"),
            case(Tier.STANDARD, 0.1, activation="gelu", r=3, L=6, first=2, start="he", check="random-net"),
            case(Tier.STANDARD, 0.1, activation="tanh", r=5, L=8, first=3, start="he", check="random-net"),
            case(Tier.STANDARD, 0.1, activation="silu", r=4, L=4, first=1, start="aligned", check="equality"),
            case(Tier.FULL, 0.1, activation="gelu", r=8, L=8, first=1, start="he", check="random-net"),
        ),
        predict=_theorem_a,
        measure=_measure_theorem_a,
        counterfeits=(
            _altered_bound("without the factor r", "no-factor-r", nearest=True),
            _altered_bound("the printed power 1-1/r", "printed-power"),
            _altered_bound("power 2-1/r", "power-too-high"),
            Counterfeit("Gamma with one alpha too many", _all_slopes),
        ),
    ),
    Claim(
        id="off-manifold.upper-bound",
        theorem="T6",
        title="Theorem B: escape no later than",
        latex=r"t_\star - t_0 \leq f(t_0)^{-(r-2)/r} / ((r-2)\,\Gamma^{2/r}),\quad f(t_0) > 0",
        plain="From any moment with f > 0 the leading-order flow blows up within f^(-(r-2)/r) / ((r-2) Gamma^(2/r)).",
        source="THEORY section 4, Theorem B",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(Hypothesis("r >= 3", lambda case: case.integer("r") >= 3), *ASSUMES),
        depends=("off-manifold.mass-bound",),
        cases=CLOCK_CASES,
        predict=_upper,
        measure=lambda case, context: _measure_clock(case, context, upper=True),
        counterfeits=(
            Counterfeit(
                "T >= Gamma^(2/r) f^(2-2/r), without the factor r",
                lambda case, _: _upper(case, factor=1 / case.integer("r")),
                nearest=True,
            ),
            Counterfeit(
                "f^(-(r-2)/(2r)), the power for an energy", lambda case, _: _upper(case, power=1 / _r(case) - 0.5)
            ),
            Counterfeit("f^(-(r-1)/r)", lambda case, _: _upper(case, power=1 / _r(case) - 1)),
        ),
    ),
    Claim(
        id="off-manifold.lower-bound",
        theorem="T6",
        title="Theorem B: escape no earlier than",
        latex=r"t_\star - t_0 \geq M(t_0)^{-(r-2)} / ((r-2)\,\Gamma),\quad M = \max_l \|W_l\|_{op}",
        plain="From any moment, whatever f's sign, the leading-order flow takes at least M^(-(r-2)) / ((r-2) Gamma).",
        source="THEORY section 4, Theorem B",
        reading=Reading.OURS,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(Hypothesis("r >= 3", lambda case: case.integer("r") >= 3), *ASSUMES),
        depends=("off-manifold.mass-bound",),
        cases=CLOCK_CASES,
        predict=_lower,
        measure=lambda case, context: _measure_clock(case, context, upper=False),
        counterfeits=(
            Counterfeit(
                "M' <= r Gamma M^(r-1), the layers' growth added up",
                lambda case, _: _lower(case, factor=case.integer("r")),
                nearest=True,
            ),
            Counterfeit("M^(-(r-1))", lambda case, _: _lower(case, power=1 - case.integer("r"))),
        ),
    ),
)


def _r(case: Case) -> int:
    return case.integer("r")
