"""Ensemble gradients against a loop of nn.Modules, torch.func.vmap(grad) and a NumPy loop on workspaces; one thread.

Both sides of a ratio are interleaved and the fastest of several runs counts; CPU time, so that a shared machine does
not decide.  Bars of the project's issue on the numeric witness.
"""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from numeric.activations import activation
from numeric.data import Population
from numeric.ensemble import Ensemble
from numeric.losses import loss
from numeric.network import Network, mean_loss, uniform_network
from numeric.off_manifold import single_mode_batches
from numeric.starts import he_start

MEMBERS, WIDTH, INPUTS = 32, 64, 16
BARS = {"nn.Module loop": 1.75, "vmap(grad)": 2.2, "NumPy workspace loop": 0.8}
PEAK_BARS = {torch.float64: 0.65, torch.float32: 0.70}


def interleaved(functions: dict[str, Callable[[], Any]], rounds: int = 5) -> dict[str, float]:
    """Fastest CPU time of each function over interleaved rounds, three calls in a row in each.

    A flow calls one gradient after the other; the first after a change of sides finds the other's data in the cache.
    """
    best = dict.fromkeys(functions, float("inf"))
    for name in functions:
        functions[name]()
    for _ in range(rounds):
        for name, function in functions.items():
            for _ in range(3):
                began = time.process_time()
                function()
                best[name] = min(best[name], time.process_time() - began)
    return best


class Module(torch.nn.Module):
    """The network as a user would write it."""

    def __init__(self, weights: list[torch.Tensor]) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList()
        for weight in weights:
            layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=weight.dtype)
            layer.weight.data.copy_(weight)
            self.layers.append(layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers[:-1]:
            x = torch.tanh(layer(x))
        return self.layers[-1](x)


def module_loop(weights: list[torch.Tensor], data: Population) -> Callable[[], None]:
    modules = [Module([w[m] for w in weights]) for m in range(weights[0].shape[0])]
    batches = [(data.covariates[m].T.contiguous(), data.targets[m].T.contiguous()) for m in range(len(modules))]

    def run() -> None:
        for module, (x, y) in zip(modules, batches, strict=True):
            module.zero_grad(set_to_none=False)
            (0.5 * (module(x) - y).square().mean()).backward()

    return run


def vmap_of_grad(net: Network, weights: list[torch.Tensor], data: Population) -> Callable[[], Any]:
    criterion = loss("mse")

    def one(layers: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return mean_loss(net, layers, x, y, criterion)

    function = torch.func.vmap(torch.func.grad(one))
    return lambda: function(weights, data.covariates, data.targets)


def numpy_loop(weights: list[torch.Tensor], data: Population) -> Callable[[], None]:
    """The same passes in NumPy on preallocated workspaces, member by member."""
    layers = [w.numpy() for w in weights]
    x, y = data.covariates.numpy(), data.targets.numpy()
    n, depth = x.shape[2], len(layers)
    hidden = [np.empty((w.shape[1], n), x.dtype) for w in layers[:-1]]
    deltas = [np.empty_like(h) for h in hidden]
    square = [np.empty_like(h) for h in hidden]
    grads = [np.empty_like(w) for w in layers]

    def run() -> None:
        for m in range(x.shape[0]):
            below = x[m]
            for h, w in zip(hidden, layers, strict=False):
                np.matmul(w[m], below, out=h)
                np.tanh(h, out=h)
                below = h
            delta = (layers[-1][m] @ below - y[m]) / n
            for index in range(depth - 1, -1, -1):
                np.matmul(delta, (hidden[index - 1] if index else x[m]).T, out=grads[index][m])
                if index:
                    d, s, h = deltas[index - 1], square[index - 1], hidden[index - 1]
                    np.matmul(layers[index][m].T, delta, out=d)
                    np.multiply(h, h, out=s)
                    np.subtract(1.0, s, out=s)
                    d *= s
                    delta = d

    return run


def floating_operations(net: Network, samples: int) -> float:
    """Multiply-adds of the matrix products of one gradient, times two."""
    sizes = [a * b for a, b in net.shapes]
    return 2.0 * samples * (3 * sum(sizes) - sizes[0])


def peak(dtype: torch.dtype) -> float:
    """Operations per second of a large square product, measured now."""
    a = torch.randn(1536, 1536, dtype=dtype)
    out = torch.empty_like(a)
    return 2.0 * 1536**3 / interleaved({"mm": lambda: torch.mm(a, a, out=out)}, 4)["mm"]


def row(kernel: str, ours: float, peer: str, theirs: float, bar: float) -> dict[str, Any]:
    ratio = theirs / ours
    return {
        "kernel": kernel,
        "ours_seconds": ours,
        "peer": peer,
        "peer_seconds": theirs,
        "ratio": ratio,
        "bar": f">= {bar:g}",
        "met": "yes" if ratio >= bar else "no",
    }


def gradient_rows(depth: int, samples: int, dtype: torch.dtype) -> list[dict[str, Any]]:
    net = uniform_network(depth, WIDTH, INPUTS, activation("tanh"))
    data = single_mode_batches(net, range(MEMBERS), samples).to(dtype=dtype)
    weights = [w.to(dtype) for w in he_start(net, range(MEMBERS))]
    ensemble = Ensemble(net, data, dtype=dtype)
    state = ensemble.layout.flatten(weights, dtype, "cpu")
    out = torch.zeros_like(state)
    times = interleaved(
        {
            "ours": lambda: ensemble.gradient(state, out),
            "nn.Module loop": module_loop(weights, data),
            "vmap(grad)": vmap_of_grad(net, weights, data),
            "NumPy workspace loop": numpy_loop(weights, data),
        }
    )
    name = f"gradient L={depth} N={WIDTH} n={samples} {str(dtype).removeprefix('torch.')}"
    result = [row(name, times["ours"], peer, times[peer], bar) for peer, bar in BARS.items()]
    if samples == 1024:
        share = MEMBERS * floating_operations(net, samples) / times["ours"] / peak(dtype)
        bar = PEAK_BARS[dtype]
        result.append(
            {
                "kernel": f"{name}: share of GEMM peak",
                "ours_seconds": times["ours"],
                "peer": "torch.mm of 1536 x 1536",
                "peer_seconds": None,
                "ratio": share,
                "bar": f">= {bar:g}",
                "met": "yes" if share >= bar else "no",
            }
        )
    return result


def compiled_rows(dtype: torch.dtype) -> list[dict[str, Any]]:
    """What `compiled` gains where a kernel is written by hand (gelu, silu, sin, tanh) and where none is."""
    result = []
    for name in ("gelu", "silu", "sin", "tanh", "swish", "elu"):
        net = uniform_network(4, WIDTH, INPUTS, activation(name))
        data = single_mode_batches(net, range(MEMBERS), 256)
        weights = he_start(net, range(MEMBERS))
        sides = {side: Ensemble(net, data, compiled=side, dtype=dtype) for side in (True, False)}
        state = sides[True].layout.flatten(weights, dtype, "cpu")
        out = torch.zeros_like(state)
        times = interleaved({str(side): partial(ensemble.gradient, state, out) for side, ensemble in sides.items()})
        result.append(
            {
                "kernel": f"gradient L=4 N={WIDTH} n=256 {str(dtype).removeprefix('torch.')} {name}, compiled",
                "ours_seconds": times["True"],
                "peer": "the default kernel",
                "peer_seconds": times["False"],
                "ratio": times["False"] / times["True"],
                "bar": None,
                "met": None,
            }
        )
    return result


def memory_row() -> dict[str, Any]:
    """Extra memory at M = 256: our buffers against the growth of the peak resident size in vmap(grad)."""
    members, samples = 256, 256
    net = uniform_network(4, WIDTH, INPUTS, activation("tanh"))
    data = single_mode_batches(net, range(members), samples)
    weights = he_start(net, range(members))
    ensemble = Ensemble(net, data)
    state = ensemble.layout.flatten(weights, torch.float64, "cpu")
    out = torch.zeros_like(state)
    gc.collect()
    ensemble.gradient(state, out)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    vmap_of_grad(net, weights, data)()
    theirs = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    ours = ensemble.workspace(members).bytes()
    return {
        "kernel": "extra memory, M=256, L=4, n=256 (bytes)",
        "ours_seconds": float(ours),
        "peer": "vmap(grad), growth of the peak resident size",
        "peer_seconds": float(theirs),
        "ratio": theirs / ours,
        "bar": ">= 40",
        "met": "yes" if theirs >= 40 * ours else "no",
    }


def rows() -> list[dict[str, Any]]:
    """The table of this module."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        result = [memory_row()]  # first: the peak resident size only grows
        for depth in (4, 8):
            for samples in (256, 1024):
                for dtype in (torch.float64, torch.float32):
                    result += gradient_rows(depth, samples, dtype)
        for dtype in (torch.float64, torch.float32):
            result += compiled_rows(dtype)
    finally:
        torch.set_num_threads(threads)
    return result
