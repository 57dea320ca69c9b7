"""Reports are pure functions of the record: complete, honest about what went wrong, and safe whatever it contains."""

import re

import msgspec
import pytest

from tests.verify.render.conftest import HOSTILE, result, with_activations
from verify.render import latex, markdown, terminal
from verify.render.errata import errata
from verify.render.latex import escape
from verify.render.power import COLUMNS, power_line, power_matrix
from verify.render.summary import by_claim, needing_attention, verdict_line
from verify.results import CounterfeitRecord, Results, Verdict


def test_the_same_record_gives_the_same_reports(results: Results) -> None:
    assert terminal.render(results) == terminal.render(results)
    assert markdown.render(results) == markdown.render(results)
    assert latex.render(results) == latex.render(results)


def test_the_worst_verdict_of_a_claim_is_shown(results: Results) -> None:
    verdicts = {summary.claim: summary.verdict_text for summary in by_claim(results.results)}
    assert verdicts == {
        "a.pass": "1 fail 1 pass",
        "b.hostile": "error",
        "c.printed": "pass (not expected)",
        "d.odd": "inconclusive",
        "e.exact": "pass",
        "f.absent": "skipped",
    }


def test_a_skipped_case_is_shown_only_where_no_other_was_heard() -> None:
    skipped = result("a.real", "data=mnist", Verdict.SKIPPED, as_expected=None)
    heard = result("a.real", "data=digits", Verdict.PASS)
    (summary,) = by_claim((skipped, heard))
    assert (summary.telling.case, summary.verdict_text) == ("data=digits", "1 skipped 1 pass")
    (alone,) = by_claim((skipped,))
    assert alone.verdict is Verdict.SKIPPED


def test_power_and_verdicts_are_counted(results: Results) -> None:
    assert power_line(results) == "7 of 8 counterfeits refuted"
    line = verdict_line(results)
    assert line.endswith("evidence (strongest case of a claim): 1 proof, 4 numerical")
    assert line.startswith(
        "6 claims, 8 cases: 3 pass, 1 refuted-as-expected, 1 skipped, 1 inconclusive, 1 fail, 1 error"
    )


def test_everything_that_went_wrong_says_how_to_replay_it(results: Results) -> None:
    found = needing_attention(results)
    headings = " ".join(item.heading for item in found)
    for word in (
        "fail: a.pass",
        "error: b.hostile",
        "pass: c.printed[n=2]",
        "inconclusive: d.odd",
        "not refuted: c.printed",
    ):
        assert word in headings
    assert all(any("replay: saddle-escape run '" in line for line in item.lines) for item in found)
    assert found[-1].heading.startswith("inconclusive")


def test_the_power_matrix_counts_by_theorem_and_kind(results: Results) -> None:
    survivor = CounterfeitRecord(name="transplant", verdict="holds", refuted=False, transplant="r+1")
    first = msgspec.structs.replace(results.results[0], counterfeits=(*results.results[0].counterfeits, survivor))
    matrix = power_matrix(msgspec.structs.replace(results, results=(first, *results.results[1:])))
    assert {
        theorem: dict(zip(COLUMNS, (cell.text for cell in row), strict=True)) for theorem, row in matrix.items()
    } == {
        "T1": {
            "own counterfeits": "3/3",
            "activation": "-",
            "r+1": "0/1",
            "r-1": "-",
            "L for r": "-",
            "parameterisation": "-",
        },
        "T2": {
            "own counterfeits": "4/5",
            "activation": "-",
            "r+1": "-",
            "r-1": "-",
            "L for r": "-",
            "parameterisation": "-",
        },
    }
    assert not matrix["T1"][COLUMNS.index("r+1")].sound


def test_an_erratum_names_both_readings_and_their_verdicts(results: Results) -> None:
    (erratum,) = errata(results)
    assert (erratum.claim.claim, erratum.source) == ("c.printed", "page 3")
    assert erratum.shown == "printed: pass (not expected); corrected: e.exact: pass"
    text = markdown.render(results)
    for words in ("one is two", "one is one", "one is one, indeed", "page 3"):
        assert words in text[text.index("## Errata") :]


@pytest.mark.parametrize("width", [80, 126])
@pytest.mark.parametrize("every_case", [False, True])
def test_the_table_keeps_within_its_width_and_names_every_claim(results: Results, width: int, every_case: bool) -> None:
    text = terminal.render(results, every_case=every_case, width=width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "\x1b" not in text
    for claim in ("a.pass", "c.printed", "e.exact"):
        assert claim in text
    assert "-2.99983(25)" in text
    assert "7 of 8 counterfeits refuted" in text


def test_colour_is_only_there_when_asked_for(results: Results) -> None:
    assert "\x1b[" in terminal.render(results, colour=True)


def test_markdown_has_one_section_a_theorem_and_one_row_a_case(results: Results) -> None:
    text = markdown.render(results)
    assert re.findall(r"^## (.*)$", text, re.M) == [
        "Needs attention",
        "T1",
        "T2",
        "Errata",
        "Power",
        "Conventions",
        "Versions",
    ]
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == len(results.results)
    # An escaped bar is text; every row has the header's eight bars.
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {8}


def test_markdown_takes_no_markup_from_names(results: Results) -> None:
    for line in markdown.render(results).splitlines():
        outside_code = re.sub(r"`[^`]*`", "", line)
        assert not re.search(r"(?<!\\)<script>", outside_code)


def test_latex_has_macros_and_one_table_a_theorem(results: Results) -> None:
    files = latex.render(results, {"a.pass": "thm:a"})
    assert set(files) == {
        *("claims-status.tex", "T1.tex", "T2.tex", "errata.tex", "power.tex", "everything.tex", "tables.tex"),
    }
    assert r"\label{tab:saddle-escape-T1}" in files["T1.tex"]
    assert "-2.99983(25)" in files["T1.tex"]
    assert r"(\ref{thm:a})" in files["T1.tex"]
    assert r"{\(\infty\)}" in files["T2.tex"]
    for name in files.keys() - {"tables.tex"}:
        assert rf"\input{{{name.removesuffix('.tex')}}}" in files["tables.tex"]
    assert r"\saddle@set{e.exact}{pass}{\num{-3}}{\num{-3}}{proof}" in files["claims-status.tex"]
    assert r"\saddle@set{a.pass[r=5,L=7,activation=tanh]}{pass}" in files["claims-status.tex"]


def test_latex_takes_no_commands_from_names(results: Results) -> None:
    files = latex.render(results)
    assert files["T1.tex"].count(r"\end{table}") == 1
    assert r"\textbackslash{}end\{table\}" in files["T1.tex"]
    assert HOSTILE not in files["claims-status.tex"]  # a name that \csname does not take has no macro
    for text in files.values():
        for line in text.splitlines():
            assert not re.search(r"(?<!\\)%.*HOSTILE", line)
            assert "<script>" not in line


def test_escaping_leaves_plain_text_alone() -> None:
    assert latex.escape("critical-depth.exponent r=3") == "critical-depth.exponent r=3"
    assert latex.escape(HOSTILE).isascii()
    assert set(Verdict) == set(terminal.STYLES)


def test_the_table_of_activations_is_made_where_the_run_has_one(results: Results) -> None:
    assert "activations.tex" not in latex.render(results)
    files = latex.render(with_activations(results))
    assert r"\input{activations}" in files["tables.tex"]
    text = files["activations.tex"]
    assert r"\texttt{tanh} & B & 3 & \(1\) & 0.605705509602 & 0.0757132" in text
    assert r"\(\phi =\) \(-\frac{2}{3} z^{3} + O(z^{5})\)" in text
    assert r"\input" not in text  # the hostile row's formula
    assert escape(HOSTILE) in text


@pytest.mark.parametrize(
    "text",
    [
        r"\input{x}",
        r"\frac{1}{2",
        r"}{",
        r"\begin{verbatim}",
        r"\begin{cases} 1",
        "$x$",
        "%",
        "#1",
        r"x\)y",
        "é",
        r"\left|{z}\right|#",
    ],
)
def test_what_is_no_formula_is_shown_as_its_source(text: str) -> None:
    assert latex.formula(text) == rf"\texttt{{{escape(text)}}}"


@pytest.mark.parametrize(
    "text",
    [r"\begin{cases} z & \text{for}\: z < 0 \\z & \text{otherwise} \end{cases}", r"\left|{z}\right|", r"e^{- z^{2}}"],
)
def test_a_formula_passes(text: str) -> None:
    assert latex.formula(text) == rf"\({text}\)"
