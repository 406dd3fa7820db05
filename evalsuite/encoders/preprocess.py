"""From uint8 pixels to what CLIP reads, without cropping: an edge of a wide picture counts too."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
"""Of RGB in [0, 1]: the constants of CLIP (arXiv:2103.00020)."""
GREY = 0.5


def letterbox(images: Tensor, side: int) -> Tensor:
    """Scale the longest side to ``side`` pixels, pad the other with mid grey on both ends, normalise.

    Args:
        images: uint8 (B, 3, H, W), values in [0, 255].
        side: pixels of the square result.

    Returns:
        float32 (B, 3, side, side), normalised by CLIP's mean and standard deviation.

    Raises:
        ValueError: the input is not uint8 of shape (B, 3, H, W).
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"expected uint8 (B, 3, H, W), got {images.dtype} {tuple(images.shape)}")
    height, width = images.shape[-2:]
    scale = side / max(height, width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    x = images.float() / 255
    if (rows, columns) != (height, width):
        x = F.interpolate(x, (rows, columns), mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
    top, left = (side - rows) // 2, (side - columns) // 2
    x = F.pad(x, (left, side - columns - left, top, side - rows - top), value=GREY)  # (B, 3, side, side)
    mean, std = (x.new_tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    return (x - mean) / std
