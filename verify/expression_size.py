"""How large the constants of a typed expression would become if a witness worked them out: a bound, not the work.

SymPy carries out 9**9, (1 + 1/9)**50 or exp(5*log(3)) as soon as it sees them, so ``9**9**9`` must be refused before.
One pass over the tree carries, in floats, what each part can grow into; no rational arithmetic is carried out here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from verify.expression_float import function_value
from verify.expression_tree import Tree, to_text

MAX_DEPTH = 40  # of the tree: SymPy needs up to ten Python frames a level, of a thousand
MAX_EXPONENT = 100.0  # of a constant power: beyond every degree that the expansions are used for
MAX_MAGNITUDE = 1e50  # of a constant, and of any part at z = 0
MAX_CONSTANT_BITS = 10_000.0  # of a constant or of a power: 3000 digits, which Python still prints
MAX_BITS = 4e6  # of the integers that SymPy may meet on its way to a simpler form: a fraction of a second
EXACT_BITS = 300.0  # rationals up to this size are followed exactly, to know the numerators of exponents
MOST_FOLDED_BITS = 1000.0  # what one sum or product of them may come to: within the range of floats
SUSPECT = 1e-13  # a constant this small beside its own terms may be an exact 0 that rounding hides

_EXPONENTIALS = frozenset(
    {"exp", "sinh", "cosh", "tanh", "sigmoid", "softplus", "silu", "swish", "mish", "gelu_tanh"}
    | {"elu", "selu", "celu", "gaussian", "logcosh"}
)
# Of a rational argument these are never rational, nor multiples of it.
_TRANSCENDENTAL = frozenset({"sin", "cos", "tan", "asin", "acos", "atan", "tanh", "erf", "erfc", "sigmoid", "gaussian"})
_INVERSES = frozenset({"log", "softplus", "logcosh", "asinh", "acosh", "atanh", "mish"})


@dataclass(frozen=True)
class _Size:
    """What one part can grow into."""

    value: float  # at z = 0; nan where that is not a real number
    scale: float  # modulus of the terms that made up the value: rounding is relative to it
    constant: bool  # z does not occur
    bits: float  # bound on the bits of the integers in it, once SymPy has collected powers and logarithms
    reach: float  # bound on the numerators and denominators of its coefficients, log(x) counting as the bits of x
    inverse: bool  # a logarithm or its like occurs: an exponential may turn c log(x) into x**c
    exact: Fraction | None = None  # its value if it is made of rational numbers alone, and short

    @property
    def may_be_zero(self) -> bool:
        return self.constant and abs(self.value) <= SUSPECT * self.scale


class _TooLargeError(Exception):
    """Carries the sentence; never leaves this module."""


def complaint(tree: Tree) -> str | None:
    """One sentence why the constants of `tree` are refused, or None if they are bounded and real.

    Refused are: depth over 40, a constant power beyond +-100, a constant (or a value at z = 0) beyond 1e50, constants
    and powers of more than 10000 bits, other parts in which integers could pass 4 million bits, constants that are no
    finite real number, such as log(-1), and division by a constant that float arithmetic cannot tell from 0, such as
    1/(1 - 1) or 1/sin(pi).
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
    if size.bits > (MAX_CONSTANT_BITS if size.constant else MAX_BITS):
        raise _TooLargeError(f"The numbers in {_shown(tree)} could grow too long; use fewer digits or smaller powers.")
    return size


def _measure(tree: Tree) -> _Size:
    kind = tree[0]
    if kind == "z":
        return _Size(0.0, 0.0, False, 1.0, 1.0, False)
    if kind == "rational":
        return _rational(Fraction(tree[1], tree[2]), float(tree[1].bit_length() + tree[2].bit_length()))
    if kind == "constant":
        value = math.pi if tree[1] == "pi" else math.e
        return _Size(value, value, True, 1.0, 1.0, False)
    if kind == "pow":
        return _power(tree, _size(tree[1]), _size(tree[2]))
    if kind == "piecewise":
        return _branches(tree[1:])
    parts = [_size(part) for part in tree[1:] if isinstance(part, tuple)]
    if kind == "call":
        return _call(tree, parts)
    return _sum(parts) if kind == "add" else _product(parts)


def _rational(exact: Fraction, bits: float) -> _Size:
    value = exact.numerator / exact.denominator
    reach = float(max(abs(exact.numerator), exact.denominator)) if bits <= EXACT_BITS else math.inf
    return _Size(value, abs(value), True, bits, reach, False, exact if bits <= EXACT_BITS else None)


def _sum(parts: Sequence[_Size]) -> _Size:
    known, others = _split(parts)
    rational = _rational(sum((exact for _, exact in known), Fraction(0)), sum(part.bits for part, _ in known))
    if not others:
        return rational
    reach = (rational.reach if known else 0.0) + sum(part.reach for part in others)
    return _joined(sum(part.value for part in parts), max(part.scale for part in parts), reach, parts)


def _product(parts: Sequence[_Size]) -> _Size:
    known, others = _split(parts)
    rational = _rational(
        math.prod((exact for _, exact in known), start=Fraction(1)), sum(part.bits for part, _ in known)
    )
    if not others:
        return rational
    value, scale = math.prod(part.value for part in parts), math.prod(part.scale for part in parts)
    return _joined(value, scale, rational.reach * math.prod(part.reach for part in others), parts)


def _split(parts: Sequence[_Size]) -> tuple[list[tuple[_Size, Fraction]], list[_Size]]:
    """The parts whose exact value is known, as long as they are short together, and the others."""
    known = [(part, part.exact) for part in parts if part.exact is not None]
    if sum(part.bits for part, _ in known) > MOST_FOLDED_BITS:
        return [], list(parts)
    return known, [part for part in parts if part.exact is None]


def _joined(value: float, scale: float, reach: float, parts: Sequence[_Size], extra_bits: float = 0.0) -> _Size:
    bits = sum(part.bits for part in parts) + extra_bits
    inverse = any(part.inverse for part in parts)
    return _Size(value, scale, all(part.constant for part in parts), bits, max(1.0, reach), inverse)


def _power(tree: Tree, base: _Size, exponent: _Size) -> _Size:
    if exponent.constant and abs(exponent.value) > MAX_EXPONENT:
        raise _TooLargeError(f"The power in {_shown(tree)} is beyond +-{MAX_EXPONENT:.0f}; use a smaller exponent.")
    if exponent.constant and exponent.value < 0 and base.may_be_zero:
        raise _TooLargeError(f"The denominator {_shown(tree[1])} cannot be told from 0; correct it.")
    # (p/q)**(m/n) has p**m inside a root, and SymPy works it out: the numerator m counts, not the value m/n.
    bits = exponent.reach * base.bits
    if base.inverse or exponent.inverse:
        bits += exponent.reach * base.reach
    whole = exponent.exact is not None and exponent.exact.denominator == 1
    if whole and bits > MAX_CONSTANT_BITS >= base.bits:  # multiplied out at once, unlike a root
        raise _TooLargeError(f"The numbers in {_shown(tree)} could grow too long; use fewer digits or smaller powers.")
    if whole and base.exact is not None and bits <= EXACT_BITS:
        assert exponent.exact is not None
        return _rational(base.exact**exponent.exact.numerator, bits)
    value = function_value("pow", (base.value, exponent.value))
    times = max(1.0, math.ceil(abs(exponent.value))) if exponent.constant else 1.0
    reach = max(bits, function_value("pow", (base.reach, times)))
    return replace(_joined(value, abs(value), reach, (base, exponent)), bits=bits)


def _call(tree: Tree, parts: Sequence[_Size]) -> _Size:
    name = tree[1]
    if name == "log" and parts[0].may_be_zero:
        raise _TooLargeError(f"The argument of {_shown(tree)} cannot be told from 0; correct it.")
    value = function_value(name, [part.value for part in parts])
    inside = sum(part.reach for part in parts if part.inverse)  # logarithms further in are collected too
    repeats = inside if name in _EXPONENTIALS else 0.0
    if name in _INVERSES:
        reach = max(inside, sum(part.bits for part in parts))
    else:
        reach = inside if name in _TRANSCENDENTAL else sum(part.reach for part in parts)
    size = _joined(value, max(1.0, abs(value)), reach, parts, extra_bits=1.0 + repeats)
    return replace(size, inverse=size.inverse or name in _INVERSES)


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
