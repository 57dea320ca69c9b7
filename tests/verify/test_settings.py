"""Configuration: what is read, what is refused, and what the refusal says."""

from pathlib import Path

import pytest

from verify.settings import read_settings


def written(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text)
    return folder


def test_no_file_and_no_table_are_no_settings(tmp_path: Path) -> None:
    assert read_settings(tmp_path) == {}
    assert read_settings(written(tmp_path, "[project]\nname = 'x'\n")) == {}


def test_every_key_is_read(tmp_path: Path) -> None:
    text = "[tool.saddle-escape]\ntier = 'full'\njobs = 2\nseed = 7\nstrict = true\nbudget = '5m'\n"
    assert read_settings(written(tmp_path, text)) == {
        "tier": "full",
        "jobs": 2,
        "seed": 7,
        "strict": True,
        "budget": "5m",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.saddle-escape]\nteir = 'full'\n", "did you mean 'tier'"),
        ("[tool.saddle-escape]\nseed = 'seven'\n", "expected int"),
        ("[tool.saddle-escape]\nseed = true\n", "expected int"),
        ("[tool]\nsaddle-escape = 3\n", "must be a table"),
        ("tool = 3\n", "must be a table"),
        ("[tool.saddle-escape\n", "not TOML"),
        ("#" * (1 << 21), "larger than"),
    ],
)
def test_a_refusal_names_the_file_and_the_cause(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_settings(written(tmp_path, text))
    assert str(tmp_path) in str(caught.value) or "tool" in str(caught.value)
