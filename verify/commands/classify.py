"""``saddle-escape classify``: the universality class of an activation, from its exact expansion at 0."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from verify.exact_work import worked_out
from verify.expression import to_text
from verify.typed_activation import read_activation, read_parameters

if TYPE_CHECKING:
    from symbolic import Activation, Classification


@click.command("classify")
@click.argument("expression", metavar="EXPR")
@click.option(
    "-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="Value of a named parameter."
)
@click.option("--order", type=click.IntRange(2, 400), default=12, show_default=True, help="Expand phi up to z^N.")
@click.option("--digits", type=click.IntRange(1, 1000), default=30, show_default=True, help="Digits of h_s and K.")
@click.option("--layers", type=click.IntRange(1), default=4, show_default=True, help="Depth L for K.")
@click.option("--width", type=click.IntRange(1), default=64, show_default=True, help="Width N for K.")
@click.option("--json", "as_json", is_flag=True, help="The fields as JSON, exact values as SymPy reads them.")
def command(
    expression: str, parameters: tuple[str, ...], order: int, digits: int, layers: int, width: int, as_json: bool
) -> None:
    """Derive class, order q, alpha, h_s and K of the activation EXPR.

    EXPR is a name of the catalogue (tanh, gelu, leaky_relu, ...) or an expression in z, such as
    'z*sigmoid(3/2*z)' or 'Piecewise((z, z > 0), (a*z, True))' with -p a=1/10.
    """
    import symbolic

    with worked_out():
        activation = read_activation(expression, read_parameters(parameters), symbolic)
        found = symbolic.classify(activation)
        fields = describe(activation, found, order, digits)
        text = None if as_json else render(activation, found, fields, layers, width, digits)
    click.echo(json.dumps(fields, indent=2) if text is None else text)


def describe(activation: Activation, found: Classification, order: int, digits: int) -> dict[str, Any]:
    """The fields of ``classify --json``.

    coefficients lists those of phi at index k, or is null where the two sides of 0 differ: then one_sided has both.
    """
    import symbolic

    left, right = (_phi_one_sided(activation, side, order) for side in (-1, 1))
    reason = found.reason
    closed_form = value = radius = None
    try:
        h = symbolic.hermite(activation, digits=digits)
        closed_form, value, radius = None if h.closed_form is None else str(h.closed_form), h.value, h.radius
    except ValueError as error:
        reason += f" h_s has no enclosure: {error}."
    return {
        "expression": str(activation.expression),
        "class": found.universality_class,
        "order": found.order,
        "leading_coefficient": None if found.leading_coefficient is None else str(found.leading_coefficient),
        "alpha": None if str(found.alpha) == "nan" else str(found.alpha),
        "coefficients": right if right == left else None,
        "one_sided": None if right == left else {"left": left, "right": right},
        "h": closed_form,
        "h_value": value,
        "h_radius": radius,
        "hypotheses": [{"name": name, "holds": holds} for name, holds in found.hypotheses],
        "reason": reason,
    }


def _phi_one_sided(activation: Activation, side: int, order: int) -> list[str] | None:
    """Coefficients of phi for small z of the given sign, as strings; None where there is no expansion."""
    import symbolic

    try:
        coefficients = symbolic.one_sided_taylor(activation, side, order)
    except ValueError:
        return None
    return [str((power - 1) * value) for power, value in enumerate(coefficients)]


def render(
    activation: Activation, found: Classification, fields: dict[str, Any], layers: int, width: int, digits: int
) -> str:
    """The text that ``classify`` prints; exact values that are longer than a line's worth are shown in decimals."""
    rows = [("s(z)", _definition(activation, fields["expression"]))]
    if found.universality_class == "A":
        rows.append(("phi(z)", "0"))
    elif fields["one_sided"] is None:
        rows.append(("phi(z)", polynomial(fields["coefficients"])))
    else:
        rows += [(f"phi(z), z {sign} 0", polynomial(fields["one_sided"][side])) for sign, side in _SIDES]
    rows.append(("class", f"{fields['class']}: {found.reason}"))
    if found.order is not None:
        rows.append(("order", f"q = {found.order}, leading coefficient {short(fields['leading_coefficient'])}"))
    rows.append(("alpha = s'(0)", short(fields["alpha"]) if fields["alpha"] else "does not exist"))
    rows.append(("hypotheses", ", ".join(f"{name}: {'yes' if holds else 'no'}" for name, holds in found.hypotheses)))
    rows.append(("h_s = E[g s(g)]", _hermite_text(fields)))
    rows += _prefactor_rows(activation, layers, width, digits)
    length = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:{length}}  {value}" for name, value in rows)


def _definition(activation: Activation, expression: str) -> str:
    """As it was typed, and written out where that is not the same and not too long."""
    typed = to_text(activation.tree)
    same = typed == expression or len(expression) > LONGEST_DEFINITION
    return typed if same else f"{typed} = {expression}"


def short(exact: str) -> str:
    """An exact value as a string, or its leading digits when the string is long."""
    if len(exact) <= LONGEST_EXACT:
        return exact
    import sympy

    return f"{sympy.N(sympy.sympify(exact), 15)}..."


_SIDES = (("<", "left"), (">", "right"))
LONGEST_DEFINITION = 80
LONGEST_EXACT = 48  # characters of an exact value in the text; --json always has them all


def _hermite_text(fields: dict[str, Any]) -> str:
    if fields["h_value"] is None:
        return str(fields["reason"]).partition("h_s has ")[2]
    return _enclosed(fields["h"], fields["h_value"], fields["h_radius"])


def _enclosed(closed_form: object, value: str, radius: str) -> str:
    exact = "" if closed_form is None else str(closed_form)
    return f"{exact} = {value} +- {radius}" if 0 < len(exact) <= LONGEST_EXACT else f"{value} +- {radius}"


def _prefactor_rows(activation: Activation, layers: int, width: int, digits: int) -> list[tuple[str, str]]:
    import symbolic

    rows = []
    for parameterisation in ("ntk", "plain"):
        name = f"K, {parameterisation}, L = {layers}" + (f", N = {width}" if parameterisation == "ntk" else "")
        try:
            constant = symbolic.prefactor(activation, layers, width, parameterisation, digits=digits)
        except ValueError as error:
            return [("K", f"none: {error}")]
        rows.append((name, _enclosed(constant.closed_form, constant.value, constant.radius)))
    return rows


def polynomial(coefficients: list[str] | None) -> str:
    """``-2/3 z^3 + 8/15 z^5 + O(z^13)``, or that there is no expansion."""
    if coefficients is None:
        return "no expansion at 0"
    text = ""
    for power, coefficient in enumerate(map(short, coefficients)):
        if coefficient == "0":
            continue
        negative = coefficient.startswith("-") and not _is_sum(coefficient)
        factor = coefficient.lstrip("-") if negative else f"({coefficient})" if _is_sum(coefficient) else coefficient
        variable = "" if power == 0 else "z" if power == 1 else f"z^{power}"
        term = variable if factor == "1" and variable else f"{factor} {variable}".rstrip()
        text += (" - " if negative else " + ") + term if text else ("-" if negative else "") + term
    return f"{text or '0'} + O(z^{len(coefficients)})"


def _is_sum(text: str) -> bool:
    depth = 0
    for position, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0 and position > 0 and character in "+-" and text[position - 1] == " ":
            return True
    return False
