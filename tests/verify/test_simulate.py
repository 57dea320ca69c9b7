import json
import math
import shlex
import sys
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

import numeric
from verify.commands import predict, simulate
from verify.simulation import Member, members
from verify.simulation_request import Request, check, exact_starts, manifold_starts

TANH = ("--activation", "tanh", "--layers", "3")
FIELDS = {"escape_time", "error_estimate", "status", "evaluations", "layer_scales", "loss", "seconds"}


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(simulate.command, arguments)


def answer(*arguments: str, code: int = 0) -> dict:
    result = invoke(*arguments, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_one_run_has_the_fields_of_the_contract_and_no_members() -> None:
    data = answer(*TANH, "--eps", "0.01")
    assert data.keys() >= FIELDS
    assert "members" not in data
    assert data["status"] == "escaped"
    assert len(data["layer_scales"]) == 3
    assert 0 < data["error_estimate"] < 1e-6 * data["escape_time"]
    assert data["evaluations"] > 0


def test_the_escape_time_is_that_of_the_leading_law() -> None:
    # r = 3, ntk: K t = 1/eps + O(1), K = h/sqrt(N) with h = E[tanh'(g)]; ratio at two scales removes the O(1).
    times = {eps: answer(*TANH, "--eps", str(eps))["escape_time"] for eps in (1e-4, 5e-5)}
    h = 0.605705509804372  # E[1 - tanh(g)^2], by quadrature of 40 digits
    assert (times[5e-5] - times[1e-4]) * h / 8 == pytest.approx(1e4, rel=2e-3)


def test_thirty_digits_agree_with_float64_and_with_more_digits() -> None:
    call = (*TANH, "--eps", "0.1", "--scales", "1,0.9,0.8", "--escape", "scale:0.3@1")
    rough, fine, finer = (answer(*call, "--digits", digits) for digits in ("11", "20", "26"))
    assert "escape_time_decimal" not in rough
    assert fine["escape_time"] == pytest.approx(rough["escape_time"], rel=1e-9)
    assert fine["layer_scales"] == pytest.approx(rough["layer_scales"], rel=1e-8)
    assert fine["loss"] == pytest.approx(rough["loss"], rel=1e-8)
    gap = abs(Decimal(fine["escape_time_decimal"]) - Decimal(finer["escape_time_decimal"]))
    assert 0 < gap < Decimal(fine["error_estimate"]) < Decimal("1e-19") * Decimal(fine["escape_time_decimal"])
    assert fine["escape_time_decimal"] in invoke(*call, "--digits", "20").output


@given(st.floats(1e-3, 0.3), st.floats(0.1, 2), st.sampled_from([(), (1, 3)]), st.booleans())
def test_exact_starts_are_the_starts(eps: float, scale: float, small: tuple[int, ...], each: bool) -> None:
    request = Request("tanh", 3, epsilons=(eps, 0.1), small=small, scales=(scale, 1.0, 0.7) if each else (scale,))
    floats = [[float(x) for x in row] for row in exact_starts(request)]
    assert np.allclose(floats, manifold_starts(request), rtol=1e-15, atol=0.0)


def test_exact_starts_are_as_typed() -> None:
    request = Request("tanh", 2, epsilons=(0.1,), scales=(0.3, 0.7))
    assert exact_starts(request) == [[Fraction(3, 100), Fraction(7, 100)]]


@pytest.mark.parametrize("rule", ["loss:0.5", "scale:0.2@1"])
def test_a_certified_time_is_enclosed(rule: str) -> None:
    call = (*TANH, "--eps", "0.1,0.03", "--scales", "1,0.9,0.8", "--escape", rule)
    exact, proved = answer(*call, "--digits", "25"), answer(*call, "--digits", "9", "--certified")
    for fine, data in zip(exact["members"], proved["members"], strict=True):
        lower, upper = map(Decimal, data["enclosure"])
        assert lower < Decimal(fine["escape_time_decimal"]) < upper
        assert float(upper - lower) / 2 == pytest.approx(data["error_estimate"], rel=1e-6)
        assert 0 < upper - lower < Decimal("1e-8") * lower
    assert data["enclosure"][0] in invoke(*call, "--digits", "9", "--certified").output
    assert "enclosure" not in exact


def test_a_proof_that_fails_later_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = numeric.validated_escape

    def picky(model, start, *rest):
        if start[0] < Fraction(1, 50):
            raise ValueError("it cannot be followed")
        return real(model, start, *rest)

    monkeypatch.setattr(numeric, "validated_escape", picky)
    data = answer(*TANH, "--eps", "0.1,0.01", "--certified", code=4)
    assert "enclosure" in data["members"][0]
    assert data["members"][1]["refusal"] == "it cannot be followed"
    assert data["members"][1]["status"] == "escaped"
    refused = invoke(*TANH, "--eps", "0.01", "--certified")
    assert isinstance(refused.exception, ValueError)  # the command line turns it into a sentence and exit code 2


@pytest.mark.parametrize("escape", ["loss:0.5", "overlap:0.1"])
def test_many_digits_under_the_rules_of_the_output_with_small_layers_and_a_plot(tmp_path, escape) -> None:
    call = (*TANH, "--eps", "0.1,0.02", "--small", "1,3", "--scales", "0.8", "--escape", escape)
    rough, fine = answer(*call, "--digits", "12"), answer(*call, "--digits", "20")
    for ours, theirs in zip(fine["members"], rough["members"], strict=True):
        assert ours["escape_time"] == pytest.approx(theirs["escape_time"], rel=1e-9)
        assert Decimal(ours["error_estimate"]) < Decimal("1e-19") * Decimal(ours["escape_time_decimal"])
        assert ours["layer_scales"] == pytest.approx(theirs["layer_scales"], rel=1e-8)
    pytest.importorskip("matplotlib", reason="matplotlib is optional")
    file = tmp_path / "figure.svg"
    assert invoke(*call, "--digits", "15", "--plot", str(file)).exit_code == 0
    assert "<svg" in file.read_text(encoding="utf-8")


def test_nets_of_width_one_are_nets() -> None:
    call = ("--activation", "tanh", "--layers", "2", "--width", "1", "--eps", "0.1")
    few, many = answer(*call), answer(*call, "--digits", "18")
    assert few["status"] == many["status"] == "escaped"
    assert few["escape_time"] == pytest.approx(many["escape_time"], rel=1e-9)


def test_many_digits_until_a_time() -> None:
    call = (*TANH, "--eps", "0.1,0.01", "--digits", "16", "--until", "200")
    escaped, late = answer(*call)["members"]
    assert escaped["status"] == "escaped" and len(escaped["escape_time_decimal"]) > 16
    assert late["status"] == "until-reached" and late["escape_time"] is None and late["end_time"] == 200
    assert "escape_time_decimal" not in late
    stuck = answer(*TANH, "--start", "0,0,0", "--digits", "16", code=4)
    assert stuck["status"] == "budget-spent"


def test_a_ladder_has_members_and_the_longest_run_on_top() -> None:
    data = answer(*TANH, "--eps", "0.1,0.05,0.02")
    assert [member["eps"] for member in data["members"]] == [0.1, 0.05, 0.02]
    assert all(member.keys() >= FIELDS for member in data["members"])
    times = [member["escape_time"] for member in data["members"]]
    assert times == sorted(times) and data["escape_time"] == times[-1]
    assert data["evaluations"] == sum(member["evaluations"] for member in data["members"])


def test_all_weights_agree_with_the_layer_scales() -> None:
    same = (*TANH, "--start", "0.1,0.12,0.15", "--width", "5")
    ode, full = answer(*same), answer(*same, "--full", "--digits", "9")
    slack = ode["error_estimate"] + full["error_estimate"]
    assert abs(ode["escape_time"] - full["escape_time"]) <= 5 * slack + 1e-8 * ode["escape_time"]
    assert full["layer_scales"] == pytest.approx(ode["layer_scales"], rel=1e-6)
    assert full["loss"] == pytest.approx(ode["loss"], rel=1e-6)


@pytest.mark.parametrize("full", [(), ("--full",)])
def test_without_a_rule_the_state_at_the_time_is_reported(full: tuple[str, ...]) -> None:
    data = answer(*TANH, "--start", "0.1,0.2,0.3", "--width", "4", "--until", "3", "--escape", "none", *full)
    assert data["status"] == "until-reached" and data["escape_time"] is None and data["end_time"] == 3
    again = answer(*TANH, "--start", "0.1,0.2,0.3", "--width", "4", "--until", "3", "--escape", "loss:0.001", *full)
    assert again["status"] == "until-reached"
    assert again["layer_scales"] == pytest.approx(data["layer_scales"], rel=1e-6)


def test_a_run_that_never_escapes_exits_with_4_and_says_why() -> None:
    saddle = (*TANH, "--start", "0,0,0")  # the exact saddle: nothing ever moves
    data = answer(*saddle, code=4)
    assert data["status"] == "budget-spent"
    assert data["escape_time"] is None and data["error_estimate"] is None
    shown = invoke(*saddle)
    assert shown.exit_code == 4
    assert "budget-spent: " in shown.stdout


def test_he_seeds_are_paired_across_eps() -> None:
    base = (*TANH, "--init", "he", "--full", "--width", "6", "--inputs", "3", "--samples", "16", "--digits", "6")
    ladder = answer(*base, "--eps", "0.2,0.1", "--seeds", "2", "--small", "1,2,3")
    assert [(m["eps"], m["seed"]) for m in ladder["members"]] == [(0.2, 0), (0.2, 1), (0.1, 0), (0.1, 1)]
    assert ladder["setup"]["parameterisation"] == "plain"
    alone = answer(*base, "--eps", "0.1", "--seed", "1")
    assert alone["escape_time"] == ladder["members"][3]["escape_time"]


def test_a_typed_activation_is_the_catalogues() -> None:
    typed = answer("--activation", "z/(1 + exp(-z))", "--layers", "3", "--eps", "0.05")
    named = answer("--activation", "silu", "--layers", "3", "--eps", "0.05")
    assert typed["escape_time"] == pytest.approx(named["escape_time"], rel=1e-8)


def test_parameters_of_names_and_of_expressions() -> None:
    def time(*arguments: str) -> float:
        return answer("--layers", "3", "--eps", "0.05", *arguments)["escape_time"]

    named = time("--activation", "swish", "-p", "beta=3/2")
    assert time("--activation", "z*sigmoid(b*z)", "-p", "b=3/2") == pytest.approx(named, rel=1e-8)
    assert named != pytest.approx(time("--activation", "Swish"), rel=1e-3)


def test_the_table_names_conventions_and_the_call_of_the_theory() -> None:
    shown = invoke("--activation", "z + z**2/3", "--layers", "3", "--eps", "0.05", "--small", "1,3").stdout
    for part in ("L = 3", "ntk", "1/2 E (yhat - y)^2", "loss:0.5", "escape time", "escaped"):
        assert part in shown
    call = "saddle-escape predict --activation 'z + z**2/3' --layers 3 --small 1,3 --eps 0.05 --width 64"
    assert call in shown


def test_the_call_of_the_theory_answers_with_the_same_time() -> None:
    arguments = ("--activation", "z + z**2/3", "--layers", "4", "--eps", "0.001", "--small", "1,2,4", "--scales", "0.5")
    measured = answer(*arguments)["escape_time"]
    line = invoke(*arguments).stdout.strip().splitlines()[-1]
    program, verb, *call = shlex.split(line.removeprefix("theory: "))
    assert (program, verb) == ("saddle-escape", "predict")
    predicted = CliRunner().invoke(predict.command, [*call, "--digits", "15", "--json"])
    assert predicted.exit_code == 0, predicted.output
    # r = 3: only a constant over K_eff is left out, a few thousandths of 1/(eps K_eff)
    assert measured == pytest.approx(json.loads(predicted.stdout)["time"], rel=5e-3)


def test_digits_follow_the_error() -> None:
    assert simulate._with_error(1234.56789, 0.01) == "1234.57"
    assert simulate._with_error(1234.56789, 1e4) == "1e+03"
    assert simulate._with_error(None, None) == "-"
    assert simulate._with_error(0.1, 0.0) == "0.1"


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (("--activation", "tahn", "--layers", "3", "--eps", "0.1"), "did you mean tanh"),
        (("--activation", "z +", "--layers", "3", "--eps", "0.1"), ""),
        (("--activation", "__import__('os')", "--layers", "3", "--eps", "0.1"), ""),
        ((*TANH, "--eps", "0.1", "-p", "a"), "NAME=VALUE"),
        ((*TANH, "--eps", "0.1", "-p", "a=1"), "a"),
        (TANH, "either --eps or --start"),
        ((*TANH, "--eps", "0.1", "--start", "1,1,1"), "either --eps or --start"),
        ((*TANH, "--eps", "0"), "the saddle itself"),
        ((*TANH, "--eps", "-0.1"), "positive and finite"),
        ((*TANH, "--eps", "nan"), "positive and finite"),
        ((*TANH, "--eps", "inf"), "positive and finite"),
        ((*TANH, "--eps", "0.1", "--until", "nan"), "positive time"),
        ((*TANH, "--eps", "0.1", "--width", "-3"), "width 1"),
        ((*TANH, "--eps", "a"), "numbers separated by commas"),
        ((*TANH, "--start", "1,1"), "needs 3 scales"),
        ((*TANH, "--start", "1,1,inf"), "finite"),
        ((*TANH, "--eps", "0.1", "--small", "4"), "layers from 1 to 3"),
        ((*TANH, "--eps", "0.1", "--small", "x"), "layers such as"),
        ((*TANH, "--eps", "0.1", "--scales", "1,2"), "one per layer"),
        ((*TANH, "--eps", "0.1", "--until", "-1"), "positive time"),
        ((*TANH, "--eps", "0.1", "--escape", "none"), "add --until"),
        ((*TANH, "--eps", "0.1", "--escape", "lost:1"), "escape rule"),
        ((*TANH, "--eps", "0.1", "--escape", "scale:0.5@7"), "layer 7"),
        ((*TANH, "--eps", "0.1", "--digits", "51"), "51"),
        ((*TANH, "--eps", "0.1", "--digits", "41", "--certified"), "from 5 to 40, got 41"),
        ((*TANH, "--eps", "0.1", "--escape", "overlap:0.2", "--certified"), "kind loss or scale"),
        ((*TANH, "--eps", "0.1", "--full", "--certified"), "leave out --full"),
        ((*TANH, "--eps", "0.1", "--digits", "0"), "0 is not in the range"),
        ((*TANH, "--eps", "0.1", "--digits", "1000"), "1000 is not in the range"),
        ((*TANH, "--eps", "1e-300"), "1e-600, below the range of float64"),
        ((*TANH, "--eps", "1e-300", "--digits", "30"), "1e-600, below the range of float64"),
        ((*TANH, "--eps", "0", "--digits", "30"), "the saddle itself"),
        ((*TANH, "--eps", "nan", "--digits", "30"), "positive and finite"),
        ((*TANH, "--eps", "0.1", "--digits", "30", "--seeds", "2"), "--init he"),
        ((*TANH, "--start", "-0.1,0.1,0.1", "--digits", "20"), "passes through zero"),
        ((*TANH, "--eps", "0.1", "--digits", "30", "--escape", "none", "--until", "9"), "has no escape"),
        ((*TANH, "--eps", "0.1", "--digits", "30", "--escape", "scale:0.5@1", "--full"), "leave out --full"),
        (
            (
                "--activation",
                "cubic",
                "-p",
                "a=1",
                *TANH[2:],
                "--eps",
                "0.1",
                "--digits",
                "30",
                "--escape",
                "scale:0.5",
            ),
            "without -p",
        ),
        (
            ("--activation", "relu", *TANH[2:], "--eps", "0.1", "--digits", "30", "--escape", "scale:0.5"),
            "no analytic activation",
        ),
        ((*TANH, "--eps", "0.1", "--init", "he"), "add --full"),
        ((*TANH, "--eps", "0.1", "--seeds", "3"), "--init he"),
        ((*TANH, "--eps", "0.1", "--device", "cuda"), "CPU"),
        ((*TANH, "--eps", "0.1", "--full", "--device", "nothing"), "not available"),
        ((*TANH, "--eps", "0.1", "--full", "--width", "1000000"), "too large"),
        (("--activation", "tanh", "--layers", "1", "--eps", "0.1"), "2<=x<=1000"),
        ((*TANH, "--eps", "1e-200"), "1e-400, below the range of float64"),
        ((*TANH, "--eps", "0.1", "--small", "2,3", "--scales", "1e-300"), "below the range"),
        (("--activation", "sqrt(z)", "--layers", "3", "--eps", "0.1"), "not finite near 0"),
        ((*TANH, "--eps", "0.1", "--width", "0"), "width 1"),
        ((*TANH, "--eps", "0.1", "--teacher", "nobody"), "nobody"),
    ],
)
def test_bad_input_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    result = invoke(*arguments)
    # verify.cli.main turns a ValueError into one line and exit code 2; click's own errors have that code already.
    said = str(result.exception) if isinstance(result.exception, ValueError) else result.output
    assert isinstance(result.exception, ValueError) or result.exit_code == 2
    assert sentence in said
    if isinstance(result.exception, ValueError):
        assert "\n" not in said


def test_ctrl_c_keeps_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    finished = Member(0.1, None, 2.0, 1e-9, "escaped", "", 10, (1.0, 1.0, 1.0), 0.1, 2.0, 0.0)

    def interrupted(_: Request):
        yield (finished,)
        raise KeyboardInterrupt

    monkeypatch.setattr(simulate, "members", interrupted)
    result = invoke(*TANH, "--eps", "0.1,0.05", "--json")
    assert result.exit_code == 130
    data = json.loads(result.stdout)
    assert [member["escape_time"] for member in data["members"]] == [2.0] and data["complete"] is False
    assert "interrupted after 1 of 2 members" in result.stderr


def test_what_leaves_the_range_of_floats_is_told_by_the_status(recwarn: pytest.WarningsRecorder) -> None:
    data = answer("--activation", "sinh", "--layers", "3", "--eps", "3", code=4)
    assert data["status"] == "not-finite" and data["loss"] == "Infinity"
    assert not recwarn.list


def test_a_small_scale_multiplied_by_an_exact_one_is_not_refused() -> None:
    assert answer(*TANH, "--eps", "1e-80", "--small", "1,2", "--scales", "1,1,0.5")["status"] == "escaped"


def test_numbers_that_json_lacks_are_strings() -> None:
    lost = Member(0.1, None, None, None, "not-finite", "why", 10, (math.nan, math.inf), -math.inf, 1.0, 0.0)
    data = simulate.as_data(Request("tanh", 2, epsilons=(0.1,)), [lost], 0.0)
    assert data["layer_scales"] == ["NaN", "Infinity"] and data["loss"] == "-Infinity"
    json.dumps(data, allow_nan=False)


def test_a_plot_needs_matplotlib_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # type: ignore[arg-type]
    result = invoke(*TANH, "--eps", "0.1", "--plot", "figure.png")
    assert isinstance(result.exception, ValueError)
    assert "pip install matplotlib" in str(result.exception)


@pytest.mark.parametrize("full", [(), ("--full", "--width", "4")])
def test_a_plot_is_written(tmp_path, full) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is optional")
    file = tmp_path / "figure.png"
    result = invoke(*TANH, "--eps", "0.3,0.2", "--plot", str(file), *full)
    assert result.exit_code == 0, result.output
    assert file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name, sentence", [("figure.txt", ".png"), ("nowhere/figure.png", "does not exist")])
def test_a_plot_that_cannot_be_written_is_refused_before_the_run(tmp_path, monkeypatch, name, sentence) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", sys)  # present, whatever it is
    result = invoke(*TANH, "--eps", "0.1", "--plot", str(tmp_path / name))
    assert isinstance(result.exception, ValueError) and sentence in str(result.exception)


def test_help_loads_neither_torch_nor_sympy() -> None:
    import subprocess

    code = (
        "import sys\nfrom verify.commands.simulate import command\n"
        "assert not {'torch', 'sympy', 'numeric'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_check_and_members_refuse_the_same() -> None:
    bad = Request("tanh", 3)
    with pytest.raises(ValueError):
        check(bad)
    with pytest.raises(ValueError):
        list(members(bad))
