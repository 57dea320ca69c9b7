"""Cases and series read back from a record, whatever it holds."""

import pytest

from tests.verify.render.conftest import HOSTILE, result
from verify.render.stored import Stored, named, preferred
from verify.results import Quantity, Verdict


def stored(case: str = "r=3,L=5,activation=tanh", **changes: object) -> Stored:
    return Stored(result("a.pass", case, Verdict.PASS, **changes))


def test_parameters_are_words_and_integers() -> None:
    case = stored()
    assert case.word("activation") == "tanh"
    assert (case.integer("r"), case.integer("L"), case.integer("activation")) == (3, 5, 0)
    assert case.word("N") == "?"
    assert named(case, "activation", "L", "N") == "tanh, L = 5"


@pytest.mark.parametrize("case", ["", "r", "r=", "=3", "r=٣", "r=-3", "r=3.5", f"r=1{'0' * 40}", HOSTILE])
def test_a_parameter_that_is_no_small_integer_is_zero(case: str) -> None:
    assert stored(case).integer("r") == 0


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "word", None, 1e300])
def test_a_series_with_what_no_axis_can_show_is_no_series(value: object) -> None:
    case = stored(series={"eps": (1.0, value), "t": (1.0, 2.0)})
    assert case.numbers("eps") is None
    assert case.curve("eps", "t") is None
    assert stored(predicted=Quantity(value=value)).predicted is None  # type: ignore[arg-type]


def test_series_of_one_length_are_a_curve() -> None:
    case = stored(series={"eps": (0.1, 0.2), "t": (3.0, -4.0), "short": (1.0,), "empty": (), "zero eps": (0.0, 1.0)})
    assert case.curve("eps", "t") == ((0.1, 0.2), (3.0, -4.0))
    assert case.curve("eps", "t", size=True) == ((0.1, 0.2), (3.0, 4.0))
    assert case.curve("eps", "short") is None
    assert case.curve("eps", "absent") is None
    assert case.curve("empty", "empty") is None
    assert case.curve("zero eps", "t") is None  # no scale


def test_the_activation_of_the_papers_figures_is_shown_first() -> None:
    cases = [stored(f"activation={name}") for name in ("silu", "gelu", "tanh")]
    assert preferred(cases) is cases[2]
    assert preferred(cases[:2]) is cases[1]
    assert preferred(cases[:1]) is cases[0]
