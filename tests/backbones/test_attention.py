from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.testing import assert_close

from backbones.attention import Attention, Rotation, axial_rotation, grid_positions, linear_attention, rotate


def test_positions_are_centred_and_one_unit_apart():
    places = grid_positions(3, 4).view(3, 4, 2)
    assert_close(places.mean(dim=(0, 1)), torch.zeros(2))
    assert_close(places[1:] - places[:-1], torch.tensor([1.0, 0.0]).expand(2, 4, 2))
    assert_close(places[:, 1:] - places[:, :-1], torch.tensor([0.0, 1.0]).expand(3, 3, 2))


@pytest.mark.parametrize("shift", [(3.0, -2.0), (0.5, 40.0)])
def test_rotary_logits_depend_only_on_the_offset_between_tokens(shift: tuple[float, float]):
    q, k = torch.randn(2, 1, 2, 12, 16).double()
    places = grid_positions(3, 4)

    def logits(positions: Tensor) -> Tensor:
        rotation = axial_rotation(positions, 16)
        return rotate(q.float(), rotation) @ rotate(k.float(), rotation).transpose(-1, -2)

    assert_close(logits(places + torch.tensor(shift)), logits(places), atol=1e-5, rtol=1e-5)


def test_rotary_logits_of_the_transposed_grid_are_those_with_the_axes_frequencies_swapped():
    q, k = torch.randn(2, 1, 1, 12, 16)
    half = axial_rotation(grid_positions(3, 4), 16)
    transposed = axial_rotation(grid_positions(3, 4).flip(-1), 16)
    swap = torch.tensor([4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11])  # pairs (i, i + 8)
    plain = rotate(q, half) @ rotate(k, half).transpose(-1, -2)
    turned = rotate(q[..., swap], transposed) @ rotate(k[..., swap], transposed).transpose(-1, -2)
    assert_close(turned, plain, atol=1e-5, rtol=1e-5)


def test_rotation_turns_a_pair_by_position_times_frequency():
    x = torch.zeros(1, 1, 1, 8)
    x[..., 1] = 1.0  # second row frequency: theta ** (-1/2)
    turned = rotate(x, axial_rotation(torch.tensor([[2.0, 5.0]]), 8, theta=100.0))
    angle = torch.tensor(2.0 / 10.0)
    assert_close(turned[0, 0, 0, [1, 5]], torch.stack([angle.cos(), angle.sin()]))
    assert turned[0, 0, 0, [0, 2, 3, 4, 6, 7]].abs().max() == 0


def test_tokens_at_the_origin_are_not_turned():
    x = torch.randn(1, 2, 3, 8)
    assert torch.equal(rotate(x, axial_rotation(torch.zeros(3, 2), 8)), x)


def test_softmax_attention_agrees_with_the_math_backend_and_with_the_formula():
    layer, x = Attention(32, 2), torch.randn(2, 12, 32)
    rotation = axial_rotation(grid_positions(3, 4), 16)
    fast = layer(x, rotation=rotation)
    with sdpa_kernel(SDPBackend.MATH):
        assert_close(layer(x, rotation=rotation), fast, atol=1e-5, rtol=1e-5)
    q, k, v = heads(layer, x)
    weights = (rotate(q, rotation) @ rotate(k, rotation).transpose(-1, -2) / 16**0.5).softmax(dim=-1)
    assert_close(layer.out((weights @ v).transpose(1, 2).flatten(2)), fast, atol=1e-5, rtol=1e-5)


def heads(layer: Attention, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    q = layer.query(x).unflatten(-1, (layer.heads, -1)).transpose(1, 2)
    k, v = (part.unflatten(-1, (layer.heads, -1)).transpose(1, 2) for part in layer.key_value(x).chunk(2, dim=-1))
    return layer.query_norm(q), layer.key_norm(k), v


@pytest.mark.parametrize("rotated", [True, False])
def test_linear_attention_agrees_with_the_explicit_quadratic_sum(rotated: bool):
    q, k, v = torch.randn(3, 2, 2, 12, 16)
    rotation = axial_rotation(grid_positions(3, 4), 16) if rotated else None
    a, b = q.relu(), k.relu()
    turned = [rotate(part, rotation) if rotation else part for part in (a, b)]
    weights = torch.einsum("bnih,bnjh->bnij", *turned)
    total = torch.einsum("bnih,bnjh->bni", a, b)[..., None]
    assert_close(linear_attention(q, k, v, rotation), weights @ v / total, atol=1e-5, rtol=1e-5)


def test_linear_attention_survives_queries_whose_features_are_all_zero():
    q, k, v = -torch.ones(1, 1, 3, 4), torch.rand(1, 1, 3, 4), torch.rand(1, 1, 3, 4)
    assert torch.equal(linear_attention(q, k, v, None), torch.zeros(1, 1, 3, 4))


def test_linear_attention_sums_in_fp32_under_autocast():
    layer, x = Attention(32, 2, kind="linear"), torch.randn(1, 12, 32)
    q, k, v = heads(layer, x)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(linear_attention(q, k, v, None), linear_attention(q.float(), k.float(), v.float(), None))


def test_queries_and_keys_are_normalised_so_their_scale_does_not_matter():
    layer, x = Attention(32, 2), torch.randn(1, 6, 32)
    before = layer(x)
    with torch.no_grad():
        layer.query.weight.mul_(50.0)
    assert_close(layer(x), before, atol=1e-4, rtol=1e-4)


def test_cross_attention_over_equal_words_returns_their_value_everywhere():
    layer = Attention(32, 2, context_width=8)
    word = torch.randn(1, 1, 8)
    y = layer(torch.randn(1, 6, 32), word.expand(1, 5, 8))
    assert_close(y, layer.out(layer.key_value(word)[..., 32:]).expand(1, 6, 32), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Attention(30, 4), "width 30 does not divide by 4 heads"),
        (lambda: Attention(32, 4, kind="sparse"), "'sparse' is not one of softmax, linear"),
        (lambda: axial_rotation(torch.zeros(1, 2), 6), "head width 6 does not divide by 4"),
    ],
)
def test_impossible_sizes_are_refused_with_their_numbers(make, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        make()


def test_rotation_stays_in_fp32_for_half_precision_inputs():
    x, rotation = torch.randn(1, 1, 6, 8), axial_rotation(grid_positions(2, 3), 8)
    turned = rotate(x.bfloat16(), rotation)
    assert turned.dtype == torch.bfloat16
    assert torch.equal(turned, rotate(x.bfloat16().float(), Rotation(*rotation)).bfloat16())
