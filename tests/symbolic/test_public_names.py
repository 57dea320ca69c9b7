import types
from pathlib import Path

import pytest

import symbolic


@pytest.mark.parametrize("name", sorted(symbolic._PUBLIC))
def test_every_public_name_is_an_object_and_not_a_module(name):
    assert not isinstance(getattr(symbolic, name), types.ModuleType)


def test_no_public_name_is_shadowed_by_a_module():
    """An imported submodule becomes an attribute of the package and would hide a lazy name that is spelled the same."""
    modules = {path.stem for path in Path(symbolic.__file__).parent.glob("*.py")}
    assert modules.isdisjoint(symbolic._PUBLIC)


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="no_such_law"):
        symbolic.no_such_law
