"""A Gaussian world: the data is x0 ~ N(m, s^2 I), so the exact velocity of the rectified flow is known.

For tests and dry runs. The prompt picks m, the colour named last in it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from backbones.protocol import Condition, latent_sides

COLOURS: Mapping[str, tuple[float, float, float]] = MappingProxyType(  # RGB in [0, 1]
    {
        "red": (0.86, 0.15, 0.15),
        "orange": (0.95, 0.55, 0.12),
        "yellow": (0.97, 0.85, 0.20),
        "green": (0.20, 0.65, 0.25),
        "blue": (0.15, 0.35, 0.85),
        "purple": (0.55, 0.25, 0.75),
        "pink": (0.97, 0.60, 0.75),
        "brown": (0.50, 0.32, 0.18),
        "black": (0.05, 0.05, 0.05),
        "gray": (0.50, 0.50, 0.50),
        "white": (0.97, 0.97, 0.97),
    }
)
NEUTRAL = (0.5, 0.5, 0.5)  # where the prompt names no colour
FACTOR = 8  # pixels per latent side


def gaussian_velocity(x: Tensor, t: Tensor, mean: Tensor, deviation: float) -> Tensor:
    """Return E[e - x0 | x_t = x] for x0 ~ N(mean, deviation^2 I).

    -m + K / D (x - (1 - t) m), with D = (1 - t)^2 s^2 + t^2 and K = (1 + s^2) t - s^2.

    Args:
        x: (B, C, h, w).
        t: (B,) in [0, 1].
        mean: broadcasts against x.
        deviation: s > 0.
    """
    t = t.reshape(-1, 1, 1, 1)
    variance = deviation**2
    slope = ((1 + variance) * t - variance) / ((1 - t) ** 2 * variance + t**2)  # (B, 1, 1, 1)
    return slope * (x - (1 - t) * mean) - mean  # (B, C, h, w)


@dataclass
class GaussianWorld:
    """The closed-form text-to-image model; its latents are the image in [-1, 1], shrunk by 8."""

    deviation: float = 0.25  # s
    name: str = "toy"
    stride: int = 16
    latent_space: str = "toy"

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the parameters, hex."""
        parameters = json.dumps([self.deviation, dict(COLOURS), NEUTRAL, FACTOR], sort_keys=True)
        return hashlib.sha256(parameters.encode()).hexdigest()

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """Return (3, h, w) for an image of width x height pixels."""
        return (3, *latent_sides(width, height, self.stride, FACTOR))

    def encode(self, texts: Sequence[str]) -> Condition:
        """Return {"mean": (B, 3)}, the last-named colours in [-1, 1]."""
        return {"mean": torch.tensor([_last_colour(text) for text in texts]).reshape(-1, 3) * 2 - 1}

    def velocity(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Return the exact velocity (B, 3, h, w)."""
        mean = condition["mean"].to(x)[:, :, None, None]  # (B, 3, 1, 1)
        return gaussian_velocity(x, t, mean, self.deviation)

    def latents(self, images: Tensor) -> Tensor:
        """Map images (B, 3, H, W) in [0, 1] to latents (B, 3, H/8, W/8): means of 8 x 8 blocks, to [-1, 1]."""
        return F.avg_pool2d(images.float(), FACTOR) * 2 - 1

    def decode(self, latents: Tensor) -> Tensor:
        """Map latents (B, 3, h, w) to images (B, 3, 8h, 8w) with nearest neighbours."""
        return F.interpolate((latents.float() + 1) / 2, scale_factor=float(FACTOR), mode="nearest")

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Return nothing: every text is answered by its colour, or by gray."""
        return ()

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Self:
        """Return the same model: it follows its inputs."""
        return self


def _last_colour(text: str) -> tuple[float, float, float]:
    named = [word for word in re.findall(r"\w+", text.lower()) if word in COLOURS]
    return COLOURS[named[-1]] if named else NEUTRAL


def toy() -> GaussianWorld:
    """Build the Gaussian world."""
    return GaussianWorld()
