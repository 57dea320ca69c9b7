"""A device that runs out of memory, faked: smaller pieces with the same numbers, then one clear sentence."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from numeric import memory
from numeric.activations import activation
from numeric.ensemble import Ensemble
from numeric.flow import FlowResult, gradient_flow
from numeric.network import uniform_network
from numeric.off_manifold import single_mode_batches
from numeric.starts import he_start

NET = uniform_network(3, 6, 3, activation("tanh"))
SEEDS = range(5)
DATA, START = single_mode_batches(NET, SEEDS, 24), he_start(NET, SEEDS, range(1, 4), 0.15)
CPU = RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried")


class Device:
    """Refuses a pass of more than ``most`` members at once, and a state of more than ``states``."""

    def __init__(self, patch: pytest.MonkeyPatch, most: int = 99, states: int = 99, error: Exception = CPU) -> None:
        self.tried: list[int] = []
        pass_, layout = Ensemble._chunk_pass, Ensemble._passes

        def chunk_pass(ensemble: Ensemble, weights: Any, rows: slice, *rest: Any) -> None:
            self.tried.append(rows.stop - rows.start)
            if rows.stop - rows.start > most:
                raise error
            pass_(ensemble, weights, rows, *rest)

        def passes(ensemble: Ensemble, state: torch.Tensor, *rest: Any) -> torch.Tensor:
            if state.shape[0] > states:
                raise MemoryError("the states of the stages did not fit")
            return layout(ensemble, state, *rest)

        patch.setattr(Ensemble, "_chunk_pass", chunk_pass)
        patch.setattr(Ensemble, "_passes", passes)


@pytest.fixture(params=[CPU, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")])
def error(request: pytest.FixtureRequest) -> Exception:
    return request.param  # type: ignore[no-any-return]


def gradients(ensemble: Ensemble) -> tuple[torch.Tensor, torch.Tensor]:
    state = ensemble.layout.flatten(START, torch.float64, "cpu")
    out = torch.zeros_like(state)
    return ensemble.gradient(state, out), out


def test_chunks_are_halved_and_the_gradients_are_the_same(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    losses, grads = gradients(Ensemble(NET, DATA))
    device = Device(monkeypatch, most=1, error=error)
    again_losses, again = gradients(Ensemble(NET, DATA))
    assert device.tried[:2] == [5, 2]
    assert device.tried[-5:] == [1] * 5
    assert torch.equal(again, grads)
    assert torch.equal(again_losses, losses)


def test_one_member_that_does_not_fit_is_one_sentence(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    Device(monkeypatch, most=0, error=error)
    with pytest.raises(
        MemoryError, match=r"the device cpu has not enough memory for one network of widths .* samples: "
    ):
        gradients(Ensemble(NET, DATA))


def test_another_error_of_the_kernel_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(monkeypatch, most=0, error=RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        gradients(Ensemble(NET, DATA))
    assert device.tried == [5]


def flow() -> FlowResult:
    return gradient_flow(
        NET,
        START,
        DATA,
        escape="loss:0.9",
        until=40.0,
        saved_times=[0.0, 1.0, 5.0],
        keep_states=True,
        estimate_error=True,
    )


@pytest.mark.parametrize("limits", [{"most": 2}, {"states": 2}, {"states": 1, "most": 1}])
def test_a_flow_in_smaller_batches_is_the_same_flow(limits: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = flow()
    Device(monkeypatch, **limits)
    again = flow()
    assert again.status == whole.status
    for name in ("escape_times", "error_estimates", "times", "evaluations", "steps", "rejected", "losses", "scales"):
        torch.testing.assert_close(getattr(again, name), getattr(whole, name), rtol=0, atol=0, equal_nan=True)
    assert whole.saved is not None and again.saved is not None
    for name in ("times", "losses", "scales", "states"):
        torch.testing.assert_close(
            getattr(again.saved, name), getattr(whole.saved, name), rtol=0, atol=0, equal_nan=True
        )
    for one, other in zip(again.weights, whole.weights, strict=True):
        assert torch.equal(one, other)


def test_a_flow_that_never_fits_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    Device(monkeypatch, states=0)
    with pytest.raises(MemoryError, match="not enough memory for the flow of one network of widths"):
        flow()


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (lambda: MemoryError(), True),
        (lambda: torch.OutOfMemoryError("x"), True),
        (lambda: CPU, True),
        (lambda: RuntimeError("singular"), False),
        (lambda: ValueError("can't allocate memory"), False),
    ],
)
def test_what_counts_as_out_of_memory(raised: Callable[[], Exception], expected: bool) -> None:
    assert memory.is_out_of_memory(raised()) is expected
