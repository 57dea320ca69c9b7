"""The figures as functions of a record: which there are, what they show, and that they show nothing else."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.verify.render.conftest import HOSTILE, result
from tests.verify.test_results import record
from verify.catalogue import catalogue
from verify.claim import Context, Tier
from verify.judge import judge
from verify.render.drawing import draw
from verify.render.figures import FIGURES, figures
from verify.render.plot import Curve, Description, Kind, Panel
from verify.results import SCHEMA, Quantity, Result, Results, Verdict, encode, read

EPS = (1e-2, 1e-3, 1e-4)
OF_RUN = {"power", "evidence"}


def of(*results: Result) -> Results:
    return Results(schema=SCHEMA, run=record(), results=results)


def case(claim: str, case: str, predicted: float = -1.0, **series: tuple[float | str, ...]) -> Result:
    named = {name.replace("_", " "): values for name, values in series.items()}
    return result(claim, case, Verdict.PASS, predicted=Quantity(value=predicted), series=named)


def manifold(activation: str, layers: int = 2) -> Result:
    curves = {
        f"{source}: {name}": (0.5 + k, 1.0, 2.0)
        for k, source in enumerate(("flow", "ODE"))
        for name in ("t", "loss", *(f"X_{k + 1}" for k in range(layers)))
    }
    found = case("manifold.reduction", f"activation={activation},L={layers},N=64,until=9")
    return msgspec.structs.replace(found, series=curves)


def collapse(activation: str, rate: float, parameterisation: str = "ntk") -> Result:
    times = tuple(e**-2 / 2 / rate for e in EPS)
    named = f"activation={activation},L=4,parameterisation={parameterisation},check=curve,eps=0.0001"
    nearly = tuple(1 - 2.0 * e for e in EPS)
    return case(
        "universality.collapse", named, nearly[-1] / rate,
        eps=EPS, t=times, K=(rate,), corrected_eps=EPS, corrected_ratio=nearly,
    )  # fmt: skip


def exponent(r: int, activation: str = "tanh") -> Result:
    return case(
        "critical-depth.exponent", f"r={r},L={r},activation={activation}", 2.0 - r,
        eps=EPS, t=(1.0, 10.0, 100.0), slope_at_eps=EPS[1:], slope=(1.9 - r, 2.0 - r),
        line_eps=EPS, leading_t=(2.0, 20.0, 200.0), corrected_t=(3.0, 30.0, 300.0),
        predicted_slope_at_eps=EPS[1:], predicted_slope=(1.8 - r, 2.0 - r), slope_budget=(0.1, 0.01),
    )  # fmt: skip


def balance(activation: str = "tanh") -> Result:
    curves = {"gained: Y": EPS, "gained: l = 1": (-1.0, -0.1, -0.01), "law: Y": EPS, "law: l = 1": (1.0, 0.1, 0.01)}
    found = case("balance.along-flow", f"activation={activation},r=2,L=2,parameterisation=ntk")
    return msgspec.structs.replace(found, series=curves)


RECORD = of(
    manifold("gelu"),
    manifold("tanh"),
    collapse("tanh", 0.5),
    collapse("gelu", 0.25),
    collapse("silu", 0.25, "plain"),
    exponent(3),
    exponent(4, "gelu"),
    case("critical-depth.constant", "r=1,L=3,activation=gelu", eps=EPS, t=(1.0, 1.1, 1.11)),
    case("off-manifold.figure", "r=3,N=32,quantity=factor", eps=EPS, measured=(1.0, 9.0, 99.0), paper=(2.0, 8.0, 80.0)),
    msgspec.structs.replace(
        case("off-manifold.exponent", "activation=tanh,r=3,L=8", equivalence_bound=(0.05,), eps=EPS, t=EPS),
        measured=Quantity(value=-1.01),
    ),
    case("resonance.logarithm", "activation=tanh,L=4,parameterisation=ntk", 1.2, eps=EPS, remainder=(1.0, 2.0, 3.0)),
    balance(),
)


def made(results: Results) -> dict[str, Description]:
    return {figure.name: figure for figure in figures(results)}


def curves(figure: Description, panel: int = 0) -> tuple[Curve, ...]:
    content = figure.panels[panel]
    assert isinstance(content, Panel)
    return content.curves


def points_of_csv(figure: Description) -> Iterator[tuple[int, str, str, float, float]]:
    for row in csv.DictReader(io.StringIO(figure.csv())):
        yield int(row["panel"]), row["curve"], row["kind"], float(row["x"]), float(row["y"])


def test_a_whole_record_has_every_figure_with_words_for_all() -> None:
    found = made(RECORD)
    assert len(found) == len(FIGURES)
    for figure in found.values():
        assert figure.caption.endswith(".")
        assert figure.alternative.endswith(".")
        assert draw(figure, "svg")


def test_the_stored_record_alone_decides_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(encode(RECORD))
    again = made(read(path))
    for name, figure in made(RECORD).items():
        assert again[name].csv() == figure.csv()
        assert again[name] == figure
    assert draw(again["universality"], "svg") == draw(made(RECORD)["universality"], "svg")


@pytest.mark.parametrize(
    "name, panel, kind, claim, x, y",
    [
        ("scalar-reduction", 1, "measured", "manifold.reduction", "flow: t", "flow: loss"),
        ("scalar-reduction", 1, "reduced ODE", "manifold.reduction", "ODE: t", "ODE: loss"),
        ("scalar-reduction", 2, "measured", "manifold.reduction", "flow: t", "flow: X_2"),
        ("universality", 1, "measured", "universality.collapse", "eps", "t"),
        ("critical-depth", 1, "measured", "critical-depth.exponent", "eps", "t"),
        ("critical-depth", 1, "measured", "critical-depth.constant", "eps", "t"),
        ("critical-depth", 1, "leading law", "critical-depth.exponent", "line eps", "leading t"),
        ("critical-depth", 1, "with correction", "critical-depth.exponent", "line eps", "corrected t"),
        ("off-manifold", 1, "measured", "off-manifold.figure", "eps", "measured"),
        ("off-manifold", 1, "paper's points", "off-manifold.figure", "eps", "paper"),
        ("local-slopes", 1, "measured", "critical-depth.exponent", "slope at eps", "slope"),
        ("local-slopes", 1, "with correction", "critical-depth.exponent", "predicted slope at eps", "predicted slope"),
        ("resonance", 1, "measured", "resonance.logarithm", "eps", "remainder"),
        ("imbalance-drift", 1, "leading law", "balance.along-flow", "law: Y", "law: l = 1"),
    ],
)  # fmt: skip
def test_the_csv_holds_the_series(name: str, panel: int, kind: str, claim: str, x: str, y: str) -> None:
    rows = {(a, b) for number, _, word, a, b in points_of_csv(made(RECORD)[name]) if (number, word) == (panel, kind)}
    shown = [r for r in RECORD.results if r.claim == claim and x in r.series]
    assert any(set(zip(r.series[x], r.series[y], strict=True)) <= rows for r in shown)


def test_rescaled_times_lie_on_the_law_and_the_correction_beside_it() -> None:
    figure = made(RECORD)["universality"]
    assert [c.label for c in curves(figure) if c.label] == ["tanh", "gelu"]  # the plain case is of another figure
    for curve in curves(figure, 1):
        assert curve.y == pytest.approx([e**-2 / 2 for e in curve.x], rel=1e-9)
    corrections = [c for c in curves(figure, 2) if c.kind is Kind.CORRECTED]
    assert [c.colour for c in corrections] == [0, 1]  # every activation has its own
    for correction in corrections:
        assert correction.y == pytest.approx([1 - 2.0 * e for e in EPS])


def test_a_record_without_the_corrections_of_the_collapse_has_the_figure_without_them() -> None:
    """As runs before that series was recorded: the prediction was 1/K itself."""
    older = [collapse(name, rate) for name, rate in (("tanh", 0.5), ("gelu", 0.25))]
    bare = [
        msgspec.structs.replace(
            r,
            predicted=Quantity(value=1 / r.series["K"][0]),  # type: ignore[operator]
            series={k: v for k, v in r.series.items() if k in ("eps", "t")},
        )
        for r in older
    ]
    figure = made(of(*bare))["universality"]
    assert not [c for c in curves(figure, 2) if c.kind is Kind.CORRECTED]
    assert all(c.y == pytest.approx([1.0] * len(c.y)) for c in curves(figure, 2))


def test_the_budget_is_the_band_of_the_slopes_and_the_bars_of_the_exponents() -> None:
    found = made(RECORD)
    (line,) = (c for c in curves(found["local-slopes"]) if c.kind is Kind.CORRECTED)
    assert line.spread == (0.1, 0.01)
    points, low, high = sorted(curves(found["off-manifold"], 1), key=lambda c: c.kind is Kind.BOUND)
    assert points.y == pytest.approx((-0.01,))
    assert points.spread == (0.00025,)
    assert {low.y[0], high.y[0]} == {0.05, -0.05}
    assert "within the equivalence bound" in found["off-manifold"].alternative


def test_an_exponent_beyond_the_bound_is_not_said_to_lie_within() -> None:
    far = [
        msgspec.structs.replace(r, measured=Quantity(value=-1.2)) if r.claim == "off-manifold.exponent" else r
        for r in RECORD.results
    ]
    assert "within" not in made(of(*far))["off-manifold"].alternative


def test_the_words_claim_no_agreement_that_the_verdicts_deny() -> None:
    fallen = [msgspec.structs.replace(r, verdict=Verdict.FAIL) for r in RECORD.results]
    agreed = {name for name, figure in made(RECORD).items() if " lie " in figure.alternative}
    assert {"scalar-reduction", "universality", "critical-depth", "resonance", "imbalance-drift"} <= agreed
    for name in agreed - {"off-manifold"}:
        assert " lie " not in made(of(*fallen))[name].alternative
        assert "did not pass" in made(of(*fallen))[name].alternative


def test_the_lines_of_the_resonance_have_the_predicted_slope_in_log_eps() -> None:
    lines = [c for c in curves(made(RECORD)["resonance"]) if c.kind is not Kind.MEASURED]
    slopes = {c.kind: (c.y[1] - c.y[0]) / 4.605170185988092 for c in lines}  # from 1e-2 to 1e-4: log 100
    assert slopes == pytest.approx({Kind.LEADING: 1.2, Kind.RIVAL: 0.0})


def test_the_net_of_the_papers_figure_is_shown_and_named() -> None:
    assert "tanh, L = 2, N = 64" in made(RECORD)["scalar-reduction"].caption


@pytest.mark.parametrize("claim", sorted({r.claim for r in RECORD.results}))
def test_a_figure_without_its_claim_or_its_series_is_left_out(claim: str) -> None:
    without = of(*(r for r in RECORD.results if r.claim != claim))
    bare = of(*(msgspec.structs.replace(r, series={}) if r.claim == claim else r for r in RECORD.results))
    needed = {
        "manifold.reduction": {"scalar-reduction"},
        "universality.collapse": {"universality"},
        "critical-depth.exponent": {"critical-depth", "local-slopes"},
        "resonance.logarithm": {"resonance"},
        "balance.along-flow": {"imbalance-drift"},
    }
    whole = set(made(RECORD))
    for record_without in (without, bare):
        assert set(made(record_without)) == whole - needed.get(claim, set())


def test_a_run_without_these_claims_has_the_figures_of_the_run_alone(results: Results) -> None:
    assert set(made(results)) == OF_RUN
    assert made(of()) == {}


@pytest.mark.parametrize(
    "numbers",
    [("NaN", 1.0, 1.0), (1.0, 1.0), (), (0.0, 1.0, 2.0), (-1.0, 1.0, 2.0), (1e300, 1.0, 2.0), (1e99, 1.0, 2.0)],
)
@pytest.mark.parametrize("parameters", [HOSTILE, "", "r=99,L=99,activation=$,parameterisation=ntk,N=x", None])
def test_no_record_breaks_the_figures(numbers: tuple[float | str, ...], parameters: str | None) -> None:
    for r in RECORD.results:
        for broken in r.series or {"eps": ()}:
            changed = msgspec.structs.replace(
                r,
                series=r.series | {broken: numbers},
                case=r.case if parameters is None else parameters,
            )
            for figure in figures(of(changed, changed, *RECORD.results[2:4])):
                assert figure.csv()


@pytest.mark.parametrize("name", [HOSTILE, "$" * 300, "--><script>"])
def test_hostile_names_are_drawn_as_text(name: str) -> None:
    name = name.replace(",", ";")  # ends a parameter
    found = [
        msgspec.structs.replace(r, case=r.case.replace("tanh", name).replace("gelu", name * 2), evidence=name)
        for r in RECORD.results
    ]
    for figure in figures(of(*found)):
        assert draw(figure, "svg")


def test_our_claims_bring_every_series_that_a_figure_needs() -> None:
    needed = {r.claim for r in RECORD.results} - {"off-manifold.figure"}
    heard = [
        judge(claim, case, Context())
        for claim in catalogue()
        if claim.id in needed
        for case in claim.cases_in(Tier.SMOKE)
        if claim.id != "critical-depth.exponent" or case.integer("r") > 2
    ]
    found = made(of(*heard))
    assert len(found) == len(FIGURES)
    ratio = [c for c in curves(found["universality"], 2) if c.kind is Kind.MEASURED]
    assert all(c.y[-1] == pytest.approx(1.0, abs=1e-3) for c in ratio)
    for points, line in zip(
        curves(found["scalar-reduction"], 1)[::2], curves(found["scalar-reduction"], 1)[1::2], strict=True
    ):
        there = dict(zip(line.x, line.y, strict=True))
        assert points.y == pytest.approx([there[t] for t in points.x], abs=1e-6)
