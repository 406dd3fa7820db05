"""Diffusion transformer over [text; image] tokens (arXiv:2212.09748, joint attention as in arXiv:2403.03206).

Letters: B batch, C latent channels, h x w latent sides, L image tokens, M words, D width, Dt text width.
Both kinds of token share every weight; time and pooled text steer each block through AdaLN-Zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones.attention import PLACES, Attention, Kind, Places, Rotation, axial_rotation, grid_positions
from backbones.layers import RMSNorm, SwiGLU, TimeEmbedding, pad_to_multiple, patchify, unpatchify, zeroed


@dataclass(frozen=True, kw_only=True, slots=True)
class DiTConfig:
    """Sizes and options of the transformer."""

    latent_channels: int = 4
    patch: int = 4  # latents per token side
    width: int = 256
    depth: int = 8
    heads: int = 4
    mlp_hidden: int = 704  # 8/3 of the width, to a multiple of 64
    text_width: int = 256
    rope_theta: float = 100.0
    adaln: Literal["shared", "per-block"] = "shared"  # one projection and a bias per block (arXiv:2310.00426)
    attention: Kind = "softmax"


PRESETS: Mapping[str, DiTConfig] = MappingProxyType(
    {
        "small": DiTConfig(width=192, heads=3, mlp_hidden=512, text_width=192),
        "twin": DiTConfig(patch=2, width=128, heads=2, mlp_hidden=384, text_width=128),
        "medium": DiTConfig(patch=2),
        "base": DiTConfig(patch=2, width=320, depth=10, heads=5, mlp_hidden=896),
        "dit-24": DiTConfig(patch=2, width=384, depth=24, heads=6, mlp_hidden=1024),
    }
)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Scale and shift x (B, L, D) by (B, D) conditions; zeros leave x as it is."""
    return torch.addcmul(shift.unsqueeze(1), x, 1 + scale.unsqueeze(1))  # (B, L, D)


class Block(nn.Module):
    """Attention and feed-forward, each behind a gate that starts at zero (AdaLN-Zero)."""

    def __init__(self, config: DiTConfig):
        super().__init__()
        width = config.width
        self.norm = RMSNorm(width, affine=False)
        self.attention = Attention(width, config.heads, kind=config.attention)
        self.mlp = SwiGLU(width, config.mlp_hidden)
        shared = config.adaln == "shared"
        self.project = nn.Identity() if shared else zeroed(nn.Linear(width, 6 * width, bias=False))
        self.bias = nn.Parameter(torch.zeros(6 * width))

    def forward(self, x: Tensor, condition: Tensor, rotation: Rotation) -> Tensor:
        """Refine x (B, M+L, D).

        `condition` is the shared projection (B, 6D), or the activated embedding (B, D) where every block
        projects for itself.
        """
        six = self.project(condition) + self.bias  # (B, 6D)
        shift1, scale1, gate1, shift2, scale2, gate2 = six.chunk(6, dim=-1)  # 6 x (B, D)
        y = self.attention(modulate(self.norm(x), shift1, scale1), rotation=rotation)  # (B, M+L, D)
        x = x + gate1.unsqueeze(1) * y
        y = self.mlp(modulate(self.norm(x), shift2, scale2))  # (B, M+L, D)
        out: Tensor = x + gate2.unsqueeze(1) * y
        return out


class DiT(nn.Module):
    """Velocity of the rectified flow, for latents of any aspect ratio.

    Attributes:
        config: what it was trained with.
        places: where its image tokens stand, see `grid_positions`; anything but "centred" is an ablation.
        side: tokens along a side of the square of training, for "scaled" and "corner".
    """

    def __init__(self, config: DiTConfig | None = None):
        super().__init__()
        self.config = config = config or DiTConfig()
        self.places: Places = "centred"
        self.side = 0
        width, values = config.width, config.latent_channels * config.patch**2
        self.time = TimeEmbedding(width)
        self.pooled = nn.Linear(config.text_width, width)
        self.words = nn.Linear(config.text_width, width)
        self.patches = nn.Linear(values, width)
        shared = config.adaln == "shared"
        self.modulation = zeroed(nn.Linear(width, 6 * width)) if shared else nn.Identity()
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = RMSNorm(width, affine=False)
        self.final = zeroed(nn.Linear(width, 2 * width))
        self.head = zeroed(nn.Linear(width, values))

    def place(self, places: Places, side: int) -> None:
        """Stand the image tokens elsewhere than training did: the same weights, another position of each token.

        Args:
            places: one of PLACES.
            side: tokens along a side of the square of training, at least 1.

        Raises:
            ValueError: an unknown word, or no such side.
        """
        if places not in PLACES or side < 1:
            raise ValueError(f"positions {places!r} with side {side}: use one of {', '.join(PLACES)}, and 1 or more")
        self.places, self.side = places, side

    def rotation(self, rows: int, columns: int, words: int, device: torch.device) -> Rotation:
        """Return the rotary angles of `words` text tokens at (0, 0) and of a rows x columns grid."""
        grid = grid_positions(rows, columns, device, self.places, self.side)
        place = F.pad(grid, (0, 0, words, 0))  # (M+L, 2)
        return axial_rotation(place, self.config.width // self.config.heads, self.config.rope_theta)

    def forward(self, x: Tensor, t: Tensor, tokens: Tensor, pooled: Tensor) -> Tensor:
        """Predict the velocity e - x0 at x = (1 - t) x0 + t e.

        Args:
            x: normalised latents (B, C, h, w); sides that the patch does not divide are zero-padded inside.
            t: flow time (B,) in [0, 1].
            tokens: words (B, M, Dt).
            pooled: whole text (B, Dt).

        Returns:
            (B, C, h, w).
        """
        config, (height, width), words = self.config, x.shape[-2:], tokens.shape[1]
        x = pad_to_multiple(x, config.patch)
        rows, columns = x.shape[-2] // config.patch, x.shape[-1] // config.patch
        y = torch.cat([self.words(tokens), self.patches(patchify(x, config.patch))], dim=1)  # (B, M+L, D)
        embedding = F.silu(self.time(t) + self.pooled(pooled))  # (B, D)
        condition = self.modulation(embedding)  # (B, 6D), or (B, D) where every block projects
        rotation = self.rotation(rows, columns, words, x.device)
        for block in self.blocks:
            y = block(y, condition, rotation)
        shift, scale = self.final(embedding).chunk(2, dim=-1)  # 2 x (B, D)
        y = self.head(modulate(self.norm(y[:, words:]), shift, scale))  # (B, L, C*p*p)
        return unpatchify(y, config.patch, rows, columns)[..., :height, :width]  # (B, C, h, w)
