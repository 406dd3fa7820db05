"""The arithmetic of decoding, which is a third of the work of a fast run on a GPU.

Weights stay in fp32. ``tf32`` rounds the factors of convolutions to 10 bits of mantissa and adds in fp32; ``bf16``
rounds factors and results to 7 bits. Neither has a smaller range than fp32, so nothing can overflow; fp16 would.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from evalsuite.errors import InputError

BATCH_PIXELS = 16 * 512 * 512
"""Pixels that a GPU decodes at once: enough to fill it, and no more memory than that takes."""


def check(asked: str, device: str) -> None:
    """Raise InputError where the device has no such arithmetic."""
    if asked == "tf32" and not device.startswith("cuda"):
        raise InputError(f"vae_dtype tf32 is of GPUs, not of {device}: use auto, fp32 or bf16")


@contextmanager
def decoding(precision: str, device: str) -> Iterator[None]:
    """Inside, decoders compute in ``fp32`` (also ``auto``), ``tf32`` or ``bf16``."""
    if precision == "tf32":
        cudnn = torch.backends.cudnn
        with cudnn.flags(enabled=True, benchmark=False, deterministic=cudnn.deterministic, allow_tf32=True):
            yield
    elif precision == "bf16":
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            yield
    else:
        yield


def at_once(batch: int, width: int, height: int, device: str) -> int:
    """Images of a batch to decode in one call."""
    if not device.startswith("cuda"):
        return batch
    return min(batch, max(1, BATCH_PIXELS // (width * height)))
