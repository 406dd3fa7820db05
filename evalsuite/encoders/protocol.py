"""What a metric may ask of a network that looks at images and texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

BATCH = 8
"""Rows of every forward pass. Kernels may round differently at another shape, so there is only this one."""


class Encoder(Protocol):
    """An image and text encoder with one fixed preprocessing and precision."""

    id: str
    """Short name, the part of a metric id after the ``@``."""
    fingerprint: str
    """Hex SHA-256 over weights, configuration, vocabulary, preprocessing, precision and batch shape."""
    preprocessing: str
    """In words, for the protocol column."""
    width: int
    """Dimensions d of a feature."""

    def images(self, images: Tensor) -> np.ndarray:
        """Features of uint8 images (B, 3, H, W): (B, d) float32 rows of unit length."""

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Features of texts: (n, d) float32 rows of unit length."""

    def truncated(self, text: str) -> bool:
        """Whether the text is longer than the encoder reads."""


def in_fixed_batches(forward: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """Run ``forward`` on BATCH rows at a time, the last batch padded with its last row and cut afterwards.

    Every pass has the same shape, so that a row's result never depends on how many neighbours it has.

    Args:
        forward: maps (BATCH, ...) to (BATCH, d).
        rows: (n, ...) with n >= 1.

    Returns:
        (n, d)
    """
    results = []
    for batch in torch.split(rows, BATCH):
        padding = batch[-1:].expand(BATCH - len(batch), *batch.shape[1:])
        results.append(forward(torch.cat([batch, padding]))[: len(batch)])
    return torch.cat(results)
