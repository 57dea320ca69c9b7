"""Configuration: ``[tool.saddle-escape]`` in the working folder's pyproject.toml, below environment and options."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from verify.selection import nearest

KEYS: dict[str, tuple[type, ...]] = {
    "tier": (str,),
    "jobs": (int,),
    "device": (str,),
    "seed": (int,),
    "out": (str,),
    "budget": (int, float, str),
    "strict": (bool,),
}
"""Key -> accepted types; each is the long option of ``run`` with the same name."""

CLAIMS = "claims"
"""List of claim files of one's own, relative to the file; a folder means every .py in it."""

LABELS = "labels"
"""Sub-table: claim id -> the label that the paper gives the statement."""

LIMIT = 1 << 20  # bytes; a configuration is small, and reading has a bound


def read_claim_files(folder: Path) -> list[str]:
    """Files and folders named in ``[tool.saddle-escape] claims``; ``ValueError`` as :func:`read_settings`."""
    path, table = _table(folder)
    names = table.get(CLAIMS, [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"tool.saddle-escape.{CLAIMS} in {path} must be a list of claim files, each in quotes")
    return names


def read_labels(folder: Path) -> dict[str, str]:
    """Claim id -> label of the paper, from ``[tool.saddle-escape.labels]``; ``ValueError`` as :func:`read_settings`."""
    path, table = _table(folder)
    labels = table.get(LABELS, {})
    if not isinstance(labels, dict) or not all(isinstance(label, str) for label in labels.values()):
        raise ValueError(f"tool.saddle-escape.{LABELS} in {path} must map claim ids to labels, both in quotes")
    return labels


def read_settings(folder: Path) -> dict[str, Any]:
    """The options of ``run`` in the table ``[tool.saddle-escape]`` of ``folder``/pyproject.toml, or {} without one.

    Raises ``ValueError``: a file that cannot be read, an unknown key (with the nearest one), a value of the wrong type.
    """
    path, table = _table(folder)
    table = {key: value for key, value in table.items() if key not in (CLAIMS, LABELS)}
    for key, value in table.items():
        if key not in KEYS:
            near = nearest(key, list(KEYS))
            hint = f"did you mean {near!r}?" if near else f"known keys: {', '.join(KEYS)}"
            raise ValueError(f"unknown key tool.saddle-escape.{key} in {path}: {hint}")
        accepted = KEYS[key]
        if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted):
            kinds = " or ".join(kind.__name__ for kind in accepted)
            raise ValueError(f"tool.saddle-escape.{key} in {path} is {value!r}, expected {kinds}")
    return table


def _table(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The configuration file of ``folder`` and the table in it."""
    path = folder / "pyproject.toml"
    if not path.exists():
        return path, {}
    try:
        with path.open("rb") as file:
            text = file.read(LIMIT + 1)
        if len(text) > LIMIT:
            raise ValueError(f"{path} is larger than {LIMIT} bytes: that is no configuration")
        table = tomllib.loads(text.decode()).get("tool", {}).get("saddle-escape", {})
    except OSError as error:
        raise ValueError(f"cannot read the configuration {path}: {error.strerror}") from error
    except RecursionError as error:
        raise ValueError(f"the configuration {path} is nested too deeply to be one") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"the configuration {path} is not TOML: {error}") from error
    except AttributeError as error:
        raise ValueError(f"in {path}, `tool` must be a table") from error
    if not isinstance(table, dict):
        raise ValueError(f"in {path}, tool.saddle-escape must be a table")
    return path, table
