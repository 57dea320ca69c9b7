"""The catalogue of activations as a table: class, order, slope, first Hermite coefficient, prefactor, all derived.

Everything comes from the symbolic witness; the reports show it beside the claims of T2. It takes a second or two with
the import of SymPy, so a run keeps it in the store, under a digest of the sources and versions that it depends on.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec

from verify import folder, store
from verify.results import ActivationRecord
from verify.sources import digests

if TYPE_CHECKING:
    from symbolic import Activation

DEPTH, WIDTH = 4, 64  # of the network for K: those of the paper's figure
ORDER = 12  # phi is expanded up to this power of z
TERMS = 2  # leading terms of phi that are shown
H_DIGITS, K_DIGITS = 12, 6
LONGEST_RATIONAL = 10**4  # larger numerators and denominators are shown as decimals


def kept_table(versions: Mapping[str, str]) -> tuple[ActivationRecord, ...]:
    """``activation_table()``, from the store where nothing that it depends on has changed.

    ValueError when a source that it depends on cannot be read; a store that cannot be written costs nothing but time.
    """
    parts = {"versions": dict(versions), "sources": digests("verify.activation_table", ())}
    place = store.FOLDER / "activations" / f"{store.digest_of(parts)}.json"
    try:
        return msgspec.json.decode(place.read_bytes(), type=tuple[ActivationRecord, ...])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        table = activation_table()
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        folder.write_atomically(place, msgspec.json.encode(table))
    return table


def activation_table() -> tuple[ActivationRecord, ...]:
    """One record for each activation of the symbolic witness's catalogue, with its default parameters, in its order."""
    import symbolic

    return tuple(record(symbolic.activation(name)) for name in symbolic.catalogue())


def record(activation: Activation) -> ActivationRecord:
    """Class and constants of one activation; K where the theory has a law for it, in the classes A, B and C."""
    import symbolic

    found = symbolic.classify(activation)
    value, radius, closed_form = _hermite(activation)
    return ActivationRecord(
        name=activation.name,
        parameters={name: str(number) for name, number in activation.parameters},
        latex=_latex(activation.expression),
        phi="0" if found.universality_class == "A" else _phi(activation),
        universality_class=found.universality_class,
        order=found.order,
        alpha=None if str(found.alpha) == "nan" else str(found.alpha),
        alpha_latex="" if str(found.alpha) == "nan" else _latex(found.alpha),
        h=value,
        h_radius=radius,
        h_latex=closed_form,
        K=_prefactor(activation) if found.universality_class in ("A", "B", "C") else None,
    )


def _hermite(activation: Activation) -> tuple[str | None, str | None, str]:
    """h_s to H_DIGITS digits that are all certified, the radius of the enclosure, and the closed form in LaTeX."""
    import symbolic

    for digits in count(H_DIGITS + 3, 10):
        try:
            constant = symbolic.hermite(activation, digits=digits)
        except ValueError:
            return None, None, ""  # s grows too fast
        rounded = _certified(constant, H_DIGITS)
        if rounded is not None:
            break
    closed_form = "" if constant.closed_form is None else _closed(constant.closed_form)
    return rounded, constant.radius, closed_form


def _certified(constant: Any, digits: int) -> str | None:
    """The decimal of so many digits to which the whole enclosure rounds; None where it rounds to two of them."""
    with localcontext() as context:
        context.prec = 100
        value, radius = Decimal(constant.value), Decimal(constant.radius)
        ends = value - radius, value + radius
    if ends[0] < 0 < ends[1]:
        # A zero that is known to so many decimals: a rounding would show its noise.
        return "0" if ends[1] < Decimal(1).scaleb(-digits) else None
    with localcontext() as context:
        context.prec = digits
        low, high = (+end for end in ends)
    return f"{low:f}" if low == high else None


def _prefactor(activation: Activation) -> str | None:
    import symbolic

    constant = symbolic.prefactor(activation, DEPTH, WIDTH, "ntk", digits=K_DIGITS + 10)
    return _certified(constant, K_DIGITS)


def _phi(activation: Activation) -> str:
    """The leading terms of phi(z) = sum_k (k - 1) a_k z^k, on each side of 0 where they differ."""
    import symbolic

    left, right = (
        _leading_terms([(k - 1) * a for k, a in enumerate(symbolic.one_sided_taylor(activation, side, ORDER))])
        for side in (-1, 1)
    )
    return right if left == right else rf"\begin{{cases}} {left} & z < 0 \\ {right} & z > 0 \end{{cases}}"


def _leading_terms(coefficients: list[Any]) -> str:
    powers = [k for k, coefficient in enumerate(coefficients) if coefficient != 0]
    rest = powers[TERMS] if len(powers) > TERMS else len(coefficients)
    text = ""
    for k in powers[:TERMS]:
        power = "" if k == 0 else "z" if k == 1 else f"z^{{{k}}}"
        text += _signed(coefficients[k], power, first=not text)
    return f"{text} + O(z^{{{rest}}})" if text else f"O(z^{{{rest}}})"


def _signed(coefficient: Any, power: str, *, first: bool) -> str:
    import sympy

    negative = coefficient.could_extract_minus_sign()
    size = -coefficient if negative else coefficient
    factor = "" if size == 1 and power else _latex(size)
    if isinstance(size, sympy.Add):
        factor = rf"\left({factor}\right)"
    sign = ("-" if negative else "") if first else (" - " if negative else " + ")
    return sign + f"{factor} {power}".strip()


def _closed(expression: Any) -> str:
    """A closed form as a reader wants it; one whose rationals have many digits explains nothing and is left out."""
    import sympy

    return "" if _long_rationals(expression) else _latex(sympy.factor_terms(expression))


def _long_rationals(expression: Any) -> list[Any]:
    import sympy

    return [r for r in expression.atoms(sympy.Rational) if max(abs(r.p), r.q) > LONGEST_RATIONAL]


def _latex(expression: Any) -> str:
    """LaTeX of an exact expression; rationals of many digits become decimals, with dots where these do not end."""
    import sympy

    decimals = {}
    for number in _long_rationals(expression):
        symbol = sympy.Symbol(_decimal(Fraction(abs(int(number.p)), int(number.q))))
        decimals[number] = symbol if number > 0 else -symbol
    return str(sympy.latex(expression.xreplace(decimals), inv_trig_style="full"))


def _decimal(number: Fraction) -> str:
    """Six decimals of a positive number, cut off and followed by dots unless they are all."""
    scaled = number * 10**6
    cut = int(scaled)
    text = f"{cut // 10**6}.{cut % 10**6:06d}"
    return text.rstrip("0") if cut == scaled else text + r"\ldots"
