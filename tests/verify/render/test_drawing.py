"""Descriptions drawn: the right kind of file, the same bytes again, whatever the names are."""

import re
from xml.etree import ElementTree

import matplotlib
import pytest

from tests.verify.render.conftest import HOSTILE
from verify.render.drawing import FORMATS, WIDTH, draw, plain
from verify.render.plot import Bars, Curve, Description, Kind, Matrix, Panel

BEGIN = {"pdf": b"%PDF", "svg": b"<?xml", "png": b"\x89PNG"}


def description(name: str = "tanh", *, x_log: bool = True) -> Description:
    x = (1e-3, 2e-3, 5e-3)
    curves = tuple(
        Curve(f"{plain(name)} {k}", kind, x, (1.0, 2.0, 3.0), k, (0.1, 0.1, 0.1)) for k, kind in enumerate(Kind)
    )
    return Description("f", "T1", "c", "w", (Panel("$x$", "$y$", curves, x_log=x_log),) * 2, 4.0)


def matrix(*names: str) -> Description:
    cells = (((2, 3), (0, 0)),) * len(names)
    return Description("m", "", "c", "w", (Matrix(names, ("own counterfeits", HOSTILE), cells),), 2.0)


def bars(*names: str) -> Description:
    parts = ("proof", "certified", "exact", "numerical", "statistical")
    return Description("b", "", "c", "w", (Bars("cases", names, parts, ((1, 2, 3, 40, 0),) * len(names)),), 2.0)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("figure", [description(), description(x_log=False), matrix("T1"), bars("T1", "T2")])
def test_the_same_description_gives_the_same_file(figure: Description, form: str) -> None:
    image = draw(figure, form)
    assert image.startswith(BEGIN[form])
    assert draw(figure, form) == image
    assert b"Date" not in image  # neither the day nor the hour of the drawing


def test_a_figure_is_one_column_wide() -> None:
    box = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', draw(description(), "svg").decode())
    assert box is not None
    assert float(box[1]) == pytest.approx(72 * WIDTH)
    assert float(box[2]) == pytest.approx(72 * 4.0)


def test_the_users_own_style_is_neither_used_nor_changed() -> None:
    image = draw(description(), "svg")
    before = matplotlib.rcParams["font.size"]
    try:
        matplotlib.rcParams["font.size"] = 33.0
        assert draw(description(), "svg") == image
        assert matplotlib.rcParams["font.size"] == 33.0
    finally:
        matplotlib.rcParams["font.size"] = before


@pytest.mark.parametrize(
    "name",
    [
        HOSTILE,
        "$",
        r"\frac{",
        "$x^",
        "a\nb\x00",
        "雪",
        "--><script/>",
        "<g onload=x>",
        "",
        "_",
        "w" * 500,
        r"\$x$",
        "$$",
    ],
)
def test_no_name_breaks_a_drawing(name: str) -> None:
    for figure in (description(name), matrix(name, "T2"), bars(name)):
        for element in ElementTree.fromstring(draw(figure, "svg")).iter():
            assert "script" not in str(element.tag)
            assert not any(attribute.startswith("on") for attribute in element.attrib)
        assert draw(figure, "pdf")


def test_a_name_is_drawn_as_it_is_on_one_line() -> None:
    assert plain("tanh_2 ^") == "tanh_2 ^"
    assert plain("a\nb\tc") == "a b c"
    assert plain("w" * 40, 10) == "w" * 9 + "…"
    assert plain("$x$") == r"\$x\$"


def test_an_unknown_format_names_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="pdf, svg, png"):
        draw(description(), "docx")
