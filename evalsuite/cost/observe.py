"""A subject's passes on a device, as rows beside what was counted; only those that time and memory allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple

import torch

from evalsuite.cost import names
from evalsuite.cost.count import Counts
from evalsuite.cost.limit import Limit
from evalsuite.cost.measure import BESIDE, REPEATS, Timing, free_bytes, is_lack_of_memory, on_device, timed
from evalsuite.cost.memory import weight_bytes
from evalsuite.cost.names import row
from evalsuite.cost.plan import Plan
from evalsuite.cost.size import Size
from evalsuite.cost.subject import Feed, Network
from evalsuite.models import TORCH_DTYPES
from evalsuite.progress import duration
from evalsuite.rows import Row

USUAL_SHARE = 0.5  # of the limit, guessed for the first pass of all; the next ones are guessed from the last
ROOM = 0.9  # of the free memory that may be asked for
PROFILED = "not measured under another profiler"


@dataclass(frozen=True, slots=True)
class Bench:
    """Where passes are measured.

    Attributes:
        device: of this machine.
        words: what it is, for protocols.
        limit: of matrix multiplication there, in the dtype of the plan.
        budget: seconds for the passes of one network at one size.
    """

    device: torch.device
    words: str
    limit: Limit
    budget: float


class Seen(NamedTuple):
    """What became of a size: a timing, or why there is none."""

    size: Size
    flops: int  # of a pass
    timing: Timing | None
    reason: str


def observe(counts: Counts, plan: Plan, sizes: Sequence[Size], bench: Bench) -> Iterator[Row]:
    """Measure a subject.

    Args:
        counts: of the subject.
        plan: what is asked.
        sizes: in ascending order of area; from the first on that does not fit, rows have no value but a reason.
        bench: where.
    """
    name, limit = counts.subject.name, bench.limit
    about = f"fastest of {limit.products} products of two {limit.side} x {limit.side} matrices"
    yield row(name, names.LIMIT, names.WHOLE, limit.flops, f"{bench.words}, {plan.dtype}; {about}")
    rows = plan.rows(counts.subject)
    protocol = _protocol(bench, plan.dtype, rows)
    for seen in _timings(counts, "denoiser", rows, plan.dtype, sizes, bench):
        yield _seconds(name, names.PASS, protocol, seen)
        if seen.timing is not None:
            share = seen.flops / (seen.timing.seconds * limit.flops)
            yield row(name, names.SHARE, seen.size.slice, share, protocol, n=seen.timing.passes)
            note = "" if seen.timing.peak is not None else PROFILED
            yield row(name, names.PEAK, seen.size.slice, seen.timing.peak, protocol, note, n=seen.timing.passes)
    if counts.subject.vae is not None:
        dtype = "fp32" if counts.subject.vae.exact else plan.dtype
        protocol = _protocol(bench, dtype, plan.batch)
        for seen in _timings(counts, "vae", plan.batch, dtype, sizes, bench):
            yield _seconds(name, names.VAE_PASS, protocol, seen)


def _protocol(bench: Bench, dtype: str, rows: int) -> str:
    return f"{bench.words}, {dtype}, {rows} row{'s' if rows > 1 else ''}, random weights"


def _seconds(name: str, metric: str, protocol: str, seen: Seen) -> Row:
    if (timing := seen.timing) is None:
        return row(name, metric, seen.size.slice, None, protocol, seen.reason)
    span = timing.fastest, timing.slowest
    return row(name, metric, seen.size.slice, timing.seconds, protocol, n=timing.passes, span=span)


def _timings(counts: Counts, kind: str, rows: int, dtype: str, sizes: Sequence[Size], bench: Bench) -> list[Seen]:
    """Passes of a network at each size, until one does not fit; nothing is made when the first does not."""
    network: Network = counts.subject.networks[kind]
    # A model that does not tell its parts apart has all its weights in the denoiser.
    bearer = network if any(True for _ in network.module.parameters()) else counts.subject.denoiser
    asked = [(size, rows * counts.split(kind, size).total, counts.activations(kind, size, rows)) for size in sizes]
    weights, torch_dtype = weight_bytes([bearer.module], TORCH_DTYPES[dtype].itemsize), TORCH_DTYPES[dtype]
    rate, found, reason = USUAL_SHARE * bench.limit.flops, list[Seen](), ""
    with ExitStack() as stack:
        for size, flops, need in asked:
            made = bool(found)
            reason = reason or _refusal(flops / rate, need + (0 if made else weights), bench)
            if reason:
                found.append(Seen(size, flops, None, reason))
                continue
            timing = None
            if made or _brought(stack, bearer, bench.device, torch_dtype):
                timing = timed(network, Feed(rows, *size, device=bench.device, dtype=torch_dtype), bench.budget)
            reason = "" if timing is not None else "out of memory"
            found.append(Seen(size, flops, timing, reason))
            rate = flops / timing.seconds if timing is not None and flops else rate
    return found


def _brought(stack: ExitStack, network: Network, device: torch.device, dtype: torch.dtype) -> bool:
    """Bring a network to the device until the stack is left; False where it has no room."""
    try:
        stack.enter_context(on_device(network, device, dtype))
    except (MemoryError, RuntimeError) as error:
        if not is_lack_of_memory(error):
            raise
        return False
    return True


def _refusal(seconds: float, need: int, bench: Bench) -> str:
    """Why a pass is left out; empty where it is not."""
    whole, free = (REPEATS[0] + BESIDE) * seconds, free_bytes(bench.device)
    if whole > bench.budget:
        return f"{duration(whole)} for {REPEATS[0] + BESIDE} passes, more than --measure-seconds {bench.budget:g}"
    if free is not None and need > ROOM * free:
        return f"needs {need / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
    return ""
