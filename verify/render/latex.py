r"""LaTeX: one booktabs table a theorem, numbers through siunitx with digits that follow the uncertainty."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from verify.render.numbers import at_precision, short, with_uncertainty
from verify.render.power import power_line
from verify.render.summary import by_claim, verdict_line
from verify.results import Number, Result, Results, as_float

if TYPE_CHECKING:
    import jinja2

_ESCAPES = {
    "\\": r"\textbackslash{}",
    **{character: "\\" + character for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
}


def escape(text: str) -> str:
    """``text`` as LaTeX shows it, whatever it contains; characters outside printable ASCII become a question mark."""
    return "".join(_ESCAPES.get(c, c if 32 <= ord(c) < 127 else ("?" if not c.isspace() else " ")) for c in text)


def typeset_number(value: Number, uncertainty: Number) -> str:
    r"""``\num{-2.9998(3)}``, or escaped text where the value is no number."""
    if as_float(value) is None:
        return escape("" if value is None else str(value))
    text = with_uncertainty(value, uncertainty)
    if text.lstrip("-") in ("Infinity", "inf"):
        return r"\(-\infty\)" if text.startswith("-") else r"\(\infty\)"
    return rf"\num{{{text}}}"


def _predicted(result: Result) -> str:
    """The prediction with the digits that its measurement can be held against, and no uncertainty of its own."""
    if as_float(result.predicted.value) is None:
        return escape(str(result.predicted.value or ""))
    return typeset_number(at_precision(result.predicted.value, result.budget.total), 0)


def _tolerance(result: Result) -> str:
    total = as_float(result.budget.total)
    if not total:
        return "exact"
    return typeset_number(short(total), 0)


def _case(text: str) -> str:
    # A case may be broken after a comma, so that a narrow column takes it.
    return escape(text).replace(",", r",\allowbreak{}")


def _identifier(text: str) -> str:
    return escape(text).replace(".", r".\allowbreak{}")


def label(text: str) -> str:
    """``text`` as a part of a LaTeX label: letters, digits, dots and hyphens."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text)


def _environment() -> jinja2.Environment:
    import jinja2

    # Delimiters that LaTeX does not use, so that a template reads like the file it makes.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("verify.render", "templates"),
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # the filters below escape for LaTeX; HTML's rules are of no use here
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {"tex": escape, "case": _case, "identifier": _identifier, "label": label}
    environment.globals |= {"num": typeset_number, "tolerance": _tolerance, "predicted": _predicted}
    return environment


def render(results: Results) -> dict[str, str]:
    """File name -> text: ``T1.tex`` ..., and ``tables.tex``, a document that shows them all."""
    environment = _environment()
    summaries = by_claim(results.results)
    theorems = list(dict.fromkeys(summary.theorem for summary in summaries))
    common = {"run": results.run, "verdicts": verdict_line(results), "power": power_line(results)}
    files = {
        f"{theorem}.tex": environment.get_template("theorem.tex").render(
            common, theorem=theorem, summaries=[s for s in summaries if s.theorem == theorem]
        )
        for theorem in theorems
    }
    files["tables.tex"] = environment.get_template("tables.tex").render(common, theorems=theorems)
    return files
