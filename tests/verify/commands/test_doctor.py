"""doctor: what it looks at, what it finds wrong, and that one broken check does not hide the others."""

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

from verify.cli import group
from verify.commands import doctor
from verify.commands.doctor import Finding, Level, satisfies


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def diagnosis() -> tuple[int, dict[str, str]]:
    """Exit code, and subject -> rest of its line with the level in front."""
    done = CliRunner().invoke(group, ["doctor"])
    lines = [line.partition("  ") for line in done.output.splitlines()]
    return done.exit_code, {
        rest.strip().partition(":")[0]: f"{level.strip()}:{rest.strip()}" for level, _, rest in lines
    }


def test_this_installation_is_well_and_nothing_is_left_behind(here: Path) -> None:
    code, found = diagnosis()
    assert code == 0, found
    assert {"Python", "torch", "sympy", "packages", "device cpu", "claims", "data", "reports", "store", "git"} <= set(
        found
    )
    assert not list(here.iterdir())


def test_an_old_library_and_an_absent_one_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    version = metadata.version

    def other(name: str) -> str:
        if name == "scipy":
            raise metadata.PackageNotFoundError(name)
        return "1.4.2" if name == "mpmath" else version(name)

    monkeypatch.setattr(metadata, "version", other)
    code, found = diagnosis()
    assert code == 1
    assert found["mpmath"].startswith("fail:mpmath: 1.4.2, needs <1.4,>=1.3: pip install")
    assert found["scipy"].startswith("fail:scipy: absent")
    assert found["torch"].startswith("ok:")


def test_a_namesake_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "packages_distributions", lambda: {"numeric": ["saddle-escape", "numeric-tools"]})
    code, found = diagnosis()
    assert code == 1
    assert "'numeric-tools' brings a package of this name too" in found["package numeric"]


def test_a_bad_configuration_and_a_full_or_closed_disk_are_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    monkeypatch.setattr(doctor, "read_settings", lambda _: (_ for _ in ()).throw(ValueError("unknown key teir")))
    code, found = diagnosis()
    assert code == 1
    assert "No space left on device" in found["reports"]
    assert found["configuration"] == "fail:configuration: ValueError: unknown key teir"


def test_what_only_some_commands_need_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1 << 20})())
    code, found = diagnosis()
    assert code == 0
    assert found["pdflatex"].startswith("warn:")
    assert found["reports"].startswith("warn:")


def test_a_check_that_breaks_down_is_a_finding_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def _devices() -> Iterator[Finding]:
        raise RuntimeError("the driver\nis gone")
        yield

    def fine() -> Iterator[Finding]:
        yield Finding(Level.OK, "after", "well")

    monkeypatch.setattr(doctor, "CHECKS", (_devices, fine))
    assert diagnosis() == (1, {"devices": "fail:devices: RuntimeError: the driver is gone", "after": "ok:after: well"})


@pytest.mark.parametrize(
    ("version", "bounds", "kept"),
    [
        ("1.3.0", ">=1.3,<1.4", True),
        ("1.4", "<1.4,>=1.3", False),
        ("2.13.0+cpu", ">=2.6", True),
        ("2.10", ">=2.6", True),
        ("3.11.0rc1", ">=3.11", True),
        ("3.10.14", ">=3.11", False),
        ("1", "==1.0", True),
        ("7", "", True),
    ],
)
def test_bounds(version: str, bounds: str, kept: bool) -> None:
    assert satisfies(version, bounds) is kept
