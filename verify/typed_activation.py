"""What a user means by an activation on the command line: a name of the catalogue, or an expression in z.

The same text is read for either witness: the expression becomes a neutral tree here, and the witness that is asked
translates it on its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Protocol

from verify.expression import ExpressionError, parse
from verify.expression_tree import Tree, quote
from verify.selection import nearest


class Witness(Protocol):
    """The part of ``symbolic`` and of ``numeric`` that makes activations."""

    def catalogue(self) -> Sequence[str]:
        """Names of the activations that it knows."""

    def activation(self, name: str, **parameters: Any) -> Any:
        """One of them."""

    def activation_from_tree(self, tree: Tree, name: str, /) -> Any:
        """The activation of a neutral tree."""


def read_activation(
    text: str, parameters: Mapping[str, str], witness: Witness, number: Callable[[Fraction], Any] = Fraction
) -> Any:
    """The witness's activation for a name of its catalogue or an expression in z.

    Args:
        text: such as ``tanh`` or ``z + sin(a*z)**2/a``; names are read in upper or lower case.
        parameters: name -> value as text; of a catalogue name rational numbers only.
        witness: the package ``symbolic`` or ``numeric``.
        number: how that package takes the parameters of its catalogue (`Fraction`, or `float`).

    Raises:
        ValueError: one sentence, when the text is neither, or a parameter does not fit.
    """
    name = text.strip()
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name, re.ASCII) or name in ("z", "pi", "e", "E", *parameters):
        tree = parse(text, parameters)
        return witness.activation_from_tree(tree, name)
    known = witness.catalogue()
    if name.lower() not in known:
        near = nearest(name, known)
        hint = f"did you mean {near}" if near else "give a name of the catalogue or an expression in z"
        raise ExpressionError(
            f"There is no activation named {quote(name)}; {hint}{'?' if near else f', such as {name[:20]}(z).'}"
        )
    return witness.activation(name.lower(), **{key: number(_rational(key, value)) for key, value in parameters.items()})


def _rational(name: str, text: str) -> Fraction:
    tree = parse(text)
    if tree[0] != "rational":
        raise ExpressionError(
            f"The parameter {name} of a named activation is a rational number, but {quote(text)} came."
        )
    return Fraction(tree[1], tree[2])


def read_parameters(pairs: Sequence[str]) -> dict[str, str]:
    """``("a=1/2", "b=3")`` as a dictionary. Raises ValueError, one sentence, for anything else."""
    parameters: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise ExpressionError(f"A parameter is written NAME=VALUE, such as a=1/2, but {quote(pair)} came.")
        if name.strip() in parameters:
            raise ExpressionError(f"The parameter {quote(name.strip())} is given twice; give it once.")
        parameters[name.strip()] = value
    return parameters
