"""The page in a real browser: filters filter, links lead somewhere, nothing is loaded or logged."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.verify.render.conftest import results  # noqa: F401
from tests.verify.render.test_figures import RECORD
from verify.render import page
from verify.render.drawing import draw
from verify.render.figures import figures
from verify.results import Results

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None  # type: ignore[assignment]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: install it to see the page in a browser"),
    pytest.mark.skipif(sync_playwright is None, reason="no playwright here: pip install 'saddle-escape[browser]'"),
]


class View:
    """A page, what its console said, and every request that was not for the file itself."""

    def __init__(self, tab: Any, url: str) -> None:
        self.tab, self.said, self.asked = tab, [], []
        tab.on("console", lambda message: self.said.append(message.text))
        tab.on("pageerror", lambda error: self.said.append(str(error)))
        tab.on("request", lambda request: self.asked.append(request.url) if request.url != url else None)
        tab.goto(url)

    def visible(self, selector: str) -> list[str]:
        """Texts of the visible elements that ``selector`` finds."""
        return [element.inner_text() for element in self.tab.query_selector_all(selector) if element.is_visible()]


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=["wide-light", "phone-dark"])
def view(request: pytest.FixtureRequest, tmp_path: Path, results: Results) -> Iterator[View]:  # noqa: F811
    file = tmp_path / "report.html"
    file.write_text(page.render(results))
    width, scheme = request.param
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        yield View(tab, file.as_uri())
        browser.close()


def test_nothing_is_logged_loaded_or_wider_than_the_window(view: View) -> None:
    assert view.said == []
    assert view.asked == []
    assert view.tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_filters_filter_and_the_count_is_told(view: View) -> None:
    whole = len(view.visible("article.claim"))
    assert whole == 6
    view.tab.select_option("#f-verdict", "fail")
    assert len(view.visible("article.claim")) == 1
    assert view.visible("#shown") == ["1 claims, 1 cases shown"]
    view.tab.select_option("#f-verdict", "")
    view.tab.select_option("#f-theorem", "T2")
    assert len(view.visible("article.claim")) == 4
    view.tab.select_option("#f-evidence", "proof")
    assert ["e.exact" in text for text in view.visible("article.claim")] == [True]
    view.tab.select_option("#f-theorem", "")
    view.tab.select_option("#f-evidence", "")
    assert len(view.visible("article.claim")) == whole


def test_a_link_to_what_a_filter_hides_shows_it(view: View) -> None:
    view.tab.select_option("#f-theorem", "T2")
    view.tab.evaluate("location.hash = '#claim-a.pass'")
    view.tab.wait_for_selector("#claim-a\\.pass", state="visible")
    assert view.tab.input_value("#f-theorem") == ""


def test_every_node_of_the_graph_leads_to_its_section(view: View) -> None:
    for link in view.tab.query_selector_all("svg.graph a"):
        target = link.get_attribute("href")
        assert view.tab.evaluate("id => document.getElementById(id) !== null", target[1:])


def test_details_open_by_keyboard(view: View) -> None:
    first = view.tab.query_selector("th details summary")
    first.focus()
    view.tab.keyboard.press("Enter")
    assert any("replay:" in text for text in view.visible("th details p"))


def test_text_stands_out_from_its_ground(view: View) -> None:
    """Contrast of every text colour of at least 4.5 to 1, the ratio that WCAG AA asks for."""
    lowest = view.tab.evaluate("""() => {
      const parse = c => c.match(/[\\d.]+/g).map(Number);
      const linear = v => v <= 10 ? v / 3294 : ((v / 255 + .055) / 1.055) ** 2.4;
      const lum = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
      const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
        if (c.length < 4 || c[3] > 0) return c } return parse(getComputedStyle(document.body).backgroundColor) };
      let worst = 99;
      for (const e of document.querySelectorAll('main *, header *, nav *')) {
        if (e.closest('svg, math') || ![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
        const a = lum(parse(getComputedStyle(e).color)), b = lum(ground(e));
        worst = Math.min(worst, (Math.max(a, b) + .05) / (Math.min(a, b) + .05));
      }
      return worst;
    }""")
    assert lowest >= 4.5


def test_figures_are_shown_with_their_words_and_load_nothing(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    shown = [page.embedded(figure, draw(figure, "svg")) for figure in figures(RECORD)]
    file.write_text(page.render(RECORD, shown))
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        view = View(browser.new_page(viewport={"width": 390, "height": 900}), file.as_uri())
        images = view.tab.query_selector_all("figure img")
        assert len(images) == len(shown)
        assert all(image.evaluate("i => i.complete && i.naturalWidth > 0") for image in images)
        assert all(image.get_attribute("alt") for image in images)
        assert view.said == []
        assert [url for url in view.asked if not url.startswith("data:")] == []
        assert view.tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        browser.close()
