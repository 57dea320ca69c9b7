"""The dependency graph of the claims, as SVG and as DOT: one band a theorem, an arrow from a parent to its child.

The state of a claim is said by a symbol and a word besides its colour; a claim whose parent has fallen, near or far, is
marked. Nothing here computes a verdict: states come from the stored run alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape

from verify.render.summary import ClaimSummary, by_claim
from verify.results import Results, Verdict

SYMBOLS = {
    Verdict.PASS: "✓",
    Verdict.REFUTED_AS_EXPECTED: "✓",
    Verdict.FAIL: "✗",
    Verdict.ERROR: "!",
    Verdict.INCONCLUSIVE: "?",
    Verdict.SKIPPED: "–",
}
assert set(SYMBOLS) == set(Verdict)
FALLEN = (Verdict.FAIL, Verdict.ERROR)

# A node is wide enough for the longest id in the page's 12 px; four of them fill the page.
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _COLUMNS, _MARGIN = 262, 34, 18, 16, 4, 44


@dataclass(frozen=True)
class Node:
    """One claim in the graph: its place in the drawing, its state, and whether a parent, near or far, has fallen."""

    summary: ClaimSummary
    state: str
    parent_fallen: bool
    x: float
    y: float

    @property
    def css(self) -> str:
        """Class of its colour."""
        return self.state.replace(" ", "-").strip("()")


@dataclass(frozen=True)
class Graph:
    """Nodes by claim id, arrows from parent to child, bands (theorem, top, height), and the size of the drawing."""

    nodes: dict[str, Node]
    arrows: tuple[tuple[str, str], ...]
    bands: tuple[tuple[str, float, float], ...]
    width: float
    height: float


def state(summary: ClaimSummary) -> str:
    """The worst verdict of a claim in words; a pass that was not expected counts as a fail."""
    return "fail" if summary.telling.as_expected is False else summary.verdict.value


def symbol(word: str) -> str:
    """The symbol of a state."""
    return SYMBOLS[Verdict(word)]


def graph(results: Results) -> Graph:
    """Lay the claims of a run out, in the order of the record; parents outside the run have no arrow."""
    summaries = {summary.claim: summary for summary in by_claim(results.results)}
    parents = {
        name: [p for p in (results.run.claims[name].depends if name in results.run.claims else ()) if p in summaries]
        for name in summaries
    }
    fallen = {name for name, summary in summaries.items() if state(summary) in [verdict.value for verdict in FALLEN]}
    nodes: dict[str, Node] = {}
    bands: list[tuple[str, float, float]] = []
    y = 0.0
    for theorem in dict.fromkeys(summary.theorem for summary in summaries.values()):
        members = [summary for summary in summaries.values() if summary.theorem == theorem]
        rows = -(-len(members) // _COLUMNS)
        height = rows * (_HEIGHT + _GAP_Y) + _GAP_Y
        bands.append((theorem, y, height))
        for index, summary in enumerate(members):
            row, column = divmod(index, _COLUMNS)
            nodes[summary.claim] = Node(
                summary,
                state(summary),
                bool(fallen & _ancestors(summary.claim, parents)),
                _MARGIN + column * (_WIDTH + _GAP_X),
                y + _GAP_Y + row * (_HEIGHT + _GAP_Y),
            )
        y += height + 6
    arrows = tuple((parent, child) for child, named in parents.items() for parent in named)
    return Graph(nodes, arrows, tuple(bands), _MARGIN + _COLUMNS * (_WIDTH + _GAP_X), max(y, 1.0))


def _ancestors(name: str, parents: dict[str, list[str]]) -> set[str]:
    found: set[str] = set()
    open_ = list(parents[name])
    while open_:
        parent = open_.pop()
        if parent not in found:  # a record is data: a circle in it must not hang us
            found.add(parent)
            open_ += parents[parent]
    return found


def svg(drawing: Graph) -> str:
    """The graph as an SVG element, without a style of its own: classes are the page's, and SVG_STYLE's when alone."""
    label = escape(f"Dependency graph of {len(drawing.nodes)} claims; each claim links to its section")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" role="img" aria-label="{label}" '
        f'viewBox="0 0 {drawing.width:g} {drawing.height:g}" font-family="system-ui, sans-serif" font-size="12">',
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" class="tip"/></marker></defs>',
    ]
    for theorem, top, height in drawing.bands:
        parts.append(f'<rect class="band" x="0" y="{top:g}" width="{drawing.width:g}" height="{height:g}" rx="6"/>')
        parts.append(f'<text class="theorem" x="10" y="{top + 26:g}">{escape(theorem)}</text>')
    parts += [_arrow(drawing.nodes[parent], drawing.nodes[child]) for parent, child in drawing.arrows]
    parts += [_node(name, node) for name, node in drawing.nodes.items()]
    return "\n".join([*parts, "</svg>"])


def _arrow(parent: Node, child: Node) -> str:
    """From the bottom or the top of the parent to the child's nearer side, or over the row where they share one."""
    if abs(parent.y - child.y) < 1:
        right = child.x > parent.x
        x1, x2 = (parent.x + _WIDTH, child.x) if right else (parent.x, child.x + _WIDTH)
        y = parent.y + _HEIGHT / 2
        bend = 0 if abs(x2 - x1) < _WIDTH else -_HEIGHT * 0.75  # over the nodes in between
        return f'<path class="edge" d="M{x1:g} {y:g}Q{(x1 + x2) / 2:g} {y + 2 * bend:g} {x2:g} {y:g}"/>'
    down = child.y > parent.y
    x1, y1 = parent.x + _WIDTH / 2, parent.y + (_HEIGHT if down else 0)
    x2, y2 = child.x + _WIDTH / 2, child.y + (0 if down else _HEIGHT)
    middle = (y1 + y2) / 2
    return f'<path class="edge" d="M{x1:g} {y1:g}C{x1:g} {middle:g} {x2:g} {middle:g} {x2:g} {y2:g}"/>'


def _node(name: str, node: Node) -> str:
    word = node.state + (", a parent has fallen" if node.parent_fallen else "")
    classes = f"node {node.css}{' parent-fallen' if node.parent_fallen else ''}"
    return (
        f'<a href="#{escape(anchor(name))}" class="{classes}"><title>{escape(name)}: {escape(word)}</title>'
        f'<rect x="{node.x:g}" y="{node.y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="5"/>'
        f'<text x="{node.x + 9:g}" y="{node.y + 14:g}">{symbol(node.state)} {escape(_shortened(name))}</text>'
        f'<text class="word" x="{node.x + 9:g}" y="{node.y + 28:g}">{escape(word)}</text></a>'
    )


def _shortened(name: str, most: int = 38) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def anchor(name: str) -> str:
    """Fragment of a claim on the page: what is not a letter, digit, dot or hyphen becomes _."""
    return "claim-" + "".join(c if c.isascii() and (c.isalnum() or c in ".-") else "_" for c in name)


SVG_STYLE = (
    "<style>.band{fill:#8881}.theorem{font-weight:700}.edge{fill:none;stroke:#888;marker-end:url(#arrow)}.tip{fill:#888}"
    ".node rect{fill:#fff;stroke:#2a7d4f}.fail rect,.error rect{stroke:#b3261e;stroke-width:2.5}"
    ".inconclusive rect{stroke:#8a6100}.skipped rect{stroke:#777}.parent-fallen rect{stroke-dasharray:5 3}"
    ".word{fill:#555;font-size:10.5px}</style>"
)


def standalone_svg(drawing: Graph) -> str:
    """The graph as a file of its own."""
    head, _, rest = svg(drawing).partition("\n")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}\n{SVG_STYLE}\n{rest}\n'


def dot(drawing: Graph) -> str:
    """The graph in Graphviz's language, one cluster a theorem."""
    lines = ["digraph claims {", "  rankdir=LR;", "  node [shape=box, fontname=sans];"]
    for theorem in dict.fromkeys(node.summary.theorem for node in drawing.nodes.values()):
        lines += [f"  subgraph {json.dumps('cluster_' + theorem)} {{", f"    label={json.dumps(theorem)};"]
        for name, node in drawing.nodes.items():
            if node.summary.theorem == theorem:
                words = f"{symbol(node.state)} {name}\n{node.state}{', a parent has fallen' * node.parent_fallen}"
                style = ", style=dashed" if node.parent_fallen else ""
                lines.append(f"    {json.dumps(name)} [label={json.dumps(words, ensure_ascii=False)}{style}];")
        lines.append("  }")
    lines += [f"  {json.dumps(parent)} -> {json.dumps(child)};" for parent, child in drawing.arrows]
    return "\n".join([*lines, "}", ""])
