"""Our U-Net of guided-diffusion against diffusers' UNet2DModel, with the same weights."""

from __future__ import annotations

import re

import pytest
import torch
from diffusers import UNet2DModel
from torch import Tensor

from backbones.adm_unet import ADMConfig, ADMUNet, timestep_embedding

pytestmark = pytest.mark.usefixtures("one_thread")

BASE = {"channels": 32, "blocks": 1, "mult": (1, 2), "attention": (2,)}
RELEASED = ADMConfig(
    **BASE, head_channels=16, classes=5, learned_variance=True, residual_resize=True, new_order=True
)  # as the checkpoints of the paper are
PLAIN = ADMConfig(**BASE, heads=4, scale_shift=False)  # guided-diffusion's defaults, additive
LEGACY = ADMConfig(**BASE, heads=2, classes=5, residual_resize=True)
RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}


def ours(config: ADMConfig) -> ADMUNet:
    network, generator = ADMUNet(config), torch.Generator().manual_seed(3)
    for value in network.parameters():
        value.data.normal_(0, 0.06, generator=generator)
    for module in network.modules():
        if isinstance(module, torch.nn.GroupNorm):
            module.weight.data.add_(1)
    return network.eval().requires_grad_(False)


def theirs(network: ADMUNet) -> UNet2DModel:
    config = network.config
    resize = "resnet" if config.residual_resize else "conv"
    width = config.channels * config.mult[1]
    found = UNet2DModel(
        in_channels=3,
        out_channels=6 if config.learned_variance else 3,
        freq_shift=0,
        flip_sin_to_cos=True,
        block_out_channels=tuple(config.channels * mult for mult in config.mult),
        layers_per_block=config.blocks,
        down_block_types=("ResnetDownsampleBlock2D" if config.residual_resize else "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "ResnetUpsampleBlock2D" if config.residual_resize else "UpBlock2D"),
        downsample_type=resize,
        upsample_type=resize,
        attention_head_dim=width // config.heads_of(width),
        resnet_time_scale_shift="scale_shift" if config.scale_shift else "default",
        num_class_embeds=config.classes,
        norm_eps=1e-5,
        attn_norm_num_groups=32,
    )
    found.load_state_dict(mapped(network, config))
    return found.eval().requires_grad_(False)


def places(config: ADMConfig) -> dict[str, str]:
    """Our layers to theirs, for two levels of one block, attention at the second and in the middle."""
    found = {
        "input_blocks.0.0": "conv_in",
        "input_blocks.1.0": "down_blocks.0.resnets.0",
        "input_blocks.2.0": "down_blocks.0.downsamplers.0",
        "input_blocks.3.0": "down_blocks.1.resnets.0",
        "input_blocks.3.1": "down_blocks.1.attentions.0",
        "middle_block.0": "mid_block.resnets.0",
        "middle_block.1": "mid_block.attentions.0",
        "middle_block.2": "mid_block.resnets.1",
        "output_blocks.1.2": "up_blocks.0.upsamplers.0",
        "time_embed.0": "time_embedding.linear_1",
        "time_embed.2": "time_embedding.linear_2",
        "label_emb": "class_embedding",
        "out.0": "conv_norm_out",
        "out.2": "conv_out",
    }
    for i in range(4):
        found[f"output_blocks.{i}.0"] = f"up_blocks.{i // 2}.resnets.{i % 2}"
    for i in range(2):
        found[f"output_blocks.{i}.1"] = f"up_blocks.0.attentions.{i}"
    return found


def mapped(network: ADMUNet, config: ADMConfig) -> dict[str, Tensor]:
    found, to = {}, places(config)
    for key, value in network.state_dict().items():
        place = next(own for own in sorted(to, key=len, reverse=True) if re.match(rf"{re.escape(own)}\.", key))
        inner, kind = key.removeprefix(f"{place}.").rpartition(".")[::2]
        if "attentions" not in to[place]:
            if "samplers" in to[place] and inner in ("op", "conv"):
                inner = "conv"
            found[".".join(filter(None, [to[place], RESNET.get(inner, inner), kind]))] = value
        elif inner == "qkv":
            value = value.squeeze(-1)
            heads = config.heads_of(len(value) // 3)
            each = value.view(3, -1, *value.shape[1:]) if config.new_order else regroup(value, heads)
            found |= {f"{to[place]}.to_{name}.{kind}": rows for name, rows in zip("qkv", each, strict=True)}
        else:
            value = value.squeeze(-1) if inner == "proj_out" else value
            found[f"{to[place]}.{ {'norm': 'group_norm', 'proj_out': 'to_out.0'}[inner] }.{kind}"] = value
    return found


def regroup(value: Tensor, heads: int) -> list[Tensor]:
    """From q, k and v of every head, head after head, to those of all heads."""
    each = value.chunk(3 * heads)
    return [torch.cat(each[part::3]) for part in range(3)]


@pytest.mark.parametrize("config", [RELEASED, PLAIN, LEGACY], ids=["released", "plain", "legacy order"])
def test_it_equals_diffusers_with_the_same_weights(config: ADMConfig):
    network, generator = ours(config), torch.Generator().manual_seed(4)
    x, t = torch.randn(2, 3, 16, 24, generator=generator), torch.tensor([3, 998])
    labels = None if config.classes is None else torch.tensor([0, 4])
    own, peer = network(x, t.float(), labels), theirs(network)(x, t, class_labels=labels).sample
    assert own.shape == (2, 6 if config.learned_variance else 3, 16, 24)
    assert own.std() > 0.1
    assert (own - peer).abs().max() <= 1e-5


def test_the_two_orders_of_attention_are_different_networks():
    old, new = ours(LEGACY), ours(ADMConfig(**BASE, heads=2, classes=5, residual_resize=True, new_order=True))
    assert {key: value.shape for key, value in old.state_dict().items()} == {
        key: value.shape for key, value in new.state_dict().items()
    }
    x, t, labels = torch.randn(1, 3, 16, 16), torch.tensor([3.0]), torch.tensor([2])
    assert (old(x, t, labels) - new(x, t, labels)).abs().max() > 1e-3


def test_the_names_are_those_of_guided_diffusion():
    names = set(ADMUNet(RELEASED).state_dict())
    assert {"time_embed.0.weight", "label_emb.weight", "input_blocks.0.0.weight", "out.2.bias"} <= names
    assert {"input_blocks.2.0.in_layers.2.weight", "output_blocks.1.2.emb_layers.1.weight"} <= names
    assert {"middle_block.1.qkv.weight", "input_blocks.3.0.skip_connection.weight"} <= names
    assert {"input_blocks.2.0.op.weight", "output_blocks.1.2.conv.weight"} <= set(ADMUNet(PLAIN).state_dict())


def test_the_embedding_of_a_timestep_starts_with_cosines():
    found = timestep_embedding(torch.tensor([2.0]), 5)[0]
    wanted = torch.tensor([2.0, 0.02])
    torch.testing.assert_close(found, torch.cat([wanted.cos(), wanted.sin(), torch.zeros(1)]))


def test_widths_that_the_norms_or_the_heads_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="48 channels at a level: they must divide by 32"):
        ADMConfig(channels=48, blocks=1, mult=(1,), attention=())
    with pytest.raises(ValueError, match="64 channels do not divide into"):
        ADMUNet(ADMConfig(**BASE, head_channels=48))


@pytest.mark.parametrize(
    ("size", "channels", "blocks", "mult", "attention", "millions"),
    [
        (64, 192, 3, (1, 2, 3, 4), (2, 4, 8), 296),
        (128, 256, 2, (1, 1, 2, 3, 4), (4, 8, 16), 422),
        (256, 256, 2, (1, 1, 2, 2, 4, 4), (8, 16, 32), 554),
    ],
)
def test_the_published_sizes_have_the_published_number_of_weights(
    size: int, channels: int, blocks: int, mult: tuple[int, ...], attention: tuple[int, ...], millions: int
):
    """ADM of arXiv:2105.05233, table 4."""
    assert attention == tuple(size // side for side in (32, 16, 8))
    with torch.device("meta"):
        network = ADMUNet(
            ADMConfig(
                channels=channels,
                blocks=blocks,
                mult=mult,
                attention=attention,
                heads=4,
                classes=1000,
                learned_variance=True,
                residual_resize=True,
            )
        )
    assert round(sum(weight.numel() for weight in network.parameters()) / 1e6) == millions
