"""Seconds and memory of passes on a device, beside what was counted.

Weights are random: neither time nor memory depends on what they are. Inputs are random numbers too.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import torch
from torch import nn, profiler

from evalsuite.cost.limit import finish
from evalsuite.cost.subject import Feed, Network, Pass

REPEATS = (3, 9)  # at least, at most
BESIDE = 2  # passes that are not timed
MEMINFO = Path("/proc/meminfo")
PHRASES = ("out of memory", "can't allocate memory", "not enough memory")


@dataclass(frozen=True, slots=True)
class Timing:
    """Passes of one network at one size.

    Attributes:
        seconds: of a pass, the median.
        fastest: of them.
        slowest: of them.
        passes: that were timed; one more was run before, and one for the memory.
        peak: most bytes of activations at once, as the allocator saw them; None where a profiler is running already.
    """

    seconds: float
    fastest: float
    slowest: float
    passes: int
    peak: int | None


@contextmanager
def on_device(network: Network, device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """A network with random weights on the device, and back on the meta device afterwards."""
    module = network.module
    try:
        module.to_empty(device=device)
        if not network.exact:
            nn.Module.to(module, dtype)  # of diffusers, `to` would warn
        if network.channels_last and device.type == "cpu":
            module.to(memory_format=torch.channels_last)
        _fill(module)
        yield
    finally:
        module.to("meta")
        if device.type == "cuda":
            torch.cuda.empty_cache()


@torch.no_grad()
def timed(network: Network, feed: Feed, budget: float) -> Timing | None:
    """Run passes of a network that is on the device of the feed.

    Args:
        network: see `on_device`.
        feed: what a pass is.
        budget: seconds for all passes; at least three are timed.

    Returns:
        None where the memory is not enough.
    """
    try:
        work = network.prepare(feed)
        first = _seconds(work, feed.device)
        peak = _cuda_peak(work, feed.device) if feed.device.type == "cuda" else _cpu_peak(work)
        least, most = REPEATS
        count = max(least, min(most, int(budget / max(first, 1e-9)) - BESIDE))
        seconds = sorted(_seconds(work, feed.device) for _ in range(count))
    except (MemoryError, RuntimeError) as error:
        if not is_lack_of_memory(error):
            raise
        return None
    return Timing(statistics.median(seconds), seconds[0], seconds[-1], count, peak)


def is_lack_of_memory(error: Exception) -> bool:
    """Whether an error says that a device's memory is used up."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in PHRASES)


def free_bytes(device: torch.device) -> int | None:
    """Memory that is free on the device; None where the system does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = MEMINFO.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return found[0] if found else None


def _seconds(work: Pass, device: torch.device) -> float:
    finish(device)
    began = time.perf_counter()
    work()
    finish(device)
    return time.perf_counter() - began


def _cuda_peak(work: Pass, device: torch.device) -> int:
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    finish(device)
    return int(torch.cuda.max_memory_allocated(device) - before)


def _cpu_peak(work: Pass) -> int | None:
    """From the allocations that PyTorch's profiler sees: a process's own peak would hold other things too."""
    if torch.autograd._profiler_enabled():  # type: ignore[attr-defined]
        return None
    os.environ.setdefault("KINETO_LOG_LEVEL", "9")  # read once; else the profiler tells standard error of itself
    with profiler.profile(activities=[profiler.ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    found = seen.profiler.kineto_results if seen.profiler is not None else None
    changes = [event.nbytes() for event in (found.events() if found is not None else ()) if event.name() == "[memory]"]
    return max(accumulate(changes), default=0)


@torch.no_grad()
def _fill(module: nn.Module) -> None:
    """Weights of the size that networks begin with, so that activations neither vanish nor overflow."""
    for tensor in (*module.parameters(), *module.buffers()):
        if not tensor.is_floating_point():
            tensor.zero_()
        elif tensor.dim() > 1:
            tensor.normal_(std=tensor[0].numel() ** -0.5)
        else:
            tensor.fill_(0.5)
