"""The pixel-space U-Net of guided-diffusion, ADM (arXiv:2105.05233), with that repository's parameter names.

Letters: B batch, h x w sides, E embedding width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones.adm_blocks import GROUPS, AttentionBlock, Grow, Norm, ResBlock, Shrink, Stage
from backbones.facebook_dit import sinusoids

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
        self.middle_block = Stage(self._residual(width, width), self._attention(width), self._residual(width, width))
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
                self.input_blocks.append(Stage(self._residual(width, out), *self._attentions(out, level)))
                width = out
                widths.append(width)
            if level < len(config.mult) - 1:
                half = self._residual(width, width, Shrink(width, learned=False))
                self.input_blocks.append(Stage(half if config.residual_resize else Shrink(width, learned=True)))
                widths.append(width)
        return widths, width

    def _up(self, kept: list[int], width: int) -> int:
        """Add the growing half, which takes what the other half has kept; return the last width."""
        config = self.config
        for level, mult in reversed(list(enumerate(config.mult))):
            out = int(mult * config.channels)
            for place in range(config.blocks + 1):
                layers = [self._residual(width + kept.pop(), out), *self._attentions(out, level)]
                width = out
                if level and place == config.blocks:
                    double = self._residual(width, width, Grow(width, learned=False))
                    layers.append(double if config.residual_resize else Grow(width, learned=True))
                self.output_blocks.append(Stage(*layers))
        return width

    def _residual(self, width: int, out: int, resize: nn.Module | None = None) -> nn.Module:
        config = self.config
        return ResBlock(width, out, config.embedding, scale_shift=config.scale_shift, resize=resize)

    def _attentions(self, width: int, level: int) -> list[nn.Module]:
        return [self._attention(width)] if 2**level in self.config.attention else []

    def _attention(self, width: int) -> nn.Module:
        return AttentionBlock(width, self.config.heads_of(width), new_order=self.config.new_order)

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
