"""The arithmetic of a scorer: fp32 as written unless its name says otherwise, at one batch shape for each device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from evalsuite.encoders.protocol import BATCH

DTYPE = "fp32"
TF32 = "tf32"
DTYPES = {DTYPE: torch.float32, TF32: torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""By precision, what weights and activations are held in. TF32 is fp32 whose products read 10 bits of each factor."""
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
def exact(device: torch.device, precision: str = DTYPE) -> Iterator[None]:
    """Arithmetic as written, whatever the process has switched on: no bf16 products, no autocast, TF32 if so named.

    Args:
        device: of the network.
        precision: of DTYPES.
    """
    backends: Any = torch.backends
    tf32 = precision == TF32
    with (
        torch.autocast(device.type, enabled=False),
        backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=tf32),
        _products(backends.cuda.matmul, TF32 if tf32 else "ieee"),
        _products(backends.mkldnn.matmul, "ieee"),
    ):
        yield


@contextmanager
def _products(products: Any, precision: str) -> Iterator[None]:
    before = products.fp32_precision
    products.fp32_precision = precision
    try:
        yield
    finally:
        products.fp32_precision = before
