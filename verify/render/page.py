"""The page: one self-contained HTML file, opened from disk; no network, no script from elsewhere."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verify.render.errata import errata
from verify.render.formula import mathml
from verify.render.graph import anchor, graph, state, svg, symbol
from verify.render.numbers import seconds, short
from verify.render.plot import Description
from verify.render.power import COLUMNS, power_line, power_matrix
from verify.render.summary import GRADES, WORST_FIRST, by_claim, likely_causes, needing_attention, notes, verdict_line
from verify.render.terminal import compared
from verify.results import ClaimRecord, Number, Results

if TYPE_CHECKING:
    import jinja2


@dataclass(frozen=True)
class Figure:
    """A figure of the page: its theorem, a caption, what it shows for those who do not see it, the image as a URI.

    theorem: "" for a figure of the whole run, which stands in the summary.
    """

    theorem: str
    name: str
    caption: str
    alternative: str
    data_uri: str


def embedded(figure: Description, image: bytes) -> Figure:
    """A figure with its SVG as a data URI: the page stays one file."""
    uri = f"data:image/svg+xml;base64,{base64.b64encode(image).decode()}"
    return Figure(figure.theorem, figure.name, figure.caption, figure.alternative, uri)


def render(results: Results, figures: Sequence[Figure] = ()) -> str:
    """The whole report as one HTML document."""
    summaries = by_claim(results.results)
    records = {
        summary.claim: results.run.claims.get(summary.claim)
        or ClaimRecord(
            title=summary.claim, plain="", latex="", source="", theorem=summary.theorem, reading=summary.reading
        )
        for summary in summaries
    }
    found = errata(results)
    return (
        _environment()
        .get_template("page.html")
        .render(
            run=results.run,
            results=results,
            summaries=summaries,
            records=records,
            theorems=list(dict.fromkeys(summary.theorem for summary in summaries)),
            counts=Counter(result.verdict.value for result in results.results),
            grades=Counter(summary.grades[0] for summary in summaries if summary.grades),
            verdicts=[verdict.value for verdict in WORST_FIRST],
            grade_names=GRADES,
            verdict_line=verdict_line(results),
            power_line=power_line(results),
            power_columns=COLUMNS,
            power=power_matrix(results),
            errata=found,
            erratum_of={erratum.claim.claim: erratum for erratum in found},
            attention=needing_attention(results),
            notes=notes(results),
            graph=graph(results),
            figures=figures,
        )
    )


def distance(margin: Number) -> str:
    """How far a counterfeit was from what was measured."""
    if margin is None:
        return ""
    return "an exact residual" if margin == "Infinity" else f"{short(margin)} budgets away"


def _environment() -> jinja2.Environment:
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("verify.render", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    # Both return markup that they have escaped themselves.
    environment.filters |= {
        "mathml": lambda latex: Markup(mathml(latex)),
        "inline": lambda latex: Markup(mathml(latex, "inline")),
        "svg": lambda drawing: Markup(svg(drawing)),
        "anchor": anchor,
        "state": state,
        "symbol": symbol,
        "compared": compared,
        "seconds": seconds,
        "short": short,
        "distance": distance,
        "causes": likely_causes,
    }
    return environment
