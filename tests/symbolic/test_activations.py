"""The catalogue's door: names, parameters, errors, trees."""

from fractions import Fraction

import pytest

import symbolic
from symbolic import trees
from symbolic.activations import CATALOGUE


def test_catalogue_has_every_member_of_the_theory() -> None:
    wanted = (
        "linear relu leaky_relu tanh erf sin arctan asinh sinh softsign gelu gelu_tanh silu swish mish sigmoid "
        "softplus elu selu celu hardtanh hardswish squared_relu quadratic cubic snake gaussian cos logcosh abs"
    )
    assert set(wanted.split()) == set(symbolic.catalogue())


@pytest.mark.parametrize("value", [Fraction(1, 5), "1/5", "0.2"])
def test_parameters_are_exact(value: Fraction | str) -> None:
    assert symbolic.activation("leaky_relu", slope=value).parameters == (("slope", Fraction(1, 5)),)


def test_equal_definitions_are_equal_and_hashable() -> None:
    a, b = symbolic.activation("swish", beta=2), symbolic.activation("swish", beta="2")
    assert a == b
    assert len({a, b, symbolic.activation("swish", beta=3)}) == 2


@pytest.mark.parametrize(
    "name, parameters, message",
    [
        ("tanhh", {}, "expected one of"),
        ("tanh", {"a": 1}, "among: none"),
        ("swish", {"b": 1}, "among: beta"),
        ("swish", {"beta": 0.5}, "Fraction, int or string"),
        ("swish", {"beta": "x"}, "exact rational"),
        ("swish", {"beta": True}, "Fraction, int or string"),
        ("celu", {"a": 0}, "non-zero"),
        ("snake", {"a": 0}, "non-zero"),
    ],
)
def test_errors_say_what_was_expected(name: str, parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        symbolic.activation(name, **parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "tree",
    [
        (),
        ("y",),
        ("rational", 1, 0),
        ("constant", "i"),
        ("call", "system", ("z",)),
        ("call", "swish", ("z",)),
        ("pow", ("z",)),
        ("call", "max"),
        ("piecewise", (("equal", ("z",), ("z",)), ("z",))),
        "z",
    ],
)
def test_a_malformed_tree_is_refused(tree: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        symbolic.activation_from_tree(tree, "typed")


@pytest.mark.parametrize("name", CATALOGUE)
def test_writing_out_leaves_no_named_activation(name: str) -> None:
    def names(tree: object) -> set[str]:
        if not isinstance(tree, tuple):
            return set()
        own = {tree[1]} if tree and tree[0] == "call" else set()
        return own.union(*(names(part) for part in tree))

    written = symbolic.activation(name).elementary
    assert names(written) <= {*trees.UNARY, *trees.KINKED, "max", "min"}
    assert trees.elementary(written) == written
