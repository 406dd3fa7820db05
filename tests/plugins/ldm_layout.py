"""The names that Stable Diffusion's original files give to the weights of tiny_diffusers' first model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
OUTSIDE = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def original(pipe: Any) -> dict[str, Tensor]:
    """All weights of a Stable Diffusion pipeline in the original layout."""
    layers = pipe.unet.config.layers_per_block + 1
    found = {f"model.diffusion_model.{_unet(key, layers)}": value for key, value in pipe.unet.state_dict().items()}
    found |= _vae(pipe.vae.state_dict(), len(pipe.vae.config.block_out_channels))
    text = {key.removeprefix("text_model."): value for key, value in pipe.text_encoder.state_dict().items()}
    found |= {f"cond_stage_model.transformer.text_model.{key}": value for key, value in text.items()}
    return {key: value.contiguous() for key, value in found.items()}


def _unet(key: str, layers: int) -> str:
    name, _, kind = key.rpartition(".")
    if name in OUTSIDE:
        return f"{OUTSIDE[name]}.{kind}"
    if match := re.match(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", key):
        place = 1 if match[1] == "attentions" else 2 * int(match[2])
        return f"middle_block.{place}.{_inner(match[1], match[3])}"
    match = re.match(r"(down|up)_blocks\.(\d)\.(\w+?)s\.(\d)\.(.*)", key)
    assert match is not None, key
    side, block, part, place, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
    if part == "downsampler":
        return f"input_blocks.{(block + 1) * layers}.0.op.{kind}"
    if part == "upsampler":
        return f"output_blocks.{block * (layers) + layers - 1 + block}.{2 if block == 0 else 1}.conv.{kind}"
    number = 1 + block * layers + place if side == "down" else block * layers + place
    folder = "input_blocks" if side == "down" else "output_blocks"
    return f"{folder}.{number}.{int(part == 'attention')}.{_inner(f'{part}s', rest)}"


def _inner(part: str, rest: str) -> str:
    name, _, kind = rest.rpartition(".")
    return f"{RESNET[name]}.{kind}" if part == "resnets" else rest


def _vae(state: Mapping[str, Tensor], blocks: int) -> dict[str, Tensor]:
    found = {}
    for key, value in state.items():
        name = key.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        name = re.sub(r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2", name)
        name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
        name = re.sub(r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{blocks - 1 - int(m[1])}.block.{m[2]}", name)
        name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{blocks - 1 - int(m[1])}.upsample", name)
        name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
        if match := re.match(r"(\w+)\.mid_block\.attentions\.0\.(.*)\.(weight|bias)", name):
            inner = ATTENTION[match[2]]
            name = f"{match[1]}.mid.attn_1.{inner}.{match[3]}"
            value = value[..., None, None] if inner != "norm" and match[3] == "weight" else value
        found[f"first_stage_model.{name}"] = value
    return found
