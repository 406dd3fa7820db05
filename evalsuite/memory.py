"""How much memory is free, on a GPU or for this process on the host; and what is given back to a GPU."""

from __future__ import annotations

import gc
import re
from pathlib import Path

import torch

MEMINFO = Path("/proc/meminfo")
CONTROL = Path("/sys/fs/cgroup")


def free_bytes(device: str) -> int:
    """Bytes that can still be taken on a device, ``cpu`` or ``cuda`` or ``cuda:N``; 0 where the system does not tell.

    On a GPU what PyTorch holds for later counts as taken. On the host, pages of files that can be dropped count as
    free, and a container's limit counts.
    """
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    found = re.search(r"^MemAvailable:\s*(\d+) kB$", _text(MEMINFO), re.MULTILINE)
    available = int(found[1]) * 1024 if found else 0
    limit, taken = _text(CONTROL / "memory.max").strip(), _text(CONTROL / "memory.current").strip()
    if not limit.isdigit() or not taken.isdigit():
        return available
    files = re.search(r"^inactive_file (\d+)$", _text(CONTROL / "memory.stat"), re.MULTILINE)
    return max(0, min(available, int(limit) - int(taken) + (int(files[1]) if files else 0)))


def reclaim() -> None:
    """Give a GPU back the memory of what is no longer used.

    A compiled block and a recorded pass refer to themselves by way of their model: until Python looks for such circles,
    a model that was given up keeps its memory.
    """
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        gc.collect()
        torch.cuda.empty_cache()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
