"""Networks around one pair of layers, of the shapes for which the imbalance identity holds or fails (THEORY T1, scope).

x -> h = s(W_0 x) -> pair (W_1, W_2) -> y -> yhat = W_3 s(y).  The pairs, with z what s acts on:

dense         z = W_1 h,                      y = W_2 s(z)
residual      z = W_1 h,                      y = h + W_2 s(z)
convolution   z = W_1 * h,                    y = W_2 * s(z), kernels shared over positions
bias          z = W_1 h + b_1,                y = W_2 s(z) + b_2
skip          z = W_1 h,  h_1 = h + s(z),     y = h_1 + s(W_2 h_1)
batch-norm    z = (W_1 h - mean)/deviation over the samples, no eps,  y = W_2 s(z)
layer-norm    the same over the neurons

Samples are columns (the first index for a convolution); float64; the loss is the mean over the samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv1d, conv_transpose1d

from numeric.activations import Activation, activation
from numeric.losses import loss

ARCHITECTURES = ("dense", "residual", "convolution", "bias", "skip", "batch-norm", "layer-norm")
UNITS = 5  # of h and of every layer of the pair
_INPUTS, _SAMPLES, _OUTPUTS = 4, 24, 3
_CHANNELS, _POSITIONS, _TAPS = (2, 3, 2), 6, 2


@dataclass(frozen=True)
class ScopeTerms:
    """What autograd says of one random network.

    rate: d(|W_2|^2 - |W_1|^2)/dt, from the weight gradients.  bias_rate: d|b_1|^2/dt (0 without biases).  rows: <w_i,
    dLoss/dw_i> of the rows of W_1.  scale: 2 (|G_2||W_2| + |G_1||W_1|).  z: what s acts on; p: the gradient by the
    hidden values through W_2, back-propagated by hand and with the weights of the samples in it.  extras: "p b s'" with
    biases, "q z s'" and "p h" with skips, unscaled.  summands: terms of the longest sums.
    """

    rate: float
    bias_rate: float
    rows: tuple[float, ...]
    scale: float
    z: Tensor
    p: Tensor
    extras: Mapping[str, float]
    summands: int

    def expectation(self, values: Tensor) -> float:
        """E<p, values> for values of the shape of z."""
        return float((self.p * values).sum())


@dataclass(frozen=True)
class _Parameters:
    below: Tensor
    lower: Tensor
    upper: Tensor
    lower_bias: Tensor
    upper_bias: Tensor
    above: Tensor


def scope_terms(architecture: str, activation_name: str, loss_name: str, seed: int) -> ScopeTerms:
    """One random network of that architecture; raises ValueError for an unknown name."""
    if architecture not in ARCHITECTURES:
        raise ValueError(f"unknown architecture {architecture!r}; expected one of {', '.join(ARCHITECTURES)}")
    generator = torch.Generator().manual_seed(seed)
    act, criterion = activation(activation_name), loss(loss_name)
    parameters = _drawn(architecture, generator)
    x = torch.randn(_INPUTS, _SAMPLES, generator=generator, dtype=torch.float64)
    y = torch.randn(_OUTPUTS, _SAMPLES, generator=generator, dtype=torch.float64)
    y = torch.softmax(y, dim=0) if loss_name == "cross_entropy" else torch.sign(y) if loss_name == "logistic" else y
    h = _shaped(architecture, act.value(parameters.below @ x))

    def total(output: Tensor) -> Tensor:
        columns = output.reshape(_SAMPLES, -1).mT if architecture == "convolution" else output
        return criterion.value(parameters.above @ act.value(columns), y).mean()

    leaves = [w.clone().requires_grad_(True) for w in (parameters.lower, parameters.upper, parameters.lower_bias)]
    moving = _Parameters(parameters.below, leaves[0], leaves[1], leaves[2], parameters.upper_bias, parameters.above)
    loss_value = total(_pair(architecture, act.value, moving, h)[1])
    grads = torch.autograd.grad(loss_value, leaves, allow_unused=True, materialize_grads=True)
    return _terms(architecture, act, parameters, h, total, grads)


def _terms(
    architecture: str,
    act: Activation,
    w: _Parameters,
    h: Tensor,
    total: Callable[[Tensor], Tensor],
    grads: tuple[Tensor, ...],
) -> ScopeTerms:
    z, output = _pair(architecture, act.value, w, h)
    output = output.detach().requires_grad_(True)
    (delta,) = torch.autograd.grad(total(output), output)
    extras: dict[str, float] = {}
    if architecture == "convolution":
        p = conv_transpose1d(delta, w.upper)
    elif architecture == "skip":
        inner = h + act.value(z)
        p = w.upper.mT @ (act.derivative(w.upper @ inner) * delta)
        extras = {"q z s'": float((delta * z * act.derivative(z)).sum()), "p h": float((p * h).sum())}
    else:
        p = w.upper.mT @ delta
    if architecture == "bias":
        extras = {"p b s'": float((p * w.lower_bias * act.derivative(z)).sum())}
    lower, upper, bias = grads
    inner_lower, inner_upper = (w.lower * lower).sum(), (w.upper * upper).sum()
    return ScopeTerms(
        rate=float(2.0 * inner_lower - 2.0 * inner_upper),
        bias_rate=float(-2.0 * (w.lower_bias * bias).sum()),
        rows=tuple((w.lower * lower).flatten(1).sum(1).tolist()),
        scale=float(2.0 * (upper.norm() * w.upper.norm() + lower.norm() * w.lower.norm())),
        z=z.detach(),
        p=p.detach(),
        extras=extras,
        summands=4 * max(w.below.numel(), w.lower.numel(), z.numel()),
    )


def _pair(architecture: str, s: Callable[[Tensor], Tensor], w: _Parameters, h: Tensor) -> tuple[Tensor, Tensor]:
    """(z, y) of the module's docstring."""
    if architecture == "convolution":
        z = conv1d(h, w.lower)
        return z, conv1d(s(z), w.upper)
    z = w.lower @ h
    if architecture == "bias":
        z = z + w.lower_bias
        return z, w.upper @ s(z) + w.upper_bias
    if architecture in ("batch-norm", "layer-norm"):
        z = _normalised(z, 1 if architecture == "batch-norm" else 0)
    hidden = s(z)
    if architecture == "residual":
        return z, h + w.upper @ hidden
    if architecture == "skip":
        inner = h + hidden
        return z, inner + s(w.upper @ inner)
    return z, w.upper @ hidden


def _normalised(z: Tensor, over: int) -> Tensor:
    centred: Tensor = z - z.mean(over, keepdim=True)
    return centred / torch.sqrt((centred * centred).mean(over, keepdim=True))


def _drawn(architecture: str, generator: torch.Generator) -> _Parameters:
    def normal(*shape: int) -> Tensor:
        scale = 1.3 / math.sqrt(math.prod(shape[1:]))  # by the fan-in
        return scale * torch.randn(shape, generator=generator, dtype=torch.float64)

    if architecture == "convolution":
        first, second, third = _CHANNELS
        left = _POSITIONS - 2 * (_TAPS - 1)
        lower, upper = normal(second, first, _TAPS), normal(third, second, _TAPS)
        below, above = normal(first * _POSITIONS, _INPUTS), normal(_OUTPUTS, third * left)
    else:
        lower, upper = normal(UNITS, UNITS), normal(UNITS, UNITS)
        below, above = normal(UNITS, _INPUTS), normal(_OUTPUTS, UNITS)
    return _Parameters(below, lower, upper, normal(UNITS, 1), normal(UNITS, 1), above)


def _shaped(architecture: str, h: Tensor) -> Tensor:
    """(units, n), or (n, channels, positions) for a convolution."""
    return h.mT.reshape(_SAMPLES, _CHANNELS[0], _POSITIONS) if architecture == "convolution" else h
