"""Claims of one's own: files named in ``[tool.saddle-escape] claims``, and packages with an entry point.

A claim file is code and runs as code when the catalogue is read. What goes wrong in it is one sentence that names the
file, the line and what to do.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from importlib import metadata
from pathlib import Path
from types import ModuleType

from verify.claim import Claim

ENTRY_POINTS = "saddle_escape.claims"
"""Group of entry points; each names a module that exports ``CLAIMS``."""

_PREFIX = "saddle_escape_claims_"  # module names of claim files: they cannot meet another module's


def claims_of(folder: Path, names: list[str]) -> list[tuple[str, Claim]]:
    """(path of its file, claim) of every claim in the files ``names``, then of entry points.

    names: relative to ``folder``; a folder means every .py in it.
    Raises ``ValueError``, one sentence: a file that is not there or does not load, or one without ``CLAIMS``.
    """
    found: list[tuple[str, Claim]] = []
    for name in names:
        path = folder / name
        files = sorted(f for f in path.glob("*.py") if not f.name.startswith("_")) if path.is_dir() else [path]
        if not files:
            raise ValueError(f"the folder {path}, named in tool.saddle-escape.claims, has no claim file (*.py)")
        for file in files:
            found += [(str(file), claim) for claim in _exported(_loaded(file), str(file))]
    for point in sorted(metadata.entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        try:
            module = point.load()
        except (Exception, SystemExit) as error:
            raise ValueError(
                f"the claims {point.name!r} of the package {_owner(point)} do not load: {_place(error, '')}"
                "; repair or uninstall that package"
            ) from error
        where = f"{point.value} of the package {_owner(point)}"
        found += [(str(module.__file__), claim) for claim in _exported(module, where)]
    return found


def _owner(point: metadata.EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "unknown"


def _loaded(file: Path) -> ModuleType:
    if not file.is_file():
        raise ValueError(f"the claim file {file}, named in tool.saddle-escape.claims, is not there: correct the path")
    # The digest tells a-b.py from a_b.py.
    path = str(file.resolve())
    name = f"{_PREFIX}{file.stem if file.stem.isidentifier() else ''}_{hashlib.sha256(path.encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ValueError(f"{file} is no Python file: a claim file ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs, as an import would: dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a file that calls sys.exit must not end the command without a word
        del sys.modules[name]
        raise ValueError(f"the claim file {file} does not load: {_place(error, str(file))}; mend that line") from error
    return module


def _exported(module: ModuleType, where: str) -> tuple[Claim, ...]:
    claims = getattr(module, "CLAIMS", None)
    if not isinstance(claims, tuple) or not all(isinstance(claim, Claim) for claim in claims):
        raise ValueError(f"{where} must export CLAIMS, a tuple of verify.Claim: `saddle-escape new-claim` shows one")
    return claims


def _place(error: BaseException, file: str) -> str:
    """``line 12: NameError: ...``: the last line of ``file`` that was running, else the last line at all."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file] or frames[-1:]
    line = f"line {own[-1].lineno}: " if own else ""
    return f"{line}{type(error).__name__}: {' '.join(str(error).split())[:300]}"
