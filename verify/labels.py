r"""The map from claims to the ``\label``s of a paper, checked against the paper's source or its .aux file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from verify.selection import nearest

LIMIT = 20 << 20  # bytes; a longer source is no paper
# \label{name}, or \label[lemma]{name} with cleveref, in a source, \newlabel{name}{...} in an .aux file; what follows
# a % is a comment.
_LABEL = re.compile(r"\\(?:new)?label\s*(?:\[[^\]]*\]\s*)?\{([^{}]+)\}")


def labels_in(path: Path) -> set[str]:
    r"""Every ``\label`` in a .tex or .aux file; ``ValueError`` when it cannot be read."""
    try:
        with path.open("rb") as file:
            text = file.read(LIMIT + 1)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}; name the paper's .tex or .aux file") from error
    if len(text) > LIMIT:
        raise ValueError(f"{path} is larger than {LIMIT} bytes: name the paper's .tex or .aux file")
    lines = (re.sub(r"(?<!\\)%.*", "", line) for line in text.decode(errors="replace").splitlines())
    return {name for line in lines for name in _LABEL.findall(line)}


def check(labels: Mapping[str, str], claims: Iterable[str], path: Path) -> None:
    """``ValueError`` unless every claim of the map is one of ``claims`` (of the run) and every label is in the file."""
    known, present = list(claims), labels_in(path)
    for claim, label in labels.items():
        if claim not in known:
            raise ValueError(
                f"tool.saddle-escape.labels names {claim!r}, which is no claim of this run{_advice(claim, known)}"
            )
        if label not in present:
            raise ValueError(
                f"tool.saddle-escape.labels maps {claim} to {label!r}, and {path} has no such label"
                f"{_advice(label, present)}"
            )


def _advice(word: str, candidates: Iterable[str]) -> str:
    near = nearest(word, candidates)
    return f": did you mean {near!r}?" if near else ""
