from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from backbones import dit, unet
from backbones.dit import DiT, DiTConfig
from backbones.unet import UNet, UNetConfig

Build = Callable[[], nn.Module]
Wake = Callable[[nn.Module], None]
DIT = DiTConfig(patch=4, width=32, depth=2, heads=2, mlp_hidden=64, text_width=32)
UNET = UNetConfig(widths=(64, 64, 64), text_width=32, embedding=32)
BUILD: Mapping[str, Build] = {
    "dit": lambda: DiT(DIT),
    "dit, per-block adaLN": lambda: DiT(replace(DIT, adaln="per-block")),
    "dit, linear attention": lambda: DiT(replace(DIT, attention="linear")),
    "unet": lambda: UNet(UNET),
    "unet, no stem, two blocks": lambda: UNet(replace(UNET, stem=1, blocks=2)),
}
every = pytest.mark.parametrize("build", BUILD.values(), ids=BUILD.keys())


def inputs(batch: int = 2, height: int = 16, width: int = 16) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return (
        torch.randn(batch, 4, height, width),
        torch.rand(batch),
        torch.randn(batch, 5, 32),
        torch.randn(batch, 32),
    )


@every
def test_an_untrained_network_predicts_exactly_zero(build: Build):
    assert torch.equal(build()(*inputs()), torch.zeros(2, 4, 16, 16))


@every
@pytest.mark.parametrize(("height", "width"), [(24, 42), (42, 24), (26, 40), (9, 7)])
def test_any_aspect_ratio_works(build: Build, wake: Wake, height: int, width: int):
    net = build()
    wake(net)
    velocity = net(*inputs(1, height, width))
    assert velocity.shape == (1, 4, height, width)
    assert velocity.isfinite().all()
    assert velocity.std() > 0


@every
def test_odd_latents_equal_the_crop_of_the_zero_padded_ones(build: Build, wake: Wake):
    net = build()
    wake(net)
    x, *rest = inputs(1, 14, 13)
    whole = torch.zeros(1, 4, 16, 16)
    whole[..., :14, :13] = x
    assert torch.equal(net(x, *rest), net(whole, *rest)[..., :14, :13])


@every
@pytest.mark.parametrize("which", range(4), ids=["latents", "time", "words", "pooled text"])
def test_every_input_matters(build: Build, wake: Wake, which: int):
    net = build()
    wake(net)
    first, second = inputs(1), list(inputs(1))
    changed = [*first[:which], second[which], *first[which + 1 :]]
    assert (net(*first) - net(*changed)).abs().max() > 1e-4


@every
def test_gradients_reach_every_parameter(build: Build, wake: Wake):
    net = build()
    wake(net)
    net(*inputs()).square().sum().backward()
    silent = [name for name, weight in net.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert silent == []


@every
def test_neighbours_in_the_batch_do_not_change_a_row(build: Build, wake: Wake):
    net = build().eval()
    wake(net)
    rows = inputs(4)
    others = [torch.cat([other[:1], row[1:2], other[2:]]) for row, other in zip(rows, inputs(4), strict=True)]
    with torch.no_grad():
        assert torch.equal(net(*rows)[1], net(*others)[1])


@every
def test_half_precision_weights_stay_close_to_fp32(build: Build, wake: Wake):
    net = build().eval()
    wake(net)
    x, t, tokens, pooled = inputs()
    with torch.no_grad():
        exact = net(x, t, tokens, pooled)
        rough = net.bfloat16()(x.bfloat16(), t, tokens.bfloat16(), pooled.bfloat16())
    assert rough.dtype == torch.bfloat16
    assert ((rough.float() - exact).norm() / exact.norm()) < 0.05


def test_image_tokens_are_permuted_with_the_grid_under_no_rotation_and_not_with_it(denoisers):
    """Without positions the transformer is permutation-equivariant; the rotary positions break that."""
    net, (x, t, tokens, pooled) = denoisers["dit"], inputs(1, 4, 16)
    flipped = x.unflatten(3, (4, 4)).flip(3).flatten(3)  # the four patches in reverse order
    there = net(flipped, t, tokens, pooled).unflatten(3, (4, 4)).flip(3).flatten(3)
    assert (there - net(x, t, tokens, pooled)).abs().max() > 1e-3
    still = DiT(DIT).rotation(1, 4, 5, x.device)
    net.rotation = lambda *_: type(still)(torch.ones_like(still.cos), torch.zeros_like(still.sin))
    there = net(flipped, t, tokens, pooled).unflatten(3, (4, 4)).flip(3).flatten(3)
    assert_close(there, net(x, t, tokens, pooled), atol=1e-5, rtol=1e-5)


def test_words_stand_at_the_origin_and_patches_around_it():
    rotation = DiT(DIT).rotation(3, 4, 5, torch.device("cpu"))
    assert rotation.cos.shape == (5 + 12, 8)
    assert torch.equal(rotation.sin[:5], torch.zeros(5, 8))
    assert_close(rotation.sin[5:].sum(dim=0), torch.zeros(8), atol=1e-5, rtol=0)


def parameters(net: nn.Module) -> int:
    return sum(weight.numel() for weight in net.parameters())


def gigaflops(net: nn.Module) -> float:
    """Of one pass over 32x32 latents and 20 words, a multiply-add counted as two."""
    meta = {"device": "meta"}
    with FlopCounterMode(display=False) as counter:
        net(
            torch.empty(1, 4, 32, 32, **meta),
            torch.empty(1, **meta),
            torch.empty(1, 20, net.config.text_width, **meta),
            torch.empty(1, net.config.text_width, **meta),
        )
    return counter.get_total_flops() / 1e9


@pytest.mark.parametrize("preset", ["small", "twin", "medium", "base"])
def test_the_two_backbones_are_twins_in_parameters_and_in_arithmetic(preset: str):
    with torch.device("meta"):
        transformer, convolutional = DiT(dit.PRESETS[preset]), UNet(unet.PRESETS[preset])
    assert parameters(convolutional) == pytest.approx(parameters(transformer), rel=0.05)
    assert gigaflops(convolutional) == pytest.approx(gigaflops(transformer), rel=0.15)


def test_the_bundled_backbones_are_cheap():
    with torch.device("meta"):
        nets = [DiT(dit.PRESETS["small"]), UNet(unet.PRESETS["small"])]
    assert all(gigaflops(net) < 2.5 for net in nets)


def test_the_deep_preset_has_24_blocks():
    with torch.device("meta"):
        assert len(DiT(dit.PRESETS["dit-24"]).blocks) == 24


def test_levels_without_an_attention_flag_are_refused():
    with pytest.raises(ValueError, match="2 widths but 3 attention flags"):
        UNet(UNetConfig(widths=(32, 32)))
