"""Guard: ``symbolic`` and ``numeric`` are generic names; another distribution may bring packages called the same."""

from __future__ import annotations

import importlib.util
from pathlib import Path

WITNESSES = ("symbolic", "numeric")


def check_namesakes(home: Path | None = None) -> None:
    """Raise ``ImportError``, naming the offender, unless both witnesses lie beside this package.

    home: the folder that should hold them (default: the one that holds ``verify``).
    """
    home = (home or Path(__file__).resolve().parent.parent).resolve()
    for name in WITNESSES:
        spec = importlib.util.find_spec(name)
        if spec is None:
            raise ImportError(
                f"the package {name!r} of saddle-escape was not found beside {home / 'verify'}: the installation is "
                "not whole, install saddle-escape again"
            )
        found = [Path(place).resolve() for place in spec.submodule_search_locations or [spec.origin or ""]]
        if home / name not in found:
            raise ImportError(
                f"the package {name!r} is imported from {found[0]}{_owner(name)}, not from saddle-escape "
                f"({home / name}): uninstall or move the other one, or run saddle-escape in an environment of its own"
            )


def _owner(name: str) -> str:
    from importlib import metadata  # slow to load, and needed only to name an offender

    owners = [owner for owner in metadata.packages_distributions().get(name, []) if owner != "saddle-escape"]
    return f", which belongs to the distribution {owners[0]!r}" if owners else ""
