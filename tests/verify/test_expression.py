"""The parser of typed activations: trees, meaning, canonical text, and one sentence for whatever else is typed."""

import math
import re
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.expression import ExpressionError, Tree, parse, to_text
from verify.expression_float import tree_value
from verify.expression_tree import FUNCTIONS

Z: Tree = ("z",)
MINUS_ONE: Tree = ("rational", -1, 1)


def q(p: int, r: int = 1) -> Tree:
    return ("rational", p, r)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("z", Z),
        (" \t(z)\n", Z),
        ("3", q(3)),
        ("-3", q(-3)),
        ("+3", q(3)),
        ("6/4", q(3, 2)),
        ("1/3/2", q(1, 6)),
        ("-1/3", q(-1, 3)),
        ("2/-3", q(-2, 3)),
        ("0.1", q(1, 10)),
        (".5", q(1, 2)),
        ("5.", q(5)),
        ("1e-3", q(1, 1000)),
        ("2.5E+1", q(25)),
        ("1e40", q(10**40)),
        ("pi", ("constant", "pi")),
        ("Pi", ("constant", "pi")),
        ("e", ("constant", "e")),
        ("E", ("constant", "e")),
        ("z+1+2", ("add", Z, q(1), q(2))),
        ("z+(1+2)", ("add", Z, q(1), q(2))),
        ("z-1", ("add", Z, q(-1))),
        ("1-z", ("add", q(1), ("mul", MINUS_ONE, Z))),
        ("1-2*z", ("add", q(1), ("mul", q(-2), Z))),
        ("z-1*1", ("add", Z, ("mul", q(-1), q(1)))),
        ("1-(z-1)", ("add", q(1), ("mul", MINUS_ONE, ("add", Z, q(-1))))),
        ("2*3*z", ("mul", q(2), q(3), Z)),
        ("2*(3*z)", ("mul", q(2), q(3), Z)),
        ("z/2", ("mul", Z, q(1, 2))),
        ("1/z", ("pow", Z, MINUS_ONE)),
        ("2/z", ("mul", q(2), ("pow", Z, MINUS_ONE))),
        ("z/z/z", ("mul", Z, ("pow", Z, MINUS_ONE), ("pow", Z, MINUS_ONE))),
        ("-z**2", ("mul", MINUS_ONE, ("pow", Z, q(2)))),
        ("(-z)**2", ("pow", ("mul", MINUS_ONE, Z), q(2))),
        ("z**-2", ("pow", Z, q(-2))),
        ("2**3**z", ("pow", q(2), ("pow", q(3), Z))),
        ("(2**3)**z", ("pow", ("pow", q(2), q(3)), Z)),
        ("z**(1/3)", ("pow", Z, q(1, 3))),
        ("tanh(z)", ("call", "tanh", Z)),
        ("tanh (z)", ("call", "tanh", Z)),
        ("GELU(z)", ("call", "gelu", Z)),
        ("SiLU(z)", ("call", "silu", Z)),
        ("arctan(z)", ("call", "atan", Z)),
        ("arcsin(z)", ("call", "asin", Z)),
        ("arccos(z)", ("call", "acos", Z)),
        ("arcsinh(z)", ("call", "asinh", Z)),
        ("ln(1+z)", ("call", "log", ("add", q(1), Z))),
        ("Abs(z)", ("call", "abs", Z)),
        ("Heaviside(z)", ("call", "heaviside", Z)),
        ("Max(z, 0)", ("call", "max", Z, q(0))),
        ("min(z, 0, 1)", ("call", "min", Z, q(0), q(1))),
        ("swish(z, 3/2)", ("call", "swish", Z, q(3, 2))),
        ("elu(2*z, 1-1/2)", ("call", "elu", ("mul", q(2), Z), ("add", q(1), q(-1, 2)))),
        (
            "Piecewise((z, z > 0), (z/10, True))",
            ("piecewise", (("less", q(0), Z), Z), (("true",), ("mul", Z, q(1, 10)))),
        ),
        (
            "piecewise((0, z <= -1), (1, z >= 1), (z, True))",
            (
                "piecewise",
                (("less_equal", Z, MINUS_ONE), q(0)),
                (("less_equal", q(1), Z), q(1)),
                (("true",), Z),
            ),
        ),
        ("Piecewise((z, True))", ("piecewise", (("true",), Z))),
    ],
)
def test_tree(text: str, tree: Tree) -> None:
    assert parse(text) == tree
    assert parse(to_text(tree)) == tree


def test_parameters() -> None:
    expected = parse("z + sin(1/3*z)**2/(1/3)")
    assert parse("z + sin(a*z)**2/a", {"a": "1/3"}) == ("add", Z, ("mul", *expected[2][1:]))
    assert parse("beta_1*z", {"beta_1": "-sqrt(2)"}) == ("mul", MINUS_ONE, ("call", "sqrt", q(2)), Z)
    assert parse("z**a*b", {"a": "2", "b": "pi"}) == ("mul", ("pow", Z, q(2)), ("constant", "pi"))


@pytest.mark.parametrize(
    ("text", "parameters", "word"),
    [
        ("a*z", {}, "unknown"),
        ("beta1*z", {"beta2": "1"}, "did you mean beta2"),
        ("z", {"a": "1"}, "does not occur"),
        ("a*z", {"a": "z"}, "contains z"),
        ("a*z", {"a": "b", "b": "1"}, "the value of a"),
        ("a*z", {"a": ""}, "empty"),
        ("a*z", {"a": "9**9**9"}, "power"),
        ("a*z", {"a": "1/0"}, "divides"),
        ("a*z", {"a": 3}, "int came"),
        ("z*z", {"z": "3"}, "already has a meaning"),
        ("e*z", {"e": "3"}, "already has a meaning"),
        ("z", {"tanh": "3"}, "already has a meaning"),
        ("z", {"Tanh": "3"}, "already has a meaning"),
        ("z", {"if": "3"}, "already has a meaning"),
        ("z", {"_a": "3"}, "cannot name"),
        ("z", {"": "3"}, "cannot name"),
        ("z", {"a\u0430": "3"}, "cannot name"),
        ("z", {"a" * 31: "3"}, "cannot name"),
        ("z", {3: "3"}, "cannot name"),
        ("a(z)", {"a": "3"}, "not a function"),
        ("z", {f"a{i}": "1" for i in range(21)}, "at most 20"),
        ("+".join(["a"] * 300), {"a": "+".join(["1"] * 300)}, "more than 400"),
    ],
)
def test_parameter_refusals(text: str, parameters: dict[Any, Any], word: str) -> None:
    refuse(text, word, parameters)


def refuse(text: Any, word: str, parameters: dict[Any, Any] | None = None) -> None:
    with pytest.raises(ExpressionError, match=re.escape(word)) as caught:
        parse(text, parameters)
    is_one_sentence(str(caught.value))


def is_one_sentence(message: str) -> None:
    assert message.isascii() and message.isprintable() and message[-1] in ".?" and 20 < len(message) < 420, message
    assert message[0].isupper() or message[0] == "'", message


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        (None, "NoneType came"),
        (b"z", "bytes came"),
        ("__import__('os')", "a name begins with a letter"),
        ("z.__class__", "'.' at position 2"),
        ("np.tanh(z)", "without a module"),
        ("9**9**9", "power"),
        ("9**(9**9*z)", "could grow too long"),
        ("2**1000000", "beyond +-100"),
        ("10**100", "beyond 1e+50"),
        ("(9**50)**50", "could grow too long"),
        ("(1/9**50)**50", "could grow too long"),
        ("(1+1e-40)**100", "could grow too long"),
        ("((z+1)**100)**101", "beyond +-100"),
        ("(((z+1)**100)**100)**100", "could grow too long"),
        ("(sin(z)**100*z)**100/z", "could grow too long"),
        ("exp(1e40*log(1+1e-40))", "could grow too long"),
        ("e**(1e5*log(1+1e-40)*z)", "could grow too long"),
        ("sinh(1e9*z*abs(log(3)))", "could grow too long"),
        ("3**(1e9*log(5)/log(3)*z)", "could grow too long"),
        ("99**(1/1.0000001)", "could grow too long"),
        ("((1e9*z)**9)**99", "could grow too long"),
        ("exp(-1e9)**log(9)", "could grow too long"),
        ("exp((1e9*log(7))**z)", "could grow too long"),
        ("exp(log(9)/(z/1e40))", "could grow too long"),
        ("(99*z)**0.99999999", "could grow too long"),
        ("(99**(9999/10000))**(9999/10000)", "could grow too long"),
        ("99**(z - z + 0.99999999)", "could grow too long"),
        ("exp(0.99999999*log(99)/(1 + z**2))", "could grow too long"),
        ("exp(1/((log(9) + 1e9)*1e40)*9)", "could grow too long"),
        ("exp(exp(exp(100)))", "beyond 1e+50"),
        ("exp(exp(exp(100))*z)", "beyond 1e+50"),
        ("exp(exp(exp(100+z)))", "beyond 1e+50"),
        ("1e400", "out of range"),
        ("1e99999999999999999999", "out of range"),
        ("1e40/1e-40/1e-40/1e-40/1e-40/1e-40/1e-40/1e-40", "out of range"),
        ("1" * 301, "out of range"),
        ("(" * 5000 + "z" + ")" * 5000, "10001 characters"),
        ("(" * 41 + "z" + ")" * 41, "deeper than 40"),
        ("-" * 900 + "z", "deeper than 40"),
        ("z" + "**z" * 300, "deeper than 40"),
        ("tanh(" * 100 + "z" + ")" * 100, "deeper than 40"),
        ("Piecewise((" * 60 + "z", "deeper than 40"),
        ("1+tanh(" * 30 + "z" + ")" * 30, "deeper than 40 operations"),
        ("+".join(["z"] * 500), "more than 400"),
        ("t\u0430nh(z)", "'\\u0430' at position 2; use ASCII"),
        ("\u2212z", "'\\u2212'"),
        ("\uff54anh(z)", "'\\uff54'"),
        ("\ud800", "'\\ud800'"),
        ("z\x00", "'\\x00' at position 2"),
        ("z\x0bz", "'\\x0b' at position 2"),
        ("z^2", "write a power as **"),
        ("|z|", "abs(z)"),
        ("z % 2", "no remainder"),
        ("[z]", "round parentheses"),
        ("z == 1", "inside Piecewise"),
        ("'tanh'", "at position 1"),
        ("2z", "as in 2*z"),
        ("2 z", "as in 2*z"),
        ("(z)(z)", "write a product with *"),
        ("1j", "write a product with *"),
        ("0x10", "write a product with *"),
        ("1_000", "'_' at position 2"),
        ("z if z > 0 else 0", "Piecewise"),
        ("lambda z: z", "':'"),
        ("z and z", "Piecewise"),
        ("z < 1", "only in a condition of Piecewise"),
        ("tanh(z < 1)", "only in a condition of Piecewise"),
        ("1,5*z", "decimals have a point"),
        ("tanh(z", "close the arguments of tanh with )"),
        ("(z", "close a parenthesis with )"),
        ("z)", "remove the parenthesis"),
        ("z +", "its end at position 4"),
        ("z * / z", "'/' at position 5"),
        ("()", "')' at position 2"),
        ("x", "the variable is z"),
        ("Z", "the variable is z"),
        ("tanh", "write tanh(z)"),
        ("Piecewise", "write Piecewise((value"),
        ("swish", "write swish(z, 1/2)"),
        ("tanhh(z)", "did you mean tanh?"),
        ("eval(z)", "no function 'eval'"),
        ("z(2)", "not a function"),
        ("pi(2)", "not a function"),
        ("tanh()", "takes 1 argument but 0 came"),
        ("tanh(z, z)", "takes 1 argument but 2 came"),
        ("tanh(z,)", "')' at position 8"),
        ("swish(z)", "takes 2 arguments but 1 came"),
        ("max(z)", "takes 2 or more arguments"),
        ("swish(z, z)", "contains z"),
        ("1/0", "0 at position 3 divides"),
        ("z/0.0", "0 at position 3 divides"),
        ("z/(1-1)", "cannot be told from 0"),
        ("z*(sqrt(2)**2 - 2)**-1", "cannot be told from 0"),
        ("1/sin(pi)", "cannot be told from 0"),
        ("log(0)", "cannot be told from 0"),
        ("log(-1)", "not a real number"),
        ("(-8)**(1/3)", "not a real number"),
        ("asin(2)*z", "not a real number"),
        ("tan(pi/2)", "not a real number"),
        ("celu(z, 0)*0 + acosh(1/2)", "not a real number"),
        ("Piecewise((z, z > 0))", "a last pair with the condition True"),
        ("Piecewise((z, True), (1, z > 0))", "nothing after the condition True"),
        ("Piecewise()", "a pair (value, condition)"),
        ("Piecewise(z, True)", "a pair (value, condition)"),
        ("Piecewise((z, z))", "one of < <= > >="),
        ("Piecewise((z, 0 < z < 1), (0, True))", ") after a condition"),
        ("Piecewise((z, true))", "conditions stand only in Piecewise"),
        ("Piecewise((z, z > 0), (z, True)", "close Piecewise with )"),
        ("True", "conditions stand only in Piecewise"),
    ],
)
def test_refusals(text: Any, word: str) -> None:
    refuse(text, word)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 40 + "z" + ")" * 40,
        "+".join(["z"] * 200),
        "z**100",
        "exp(110)",
        "1e-40*z",
        "exp(1e9*z)",
        "2**(30*log(5)/log(2))",
        "exp(-0.123*log(1+z**2))",
        "(1+z+z**2/4)**-0.1234",
        "((1+z+z**2/4)**-0.1234)**2",
        "2**(0.123*z)",
        "z**(pi/4)",
        "1.2345**1.5",
        "tanh(1e6*z)",
        "2**tanh(1e6*z)",
        "1/log(3.14159)",
        "log(1/log(1.0000001))",
    ],
)
def test_bounds_leave_room(text: str) -> None:
    assert to_text(parse(text))


def test_error_is_a_value_error() -> None:
    assert issubclass(ExpressionError, ValueError)


def test_to_text_refuses_what_is_no_node() -> None:
    with pytest.raises(ValueError, match="node"):
        to_text(("nonsense", 1))


# Random expressions as text, with Python itself as the slow obvious reference for precedence and meaning.

NUMBERS = st.sampled_from(["1", "2", "3", "0.5", "1e-1", "7", ".25", "12"])
LEAVES = st.one_of(st.just("z"), NUMBERS, st.sampled_from(["pi", "e"]))
UNARY = ["tanh", "sin", "cos", "atan", "exp", "erf", "asinh", "cosh"]


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(inner, st.sampled_from(["+", "-", "*", "/", " - ", "*-", "+-"]), inner).map("".join)
    return st.one_of(
        pair,
        pair.map("({})".format),
        inner.map("-{}".format),
        inner.map("({})".format),
        st.tuples(st.sampled_from(UNARY), inner).map(lambda parts: f"{parts[0]}({parts[1]})"),
        st.tuples(inner, st.sampled_from(["2", "-1", "3", "(1/2)", "-2"])).map(lambda parts: f"{parts[0]}**{parts[1]}"),
        st.tuples(inner, inner).map(lambda parts: f"max({parts[0]}, {parts[1]})"),
        st.tuples(inner, inner, inner).map(lambda p: f"Piecewise(({p[0]}, {p[1]} < z), ({p[2]}, True))"),
    )


RECURSIVE = st.recursive(LEAVES, _grow, max_leaves=12)
EXPRESSIONS = st.builds(str, st.deferred(lambda: RECURSIVE))
NAMESPACE: dict[str, Any] = {name: getattr(math, name) for name in [*UNARY, "pi", "e"]} | {
    "max": max,
    "Piecewise": lambda *pairs: next(value for value, condition in pairs if condition),
}


def python_value(text: str, z: float) -> float:
    try:
        value = eval(text, {"__builtins__": {}}, NAMESPACE | {"z": z})
    except (ZeroDivisionError, OverflowError, ValueError, TypeError):
        return math.nan
    return math.nan if isinstance(value, complex) else float(value)


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS, st.floats(-2, 2).map(lambda x: round(x, 3)))
def test_meaning_is_that_of_python(text: str, z: float) -> None:
    try:
        tree = parse(text)
    except ExpressionError as refusal:
        is_one_sentence(str(refusal))
        return
    ours, theirs = tree_value(tree, z), python_value(text, z)
    if math.isfinite(ours) and math.isfinite(theirs):
        # Sums are reassociated, so nested cancellation and steep functions may amplify a rounding error.
        assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-6) or abs(ours) > 1e6


@settings(max_examples=300, deadline=None)
@given(EXPRESSIONS)
def test_canonical_text_is_read_back(text: str) -> None:
    try:
        tree = parse(text)
    except ExpressionError:
        return
    canonical = to_text(tree)
    assert parse(canonical) == tree
    assert to_text(parse(canonical)) == canonical


@settings(max_examples=200, deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-1000, max_value=1000))
def test_decimals_are_exact(number: Any) -> None:
    exact = Fraction(str(number))
    assert parse(str(number)) == q(exact.numerator, exact.denominator)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_is_read_and_has_a_value(name: str) -> None:
    fewest, _ = FUNCTIONS[name]
    text = f"{name}(z)" if fewest == 1 else f"{name}(z, 3/4)"
    tree = parse(text)
    assert to_text(tree) == text
    assert math.isfinite(tree_value(tree, 1.0 if name == "acosh" else 0.5))


@pytest.mark.parametrize(
    ("text", "z", "value"),
    [
        ("gelu(z)", 1.0, 0.8413447460685429),
        ("gelu_tanh(z)", 1.0, 0.8411919906082768),
        ("silu(z)", 1.0, 0.7310585786300049),
        ("swish(z, 2)", 1.0, 0.8807970779778825),
        ("mish(z)", 1.0, 0.8650983882673103),
        ("softplus(z)", 0.0, math.log(2)),
        ("gaussian(z)", 1.0, math.exp(-1)),
        ("logcosh(z)", 1.0, math.log(math.cosh(1))),
        ("hardswish(z)", 1.0, 2 / 3),
        ("hardtanh(z)", 3.0, 1.0),
        ("squared_relu(z)", 3.0, 9.0),
        ("leaky_relu(z, 1/10)", -1.0, -0.1),
        ("elu(z, 2)", -1.0, 2 * math.expm1(-1)),
        ("celu(z, 2)", -1.0, 2 * math.expm1(-0.5)),
        ("selu(z)", -1.0, -1.1113307378125627),
        ("snake(z, 2)", 1.0, 1 + math.sin(2) ** 2 / 2),
        ("softsign(z)", -1.0, -0.5),
        ("heaviside(z)", 0.0, 0.5),
        ("erfc(z)", 1.0, math.erfc(1)),
        ("Piecewise((1, z < 0), (2, z <= 0), (3, True))", 0.0, 2.0),
        ("log(z)", -1.0, math.nan),
        ("exp(1e3*z)", 1.0, math.inf),
    ],
)
def test_values(text: str, z: float, value: float) -> None:
    assert tree_value(parse(text), z) == pytest.approx(value, rel=1e-14, nan_ok=True)
