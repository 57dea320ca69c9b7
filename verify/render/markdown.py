"""Markdown: the run's summary, then one section a theorem; the worst first in the summary, nothing hidden."""

from __future__ import annotations

from verify.render.errata import errata
from verify.render.numbers import seconds, short
from verify.render.power import COLUMNS, power_line, power_matrix
from verify.render.summary import ClaimSummary, by_claim, needing_attention, notes, verdict_line
from verify.render.terminal import compared
from verify.results import Result, Results, as_float


def render(results: Results) -> str:
    """The whole report as GitHub-flavoured Markdown."""
    run = results.run
    lines = [
        "# Verification report",
        "",
        f"**{verdict_line(results)}**  ",
        f"**{power_line(results)}**",
        "",
        f"Run {code(run.id)}, tier {escape(run.tier)}, seed {run.seed}, device {escape(run.device)}, "
        f"{escape(run.dtype)}, {seconds(run.seconds)} with {run.workers} workers, "
        f"commit {escape(run.commit or 'none')}, "
        f"command {code(run.command)}.",
        "",
        *(f"> {escape(note)}\n" for note in notes(results)),
    ]
    attention = needing_attention(results)
    if attention:
        lines += ["## Needs attention", ""]
        for item in attention:
            lines += [f"- **{escape(item.heading)}**", *(f"  - {escape(line)}" for line in item.lines)]
        lines.append("")
    summaries = by_claim(results.results)
    for theorem in dict.fromkeys(summary.theorem for summary in summaries):
        lines += [f"## {theorem}", ""]
        for summary in summaries:
            if summary.theorem == theorem:
                lines += _claim(summary, results)
    lines += _errata(results) + _power(results)
    lines += ["## Conventions", ""]
    lines += [f"- **{escape(name)}**: {escape(text)}" for name, text in run.conventions.items()]
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    lines += ["", "## Versions", "", escape(versions), ""]
    return "\n".join(lines)


def _claim(summary: ClaimSummary, results: Results) -> list[str]:
    hypotheses = {h.name: h.holds for result in summary.results for h in result.hypotheses}
    lines = [
        f"### {code(summary.claim)} ({escape(summary.reading)}): {summary.verdict_text}",
        "",
        escape(results.run.claims[summary.claim].plain if summary.claim in results.run.claims else ""),
        "",
        f"Hypotheses: {escape('; '.join(hypotheses)) or 'none recorded'}.",
        "",
        "| case | predicted | measured | tolerance | verdict | evidence | counterfeits refuted |",
        "|---|---:|---:|---:|---|---|---|",
    ]
    lines += [_row(result) for result in summary.results]
    return [*lines, ""]


def _errata(results: Results) -> list[str]:
    found = errata(results)
    lines = ["## Errata", ""] if found else []
    for erratum in found:
        record = erratum.record
        lines += [
            f"### {code(erratum.claim.claim)}",
            "",
            f"- **Printed** ({escape(erratum.source)}): {escape(record.printed)}",
            f"- **Why it fails**: {escape(record.fails)}",
            f"- **What is true** ({code(record.corrected)}): {escape(record.true)}",
            f"- **Verdicts**: {escape(erratum.shown)}",
            "",
        ]
    return lines


def _power(results: Results) -> list[str]:
    """The power matrix: wrong predictions refuted of those tried."""
    rows = [
        f"| {theorem} | {' | '.join(cell.text for cell in row)} |" for theorem, row in power_matrix(results).items()
    ]
    return [
        "## Power",
        "",
        "Wrong predictions that the checks refuted, of those tried. A transplant is the theory's own prediction for "
        "another case: an activation of another class, one bottleneck layer more or fewer, depth in place of r, the "
        "other parameterisation.",
        "",
        f"| theorem | {' | '.join(COLUMNS)} |",
        "|---|" + "---:|" * len(COLUMNS),
        *rows,
        "",
    ]


def _row(result: Result) -> str:
    predicted, measured, tolerance = (escape(text) for text in compared(result))
    refuted = sum(c.refuted for c in result.counterfeits)
    margins = [margin for c in result.counterfeits if (margin := as_float(c.margin)) is not None]
    # The one that came nearest to being believed is what shows how sharp the check is.
    sharpness = f", nearest {short(min(margins))} budgets away" if margins and min(margins) != float("inf") else ""
    return (
        f"| {code(result.case)} | {predicted} | {measured} | {tolerance} | {result.verdict.value} "
        f"| {escape(result.evidence or '')} | {refuted} of {len(result.counterfeits)}{sharpness} |"
    )


def escape(text: str) -> str:
    """Text that no Markdown reader takes for markup, on one line."""
    for character in "\\`*_[]<>|#":
        text = text.replace(character, "\\" + character)
    return " ".join(text.split())


def code(text: str) -> str:
    """Text as a code span; a backtick or a bar inside cannot end the span or the cell."""
    return "`" + " ".join(text.replace("`", "'").replace("|", "/").split()) + "`"
