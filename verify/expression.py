"""Typed activations: a small grammar of our own, read into a neutral tree of nested tuples.

Nothing is ever evaluated as code, and nothing is handed to a parser of somebody else: a tokenizer and a recursive
descent of bounded length, depth and size turn ``z + sin(a*z)**2/a`` into plain data, which each witness translates on
its own. No rational arithmetic is carried out beyond the literals as typed; what the constants would grow into is
bounded in floats by `verify.expression_size`.

Grammar (binding from loose to tight; ``**`` associates to the right, as in Python)::

    sum      := product (("+" | "-") product)*
    product  := signed (("*" | "/") signed)*
    signed   := ("+" | "-") signed | power
    power    := atom ["**" signed]
    atom     := number | name | name "(" sum ("," sum)* ")" | "(" sum ")"
              | "Piecewise" "(" "(" sum "," condition ")" ("," ...)* ")"
    condition:= sum ("<" | "<=" | ">" | ">=") sum | "True"

The variable is ``z``; constants are ``pi`` and ``e``; other names are parameters whose values the caller gives.

The tree is described in `verify.expression_tree`.
"""

import re
from collections.abc import Mapping
from fractions import Fraction

from verify.expression_size import complaint
from verify.expression_tokens import Token, tokens
from verify.expression_tree import (
    ALIASES,
    CONSTANTS,
    FUNCTIONS,
    RESERVED,
    ExpressionError,
    Tree,
    canonical,
    combined,
    contains_z,
    count_nodes,
    negated,
    quote,
    rational,
    to_text,
)
from verify.selection import nearest

MAX_NODES = 400  # numbers, names and operations, the values of parameters included
MAX_NESTING = 40  # parentheses, signs and right-nested powers: a few hundred Python frames
MAX_DECIMAL_EXPONENT = 40  # more than the 30 digits that are ever certified
MAX_DIGITS = 300  # of one number as typed
MAX_BITS = 1000  # of its numerator and its denominator, so that every number is within the range of floats
MAX_PARAMETERS = 20
MAX_NAME = 30

__all__ = ["ExpressionError", "Tree", "parse", "to_text"]

_KEYWORDS = frozenset({"if", "else", "and", "or", "not", "lambda", "for", "import", "in", "is"})
_PIECEWISE = "write Piecewise((value, z < 0), (value, True)), the last condition being True"


def parse(text: str, parameters: Mapping[str, str] | None = None) -> Tree:
    """Read an activation in z.

    Args:
        text: the expression, ASCII, at most 1000 characters.
        parameters: name -> value; a value is itself an expression, without z and without parameters, such as ``1/3``
            or ``sqrt(2)``. Every parameter must occur in `text`.

    Returns:
        The neutral tree (see `verify.expression_tree`): plain nested tuples of strings and integers.

    Raises:
        ExpressionError: one sentence, in bounded time and memory, whatever was typed.
    """
    values = _read_parameters(parameters or {})
    parser = _Parser(tokens(text), values)
    tree = parser.parse()
    for name in values:
        if name not in parser.used:
            raise ExpressionError(f"The parameter {name} does not occur in the expression; remove it or correct it.")
    _check(tree)
    return tree


def _check(tree: Tree) -> None:
    sentence = complaint(tree)
    if sentence is not None:
        raise ExpressionError(sentence)


def _read_parameters(parameters: Mapping[str, str]) -> dict[str, Tree]:
    if len(parameters) > MAX_PARAMETERS:
        raise ExpressionError(f"There are {len(parameters)} parameters; at most {MAX_PARAMETERS} are read.")
    values: dict[str, Tree] = {}
    for name, text in parameters.items():
        well_formed = isinstance(name, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name, re.ASCII)
        if not well_formed or len(name) > MAX_NAME:
            raise ExpressionError(
                f"{quote(name)} cannot name a parameter; use at most {MAX_NAME} letters, digits and _, a letter first."
            )
        if name in RESERVED or name.lower() in RESERVED or name in _KEYWORDS:
            raise ExpressionError(f"The name {name} already has a meaning and cannot be a parameter; choose another.")
        value = _Parser(tokens(text), {}, what=f"the value of {name}").parse()
        if contains_z(value):
            raise ExpressionError(f"The value of {name} contains z; give a number, such as 1/3 or sqrt(2).")
        _check(value)
        values[name] = value
    return values


class _Parser:
    """Recursive descent over the tokens of one expression; see the grammar in the module's text."""

    def __init__(self, tokens: list[Token], parameters: Mapping[str, Tree], what: str = "the expression") -> None:
        self._tokens = tokens
        self._parameters = parameters
        self._what = what
        self._index = 0
        self._depth = 0
        self._nodes = 0
        self.used: set[str] = set()

    def parse(self) -> Tree:
        tree = self._sum()
        if self._now.kind != "end":
            raise self._unexpected("an operator or the end", self._adjacent_advice())
        return tree

    @property
    def _now(self) -> Token:
        return self._tokens[self._index]

    def _take(self, *texts: str) -> str | None:
        """Consume the next token if it is one of these signs."""
        token = self._now
        if token.kind != "sign" or token.text not in texts:
            return None
        self._index += 1
        return token.text

    def _error(self, complaint: str) -> ExpressionError:
        return ExpressionError(f"In {self._what}, {complaint}")

    def _unexpected(self, expected: str, advice: str) -> ExpressionError:
        token = self._now
        found = (
            f"its end at position {token.position}"
            if token.kind == "end"
            else (f"{quote(token.text)} at position {token.position}")
        )
        return self._error(f"{expected} was expected but {found} came; {advice}.")

    def _adjacent_advice(self) -> str:
        token = self._now
        if token.text == ")":
            return "remove the parenthesis or open it before"
        if token.text in _KEYWORDS:
            return "write a case distinction as Piecewise((value, z < 0), (value, True))"
        if token.kind == "sign" and token.text[0] in "<>":
            return "a comparison stands only in a condition of Piecewise, one at a time"
        if token.text == ",":
            return "a comma separates the arguments of a function only, and decimals have a point"
        return "write a product with *, as in 2*z"

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise self._error(f"parentheses, signs or powers nest deeper than {MAX_NESTING}; simplify it.")

    def _leave(self) -> None:
        self._depth -= 1

    def _count(self, tree: Tree, nodes: int = 1) -> Tree:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise self._error(f"more than {MAX_NODES} numbers, names and operations occur; shorten it.")
        return tree

    def _sum(self) -> Tree:
        terms = [self._product()]
        while sign := self._take("+", "-"):
            term = self._product()
            terms.append(self._count(negated(term) if sign == "-" else term))
        return combined("add", terms)

    def _product(self) -> Tree:
        factors = [self._signed()]
        while sign := self._take("*", "/"):
            position = self._now.position
            factor = self._count(self._signed())
            if sign == "*":
                factors.append(factor)
            elif factor[0] != "rational":
                lone_one = factors == [("rational", 1, 1)]
                factors = [*([] if lone_one else factors), ("pow", factor, ("rational", -1, 1))]
            elif factor[1] == 0:
                raise self._error(f"0 at position {position} divides; correct the denominator.")
            elif len(factors) == 1 and factors[0][0] == "rational":
                factors = [self._quotient(factors[0], factor, position)]
            else:
                factors.append(rational(Fraction(factor[2], factor[1])))
        return combined("mul", factors)

    def _quotient(self, left: Tree, right: Tree, position: int) -> Tree:
        """One rational for a literal over a literal, as in 1/3: the only arithmetic that reading carries out."""
        value = Fraction(left[1] * right[2], left[2] * right[1])
        if not _is_short(value):
            raise self._error(f"the fraction at position {position} is out of range; use fewer digits.")
        return rational(value)

    def _signed(self) -> Tree:
        sign = self._take("+", "-")
        if sign is None:
            return self._power()
        self._enter()
        tree = self._count(self._signed())
        self._leave()
        return negated(tree) if sign == "-" else tree

    def _power(self) -> Tree:
        base = self._atom()
        if not self._take("**"):
            return base
        self._enter()
        exponent = self._signed()
        self._leave()
        return self._count(("pow", base, exponent))

    def _atom(self) -> Tree:
        token = self._now
        if token.kind == "number":
            self._index += 1
            return self._count(self._number(token))
        if token.kind == "name":
            self._index += 1
            following = self._now
            return self._function(token) if following.text == "(" else self._count(self._name(token))
        if self._take("("):
            self._enter()
            tree = self._sum()
            self._leave()
            self._close("a parenthesis")
            return tree
        raise self._unexpected("a number, z, a function or (", "complete the expression there")

    def _close(self, opened: str) -> None:
        if self._take(")"):
            return
        advice = self._adjacent_advice() if self._now.kind != "end" else f"close {opened} with )"
        raise self._unexpected("an operator or )", advice)

    def _number(self, token: Token) -> Tree:
        mantissa, _, exponent = token.text.lower().partition("e")
        in_range = (
            len(mantissa) <= MAX_DIGITS and len(exponent) <= 4 and abs(int(exponent or "0")) <= MAX_DECIMAL_EXPONENT
        )
        value = Fraction(token.text) if in_range else None
        if value is None or not _is_short(value):
            raise self._error(
                f"the number {quote(token.text)} at position {token.position} is out of range; numbers have at "
                f"most {MAX_DIGITS} digits and a decimal exponent of at most {MAX_DECIMAL_EXPONENT}."
            )
        return rational(value)

    def _name(self, token: Token) -> Tree:
        if token.text == "z":
            return ("z",)
        if token.text in self._parameters:
            self.used.add(token.text)
            value = self._parameters[token.text]
            return self._count(value, count_nodes(value))
        if token.text in CONSTANTS or token.text.lower() == "pi":
            return ("constant", CONSTANTS.get(token.text, "pi"))
        name = canonical(token.text)
        if name in FUNCTIONS or name == "piecewise":
            call = f"{token.text}(z)" if FUNCTIONS.get(name, (1, 1))[0] == 1 else f"{token.text}(z, 1/2)"
            advice = f"it is a function: write {call}" if name != "piecewise" else _PIECEWISE
            raise self._error(f"{token.text} at position {token.position} lacks its argument; {advice}.")
        raise self._error(
            f"the name {quote(token.text)} at position {token.position} is unknown; {self._unknown_advice(token.text)}."
        )

    def _unknown_advice(self, name: str) -> str:
        if name in _KEYWORDS or name.lower() in ("true", "false"):
            return f"conditions stand only in Piecewise: {_PIECEWISE}"
        if not self._what.startswith("the expression"):
            return "a value consists of numbers, pi, e and functions of them"
        similar = nearest(name, self._parameters) if len(name) > 1 else None
        suffix = f" (did you mean {similar}?)" if similar else ""
        return f"the variable is z, and a parameter needs a value{suffix}"

    def _function(self, token: Token) -> Tree:
        name = canonical(token.text)
        if name == "piecewise":
            return self._piecewise()
        if name not in FUNCTIONS:
            raise self._no_function(token)
        self._index += 1  # the opening parenthesis
        self._enter()
        arguments: list[Tree] = []
        while self._now.text != ")" or arguments:
            arguments.append(self._sum())
            if not self._take(","):
                break
        self._leave()
        self._close(f"the arguments of {token.text}")
        self._check_arguments(token, name, arguments)
        return self._count(("call", name, *arguments))

    def _no_function(self, token: Token) -> ExpressionError:
        if token.text in self._parameters or token.text in CONSTANTS or token.text == "z":
            return self._error(f"{token.text} at position {token.position} is not a function; write a product with *.")
        similar = nearest(token.text, [*FUNCTIONS, *ALIASES, "Piecewise"]) if len(token.text) > 1 else None
        advice = f"did you mean {similar}" if similar else f"known are {', '.join(sorted(FUNCTIONS))} and Piecewise"
        return self._error(
            f"there is no function {quote(token.text)} (position {token.position}); {advice}{'?' if similar else '.'}"
        )

    def _check_arguments(self, token: Token, name: str, arguments: list[Tree]) -> None:
        fewest, most = FUNCTIONS[name]
        if len(arguments) < fewest or (most is not None and len(arguments) > most):
            wanted = f"{fewest} or more" if most is None else str(fewest)
            raise self._error(
                f"{token.text} at position {token.position} takes {wanted} "
                f"argument{'s' if wanted != '1' else ''} but {len(arguments)} came; "
                f"write {token.text}({', '.join(['z', '1/2'][:fewest])})."
            )
        if (fewest, most) == (2, 2) and contains_z(arguments[1]):
            raise self._error(
                f"the second argument of {token.text} at position {token.position} contains z; "
                "it is a number, such as 1/2."
            )

    def _piecewise(self) -> Tree:
        self._index += 1  # the opening parenthesis
        self._enter()
        branches: list[Tree] = []
        while True:
            if not self._take("("):
                raise self._unexpected("a pair (value, condition)", _PIECEWISE)
            value = self._sum()
            if not self._take(","):
                raise self._unexpected("a comma before the condition", _PIECEWISE)
            condition = self._condition()
            branches.append(self._count((condition, value), 2))
            if not self._take(")"):
                raise self._unexpected(") after a condition", _PIECEWISE)
            if not self._take(","):
                break
            if condition == ("true",):
                raise self._unexpected("nothing after the condition True", _PIECEWISE)
        self._leave()
        if branches[-1][0] != ("true",):
            raise self._unexpected("a last pair with the condition True", _PIECEWISE)
        self._close("Piecewise")
        return self._count(("piecewise", *branches))

    def _condition(self) -> Tree:
        if self._now.kind == "name" and self._now.text == "True":
            self._index += 1
            return ("true",)
        left = self._sum()
        sign = self._take("<", "<=", ">", ">=")
        if sign is None:
            raise self._unexpected("one of < <= > >=", _PIECEWISE)
        right = self._sum()
        kind = "less_equal" if sign.endswith("=") else "less"
        return (kind, left, right) if sign[0] == "<" else (kind, right, left)


def _is_short(value: Fraction) -> bool:
    return max(value.numerator.bit_length(), value.denominator.bit_length()) <= MAX_BITS
