"""The catalogue of activations, this witness's own definitions (THEORY T2).

Each activation is one neutral tree (``symbolic.trees``); everything else, from Taylor coefficients to Gaussian moments,
is computed from the tree. Conventions: erf is erf(z), gaussian is exp(-z^2), snake is z + sin(a z)^2 / a, quadratic is
z + a z^2, cubic is z + a z^3, gelu_tanh is the tanh approximation with .044715, selu has its two published constants.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from symbolic import trees
from symbolic.trees import Tree, Z, add, call, mul, power, rational

if TYPE_CHECKING:
    import sympy

Builder = Callable[..., Tree]


@dataclass(frozen=True)
class Activation:
    """An activation s(z) of one real variable.

    ``tree`` is its definition in the neutral grammar, ``elementary`` the same with named activations written out,
    ``parameters`` the exact values that went in, in declared order.
    """

    name: str
    parameters: tuple[tuple[str, Fraction], ...]
    tree: Tree
    elementary: Tree

    @cached_property
    def expression(self) -> sympy.Expr:
        """s as a SymPy expression in :attr:`symbol`."""
        from symbolic.translate import tree_to_sympy

        return tree_to_sympy(self.tree)

    @property
    def symbol(self) -> sympy.Symbol:
        """The real SymPy symbol z of :attr:`expression`."""
        from symbolic.translate import symbol

        return symbol()

    @cached_property
    def parity(self) -> str:
        """``"odd"``, ``"even"`` or ``"none"``, as far as the structure of the definition shows it."""
        from symbolic.translate import tree_parity

        return tree_parity(self.elementary)


@dataclass(frozen=True)
class _Entry:
    build: Builder
    defaults: Mapping[str, Fraction]
    non_zero: tuple[str, ...] = ()


def _entry(build: Builder, non_zero: tuple[str, ...] = (), **defaults: Fraction | int | str) -> _Entry:
    return _Entry(build, {name: Fraction(value) for name, value in defaults.items()}, non_zero)


def _named(name: str) -> _Entry:
    return _entry(lambda: call(name, Z))


CATALOGUE: Mapping[str, _Entry] = {
    "linear": _entry(lambda: Z),
    "relu": _named("relu"),
    "leaky_relu": _entry(lambda slope: call("leaky_relu", Z, slope), slope="1/100"),
    "abs": _named("abs"),
    "tanh": _named("tanh"),
    "erf": _named("erf"),
    "sin": _named("sin"),
    "arctan": _named("atan"),
    "asinh": _named("asinh"),
    "sinh": _named("sinh"),
    "softsign": _named("softsign"),
    "gelu": _named("gelu"),
    "gelu_tanh": _named("gelu_tanh"),
    "silu": _named("silu"),
    "swish": _entry(lambda beta: call("swish", Z, beta), beta=1),
    "mish": _named("mish"),
    "sigmoid": _named("sigmoid"),
    "softplus": _named("softplus"),
    "elu": _entry(lambda a: call("elu", Z, a), a=1),
    "selu": _named("selu"),
    "celu": _entry(lambda a: call("celu", Z, a), non_zero=("a",), a=1),
    "hardtanh": _named("hardtanh"),
    "hardswish": _named("hardswish"),
    "squared_relu": _named("squared_relu"),
    "quadratic": _entry(lambda a: add(Z, mul(a, power(Z, 2))), a="1/2"),
    "cubic": _entry(lambda a: add(Z, mul(a, power(Z, 3))), a="-1/3"),
    "snake": _entry(lambda a: call("snake", Z, a), non_zero=("a",), a=1),
    "gaussian": _named("gaussian"),
    "cos": _named("cos"),
    "logcosh": _named("logcosh"),
}


def catalogue() -> tuple[str, ...]:
    """Names of the activations of the catalogue."""
    return tuple(CATALOGUE)


def activation(name: str, **parameters: Fraction | int | str) -> Activation:
    """The activation of that name, with exact parameters (Fraction, int, or a string such as "1/100" or "0.01").

    Raises ValueError for an unknown name or parameter, a float, or a parameter that must not be zero.
    """
    if name not in CATALOGUE:
        raise ValueError(f"expected one of {', '.join(CATALOGUE)}, got {name!r}: choose one or type an expression in z")
    entry = CATALOGUE[name]
    unknown = sorted(set(parameters) - set(entry.defaults))
    if unknown:
        known = ", ".join(entry.defaults) or "none"
        raise ValueError(f"expected parameters of {name} among: {known}; got {', '.join(unknown)}")
    values = {key: _exact_parameter(name, key, parameters.get(key, default)) for key, default in entry.defaults.items()}
    for key in entry.non_zero:
        if values[key] == 0:
            raise ValueError(f"expected {key} of {name} to be non-zero, got 0")
    tree = entry.build(**{key: rational(value) for key, value in values.items()})
    return Activation(name, tuple(values.items()), tree, trees.elementary(tree))


def _exact_parameter(name: str, key: str, value: Fraction | int | str) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, Fraction | int | str):
        raise ValueError(f"expected {key} of {name} as Fraction, int or string, got {value!r}: write it as a string")
    try:
        return Fraction(value)
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"expected {key} of {name} as an exact rational, got {value!r}") from error


def activation_from_tree(tree: Tree, label: str) -> Activation:
    """The activation that a neutral tree defines, under the given label.

    Raises ValueError for a node outside the grammar of ``symbolic.trees``.
    """
    return Activation(label, (), tree, trees.elementary(tree))
