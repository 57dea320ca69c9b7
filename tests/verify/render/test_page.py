"""The page as text: whole, self-contained, and safe whatever the record contains. The browser's view: end_to_end."""

import re
from html import escape
from html.parser import HTMLParser

import msgspec
import pytest

from tests.verify.render.conftest import HOSTILE, with_activations
from verify.activation_table import activation_table
from verify.catalogue import catalogue
from verify.render import page
from verify.render.formula import LONGEST, mathml
from verify.render.graph import anchor, dot, graph, standalone_svg
from verify.results import Results


class Elements(HTMLParser):
    """Every element with its attributes, and whether tags balance."""

    VOID = frozenset({"meta", "br", "img", "link", "input", "wbr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag

    def attributes(self, name: str) -> list[str]:
        return [value for _, attributes in self.found if (value := attributes.get(name)) is not None]


def test_the_page_is_whole_and_every_link_leads_somewhere(results: Results) -> None:
    elements = Elements(page.render(results))
    assert not elements.open
    ids = elements.attributes("id")
    assert len(ids) == len(set(ids))
    links = elements.attributes("href")
    assert links
    assert all(link.startswith("#") for link in links)
    assert {link[1:] for link in links} <= set(ids)


def test_the_activations_have_a_section_where_the_run_has_their_table(results: Results) -> None:
    assert 'id="activations"' not in page.render(results)
    text = page.render(with_activations(results))
    elements = Elements(text)
    assert not elements.open
    assert {"activations"} <= set(elements.attributes("id"))
    assert "#activations" in elements.attributes("href")
    assert "0.605705509602" in text
    assert 'display="inline"' in text
    assert "<script>\\end" not in text  # of the hostile row


def test_every_formula_of_the_table_is_typeset() -> None:
    for row in activation_table():
        for formula in filter(None, (row.latex, row.phi, row.alpha_latex, row.h_latex)):
            assert mathml(formula, "inline").startswith("<math"), (row.name, formula)


def test_nothing_is_loaded_from_anywhere(results: Results) -> None:
    text = page.render(results)
    for tag, attributes in Elements(text).found:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert not attributes.get("src", "").startswith(("http", "//"))  # type: ignore[union-attr]
    assert "url(http" not in text
    assert "@import" not in text


def test_names_bring_no_markup(results: Results) -> None:
    elements = Elements(page.render(results))
    assert [tag for tag, _ in elements.found].count("script") == 1  # ours
    assert HOSTILE.split("<")[0] in page.render(results)


def test_every_claim_case_and_counterfeit_is_there(results: Results) -> None:
    text = page.render(results)
    for result in results.results:
        assert f'id="{anchor(result.claim)}"' in text
    assert text.count("<tr data-verdict=") == len(results.results)
    assert "weak: holds" in text
    assert "one is one, indeed" in text
    assert "Needs attention" in text


@pytest.mark.parametrize(
    "latex",
    [r"\href{javascript:alert(1)}{x}", r"\text{<script>alert(1)</script>}", r"\unknown{", "x" * 5000, r"\frac{", "<b>"],
)
def test_a_hostile_formula_is_shown_as_text_or_as_harmless_mathml(latex: str) -> None:
    elements = Elements(mathml(latex))
    assert not elements.open
    assert "script" not in {tag for tag, _ in elements.found}
    assert "href" not in {name for _, attributes in elements.found for name in attributes}


def test_the_converter_knows_every_command_of_the_statements() -> None:
    """What it does not know it prints as its name."""
    for claim in catalogue():
        text = re.sub(r'alttext="[^"]*"', "", mathml(claim.latex))
        assert text.startswith("<math"), claim.id
        assert not re.search(r"\\[A-Za-z]+", text), claim.id


@pytest.mark.parametrize(
    ("left", "right", "shown"),
    [
        (r"\lVert", r"\rVert", "\u2016\u2016"),
        (r"\|", r"\|", "\u2016\u2016"),
        (r"\langle", r"\rangle", "\u27e8\u27e9"),
        (r"\{", r"\}", "{}"),
    ],
)
def test_sized_delimiters_are_shown_as_they_look(left: str, right: str, shown: str) -> None:
    text = re.sub(r'alttext="[^"]*"', "", mathml(rf"\Bigl{left} x \Bigr{right}"))
    assert re.sub(r"<[^>]*>", "", text) == f"{shown[0]}x{shown[1]}"


def test_a_formula_is_typeset() -> None:
    text = mathml(r"\dot X_l = -\tfrac{1}{N}\,\partial_{X_l}\mathcal{L}")
    assert {"math", "mover", "msub", "mfrac"} <= {tag for tag, _ in Elements(text).found}


@pytest.mark.parametrize("pattern", ["{}", "{}<"])
def test_the_longest_formula_is_converted_and_a_longer_one_never_reaches_the_converter(
    monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    import latex2mathml.converter

    seen: list[str] = []

    def convert(latex: str, display: str) -> str:
        seen.append(latex)
        return "<math/>"

    monkeypatch.setattr(latex2mathml.converter, "convert", convert)
    filled = pattern.format("x" * (LONGEST - len(pattern) + 2))
    assert len(filled) == LONGEST
    assert mathml(filled).startswith("<math")
    assert seen == [filled]
    longer = f"{filled}<"
    # As escaped source, whole: nothing of it is lost and nothing of it is markup.
    assert mathml(longer) == f'<code class="formula">{escape(longer)}</code>'
    assert seen == [filled]


def test_the_bound_of_a_formula_holds_ours_and_keeps_a_page_out() -> None:
    """Half of it is enough for every statement of the catalogue; no record makes the converter read ten thousand."""
    assert max(len(claim.latex) for claim in catalogue()) <= LONGEST / 2
    assert mathml("x" * 10_000).startswith("<code")


def test_paper_is_white_and_nothing_on_it_scrolls(results: Results) -> None:
    text = page.render(results)
    assert re.findall(r"@media[^{]*dark[^{]*", text) == ["@media screen and (prefers-color-scheme: dark) "]
    printed = text[text.index("@media print") : text.index("</style>")]
    assert ".scroll, .statement { overflow: visible }" in printed
    assert "<code>n=1</code>" in text
    assert ",<wbr>" in text  # a long case breaks between its parameters


def depending(results: Results) -> Results:
    """a.pass (fail) <- c.printed <- e.exact."""
    record = results.run.claims["c.printed"]
    claims = {
        **results.run.claims,
        "c.printed": msgspec.structs.replace(record, depends=("a.pass", "not.in-this-run")),
        "e.exact": msgspec.structs.replace(record, depends=("c.printed",), erratum=None),
    }
    return msgspec.structs.replace(results, run=msgspec.structs.replace(results.run, claims=claims))


def test_a_fallen_parent_marks_its_descendants(results: Results) -> None:
    drawing = graph(depending(results))
    assert drawing.arrows == (("a.pass", "c.printed"), ("c.printed", "e.exact"))
    assert {name for name, node in drawing.nodes.items() if node.parent_fallen} == {"c.printed", "e.exact"}
    assert "pass, a parent has fallen" in standalone_svg(drawing)


def test_a_circle_in_a_record_does_not_hang_the_graph(results: Results) -> None:
    turned = depending(results)
    record = turned.run.claims["a.pass"]
    claims = {**turned.run.claims, "a.pass": msgspec.structs.replace(record, depends=("e.exact",))}
    drawing = graph(msgspec.structs.replace(turned, run=msgspec.structs.replace(turned.run, claims=claims)))
    assert len(drawing.arrows) == 3


def test_nodes_do_not_overlap(results: Results) -> None:
    places = [(node.x, node.y) for node in graph(results).nodes.values()]
    assert len(set(places)) == len(places)


def test_dot_quotes_what_names_contain(results: Results) -> None:
    text = dot(graph(depending(results)))
    assert '"a.pass" -> "c.printed";' in text
    # Every line's strings are closed, whatever is in them.
    assert all(len(re.findall(r'(?<!\\)"', line)) % 2 == 0 for line in text.splitlines())
