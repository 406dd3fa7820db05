"""Paired timing: all arms in one process, interleaved round by round, CPU time beside wall time, ratios per round.

A benchmark first shows that its arms did the same work, then times them here; what drifts on a machine (clock,
neighbours, caches) then reaches all arms alike and falls out of the ratio.
"""

from __future__ import annotations

import gc
import math
import os
import platform
import random
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from subprocess import run
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Clock = Literal["cpu_s", "wall_s"]
CLOCKS: tuple[Clock, ...] = ("cpu_s", "wall_s")

CONTENDED_LOAD = 0.25
"""One-minute load average per CPU before the start from which wall times are not to be trusted."""
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16")
RESAMPLES = 4000
LEAST_PRODUCTS = 3
SIDES = {"cpu": 2048, "cuda": 8192}
"""Of the matrices whose product is the limit."""


@dataclass(frozen=True, slots=True)
class Timing:
    """One call of one arm, in seconds; CPU time is of this process and of the children it has waited for."""

    arm: str
    round: int
    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median over rounds of slow / fast, with a 95 % bootstrap interval; no interval from fewer than three rounds."""

    value: float
    low: float | None
    high: float | None
    rounds: int

    def __str__(self) -> str:
        interval = "no interval" if self.low is None else f"95 % {self.low:.2f} to {self.high:.2f}"
        return f"{self.value:.2f} ({interval}, {self.rounds} rounds)"


def paired(arms: Mapping[str, Callable[[], object]], rounds: int, warm: int = 1) -> list[Timing]:
    """Time every arm once per round, the order turned round each time (A B, B A, A B, ...).

    Args:
        arms: what to call, by name; an arm that starts processes must wait for them, so that their time is counted.
        rounds: at least 3 for jobs of seconds, 7 for jobs of milliseconds.
        warm: untimed calls of each arm beforehand.

    Returns:
        ``rounds * len(arms)`` timings in the order in which they ran.
    """
    for arm in arms.values():
        for _ in range(warm):
            arm()
    timings = []
    for number in range(rounds):
        order = list(arms)[:: 1 if number % 2 == 0 else -1]
        timings += [timed(name, number, arms[name]) for name in order]
    return timings


def timed(name: str, number: int, arm: Callable[[], object]) -> Timing:
    """Time one call."""
    gc.collect()
    wall, cpu = time.perf_counter(), _cpu_seconds()
    arm()
    return Timing(name, number, time.perf_counter() - wall, _cpu_seconds() - cpu)


def ratio(timings: Sequence[Timing], slow: str, fast: str, clock: Clock = "cpu_s", seed: int = 0) -> Ratio:
    """How many times longer ``slow`` takes than ``fast``: the median over rounds of the quotient within a round.

    The interval is the percentile bootstrap of the median of log-ratios, rounds resampled.

    Raises:
        ValueError: an arm has no timing, or the two have not the same rounds.
    """
    slow_s, fast_s = ({t.round: getattr(t, clock) for t in timings if t.arm == arm} for arm in (slow, fast))
    if not slow_s or slow_s.keys() != fast_s.keys():
        raise ValueError(f"{slow} has rounds {sorted(slow_s)}, {fast} has {sorted(fast_s)}")
    return of_rounds([slow_s[number] / fast_s[number] for number in sorted(slow_s)], seed)


def of_rounds(quotients: Sequence[float], seed: int = 0) -> Ratio:
    """The median of one positive quotient per round; its interval is that of `ratio`."""
    logs = [math.log(quotient) for quotient in quotients]
    value, n = math.exp(statistics.median(logs)), len(logs)
    if n < 3:
        return Ratio(value, None, None, n)
    draw = random.Random(seed)
    medians = sorted(statistics.median(draw.choices(logs, k=n)) for _ in range(RESAMPLES))
    low, high = (math.exp(medians[round(q * (RESAMPLES - 1))]) for q in (0.025, 0.975))
    return Ratio(value, low, high, n)


def median(timings: Sequence[Timing], arm: str, clock: Clock = "cpu_s") -> float:
    """Median seconds of an arm."""
    return float(statistics.median(getattr(t, clock) for t in timings if t.arm == arm))


def gemm_peak(
    dtype: torch.dtype, threads: int, seconds: float = 10.0, n: int | None = None, device: str = "cpu"
) -> float:
    """Fastest product of two n x n matrices seen in this many seconds, in GFLOP/s: the denominator of efficiency.

    On a CPU by wall time, or by CPU time per thread where that is less: on a busy machine a product waits, and a limit
    read off the wall alone would be too low. On a GPU by wall time, of random numbers: ones take less power. TF32 is
    as the process has it.
    """
    import torch

    before, gpu = torch.get_num_threads(), device != "cpu"
    torch.set_num_threads(threads)
    n = n or SIDES["cuda" if gpu else "cpu"]
    try:
        make = torch.randn if gpu else torch.ones
        a, b = (make(n, n, device=device).to(dtype) for _ in range(2))
        out = torch.empty(n, n, dtype=dtype, device=device)
        best, count = math.inf, 0
        with torch.inference_mode():
            torch.mm(a, b, out=out)
            finish(device)
            stop = time.perf_counter() + seconds
            while (start := time.perf_counter()) < stop or count < LEAST_PRODUCTS:
                cpu = time.process_time()
                torch.mm(a, b, out=out)
                finish(device)
                wall = time.perf_counter() - start
                best, count = min(best, wall if gpu else min(wall, (time.process_time() - cpu) / threads)), count + 1
        return 2 * n**3 / best / 1e9
    finally:
        torch.set_num_threads(before)


def finish(device: str | torch.device) -> None:
    """Wait for all work that was given to a GPU."""
    import torch

    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def gpu_facts() -> dict[str, str]:
    """What a reader must know about the GPU, after the work: clocks and power as the driver tells them."""
    import torch

    facts = "name,clocks.sm,clocks.max.sm,clocks.mem,power.draw,power.limit,driver_version"
    try:
        told = run(["nvidia-smi", f"--query-gpu={facts}", "--format=csv,noheader"], capture_output=True, text=True)
    except OSError:
        return {"gpu": torch.cuda.get_device_name()}
    values = [value.strip() for value in told.stdout.splitlines()[0].split(",")] if told.stdout else []
    return {"gpu": torch.cuda.get_device_name()} | dict(zip(facts.split(","), values, strict=False))


def environment(packages: Iterable[str] = ("torch", "numpy", "pillow")) -> dict[str, object]:
    """What a reader must know about the machine; call it before the work, since it reads the load average."""
    load = os.getloadavg()[0]
    model, flags = _cpu()
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": model,
        "cpu_flags": [flag for flag in FLAGS if flag in flags],
        "cpus": cpus,
        "load_before": round(load, 2),
        "contended": is_contended(load, cpus),
        "packages": {name: _version(name) for name in packages},
    }


def is_contended(load: float, cpus: int) -> bool:
    """Whether others keep so many of the CPUs busy that wall times are not to be trusted."""
    return load > CONTENDED_LOAD * cpus


def _cpu_seconds() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def _cpu() -> tuple[str, set[str]]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown", set()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in reversed(lines))}
    return facts.get("model name", "unknown"), set(facts.get("flags", "").split())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
