"""Formulas on the page: LaTeX to MathML, which browsers typeset without a script.

The formula is data from a stored run, so the converter's output is not trusted: it is parsed, and only presentation
elements of MathML and harmless attributes pass. Whatever does not parse is shown as its source text.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from html import escape

_NAMESPACE = "http://www.w3.org/1998/Math/MathML"
_ELEMENTS = frozenset(
    [
        "math",
        "mrow",
        "mi",
        "mn",
        "mo",
        "ms",
        "mtext",
        "mspace",
        "mfrac",
        "msqrt",
        "mroot",
        "mstyle",
        "msub",
        "msup",
        "msubsup",
        "munder",
        "mover",
        "munderover",
        "mtable",
        "mtr",
        "mtd",
        "mpadded",
        "mphantom",
        "menclose",
    ]
)
_ATTRIBUTES = frozenset(
    [
        "display",
        "displaystyle",
        "scriptlevel",
        "stretchy",
        "fence",
        "form",
        "separator",
        "minsize",
        "maxsize",
        "movablelimits",
        "accent",
        "accentunder",
        "linethickness",
        "columnalign",
        "rowspacing",
        "columnspacing",
        "width",
        "height",
        "depth",
        "lspace",
        "rspace",
        "mathvariant",
        "notation",
    ]
)
# The converter leaves a sized delimiter (\\Bigl\\lVert) as the name of its command.
_DELIMITERS = {
    r"\lVert": "\u2016",
    r"\rVert": "\u2016",
    r"\Vert": "\u2016",
    r"\|": "\u2016",
    r"\lvert": "|",
    r"\rvert": "|",
    r"\langle": "\u27e8",
    r"\rangle": "\u27e9",
    r"\{": "{",
    r"\}": "}",
}
LONGEST = 4000  # characters of a formula that are converted; more is no formula


def mathml(latex: str, display: str = "block") -> str:
    """``latex`` as a MathML element, or as escaped source text where it cannot be converted safely.

    display: "block", or "inline" for a formula within a line or a cell.
    """
    from latex2mathml.converter import convert

    source = f'<code class="formula">{escape(latex)}</code>'
    if len(latex) > LONGEST:
        return source
    try:
        tree = ET.fromstring(convert(latex, display=display))
    except Exception:  # the converter's own errors are many, and none of them may cost the page
        return source
    if not all(_admitted(element) for element in tree.iter()):
        return source
    for element in tree.iter():
        element.tag = element.tag.removeprefix(f"{{{_NAMESPACE}}}")
        element.text = _DELIMITERS.get(element.text or "", element.text)
    tree.set("xmlns", _NAMESPACE)
    tree.set("alttext", latex)
    return ET.tostring(tree, encoding="unicode")


def _admitted(element: ET.Element) -> bool:
    name = str(element.tag).removeprefix(f"{{{_NAMESPACE}}}")
    return name in _ELEMENTS and element.attrib.keys() <= _ATTRIBUTES
