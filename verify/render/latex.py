r"""LaTeX of a stored run, for a paper: macros by claim, one table a theorem, errata, and a long table of every case.

Numbers go through siunitx with digits that follow the uncertainty. Names are data: whatever a claim, a case or an
activation is called, the files compile (``escape``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from verify.render.errata import errata
from verify.render.numbers import at_precision, brief, short, with_uncertainty
from verify.render.power import COLUMNS, power_line, power_matrix
from verify.render.summary import ClaimSummary, by_claim, verdict_line
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
    '"': "''",  # the straight one needs an encoding that a paper may not load
    "'": r"\textquotesingle{}",
}
WIDEST_TEXT = 14  # characters that a number column holds in one line
# What \csname takes as it stands, and a reader can type into \claimstatus{...}.
_NAMEABLE = re.compile(r"[A-Za-z0-9 .,=+:/()\[\]*-]+")


def escape(text: str) -> str:
    """``text`` as LaTeX shows it, whatever it contains; characters outside printable ASCII become a question mark."""
    return "".join(_ESCAPES.get(c, c if 32 <= ord(c) < 127 else ("?" if not c.isspace() else " ")) for c in text)


def typeset_number(value: Number, uncertainty: Number) -> str:
    r"""``\num{-2.9998(3)}``, or escaped text where the value is no number."""
    cell = number_cell(value, uncertainty)
    return cell[1:-1] if cell.startswith("{") else rf"\num{{{cell}}}"


def number_cell(value: Number, uncertainty: Number) -> str:
    r"""``-2.9998(3)`` for an S column; text, infinities and NaN in braces, which siunitx leaves alone."""
    number = as_float(value)
    if number is None:
        text = escape(brief("" if value is None else str(value)))
        # A number column does not break lines; a box in it does.
        return (
            f"{{{text}}}"
            if len(text) <= WIDEST_TEXT
            else rf"{{\parbox[t]{{6.5em}}{{\raggedright\strut {text}\strut}}}}"
        )
    if math.isnan(number):
        return "{undefined}"
    if math.isinf(number):
        return rf"{{\({'-' if number < 0 else ''}\infty\)}}"
    return with_uncertainty(value, uncertainty)


def _predicted(result: Result) -> str:
    """The prediction with the digits that its measurement can be held against, and no uncertainty of its own."""
    number = as_float(result.predicted.value)
    if number is None or not math.isfinite(number):
        return number_cell(result.predicted.value, 0)
    return at_precision(result.predicted.value, result.budget.total)


def _measured(result: Result) -> str:
    return number_cell(result.measured.value, result.budget.total)


def _tolerance(result: Result) -> str:
    total = as_float(result.budget.total)
    return number_cell(short(total), 0) if total else "{exact}"


def _case(text: str) -> str:
    # A case may be broken after a comma, so that a narrow column takes it.
    return escape(text).replace(",", r",\allowbreak{}")


def identifier(text: str) -> str:
    """A claim's id, which a narrow column may break after a dot or a hyphen."""
    return escape(text).replace(".", r".\allowbreak{}").replace("-", r"-\allowbreak{}")


def label(text: str) -> str:
    """``text`` as a part of a LaTeX label: letters, digits, dots and hyphens."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text)


def nameable(text: str) -> bool:
    """Whether ``text`` can name a value in ``claims-status.tex``."""
    return _NAMEABLE.fullmatch(text) is not None


# What the formulas of ``verify.activation_table`` are made of; anything else is shown as its source.
_COMMANDS = frozenset(
    [
        *("frac", "sqrt", "left", "right", "begin", "end", "text", "operatorname", "log", "exp", "min", "max", "pi"),
        *("sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "cdot", "ldots"),
    ]
)
_TOKEN = re.compile(r"\\([A-Za-z]+)|\\[\\: ,|]|[A-Za-z0-9 .,+*/=<>()|&{}^_-]")


def formula(text: str) -> str:
    r"""``text`` as \(...\) where it is a formula of harmless commands with balanced braces, else as its source."""
    depth = at = 0
    while (token := _TOKEN.match(text, at)) is not None and depth >= 0:
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if token[1] and (token[1] not in _COMMANDS or not _closed_environment(text, token)):
            break
        at = token.end()
    return rf"\({text}\)" if at == len(text) and depth == 0 else rf"\texttt{{{escape(text)}}}"


def _closed_environment(text: str, token: re.Match[str]) -> bool:
    r"""Whether \begin and \end, if it is one of them, are of cases and come in pairs."""
    if token[1] not in ("begin", "end"):
        return True
    return text.startswith("{cases}", token.end()) and text.count(r"\begin{") == text.count(r"\end{")


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
    environment.filters |= {"tex": escape, "case": _case, "identifier": identifier, "label": label, "formula": formula}
    environment.globals |= {
        "tolerance": _tolerance,
        "predicted": _predicted,
        "measured": _measured,
        "num": typeset_number,
        "nameable": nameable,
    }
    return environment


def render(
    results: Results, labels: Mapping[str, str] | None = None, stale: frozenset[str] = frozenset()
) -> dict[str, str]:
    r"""File name -> text: ``claims-status.tex``, a table a theorem, errata, power, activations, everything, a document.

    labels: claim id -> the ``\label`` of the statement in the paper, which the tables then refer to. stale: results
    (``CLAIM[case]``) whose verdict is marked, since something that they depend on has changed.
    """
    environment = _environment()
    summaries = by_claim(results.results)
    theorems = list(dict.fromkeys(summary.theorem for summary in summaries))
    common = {
        "run": results.run,
        "verdicts": verdict_line(results),
        "power": power_line(results),
        "labels": {claim: text for claim, text in (labels or {}).items() if nameable(text)},
        "statement": lambda s: results.run.claims[s.claim].plain if s.claim in results.run.claims else "",
        "mark": lambda results: r"\textsuperscript{stale}" if any(r.key in stale for r in results) else "",
        "summaries": summaries,
        "theorems": theorems,
    }

    def made(template: str, **more: object) -> str:
        return environment.get_template(template).render(common, **more)

    files = {"claims-status.tex": made("claims-status.tex")}
    for theorem in theorems:
        members: list[ClaimSummary] = [summary for summary in summaries if summary.theorem == theorem]
        files[f"{label(theorem)}.tex"] = made("theorem.tex", theorem=theorem, members=members)
    found = errata(results)
    if found:
        files["errata.tex"] = made("errata.tex", errata=found)
    files["power.tex"] = made("power.tex", columns=COLUMNS, matrix=power_matrix(results))
    if results.run.activations:
        files["activations.tex"] = made("activations.tex")
    files["everything.tex"] = made("everything.tex")
    files["tables.tex"] = made("tables.tex", parts=[name.removesuffix(".tex") for name in files][1:])
    return files
