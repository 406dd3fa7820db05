"""The fastest matrix multiplication of a device, which no network's share can pass."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch

SECONDS = 1.0  # of measuring
LEAST = 3  # products, however slow
SIDES = {"cpu": 1024, "cuda": 8192}


@dataclass(frozen=True, slots=True)
class Limit:
    """What was measured.

    Attributes:
        flops: FLOP/s of the fastest product.
        side: of the two square matrices.
        products: how many were timed.
    """

    flops: float
    side: int
    products: int


@torch.no_grad()
def limit_of(device: torch.device, dtype: torch.dtype) -> Limit:
    """Multiply two square matrices for a second; the fastest product counts.

    Args:
        device: of this machine.
        dtype: of the matrices.
    """
    side = SIDES.get(device.type, 4096)
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(a)
    best, count, until = math.inf, 0, math.inf
    while count < LEAST or time.perf_counter() < until:
        began = time.perf_counter()
        torch.mm(a, b, out=out)
        finish(device)
        best, count = min(best, time.perf_counter() - began), count + 1
        if count == 1:  # the first also chooses a kernel
            best, until = math.inf, time.perf_counter() + SECONDS
    return Limit(2 * side**3 / best, side, count - 1)


def finish(device: torch.device) -> None:
    """Wait for all work that was given to the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
