"""A model of no weights: it predicts the noise around a plain picture, as bright as its prompt is long."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from backbones.native import Native, NativeModel, NoiseSchedule
from backbones.protocol import Condition, latent_sides

FACTOR = 8  # pixels per latent side
DEVIATION = 0.3  # of a picture's pixels around its brightness
LONGEST = 60  # characters of a prompt that make a white picture


class Paint(NativeModel):
    """x0 ~ N(m, s^2) in every latent pixel, so the best prediction of the noise is known (no network is needed)."""

    name, stride, fingerprint = "paint", FACTOR, hashlib.sha256(b"paint 1").hexdigest()

    def __init__(self) -> None:
        self.native = Native(prediction="eps", schedule=NoiseSchedule.named("linear"))

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """Return (3, h, w)."""
        return (3, *latent_sides(width, height, self.stride, FACTOR))

    def encode(self, texts: Sequence[str]) -> Condition:
        """Return {"mean": (B, 1, 1, 1)} in [-1, 1]."""
        lengths = torch.tensor([min(len(text), LONGEST) / LONGEST for text in texts])
        return {"mean": lengths.view(-1, 1, 1, 1) * 2 - 1}

    def predict(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Return E[e | x] (B, 3, h, w), at x = a x0 + b e of whole timesteps t (B,)."""
        kept = self.native.schedule.alphas_cumprod.to(x.device)[t.round().long()].view(-1, 1, 1, 1)
        a, b = kept.sqrt(), (1 - kept).sqrt()
        return b * (x - a * condition["mean"]) / (kept * DEVIATION**2 + 1 - kept)

    def decode(self, latents: Tensor) -> Tensor:
        """Return images (B, 3, H, W) in [0, 1]."""
        return F.interpolate((latents.float() + 1) / 2, scale_factor=float(FACTOR), mode="bilinear")

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Return nothing: every letter counts."""
        return ()

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Self:
        """Return the same: it follows its inputs."""
        return self


def paint() -> Paint:
    """Build the model."""
    return Paint()
