import os
import shutil

import pytest
import torch

from numeric import compiled
from numeric.activations import activation, activation_from_tree
from numeric.data import Population, gaussian_batch
from numeric.ensemble import Ensemble
from numeric.flow import FlowOptions, gradient_flow
from numeric.kernels import kernel, padded
from numeric.network import Network
from numeric.starts import he_start

needs_compiler = pytest.mark.skipif(
    shutil.which(os.environ.get("CXX", "g++")) is None,
    reason="torch.compile needs a C++ compiler, and there is none here",
)


@needs_compiler
def test_compiled_kernels_are_the_activation_and_do_not_mix_members() -> None:
    acts = [activation("swish", beta=1.5), activation("linear"), activation("sin"), activation_from_tree(("z",))]
    for act in acts:
        z = torch.linspace(-3.2, 3.1, padded(100), dtype=torch.float64)
        one = kernel(act, compiled=True)
        kept = z.clone()
        h = torch.full_like(z, torch.nan) if one.stores_slope else kept
        one.forward(kept, h, torch.full_like(z, torch.nan))()
        torch.testing.assert_close(h, act.value(z), rtol=1e-14, atol=1e-15)
        p = torch.full_like(z, 2.0)
        one.backward(p, kept, p if one.linear else h)()
        torch.testing.assert_close(p if one.linear else h, 2.0 * act.derivative(z), rtol=1e-13, atol=2e-15)
    # In ensembles: the numbers of the default kernels to rounding, and the same bits in any chunk.
    net = Network((3, 7, 5, 1), activation("relu"))
    x = gaussian_batch(range(4), 3, 50)
    data = Population(x, torch.tanh(x[:, :1]), torch.full((50,), 0.02, dtype=torch.float64))
    weights = he_start(net, range(4))
    results = []
    for chunk, by_torch in ((None, False), (None, True), (1, True), (3, True)):
        ensemble = Ensemble(net, data, activations=acts, compiled=by_torch, chunk=chunk)
        state = ensemble.layout.flatten(weights, torch.float64, "cpu")
        grads = torch.zeros_like(state)
        results.append((ensemble.gradient(state, grads), grads))
    for got, want in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-15)
    for other in results[2:]:
        assert all(torch.equal(got, want) for got, want in zip(other, results[1], strict=True))
    run = [
        gradient_flow(net, weights, data, activations=acts, until=5.0, options=FlowOptions(compiled=by_torch))
        for by_torch in (False, True)
    ]
    torch.testing.assert_close(run[1].losses, run[0].losses, rtol=1e-9, atol=0)
    assert not torch.equal(run[1].losses, run[0].losses)  # the option arrives


def test_what_cannot_be_compiled_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> object:
        def run(z: torch.Tensor, h: torch.Tensor) -> None:
            raise RuntimeError("InvalidCxxCompiler: a page of text")

        return run

    monkeypatch.setattr(torch, "compile", failing)
    net = Network((3, 5, 1), activation("swish", beta=0.75))
    x = gaussian_batch([0], 3, 8)[0]
    ensemble = Ensemble(net, Population(x, x[:1], torch.full((8,), 0.125, dtype=torch.float64)), compiled=True)
    state = ensemble.layout.flatten(he_start(net, [0]), torch.float64, "cpu")
    monkeypatch.setattr(compiled, "_loop", compiled._loop.__wrapped__)  # what fails must not be kept
    with pytest.raises(
        RuntimeError, match=r"swish\(beta=0.75\) cannot be compiled for the device cpu.*leave `compiled`"
    ):
        ensemble.losses(state)
