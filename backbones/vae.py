"""A small convolutional f8 VAE: image <-> 4-channel latent of an eighth of its sides.

Letters: B batch, H x W image sides (both divide by 8), C latent channels.
No attention and no full-resolution convolution: the stem and the head work on 4 x 4 pixel blocks,
so that a 2-core machine decodes too.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from backbones.layers import group_norm

STRIDE = 8  # pixels per latent
BLOCK = 4  # side of the pixel block that the stem reads at once


@dataclass(frozen=True, kw_only=True, slots=True)
class VAEConfig:
    """Sizes of the VAE; `widths` and the block counts run from H/4 to H/8 in the encoder."""

    latent_channels: int = 4
    widths: tuple[int, int] = (64, 128)
    encoder_blocks: tuple[int, int] = (1, 2)
    decoder_blocks: tuple[int, int] = (2, 3)  # at H/8, then at H/4


class ResidualBlock(nn.Module):
    """x + conv(act(norm(conv(act(norm(x)))))) at one width."""

    def __init__(self, width: int):
        super().__init__()
        self.norm1, self.norm2 = group_norm(width), group_norm(width)
        self.conv1, self.conv2 = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, D, h, w) to the same shape."""
        y = self.conv1(F.silu(self.norm1(x)))  # (B, D, h, w)
        y = self.conv2(F.silu(self.norm2(y)))  # (B, D, h, w)
        out: Tensor = x + y
        return out


def _stack(width: int, count: int) -> list[nn.Module]:
    return [ResidualBlock(width) for _ in range(count)]


class VAE(nn.Module):
    """Encoder and decoder, with the latents' per-channel statistics as buffers."""

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: VAEConfig | None = None):
        super().__init__()
        self.config = config = config or VAEConfig()
        fine, coarse = config.widths
        channels, pixels = config.latent_channels, 3 * BLOCK**2
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(BLOCK),  # (B, 48, H/4, W/4)
            nn.Conv2d(pixels, fine, 3, padding=1),
            *_stack(fine, config.encoder_blocks[0]),
            nn.Conv2d(fine, coarse, 3, stride=2, padding=1),  # (B, coarse, H/8, W/8)
            *_stack(coarse, config.encoder_blocks[1]),
            group_norm(coarse),
            nn.SiLU(),
            nn.Conv2d(coarse, 2 * channels, 3, padding=1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(channels, coarse, 3, padding=1),
            *_stack(coarse, config.decoder_blocks[0]),
            nn.Conv2d(coarse, 4 * fine, 3, padding=1),
            nn.PixelShuffle(2),  # (B, fine, H/4, W/4)
            *_stack(fine, config.decoder_blocks[1]),
            group_norm(fine),
            nn.SiLU(),
            nn.Conv2d(fine, pixels, 3, padding=1),
            nn.PixelShuffle(BLOCK),  # (B, 3, H, W)
        )
        self.register_buffer("latent_mean", torch.zeros(channels))
        self.register_buffer("latent_std", torch.ones(channels))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the posterior's mean and log-variance, raw latents.

        Args:
            x: images (B, 3, H, W) in [-1, 1].

        Returns:
            Two tensors (B, C, H/8, W/8); the log-variance is clamped to [-30, 20].

        Raises:
            ValueError: H or W does not divide by 8.
        """
        height, width = x.shape[-2:]
        if height % STRIDE or width % STRIDE:
            raise ValueError(f"image {width}x{height}: both sides must divide by {STRIDE}")
        mean, logvar = self.encoder(x).chunk(2, dim=1)  # 2 x (B, C, H/8, W/8)
        return mean, logvar.clamp(-30.0, 20.0)

    def decode(self, z: Tensor) -> Tensor:
        """Map raw latents (B, C, H/8, W/8) to images (B, 3, H, W), nominally in [-1, 1], not clamped."""
        x: Tensor = self.decoder(z)
        return x

    def normalise(self, z: Tensor) -> Tensor:
        """Give raw latents (B, C, h, w) zero mean and unit deviation per channel over the training set."""
        return (z - self.latent_mean[:, None, None]) / self.latent_std[:, None, None]

    def denormalise(self, z: Tensor) -> Tensor:
        """Undo `normalise`."""
        return z * self.latent_std[:, None, None] + self.latent_mean[:, None, None]
