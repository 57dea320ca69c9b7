"""A device that runs out of memory: the callers go on in smaller pieces, and say in a sentence what does not fit."""

from __future__ import annotations

import torch


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that memory ran out; torch has a class for its devices and only a sentence for the CPU."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def release(device: torch.device | str) -> None:
    """Give back what torch keeps of a device's memory for later use, so that a smaller attempt finds it free."""
    if torch.device(device).type == "cuda":
        torch.cuda.empty_cache()


def lacking(what: str, device: torch.device | str) -> MemoryError:
    """The error to raise where no smaller piece is left."""
    return MemoryError(
        f"the device {device} has not enough memory for {what}: take fewer samples, a narrower network or float32, "
        "or a device with more"
    )
