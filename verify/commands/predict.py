"""``saddle-escape predict``: the escape law of one network, every term of the time, and the time."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

from verify.exact_work import worked_out
from verify.expression import parse
from verify.expression_tree import quote
from verify.typed_activation import read_activation, read_parameters

if TYPE_CHECKING:
    from symbolic import Constant, EscapePrediction, PredictedTerm


class _Exact(click.ParamType[Fraction]):
    """One number, kept exactly: 0.01, 1e-3 or 1/3."""

    name = "NUMBER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        if isinstance(value, Fraction):
            return value
        try:
            tree = parse(str(value))
        except ValueError as error:
            self.fail(f"expected a number such as 0.01, 1e-3 or 1/3. {error}", param, ctx)
        if tree[0] != "rational":
            self.fail(f"expected a number such as 0.01, 1e-3 or 1/3, but {quote(str(value))} came.", param, ctx)
        return Fraction(tree[1], tree[2])


class _ExactList(click.ParamType[tuple[Fraction, ...]]):
    """Numbers separated by commas."""

    name = "XI1,XI2,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Fraction, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(_Exact().convert(part, param, ctx) for part in str(value).split(","))


class _Layers(click.ParamType[tuple[int, ...]]):
    """Layers, counted from 1, separated by commas."""

    name = "1,2,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        if not all(part.isascii() and part.isdigit() and len(part) < 5 for part in parts):
            self.fail(f"expected layers such as 1,2,4, but {quote(str(value))} came.", param, ctx)
        return tuple(int(part) for part in parts)


@click.command("predict")
@click.option("--activation", required=True, metavar="A", help="A name such as tanh, or an expression in z.")
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="A parameter's value.")
@click.option("--layers", required=True, type=click.IntRange(1, 64), help="Depth L: the number of weight matrices.")
@click.option("--small", type=_Layers(), help="The layers that start at eps, counted from 1 (default: all).")
@click.option("--eps", required=True, type=_Exact(), metavar="E", help="Their initial scale: X_l in ntk, F_l in plain.")
@click.option("--width", type=click.IntRange(1), default=64, show_default=True, metavar="N", help="Hidden width.")
@click.option("--parameterisation", type=click.Choice(["ntk", "plain"]), default="ntk", show_default=True)
@click.option(
    "--scales", type=_ExactList(), default=(Fraction(1),), help="Scales of the other layers: one number (1) or L."
)
@click.option("--teacher", metavar="A", help="Activation of the teacher y = beta t(v.x) (default: the network's).")
@click.option("--beta", type=_Exact(), default=Fraction(1), help="Amplitude of the teacher (1).")
@click.option("--threshold", type=_Exact(), metavar="THETA", help="Escape: the small layers' scale reaches THETA.")
@click.option("--digits", type=click.IntRange(1, 1000), default=30, show_default=True, help="Certified digits.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def command(
    activation: str,
    parameters: tuple[str, ...],
    layers: int,
    small: tuple[int, ...] | None,
    scales: tuple[Fraction, ...],
    teacher: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Derive the escape law t(eps) of one network, with every term of the expansion and its value.

    The small layers start at eps, the others at their scale of order 1; x ~ N(0, I), y = beta t(v.x), loss 1/2
    E (yhat - y)^2, gradient-flow time. K_eff t is a sum of terms coefficient eps^p log(1/eps)^k and of a constant that
    depends on when escape is read (--threshold).
    """
    _check_scales(options["eps"], options["threshold"])
    import symbolic

    with worked_out():
        student = read_activation(activation, read_parameters(parameters), symbolic)
        target = student if teacher is None else read_activation(teacher, {}, symbolic)
        # One scale means every layer's; `predict_escape` reads it where the layer is not small.
        each = tuple(scales) * layers if len(scales) == 1 else scales
        prediction = symbolic.predict_escape(student, layers, small, scales=each, teacher=target, **options)
    click.echo(json.dumps(describe(prediction), indent=2) if as_json else render(prediction, options["threshold"]))


def _check_scales(eps: Fraction, threshold: Fraction | None) -> None:
    if eps <= 0:
        raise click.BadParameter(f"expected a positive number, but {float(eps):g} came.", param_hint="'--eps'")
    if threshold is not None and threshold <= eps:
        raise click.BadParameter(
            f"expected a scale above eps = {float(eps):g}, but {float(threshold):g} came.", param_hint="'--threshold'"
        )


def describe(prediction: EscapePrediction) -> dict[str, Any]:
    """The fields of ``predict --json``; numbers are floats, and ``exact`` has every certified digit as strings."""
    return {
        "exponent": prediction.exponent,
        "logarithm": prediction.logarithm,
        "K_eff": _number(prediction.K_eff),
        "terms": [_term(term) for term in prediction.terms],
        "time": _number(prediction.time),
        "exact": {
            "eps": str(prediction.eps),
            "K_eff": _certified(prediction.K_eff),
            "time": _certified(prediction.time),
        },
        "layers": prediction.depth,
        "small": list(prediction.small),
        "remainder_power": prediction.remainder_power,
    }


def _term(term: PredictedTerm) -> dict[str, Any]:
    return {
        "coefficient": _number(term.coefficient),
        "eps_power": term.eps_power,
        "log_power": term.log_power,
        "value": _number(term.value),
        "origin": term.origin.value,
        "exact": {"coefficient": _certified(term.coefficient), "value": _certified(term.value)},
    }


def _number(constant: Constant | None) -> float | str | None:
    """A JSON number; the decimal string where a float would overflow, for JSON has no infinity."""
    if constant is None:
        return None
    return float(constant) if math.isfinite(float(constant)) else constant.value


def _certified(constant: Constant | None) -> dict[str, str | None] | None:
    if constant is None:
        return None
    closed = None if constant.closed_form is None else str(constant.closed_form)
    return {"value": constant.value, "radius": constant.radius, "closed_form": closed}


def render(prediction: EscapePrediction, threshold: Fraction | None) -> str:
    """The text that ``predict`` prints."""
    r, rate = len(prediction.small), prediction.K_eff
    exact = "" if rate.closed_form is None else f"{rate.closed_form} = "
    layers = ", ".join(map(str, prediction.small))
    lines = [
        f"law     {_law(prediction)}; r = {r} of L = {prediction.depth} layers are small: {layers}",
        f"K_eff   {exact}{rate.value} +- {rate.radius}",
        f"terms of K_eff t at eps = {prediction.eps}:",
        *_table(prediction.terms),
        f"  left out: O(eps^{prediction.remainder_power}) and, with a threshold, its own omitted powers"
        if threshold is not None
        else f"  left out: O(eps^{prediction.remainder_power})",
        f"time    {_time_text(prediction, threshold)}",
    ]
    return "\n".join(lines)


def _law(prediction: EscapePrediction) -> str:
    if prediction.logarithm:
        return "t ~ log(1/eps) / K_eff"
    if prediction.exponent == 0:
        return "t = Theta(1), whatever eps"
    return f"t ~ eps^{prediction.exponent} / ({-prediction.exponent} K_eff)".replace("(1 K_eff)", "K_eff")


def _table(terms: Sequence[PredictedTerm]) -> list[str]:
    rows = [
        (
            term.origin.value,
            "constant" if term.coefficient is None else f"{_short(term.coefficient)}{_powers(term)}",
            "fixed by the escape rule (--threshold)" if term.value is None else _short(term.value),
        )
        for term in terms
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return [f"  {row[0]:{widths[0]}}  {row[1]:{widths[1]}}  = {row[2]}" for row in rows]


def _powers(term: PredictedTerm) -> str:
    eps = "" if term.eps_power == 0 else " eps" if term.eps_power == 1 else f" eps^{term.eps_power}"
    log = "" if term.log_power == 0 else " log(1/eps)" + ("" if term.log_power == 1 else f"^{term.log_power}")
    return eps + log


def _short(constant: Constant) -> str:
    """Twelve significant digits."""
    number = float(constant)
    return f"{number:.12g}" if math.isfinite(number) else constant.value


def _time_text(prediction: EscapePrediction, threshold: Fraction | None) -> str:
    if prediction.time is None:
        return "not determined by eps alone: give --threshold THETA"
    without = "" if threshold is not None else ", up to the constant, Theta(1)/K_eff"
    return f"t = {_short(prediction.time)}{without}"
