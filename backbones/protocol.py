"""What every text-to-image model offers, whatever is inside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, Self

import torch
from torch import Tensor

Condition = Mapping[str, Tensor]  # what a model needs to know of its prompts; every tensor has the batch first


class TextToImage(Protocol):
    """A rectified-flow model: x_t = (1 - t) x0 + t e, data at t = 0, noise at t = 1.

    A model may also have a `latent_space`: models with the same one share their latents. Without one, its are its own.

    Letters: B batch, C latent channels, h x w latent sides, H x W image sides in pixels.
    """

    name: str
    stride: int  # pixels; widths and heights must divide by it
    fingerprint: str  # SHA-256 over weights and configuration, hex

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """Return (C, h, w) for width x height pixels; raise ValueError where the stride forbids it."""
        ...

    def encode(self, texts: Sequence[str]) -> Condition:
        """Turn B texts into conditions; "" is the null prompt."""
        ...

    def velocity(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Predict e - x0 (B, C, h, w) at x (B, C, h, w), t (B,) in [0, 1]; in the dtype of x."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Turn latents (B, C, h, w) into images (B, 3, H, W), fp32, nominally in [0, 1], not clamped."""
        ...

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Return the words of `text` that do not reach the model."""
        ...

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Self:
        """Move the model, cast what may be cast, and return it."""
        ...


def latent_sides(width: int, height: int, stride: int, factor: int) -> tuple[int, int]:
    """Return (h, w) of the latents of a width x height image.

    Args:
        width: pixels.
        height: pixels.
        stride: pixels that both sides must divide by.
        factor: pixels per latent side.

    Raises:
        ValueError: a side is not a positive multiple of the stride.
    """
    if min(width, height) <= 0 or width % stride or height % stride:
        raise ValueError(f"size {width}x{height}: both sides must be positive multiples of {stride} pixels")
    return height // factor, width // factor
