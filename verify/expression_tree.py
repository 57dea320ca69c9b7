"""The neutral tree of a typed activation: its shape, its functions, and its text.

Trees: ``("z",)``, ``("rational", p, q)`` in lowest terms with q > 0, ``("constant", "pi" | "e")``, ``("add", t, ...)``,
``("mul", t, ...)``, ``("pow", base, exponent)``, ``("call", name, t, ...)`` with a name of `FUNCTIONS`, and
``("piecewise", (condition, t), ...)`` where a condition is ``("less", t, t)``, ``("less_equal", t, t)`` or
``("true",)``; the last condition, and no other, is ``("true",)``, and the first condition that holds decides.

A sum never stands directly in a sum, nor a product in a product. Subtraction is addition of a product that begins with
``("rational", -1, 1)`` (or with the negated literal), division is multiplication by a power -1 (or by the inverted
literal).

What the functions mean, for both witnesses: gaussian(z) = exp(-z^2), swish(z, beta) = z sigmoid(beta z),
gelu(z) = z (1 + erf(z/sqrt 2))/2, gelu_tanh(z) = z (1 + tanh(sqrt(2/pi) (z + 0.044715 z^3)))/2,
logcosh(z) = log cosh z, leaky_relu(z, slope) = slope z, elu(z, a) = a (exp z - 1) and celu(z, a) = a (exp(z/a) - 1) for
z < 0, selu with the 30-digit constants of its paper, snake(z, a) = z + sin(a z)^2/a, squared_relu(z) = max(z, 0)^2,
softsign(z) = z/(1 + |z|), hardtanh(z) = max(-1, min(1, z)), hardswish(z) = z min(max(z + 3, 0), 6)/6. Values at a jump
of sign or heaviside are left to the witness: no integral depends on them.
"""

from fractions import Fraction
from typing import Any, TypeAlias

Tree: TypeAlias = tuple[Any, ...]

# Canonical name -> (fewest, most) arguments; None: any number.
FUNCTIONS: dict[str, tuple[int, int | None]] = {
    **dict.fromkeys(("exp", "log", "sqrt", "erf", "erfc", "abs", "sign", "heaviside"), (1, 1)),
    **dict.fromkeys(("sin", "cos", "tan", "asin", "acos", "atan"), (1, 1)),
    **dict.fromkeys(("sinh", "cosh", "tanh", "asinh", "acosh", "atanh"), (1, 1)),
    **dict.fromkeys(("sigmoid", "softplus", "relu", "gelu", "gelu_tanh", "silu", "mish", "selu"), (1, 1)),
    **dict.fromkeys(("hardtanh", "hardswish", "softsign", "squared_relu", "gaussian", "logcosh"), (1, 1)),
    **dict.fromkeys(("swish", "leaky_relu", "elu", "celu", "snake"), (2, 2)),
    **dict.fromkeys(("max", "min"), (2, None)),
}
ALIASES = {f"arc{name}": f"a{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")} | {"ln": "log"}
CONSTANTS = {"pi": "pi", "e": "e", "E": "e"}
RESERVED = frozenset({*FUNCTIONS, *ALIASES, *CONSTANTS, "z", "piecewise", "true", "false"})


class ExpressionError(ValueError):
    """An activation that cannot be read; its text is one sentence: what was expected, what came, what to do."""


def canonical(name: str) -> str:
    """The name of `FUNCTIONS` (or piecewise, or an unknown one) that a typed function name means."""
    lowered = name.lower()
    return ALIASES.get(lowered, lowered)


def contains_z(tree: Tree) -> bool:
    """Whether the variable occurs in `tree`."""
    return tree == ("z",) or any(contains_z(part) for part in tree if isinstance(part, tuple))


def count_nodes(tree: Tree) -> int:
    """How many tuples `tree` consists of."""
    return 1 + sum(count_nodes(part) for part in tree if isinstance(part, tuple))


def quote(value: object) -> str:
    """A typed text for a sentence: ASCII, one line, at most 40 characters of it."""
    text = value if isinstance(value, str) else repr(value)[:80]
    return ascii(text if len(text) <= 40 else text[:37] + "...")


def rational(value: Fraction) -> Tree:
    """The tree of a rational number."""
    return ("rational", value.numerator, value.denominator)


def negated(tree: Tree) -> Tree:
    """The tree of minus `tree`: a leading number changes its sign, anything else is multiplied by -1."""
    if tree[0] == "rational":
        return ("rational", -tree[1], tree[2])
    if tree[0] == "mul":
        first, *rest = tree[1:]
        return ("mul", negated(first), *rest) if first[0] == "rational" else ("mul", ("rational", -1, 1), *tree[1:])
    return ("mul", ("rational", -1, 1), tree)


def combined(kind: str, parts: list[Tree]) -> Tree:
    """The sum ("add") or product ("mul") of `parts`, sums in sums and products in products dissolved."""
    flat: list[Tree] = []
    for part in parts:
        flat.extend(part[1:] if part[0] == kind else [part])
    return flat[0] if len(flat) == 1 else (kind, *flat)


def to_text(tree: Tree) -> str:
    """The canonical text of `tree`: reading it again gives `tree` back.

    That holds for a tree that came from reading, as long as the text keeps within the bounds of length and nesting.
    Raises ValueError for a tuple that is not a node.
    """
    kind = tree[0]
    if kind == "add":
        return _sum_text(tree)
    if kind == "mul":
        return _product_text(tree)
    if kind == "pow":
        return f"{_tight(tree[1])}**{_tight(tree[2])}"
    if kind == "z":
        return "z"
    if kind == "rational":
        return str(tree[1]) if tree[2] == 1 else f"{tree[1]}/{tree[2]}"
    if kind == "constant":
        return str(tree[1])
    if kind == "call":
        return f"{tree[1]}({', '.join(to_text(argument) for argument in tree[2:])})"
    if kind == "piecewise":
        pairs = (f"({to_text(value)}, {_condition_text(condition)})" for condition, value in tree[1:])
        return f"Piecewise({', '.join(pairs)})"
    raise ValueError(f"Expected a node of an expression tree, but {quote(kind)} came.")


def _condition_text(condition: Tree) -> str:
    if condition == ("true",):
        return "True"
    return f"{to_text(condition[1])} {'<' if condition[0] == 'less' else '<='} {to_text(condition[2])}"


def _tight(tree: Tree) -> str:
    """The text of `tree` for a place where only an atom may stand: base, exponent, second and later factor."""
    atomic = tree[0] in ("z", "constant", "call", "piecewise") or (
        tree[0] == "rational" and tree[1] >= 0 == tree[2] - 1
    )
    return to_text(tree) if atomic else f"({to_text(tree)})"


def _factor(tree: Tree) -> str:
    """The text of `tree` for a place that follows a sign: a sum needs parentheses, a product or a power does not."""
    return f"({to_text(tree)})" if tree[0] == "add" else to_text(tree)


def _sum_text(tree: Tree) -> str:
    text = to_text(tree[1])
    for term in tree[2:]:
        flipped = _without_sign(term)
        text += f" + {to_text(term)}" if flipped is None else f" - {_factor(flipped)}"
    return text


def _without_sign(term: Tree) -> Tree | None:
    """The tree whose `negated` is `term`, if `term` begins with a negative number."""
    first = term[1] if term[0] == "mul" else term
    if first[0] != "rational" or first[1] >= 0:
        return None
    if first != ("rational", -1, 1) or term[0] == "rational" or term[2][0] == "rational":
        return negated(term)
    return combined("mul", list(term[2:]))


def _product_text(tree: Tree) -> str:
    first, *rest = tree[1:]
    if first == ("rational", -1, 1) and rest[0][0] not in ("rational", "mul"):
        return "-" + _factor(combined("mul", rest))  # a sign stands before the whole product
    text = to_text(first) if first[0] in ("rational", "pow") else _tight(first)
    for position, factor in enumerate(rest):
        if factor[0] == "pow" and factor[2] == ("rational", -1, 1) and factor[1][0] != "rational":
            quotient = position > 0 or first != ("rational", 1, 1)  # 1/z alone is read as the power
            text += f"/{_tight(factor[1])}" if quotient else f"*{to_text(factor)}"
        elif factor[0] == "rational" and factor[1] == 1 < factor[2] and (position > 0 or first[0] != "rational"):
            text += f"/{factor[2]}"
        else:
            text += f"*{to_text(factor) if factor[0] == 'pow' else _tight(factor)}"
    return text
