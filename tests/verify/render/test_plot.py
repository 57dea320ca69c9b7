"""Descriptions of figures and their CSV."""

import csv
import io

import pytest

from verify.render.plot import Bars, Curve, Description, Kind, Matrix, Panel


def rows(*panels: Panel | Bars | Matrix) -> list[list[str]]:
    description = Description("name", "T1", "A caption.", "Words.", panels, 2.0)
    return list(csv.reader(io.StringIO(description.csv())))


def test_the_csv_of_curves_holds_every_point_with_all_its_digits() -> None:
    points = Curve("a, b", Kind.MEASURED, (0.1, 1 / 3), (1e-300, 2.0), 0, (0.5, 0.25))
    line = Curve("", Kind.LEADING, (1.0,), (-1.5,))
    assert rows(Panel("x", "y", (points,)), Panel("x", "y", (line,))) == [
        ["panel", "curve", "kind", "x", "y", "spread"],
        ["1", "a, b", "measured", "0.1", "1e-300", "0.5"],
        ["1", "a, b", "measured", "0.3333333333333333", "2.0", "0.25"],
        ["2", "", "leading law", "1.0", "-1.5", ""],
    ]


def test_the_csv_of_counts() -> None:
    assert rows(Bars("cases", ("T1",), ("proof", "exact"), ((3, 0),))) == [
        ["panel", "row", "part", "count"],
        ["1", "T1", "proof", "3"],
        ["1", "T1", "exact", "0"],
    ]
    assert rows(Matrix(("T1",), ("own", "other"), (((2, 3), (0, 0)),))) == [
        ["panel", "row", "column", "refuted", "tried"],
        ["1", "T1", "own", "2", "3"],
        ["1", "T1", "other", "0", "0"],
    ]


@pytest.mark.parametrize("spread", [(), (1.0,)])
def test_a_curve_of_uneven_length_is_refused(spread: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="as many of each"):
        Curve("curve", Kind.MEASURED, (1.0, 2.0), (1.0,) if not spread else (1.0, 2.0), 0, spread)
