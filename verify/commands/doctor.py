"""``saddle-escape doctor``: whether this installation can do its work, one line a finding."""

from __future__ import annotations

import enum
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import click

from verify import folder
from verify.catalogue import catalogue
from verify.namesake import WITNESSES, check_namesakes
from verify.settings import read_labels, read_settings

DISTRIBUTION = "saddle-escape"
LITTLE = 200 << 20  # bytes of room: a run of tier full with its store and reports takes some tens of megabytes
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*\(?(?P<bounds>[^;)]*)\)?\s*(?:;(?P<marker>.*))?")
_BOUND = re.compile(r"(>=|<=|==|!=|<|>)\s*([0-9]+(?:\.[0-9]+)*)")


class Level(enum.Enum):
    """ok; warn: something is not there that only some commands need; fail: runs cannot be relied on."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line: how bad, what was looked at, what was found (and what to do)."""

    level: Level
    subject: str
    text: str


@click.command("doctor")
@click.pass_context
def command(ctx: click.Context) -> None:
    """Look at this installation and this folder: versions, devices, names, room, programs; exit code 1 on a fail."""
    failed = 0
    for check in CHECKS:
        for finding in _safely(check):
            failed += finding.level is Level.FAIL
            click.echo(f"{finding.level.value:4}  {finding.subject}: {finding.text}")
    ctx.exit(1 if failed else 0)


def _safely(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of one check; one that breaks down is a finding, and the others are still made."""
    try:
        yield from check()
    except Exception as error:
        text = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        yield Finding(Level.FAIL, check.__name__.strip("_").replace("_", " "), text)


def satisfies(version: str, bounds: str) -> bool:
    """Whether a version keeps bounds such as ``>=1.3,<1.4``; only the leading numbers of a version are compared."""
    have = _numbers(version)
    for operator, text in _BOUND.findall(bounds):
        bound = _numbers(text)
        length = max(len(have), len(bound))
        a, b = (numbers + (0,) * (length - len(numbers)) for numbers in (have, bound))
        kept = {">=": a >= b, "<=": a <= b, "==": a == b, "!=": a != b, "<": a < b, ">": a > b}[operator]
        if not kept:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _python() -> Iterator[Finding]:
    needed = metadata.metadata(DISTRIBUTION)["Requires-Python"] or ""
    kept = satisfies(platform.python_version(), needed)
    text = f"{platform.python_version()} in {sys.prefix}" + ("" if kept else f", needs {needed}: install a newer one")
    yield Finding(Level.OK if kept else Level.FAIL, "Python", text)


def _libraries() -> Iterator[Finding]:
    for line in metadata.requires(DISTRIBUTION) or []:
        match = _REQUIREMENT.fullmatch(line.strip())
        if match is None or "extra" in (match["marker"] or ""):
            continue
        name, bounds = match["name"], match["bounds"].strip()
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(Level.FAIL, name, f"absent, needs {bounds}: pip install '{name}{bounds}'")
            continue
        if satisfies(version, bounds):
            yield Finding(Level.OK, name, f"{version} ({bounds})")
        else:
            yield Finding(Level.FAIL, name, f"{version}, needs {bounds}: pip install '{name}{bounds}'")


def _names() -> Iterator[Finding]:
    check_namesakes()
    names = ("verify", *WITNESSES)
    owners = metadata.packages_distributions()
    others = {name: [o for o in owners.get(name, []) if o != DISTRIBUTION] for name in names}
    for name, found in others.items():
        if found:
            text = (
                f"the distribution {found[0]!r} brings a package of this name too: keep the two in environments apart"
            )
            yield Finding(Level.FAIL, f"package {name}", text)
    if not any(others.values()):
        yield Finding(Level.OK, "packages", f"{', '.join(names)} are ours, in {Path(folder.__file__).parents[1]}")


def _devices() -> Iterator[Finding]:
    import torch

    names = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        names.append("mps")
    for name in names:
        try:
            torch.ones(2, dtype=torch.float64, device=name).sum().item()
        except (RuntimeError, TypeError) as error:  # verdicts are in float64, which some devices do not know
            yield Finding(Level.WARN, f"device {name}", f"cannot be used: {str(error).splitlines()[0][:120]}")
        else:
            what = torch.cuda.get_device_name(name) if name.startswith("cuda") else f"{os.cpu_count()} cores"
            yield Finding(Level.OK, f"device {name}", what if name != "mps" else "float64 works")


def _configuration() -> Iterator[Finding]:
    settings, labels = read_settings(Path.cwd()), read_labels(Path.cwd())
    said = ", ".join(f"{name} = {value!r}" for name, value in settings.items())
    yield Finding(Level.OK, "configuration", f"{said or 'defaults'}; {len(labels)} labels")
    claims = catalogue()
    yield Finding(Level.OK, "claims", f"{len(claims)} load, {sum(len(claim.cases) for claim in claims)} cases")


def _data() -> Iterator[Finding]:
    files = sorted(path for path in (Path(folder.__file__).parent / "data").glob("*.csv") if path.read_bytes())
    if files:
        yield Finding(
            Level.OK, "data", f"{', '.join(path.name for path in files)}; no claim needs an optional data set"
        )
    else:
        yield Finding(Level.FAIL, "data", "verify/data is empty: the installation is not whole, install it again")


def _reports() -> Iterator[Finding]:
    place = folder.REPORTS if folder.REPORTS.exists() else Path.cwd()
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"x" * 4096)
            file.flush()
    except OSError as error:
        yield Finding(
            Level.FAIL, "reports", f"{place} cannot be written: {error.strerror}; use --out or another folder"
        )
        return
    free = shutil.disk_usage(place).free
    level = Level.OK if free >= LITTLE else Level.WARN
    yield Finding(level, "reports", f"{place.resolve()} can be written, {free >> 20} MiB free")
    store = folder.REPORTS / "store"
    kept = sum(1 for _ in store.glob("*/*/*.json"))
    yield Finding(Level.OK, "store", f"{kept} verdicts in {store}" if kept else "no verdict is kept here yet")


def _programs() -> Iterator[Finding]:
    for names, use in (
        (("pdflatex",), "only a paper made from tables needs it"),
        (("chromium", "chromium-browser", "google-chrome"), "only the tests of the page need it"),
        (("git",), "runs then do not record their commit"),
    ):
        found = next((path for name in names if (path := shutil.which(name))), None)
        yield Finding(Level.OK if found else Level.WARN, names[0], found or f"absent: {use}")


CHECKS = (_python, _libraries, _names, _devices, _configuration, _data, _reports, _programs)
