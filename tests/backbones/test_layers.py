from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from backbones.layers import RMSNorm, SwiGLU, pad_to_multiple, patchify, sinusoids, unpatchify


@pytest.mark.parametrize(("channels", "height", "width", "patch"), [(4, 8, 12, 2), (3, 8, 4, 4), (1, 3, 5, 1)])
def test_patchify_round_trip(channels: int, height: int, width: int, patch: int):
    x = torch.randn(2, channels, height, width)
    tokens = patchify(x, patch)
    assert tokens.shape == (2, height * width // patch**2, channels * patch**2)
    assert torch.equal(unpatchify(tokens, patch, height // patch, width // patch), x)


def test_patches_are_those_of_unfold_in_row_major_order():
    x = torch.randn(2, 3, 8, 12)
    assert torch.equal(patchify(x, 4), F.unfold(x, 4, stride=4).transpose(1, 2))


def test_padding_adds_zeros_on_the_right_and_bottom_only():
    x = torch.randn(1, 2, 5, 8)
    padded = pad_to_multiple(x, 4)
    assert padded.shape == (1, 2, 8, 8)
    assert torch.equal(padded[..., :5, :], x)
    assert not padded[..., 5:, :].any()


def test_rms_norm_gives_unit_root_mean_square_and_keeps_the_dtype():
    x = 7 * torch.randn(4, 64)
    assert_close(RMSNorm(64)(x).square().mean(dim=-1), torch.ones(4))
    assert RMSNorm(64)(x.bfloat16()).dtype == torch.bfloat16
    assert [name for name, _ in RMSNorm(64, affine=False).named_parameters()] == []


def test_swiglu_is_the_gated_formula():
    layer, x = SwiGLU(8, 16), torch.randn(2, 3, 8)
    gate, up = layer.up.weight.chunk(2)
    assert_close(layer(x), (F.silu(x @ gate.T) * (x @ up.T)) @ layer.down.weight.T)


def test_sinusoids_scale_flow_time_by_a_thousand():
    t = torch.tensor([0.0, 0.25, 1.0])
    features = sinusoids(t, 8)
    assert_close(features[:, 0], torch.cos(1000 * t))  # the fastest frequency is 1
    assert_close(features[:, 7], torch.sin(1000 * t * 10_000**-0.75))
    assert_close(features[0], torch.tensor([1.0] * 4 + [0.0] * 4))


def test_close_times_are_told_apart():
    near, far = sinusoids(torch.tensor([0.500, 0.501]), 256)
    assert (near - far).norm() > 1.0
