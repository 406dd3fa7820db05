"""The arithmetic of a scorer: fp32 as written, at one batch shape for each kind of device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from evalsuite.encoders.protocol import BATCH

DTYPE = "fp32"
BATCHES = {"cpu": BATCH, "cuda": 64}
"""Rows of every forward pass by device: 8 stay in a CPU's caches, fewer than 64 leave a large GPU waiting."""
TEXTS = {"cpu": 1, "cuda": 64}
"""The same for texts: often there is one, which a CPU should not read eight times, at the price of slower many."""


def batch_of(device: torch.device) -> int:
    """Rows of every forward pass."""
    return BATCHES.get(device.type, BATCH)


def texts_of(device: torch.device) -> int:
    """Texts of every forward pass."""
    return TEXTS.get(device.type, BATCH)


@contextmanager
def exact(device: torch.device) -> Iterator[None]:
    """fp32 as written, whatever the process has switched on: no TF32, no bf16 products, no autocast."""
    backends: Any = torch.backends
    with (
        torch.autocast(device.type, enabled=False),
        backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False),
        _as_written(backends.cuda.matmul),
        _as_written(backends.mkldnn.matmul),
    ):
        yield


@contextmanager
def _as_written(products: Any) -> Iterator[None]:
    before = products.fp32_precision
    products.fp32_precision = "ieee"
    try:
        yield
    finally:
        products.fp32_precision = before
