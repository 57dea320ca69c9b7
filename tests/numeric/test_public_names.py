import types
from pathlib import Path

import pytest

import numeric


@pytest.mark.parametrize("name", sorted(numeric._PUBLIC))
def test_every_public_name_is_an_object_and_not_a_module(name: str) -> None:
    assert not isinstance(getattr(numeric, name), types.ModuleType)


def test_no_public_name_is_shadowed_by_a_module() -> None:
    """An imported submodule becomes an attribute of the package and would hide a lazy name that is spelled the same."""
    modules = {path.stem for path in Path(numeric.__file__).parent.glob("*.py")}
    assert modules.isdisjoint(numeric._PUBLIC)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="no_such_flow"):
        numeric.no_such_flow
