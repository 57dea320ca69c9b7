"""The guard: another distribution's `symbolic` or `numeric` is named, not used."""

import subprocess
import sys
from pathlib import Path

import pytest

import verify
from verify.namesake import check_namesakes


def test_our_own_witnesses_are_accepted() -> None:
    check_namesakes()


def test_a_namesake_earlier_on_the_path_is_named(tmp_path: Path) -> None:
    (tmp_path / "symbolic").mkdir()
    (tmp_path / "symbolic" / "__init__.py").write_text("")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import verify"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: the package 'symbolic' is imported from")
    assert str(tmp_path / "symbolic") in last


def test_a_home_without_the_witnesses_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ImportError, match="imported from"):
        check_namesakes(tmp_path)


def test_the_offending_distribution_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.metadata.packages_distributions", lambda: {"symbolic": ["other-symbolic"]})
    with pytest.raises(ImportError, match="distribution 'other-symbolic'"):
        check_namesakes(tmp_path)


def test_the_door_is_lazy_and_whole() -> None:
    for name in verify.__all__:
        assert getattr(verify, name) is not None
    with pytest.raises(AttributeError, match="no public name"):
        verify.nonsense
