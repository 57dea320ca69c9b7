"""``classify``: fields, text, refusals, and that exact values are read back by SymPy."""

import json
import subprocess
import sys
from typing import Any

import pytest
import sympy
from click.testing import CliRunner, Result

from verify.commands.classify import command, polynomial, short

FIELDS = [
    "expression",
    "class",
    "order",
    "leading_coefficient",
    "alpha",
    "coefficients",
    "one_sided",
    "h",
    "h_value",
    "h_radius",
    "hypotheses",
    "reason",
]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def classify(*arguments: str) -> dict[str, Any]:
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    fields: dict[str, Any] = json.loads(result.stdout)
    assert list(fields) == FIELDS
    return fields


def test_tanh() -> None:
    fields = classify("tanh", "--order", "7")
    assert fields["expression"] == "tanh(z)"
    assert (fields["class"], fields["order"], fields["leading_coefficient"]) == ("B", 3, "-2/3")
    assert fields["alpha"] == "1"
    assert fields["coefficients"] == ["0", "0", "0", "-2/3", "0", "8/15", "0", "-34/105"]
    assert fields["one_sided"] is None
    assert fields["h"] is None
    # E[sech(g)^2] to 20 digits by mpmath's tanh-sinh quadrature, an independent route.
    assert abs(sympy.Float(fields["h_value"], 40) - sympy.Float("0.60570550960215882558", 40)) < 1e-20
    assert float(fields["h_radius"]) < 1e-28
    assert fields["hypotheses"] == [
        {"name": "smooth", "holds": True},
        {"name": "alpha-positive", "holds": True},
        {"name": "homogeneous", "holds": False},
    ]


def test_gelu_has_closed_forms() -> None:
    fields = classify("gelu")
    assert (fields["class"], fields["order"], fields["alpha"], fields["h"]) == ("C", 2, "1/2", "1/2")
    assert sympy.simplify(sympy.sympify(fields["leading_coefficient"]) - 1 / sympy.sqrt(2 * sympy.pi)) == 0
    assert len(fields["coefficients"]) == 13


def test_class_a_has_no_order() -> None:
    fields = classify("relu")
    assert (fields["class"], fields["order"], fields["leading_coefficient"]) == ("A", None, None)
    assert set(fields["coefficients"]) == {"0"}
    assert {h["name"]: h["holds"] for h in fields["hypotheses"]} == {
        "smooth": False,
        "alpha-positive": True,
        "homogeneous": True,
    }


def test_class_d_and_outside() -> None:
    assert (classify("sigmoid")["class"], classify("sigmoid")["order"]) == ("D", 0)
    assert (classify("cos")["class"], classify("cos")["alpha"]) == ("outside", "0")


def test_not_smooth_shows_both_sides() -> None:
    fields = classify("elu", "--order", "3")
    assert fields["class"] == "outside"
    assert fields["coefficients"] is None
    assert fields["one_sided"] == {"left": ["0", "0", "1/2", "1/3"], "right": ["0", "0", "0", "0"]}


def test_no_expansion_at_all() -> None:
    fields = classify("sqrt(z)")
    assert fields["class"] == "outside"
    assert (fields["alpha"], fields["coefficients"], fields["h"], fields["h_value"]) == (None, None, None, None)
    assert "no enclosure" in fields["reason"]
    text = invoke("sqrt(z)").stdout
    assert "no expansion at 0" in text and "does not exist" in text


def test_an_expression_equals_the_catalogue() -> None:
    typed, named = classify("z/(1 + exp(-z))"), classify("silu")
    for key in ("class", "order", "leading_coefficient", "alpha", "coefficients"):
        assert typed[key] == named[key]
    assert float(typed["h_value"]) == pytest.approx(float(named["h_value"]), abs=1e-15)


def test_names_in_any_case_and_parameters() -> None:
    assert classify("TANH") == classify("tanh")
    assert classify("leaky_relu", "-p", "slope=1/10")["alpha"] == "11/20"
    assert classify("a*z + z**2", "-p", "a=sqrt(2)")["alpha"] == "sqrt(2)"
    assert classify("snake", "-p", "a=2")["leading_coefficient"] == "2"
    # A parameter may have the name of an activation's own parameter, and an expression may consist of one.
    assert classify("a", "-p", "a=2")["class"] == "outside"


def test_digits() -> None:
    assert len(classify("tanh", "--digits", "60")["h_value"]) >= 60


@pytest.mark.parametrize("name", ["tanh", "gelu", "mish", "gelu_tanh", "softplus", "softsign", "hardswish", "snake"])
def test_exact_values_are_read_back(name: str) -> None:
    fields = classify(name)
    z = sympy.Symbol("z", real=True)
    expression = sympy.sympify(fields["expression"], locals={"z": z})
    assert expression.free_symbols == {z}
    assert float(sympy.sympify(fields["alpha"])) == pytest.approx(
        float(sympy.diff(expression, z).subs(z, 1e-12)), abs=1e-6
    )
    for coefficient in fields["coefficients"] or fields["one_sided"]["left"]:
        assert sympy.sympify(coefficient).is_real
    if fields["h"] is not None:
        assert float(sympy.sympify(fields["h"])) == pytest.approx(float(fields["h_value"]), rel=1e-14)


def test_text() -> None:
    lines = invoke("tanh", "--order", "5").stdout.splitlines()
    assert lines[0].split() == ["s(z)", "tanh(z)"]
    assert lines[1].endswith("-2/3 z^3 + 8/15 z^5 + O(z^6)")
    assert lines[2].endswith("B: the first term of phi has odd order 3.")
    assert any("K, ntk, L = 4, N = 64" in line and "0.0757131887" in line for line in lines)
    assert any("K, plain, L = 4" in line and "0.6057055096" in line for line in lines)


def test_text_of_k_follows_depth_and_width() -> None:
    text = invoke("gelu", "--layers", "3", "--width", "16").stdout
    assert "K, ntk, L = 3, N = 16" in text and "1/32 = 0.03125" in text


def test_text_shortens_long_exact_values() -> None:
    text = invoke("selu").stdout
    assert "1.404400164101" in text and max(map(len, text.splitlines())) < 400


def test_text_of_a_class_without_k() -> None:
    text = invoke("sign(z)").stdout
    assert "phi(z), z < 0" in text and "\nK " in text and "none:" in text


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["__import__('os')"], "a name begins with a letter"),
        (["z.__class__"], "position 2"),
        (["9**9**9"], "use a smaller exponent"),
        (["(" * 5000 + "z" + ")" * 5000], "10001 characters"),
        (["t\u0430nh(z)"], "ASCII"),
        ([""], "empty"),
        (["tanhh"], "did you mean tanh?"),
        (["zzzz"], "There is no activation named 'zzzz'"),
        (["tanh(y)"], "the variable is z"),
        (["tanh", "-p", "a=1"], "parameters of tanh"),
        (["leaky_relu", "-p", "slope=pi"], "rational"),
        (["a*z", "-p", "a"], "NAME=VALUE"),
        (["a*z", "-p", "a=1", "-p", "a=2"], "twice"),
        (["tanh", "--order", "1"], "range"),
        (["tanh", "--digits", "0"], "range"),
        (["tanh", "--digits", "many"], "valid integer"),
        ([], "Missing argument"),
        (["tanh", "gelu"], "unexpected extra argument"),
        (["tanh", "--nonsense"], "No such option"),
    ],
)
def test_refusals(arguments: list[str], word: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert word in result.stderr
    assert result.stdout == ""


def test_neither_torch_nor_the_numeric_witness_is_loaded() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from verify.commands.classify import command;"
        "early = sorted({'sympy', 'torch', 'flint'} & set(sys.modules));"
        "result = CliRunner().invoke(command, ['tanh']);"
        "print(early, result.exit_code, sorted({'torch', 'numeric', 'scipy'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[] 0 []"


@pytest.mark.parametrize(
    ("coefficients", "text"),
    [
        (None, "no expansion at 0"),
        (["0", "0"], "0 + O(z^2)"),
        (["-1/2", "0", "1", "-1"], "-1/2 + z^2 - z^3 + O(z^4)"),
        (["0", "2"], "2 z + O(z^2)"),
        (["1 - pi", "-pi/2", "-1 + pi"], "(1 - pi) - pi/2 z + (-1 + pi) z^2 + O(z^3)"),
        (["0", "-sqrt(2)*(1 - pi)"], "-sqrt(2)*(1 - pi) z + O(z^2)"),
    ],
)
def test_polynomial(coefficients: list[str] | None, text: str) -> None:
    assert polynomial(coefficients) == text


def test_short() -> None:
    assert short("sqrt(2)/2") == "sqrt(2)/2"
    assert short("1" + "0" * 30 + "/3" + "0" * 30) == "0.333333333333333..."
