"""T4: the symmetric manifold is invariant, and the matrix flow on it is the ODE of its layer scales (THEORY T4)."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Literal

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.hypotheses import smooth_at_the_origin
from verify.values import Budget, Combination, Evidence, Form, Measurement, Prediction

Altered = Literal["not-normalised", "fan-in-only", "wrong-gain"]

ASSUMES = (
    Hypothesis("W_1 = const 1 v^T, W_l = const 1 1^T for l >= 2, W_L = const 1^T"),
    Hypothesis("the expectation over the directions orthogonal to v is exact"),
)


def _is_proof(case: Case) -> bool:
    return case.word("check") == "proof"


def _sides(case: Case, reading: Literal["exact"] | Altered = "exact") -> Any:
    import symbolic

    depth = case.integer("L")
    return symbolic.manifold_tangency(depth, case.integer("l"), (case.integer("N"),) * (depth - 1), reading=reading)


def _tangent(case: Case, reading: Literal["exact"] | Altered = "exact") -> Prediction:
    if _is_proof(case):
        return Prediction(Form(_sides(case, reading).claimed), "G_l[i,j] = (dLoss/dF_l) / sqrt(n_l n_{l-1})")
    depth, width = case.integer("L"), case.integer("N")
    import symbolic

    # |G_l|_F / |dLoss/dX_l| is the square root of the mobility; an entry without its division by n_l n_{l-1} is that
    # many times larger, one divided by the fan-in alone n_l times.
    mobilities = symbolic.reduced_system((width,) * (depth - 1), "ntk").mobility
    n = (1, *(width,) * (depth - 1), 1)
    factors = {
        "exact": [1] * depth,
        "not-normalised": [n[k] * n[k + 1] for k in range(depth)],
        "fan-in-only": list(n[1:]),
    }[reading]
    ratios = {f"|G_{k + 1}|": factors[k] * math.sqrt(mobilities[k]) for k in range(depth)}
    return Prediction({**ratios, "normal part": 0.0}, "|G_l|_F / |dLoss/dX_l|, and |normal part| / |G|")


def _measure_tangent(case: Case, context: Context) -> Measurement:
    if _is_proof(case):
        measured = _sides(case).measured
        return Measurement(Form(measured), f"{len(measured)} monomials by differentiation of the composed loss")
    import numpy as np
    import torch

    import numeric

    depth, width = case.integer("L"), case.integer("N")
    activation = numeric.activation("gelu")
    net = numeric.uniform_network(depth, width, 2, activation, "ntk")
    data = numeric.single_mode_population(activation, inputs=2)
    scales = np.random.default_rng(context.seed).uniform(0.3, 1.2, depth)
    split = numeric.manifold_gradient(net, scales.tolist(), torch.tensor([1.0, 0.0]), data)
    model = numeric.ManifoldModel("gelu", depth, width)
    slopes = np.abs(model.rates(scales) / model.mobilities)
    ratios = (split.tangent.numpy() / slopes).tolist()
    normal = float(split.normal.norm() / split.tangent.norm())
    # A gradient is a sum over nodes and units, each term rounded; the smallest layer's gradient may be a small part of
    # the whole, and its ratio then carries the rounding of the whole.
    spread = float(np.abs(slopes).max() / np.abs(slopes).min())
    rounding = (data.samples + depth * width) * torch.finfo(torch.float64).eps * spread
    values = {f"|G_{k + 1}|": ratio for k, ratio in enumerate(ratios)}
    return Measurement(
        {**values, "normal part": normal},
        f"ntk, gelu, scales {', '.join(f'{x:.2f}' for x in scales)}",
        "relative",
        Budget(rounding=rounding),
        evidence=Evidence.NUMERICAL,
    )


def _altered_tangent(name: str, reading: Altered, *, nearest: bool = False) -> Counterfeit:
    def alter(case: Case, _: Prediction) -> Prediction | None:
        if reading == "wrong-gain" and not _is_proof(case):
            return None  # the reduced loss itself is then another one, which the proof cases compare
        if reading == "fan-in-only" and _is_proof(case) and case.integer("l") == case.integer("L"):
            return None  # the last layer has one row: there the fan-in is all there is to divide by
        return _tangent(case, reading)

    return Counterfeit(name, alter, nearest=nearest)


STARTS = {3: (0.04, 0.06, 0.09), 4: (0.03, 0.05, 0.07, 0.09)}  # depth 4, tanh, N = 64: the paper's figure


def _times(case: Case) -> tuple[float, ...]:
    until = case.real("until")
    return (until / 6, until / 3, until)  # on the plateau, about the transition, and after it


def _chain(squared_gains: tuple[Any, ...], mobilities: tuple[Any, ...]) -> str:
    """Name of a scalar chain z_l = a_l X_l s(z_{l-1}), dX_l/dt = -c_l^2 dLoss/dX_l: how both witnesses speak of it."""
    return f"a^2 = ({', '.join(map(str, squared_gains))}), c^2 = ({', '.join(map(str, mobilities))})"


def _candidates(depth: int, width: int) -> dict[str, tuple[tuple[int, ...], tuple[Fraction, ...]]]:
    """Scalar chains that the matrix flow might be, by name; which one it is, is what the theorem says."""
    readout, ones = (*(1,) * (depth - 1), width), (1,) * depth
    clock, slower = (Fraction(1, width),) * depth, (Fraction(1, width**2),) * depth
    # A faster clock than the true one would spend the run at the minimum, where the flow is stiff, and show no more.
    chains = ((readout, clock), (readout, slower), (ones, clock))
    return {_chain(gains, mobilities): (gains, mobilities) for gains, mobilities in chains}


def _components(chain: str, case: Case) -> list[tuple[str, str]]:
    depth, times = case.integer("L"), _times(case)
    observed = [*(f"X_{layer}" for layer in range(1, depth + 1)), "loss"]
    return [(f"{name} at t = {t:g}", f"{name} at t = {t:g} in the chain {chain}") for t in times for name in observed]


DOTS, POINTS = 24, 96  # of the figure's curves: times at which the matrix flow and the ODE of the scales are shown


def _full_flow(case: Case, rtol: float, device: str, shown: list[float]) -> tuple[list[float], Curves]:
    """Layer scales and loss of the full network at the case's times, and its curves at the times ``shown``."""
    import torch

    import numeric

    depth, width = case.integer("L"), case.integer("N")
    activation = numeric.activation(case.word("activation"))
    net = numeric.uniform_network(depth, width, 2, activation, "ntk")
    data = numeric.single_mode_population(activation, inputs=2)
    weights = numeric.manifold_start(net, STARTS[depth], torch.tensor([1.0, 0.0]))
    # After the transition the network stops growing, and so would a clock that counts growth: hence plain time.
    options = numeric.FlowOptions(rtol=rtol, method="dop853", clock="time", device=device)
    values: list[float] = []
    rows: list[list[float]] = []
    clock = 0.0
    for time in _times(case):
        saved = [t - clock for t in shown if clock <= t <= time and (t > clock or clock == 0.0)]
        leg = numeric.gradient_flow(
            net, weights, data, escape=None, until=time - clock, saved_times=saved or None, options=options
        )
        if leg.saved is not None:
            states = zip(leg.saved.scales[0].tolist(), leg.saved.losses[0].tolist(), strict=True)
            rows += [[*scales, loss] for scales, loss in states]
        weights, clock = leg.weights, time
        values += [*leg.scales[0].tolist(), float(leg.losses[0])]
    return values, _curves("flow", shown, rows)


Curves = dict[str, tuple[float, ...]]


def _curves(name: str, times: list[float], rows: list[list[float]]) -> Curves:
    """``NAME: t``, ``NAME: X_1``, ... and ``NAME: loss``, for the figure; rows [time, (layers, loss)]."""
    columns = list(zip(*rows, strict=True))
    layers = {f"{name}: X_{k}": column for k, column in enumerate(columns[:-1], start=1)}
    return {f"{name}: t": tuple(times), **layers, f"{name}: loss": columns[-1]} if rows else {}


def _evenly(case: Case, count: int) -> list[float]:
    """``count`` times from 0 to the end; the case's own times, which are a sixth and a third of it, fall on some."""
    until = case.real("until")
    return [until * k / count for k in range(count + 1)]


def _chain_flow(
    case: Case, gains: tuple[int, ...], mobilities: tuple[Fraction, ...], *, shown: bool
) -> tuple[list[float], float, Curves]:
    """The same observables of a scalar chain, the largest estimated error, and the curves of a chain that is shown."""
    import numeric

    depth = case.integer("L")
    model = numeric.ManifoldModel(
        case.word("activation"),
        depth,
        gains=[math.sqrt(g) for g in gains],
        mobilities=[float(c) for c in mobilities],
    )
    times = _evenly(case, POINTS) if shown else list(_times(case))
    flow = numeric.manifold_trajectory(model, STARTS[depth], times)
    rows = [[*scales, loss] for scales, loss in zip(flow.scales.tolist(), flow.loss.tolist(), strict=True)]
    judged = [times.index(t) for t in _times(case)]
    error = max(flow.scales_error[judged].max(), flow.loss_error[judged].max())
    return [x for k in judged for x in rows[k]], float(error), _curves("ODE", times, rows) if shown else {}


def _measure_reduction(case: Case, context: Context) -> Measurement:
    # The looser run is a hundred times less accurate, so its distance bounds the error of the tighter one with ease.
    full, series = _full_flow(case, 1e-8, context.device, _evenly(case, DOTS))
    loose, _ = _full_flow(case, 1e-6, context.device, [])
    discretisation = max(abs(a - b) for a, b in zip(full, loose, strict=True))
    ingredients: dict[str, float] = {}
    for index, (chain, (gains, mobilities)) in enumerate(_candidates(case.integer("L"), case.integer("N")).items()):
        # The figure's lines: the chain that the reduced loss has, the first of them.
        values, error, curves = _chain_flow(case, gains, mobilities, shown=index == 0)
        if case.integer("N") in gains:
            discretisation = max(discretisation, error)
        series = {**series, **curves}
        ingredients |= dict(zip((name for _, name in _components(chain, case)), values, strict=True))
    width, depth = case.integer("N"), case.integer("L")
    return Measurement(
        dict(zip((name for name, _ in _components("", case)), full, strict=True)),
        f"{depth} matrices, N = {width}, from X = {', '.join(f'{x:g}' for x in STARTS[depth])}",
        "",
        Budget(discretisation=2 * discretisation),  # one such error for each of the two integrations
        ingredients,
        series=series,
    )


def _follows(case: Case, squared_gains: tuple[Any, ...], mobilities: tuple[Any, ...], factor: float = 1) -> Prediction:
    chain = _chain(squared_gains, mobilities)
    parts = {name: Combination({ingredient: factor}) for name, ingredient in _components(chain, case)}
    return Prediction(parts, f"the scalar chain {chain}")


def _reduced(case: Case, factor: float = 1) -> Prediction:
    import symbolic

    system = symbolic.reduced_system((case.integer("N"),) * (case.integer("L") - 1), "ntk")
    return _follows(case, system.squared_gains, system.mobility, factor)


def _other_chain(name: str, index: int) -> Counterfeit:
    def alter(case: Case, _: Prediction) -> Prediction:
        return _follows(case, *list(_candidates(case.integer("L"), case.integer("N")).values())[index])

    return Counterfeit(name, alter)


CLAIMS = (
    Claim(
        id="manifold.tangent",
        theorem="T4",
        title="the gradient is tangent",
        latex=r"\partial\mathcal{L}/\partial W_l[i,j] = (\partial\mathcal{L}/\partial F_l)/\sqrt{n_l n_{l-1}}",
        plain="At a point of the symmetric manifold the gradient is tangent to it, and is the gradient of the scales.",
        source="authors' write-up, section Symmetric Manifold Ansatz; which rows are identical: THEORY section 2",
        reading=Reading.CORRECTED,
        evidence=Evidence.PROOF,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=ASSUMES,
        cases=(
            case(Tier.SMOKE, 0.2, L=2, l=1, N=2, check="proof"),
            case(Tier.STANDARD, 0.3, L=3, l=2, N=2, check="proof"),
            *(
                case(Tier.STANDARD, 0.4, L=depth, l=layer, N=width, check="proof")
                for depth, layer, width in ((2, 2, 3), (3, 1, 3), (3, 3, 2), (4, 1, 2), (4, 2, 2), (4, 3, 3), (4, 4, 2))
            ),
            case(Tier.SMOKE, 0.1, L=3, N=8, check="autograd"),
            case(Tier.STANDARD, 0.1, L=4, N=2, check="autograd"),
            case(Tier.STANDARD, 0.1, L=4, N=64, check="autograd"),
            case(Tier.FULL, 0.1, L=6, N=32, check="autograd"),
        ),
        predict=_tangent,
        measure=_measure_tangent,
        counterfeits=(
            _altered_tangent("divided by the fan-in only", "fan-in-only", nearest=True),
            _altered_tangent("not divided by the widths", "not-normalised"),
            _altered_tangent("gain g_l in place of a_l", "wrong-gain"),
        ),
    ),
    Claim(
        id="manifold.reduction",
        theorem="T4",
        title="matrix flow = ODE of the scales",
        latex=r"\dot X_l = -\tfrac{1}{N}\,\partial_{X_l}\mathcal{L}(X_1,\dots,X_L) \text{ on the symmetric manifold}",
        plain="On the manifold the flow of the N x N matrices is exactly the L-dimensional ODE of the layer scales.",
        source="authors' write-up, figure Scalar reduction on the symmetric manifold; THEORY T4",
        reading=Reading.CORRECTED,
        evidence=Evidence.NUMERICAL,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(*ASSUMES, smooth_at_the_origin("activation")),
        depends=("manifold.tangent",),
        cases=(
            case(Tier.SMOKE, 0.7, activation="gelu", L=3, N=4, until=300),
            case(Tier.STANDARD, 3.5, activation="tanh", L=4, N=64, until=6000),
            case(Tier.FULL, 1.5, activation="gelu", L=3, N=16, until=1200),
            case(Tier.FULL, 3.2, activation="sin", L=4, N=32, until=4200),
        ),
        predict=_reduced,
        measure=_measure_reduction,
        counterfeits=(
            Counterfeit(
                "exact only up to a finite-width correction 1/N",
                lambda case, _: _reduced(case, 1 + 1 / case.integer("N")),
                nearest=True,
            ),
            _other_chain("a second factor 1/N in the clock", 1),
            _other_chain("no sqrt(N) at the readout", 2),
        ),
    ),
)
