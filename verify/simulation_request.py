"""What may be asked of ``saddle-escape simulate``: the request, its checks, and the start that it means.

The numeric witness is loaded on use, so that the help of the command stays fast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

NO_RULE = "none"  # no escape rule: the run ends at ``until``
MOST_DIGITS = 13  # a relative tolerance of 1e-13 is what float64 still resolves in one step
MOST_PRECISE_DIGITS = 50  # of the escape time in ball arithmetic; a member takes some seconds there
CERTIFIED_DIGITS = (5, 40)  # that an enclosure may have
LARGEST_NETWORK = 10**8  # weights of one member; a Runge-Kutta pair keeps about ten copies, 8 GB
LARGEST_ENSEMBLE = 10**6  # members of one request
_SLOWEST = -290.0  # log10 of the slowest start: 1e-308 is the smallest float with all its digits


@dataclass(frozen=True)
class Request:
    """One call of simulate. Exactly one of ``epsilons`` and ``start`` is given; layers are counted from 1.

    ``activation``: a name or an expression in z, with ``parameters`` (name, value as text).
    ``small``: the layers at scale eps, empty for all. ``scales``: one number for the layers that are not small, or one
    per layer, which multiplies eps in the small ones. ``inputs`` and ``samples`` are the dimension of x and the size of
    the random batch of a He start. ``until`` is infinite for none.
    """

    activation: str
    layers: int
    parameters: tuple[tuple[str, str], ...] = ()
    width: int = 64
    epsilons: tuple[float, ...] = ()
    start: tuple[float, ...] = ()
    small: tuple[int, ...] = ()
    scales: tuple[float, ...] = (1.0,)
    parameterisation: str = "ntk"
    init: str = "manifold"
    seeds: int = 1
    seed: int = 0
    full: bool = False
    escape: str = "loss:0.5"
    until: float = math.inf
    digits: int = 10
    certified: bool = False
    device: str = "cpu"
    teacher: str | None = None
    beta: float = 1.0
    inputs: int = 8
    samples: int = 64

    @property
    def ladder(self) -> tuple[float | None, ...]:
        """The scales eps, or one None for an explicit start."""
        return self.epsilons or (None,)

    @property
    def precise(self) -> bool:
        """Whether more digits are wanted than float64 has: the ODE is solved in ball arithmetic then."""
        return self.digits > MOST_DIGITS

    @property
    def total(self) -> int:
        """Members in all: every eps with every seed."""
        return len(self.ladder) * self.seeds


def check(request: Request) -> None:
    """Raise ValueError, one sentence, for a request that cannot be run; loads the numeric witness."""
    if bool(request.epsilons) == bool(request.start):
        raise ValueError("give either --eps or --start, and not both: the start is either a scale or every layer's own")
    if request.layers < 2 or request.width < 1:
        raise ValueError(f"expected at least 2 layers and width 1, got {request.layers} layers, width {request.width}")
    if request.start and len(request.start) != request.layers:
        raise ValueError(f"--start needs {request.layers} scales, one per layer, got {len(request.start)}")
    if request.start and not all(math.isfinite(x) for x in request.start):
        raise ValueError("the scales of --start must be finite")
    if request.start and (request.small or request.scales != (1.0,)):
        raise ValueError("--small and --scales belong to --eps; --start already gives every layer its scale")
    if not all(0 < eps < math.inf for eps in request.epsilons):
        raise ValueError("every --eps must be positive and finite: at eps = 0 the start is the saddle itself")
    if any(not 1 <= layer <= request.layers for layer in request.small) or len(set(request.small)) < len(request.small):
        raise ValueError(f"--small names layers from 1 to {request.layers}, each once, got {request.small}")
    if len(request.scales) not in (1, request.layers) or not all(math.isfinite(x) for x in request.scales):
        raise ValueError(f"--scales needs one finite number or {request.layers}, one per layer, got {request.scales}")
    if request.escape == NO_RULE and math.isinf(request.until):
        raise ValueError("--escape none runs to a given time: add --until T")
    if not request.until > 0:
        raise ValueError(f"--until must be a positive time, got {request.until:g}")
    if not 1 <= request.digits <= MOST_PRECISE_DIGITS:
        raise ValueError(f"--digits must lie between 1 and {MOST_PRECISE_DIGITS}, got {request.digits}")
    if request.certified:
        _check_certified(request)
    if request.precise:
        _check_precise(request)
    _check_range(request)
    if request.total > LARGEST_ENSEMBLE:
        raise ValueError(f"{request.total} members are too many, at most {LARGEST_ENSEMBLE}")
    if not math.isfinite(request.beta):
        raise ValueError(f"--beta, the amplitude of the teacher, must be finite, got {request.beta}")
    _check_network(request)


def _check_precise(request: Request) -> None:
    """What the collocation in ball arithmetic cannot do."""
    what = f"{request.digits} digits, more than the {MOST_DIGITS} that float64 resolves,"
    if request.full:
        raise ValueError(f"{what} are for the ODE of the layer scales: leave out --full")
    if request.escape == NO_RULE:
        raise ValueError(f"{what} are those of an escape time: --escape none has no escape")
    if request.parameters:
        raise ValueError(f"{what} are for activations of the catalogue without -p")


def _check_certified(request: Request) -> None:
    least, most = CERTIFIED_DIGITS
    if request.full or request.escape == NO_RULE or request.escape.startswith("overlap"):
        raise ValueError(
            "--certified encloses the manifold's escape time under a rule of kind loss or scale: leave out --full, and "
            "give --escape loss:F or scale:X@l"
        )
    if not least <= request.digits <= most:
        raise ValueError(f"--certified takes --digits from {least} to {most}, got {request.digits}")


def _check_range(request: Request) -> None:
    """Refuse a start whose speed, a product of all scales but one, underflows: it would stand still for no reason."""
    for start in manifold_starts(request):
        logs = sorted(math.log10(abs(x)) for x in start if x)
        if len(logs) == request.layers and sum(logs[:-1]) < _SLOWEST:
            raise ValueError(
                f"this start moves at a speed of about 1e{sum(logs[:-1]):.0f}, below the range of float64: start larger"
            )


def _check_network(request: Request) -> None:
    if request.init == "he" and not request.full:
        raise ValueError("random He weights leave the manifold: add --full to integrate all weights")
    if request.init == "he" and (request.start or request.scales != (1.0,)):
        raise ValueError("a He start takes --eps for its small layers; --start and --scales belong to --init manifold")
    if request.init == "manifold" and request.seeds > 1:
        raise ValueError("several seeds need random weights, --init he: on the manifold every seed is the same start")
    if not request.full:
        if request.device != "cpu":
            raise ValueError(f"the manifold ODE runs on the CPU; add --full to use the device {request.device!r}")
        return
    weights = request.width * (request.inputs + 1 + request.width * (request.layers - 2))
    if weights > LARGEST_NETWORK:
        raise ValueError(f"a network of {weights} weights is too large, at most {LARGEST_NETWORK}: leave out --full")
    _check_device(request.device)


def _check_device(name: str) -> None:
    import torch

    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"the device {name!r} is not available here: {str(error).splitlines()[0]}") from error


def exact_starts(request: Request) -> list[list[Fraction]]:
    """`manifold_starts` with the numbers as they were typed: 0.1 is one tenth, and products are exact."""
    if request.start:
        return [[_typed(x) for x in request.start]]
    small = set(request.small) or set(range(1, request.layers + 1))
    single = len(request.scales) == 1
    starts = []
    for eps in request.epsilons:
        row = []
        for layer in range(1, request.layers + 1):
            scale = _typed(request.scales[0 if single else layer - 1])
            row.append((_typed(eps) if single else _typed(eps) * scale) if layer in small else scale)
        starts.append(row)
    return starts


def _typed(number: float) -> Fraction:
    return Fraction(repr(float(number)))


def manifold_starts(request: Request) -> Any:
    """Layer scales at the start, an array (members, layers)."""
    import numpy as np

    import numeric

    if request.start:
        return np.array([request.start])
    # One number is the scale of the layers that are not small.
    scales = request.scales[0] if len(request.scales) == 1 else request.scales
    return numeric.bottleneck_starts(request.epsilons, request.layers, request.small or None, scales)
