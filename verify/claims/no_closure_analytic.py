"""T7: no closure for bounded analytic s, with certified readout forces; ReLU as a control (THEORY section 5)."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import comb

from verify.claim import Case, Claim, Context, Counterfeit, Hypothesis, Reading, Tier, Witness, case
from verify.claims._no_closure import DEFINITION, DIRECTION, binomial_nodes
from verify.values import Budget, Evidence, Measurement, Prediction

# A node that is not on the ray of v: the argument of ReLU changes sign between the nodes of one data point.
OFF_THE_RAY = (Fraction(1, 2), Fraction(-3, 2))
GRID = 3


def _parameters(case: Case) -> dict[str, object]:
    return dict(case.parameters)


def _is_relu(case: Case) -> bool:
    return _parameters(case).get("activation") == "relu"


def _predict(case: Case) -> Prediction:
    if _is_relu(case):
        return _predict_relu(case)
    import symbolic

    K = case.integer("m") + 1
    if "s" in _parameters(case):
        constant = symbolic.erf_certificate(K - 1).difference
        value, radius = Fraction(constant.value), float(constant.radius)
        text = "2^(1-K) sum_j (-1)^j binom(K,j) (2/pi) asin(j/sqrt(2(1+j^2)))"
    else:
        s = symbolic.activation(case.word("activation"))
        value, radius = Fraction(0), 0.0
        for j in range(1, K + 1):  # s(0) = 0: the node at 0 feels no force
            force = symbolic.gaussian_expectation(symbolic.Chain.of((1, s)), symbolic.Chain.of((j, s)))
            value += Fraction((-1) ** j * comb(K, j), 2 ** (K - 1)) * Fraction(force.value)
            radius += comb(K, j) / 2 ** (K - 1) * float(force.radius)
        text = "2^(1-K) sum_j (-1)^j binom(K,j) E[s(g) s(j g)]"
    # The rational midpoint is rounded to 53 bits.
    return Prediction(float(value), text, budget=Budget(rounding=radius + 2.0**-53 * abs(float(value))))


def _predict_relu(case: Case) -> Prediction:
    import symbolic

    relu = symbolic.relu_activation()
    data = symbolic.teacher_data(relu.value, DIRECTION, GRID)
    offset = OFF_THE_RAY if case.word("ray") == "off" else None
    certificate = symbolic.finite_difference_certificate(case.integer("m"), relu, data, DIRECTION, offset)
    return Prediction(certificate.difference, "forces on one ray are linear in the node: every difference vanishes")


def _measure(case: Case, _: Context) -> Measurement:
    if _is_relu(case):
        return _measure_relu(case)
    import numeric

    first, second, copies = binomial_nodes(case.integer("m") + 1)
    if _parameters(case).get("check") == "autograd":
        return _by_autograd(case)
    found = numeric.readout_force_difference(
        case.word("s") if "s" in _parameters(case) else case.word("activation"),
        [(copies(j), Fraction(j)) for j in first],
        [(copies(j), Fraction(j)) for j in second],
    )
    return Measurement(
        found.value,
        "Arb integration of each neuron's force; all moments of order <= m are equal",
        budget=Budget(rounding=found.radius),
        problem="" if _equal_moments(case) else "the moments of the two nets are not equal",
    )


def _equal_moments(case: Case) -> bool:
    """<a^p w^q> is 0 for odd p, and for even p the mean of w^q over the nodes."""
    m = case.integer("m")
    first, second, copies = binomial_nodes(m + 1)
    return all(sum(copies(j) * j**q for j in first) == sum(copies(j) * j**q for j in second) for q in range(m + 1))


def _measure_relu(case: Case) -> Measurement:
    import numeric

    m, offset = case.integer("m"), OFF_THE_RAY if case.word("ray") == "off" else (Fraction(0), Fraction(0))
    first, second, copies = binomial_nodes(m + 1)
    nets = [
        numeric.RationalNeurons(
            tuple(
                (Fraction(a), tuple(o + j * v for o, v in zip(offset, DIRECTION, strict=True)))
                for j in half
                for a in (1, -1)
            ),
            tuple(copies(j) for j in half for _ in (1, -1)),
        )
        for half in (first, second)
    ]
    sample = numeric.rational_sample(GRID, [DIRECTION], [1], None)
    found = numeric.compare_moments(nets[0], nets[1], m, (1, 0, 0), None, sample)
    return Measurement(
        found.difference,
        "exact back-propagation on a rational grid",
        evidence=Evidence.EXACT,
        problem="the moments or outputs of the two nets are not equal" if found.moment_gap or found.output_gap else "",
    )


def _by_autograd(case: Case) -> Measurement:
    import torch

    import numeric

    m, s = case.integer("m"), numeric.activation(case.word("activation"))
    first, second, copies = binomial_nodes(m + 1)

    def difference(step: float) -> float:
        u, weights = numeric.trapezoid(step=step)
        rates = []
        for half in (first, second):
            nodes = torch.tensor([float(j) for j in half for _ in range(copies(j)) for _ in (1, -1)]).double()
            net = numeric.Neurons(torch.tensor([1.0, -1.0] * (len(nodes) // 2)).double(), nodes[:, None])
            velocities = numeric.neuron_velocities(net, numeric.Sample(u[:, None], s(u), weights), s)
            rates.append(float(numeric.moment_derivative(net, velocities, 1, (0,))))
        return rates[0] - rates[1]

    # The steepest factor is s((m+1) u), m + 1 times as steep as s: its step is as much smaller than the usual 0.2.
    coarse, fine = difference(0.2 / (m + 1)), difference(0.1 / (m + 1))
    # Sums of 90 (m + 1) nodes on either side, of terms below E[s(u) s(c u)] <= (m + 1) E[u^2].
    rounding = 180 * (m + 1) * torch.finfo(torch.float64).eps * (m + 1)
    return Measurement(
        fine,
        "autograd in float64 on a trapezoid rule",
        budget=Budget(discretisation=abs(fine - coarse), rounding=rounding),
        evidence=Evidence.NUMERICAL,
    )


def _scaled(factor: float) -> Callable[[Case, Prediction], Prediction | None]:
    def alter(_: Case, honest: Prediction) -> Prediction | None:
        assert isinstance(honest.value, float | Fraction)
        return Prediction(type(honest.value)(factor) * honest.value) if honest.value else None

    return alter


def _closed(_: Case, honest: Prediction) -> Prediction | None:
    return Prediction(0) if honest.value else None


def _ray_matters_not(case: Case, honest: Prediction) -> Prediction | None:
    """What ReLU gives off the ray, said of the ray, and the other way round."""
    if not _is_relu(case):
        return None
    other = "on" if case.word("ray") == "off" else "off"
    return _predict_relu(Case((("m", case.integer("m")), ("activation", "relu"), ("ray", other)), case.tier, 0.0))


def _erf_not_tanh(case: Case, _: Prediction) -> Prediction | None:
    if "s" not in _parameters(case):
        return None
    return _predict(Case((("m", case.integer("m")), ("activation", "tanh")), case.tier, 0.0))


CLAIMS = (
    Claim(
        id="no-closure.analytic",
        theorem="T7",
        title="no closure for analytic s that is no polynomial",
        latex=r"\Delta\,\tfrac{d}{dt}\langle a\rangle = 2^{1-K}\sum_{j=0}^{K} (-1)^j \binom{K}{j}"
        r"\,\mathbb{E}[\sigma(g)\,\sigma(j g)] \ne 0,\quad K = m + 1",
        plain="For m = 1 to 8 two nets have equal moments up to m and, for analytic s, different derivatives of <a>.",
        source=f"own statement; {DEFINITION}; even j against odd j, binom(K, j) copies of (+-1, j v)",
        reading=Reading.OURS,
        evidence=Evidence.CERTIFIED,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(
            Hypothesis("s(0) = 0 and |s(z)| <= |z|"),
            Hypothesis(
                "s is analytic on the real line and no polynomial",
                lambda case: not _is_relu(case),
                assumed=False,
            ),
            Hypothesis(
                "s is bounded (the general statement; the certificate of one order does not need it)",
                lambda case: _parameters(case).get("activation") not in ("gelu", "silu", "relu"),
                assumed=False,
            ),
        ),
        cases=(
            case(Tier.SMOKE, 0.02, m=1, s="erf(z/sqrt 2)"),
            case(Tier.SMOKE, 0.08, m=8, s="erf(z/sqrt 2)"),
            case(Tier.SMOKE, 0.03, m=2, activation="gelu", check="ball"),
            case(Tier.SMOKE, 0.02, m=3, activation="relu", ray="on"),
            *(case(Tier.STANDARD, 0.05, m=m, s="erf(z/sqrt 2)") for m in range(2, 8)),
            case(Tier.STANDARD, 0.04, m=8, activation="tanh", check="ball"),
            case(Tier.STANDARD, 0.03, m=5, activation="sin", check="ball"),
            case(Tier.STANDARD, 0.04, m=4, activation="silu", check="ball"),
            case(Tier.STANDARD, 0.03, m=2, activation="tanh", check="autograd"),
            case(Tier.STANDARD, 0.03, m=3, activation="gelu", check="autograd"),
            case(Tier.STANDARD, 0.02, m=2, activation="relu", ray="off"),
            *(case(Tier.FULL, 0.05, m=m, activation="tanh", check="ball") for m in range(1, 8)),
            *(case(Tier.FULL, 0.05, m=m, activation="relu", ray=ray) for m in (1, 6) for ray in ("on", "off")),
        ),
        predict=_predict,
        measure=_measure,
        counterfeits=(
            Counterfeit("closed at order m: no difference", _closed, nearest=True),
            Counterfeit("sign (-1)^(j+1)", _scaled(-1)),
            Counterfeit("2^-K in place of 2^(1-K)", _scaled(0.5)),
            Counterfeit("the ray does not matter for ReLU", _ray_matters_not),
            Counterfeit("tanh in place of erf", _erf_not_tanh),
        ),
    ),
)
