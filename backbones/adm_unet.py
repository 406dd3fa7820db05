"""The pixel-space U-Net of guided-diffusion, ADM (arXiv:2105.05233), with that repository's parameter names.

Letters: B batch, C channels of a layer, h x w its sides, E embedding width, H heads, N = h * w positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones.facebook_dit import sinusoids

GROUPS = 32
IMAGE_CHANNELS = 3


@dataclass(frozen=True, kw_only=True)
class ADMConfig:
    """Sizes, in guided-diffusion's terms.

    Attributes:
        channels: of the first layer (num_channels).
        blocks: residual blocks per level (num_res_blocks).
        mult: channels of each level over `channels` (channel_mult).
        attention: how far sides are shrunk where there is attention (image_size / attention_resolutions).
        heads: per attention, unless `head_channels` is given.
        head_channels: channels of a head; None means `heads` of them.
        classes: rows of the label table; None for unconditional models.
        learned_variance: six output channels in place of three (learn_sigma).
        scale_shift: the embedding scales and shifts after the second norm (use_scale_shift_norm); else it is added.
        residual_resize: residual blocks change the sides (resblock_updown); else convolutions do.
        new_order: queries, keys and values of all heads lie together (use_new_attention_order); else each head's own.
    """

    channels: int
    blocks: int
    mult: tuple[float, ...]
    attention: tuple[int, ...]
    heads: int = 4
    head_channels: int | None = None
    classes: int | None = None
    learned_variance: bool = False
    scale_shift: bool = True
    residual_resize: bool = False
    new_order: bool = False

    def __post_init__(self) -> None:
        for width in (int(self.channels * mult) for mult in self.mult):
            if width < GROUPS or width % GROUPS:
                raise ValueError(f"{width} channels at a level: they must divide by {GROUPS}")

    @property
    def embedding(self) -> int:
        """E."""
        return 4 * self.channels

    def heads_of(self, width: int) -> int:
        """Heads of an attention over `width` channels."""
        heads = self.heads if self.head_channels is None else width // self.head_channels
        if heads < 1 or width % heads or (self.head_channels or width // heads) * heads != width:
            raise ValueError(f"{width} channels do not divide into {heads} heads")
        return heads


class Norm(nn.GroupNorm):
    """GroupNorm in fp32, whatever the dtype."""

    def __init__(self, width: int) -> None:
        super().__init__(GROUPS, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, C, ...) to the same shape and dtype."""
        return F.group_norm(x.float(), self.num_groups, self.weight.float(), self.bias.float(), self.eps).to(x.dtype)


class Shrink(nn.Module):
    """Half the sides: a strided convolution, or the mean of four pixels."""

    def __init__(self, width: int, learned: bool) -> None:
        super().__init__()
        self.op = nn.Conv2d(width, width, 3, stride=2, padding=1) if learned else nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, C, h, w) to (B, C, h/2, w/2)."""
        out: Tensor = self.op(x)
        return out


class Grow(nn.Module):
    """Twice the sides: each pixel four times, and then a convolution where it is learned."""

    def __init__(self, width: int, learned: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1) if learned else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, C, h, w) to (B, C, 2h, 2w)."""
        out: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return out


class ResBlock(nn.Module):
    """Two convolutions under the embedding, beside a shortcut.

    Args:
        config: of the network.
        width: channels that come in.
        out: channels that go out.
        resize: `Shrink` or `Grow`, for both branches; None keeps the sides.
    """

    def __init__(self, config: ADMConfig, width: int, out: int, resize: nn.Module | None = None) -> None:
        super().__init__()
        self.scale_shift, self.resize = config.scale_shift, resize or nn.Identity()
        self.in_layers = nn.Sequential(Norm(width), nn.SiLU(), nn.Conv2d(width, out, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(config.embedding, 2 * out if self.scale_shift else out))
        # The Identity stands for dropout, so that the convolution has its place in the names.
        self.out_layers = nn.Sequential(Norm(out), nn.SiLU(), nn.Identity(), nn.Conv2d(out, out, 3, padding=1))
        self.skip_connection = nn.Identity() if width == out else nn.Conv2d(width, out, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Map x (B, C, h, w) under an embedding (B, E) to (B, out, h', w')."""
        y = self.in_layers[2](self.resize(self.in_layers[:2](x)))  # (B, out, h', w')
        about = self.emb_layers(embedding)[:, :, None, None]  # (B, out or 2 out, 1, 1)
        if self.scale_shift:
            scale, shift = about.chunk(2, 1)
            y = self.out_layers[1:](self.out_layers[0](y) * (1 + scale) + shift)
        else:
            y = self.out_layers(y + about)
        out: Tensor = self.skip_connection(self.resize(x)) + y
        return out


class AttentionBlock(nn.Module):
    """x + attention over all positions."""

    def __init__(self, config: ADMConfig, width: int) -> None:
        super().__init__()
        self.heads, self.new_order = config.heads_of(width), config.new_order
        self.norm = Norm(width)
        self.qkv, self.proj_out = nn.Conv1d(width, 3 * width, 1), nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, C, h, w) to the same shape."""
        flat = x.flatten(2)  # (B, C, N)
        qkv = self.qkv(self.norm(flat))  # (B, 3C, N)
        if self.new_order:
            q, k, v = qkv.unflatten(1, (3, self.heads, -1)).unbind(1)  # 3 x (B, H, C/H, N)
        else:
            q, k, v = qkv.unflatten(1, (self.heads, 3, -1)).unbind(2)  # 3 x (B, H, C/H, N)
        y = F.scaled_dot_product_attention(q.mT, k.mT, v.mT).mT.flatten(1, 2)  # (B, C, N)
        out: Tensor = flat + self.proj_out(y)
        return out.view_as(x)


class Stage(nn.Sequential):
    """Layers in a row; those that know the embedding are given it."""

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:  # type: ignore[override]
        """Map x (B, C, h, w) under an embedding (B, E)."""
        for layer in self:
            x = layer(x, embedding) if isinstance(layer, ResBlock) else layer(x)
        return x


class ADMUNet(nn.Module):
    """The network."""

    def __init__(self, config: ADMConfig) -> None:
        super().__init__()
        self.config, e = config, config.embedding
        self.time_embed = nn.Sequential(nn.Linear(config.channels, e), nn.SiLU(), nn.Linear(e, e))
        if config.classes is not None:
            self.label_emb = nn.Embedding(config.classes, e)
        width = int(config.mult[0] * config.channels)
        self.input_blocks = nn.ModuleList([Stage(nn.Conv2d(IMAGE_CHANNELS, width, 3, padding=1))])
        kept, width = self._down([width])
        self.middle_block = Stage(
            ResBlock(config, width, width), AttentionBlock(config, width), ResBlock(config, width, width)
        )
        self.output_blocks = nn.ModuleList()
        width = self._up(kept, width)
        out = IMAGE_CHANNELS * (2 if config.learned_variance else 1)
        self.out = nn.Sequential(Norm(width), nn.SiLU(), nn.Conv2d(width, out, 3, padding=1))

    @property
    def stride(self) -> int:
        """What the sides of an image must divide by."""
        return int(2 ** (len(self.config.mult) - 1))

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return next(self.parameters()).dtype

    def _down(self, kept: Sequence[int]) -> tuple[list[int], int]:
        """Add the shrinking half; return the widths of all its stages, and the last."""
        config, widths = self.config, list(kept)
        width = widths[-1]
        for level, mult in enumerate(config.mult):
            out = int(mult * config.channels)
            for _ in range(config.blocks):
                self.input_blocks.append(Stage(ResBlock(config, width, out), *self._attention(out, level)))
                width = out
                widths.append(width)
            if level < len(config.mult) - 1:
                half = ResBlock(config, width, width, Shrink(width, learned=False))
                self.input_blocks.append(Stage(half if config.residual_resize else Shrink(width, learned=True)))
                widths.append(width)
        return widths, width

    def _up(self, kept: list[int], width: int) -> int:
        """Add the growing half, which takes what the other half has kept; return the last width."""
        config = self.config
        for level, mult in reversed(list(enumerate(config.mult))):
            out = int(mult * config.channels)
            for place in range(config.blocks + 1):
                layers = [ResBlock(config, width + kept.pop(), out), *self._attention(out, level)]
                width = out
                if level and place == config.blocks:
                    double = ResBlock(config, width, width, Grow(width, learned=False))
                    layers.append(double if config.residual_resize else Grow(width, learned=True))
                self.output_blocks.append(Stage(*layers))
        return width

    def _attention(self, width: int, level: int) -> list[nn.Module]:
        return [AttentionBlock(self.config, width)] if 2**level in self.config.attention else []

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """Predict the noise, and the variance where it is learned.

        Args:
            x: noisy images (B, 3, h, w) in [-1, 1] where clean; sides divide by `stride`.
            t: timesteps (B,), fp32, 0 to 1000.
            labels: (B,) int64; None for unconditional models.

        Returns:
            (B, 3 or 6, h, w).
        """
        embedding = self.time_embed(timestep_embedding(t, self.config.channels).to(x.dtype))  # (B, E)
        if labels is not None:
            embedding = embedding + self.label_emb(labels)
        kept = []
        for stage in self.input_blocks:
            x = stage(x, embedding)
            kept.append(x)
        x = self.middle_block(x, embedding)
        for stage in self.output_blocks:
            x = stage(torch.cat([x, kept.pop()], 1), embedding)
        out: Tensor = self.out(x)
        return out


def timestep_embedding(t: Tensor, width: int) -> Tensor:
    """Cosines, then sines of t (B,); (B, width), with a zero at the end of an odd width."""
    sin, cos = sinusoids(t, width // 2)
    found = torch.cat([cos, sin], 1)
    return F.pad(found, (0, width % 2))
