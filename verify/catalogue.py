"""The catalogue: claims are found by listing ``verify/claims/``; adding a theorem is adding one file.

Claims of a user's own come from the files that ``[tool.saddle-escape] claims`` names in the working folder, and from
packages (``verify.claim_files``).
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from verify.claim import Claim
from verify.claim_files import claims_of
from verify.settings import read_claim_files


def catalogue() -> tuple[Claim, ...]:
    """Every claim, by theorem, then in the order of the files and of their ``CLAIMS``; ours first, then a user's own.

    Raises ``ValueError`` when a file does not load or exports no ``CLAIMS``, two claims share an id, a parent is
    unknown, or dependencies form a circle.
    """
    return _catalogue(Path.cwd())[0]


def home_of(claim_id: str) -> str:
    """Where a claim is defined: the name of a module of ours, or the path of a file of somebody's own."""
    return _catalogue(Path.cwd())[1][claim_id]


@functools.cache
def _catalogue(folder: Path) -> tuple[tuple[Claim, ...], dict[str, str]]:
    homed = [*our_claims(), *claims_of(folder, read_claim_files(folder))]
    return in_order([claim for _, claim in homed]), {claim.id: home for home, claim in homed}


@functools.cache
def our_claims() -> tuple[tuple[str, Claim], ...]:
    """(module, claim) of every claim in ``verify/claims/``."""
    import verify.claims

    found: list[tuple[str, Claim]] = []
    for module in pkgutil.iter_modules(verify.claims.__path__):
        if module.name.startswith("_"):
            continue  # what several claim files share
        name = f"verify.claims.{module.name}"
        claims = getattr(importlib.import_module(name), "CLAIMS", None)
        if not isinstance(claims, tuple) or not all(isinstance(claim, Claim) for claim in claims):
            raise ValueError(f"{name} must export CLAIMS, a tuple of verify.Claim")
        found += [(name, claim) for claim in claims]
    return tuple(found)


def in_order(claims: list[Claim]) -> tuple[Claim, ...]:
    """``claims`` by theorem, checked together; ``ValueError`` as in :func:`catalogue`."""
    by_id: dict[str, Claim] = {}
    for claim in sorted(claims, key=lambda claim: claim.theorem):
        if by_id.setdefault(claim.id, claim) is not claim:
            raise ValueError(f"two claims have the id {claim.id!r}: rename one")
    for claim in by_id.values():
        unknown = [parent for parent in claim.depends if parent not in by_id]
        if unknown:
            raise ValueError(f"claim {claim.id!r} depends on {unknown[0]!r}, which no claim file defines")
        if claim.erratum and claim.erratum.corrected not in by_id:
            raise ValueError(
                f"the erratum of claim {claim.id!r} names {claim.erratum.corrected!r}, which no claim file defines"
            )
    try:
        TopologicalSorter({claim.id: claim.depends for claim in by_id.values()}).prepare()
    except CycleError as error:
        raise ValueError(f"claims depend on each other in a circle: {' -> '.join(error.args[1])}") from error
    return tuple(by_id.values())


def find(claim_id: str) -> Claim:
    """The claim with this id; ``KeyError`` if there is none."""
    for claim in catalogue():
        if claim.id == claim_id:
            return claim
    raise KeyError(f"no claim has the id {claim_id!r}")
