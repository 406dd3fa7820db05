"""Convolutional U-Net with skip highways, self- and cross-attention (arXiv:2105.05233, arXiv:2112.10752).

Letters: B batch, C channels, h x w latent sides, D width of a level, M words, Dt text width, E embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones.attention import Attention
from backbones.layers import TimeEmbedding, group_norm, pad_to_multiple, zeroed


@dataclass(frozen=True, kw_only=True, slots=True)
class UNetConfig:
    """Sizes of the U-Net; `widths` and `attention` run from the finest level to the coarsest."""

    latent_channels: int = 4
    stem: int = 2  # latents per side that the first convolution reads as channels; 1 = none
    widths: tuple[int, ...] = (128, 128, 128)
    blocks: int = 1  # residual blocks a level on the way down; one more on the way up
    attention: tuple[bool, ...] = (False, True, True)
    head_width: int = 32
    text_width: int = 256
    embedding: int = 256  # width of the time and text condition


PRESETS: Mapping[str, UNetConfig] = MappingProxyType(
    {
        "small": UNetConfig(widths=(96, 96, 96), text_width=192, embedding=192),
        "twin": UNetConfig(stem=1, widths=(64, 64, 64), text_width=128, embedding=192),
        "medium": UNetConfig(stem=1),
        "base": UNetConfig(stem=1, widths=(160, 160, 224)),
    }
)


class ResidualBlock(nn.Module):
    """Two convolutions; the condition scales and shifts what stands between them."""

    def __init__(self, channels: int, width: int, embedding: int):
        super().__init__()
        self.norm1, self.norm2 = group_norm(channels), group_norm(width)
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1)
        self.condition = nn.Linear(embedding, 2 * width)
        self.conv2 = zeroed(nn.Conv2d(width, width, 3, padding=1))
        self.skip = nn.Identity() if channels == width else nn.Conv2d(channels, width, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Map x (B, C, h, w) to (B, D, h, w) under an activated embedding (B, E)."""
        y = self.conv1(F.silu(self.norm1(x)))  # (B, D, h, w)
        scale, shift = self.condition(embedding)[:, :, None, None].chunk(2, dim=1)  # 2 x (B, D, 1, 1)
        y = self.conv2(F.silu(torch.addcmul(shift, self.norm2(y), 1 + scale)))  # (B, D, h, w)
        out: Tensor = self.skip(x) + y
        return out


class AttentionBlock(nn.Module):
    """Places look at each other, then at the words."""

    def __init__(self, width: int, head_width: int, text_width: int):
        super().__init__()
        self.norm1, self.norm2 = group_norm(width), group_norm(width)
        self.self_attention = Attention(width, width // head_width)
        self.cross_attention = Attention(width, width // head_width, context_width=text_width)
        for attention in (self.self_attention, self.cross_attention):
            zeroed(attention.out)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        """Map x (B, D, h, w) to the same shape, given words (B, M, Dt)."""
        height, width = x.shape[-2:]
        y = self.self_attention(self.norm1(x).flatten(2).transpose(1, 2))  # (B, h*w, D)
        x = x + y.transpose(1, 2).unflatten(2, (height, width))
        y = self.cross_attention(self.norm2(x).flatten(2).transpose(1, 2), tokens)  # (B, h*w, D)
        out: Tensor = x + y.transpose(1, 2).unflatten(2, (height, width))
        return out


class Stage(nn.Module):
    """A residual block and, where the level has it, attention."""

    def __init__(self, config: UNetConfig, channels: int, width: int, attention: bool):
        super().__init__()
        self.block = ResidualBlock(channels, width, config.embedding)
        self.attention = AttentionBlock(width, config.head_width, config.text_width) if attention else None

    def forward(self, x: Tensor, embedding: Tensor, tokens: Tensor) -> Tensor:
        """Map x (B, C, h, w) to (B, D, h, w)."""
        y: Tensor = self.block(x, embedding)  # (B, D, h, w)
        return y if self.attention is None else self.attention(y, tokens)  # (B, D, h, w)


class UNet(nn.Module):
    """Velocity of the rectified flow, for latents of any aspect ratio."""

    def __init__(self, config: UNetConfig | None = None):
        super().__init__()
        self.config = config = config or UNetConfig()
        if len(config.widths) != len(config.attention):
            raise ValueError(f"{len(config.widths)} widths but {len(config.attention)} attention flags")
        widths, values = config.widths, config.latent_channels * config.stem**2
        self.stride = config.stem * 2 ** (len(widths) - 1)  # latents; sides are padded to it
        self.time = TimeEmbedding(config.embedding)
        self.pooled = nn.Linear(config.text_width, config.embedding)
        self.stem = nn.Conv2d(values, widths[0], 3, padding=1)
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        self.up, self.grow = nn.ModuleList(), nn.ModuleList()
        skips, channels = [widths[0]], widths[0]
        for level, (width, attention) in enumerate(zip(widths, config.attention, strict=True)):
            for _ in range(config.blocks):
                self.down.append(Stage(config, channels, width, attention))
                channels = width
                skips.append(channels)
            if level < len(widths) - 1:
                self.shrink.append(nn.Conv2d(channels, channels, 3, stride=2, padding=1))
                skips.append(channels)
        self.middle = nn.ModuleList(Stage(config, channels, channels, last) for last in (True, False))
        for level, (width, attention) in reversed(list(enumerate(zip(widths, config.attention, strict=True)))):
            for _ in range(config.blocks + 1):
                self.up.append(Stage(config, channels + skips.pop(), width, attention))
                channels = width
            if level:
                self.grow.append(nn.Conv2d(channels, channels, 3, padding=1))
        self.norm = group_norm(channels)
        self.head = zeroed(nn.Conv2d(channels, values, 3, padding=1))

    def forward(self, x: Tensor, t: Tensor, tokens: Tensor, pooled: Tensor) -> Tensor:
        """Predict the velocity e - x0 at x = (1 - t) x0 + t e.

        Args:
            x: normalised latents (B, C, h, w); sides that the stride does not divide are zero-padded inside.
            t: flow time (B,) in [0, 1].
            tokens: words (B, M, Dt).
            pooled: whole text (B, Dt).

        Returns:
            (B, C, h, w).
        """
        config, (height, width) = self.config, x.shape[-2:]
        embedding = F.silu(self.time(t) + self.pooled(pooled))  # (B, E)
        y = self.stem(F.pixel_unshuffle(pad_to_multiple(x, self.stride), config.stem))  # (B, D, h', w')
        skips = [y]
        for index, stage in enumerate(self.down, start=1):
            y = stage(y, embedding, tokens)
            skips.append(y)
            level, last = divmod(index, config.blocks)
            if not last and level <= len(self.shrink):
                y = self.shrink[level - 1](y)  # half the sides
                skips.append(y)
        for stage in self.middle:
            y = stage(y, embedding, tokens)
        for index, stage in enumerate(self.up, start=1):
            y = stage(torch.cat([y, skips.pop()], dim=1), embedding, tokens)
            level, last = divmod(index, config.blocks + 1)
            if not last and level <= len(self.grow):
                y = self.grow[level - 1](F.interpolate(y, scale_factor=2.0, mode="nearest"))  # twice the sides
        y = self.head(F.silu(self.norm(y)))  # (B, C * stem**2, h', w')
        return F.pixel_shuffle(y, config.stem)[..., :height, :width]  # (B, C, h, w)
