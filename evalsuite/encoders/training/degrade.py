"""Worse versions of a picture, as generators fail: soft, noisy, melted, torn, with parts gone or colours off."""

from __future__ import annotations

from random import Random

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

STRENGTHS = (0.5, 1.0, 2.0)


def degrade(image: Tensor, random: Random) -> Tensor:
    """One or two random faults of random strength on a uint8 picture (3, H, W); the same shape comes back."""
    x = image[None].float() / 255  # (1, 3, H, W)
    for fault in random.sample(FAULTS, random.choice((1, 1, 2))):
        x = fault(x, random.choice(STRENGTHS), random)
    return (x[0].clamp(0, 1) * 255).round().to(torch.uint8)


def _blur(x: Tensor, strength: float, random: Random) -> Tensor:
    height, width = x.shape[-2:]
    small = F.interpolate(x, scale_factor=0.25 / strength, mode="bilinear", antialias=True)
    return F.interpolate(small, (height, width), mode="bilinear")


def _noise(x: Tensor, strength: float, random: Random) -> Tensor:
    return x + 0.08 * strength * _field(x.shape, random)


def _melt(x: Tensor, strength: float, random: Random) -> Tensor:
    """Move pixels along a smooth random field: limbs and faces flow into each other."""
    coarse = _field((1, 2, 6, 6), random) * 0.05 * strength
    flow = F.interpolate(coarse, x.shape[-2:], mode="bicubic").permute(0, 2, 3, 1)  # (1, H, W, 2)
    grid = F.affine_grid(torch.eye(2, 3)[None], [1, 1, *x.shape[-2:]], align_corners=False)
    return F.grid_sample(x, grid + flow, padding_mode="border", align_corners=False)


def _erase(x: Tensor, strength: float, random: Random) -> Tensor:
    """Paint a patch near the middle with the colour of the top left corner, as where a part is missing."""
    height, width = x.shape[-2:]
    side = int(min(height, width) * 0.2 * (1 + strength / 2))
    top, left = (int((extent - side) * random.uniform(0.25, 0.75)) for extent in (height, width))
    x = x.clone()
    x[..., top : top + side, left : left + side] = x[..., :1, :1]
    return x


def _fade(x: Tensor, strength: float, random: Random) -> Tensor:
    """Lose contrast and saturation."""
    grey = x.mean(dim=1, keepdim=True)
    keep = 1 - 0.3 * strength
    return 0.5 + (grey + (x - grey) * keep - 0.5) * (0.4 + 0.6 * keep)


def _field(shape: tuple[int, ...] | torch.Size, random: Random) -> Tensor:
    rows = np.random.default_rng(random.getrandbits(64)).standard_normal(tuple(shape), np.float32)
    return torch.from_numpy(rows)


FAULTS = (_blur, _noise, _melt, _erase, _fade)
