"""The map from claims to a paper's labels, checked against the paper."""

from pathlib import Path

import pytest

from verify.labels import check, labels_in
from verify.settings import read_labels

PAPER = r"""
\begin{theorem}\label{thm:escape} ... \end{theorem}
% \label{thm:commented}
50\% of \label {lem:two}
\label[lemma]{lem:three}
"""


@pytest.fixture
def paper(tmp_path: Path) -> Path:
    path = tmp_path / "paper.tex"
    path.write_text(PAPER)
    return path


def test_labels_are_read_from_source_and_aux(paper: Path, tmp_path: Path) -> None:
    assert labels_in(paper) == {"thm:escape", "lem:two", "lem:three"}
    aux = tmp_path / "paper.aux"
    aux.write_text(r"\newlabel{thm:escape}{{1}{2}}" + "\n")
    assert labels_in(aux) == {"thm:escape"}


def test_what_does_not_exist_is_named(paper: Path, tmp_path: Path) -> None:
    check({"a.b": "thm:escape"}, ["a.b"], paper)
    with pytest.raises(ValueError, match="no such label: did you mean 'thm:escape'"):
        check({"a.b": "thm:escpe"}, ["a.b"], paper)
    with pytest.raises(ValueError, match=r"'a\.c', which is no claim of this run"):
        check({"a.c": "thm:escape"}, ["a.b"], paper)
    with pytest.raises(ValueError, match="cannot read"):
        check({"a.b": "thm:escape"}, ["a.b"], tmp_path / "absent.tex")


def test_labels_come_from_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.saddle-escape.labels]\n"a.b" = "thm:escape"\n')
    assert read_labels(tmp_path) == {"a.b": "thm:escape"}
    (tmp_path / "pyproject.toml").write_text('[tool.saddle-escape]\nlabels = ["thm:escape"]\n')
    with pytest.raises(ValueError, match="must map claim ids to labels"):
        read_labels(tmp_path)
