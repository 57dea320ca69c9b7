"""``saddle-escape simulate``: run the flow of one network and report when it escapes."""

from __future__ import annotations

import json
import math
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from verify.simulation import ESCAPED, UNTIL_REACHED, Member, members
from verify.simulation_request import MOST_DIGITS, MOST_PRECISE_DIGITS, Request, check
from verify.typed_activation import read_parameters

EXIT_NOT_ESCAPED, EXIT_INTERRUPTED = 4, 130
_SHOWN_SCALES = 12
_QUIET_SECONDS = 5.0  # without a terminal, one line at most every so often says that the run is alive


class _Numbers(click.ParamType[tuple[float, ...]]):
    """Numbers separated by commas."""

    name = "X1,X2,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"expected numbers separated by commas, got {str(value)[:80]!r}", param, ctx)


class _Layers(click.ParamType[tuple[int, ...]]):
    """Layers, counted from 1, separated by commas."""

    name = "1,2,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"expected layers such as 1,2,4, got {str(value)[:80]!r}", param, ctx)


@click.command("simulate")
@click.option("--activation", required=True, metavar="A", help="A name such as tanh, or an expression in z.")
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="A parameter's value.")
@click.option("--layers", required=True, type=click.IntRange(2, 1000), help="Depth L: the number of weight matrices.")
@click.option("--width", default=64, show_default=True, metavar="N", help="Width of the hidden layers.")
@click.option(
    "--eps", "epsilons", type=_Numbers(), default=(), help="Scale of the small layers; several make a ladder."
)
@click.option("--start", type=_Numbers(), default=(), help="Instead of --eps: the scale of every layer.")
@click.option("--small", type=_Layers(), default=(), help="The small layers, counted from 1 (default: all).")
@click.option(
    "--scales", type=_Numbers(), default=(1.0,), help="Scales of the other layers: one number (default 1) or L."
)
@click.option("--parameterisation", type=click.Choice(["ntk", "plain"]), help="Default: ntk, with --init he plain.")
@click.option("--teacher", metavar="A", help="Activation of the teacher y = beta t(v.x) (default: the network's).")
@click.option("--beta", default=1.0, show_default=True, help="Amplitude of the teacher.")
@click.option("--init", type=click.Choice(["manifold", "he"]), default="manifold", show_default=True)
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, metavar="S", help="He starts per eps.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="The first seed.")
@click.option("--inputs", type=click.IntRange(1, 4096), default=8, show_default=True, help="Dimension of x (He).")
@click.option("--samples", type=click.IntRange(1), default=64, show_default=True, help="Size of the batch (He).")
@click.option("--full", is_flag=True, help="Integrate all weights instead of the ODE of the layer scales.")
@click.option(
    "--escape", default="loss:0.5", show_default=True, help="loss:F, scale:X@l (layer 1), overlap:F, or none."
)
@click.option("--until", type=float, default=math.inf, metavar="T", help="Stop at this time if it comes first.")
@click.option(
    "--digits",
    type=click.IntRange(1, MOST_PRECISE_DIGITS),
    help=f"Relative tolerance 10^-D of a step (10; with --full 8); above {MOST_DIGITS} digits of the escape time.",
)
@click.option("--certified", is_flag=True, help="A proved enclosure of the escape time, to about --digits digits.")
@click.option("--device", default="cpu", show_default=True, help="A torch device for --full.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Figure of loss and scales against time.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    parameters: tuple[str, ...],
    layers: int,
    parameterisation: str | None,
    init: str,
    digits: int | None,
    full: bool,
    as_json: bool,
    plot: Path | None,
    **options: Any,
) -> None:
    """Run the gradient flow from a small start and say when it escapes the saddle.

    By default on the symmetric manifold, as an ODE of the L layer scales; with --full as a network of all its weights.
    eps is the scale X_l = |W_l|_F/sqrt(N) in ntk and |W_l|_F in plain; with --init he it multiplies He-normal weights.
    Time is gradient-flow time, the loss 1/2 E (yhat - y)^2.

    \b
    Exit codes: 0 all escaped or --until was reached, 2 bad input, 4 some member did neither, or could not be solved to
    the digits or certified as asked, 130 interrupted.
    """
    request = Request(
        layers=layers,
        parameters=tuple(read_parameters(parameters).items()),
        # He's variance 2/fan_in already holds the factor that ntk puts in front of the weights.
        parameterisation=parameterisation or ("plain" if init == "he" else "ntk"),
        init=init,
        full=full,
        digits=digits or (8 if full else 10),
        **options,
    )
    if plot is not None:
        from verify.simulation_plot import check_plot

        check_plot(plot)
    check(request)
    began = time.perf_counter()
    done, interrupted = collect(request, quiet=as_json)
    seconds = time.perf_counter() - began
    click.echo(json.dumps(as_data(request, done, seconds, interrupted), indent=2) if as_json else table(request, done))
    if interrupted:
        click.echo(f"saddle-escape: interrupted after {len(done)} of {request.total} members", err=True)
        ctx.exit(EXIT_INTERRUPTED)
    if plot is not None:
        from verify.simulation_plot import draw

        draw(request, done, plot)
        click.echo(f"written: {plot}", err=as_json)
    ctx.exit(0 if all(_answered(member) for member in done) else EXIT_NOT_ESCAPED)


def _answered(member: Member) -> bool:
    return member.status in (ESCAPED, UNTIL_REACHED) and not member.refusal


def collect(request: Request, quiet: bool) -> tuple[list[Member], bool]:
    """All members, and whether Ctrl-C came first; progress goes to standard error."""
    console = Console(stderr=True)
    done: list[Member] = []
    with Progress(
        TextColumn("simulating"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as progress:
        bar = progress.add_task("simulating", total=request.total)
        said = time.perf_counter()
        try:
            for chunk in members(request):
                done.extend(chunk)
                progress.update(bar, completed=len(done))
                if not quiet and not console.is_terminal and time.perf_counter() - said > _QUIET_SECONDS:
                    said = time.perf_counter()
                    console.print(f"{len(done)}/{request.total} members", highlight=False)
        except KeyboardInterrupt:
            return done, True
    return done, False


def as_data(request: Request, done: Sequence[Member], seconds: float, interrupted: bool = False) -> dict[str, Any]:
    """The JSON of CONTRACT's `simulate --json`.

    The fields at the top are those of the member that took longest (one without escape takes longest of all), with
    the evaluations and seconds of all together, so that one run and an ensemble read alike; `members` is there when
    there are several.
    """
    last = max(done, key=lambda member: math.inf if member.escape_time is None else member.escape_time, default=None)
    top: dict[str, Any] = {} if last is None else _fields(last)
    top |= {"evaluations": sum(member.evaluations for member in done), "seconds": seconds}
    if request.total > 1:
        top["members"] = [_fields(member) for member in done]
    if interrupted:
        top["complete"] = False
    top["setup"] = _setup(request)
    return top


def _fields(member: Member) -> dict[str, Any]:
    more: dict[str, Any] = {} if member.decimal is None else {"escape_time_decimal": member.decimal}
    if member.enclosure is not None:
        more["enclosure"] = list(member.enclosure)
    if member.refusal:
        more["refusal"] = member.refusal
    return more | {
        "escape_time": member.escape_time,
        "error_estimate": member.error_estimate,
        "status": member.status,
        "evaluations": member.evaluations,
        "layer_scales": [_number(x) for x in member.layer_scales],
        "loss": _number(member.loss),
        "seconds": member.seconds,
        "end_time": _number(member.end_time),
        "eps": member.eps,
        "seed": member.seed,
    }


def _number(x: float) -> float | str:
    """JSON has no NaN and no infinity: they are strings."""
    if math.isnan(x):
        return "NaN"
    return x if math.isfinite(x) else ("Infinity" if x > 0 else "-Infinity")


def _setup(request: Request) -> dict[str, Any]:
    return {
        "activation": request.activation,
        "parameters": dict(request.parameters),
        "teacher": request.teacher or request.activation,
        "beta": request.beta,
        "layers": request.layers,
        "width": request.width,
        "parameterisation": request.parameterisation,
        "init": request.init,
        "full": request.full,
        "escape": request.escape,
        "small": list(request.small) or list(range(1, request.layers + 1)),
        "until": _number(request.until),
        "digits": request.digits,
        "certified": request.certified,
        "device": request.device,
        "loss": "1/2 E (yhat - y)^2",
        "time": "gradient flow, dW/dt = -dLoss/dW",
    }


def table(request: Request, done: Sequence[Member]) -> str:
    """The members as text, one line each, under a line of conventions."""
    small = ",".join(str(layer) for layer in request.small) or "all"
    start = "explicit start" if request.start else f"small layers: {small}"
    taught = request.teacher or request.activation
    kind = "all weights" if request.full else "layer scales on the symmetric manifold"
    head = (
        f"s = {request.activation}, L = {request.layers}, N = {request.width}, {request.parameterisation}, {start}; "
        f"teacher {'' if request.beta == 1 else f'{request.beta:g} '}t(v.x), t = {taught}\n"
        f"flow of {kind}, loss 1/2 E (yhat - y)^2, escape {request.escape}, tolerance 1e-{request.digits}\n"
    )
    columns: list[tuple[str, Callable[[Member], str]]] = []
    if not request.start:
        columns.append(("eps", lambda m: f"{m.eps:.6g}"))
    if request.init == "he":
        columns.append(("seed", lambda m: str(m.seed)))
    columns += [
        ("escape time", lambda m: m.decimal or _with_error(m.escape_time, m.error_estimate)),
        *([("proved to lie in", _enclosure)] if request.certified else []),
        ("error", lambda m: "" if m.error_estimate is None else f"{m.error_estimate:.1e}"),
        ("status", lambda m: m.status),
        ("loss", lambda m: f"{m.loss:.4g}"),
        ("layer scales", lambda m: _short(m.layer_scales)),
        ("evaluations", lambda m: str(m.evaluations)),
    ]
    rows = [[name for name, _ in columns], *([cell(member) for _, cell in columns] for member in done)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    advice = {member.status: member.advice for member in done if member.status not in (ESCAPED, UNTIL_REACHED)}
    notes = [f"{status}: {sentence}" for status, sentence in advice.items()]
    notes += [f"eps {member.eps:g}: {member.refusal}" for member in done if member.refusal]
    return "\n".join([head, *lines, *notes, *_prediction_line(request)])


def _short(scales: Sequence[float]) -> str:
    """All scales of a net of ordinary depth, else the first and the last."""
    words = [f"{x:.4g}" for x in scales]
    return " ".join(words if len(words) <= _SHOWN_SCALES else [*words[:3], "...", *words[-3:]])


def _prediction_line(request: Request) -> list[str]:
    """The call of `predict` that answers the same question by theory, where there is one."""
    if request.start or request.init == "he":
        return []
    words = ["saddle-escape predict", f"--activation {_quoted(request.activation)}", f"--layers {request.layers}"]
    words += [f"-p {_quoted(f'{name}={value}')}" for name, value in request.parameters]
    if request.small:
        words.append("--small " + ",".join(str(layer) for layer in request.small))
    words += [f"--eps {request.epsilons[-1]:g}", f"--width {request.width}"]
    words.append(f"--parameterisation {request.parameterisation}")
    if request.scales != (1.0,):
        words.append("--scales " + ",".join(f"{x:g}" for x in request.scales))
    if request.teacher:
        words.append(f"--teacher {_quoted(request.teacher)}")
    if request.beta != 1.0:
        words.append(f"--beta {request.beta:g}")
    return ["theory: " + " ".join(words)]


def _quoted(text: str) -> str:
    return text if text.isidentifier() else shlex.quote(text)


def _enclosure(member: Member) -> str:
    return "-" if member.enclosure is None else f"[{member.enclosure[0]}, {member.enclosure[1]}]"


def _with_error(value: float | None, error: float | None) -> str:
    """A time to as many digits as its error leaves, 15 at most."""
    if value is None:
        return "-"
    if not error or not value:
        return f"{value:.15g}"
    digits = math.floor(math.log10(abs(value))) - math.floor(math.log10(error)) + 1
    return f"{value:.{min(15, max(1, digits))}g}"
