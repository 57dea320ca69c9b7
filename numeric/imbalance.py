"""The imbalance identity of THEORY T1 measured by autograd in float64, and the ingredients of its counterfeits.

Along dW/dt = -grad, Delta_l = |W_{l+1}|^2 - |W_l|^2 changes at the rate -2 <W_{l+1}, G_{l+1}> + 2 <W_l, G_l>.  With
p = g_{l+1} W_{l+1}^T grad_{z_{l+1}}, <W_{l+1}, G_{l+1}> = E<p, s(z_l)> and <W_l, G_l> = E<p, z_l s'(z_l)>, so the rate
is 2 E<p, phi(z_l)>.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from numeric.activations import activation
from numeric.losses import Loss, loss
from numeric.network import Network, Weights, gradient


@dataclass(frozen=True)
class ImbalanceTerms:
    """Both sides of the identity for one layer pair, float64.

    rate: dDelta_l/dt from the weight gradients.  phi: E<p, phi(z_l)>; slope: E<p, z_l s'(z_l)>; value: E<p, s(z_l)>.
    scale: 2 (|G_{l+1}| |W_{l+1}| + |G_l| |W_l|), to which the residual is relative.  z, p: (n_l, n), one column per
    sample; node_weights: (n,), the expectation's weights.  matrix_rate: (n_l, n_l), the rate of W_{l+1}^T W_{l+1} -
    W_l W_l^T, whose diagonal is the identity neuron by neuron: 2 E[p_i phi(z_i)].
    """

    rate: float
    phi: float
    slope: float
    value: float
    scale: float
    z: Tensor
    p: Tensor
    node_weights: Tensor
    matrix_rate: Tensor

    @property
    def residual(self) -> float:
        """|rate - 2 E<p, phi>| / scale (0 if everything vanishes)."""
        gap = abs(self.rate - 2.0 * self.phi)
        return gap / self.scale if self.scale > 0 else gap

    def expectation(self, values: Tensor) -> float:
        """E<p, values> for any `values` of the shape of z, for instance a_2 z^2."""
        return float(((self.p * values).sum(0) * self.node_weights).sum())


@dataclass(frozen=True)
class ImbalanceCase:
    """One random instance: what `imbalance_terms` takes."""

    net: Network
    weights: Weights
    x: Tensor
    y: Tensor
    loss: Loss
    layer: int
    seed: int


def imbalance_terms(
    net: Network,
    weights: Sequence[Tensor],
    x: Tensor,
    y: Tensor,
    loss: Loss,
    layer: int,
    node_weights: Tensor | None = None,
) -> ImbalanceTerms:
    """Measure THEORY T1 for the pair (layer, layer + 1), 1 <= layer < L, on one network in float64.

    x: (d, n), y: (k, n).  Raises ValueError for a layer out of range or weights of other shapes.
    """
    if not 1 <= layer < net.depth:
        raise ValueError(f"layer must be in 1 .. {net.depth - 1} for a network of depth {net.depth}, got {layer}")
    doubles = [weight.to(torch.float64) for weight in weights]
    x, y = x.to(torch.float64), y.to(torch.float64)
    nodes = torch.full((x.shape[-1],), 1.0 / x.shape[-1], dtype=x.dtype, device=x.device)
    nodes = nodes if node_weights is None else node_weights.to(torch.float64)
    grads = gradient(net, doubles, x, y, loss, nodes)
    lower, upper = doubles[layer - 1], doubles[layer]
    inner_lower, inner_upper = (lower * grads[layer - 1]).sum(), (upper * grads[layer]).sum()
    z, p = _backpropagated(net, doubles, x, y, loss, layer)
    act = net.activation

    def expect(values: Tensor) -> float:
        return float(((p * values).sum(0) * nodes).sum())

    scale = 2.0 * (grads[layer].norm() * upper.norm() + grads[layer - 1].norm() * lower.norm())
    return ImbalanceTerms(
        rate=float(-2.0 * inner_upper + 2.0 * inner_lower),
        phi=expect(act.phi(z)),
        slope=expect(z * act.derivative(z)),
        value=expect(act.value(z)),
        scale=float(scale),
        z=z,
        p=p,
        node_weights=nodes,
        matrix_rate=_symmetric(grads[layer - 1] @ lower.mT) - _symmetric(upper.mT @ grads[layer]),
    )


def _symmetric(matrix: Tensor) -> Tensor:
    return matrix + matrix.mT


def _backpropagated(
    net: Network, weights: Sequence[Tensor], x: Tensor, y: Tensor, loss: Loss, layer: int
) -> tuple[Tensor, Tensor]:
    """z_l and p = g_{l+1} W_{l+1}^T grad_{z_{l+1}} (per-sample loss), each (n_l, n), by autograd from z_{l+1} on."""
    z = net.preactivations(weights, x)[layer - 1].detach()
    above = (net.gains[layer] * (weights[layer] @ net.activation.value(z))).detach().requires_grad_(True)
    top = above
    for index in range(layer + 1, net.depth):
        top = net.gains[index] * (weights[index] @ net.activation.value(top))
    (delta,) = torch.autograd.grad(loss.value(top, y).sum(), above)
    return z, net.gains[layer] * (weights[layer].mT @ delta)


def weights_after_gd_step(case: ImbalanceCase, step: float) -> tuple[Weights, Weights]:
    """Weights after one gradient-descent step of this size, and the gradient it used (THEORY T1, discrete form)."""
    grads = gradient(case.net, case.weights, case.x, case.y, case.loss)
    return [w - step * g for w, g in zip(case.weights, grads, strict=True)], grads


def random_cases(
    activations: Sequence[str] = ("linear", "tanh", "gelu", "sigmoid"),
    losses: Sequence[str] = ("mse", "logistic", "huber", "cross_entropy"),
    depths: Sequence[int] = (2, 3, 4),
    seeds: Sequence[int] = (0,),
    samples: int = 32,
) -> Iterator[ImbalanceCase]:
    """Random networks with uneven widths, one per (activation, loss, depth, seed), the same draw for each activation.

    Weights are He-like normals, gains alternate between plain and ntk with the seed, and the layer pair moves with it.
    """
    for seed in seeds:
        for depth in depths:
            for loss_name in losses:
                for name in activations:
                    yield _random_case(name, loss_name, depth, seed, samples)


def _random_case(name: str, loss_name: str, depth: int, seed: int, samples: int) -> ImbalanceCase:
    generator = torch.Generator().manual_seed(1_000_003 * seed + 101 * depth)
    outputs = 3 if loss_name == "cross_entropy" else 1
    hidden = torch.randint(2, 9, (depth - 1,), generator=generator).tolist()
    widths = (4, *(int(n) for n in hidden), outputs)
    return _drawn(name, loss_name, widths, 1 + seed % (depth - 1), seed, samples, generator)


def random_case(
    activation_name: str, loss_name: str, widths: Sequence[int], layer: int, seed: int, samples: int = 32
) -> ImbalanceCase:
    """One random network of the given widths (d, n_1, ..., k) for the pair (layer, layer + 1).

    Weights, data and parameterisation (plain for an even seed, ntk for an odd one) follow from the seed alone.  Raises
    ValueError for a layer out of range, or fewer than two outputs with the cross-entropy.
    """
    sizes = tuple(widths)
    if not 1 <= layer < len(sizes) - 1:
        raise ValueError(f"layer must be in 1 .. {len(sizes) - 2} for widths {sizes}, got {layer}")
    if loss_name == "cross_entropy" and sizes[-1] < 2:
        raise ValueError(f"the cross-entropy needs at least two outputs, got widths {sizes}")
    generator = torch.Generator().manual_seed(seed)
    return _drawn(activation_name, loss_name, sizes, layer, seed, samples, generator)


def _drawn(
    name: str,
    loss_name: str,
    widths: tuple[int, ...],
    layer: int,
    seed: int,
    samples: int,
    generator: torch.Generator,
) -> ImbalanceCase:
    net = Network(widths, activation(name), "ntk" if seed % 2 else "plain")
    weights = [
        torch.randn(shape, generator=generator, dtype=torch.float64) * (1.5 / shape[1] ** 0.5 / gain)
        for shape, gain in zip(net.shapes, net.gains, strict=True)
    ]
    x = torch.randn(widths[0], samples, generator=generator, dtype=torch.float64)
    y = torch.randn(widths[-1], samples, generator=generator, dtype=torch.float64)
    if loss_name == "logistic":
        y = torch.sign(y)
    if loss_name == "cross_entropy":
        y = torch.softmax(y, dim=0)
    return ImbalanceCase(net, weights, x, y, loss(loss_name), layer, seed)
