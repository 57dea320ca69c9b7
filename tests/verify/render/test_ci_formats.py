"""JUnit and what a workflow reads: accepted by their readers, bounded, the worst first."""

import re
import xml.etree.ElementTree as ET

from verify.render import github, junit
from verify.results import Results


def test_junit_counts_and_properties_agree_with_the_record(results: Results) -> None:
    root = ET.fromstring(junit.render(results))
    suites = {suite.get("name"): suite for suite in root}
    assert {name: suite.get("tests") for name, suite in suites.items()} == {"T1": "3", "T2": "5"}
    assert (suites["T1"].get("failures"), suites["T1"].get("errors")) == ("1", "1")
    assert (suites["T2"].get("failures"), suites["T2"].get("skipped")) == ("1", "2")
    verdicts = [p.get("value") for p in root.iter("property") if p.get("name") == "verdict"]
    assert verdicts == [result.verdict.value for result in results.results]
    passed = [test for test in root.iter("testcase") if {child.tag for child in test} == {"properties"}]
    assert [test.get("classname") for test in passed] == ["a.pass", "c.printed", "e.exact"]


def test_junit_takes_any_text(results: Results) -> None:
    import msgspec

    odd = msgspec.structs.replace(results.results[2], reason="error: \x00\x1b[31m \ud800 <b>")
    assert ET.fromstring(junit.render(msgspec.structs.replace(results, results=(odd,)))) is not None


def test_the_summary_shows_the_worst_first_and_keeps_its_bound(results: Results) -> None:
    text = github.step_summary(results)
    rows = re.findall(r"^\| `([^`]*)`", text, re.M)
    assert rows[:3] == ["b.hostile", "a.pass", "c.printed"]
    assert rows[-1] == "e.exact"
    short = github.bounded(["x" * 100] * 50, 1000)
    assert len(short.encode()) <= 1000
    assert "42 more lines" in short


def test_annotations_are_one_line_each(results: Results) -> None:
    lines = github.workflow_annotations(results).splitlines()
    assert lines[0].startswith("::error title=error%3A b.hostile")
    assert lines[-1].startswith("::warning title=inconclusive")
    assert all(re.match(r"::(error|warning) title=[^:,]*::.", line) for line in lines)
