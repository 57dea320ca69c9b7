"""What is data may say anything: it is read strictly, has a bound, and never becomes a path, markup or code."""

import ast
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from click.testing import Result as Invocation

import verify
from tests.verify.render.conftest import described, result
from tests.verify.test_results import record
from verify import store
from verify.cli import group, main
from verify.render import github, junit, latex, markdown, page
from verify.render.graph import dot, graph, standalone_svg
from verify.results import LARGEST, RESULTS_FILE, SCHEMA, Quantity, Results, Verdict, encode, read
from verify.settings import read_claim_files, read_labels, read_settings

HOME = Path(verify.__file__).parent.parent
TEXTS = (
    "</title></script><script>alert(1)</script><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x=\'',
    "&lt;b&gt; &amp; ]]> <!-- --> <![CDATA[",
    r"\input{/etc/passwd} \write18{rm} }}} \end{document} % $ # _ ^ ~ {x}",
    "| a | b |\n\n# heading\n<b>[x](javascript:alert(1))</b> `code` ```",
    "::error title=x::y\r\n::set-output name=a::b %0A::warning::z",
    '" ]; } digraph x { "a" -> "b" [URL="javascript:alert(1)"',
    "\x1b]0;title\x07\x1b[2J\x9b31m\x00\x7f \u202e\u2028 ",
    "{{ 7 * 7 }} {% raw %} << 7 >> <% for x in y %>",
    "../../../etc/passwd",
)
NUMBERS: tuple[Any, ...] = (
    *(1e308, 5e-324, 10**400, -(10**400), 10**18, "1e999999999", "-1e999999999", "1e-999999999", "NaN", "sNaN"),
    *("Infinity", "-Infinity", "", "0x10", "1_0", "٣", "1" * 5000, None, True.real, TEXTS[0], TEXTS[3]),
)


def hostile(text: str, value: Any = 1.0) -> Results:
    """A record whose every free text is ``text`` and whose every number is ``value``."""
    quantity = Quantity(value=value, text=text, unit=text)
    one = result(
        "a.b",
        text,
        Verdict.FAIL,
        as_expected=False,
        reason=text,
        predicted=quantity,
        measured=quantity,
        evidence="numerical",
        reading=text,
        expect=text,
    )
    plain = msgspec.to_builtins(one)
    plain["budget"] = dict.fromkeys(plain["budget"], value)
    plain["counterfeits"] = [{"name": text, "verdict": text, "refuted": False, "margin": value, "transplant": text}]
    plain["hypotheses"] = [{"name": text, "holds": False}]
    plain["series"] = {text: [value, value]}
    said = msgspec.to_builtins(described(text)) | {
        "latex": text,
        "reading": text,
        "depends": [text, "a.b"],
        "witnesses": [text],
        "indifferent": {text: text},
        "erratum": {"printed": text, "fails": text, "true": text, "corrected": text},
    }
    run = msgspec.to_builtins(record()) | {
        **dict.fromkeys(("id", "started", "tier", "device", "dtype", "commit", "command"), text),
        "versions": {text: text},
        "conventions": {text: text},
        "claims": {"a.b": said, text: said},
        "stored": {f"a.b[{text}]": {"date": text, "commit": text}},
        "digests": {f"a.b[{text}]": text},
        "warnings": [text],
        "complete": False,
    }
    return msgspec.convert({"schema": SCHEMA, "run": run, "results": [plain]}, Results)


def stored(folder: Path, results: Results | bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULTS_FILE).write_bytes(results if isinstance(results, bytes) else encode(results))
    return folder


def called(*arguments: str) -> Invocation:
    return CliRunner().invoke(group, arguments)


class Page(HTMLParser):
    """Elements and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


@pytest.mark.parametrize("text", TEXTS)
def test_no_text_becomes_markup(text: str, tmp_path: Path) -> None:
    results = read(stored(tmp_path, hostile(text)) / RESULTS_FILE)
    whole = Page()
    whole.feed(page.render(results))
    tags = [tag for tag, _ in whole.elements]
    assert tags.count("script") == 1  # the page's own
    assert not {"img", "b", "iframe", "object", "embed", "base", "form"} & set(tags) - {"b"}
    for _, attributes in whole.elements:
        assert not [name for name in attributes if name.startswith("on")]
        link = attributes.get("href") or attributes.get("src") or "#"
        assert re.fullmatch(r"#[A-Za-z0-9._-]*", link), link
    for drawing in (standalone_svg(graph(results)), junit.render(results)):
        assert not [e for e in ET.fromstring(drawing).iter() if str(e.tag).endswith("script")]
    for line in github.workflow_annotations(results).rstrip("\n").split("\n"):
        assert re.fullmatch(r"::(error|warning) title=[^:,]*::[^\r\n]*", line), line
    for marked in (markdown.render(results), github.step_summary(results)):
        prose = re.sub(r"`[^`]*`", "", re.sub(r"\\.", "", marked))
        assert "](" not in prose
        assert not re.search(r"<(?!/?(details|summary)>)", prose)
        assert "\n# heading" not in marked
    strings = re.sub(r'"(?:[^"\\]|\\.)*"', "", dot(graph(results)))
    assert "URL" not in strings
    assert '"' not in strings
    for name, source in latex.render(results).items():
        assert re.fullmatch(r"[A-Za-z0-9.-]+\.tex", name)
        for danger in (r"\input{/", r"\write", r"\end{document} "):
            assert danger not in source, (name, danger)


@pytest.mark.parametrize("value", NUMBERS, ids=lambda value: repr(value)[:20])
def test_no_number_stops_a_report(value: Any, tmp_path: Path) -> None:
    results = read(stored(tmp_path, hostile("text", value)) / RESULTS_FILE)
    for render in (page.render, markdown.render, junit.render, latex.render, github.step_summary):
        assert render(results)
    assert called("show", "a.b", "--run", str(tmp_path)).exit_code == 0
    assert called("diff", str(tmp_path), str(tmp_path)).exit_code in (0, 1)


@pytest.mark.parametrize("verb", [("show", "a.b"), ("report",), ("report", "--format", "summary"), ("graph",)])
def test_a_terminal_obeys_no_stored_text(verb: tuple[str, ...], tmp_path: Path) -> None:
    said = called(*verb, "--run", str(stored(tmp_path, hostile(TEXTS[7]))))
    assert said.exit_code == 0, said.output
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", said.output)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("claim", name) for name in ("../../etc/x", "/a.b", "a.b/../c", "a.b\n", "A.b", "a." + "b" * 300, "")),
        *(("theorem", name) for name in ("../T1", "T1/../../x", "T1\n", "/etc/passwd", "", "t1", "T" * 40)),
    ],
)
def test_a_name_that_is_no_name_is_refused_with_its_place(field: str, value: str, tmp_path: Path) -> None:
    plain = json.loads(encode(hostile("text")))
    plain["results"][0][field] = value
    with pytest.raises(ValueError, match=rf"{field} is .* at `\$\.results\[") as caught:
        read(stored(tmp_path / "run", json.dumps(plain).encode()) / RESULTS_FILE)
    assert str(tmp_path) in str(caught.value)
    made = called("tables", "--run", str(tmp_path / "run"), "--out", str(tmp_path / "tables"))
    assert made.exit_code != 0
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        yield from places(child, (*path, key))


def test_every_field_of_a_wrong_type_is_named(tmp_path: Path) -> None:
    text = encode(hostile("text", 1.0))
    free = {("results", 0, "budget"), ("results", 0, "predicted", "value"), ("results", 0, "measured", "value")}
    for path in places(json.loads(text)):
        plain: Any = json.loads(text)
        parent = plain
        for key in path[:-1]:
            parent = parent[key]
        wrong: Any = {"no": 1} if not path or not isinstance(parent[path[-1]], dict) else [1]
        if path:
            parent[path[-1]] = wrong
        else:
            plain = wrong
        place = stored(tmp_path, json.dumps(plain).encode()) / RESULTS_FILE
        with pytest.raises(ValueError) as caught:
            read(place)
        sentence = str(caught.value)
        assert str(place) in sentence
        named = next((key for key in reversed(path) if isinstance(key, str)), "schema")
        assert "$" in sentence or named in sentence or path in free, (path, sentence)


@pytest.mark.parametrize(
    "text",
    [
        b'{"later": ' + b"[" * 200_000,
        b'{"schema": "results-1", "run": ' + b'{"a":' * 200_000,
        b"[" * 200_000,
        b'{"schema": "results-1", "results": [' + b"9" * 100_000,
    ],
)
def test_depth_and_length_are_bounded(text: bytes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=str(tmp_path)):
        read(stored(tmp_path, text) / RESULTS_FILE)


def test_size_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert LARGEST < 1 << 28
    monkeypatch.setattr("verify.results.LARGEST", 1000)
    with pytest.raises(ValueError, match="larger than 1000 bytes"):
        read(stored(tmp_path, hostile("text")) / RESULTS_FILE)


def test_a_hostile_store_is_an_empty_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    address = store.Key("a.b", "../../../x", {"seed": 0})
    assert address.place.resolve().is_relative_to((tmp_path / store.FOLDER).resolve())
    assert ".." not in address.place.parts
    address.place.parent.mkdir(parents=True)
    for text in (b'{"result": 1}', b'{"parts": ' + b"[" * 200_000, b"\x00" * 100, b'"' * 100):
        address.place.write_bytes(text)
        assert store.read(address) is None
    address.place.unlink()
    address.place.symlink_to("/dev/zero")  # endless: the bound of an entry stops it
    assert store.read(address) is None


@pytest.mark.parametrize(
    "text",
    [
        "[tool.saddle-escape]\nx = " + "[" * 100_000,
        "[tool.saddle-escape]\nout = ['../../x']\n",
        "[tool.saddle-escape]\nseed = 1e400\n",
        "[tool.saddle-escape.labels]\n'a.b' = 3\n",
        "[tool.saddle-escape]\nclaims = [3]\n",
        "[tool.saddle-escape]\nlabels = 'x'\n",
        "[tool.saddle-escape]\nclaims = 'x.py'\n",
    ],
)
def test_configuration_is_refused_in_one_sentence_with_its_key(text: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ValueError, match=r"pyproject\.toml"):
        _ = [reader(tmp_path) for reader in (read_settings, read_labels, read_claim_files)]


def test_a_sentence_cannot_command_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.saddle-escape]\n"\\u001b[31m" = 1\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["saddle-escape", "run"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert "tool.saddle-escape.?[31m" in said
    assert said.count("\n") == 1


def test_labels_never_reach_latex_unescaped() -> None:
    sources = latex.render(hostile("text"), labels={"a.b": r"x}\input{/etc/passwd"})
    assert not [name for name, source in sources.items() if r"\input{/" in source]


FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "yaml", "joblib"}


def test_nothing_reads_code_from_data() -> None:
    """No pickle, no eval, no loader that unpickles; the claim files are the only code that a run brings."""
    found = []
    for package in ("verify", "symbolic", "numeric"):
        for path in (HOME / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                found += [f"{path}: {name}" for name in names if name.partition(".")[0] in FORBIDDEN]
                if isinstance(node, ast.Call):
                    call = ast.unparse(node.func)
                    if call in ("eval", "exec", "compile", "torch.load", "np.load", "numpy.load", "os.system"):
                        found.append(f"{path}:{node.lineno}: {call}")
                    found += [f"{path}: shell" for k in node.keywords if k.arg == "shell"]
    assert not found
