"""Rows on their way to a network: passes of one shape, and on a GPU the next rows travel while it works."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import torch
from torch import Tensor

RUNNING = 2
"""Passes that a GPU may have before it; more would only hold the memory of their rows."""


def passes(rows: Tensor, size: int, device: torch.device) -> Iterator[tuple[Tensor, int]]:
    """Batches of ``size`` rows, the last one filled up with its last row, and how many of each count.

    Every batch has the same shape and memory format, so that a row's result never depends on how many neighbours it
    has: kernels may round differently in another.

    Args:
        rows: (n, ...) with n >= 1, on any device.
        size: rows of every batch.
        device: where the batches are to be.
    """
    running: deque[torch.cuda.Event] = deque()
    for part in torch.split(rows, size):
        batch = placed(part, device)
        filling = batch[-1:].expand(size - len(batch), *batch.shape[1:])
        yield torch.cat([batch, filling]).contiguous(), len(batch)
        if device.type == "cuda":
            running.append(torch.cuda.Event(blocking=True))  # type: ignore[no-untyped-call]
            running[-1].record(torch.cuda.current_stream(device))
            if len(running) > RUNNING:
                running.popleft().synchronize()


def placed(rows: Tensor, device: torch.device) -> Tensor:
    """Rows on a device; from the host to a GPU by way of pinned memory, which nobody waits for."""
    if device.type != "cuda" or rows.device.type != "cpu":
        return rows.to(device)
    held = rows if rows.is_pinned() else rows.pin_memory()
    return held.to(device, non_blocking=True)
