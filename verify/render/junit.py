"""JUnit XML: one suite a theorem, one test a case; the verdict stands as a property, since JUnit knows fewer words.

A fail, an unexpected pass and an unrefuted counterfeit are failures, an error is an error, inconclusive and skipped are
skipped with their reason, and refuted-as-expected passes.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from verify.render.summary import likely_causes
from verify.render.terminal import compared
from verify.results import Result, Results, Verdict

# XML 1.0 has no place for these characters, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(results: Results) -> str:
    """The run as a JUnit document."""
    root = ET.Element("testsuites", name="saddle-escape")
    for theorem in dict.fromkeys(result.theorem for result in results.results):
        members = [result for result in results.results if result.theorem == theorem]
        suite = ET.SubElement(root, "testsuite", name=_clean(theorem), timestamp=results.run.started.rstrip("Z"))
        kinds = [_case(suite, result) for result in members]
        suite.set("tests", str(len(members)))
        for attribute, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            suite.set(attribute, str(kinds.count(kind)))
        suite.set("time", f"{sum(result.seconds for result in members):.3f}")
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(suite: ET.Element, result: Result) -> str:
    """Add one test; returns the kind of its outcome element, or "" for a test that passed."""
    test = ET.SubElement(
        suite, "testcase", classname=_clean(result.claim), name=_clean(result.case), time=f"{result.seconds:.3f}"
    )
    properties = ET.SubElement(test, "properties")
    for name, value in (
        ("verdict", result.verdict.value),
        ("evidence", result.evidence or "none"),
        ("reading", result.reading),
    ):
        ET.SubElement(properties, "property", name=name, value=_clean(value))
    unrefuted = [counterfeit.name for counterfeit in result.counterfeits if not counterfeit.refuted]
    predicted, measured, tolerance = compared(result)
    if result.verdict is Verdict.ERROR:
        kind, message = "error", result.reason
    elif result.verdict is Verdict.FAIL or result.as_expected is False:
        kind, message = "failure", f"predicted {predicted}, measured {measured}, tolerance {tolerance}"
    elif unrefuted:
        kind, message = "failure", f"counterfeits not refuted: {', '.join(unrefuted)}"
    elif result.verdict in (Verdict.INCONCLUSIVE, Verdict.SKIPPED):
        kind, message = "skipped", result.reason
    else:
        return ""
    outcome = ET.SubElement(test, kind, message=_clean(message), type=result.verdict.value)
    outcome.text = _clean("\n".join(likely_causes(result)))
    return kind


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("?", text)
