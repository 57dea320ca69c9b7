"""Selectors and filters: the grammar, its refusals, and agreement with Python's own boolean operators."""

import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.selection import THEOREMS, Selector, nearest, parse_filter, parse_selector

TEXT = "critical-depth.exponent[r=3,L=5,activation=tanh]"


def matches(selector: str, claim: str = "critical-depth.exponent", theorem: str = "T5", case: str = "r=3,L=5") -> bool:
    return parse_selector(selector).matches(claim, theorem, case)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("critical-depth.exponent", True),
        (" critical-depth.exponent ", True),
        ("critical-depth.exponents", False),
        ("critical-depth.exponent[r=3,L=5]", True),
        ("critical-depth.exponent[r=3]", False),
        ("critical-depth.exponent[]", False),
        ("critical-depth.", True),
        ("critical-depth.exponent.", False),
        ("critical.", False),
        ("critical-depth", False),
        ("T5", True),
        ("T1", False),
    ],
)
def test_selector_matches(selector: str, expected: bool) -> None:
    assert matches(selector) is expected


def test_empty_case_is_a_case() -> None:
    assert matches("manifold.tangent[]", "manifold.tangent", "T4", "")
    assert matches("manifold.tangent", "manifold.tangent", "T4", "")


def test_case_may_contain_brackets() -> None:
    assert matches("a.b[start=[1]]", "a.b", "T1", "start=[1]")


def test_every_theorem_selects_itself_only() -> None:
    for theorem in THEOREMS:
        selector = parse_selector(theorem)
        assert [other for other in THEOREMS if selector.matches("x.y", other, "")] == [theorem]


@pytest.mark.parametrize(
    ("selector", "word"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("T0", "T1 to T8"),
        ("T9", "T1 to T8"),
        ("T4b", "T1 to T8"),
        ("T12345", "T1 to T8"),
        ("Critical.Depth", "not a selector"),
        ("critical..depth", "not a selector"),
        (".", "not a selector"),
        (".x", "not a selector"),
        ("critical-", "not a selector"),
        ("critical.[r=3]", "not a selector"),
        ("[r=3]", "not a selector"),
        ("critical-depth[r=3", "not closed"),
        ("critical-depth[r=3]x", "not closed"),
        ("cr\u0456tical", "not a selector"),
        ("a\nb", "not a selector"),
        ("x" * 501, "at most 500"),
    ],
)
def test_selector_refusals(selector: str, word: str) -> None:
    with pytest.raises(ValueError, match=re.escape(word)) as caught:
        parse_selector(selector)
    message = str(caught.value)
    assert message.endswith(".") and message.isascii() and "\n" not in message and len(message) < 250


def test_selector_is_a_value() -> None:
    assert parse_selector("T1") == Selector(text="T1", theorem="T1")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("tanh", True),
        ("TANH", True),
        ("gelu", False),
        ("not gelu", True),
        ("tanh and r=3", True),
        ("tanh and r=4", False),
        ("gelu or tanh", True),
        ("tanh or gelu and r=4", True),  # and binds tighter than or
        ("(tanh or gelu) and r=4", False),
        ("not gelu and tanh", True),  # not binds tighter than and
        ("not (gelu or tanh)", False),
        ("not not tanh", True),
        ("NOT gelu AND Tanh", True),
        ("((tanh))", True),
        ("(tanh)and(r=3)", True),
        ("[r=3,L=5", True),
        ("r=3,L=5,activation=tanh]", True),
        ("android", False),
        ("\ttanh  ", True),
    ],
)
def test_filter(expression: str, expected: bool) -> None:
    assert parse_filter(expression)(TEXT) is expected


@pytest.mark.parametrize(
    ("expression", "word"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("tanh gelu", "'gelu'"),
        ("and tanh", "'and'"),
        ("tanh and", "the end"),
        ("tanh or or gelu", "'or'"),
        ("not", "the end"),
        ("(tanh", "open"),
        ("tanh)", "')'"),
        ("()", "')'"),
        ("tanh; import os", "';'"),
        ("tanh & gelu", "'&'"),
        ("t\u0430nh", "'\\u0430'"),
        ("tanh\nor gelu", "'\\n'"),
        ("(" * 200 + "x" + ")" * 200, "deeper than 25"),
        ("not " * 100 + "x", "deeper than 25"),
        ("x" * 501, "at most 500"),
    ],
)
def test_filter_refusals(expression: str, word: str) -> None:
    with pytest.raises(ValueError, match=re.escape(word)) as caught:
        parse_filter(expression)
    message = str(caught.value)
    assert message.endswith(".") and message.isascii() and "\n" not in message


def test_deepest_filter_that_is_read() -> None:
    assert parse_filter("(" * 25 + "tanh" + ")" * 25)(TEXT)
    with pytest.raises(ValueError, match="deeper"):
        parse_filter("(" * 26 + "tanh" + ")" * 26)


def test_depth_counts_nesting_not_length() -> None:
    assert parse_filter(" and ".join(["(not gelu)"] * 30))(TEXT)


words = st.sampled_from(["tanh", "gelu", "r=3", "r=4", "critical-depth", "[r", "L=5"])
expressions = st.recursive(
    words,
    lambda inner: st.one_of(
        inner.map("not {}".format),
        inner.map("({})".format),
        st.tuples(inner, inner).map(lambda pair: f"{pair[0]} and {pair[1]}"),
        st.tuples(inner, inner).map(lambda pair: f"{pair[0]} or {pair[1]}"),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(expressions)
def test_filter_agrees_with_python(expression: str) -> None:
    reference = " ".join(
        token if token in ("and", "or", "not", "(", ")") else str(token.lower() in TEXT.lower())
        for token in expression.replace("(", " ( ").replace(")", " ) ").split()
    )
    assert parse_filter(expression)(TEXT) is eval(reference)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="andortx ()=.[],;\n\u0430", max_size=60))
def test_any_text_is_read_or_refused_with_a_sentence(text: str) -> None:
    for read in (parse_filter, parse_selector):
        refusal = None
        try:
            read(text)
        except ValueError as error:
            refusal = str(error)
        assert refusal is None or refusal.endswith(".")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("critical-depth.exponnent", "critical-depth.exponent"),
        ("Critical-Depth.Exponent", "critical-depth.exponent"),
        ("exponent", "critical-depth.exponent"),
        ("prefactor.hermit", "prefactor.hermite"),
        ("zzzz", None),
        ("", None),
    ],
)
def test_nearest(word: str, expected: str | None) -> None:
    assert nearest(word, ["critical-depth.exponent", "critical-depth.logarithm", "prefactor.hermite"]) == expected


def test_nearest_without_candidates() -> None:
    assert nearest("x", []) is None


def test_nothing_heavy_is_imported() -> None:
    heavy = {"torch", "sympy", "numpy", "symbolic", "numeric"}
    code = f"import sys, verify.selection; print(sorted({heavy} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
