"""For continuous integration: a Markdown summary of bounded size, the worst first, and workflow annotations."""

from __future__ import annotations

from verify.render.errata import errata
from verify.render.markdown import code, escape
from verify.render.numbers import seconds
from verify.render.power import power_line
from verify.render.summary import by_claim, needing_attention, notes, severity, verdict_line
from verify.render.terminal import compared
from verify.results import Results

MOST_BYTES = 60_000  # a pull request's comment takes 65,536 characters; a step summary takes more
MOST_ANNOTATIONS = 10  # more than ten of a kind are dropped by the service without a word


def step_summary(results: Results) -> str:
    """Markdown for a pull request or ``$GITHUB_STEP_SUMMARY``: what needs attention, then one row a claim."""
    run = results.run
    head = [
        "## Theorem claims",
        "",
        f"**{escape(verdict_line(results))}**  ",
        f"**{escape(power_line(results))}**  ",
        f"tier {escape(run.tier)}, seed {run.seed}, {escape(run.device)}, "
        f"{seconds(run.seconds)} with {run.workers} workers",
        "",
        *(f"> {escape(note)}\n" for note in notes(results)),
    ]
    body: list[str] = []
    for item in needing_attention(results):
        body += [f"- **{escape(item.heading)}**", *(f"  - {escape(line)}" for line in item.lines)]
    found = errata(results)
    if found:
        body += ["", "<details><summary>Errata</summary>", ""]
        body += [f"- {code(e.claim.claim)}: {escape(e.record.printed)} **{escape(e.record.true)}**" for e in found]
        body += ["", "</details>"]
    body += [
        "",
        "| claim | reading | verdict | evidence | predicted | measured | tolerance |",
        "|---|---|---|---|---:|---:|---:|",
    ]
    for summary in sorted(by_claim(results.results), key=lambda summary: severity(summary.telling)):
        numbers = " | ".join(escape(text) for text in compared(summary.telling))
        body.append(
            f"| {code(summary.claim)} | {escape(summary.reading)} | {escape(summary.verdict_text)} "
            f"| {escape(', '.join(summary.grades))} | {numbers} |"
        )
    return bounded([*head, *body], MOST_BYTES)


def bounded(lines: list[str], most: int) -> str:
    """The lines as text of at most ``most`` bytes; what was left off is said in a last line."""
    whole = "\n".join(lines) + "\n"
    if len(whole.encode()) <= most:
        return whole
    kept: list[str] = []
    room = most - 100
    for line in lines:
        room -= len(line.encode()) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join([*kept, "", f"({len(lines) - len(kept)} more lines are in the full report.)", ""])


def workflow_annotations(results: Results) -> str:
    """``::error`` and ``::warning`` lines, the worst first."""
    lines = [
        f"::{'error' if item.grave else 'warning'} title={_property(item.heading)}::{_message('; '.join(item.lines))}"
        for item in needing_attention(results)
    ]
    return "".join(f"{line}\n" for line in lines[:MOST_ANNOTATIONS])


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
