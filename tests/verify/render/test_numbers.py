"""Numbers for readers: digits follow the uncertainty, and reading them back stays within it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.render.numbers import at_precision, short, with_uncertainty


@pytest.mark.parametrize(
    ("value", "uncertainty", "text"),
    [
        (-2.9998312, 0.00012, "-2.99983(12)"),
        (1.0, 0.25, "1.00(25)"),
        (0.75717883, 2.9e-8, "0.757178830(29)"),
        (123456.0, 7.0, "123456.0(70)"),
        (1e-9, 1e-8, "1e-09"),
        (3, 0, "3"),
        (0.1234567, 0, "0.123"),
        ("Infinity", 1.0, "Infinity"),
        ("B (q = 3)", 0, "B (q = 3)"),
        ("0.333333333333333333333333", 0, "0.333333333333333333333333"),
        (None, 1.0, ""),
        (1.5, "Infinity", "1.5"),
        (math.nan, 1.0, "nan"),
    ],
)
def test_known_texts(value: float | str | None, uncertainty: float | str, text: str) -> None:
    assert with_uncertainty(value, uncertainty) == text


@given(st.floats(-1e6, 1e6), st.floats(1e-12, 1e3))
def test_a_shown_value_is_within_its_uncertainty(value: float, uncertainty: float) -> None:
    text = with_uncertainty(value, uncertainty)
    shown = float(text.partition("(")[0])
    if "(" in text:
        assert abs(shown - value) <= max(uncertainty / 2, 1e-9 * abs(value))
    else:
        assert shown == pytest.approx(value, rel=0.006, abs=1e-300)


def test_an_integer_prediction_stays_an_integer() -> None:
    assert at_precision(-3.0, 1e-7) == "-3"
    assert at_precision(0.75717883, 1e-4) == "0.75718"
    assert short(2.34567e-9) == "2.35e-09"
