"""The words and signs of a typed expression: the first stage of `verify.expression`, and its first refusals."""

import re
from typing import NamedTuple

from verify.expression_tree import ExpressionError

MAX_LENGTH = 1000  # characters: longer than any activation that a person types

_TOKEN = re.compile(
    r"[ \t\r\n]*(?:(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z][A-Za-z0-9_]*)|(?P<sign>\*\*|<=|>=|[-+*/(),<>]))"
)
_ADVICE = {
    "^": "write a power as **",
    "=": "write a comparison inside Piecewise with <, <=, > or >=",
    "!": "write a comparison inside Piecewise with <, <=, > or >=",
    "|": "write the absolute value as abs(z)",
    "%": "there is no remainder",
    "_": "a name begins with a letter",
    ".": "a point stands only inside a number, and functions are written without a module, as in tanh(z)",
    "[": "use round parentheses",
    "{": "use round parentheses",
}


class Token(NamedTuple):
    """A number, a name, a sign or the end."""

    kind: str  # number | name | sign | end
    text: str
    position: int  # of its first character, counted from 1


def tokens(text: str) -> list[Token]:
    """The tokens of `text`, the last one of kind "end". Raises ExpressionError on anything but short plain ASCII."""
    if not isinstance(text, str):
        raise ExpressionError(f"An expression is text in z, such as tanh(z); {type(text).__name__} came.")
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"The expression has {len(text)} characters; at most {MAX_LENGTH} are read.")
    if not text.isascii():
        index, character = next((i, c) for i, c in enumerate(text) if not c.isascii())
        raise ExpressionError(
            f"The expression has the character {character!a} at position {index + 1}; use ASCII letters and signs only."
        )
    found: list[Token] = []
    position, end = 0, len(text.rstrip(" \t\r\n"))
    if end == 0:
        raise ExpressionError("The expression is empty; type an activation in z, such as tanh(z) or z*sigmoid(z).")
    while position < end:
        match = _TOKEN.match(text, position, end)
        if match is None:
            raise _bad_character(text, position)
        kind = str(match.lastgroup)
        found.append(Token(kind, match.group(kind), match.start(kind) + 1))
        position = match.end()
    found.append(Token("end", "", end + 1))
    return found


def _bad_character(text: str, position: int) -> ExpressionError:
    while text[position] in " \t\r\n":
        position += 1
    character = text[position]
    advice = _ADVICE.get(character, "use numbers, names, + - * / ** , ( ) and, inside Piecewise, < <= > >=")
    return ExpressionError(f"The expression has {character!a} at position {position + 1}; {advice}.")
