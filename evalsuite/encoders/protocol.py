"""What a metric may ask of a network that looks at images and texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from evalsuite.encoders.upload import passes

BATCH = 8
"""Rows of every forward pass. Kernels may round differently at another shape, so there is only this one."""


class ImageEncoder(Protocol):
    """A network that looks at images, with one fixed preprocessing and precision."""

    id: str
    """Short name, the part of a metric id after the ``@``: network and rule, such as ``inception-tf1``."""
    fingerprint: str
    """Hex SHA-256 over weights, configuration, vocabulary, preprocessing and precision."""
    preprocessing: str
    """In words, for the protocol column."""
    width: int
    """Dimensions d of a feature."""

    def images(self, images: Tensor) -> np.ndarray:
        """Features of uint8 images (B, 3, H, W), all of one size: (B, d) float32 rows."""


class Encoder(ImageEncoder, Protocol):
    """An image and text encoder; rows of images and of texts have unit length and share one space."""

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Features of texts: (n, d) float32 rows of unit length."""

    def truncated(self, text: str) -> bool:
        """Whether the text is longer than the encoder reads."""


def in_fixed_batches(
    forward: Callable[[Tensor], Tensor], rows: Tensor, batch: int = BATCH, device: torch.device | None = None
) -> Tensor:
    """Run ``forward`` on ``batch`` rows at a time, the last batch padded with its last row and cut afterwards.

    Args:
        forward: maps (batch, ...) to (batch, d).
        rows: (n, ...) with n >= 1.
        batch: rows of every pass.
        device: where ``forward`` wants them; None means where they are.

    Returns:
        (n, d)
    """
    return torch.cat([forward(part)[:n] for part, n in passes(rows, batch, device or rows.device)])
