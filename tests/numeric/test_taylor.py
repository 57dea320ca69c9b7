import math

import flint
import pytest

from numeric.taylor import NotExpandableError, taylor

Z = ("z",)


def call(name, *rest):
    return ("call", name, Z, *rest)


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (call("tanh"), [0, 1, 0, -1 / 3, 0, 2 / 15]),
        (call("erf"), [0, 2 / math.sqrt(math.pi), 0, -2 / (3 * math.sqrt(math.pi)), 0, 1 / (5 * math.sqrt(math.pi))]),
        (call("gelu"), [0, 0.5, 1 / math.sqrt(2 * math.pi), 0, -1 / (6 * math.sqrt(2 * math.pi)), 0]),
        (call("sigmoid"), [0.5, 0.25, 0, -1 / 48, 0, 1 / 480]),
        (call("asinh"), [0, 1, 0, -1 / 6, 0, 3 / 40]),
        (("pow", Z, ("rational", 3, 1)), [0, 0, 0, 1, 0, 0]),
        (("pow", ("add", ("rational", 1, 1), Z), ("rational", 1, 2)), [1, 0.5, -1 / 8, 1 / 16, -5 / 128, 7 / 256]),
    ],
)
def test_known_series(tree: tuple, expected: list[float]) -> None:
    assert taylor(tree, 5) == pytest.approx(expected, rel=1e-15, abs=0)


def test_one_sided_series() -> None:
    assert taylor(call("abs"), 2, +1) == (0, 1, 0)
    assert taylor(call("abs"), 2, -1) == (0, -1, 0)
    assert taylor(call("softsign"), 3, -1) == (0, 1, 1, 1)
    # The sign of an argument that vanishes at 0 comes from its first coefficient: |z^3| on the left is -z^3.
    assert taylor(("call", "abs", ("pow", Z, ("rational", 3, 1))), 3, -1) == (0, 0, 0, -1)


@pytest.mark.parametrize("tree", [call("log"), ("pow", Z, ("rational", -1, 1)), call("sqrt")])
def test_no_series_is_said(tree: tuple) -> None:
    with pytest.raises(NotExpandableError):
        taylor(tree, 4)


def test_global_precision_is_restored() -> None:
    before = (flint.ctx.prec, flint.ctx.cap)
    taylor(call("mish"), 12)
    with pytest.raises(NotExpandableError):
        taylor(call("log"), 4)
    assert (flint.ctx.prec, flint.ctx.cap) == before
