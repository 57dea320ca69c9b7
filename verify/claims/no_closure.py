"""T7: where the moments of the neurons close, and that the printed "never" is false (THEORY section 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Any, Literal

from verify.claim import Case, Claim, Context, Counterfeit, Erratum, Expect, Hypothesis, Reading, Tier, Witness, case
from verify.claims._no_closure import DEFINITION, POLYNOMIALS
from verify.values import Budget, Combination, Evidence, Form, Measurement, Prediction

SOURCE = f"own statement; {DEFINITION}"
POLYNOMIAL = Hypothesis("s is a polynomial")
NONLINEAR = Hypothesis("the degree of s is at least 2", lambda case: len(POLYNOMIALS[case.word("s")]) > 2)
FIXED_WIDTH = Hypothesis("the width N is fixed", lambda case: case.integer("N") >= 1)
FULL_RANK_TEACHER = Hypothesis("E[y x^D] is not 0, x in R, y = s(x)")


def _label(orders: Iterable[int], highest: int) -> str:
    closed = ", ".join(map(str, orders)) or "none"
    return f"orders 1..{highest} that close: {closed}"


def _identical(case: Case) -> bool:
    return dict(case.parameters).get("rows") == "identical"


def _orders(case: Case) -> tuple[int, ...]:
    return tuple(range(1, case.integer("orders") + 1))


def _derived(case: Case) -> str:
    """By exact linear algebra with symbolic neurons: each dM/dt solved for in products of moments."""
    import symbolic

    coefficients = POLYNOMIALS[case.word("s")]
    closed = [
        m for m in _orders(case) if symbolic.closure_check(case.integer("N"), m, coefficients, _identical(case)).closed
    ]
    return _label(closed, case.integer("orders"))


def _predict_derived(case: Case) -> Prediction:
    return Prediction(_derived(case), "each dM/dt solved for in products of moments, symbolic neurons")


def _measure_orders(case: Case, context: Context) -> Measurement:
    import numeric

    coefficients, highest = POLYNOMIALS[case.word("s")], case.integer("orders")
    closed = numeric.closed_orders(coefficients, case.integer("N"), highest, context.seed, identical=_identical(case))
    return Measurement(
        _label(closed, highest),
        "ranks at random integer ensembles, exact back-propagation",
        evidence=Evidence.EXACT,
    )


def _says(orders: Callable[[Case], Iterable[int]]) -> Callable[[Case, Prediction], Prediction | None]:
    """A counterfeit that names other orders; None where they are the true ones."""

    def alter(case: Case, honest: Prediction) -> Prediction | None:
        label = _label(orders(case), case.integer("orders"))
        # The printed statement is wrong: there the truth has to be derived.
        true = _derived(case) if dict(case.parameters).get("rows") == "any" else honest.value
        return None if label == true else Prediction(label)

    return alter


def _from_width_on(shift: int) -> Callable[[Case], tuple[int, ...]]:
    return lambda case: tuple(m for m in _orders(case) if m >= case.integer("N") + shift)


def _another_activation(case: Case, honest: Prediction) -> Prediction | None:
    """The transplant: the orders that close for linear s."""
    donor = replace(case, parameters=tuple((k, "z" if k == "s" else v) for k, v in case.parameters))
    label = _derived(donor)
    return None if label == honest.value else Prediction(label)


# --- the width -------------------------------------------------------------------------------------------------------


def _predict_width(case: Case) -> Prediction:
    return Prediction(_label(_from_width_on(0)(case), case.integer("orders")), "closed if and only if m >= N")


def _measure_width(case: Case, context: Context) -> Measurement:
    if case.word("check") == "proof":
        return Measurement(_derived(case), "each dM/dt solved for in products of moments, symbolic neurons")
    return _measure_orders(case, context)


# --- linear s --------------------------------------------------------------------------------------------------------

LinearReading = Literal["exact", "sign-flipped", "no-teacher"]


def _linear_sides(case: Case, reading: LinearReading = "exact") -> Any:
    import symbolic

    index = tuple(int(part) for part in case.word("moment").split("-"))
    return symbolic.linear_closure(index, case.integer("N"), reading=reading)


def _moment_name(index: tuple[int, ...]) -> str:
    return f"M[{','.join(map(str, index))}]"


def _equations(reading: LinearReading = "exact") -> Prediction:
    """dM/dt of every moment of order <= 2 (but <a> and <w> alone, which need <a w>), x in R, as closed forms."""
    import symbolic

    # N = 3 > m = 2: at this width no identity between the moments of order <= 2 can help.
    derivatives = symbolic.closure_check(3, 2, POLYNOMIALS["z"]).derivatives
    value = {}
    for index, form in derivatives.items():
        assert form is not None
        kept = {name: c for name, c in form.items() if reading != "no-teacher" or "*" in name}
        sign = -1 if reading == "sign-flipped" else 1
        value[_moment_name(index)] = Combination({name: float(sign * c) for name, c in kept.items()})
    return Prediction(value, "dM/dt = -p e M[p-1,q+1] - q e M[p+1,q-1], e = M[1,1] - E[y x]")


def _predict_linear(case: Case, reading: LinearReading = "exact") -> Prediction:
    if case.word("check") == "proof":
        return Prediction(Form(_linear_sides(case, reading).claimed), "-p e.M[p-1,q+1] - q e.M[p+1,q-1]")
    return _equations(reading)


def _measure_linear(case: Case, context: Context) -> Measurement:
    if case.word("check") == "proof":
        return Measurement(Form(_linear_sides(case).measured), "the composed loss differentiated, symbolic neurons")
    import torch

    import numeric

    width = case.integer("N")
    source = torch.Generator().manual_seed(context.seed % 2**31)
    drawn = torch.randn(2, width, generator=source, dtype=torch.float64)
    net = numeric.Neurons(drawn[0], drawn[1][:, None])
    inputs, weights = numeric.gauss_hermite(2)  # exact up to degree 3: the integrands are of degree 2
    velocities = numeric.neuron_velocities(net, numeric.Sample(inputs[:, None], inputs, weights), lambda z: z)
    indices = list(numeric.moment_indices(2, 1))
    moments = {_moment_name((p, *q)): float(numeric.moment(net, p, q)) for p, q in indices}
    products = {f"{a}*{b}": x * y for a, x in moments.items() for b, y in moments.items()}
    rates = {_moment_name((p, *q)): float(numeric.moment_derivative(net, velocities, p, q)) for p, q in indices}
    largest = max(1.0, *(numeric.moment_scale(net, p, q) for p, q in indices))
    return Measurement(
        rates,
        f"autograd in float64, {width} random neurons",
        # Sums of N neurons and 2 nodes; each term is a product of at most two moments.
        budget=Budget(rounding=8 * (width + 2) * torch.finfo(torch.float64).eps * largest**2),
        ingredients={"1": 1.0, **moments, **products},
        evidence=Evidence.NUMERICAL,
    )


# --- conserved quantities --------------------------------------------------------------------------------------------


def _conserved(case: Case, claimed: int) -> Prediction:
    import symbolic

    text = f"d|w|^2/dt = {claimed} d(a^2)/dt for every neuron"
    if case.word("check") == "proof":
        sides = symbolic.monomial_conservation(case.integer("D"), 2, claimed_degree=claimed)
        return Prediction(Form(sides.claimed), text)
    return Prediction(Fraction(claimed), text)


def _measure_conserved(case: Case, context: Context) -> Measurement:
    degree = case.integer("D")
    if case.word("check") == "proof":
        import symbolic

        sides = symbolic.monomial_conservation(degree, 2)
        return Measurement(Form(sides.measured), "d(a^2)/dt of the composed loss, symbolic neurons")
    import random

    import numeric

    source = random.Random(context.seed)

    def number() -> Fraction:
        return Fraction(source.choice((-1, 1)) * source.randint(1, 30), 10)

    s = None if case.word("s") == "relu" else (*(0,) * degree, 1)
    sample = numeric.rational_sample(3, [(Fraction(3, 5), Fraction(4, 5))], [1], (0, 1, Fraction(1, 2)))
    net = numeric.RationalNeurons(tuple((number(), (number(), number())) for _ in range(3)), (1, 2, 1))
    velocities = numeric.rational_velocities(net, s, sample)
    ratios = {
        sum((x * dx for x, dx in zip(w, dw, strict=True)), Fraction(0)) / (a * da)
        for (a, w), (da, dw) in zip(net.neurons, velocities.neurons, strict=True)
        if da
    }
    problem = "" if len(ratios) == 1 else f"the neurons have {len(ratios)} different ratios"
    return Measurement(
        next(iter(ratios), Fraction(0)),
        "d|w|^2 over d(a^2), exact back-propagation",
        evidence=Evidence.EXACT,
        problem=problem,
    )


CLAIMS = (
    Claim(
        id="no-closure.as-printed",
        theorem="T7",
        title="no closure, as printed",
        latex=r"\text{no finite set of moments } M_{p,q} \text{ satisfies a closed system of ODEs}",
        plain="No finite set of moments satisfies a closed system of ordinary differential equations.",
        source=f"authors' write-up, section on the row-moment hierarchy; {DEFINITION}",
        reading=Reading.AS_PRINTED,
        expect=Expect.REFUTED,
        evidence=Evidence.EXACT,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(POLYNOMIAL,),
        cases=(
            case(Tier.SMOKE, 0.05, N=2, orders=2, s="z+z^2/2", rows="any"),
            case(Tier.SMOKE, 0.02, N=3, orders=2, s="z", rows="any"),
            case(Tier.STANDARD, 0.1, N=2, orders=2, s="z-z^3/3", rows="any"),
            case(Tier.FULL, 0.4, N=3, orders=3, s="z+z^2/2", rows="any"),
        ),
        predict=lambda case: Prediction(_label((), case.integer("orders")), "no order closes"),
        measure=_measure_orders,
        corrected=_predict_derived,
        erratum=Erratum(
            printed="No finite set of moments satisfies a closed ODE system.",
            fails="At width N and for polynomial s every order m >= N closes, for linear s every order m >= 2, on "
            "identical rows every order; and a^2 - |w|^2/D is conserved for s = z^D. Exact linear algebra finds the "
            "closed equations.",
            true="For polynomial s of degree D >= 2 with E[y (v.x)^D] not 0, and for bounded analytic s, no finite "
            "order closes uniformly in the width; at width N and polynomial s exactly the orders m >= N close.",
            corrected="no-closure.width",
        ),
        counterfeits=(
            Counterfeit("every order closes", _says(_orders), nearest=True),
            Counterfeit("closed from order 1 below the width only", _says(lambda _: (1,))),
        ),
    ),
    Claim(
        id="no-closure.width",
        theorem="T7",
        title="closed at width N exactly from order N on",
        latex=r"\text{order } m \text{ is closed at width } N \iff m \ge N",
        plain="At fixed width N and for polynomial s of degree >= 2 the moments of order <= m close iff m >= N.",
        source=SOURCE,
        reading=Reading.OURS,
        evidence=Evidence.PROOF,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(POLYNOMIAL, NONLINEAR, FIXED_WIDTH, FULL_RANK_TEACHER),
        cases=(
            case(Tier.SMOKE, 0.08, N=2, orders=3, s="z+z^2/2", check="proof"),
            case(Tier.STANDARD, 0.02, N=1, orders=3, s="z+z^2/2", check="proof"),
            case(Tier.STANDARD, 0.25, N=3, orders=3, s="z+z^2/2", check="proof"),
            case(Tier.STANDARD, 0.1, N=2, orders=2, s="z-z^3/3", check="proof"),
            case(Tier.SMOKE, 0.05, N=2, orders=2, s="z+z^2/2", check="random-point"),
            case(Tier.STANDARD, 0.1, N=1, orders=2, s="z-z^3/3", check="random-point"),
            case(Tier.STANDARD, 0.4, N=3, orders=3, s="z+z^2/2", check="random-point"),
            case(Tier.FULL, 1.0, N=3, orders=3, s="z-z^3/3", check="proof"),
            case(Tier.FULL, 1.0, N=2, orders=3, s="2z+z^2-z^3/6", check="random-point"),
        ),
        predict=_predict_width,
        measure=_measure_width,
        counterfeits=(
            Counterfeit("order N-1 closes", _says(_from_width_on(-1)), nearest=True),
            Counterfeit("closed from order N+1 on only", _says(_from_width_on(1))),
            Counterfeit("no order closes", _says(lambda _: ())),
            Counterfeit("every order closes", _says(_orders)),
            Counterfeit("the orders of linear s", _another_activation, transplant="activation"),
        ),
    ),
    Claim(
        id="no-closure.trivial-sets",
        theorem="T7",
        title="conserved combinations of two moments",
        latex=r"\frac{d}{dt}\Bigl(a_i^2 - \frac{|w_i|^2}{D}\Bigr) = 0 \text{ for } \sigma = z^D"
        r" \text{ and, with } D = 1, \text{ for ReLU}",
        plain="For s = z^D each neuron conserves a^2 - |w|^2/D, for ReLU a^2 - |w|^2: closed sets exist trivially.",
        source=SOURCE,
        reading=Reading.OURS,
        evidence=Evidence.PROOF,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(Hypothesis("s is homogeneous of degree D: s(c z) = c^D s(z) for c > 0"),),
        cases=(
            case(Tier.SMOKE, 0.02, s="z^2", D=2, check="proof"),
            case(Tier.STANDARD, 0.02, s="z", D=1, check="proof"),
            case(Tier.STANDARD, 0.04, s="z^3", D=3, check="proof"),
            case(Tier.SMOKE, 0.02, s="relu", D=1, check="random-point"),
            case(Tier.SMOKE, 0.02, s="z^2", D=2, check="random-point"),
            case(Tier.STANDARD, 0.02, s="z", D=1, check="random-point"),
            case(Tier.STANDARD, 0.02, s="z^3", D=3, check="random-point"),
            case(Tier.FULL, 0.1, s="z^4", D=4, check="proof"),
        ),
        predict=lambda case: _conserved(case, case.integer("D")),
        measure=_measure_conserved,
        counterfeits=(
            Counterfeit(
                "a^2 - |w|^2 at every degree",
                lambda case, _: None if case.integer("D") == 1 else _conserved(case, 1),
                nearest=True,
            ),
            Counterfeit("D+1, the degree of the neuron", lambda case, _: _conserved(case, case.integer("D") + 1)),
            Counterfeit(
                "another activation's degree",
                lambda case, _: _conserved(case, 3 if case.integer("D") != 3 else 2),
                transplant="activation",
            ),
        ),
    ),
    Claim(
        id="no-closure.linear-closes",
        theorem="T7",
        title="linear s closes at every order from 2 on",
        latex=r"\dot M_{p,q} = -p\,e\cdot M_{p-1,q+1} - \sum_k q_k\,e_k\,M_{p+1,q-1_k},"
        r"\quad e = \Sigma\langle a w\rangle - \mathbb{E}[y x]",
        plain="For linear s the moments of any order m >= 2 satisfy closed equations, at every width.",
        source=SOURCE,
        reading=Reading.OURS,
        evidence=Evidence.PROOF,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(Hypothesis("s is linear"), Hypothesis("the order is at least 2")),
        cases=(
            case(Tier.SMOKE, 0.02, moment="2-0-0", N=2, check="proof"),
            case(Tier.SMOKE, 0.02, moment="1-1-0", N=2, check="proof"),
            case(Tier.STANDARD, 0.02, moment="0-1-1", N=2, check="proof"),
            case(Tier.STANDARD, 0.05, moment="1-1-1", N=3, check="proof"),
            case(Tier.STANDARD, 0.05, moment="2-1-1", N=2, check="proof"),
            case(Tier.SMOKE, 0.03, moment="all", N=5, check="random-point"),
            case(Tier.STANDARD, 0.03, moment="all", N=40, check="random-point"),
            case(Tier.FULL, 0.3, moment="2-2-1", N=3, check="proof"),
        ),
        predict=_predict_linear,
        measure=_measure_linear,
        counterfeits=(
            Counterfeit("e without E[y x]", lambda case, _: _predict_linear(case, "no-teacher"), nearest=True),
            Counterfeit("sign flipped", lambda case, _: _predict_linear(case, "sign-flipped")),
        ),
    ),
    Claim(
        id="no-closure.manifold-closes",
        theorem="T7",
        title="identical rows close at every order",
        latex=r"(a_i, w_i) = (a, w)\ \forall i \implies \text{every order } m \ge 1 \text{ is closed}",
        plain="On ensembles of identical neurons (one atom) every order closes, whatever the width and polynomial s.",
        source=SOURCE,
        reading=Reading.OURS,
        evidence=Evidence.EXACT,
        witnesses=(Witness.SYMBOLIC, Witness.NUMERIC),
        assumes=(POLYNOMIAL, Hypothesis("all neurons are identical", _identical)),
        depends=("no-closure.width",),
        cases=(
            case(Tier.SMOKE, 0.05, N=2, orders=2, s="z+z^2/2", rows="identical"),
            case(Tier.SMOKE, 0.05, N=5, orders=2, s="z-z^3/3", rows="identical"),
            case(Tier.STANDARD, 0.1, N=3, orders=2, s="2z+z^2-z^3/6", rows="identical"),
            case(Tier.STANDARD, 0.1, N=4, orders=3, s="z+z^2/2", rows="identical"),
        ),
        predict=_predict_derived,
        measure=_measure_orders,
        counterfeits=(
            Counterfeit("closed from order N on only", _says(_from_width_on(0)), nearest=True),
            Counterfeit("no order closes", _says(lambda _: ())),
        ),
    ),
)
