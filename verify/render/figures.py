"""The figures of a stored run: each a function of the results alone, None where the run lacks its claims.

The first four are those of the paper, made anew; the others are ours. Nothing is computed here but the arithmetic that
an axis needs (a product with a recorded K, a ratio to a power of eps): every curve is a series of the record.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from verify.render import figures_run
from verify.render.drawing import plain
from verify.render.plot import Curve, Description, Kind, Panel
from verify.render.stored import Stored, if_passed, named, preferred, stored
from verify.results import Results

EPS = r"initial scale $\varepsilon$"
TIME = r"escape time $\tau$ (flow time)"


def figures(results: Results) -> list[Description]:
    """Every figure that the record allows, in the order of the list below."""
    made = []
    for figure in FIGURES:
        try:
            description = figure(results)
        except ArithmeticError:
            continue  # numbers that are no scale and no depth: such a record has no curve to show
        if description is not None:
            made.append(description)
    return made


def reduction(results: Results) -> Description | None:
    """Loss and layer scales on the symmetric manifold: the flow of the matrices as dots, the reduced ODE as lines."""
    cases = [
        case
        for case in stored(results, "manifold.reduction")
        if case.has("flow: t", "flow: loss", "flow: X_1") and case.has("ODE: t", "ODE: loss", "ODE: X_1")
    ]
    if not cases:
        return None
    shown = preferred(cases)
    depth = shown.integer("L")
    panels = []
    for names, label in (
        ([("", "loss")], r"loss $\frac{1}{2}\,E(\hat y - y)^2$"),
        ([(f"layer {k}", f"X_{k}") for k in range(1, depth + 1)], "layer scale $X_l$"),
    ):
        curves = []
        for colour, (legend, name) in enumerate(names):
            index = colour if legend else None
            for kind, source, word in ((Kind.MEASURED, "flow", ""), (Kind.EXACT, "ODE", legend)):
                if (points := shown.curve(f"{source}: t", f"{source}: {name}")) is not None:
                    curves.append(Curve(word, kind, *points, index))
        panels.append(Panel("gradient-flow time $t$", label, tuple(curves), x_log=False, y_log=False))
    net = f"{shown.word('activation')}, L = {depth}, N = {shown.word('N')}"
    return Description(
        "scalar-reduction",
        shown.result.theorem,
        f"Scalar reduction on the symmetric manifold ({net}, ntk): loss (a) and layer scales (b) of the full matrix "
        f"flow (dots) and of the {depth}-dimensional ODE of the layer scales (lines).",
        f"Two panels against time: the loss, and the {depth} layer scales. "
        + if_passed([shown], "The dots of the matrix flow lie on the lines of the ODE."),
        tuple(panels),
        4.0,
        {Kind.MEASURED: "matrix flow"},
    )


def universality(results: Results) -> Description | None:
    """Escape times of several activations before and after time is rescaled by K."""
    cases = [
        case
        for case in stored(results, "universality.collapse")
        if case.parameters.get("parameterisation") == "ntk" and case.has("eps", "t") and (case.predicted or 0.0) > 0
    ]
    depth = preferred(cases).integer("L") if cases else 0
    cases = list({case.word("activation"): case for case in cases if case.integer("L") == depth}.values())
    if len(cases) < 2 or depth < 3:
        return None
    before, after, ratio = [], [], []
    scales: list[float] = []
    for colour, case in enumerate(cases):
        name = case.word("activation")
        eps, times = case.points("eps", "t")
        rate = (case.numbers("K") or (1 / (case.predicted or math.nan),))[0]  # t over the line tends to 1/K
        scaled = tuple(rate * t for t in times)
        scales += eps
        label = plain(name, 12)
        before.append(Curve(label, Kind.MEASURED, eps, times, colour))
        before.append(Curve("", Kind.LEADING, eps, tuple(_line(e, depth) / rate for e in eps), colour))
        after.append(Curve("", Kind.MEASURED, eps, scaled, colour))
        over = tuple(t / _line(e, depth) for e, t in zip(eps, scaled, strict=True))
        ratio.append(Curve("", Kind.MEASURED, eps, over, colour))
        if (curve := case.curve("corrected eps", "corrected ratio")) is not None:
            ratio.append(Curve("", Kind.CORRECTED, *curve, colour))
    ends = (min(scales), max(scales))
    after.append(Curve("", Kind.LEADING, ends, tuple(_line(e, depth) for e in ends)))
    ratio.append(Curve("", Kind.LEADING, ends, (1.0, 1.0)))
    law = rf"$\varepsilon^{{-{depth - 2}}}/{depth - 2}$"
    return Description(
        "universality",
        cases[0].result.theorem,
        f"Universality (L = {depth}, ntk, all layers at scale ε): escape times before (a) and after (b) time is "
        f"rescaled by K, as predicted and not fitted; (c) their ratio to the law ε^−{depth - 2}/{depth - 2}, which "
        "tends to one, with the predicted next orders of each activation (class A has none). The constant of the "
        f"escape rule is left out; it is of relative order ε^{depth - 2}.",
        f"Three panels against eps from {ends[0]:.0e} to {ends[1]:.0e}. The {len(cases)} activations have "
        "parallel lines. "
        + if_passed(cases, "Rescaled, they lie on one line; the ratio to the law is one at small eps."),
        (
            Panel(EPS, TIME, tuple(before), title="before"),
            Panel(EPS, r"$K\tau$", tuple(after), title=f"rescaled by $K$; law {law}"),
            Panel(EPS, r"$K\tau$ / law", tuple(ratio), y_log=False, title="ratio to the law"),
        ),
        5.9,
    )


def _line(eps: float, depth: int) -> float:
    return float(eps ** (2 - depth) / (depth - 2))


def critical_depth(results: Results) -> Description | None:
    """Escape time against eps for every r, with the leading law and the predicted corrections."""
    by_r: dict[int, Stored] = {}
    constant = [case for case in stored(results, "critical-depth.constant") if case.has("eps", "t")]
    for r in sorted({case.integer("r") for case in (*constant, *_exponents(results))}):
        cases = [case for case in (*constant, *_exponents(results)) if case.integer("r") == r]
        by_r[r] = preferred(cases)
    if not any(r >= 2 for r in by_r):
        return None
    curves = []
    for colour, (r, case) in enumerate(by_r.items()):
        curves.append(Curve(f"$r = {r}$", Kind.MEASURED, *case.points("eps", "t"), colour))
        for kind, name in ((Kind.LEADING, "leading t"), (Kind.CORRECTED, "corrected t")):
            if (points := case.curve("line eps", name)) is not None:
                curves.append(Curve("", kind, *points, colour))
    nets = ", ".join(f"r = {r}: {case.word('activation')} L = {case.word('L')}" for r, case in by_r.items())
    return Description(
        "critical-depth",
        next(iter(by_r.values())).result.theorem,
        f"Critical depth ({nets}; N = 64, ntk): escape time against the scale ε of r small layers. The "
        "lines are predicted, without the constant that the escape rule fixes: it matters at r = 2.",
        f"Escape times on logarithmic axes for r = {', '.join(map(str, by_r))}. "
        + if_passed(
            list(by_r.values()),
            "Flat at r = 1, logarithmic at r = 2, straight lines of slope -(r-2) beyond; the measured points lie on "
            "the predicted lines where r is 3 or more.",
        ),
        (Panel(EPS, TIME, tuple(curves)),),
        3.1,
    )


def off_manifold(results: Results) -> Description | None:
    """He starts: the paper's points and ours; the exponents with their budgets inside the equivalence bound."""
    panels = []
    points = [case for case in stored(results, "off-manifold.figure") if case.has("eps", "measured", "paper")]
    by_r = {case.integer("r"): case for case in sorted(points, key=lambda case: -case.integer("N"))[::-1]}
    times = []
    for colour, (r, case) in enumerate(sorted(by_r.items())):
        times.append(Curve(f"(a) $r = {r}$", Kind.MEASURED, *case.points("eps", "measured"), colour))
        times.append(Curve("", Kind.PAPER, *case.points("eps", "paper"), colour))
    if times:
        panels.append(Panel(EPS, TIME, tuple(times), title="tanh, $L = 8$, He-normal starts"))
    deviations = _deviations(results, first_colour=len(by_r))
    if deviations:
        panels.append(
            Panel(
                "small layers $r$",
                "exponent $-$ prediction",
                tuple(deviations),
                x_log=False,
                y_log=False,
                title=r"deviation from $-\max(r-2,\,0)$",
            )
        )
    if not panels:
        return None
    of_figure = [case.result.theorem for case in (*points, *stored(results, "off-manifold.exponent"))]
    widths = ", ".join(f"r = {r}: N = {case.word('N')}" for r, case in sorted(by_r.items()))
    words = [
        f"escape times against ε, ours ({widths}; d = N/4) and the points of the paper's figure" if times else "",
        "the measured exponent minus the predicted one with its error budget, and the equivalence bound"
        if deviations
        else "",
    ]
    return Description(
        "off-manifold",
        of_figure[0],
        f"Off the manifold: {'; '.join(word for word in words if word)}.",
        " ".join(
            sentence
            for sentence, there in (
                (if_passed(points, "Our escape times lie near the paper's points, in each series."), times),
                ("All deviations of the exponents lie within the equivalence bound around zero.", _within(deviations)),
                ("Deviations of the measured exponents from the predicted ones, by r.", deviations),
            )
            if there
        ),
        tuple(panels),
        2.3 * len(panels) + 0.4,
    )


def _deviations(results: Results, first_colour: int) -> list[Curve]:
    cases = [
        case
        for case in stored(results, "off-manifold.exponent")
        if None not in (case.measured, case.predicted, case.budget)
    ]
    curves = []
    activations = list(dict.fromkeys(case.word("activation") for case in cases))
    for number, name in enumerate(activations):
        shift = 0.12 * (number - (len(activations) - 1) / 2)  # side by side, not one upon the other
        rows = [
            (case.integer("r") + shift, case.measured - case.predicted, case.budget)  # type: ignore[operator]
            for case in cases
            if case.word("activation") == name
        ]
        x, y, spread = zip(*sorted(rows), strict=True)
        curves.append(Curve(f"(b) {plain(name, 12)}", Kind.MEASURED, x, y, first_colour + number, spread))
    bounds = [bound for case in cases for bound in case.numbers("equivalence bound") or ()]
    if curves and bounds:
        ends = (min(c.x[0] for c in curves) - 0.3, max(c.x[-1] for c in curves) + 0.3)
        curves += [Curve("", Kind.BOUND, ends, (sign * bounds[0],) * 2) for sign in (1.0, -1.0)]
    return curves


def _within(curves: Iterable[Curve]) -> bool:
    """Whether every deviation lies, budget included, inside the drawn bound."""
    bounds = [curve.y[0] for curve in curves if curve.kind is Kind.BOUND]
    return bool(bounds) and all(
        abs(y) + s <= max(bounds) for curve in curves for y, s in zip(curve.y, curve.spread, strict=False)
    )


def local_slopes(results: Results) -> Description | None:
    """Local slopes against eps, with the slopes that the predicted corrections give and their budget."""
    cases = [case for case in _exponents(results) if case.has("slope at eps", "slope") and case.integer("r") >= 3]
    nets = list(dict.fromkeys((case.integer("r"), case.integer("L")) for case in cases))
    # The nets with most activations, two of them, and of different r.
    nets.sort(key=lambda net: (-sum((c.integer("r"), c.integer("L")) == net for c in cases), net))
    chosen = sorted({r: (r, depth) for r, depth in nets[::-1]}.values(), key=nets.index)[:2]
    activations = list(dict.fromkeys(case.word("activation") for case in cases))
    panels = []
    for r, depth in sorted(chosen):
        curves = []
        for case in cases:
            if (case.integer("r"), case.integer("L")) != (r, depth):
                continue
            colour = activations.index(case.word("activation"))
            points = case.points("slope at eps", "slope")
            curves.append(Curve(plain(case.word("activation"), 12), Kind.MEASURED, *points, colour))
            if (line := case.curve("predicted slope at eps", "predicted slope")) is not None:
                budget = case.numbers("slope budget") or ()
                spread = budget if len(budget) == len(line[0]) else ()
                curves.append(Curve("", Kind.CORRECTED, *line, colour, spread))
        ends = (min(x for c in curves for x in c.x), max(x for c in curves for x in c.x))
        curves.append(Curve("", Kind.LEADING, ends, (2.0 - r, 2.0 - r)))
        panels.append(Panel(EPS, "local slope", tuple(curves), y_log=False, title=f"$r = {r}$, $L = {depth}$"))
    if not panels:
        return None
    return Description(
        "local-slopes",
        cases[0].result.theorem,
        "Local slopes d ln[t(ε/2) − t(ε)] / d ln ε against ε: measured, and as the predicted next orders have "
        "them, with the budget of the omitted terms as a band. The exponent −(r−2) is reached in the limit only.",
        f"{len(panels)} panels of local slopes against eps. "
        + if_passed(cases, "The measured slopes leave the exponent as eps grows, along the predicted curves."),
        tuple(panels),
        2.1 * len(panels) + 0.4,
        {Kind.LEADING: "exponent $-(r-2)$"},
    )


def _exponents(results: Results) -> list[Stored]:
    return [case for case in stored(results, "critical-depth.exponent") if case.has("eps", "t")]


def resonance(results: Results) -> Description | None:
    """What K t leaves above its leading power at L = q + 1: a straight line in log(1/eps)."""
    cases = [
        case
        for case in stored(results, "resonance.logarithm")
        if case.has("eps", "remainder") and case.predicted is not None
    ]
    if not cases:
        return None
    groups: dict[str, list[Stored]] = {}
    for case in cases:
        groups.setdefault(named(case, "activation", "L", "parameterisation"), []).append(case)
    curves = []
    for colour, (label, group) in enumerate(groups.items()):
        points = sorted({p for case in group for p in zip(*case.points("eps", "remainder"), strict=True)}, reverse=True)
        x, y = (tuple(column) for column in zip(*points, strict=True))
        curves.append(Curve(plain(label), Kind.MEASURED, x, y, colour))
        # The constant belongs to the escape rule: the lines go through the last point, their slopes are predicted.
        reach = (1e-2, x[-1])
        for kind, slope in ((Kind.LEADING, group[0].predicted or 0.0), (Kind.RIVAL, 0.0)):
            curves.append(Curve("", kind, reach, tuple(y[-1] + slope * math.log(x[-1] / e) for e in reach), colour))
    return Description(
        "resonance",
        cases[0].result.theorem,
        "Resonance at L = q + 1: what Kτ has beyond its leading power, against log ε. The slopes of the "
        "solid lines are predicted, −(2q/(q+1)) c; their height is the constant of the escape rule. Dotted: no "
        "logarithm.",
        "Residuals of the escape time against eps on a logarithmic axis. "
        + if_passed(cases, "The points lie on the lines with the predicted slopes, not on the flat ones."),
        (Panel(EPS, r"$K\tau - \varepsilon^{2-L}/(L-2)$", tuple(curves), y_log=False),),
        2.9,
        {Kind.LEADING: "predicted slope", Kind.RIVAL: "no logarithm"},
    )


def imbalance_drift(results: Results) -> Description | None:
    """Imbalances gained along the flow against the common scale, with the predicted power law."""
    cases = [case for case in stored(results, "balance.along-flow") if case.has("gained: Y", "gained: l = 1")]
    if not cases:
        return None
    case = preferred(cases)
    curves = []
    for colour in range(case.integer("L") - 1):
        for kind, source, label in ((Kind.MEASURED, "gained", f"$l = {colour + 1}$"), (Kind.LEADING, "law", "")):
            points = case.curve(f"{source}: Y", f"{source}: l = {colour + 1}", size=True)
            if points is not None:
                curves.append(Curve(label, kind, *points, colour))
    if not curves:
        return None
    net = named(case, "activation", "L", "r", "parameterisation")
    return Description(
        "imbalance-drift",
        case.result.theorem,
        f"Imbalance along the flow ({net}): what Δ_l has gained while the common scale of the small "
        "layers grows from Y/4 to Y, and the predicted power law with its prefactor.",
        "Gained imbalances of neighbouring layers against the common scale on logarithmic axes. "
        + if_passed([case], "The measured points lie on the predicted lines, steeper for higher layers."),
        (Panel("common layer scale $Y$", r"imbalance gained $|\Delta_l|$", tuple(curves)),),
        2.7,
    )


FIGURES: tuple[Callable[[Results], Description | None], ...] = (
    reduction,
    universality,
    critical_depth,
    off_manifold,
    local_slopes,
    resonance,
    imbalance_drift,
    figures_run.power,
    figures_run.evidence,
)
