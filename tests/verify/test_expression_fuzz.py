"""Hostile typing: eleven thousand random inputs, with nothing raised but the parser's own refusal, and nothing run."""

import random
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.expression import ExpressionError, Tree, parse, to_text

VALID = [
    "tanh(z)",
    "z + sin(a*z)**2/a",
    "z*sigmoid(3/2*z) - 1e-3*z**3",
    "Piecewise((z, z > 0), (exp(z) - 1, z >= -5), (0, True))",
    "max(z, -z/10) + min(0, 2.5, z)",
    "log(1 + exp(z))*e**(-z**2/2)/sqrt(2*pi)",
    "celu(z, 1/2)*erfc(-z) + gelu_tanh(z/3)",
    "((1+z)**(1/2) - 1)/(2 + cos(z))**3",
]
SIGNS = "z z z 1 2 9 0 0.5 1e9 1e40 1e-40 ( ( ( ) ) ) , + - * / ** ** ^ < <= > >= == : . ' [ ] { } _ ; \\ |"
NAMES = "pi e a b tanh exp log sin sqrt max Piecewise True relu swish __import__ os eval lambda z.__class__ if else"
WORDS = [*SIGNS.split(), *NAMES.split(), '"', "\u0430", "\uff1d", "\u2212", "\n", "\t", " "]
FORBIDDEN = ("exec", "compile", "import", "open", "os.", "subprocess.", "socket.", "ctypes.", "pickle.")


class Watch:
    """An audit hook (which Python never removes) that listens only while it is asked to."""

    def __init__(self) -> None:
        self.active = False
        self.events: list[str] = []

    def __call__(self, event: str, arguments: Any) -> None:
        if self.active and event.startswith(FORBIDDEN):
            self.events.append(event)


@pytest.fixture(scope="module")
def watch() -> Iterator[Watch]:
    hook = Watch()
    sys.addaudithook(hook)
    yield hook
    hook.active = False


def read(text: str, parameters: dict[str, str] | None = None) -> Tree | None:
    try:
        tree = parse(text, parameters)
    except ExpressionError as refusal:
        sentence = str(refusal)
        assert sentence.isascii() and sentence.isprintable() and sentence[-1] in ".?" and len(sentence) < 500
        return None
    check_plain(tree)
    return tree


def check_plain(tree: Tree) -> None:
    """Nothing but nested tuples of short strings and integers of at most a thousand bits."""
    for part in tree:
        if isinstance(part, tuple):
            check_plain(part)
        elif isinstance(part, int):
            assert part.bit_length() <= 1000
        else:
            assert isinstance(part, str) and len(part) < 20


def mutated(rng: random.Random) -> str:
    text = rng.choice(VALID)
    for _ in range(rng.randint(1, 4)):
        at, kind = rng.randrange(len(text) + 1), rng.randrange(5)
        if kind == 0:
            text = text[:at] + text[at + 1 :]
        elif kind == 1:
            text = text[:at] + rng.choice(WORDS) + text[at:]
        elif kind == 2:
            text = text[:at] + text[at:] * 2
        elif kind == 3:
            other = rng.choice(VALID)
            text = text[:at] + other[rng.randrange(len(other)) :]
        else:
            text = text[:at] + chr(rng.choice([rng.randrange(128), rng.randrange(0x11_0000)])) + text[at + 1 :]
    return text


def soup(rng: random.Random) -> str:
    return "".join(rng.choice(WORDS) for _ in range(rng.choice([1, 3, 5, 9, 40])))


def noise(rng: random.Random) -> str:
    return "".join(chr(rng.randrange(32, 127)) for _ in range(rng.randint(0, 60)))


def towers(rng: random.Random) -> str:
    """Constants that would explode if anybody worked them out."""
    text = rng.choice(["9", "1.0000001", "z", "log(7)", "1e30", "1/3", "e"])
    for _ in range(rng.randint(1, 12)):
        number = rng.choice(["9", "99", "1e9", "1e40", "-1e9", "1/1e40", "z", "log(9)"])
        pattern = rng.choice(["({t})**{n}", "{n}**({t})", "({t})*{n}", "exp({t})", "log({t})", "1/({t})", "({t})+{n}"])
        text = pattern.format(t=text, n=number)
    return text


@pytest.mark.parametrize(("kind", "count"), [(mutated, 4000), (soup, 3000), (noise, 2000), (towers, 2000)])
def test_eleven_thousand_inputs(kind: Any, count: int, watch: Watch) -> None:
    rng = random.Random(kind.__name__)  # seeded by the text of the name: the same inputs every time
    texts = [kind(rng) for _ in range(count)]
    accepted = 0
    watch.active, watch.events[:] = True, []
    try:
        for text in texts:
            tree = read(text, {"a": "1/3"} if "a*z" in text else None)
            accepted += tree is not None
            if tree is not None and len(canonical := to_text(tree)) < 500:
                assert read(canonical) in (tree, None)  # None: the canonical text nests a little deeper
    finally:
        watch.active = False
    assert watch.events == []
    # Neither everything nor nothing may be refused, or the fuzz would test one branch only.
    assert kind is noise or 0.005 * count < accepted < 0.9 * count


def test_the_watch_sees_what_it_should(watch: Watch) -> None:
    watch.active, watch.events[:] = True, []
    eval("1 + 1")
    watch.active = False
    assert "compile" in watch.events and "exec" in watch.events


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 0x10FFFF), max_size=60))
def test_any_text(code_points: list[int]) -> None:
    read("".join(map(chr, code_points)))


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="z19e()+-*/,. <tanhPiecwsTru", max_size=80), st.text(alphabet="z19e+-*/().", max_size=20))
def test_any_text_of_the_grammars_own_letters(text: str, value: str) -> None:
    read(text)
    read(text + "+a", {"a": value})


HOSTILE = [
    "(" * 5000 + "z" + ")" * 5000,
    "(" * 999,
    "-" * 999,
    "+z" * 499,
    "z**" * 333 + "z",
    "z/" * 499 + "z",
    "9**" * 300 + "9",
    "1e40*" * 190 + "z",
    "1e40/1e-40/" * 80 + "3",
    "9" * 1000,
    "9." + "9" * 997,
    "1e" + "9" * 998,
    "Piecewise(" * 99,
    "Piecewise((z,z<0)," * 55 + "(z,True))",
    "max(" + "z," * 400 + "z)",
    "tanh(" * 39 + "z" + ")" * 39,
    "a+" * 499 + "z",
    "z" * 1000,
    " " * 1000,
    "." * 1000,
    "((z)**9)" * 120,
    "exp(" * 30 + "log(9)*1e9" + ")" * 30,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_work_is_bounded(text: str) -> None:
    """Counted in function calls, which no other load on the machine can change."""
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        read(text, {"a": "+".join("1" * 300)} if text.startswith("a") else None)
    finally:
        sys.setprofile(None)
    assert calls < 60_000  # a thousand characters at some sixty calls each; a quadratic pass would need a million
