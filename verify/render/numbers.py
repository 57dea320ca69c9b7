"""Numbers for readers: as many digits as the uncertainty allows, and no more."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Decimal

from verify.results import Number, as_float

MOST_DIGITS = 10  # more help nobody: the tolerance stands beside the value, and results.json has all digits


def decimals(value: float, uncertainty: float) -> int | None:
    """Decimal places that show ``value`` to two digits of ``uncertainty``; None where a fixed format is unsuitable."""
    if not (math.isfinite(value) and math.isfinite(uncertainty)) or uncertainty <= 0:
        return None
    places = 1 - math.floor(math.log10(uncertainty))
    return min(places, MOST_DIGITS - 1 - (math.floor(math.log10(abs(value))) if value else 0))


def with_uncertainty(value: Number, uncertainty: Number) -> str:
    """``-2.99983(12)``: the value to two digits of its uncertainty, these in parentheses; text passes unchanged.

    Where the value is not larger than its uncertainty, or there is none, three significant digits.
    """
    number, spread = as_float(value), as_float(uncertainty)
    if number is None:
        return "" if value is None else str(value)
    if isinstance(value, str) or not spread:
        return str(value) if isinstance(value, str) else short(value)
    places = decimals(number, spread)
    if places is None or places <= 0 or abs(number) <= spread or abs(number) < 1e-4:
        return short(number)
    quantum = Decimal(1).scaleb(-places)
    rounded = Decimal(repr(number)).quantize(quantum, rounding=ROUND_HALF_EVEN)
    digits = int((Decimal(repr(spread)) / quantum).to_integral_value(rounding=ROUND_HALF_EVEN))
    return f"{rounded}({digits})" if digits else f"{rounded}"


def at_precision(value: Number, uncertainty: Number) -> str:
    """The value alone, without digits that the uncertainty of its counterpart makes idle; integers as they are."""
    number = as_float(value)
    if number is not None and math.isfinite(number) and number == round(number):
        return short(number)
    return with_uncertainty(value, uncertainty).partition("(")[0]


def short(value: Number) -> str:
    """Three significant digits; integers as they are."""
    number = as_float(value)
    if number is None:
        return "" if value is None else str(value)
    if not math.isfinite(number):
        return str(value)
    if number == int(number) and abs(number) < 1e6:
        return str(int(number))
    return f"{number:.3g}"


LONGEST_TEXT = 40  # characters of a value in a table; `show` has it whole


def brief(text: str) -> str:
    """A value that is text, for a table: of a long residual only the number of its terms."""
    if len(text) <= LONGEST_TEXT:
        return text
    head = text.partition(", first ")[0]
    return head if len(head) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 3]}..."


def seconds(value: float) -> str:
    """A duration for a table."""
    return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"
