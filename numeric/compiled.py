"""The pointwise forward pass of any activation as one compiled loop: s and s' from the catalogue's definitions.

For GPUs, where a pass costs its memory traffic, and for CPUs with a C++ compiler; it is compiled once for each
activation and type of number, for all sizes, in seconds.  On a CPU it pays where no kernel is written by hand: the
gradient of 32 nets (L = 4, N = 64, n = 256) with swish takes 18 ms for 39, with elu 15 for 57 (float32: 8 for 17, 7 for
42).  Where one is, it does not, but for sin in float64 (18 for 21): silu 17 ms for 14, gelu 29 for 19, tanh 23 for 14,
since NumPy's tanh and exp are faster than a compiler's, and the definitions keep tails that the kernels drop.  Figures
of ``python -m tests.benchmarks ensemble``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from numeric.activations import Activation

Call = Callable[[], object]

_TRIAL = 64  # elements of a first call, which compiles


def compiled_forward(activation: Activation, z: Tensor, h: Tensor, scratch: Tensor) -> Call:
    """The call h <- s(z), z <- s'(z), compiled now.  RuntimeError, one sentence, where that is not possible."""
    loop = _loop(activation)
    try:
        loop(torch.zeros_like(z[:_TRIAL]), torch.zeros_like(h[:_TRIAL]))
    except Exception as error:
        raise RuntimeError(
            f"the activation {activation.label} cannot be compiled for the device {z.device}: torch.compile says "
            f"{type(error).__name__}; it needs a C++ compiler (on GPUs, Triton), or leave `compiled` out"
        ) from error
    return partial(loop, z, h)


@lru_cache(maxsize=64)
def _loop(activation: Activation) -> Callable[[Tensor, Tensor], None]:
    def run(z: Tensor, h: Tensor) -> None:
        value, slope = activation.value(z), activation.derivative(z)
        h.copy_(value)
        z.copy_(slope)

    # torch counts what it compiles by code object: one for each activation.
    own = FunctionType(run.__code__.replace(), run.__globals__, activation.label, None, run.__closure__)
    made: Any = torch.compile(own, dynamic=True, fullgraph=True)
    return made  # type: ignore[no-any-return]
