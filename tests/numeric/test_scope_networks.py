"""The scope networks against a plain finite difference of the loss along the flow, and against torch's own layers."""

import pytest
import torch
from torch.nn.functional import conv1d, layer_norm

from numeric import scope_networks
from numeric.scope_networks import ARCHITECTURES, scope_terms

FAILS = {"bias", "skip", "batch-norm", "layer-norm"}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_the_printed_identity_holds_where_the_theory_says_so(architecture: str, loss: str) -> None:
    terms = scope_terms(architecture, "gelu", loss, 3)
    act = scope_networks.activation("gelu")
    gap = abs(terms.rate - 2 * terms.expectation(act.phi(terms.z))) / terms.scale
    assert (gap > 1e-6) == (architecture in FAILS)
    if architecture not in FAILS:
        assert gap < 1e-14 * terms.summands


@pytest.mark.parametrize("architecture", ["batch-norm", "layer-norm"])
def test_a_norm_conserves_what_it_makes_scale_free(architecture: str) -> None:
    terms = scope_terms(architecture, "tanh", "huber", 8)
    rows = terms.rows if architecture == "batch-norm" else (sum(terms.rows),)
    assert max(map(abs, rows)) < 1e-14 * terms.scale
    if architecture == "layer-norm":
        assert max(map(abs, terms.rows)) > 1e-6 * terms.scale  # the rows by themselves are not conserved


def test_the_bias_rate_and_the_skip_terms_close_the_gap() -> None:
    act = scope_networks.activation("silu")
    bias = scope_terms("bias", "silu", "mse", 1)
    printed = 2 * bias.expectation(act.phi(bias.z))
    assert bias.rate - bias.bias_rate == pytest.approx(printed, abs=1e-13 * bias.scale)
    assert bias.bias_rate == pytest.approx(-2 * bias.extras["p b s'"], abs=1e-13 * bias.scale)
    skip = scope_terms("skip", "silu", "mse", 1)
    lacking = 2 * skip.extras["q z s'"] - 2 * skip.extras["p h"]
    assert skip.rate == pytest.approx(2 * skip.expectation(act.phi(skip.z)) + lacking, abs=1e-13 * skip.scale)
    assert abs(lacking) > 1e-3 * skip.scale


def test_normalised_is_the_layer_norm_of_torch_without_its_eps() -> None:
    z = torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    expected = layer_norm(z.mT, (5,), eps=0.0).mT
    torch.testing.assert_close(scope_networks._normalised(z, 0), expected, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(scope_networks._normalised(z.mT, 1).mT, expected, rtol=1e-13, atol=1e-13)


def test_a_convolution_shares_its_weights() -> None:
    generator = torch.Generator().manual_seed(5)
    w = scope_networks._drawn("convolution", generator)
    h = torch.randn(24, 2, 6, dtype=torch.float64, generator=generator)
    z, _ = scope_networks._pair("convolution", torch.tanh, w, h)
    shifted, _ = scope_networks._pair("convolution", torch.tanh, w, h.roll(1, 2))
    torch.testing.assert_close(shifted[:, :, 1:], z[:, :, :-1], rtol=0, atol=1e-14)
    torch.testing.assert_close(z, conv1d(h, w.lower), rtol=0, atol=0)


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown architecture"):
        scope_terms("attention", "tanh", "mse", 0)
