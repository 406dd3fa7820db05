"""Latents to bytes, strip by strip: of a large image nothing but its bytes is ever in memory as a whole.

Letters: B batch, C latent channels, h x w latent sides, H x W image sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from backbones.protocol import TextToImage, Tiled
from evalsuite.records import Pixels

ROWS = 128
"""Rows of pixels checked and made bytes at once: the arithmetic takes copies."""


class Decoded(NamedTuple):
    """A batch of images.

    Attributes:
        rgb: (B, H, W, 3).
        finite: of every image, whether all its numbers were finite before they were made bytes.
    """

    rgb: Pixels
    finite: list[bool]


def decode(model: TextToImage, latents: Tensor, width: int, height: int, tile: int | None) -> Decoded:
    """Decode latents (B, C, h, w), in tiles of `tile` pixels where that is no None and the model can.

    Raises:
        ValueError: the model decodes to another size.
    """
    if tile is None or not hasattr(model, "strips"):
        return to_bytes([model.decode(latents)], width, height, model.name)
    return to_bytes(cast(Tiled, model).strips(latents, tile), width, height, model.name)


def joined(parts: Sequence[Decoded]) -> Decoded:
    """Images of several batches as one batch."""
    if len(parts) == 1:
        return parts[0]
    return Decoded(np.concatenate([part.rgb for part in parts]), [one for part in parts for one in part.finite])


def to_bytes(strips: Iterable[Tensor], width: int, height: int, name: str) -> Decoded:
    """Join strips (B, 3, rows, W) of images in [0, 1], from top to bottom, clamped and rounded to bytes.

    Raises:
        ValueError: they do not make up an image of width x height.
    """
    rgb, finite, top, shape = np.empty((0, 0, 0, 3), np.uint8), torch.empty(0), 0, (0, 0, 0)
    for strip in strips:
        shape = (strip.shape[1], top + strip.shape[2], strip.shape[3])
        if (shape[0], shape[2]) != (3, width) or shape[1] > height:
            break
        if not top:
            rgb = np.empty((len(strip), height, width, 3), np.uint8)
            finite = torch.ones(len(strip), dtype=torch.bool, device=strip.device)
        for part in torch.split(strip, ROWS, dim=2):
            part, bottom = part.float(), top + part.shape[2]  # (B, 3, <= ROWS, W)
            finite &= part.isfinite().flatten(1).all(1)
            levels = part.clamp(0, 1).mul_(255).round_().to(torch.uint8)
            rgb[:, top:bottom] = levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
            top = bottom
    if top != height or shape != (3, height, width):
        raise ValueError(f"{name} decodes to {shape}, not (3, {height}, {width})")
    return Decoded(rgb, finite.tolist())
