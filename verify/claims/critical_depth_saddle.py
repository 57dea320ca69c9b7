"""T5: the integral behind the critical-depth law, and the saddle that it escapes from (THEORY T5, section 3)."""

from __future__ import annotations

import math
from typing import Any

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.claims._critical_depth import expansion, net_of, placed
from verify.values import Budget, Evidence, Form, Measurement, Prediction

BOTH = (Witness.SYMBOLIC, Witness.NUMERIC)
SMOKE, STANDARD, FULL = Tier.SMOKE, Tier.STANDARD, Tier.FULL

# The write-up's table: eps = .01, theta = .1, with as many digits as it prints.
EPS, THRESHOLD = "1/100", "1/10"
PRINTED = {1: ".09", 2: "2.3", 3: "90", 4: "4950"}
DIGITS = {r: len(text.replace(".", "").lstrip("0")) for r, text in PRINTED.items()}


def _measure_table(case: Case, _: Context) -> Measurement:
    """The time of dy/dt = y^(r-1) by adaptive quadrature, never from the antiderivative."""
    import numeric

    r = case.integer("r")
    time = numeric.inequality_escape_time(r - 1, 0.01, 0.1)
    if case.word("check") == "rounding":
        return Measurement(_rounded(time.value, DIGITS[r]), f"quadrature: {time.value:.12g}")
    return Measurement(time.value, "quadrature in log y", "1/K_eff", Budget(rounding=time.error))


def _rounded(value: float, digits: int) -> str:
    """``value`` to ``digits`` significant digits, in the print's style: no zero before the point."""
    places = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, places):.{max(places, 0)}f}".removeprefix("0")


def _integral(case: Case, power: int | None = None) -> Any:
    import sympy

    import symbolic

    r = case.integer("r")
    integral = symbolic.escape_integral(r if power is None else power)
    values = {"eps": sympy.Rational(EPS), "theta": sympy.Rational(THRESHOLD)}
    return integral.subs({symbol: values[symbol.name] for symbol in integral.free_symbols})


def _table(case: Case) -> Prediction:
    if case.word("check") == "rounding":
        r = case.integer("r")
        if r not in PRINTED:
            raise ValueError(f"the table has no entry for r = {r}")
        return Prediction(PRINTED[r], "as printed")
    exact = _integral(case)
    value = float(exact)
    return Prediction(value, f"int_eps^theta y^(1-r) dy = {exact}", "1/K_eff", Budget(rounding=math.ulp(value)))


def _other_integral(name: str, value: Any, *, nearest: bool = False) -> Counterfeit:
    """Another value of the integral, also in the printed rounding."""

    def alter(case: Case, truth: Prediction) -> Prediction | None:
        other = value(case)
        if other is None:
            return None
        if case.word("check") == "rounding":
            text = _rounded(other, DIGITS[case.integer("r")])
            return None if text == truth.value else Prediction(text)
        return Prediction(other, budget=truth.budget)

    return Counterfeit(name, alter, nearest=nearest)


def _without_threshold(case: Case) -> float | None:
    """Only the end at eps: what is left when theta goes to infinity."""
    r = case.integer("r")
    return None if r < 3 else float(100 ** (r - 2)) / (r - 2)


HESSIAN_ASSUMES = (
    Hypothesis("r >= 2: with one small layer the point is not critical", lambda case: case.integer("r") >= 2),
    Hypothesis("s(0) = 0 and alpha = s'(0) > 0"),
    Hypothesis("X_l = 0 in the r small layers, the others of order one"),
)


def _sides(case: Case, reading: str = "exact") -> Any:
    import symbolic

    if case.word("space") == "weights":
        sizes = case.integer("L"), case.integer("N"), case.integer("d")
        return symbolic.origin_identity(*sizes, reading=reading)  # type: ignore[arg-type]
    small = placed(case.word("placement"), case.integer("r"), case.integer("L"))
    return symbolic.saddle_identity(case.integer("L"), small, reading)  # type: ignore[arg-type]


WIDTH, INPUTS = 5, 2  # of the nets whose weights are all differentiated


def _hessian(case: Case) -> Prediction:
    if case.word("check") == "proof":
        return Prediction(Form(_sides(case).claimed), "det(lambda - c^2 H), and the first derivative that survives")
    return _of_rate(case, expansion(net_of(case, width=WIDTH)).rate)


def _of_rate(case: Case, rate: float, pairs: int = WIDTH, square: float | None = None) -> Prediction:
    """The numbers for one rate; pairs: multiplicity of +-rate in all weights; square: Hessian eigenvalue, r >= 3."""
    r = case.integer("r")
    curvature = square if square is not None else rate if r == 2 else 0.0
    if case.word("space") == "weights":
        if case.integer("L") > 2:
            return Prediction({"|H|": curvature}, "the Hessian vanishes")
        # dX_l/dt = -c^2 dLoss/dX_l with |W_l|_F = X_l / c: in the weights themselves the mobility plays no part.
        return Prediction(_spectrum(rate, pairs, WIDTH * (INPUTS + 1)), f"+-{rate:.9g}, {pairs} times each")
    values = {f"h^{order}": 0.0 for order in range(1, r)} | {f"h^{r}": -rate}
    if r == 2:
        values["h^2"] = -curvature
    values |= {"lowest": -curvature, "highest": curvature}
    return Prediction(values, f"c^2 Loss = const - K_eff h^{r} along the small scales, K_eff = {rate:.9g}")


def _spectrum(value: float, pairs: int, entries: int) -> dict[str, float]:
    ordered = [-value] * pairs + [0.0] * (entries - 2 * pairs) + [value] * pairs
    return {f"lambda_{k + 1}": x for k, x in enumerate(ordered)}


def _measure_hessian(case: Case, _: Context) -> Measurement:
    if case.word("check") == "proof":
        measured = _sides(case).measured
        return Measurement(Form(measured), f"{len(measured)} monomials by differentiation of the composed loss")
    import torch

    import numeric

    net = net_of(case, width=WIDTH)
    activation = numeric.activation(net.activation)
    network = numeric.uniform_network(net.depth, WIDTH, INPUTS, activation, net.parameterisation)
    data = numeric.single_mode_population(activation, inputs=INPUTS)
    loss = numeric.network_loss(network, data)
    teacher = torch.tensor([1.0] + [0.0] * (INPUTS - 1))
    scales = [0.0 if layer in net.small else net.scales[layer - 1] for layer in range(1, net.depth + 1)]
    weights = numeric.manifold_start(network, scales, teacher)
    # Every entry is a sum over nodes and units, each term rounded, of terms that are at most of order one.
    rounding = data.samples * WIDTH * net.depth * torch.finfo(torch.float64).eps
    if case.word("space") == "weights":
        hessian = numeric.dense_hessian(loss, weights)
        if net.depth > 2:
            values = {"|H|": float(hessian.abs().max())}
        else:
            values = {f"lambda_{k + 1}": float(x) for k, x in enumerate(torch.linalg.eigvalsh(hessian))}
        return Measurement(values, "autograd, all weights", "", Budget(rounding=rounding), evidence=Evidence.NUMERICAL)
    mobility = 1.0 if net.parameterisation == "plain" else 1.0 / WIDTH
    units = [numeric.manifold_start(network, row, teacher) for row in torch.eye(net.depth, dtype=torch.float64)]
    tangents = [[u * float(k == layer) for layer, u in enumerate(unit)] for k, unit in enumerate(units)]
    along = [sum(tangents[k - 1][layer] for k in net.small) for layer in range(net.depth)]
    derivatives = numeric.directional_derivatives(loss, weights, along, net.r)  # type: ignore[arg-type]
    values = {f"h^{k}": mobility * d / math.factorial(k) for k, d in enumerate(derivatives, start=1)}
    flat = torch.stack([torch.cat([t.reshape(-1) for t in tangent]) for tangent in tangents])
    product = numeric.hessian_product(loss, weights)(flat)
    spectrum = torch.linalg.eigvalsh(mobility * flat @ product.T)
    values |= {"lowest": float(spectrum[0]), "highest": float(spectrum[-1])}
    return Measurement(values, "autograd, along the scales", "", Budget(rounding=rounding), evidence=Evidence.NUMERICAL)


def _altered(name: str, proof: Any, numbers: Any, *, nearest: bool = False, transplant: str = "") -> Counterfeit:
    """proof(case): the altered reading of a proof or None; numbers(case, rate): the altered prediction or None."""

    def alter(case: Case, _: Prediction) -> Prediction | None:
        if case.word("check") == "proof":
            reading = proof(case)
            return None if reading is None else Prediction(Form(_sides(case, reading).claimed))
        prediction: Prediction | None = numbers(case, expansion(net_of(case, width=WIDTH)).rate)
        return prediction

    return Counterfeit(name, alter, nearest=nearest, transplant=transplant)


def _full(case: Case) -> bool:
    """A net of two layers in all of its weights."""
    return case.word("space") == "weights" and case.integer("L") == 2


def _curved(case: Case, rate: float) -> Prediction | None:
    return _of_rate(case, rate, square=rate) if case.integer("r") > 2 else None


def _without_slope(case: Case, rate: float) -> Prediction | None:
    import symbolic

    alpha = float(symbolic.classify(symbolic.activation(case.word("s"))).alpha)
    return _of_rate(case, rate / alpha) if _full(case) and alpha != 1 else None


def _of_other_class(case: Case, _: float) -> Prediction | None:
    other = "tanh" if case.word("s") != "tanh" else "gelu"
    rate = expansion(net_of(case, width=WIDTH, activation=other)).rate
    return None if case.word("space") == "weights" and case.integer("L") > 2 else _of_rate(case, rate)


def _scales_reading(case: Case, reading: str) -> str | None:
    return reading if case.word("space") == "scales" else None


CLAIMS = (
    Claim(
        id="critical-depth.integral-table",
        theorem="T5",
        title="the table of escape integrals",
        latex=r"\int_{.01}^{.1} y^{-(r-1)}\,dy = .09,\ 2.3,\ 90,\ 4950 \quad (r = 1, 2, 3, 4)",
        plain="For eps = .01 and theta = .1 the escape integral is .09, 2.3, 90 and 4950 for one to four small layers.",
        source="authors' revised write-up, table of the escape integral",
        reading=Reading.AS_PRINTED,
        evidence=Evidence.NUMERICAL,
        witnesses=BOTH,
        assumes=(Hypothesis("r >= 1", lambda case: case.integer("r") >= 1),),
        cases=tuple(
            case(SMOKE if r in (2, 4) else STANDARD, 0.02, r=r, check=check)
            for check in ("exact", "rounding")
            for r in (1, 2, 3, 4)
        ),
        predict=_table,
        measure=_measure_table,
        counterfeits=(
            _other_integral(
                "the power y^-r in place of y^-(r-1)",
                lambda case: float(_integral(case, case.integer("r") + 1)),
                nearest=True,
            ),
            _other_integral("the end at theta left out", _without_threshold),
            _other_integral("the decimal logarithm at r = 2", lambda case: 1.0 if case.integer("r") == 2 else None),
        ),
    ),
    Claim(
        id="critical-depth.hessian",
        theorem="T5",
        title="the Hessian of the saddle",
        latex=r"r = 2:\ \mathrm{spec}(c^2 H) = \{\pm K_{\mathrm{eff}}, 0, \dots\};\quad"
        r" r \geq 3:\ H = 0,\ \partial^r\mathcal{L}/\partial X_{i_1}\cdots\partial X_{i_r} = -K_{\mathrm{eff}}/c^2",
        plain="With two small layers the saddle is strict; with r >= 3 its Hessian vanishes and the loss first "
        "varies at order r.",
        source="THEORY T5, Hessian reading",
        reading=Reading.OURS,
        evidence=Evidence.PROOF,
        witnesses=BOTH,
        assumes=HESSIAN_ASSUMES,
        cases=(
            case(STANDARD, 0.3, r=2, L=2, N=2, d=2, space="weights", check="proof"),
            case(SMOKE, 0.2, r=3, L=4, placement="spread", space="scales", check="proof"),
            case(STANDARD, 0.2, r=2, L=4, placement="spread", space="scales", check="proof"),
            case(STANDARD, 0.3, r=4, L=5, placement="last", space="scales", check="proof"),
            case(STANDARD, 0.3, r=2, L=2, N=3, d=1, space="weights", check="proof"),
            case(STANDARD, 0.3, r=3, L=3, N=2, d=2, space="weights", check="proof"),
            *(
                case(
                    tier,
                    0.1,
                    r=r,
                    L=depth,
                    s=s,
                    placement=where,
                    scales="mixed",
                    parameterisation=p,
                    space=space,
                    check="autograd",
                )
                for tier, r, depth, s, where, p, space in (
                    (SMOKE, 2, 2, "gelu", "first", "ntk", "weights"),
                    (SMOKE, 3, 4, "tanh", "spread", "ntk", "scales"),
                    (STANDARD, 2, 2, "tanh", "first", "plain", "weights"),
                    (STANDARD, 2, 4, "silu", "spread", "ntk", "scales"),
                    (STANDARD, 4, 5, "gelu", "last", "plain", "scales"),
                    (STANDARD, 3, 5, "gelu", "spread", "ntk", "weights"),
                    (FULL, 5, 6, "sin", "spread", "ntk", "scales"),
                    (FULL, 2, 5, "erf", "last", "plain", "scales"),
                )
            ),
        ),
        predict=_hessian,
        measure=_measure_hessian,
        counterfeits=(
            _altered(
                "each eigenvalue +-alpha |Gamma| once in all weights",
                lambda case: "once" if _full(case) else None,
                lambda case, rate: _of_rate(case, rate, pairs=1) if _full(case) else None,
                nearest=True,
            ),
            _altered("eigenvalues +-K_eff at r >= 3, too", lambda _: None, _curved),
            _altered("+-|Gamma|, no slope alpha", lambda case: "no-alpha" if _full(case) else None, _without_slope),
            _altered(
                "K_eff/2",
                lambda case: _scales_reading(case, "half"),
                lambda case, rate: _of_rate(case, rate / 2) if case.word("space") == "scales" else None,
            ),
            _altered(
                "E[y u] in place of E[y g(u)]",
                lambda case: _scales_reading(case, "input-overlap"),
                lambda *_: None,
            ),
            _altered(
                "alpha^(L-1) wherever the small layers are",
                lambda case: _scales_reading(case, "alpha-everywhere"),
                lambda *_: None,
            ),
            _altered("an activation of another class", lambda _: None, _of_other_class, transplant="activation"),
        ),
    ),
)
