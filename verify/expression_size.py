"""How large the constants of a typed expression would become if a witness worked them out: a bound, not the work.

SymPy carries out 9**9, (1 + 1/9)**50 or exp(5*log(3)) as soon as it sees them, so ``9**9**9`` must be refused before.
One pass over the tree carries, in floats, what each part can grow into; no rational arithmetic is carried out here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from verify.expression_float import function_value
from verify.expression_tree import Tree, to_text

MAX_DEPTH = 40  # of the tree: SymPy needs up to ten Python frames a level, of a thousand
MAX_EXPONENT = 100.0  # of a constant power: beyond every degree that the expansions are used for
MAX_MAGNITUDE = 1e50  # of a constant, and of any part at z = 0
MAX_BITS = 10_000.0  # of the integers that a part can grow into: 3000 digits, instantaneous everywhere
SUSPECT = 1e-13  # a constant this small beside its own terms may be an exact 0 that rounding hides

_EXPONENTIALS = frozenset(
    {"exp", "sinh", "cosh", "tanh", "sigmoid", "softplus", "silu", "swish", "mish", "gelu_tanh"}
    | {"elu", "selu", "celu", "gaussian", "logcosh"}
)
_INVERSES = frozenset({"log", "softplus", "logcosh", "asinh", "acosh", "atanh", "mish"})
_BOUNDED = frozenset(
    {"sin", "cos", "asin", "acos", "atan", "tanh", "erf", "erfc", "sigmoid", "hardtanh", "softsign", "sign"}
    | {"heaviside", "gaussian"}
)


@dataclass(frozen=True)
class _Size:
    """What one part can grow into."""

    value: float  # at z = 0; nan where that is not a real number
    scale: float  # modulus of the terms that made up the value: rounding is relative to it
    constant: bool  # z does not occur
    bits: float  # bound on the bits of the integers in it
    reach: float  # bound on its modulus in which log(x) counts as the bits of x: how often an exponential repeats x
    inverse: bool  # a logarithm or its like occurs

    @property
    def may_be_zero(self) -> bool:
        return self.constant and abs(self.value) <= SUSPECT * self.scale


class _TooLargeError(Exception):
    """Carries the sentence; never leaves this module."""


def complaint(tree: Tree) -> str | None:
    """One sentence why the constants of `tree` are refused, or None if they are bounded and real.

    Refused are: depth over 40, a constant power beyond +-100, a constant (or a value at z = 0) beyond 1e50, integers
    of more than 10000 bits, constants that are no finite real number, such as log(-1), and division by a constant
    that float arithmetic cannot tell from 0, such as 1/(1 - 1) or 1/sin(pi).
    """
    if _too_deep(tree):
        return f"The expression nests deeper than {MAX_DEPTH} operations; simplify it."
    try:
        _size(tree)
    except _TooLargeError as refusal:
        return str(refusal)
    return None


def _too_deep(tree: Tree) -> bool:
    level: list[Tree] = [tree]
    for _ in range(MAX_DEPTH):
        level = [part for node in level for part in node if isinstance(part, tuple)]
        if not level:
            return False
    return True


def _size(tree: Tree) -> _Size:
    size = _measure(tree)
    if size.constant and math.isnan(size.value):
        raise _TooLargeError(f"The constant {_shown(tree)} is not a real number; correct it.")
    if abs(size.value) > MAX_MAGNITUDE:  # infinity included, nan not
        what = "constant" if size.constant else "value at z = 0 of"
        raise _TooLargeError(f"The {what} {_shown(tree)} is beyond {MAX_MAGNITUDE:.0e}; use smaller numbers.")
    if size.bits > MAX_BITS:
        raise _TooLargeError(
            f"The numbers in {_shown(tree)} could grow beyond {MAX_BITS:.0f} bits; use fewer digits or smaller powers."
        )
    return size


def _measure(tree: Tree) -> _Size:
    kind = tree[0]
    if kind == "z":
        return _Size(0.0, 0.0, False, 1.0, 1.0, False)
    if kind == "rational":
        value = tree[1] / tree[2]
        bits = float(tree[1].bit_length() + tree[2].bit_length())
        return _Size(value, abs(value), True, bits, abs(value), False)
    if kind == "constant":
        value = math.pi if tree[1] == "pi" else math.e
        return _Size(value, value, True, 2.0, value, False)
    if kind == "pow":
        return _power(tree, _size(tree[1]), _size(tree[2]))
    if kind == "piecewise":
        return _branches(tree[1:])
    parts = [_size(part) for part in tree[1:] if isinstance(part, tuple)]
    if kind == "call":
        return _call(tree, parts)
    reached, scaled = [part.reach for part in parts], [part.scale for part in parts]
    if kind == "add":
        return _joined(sum(part.value for part in parts), max(scaled), sum(reached), parts)
    return _joined(math.prod(part.value for part in parts), math.prod(scaled), math.prod(reached), parts)


def _joined(value: float, scale: float, reach: float, parts: Sequence[_Size], extra_bits: float = 0.0) -> _Size:
    constant = all(part.constant for part in parts)
    if constant:
        reach = max(reach, abs(value))
    bits = sum(part.bits for part in parts) + extra_bits
    return _Size(value, scale, constant, bits, reach, any(part.inverse for part in parts))


def _power(tree: Tree, base: _Size, exponent: _Size) -> _Size:
    if exponent.constant and abs(exponent.value) > MAX_EXPONENT:
        raise _TooLargeError(f"The power in {_shown(tree)} is beyond +-{MAX_EXPONENT:.0f}; use a smaller exponent.")
    if exponent.constant and exponent.value < 0 and base.may_be_zero:
        raise _TooLargeError(f"The denominator {_shown(tree[1])} cannot be told from 0; correct it.")
    value = function_value("pow", (base.value, exponent.value))
    growth = function_value("pow", (base.reach, exponent.value)) if exponent.constant and exponent.value > 0 else 1.0
    reach = math.inf if math.isnan(growth) else max(growth, 1.0)
    return _joined(value, abs(value), reach, (base, exponent), extra_bits=exponent.reach * base.bits)


def _call(tree: Tree, parts: Sequence[_Size]) -> _Size:
    name = tree[1]
    if name == "log" and parts[0].may_be_zero:
        raise _TooLargeError(f"The argument of {_shown(tree)} cannot be told from 0; correct it.")
    value = function_value(name, [part.value for part in parts])
    inner_reach, inner_bits = sum(part.reach for part in parts), sum(part.bits for part in parts)
    repeats = inner_reach if name in _EXPONENTIALS and any(part.inverse for part in parts) else 0.0
    reach = 1.0 if name in _BOUNDED else max(inner_reach, inner_bits) if name in _INVERSES else inner_reach
    size = _joined(value, max(1.0, abs(value)), reach, parts, extra_bits=1.0 + repeats)
    return _Size(size.value, size.scale, size.constant, size.bits, size.reach, size.inverse or name in _INVERSES)


def _branches(branches: tuple[Tree, ...]) -> _Size:
    value = math.nan
    parts: list[_Size] = []
    decided = False
    for condition, branch in branches:
        sides = [_size(side) for side in condition[1:]]
        size = _size(branch)
        parts.extend((*sides, size))
        if not decided and (not sides or _holds(condition[0], sides)):
            decided, value = True, size.value
    return _joined(value, max(1.0, abs(value)), sum(part.reach for part in parts), parts)


def _holds(kind: str, sides: Sequence[_Size]) -> bool:
    left, right = (side.value for side in sides)
    return left < right if kind == "less" else left <= right


def _shown(tree: Tree) -> str:
    text = to_text(tree)
    return text if len(text) <= 40 else text[:37] + "..."
