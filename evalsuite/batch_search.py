"""How long a GPU takes for units of 1, 2, 4, 8 ... images, and up to which of them a larger batch pays."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch

from evalsuite.errors import InputError
from evalsuite.generate import is_lack, reproducible
from evalsuite.loaders.image_folder import ImageFolder
from evalsuite.manifest import Manifest
from evalsuite.memory import free_bytes
from evalsuite.painter import Painter
from evalsuite.plan import Job, Unit
from evalsuite.prepare import Shelf
from evalsuite.unit_seconds import unit_seconds

FIRST, LARGEST = 1, 256
GAIN = 1.1
"""A batch twice as large must make this many times as many images a second, else the smaller one does as well."""
ROOM = 0.6
"""Of the device's memory that is free at first: a batch that would take more is not tried.

Recorded passes, which are not measured, share no memory between network and decoder.
"""
ROUNDS = 3
PATIENCE = 20.0
"""Seconds of a unit's part beyond which no larger batch is tried."""

Seconds = Mapping[int, float]
"""Batch size to seconds of one unit."""


def paying(seconds: Seconds) -> list[int]:
    """Batch sizes up to the last that makes enough more images a second than the one before it."""
    kept: list[int] = []
    for batch in sorted(seconds):
        if kept and batch / seconds[batch] <= GAIN * kept[-1] / seconds[kept[-1]]:
            break
        kept.append(batch)
    return kept


def measure(manifest: Manifest, name: str, size: tuple[int, int], shelf: Shelf) -> dict[int, float]:
    """Seconds of a unit by batch size, from one image on, twice as many each time, as long as that pays and fits.

    Args:
        manifest: of the run.
        name: of the model; the first of the run is put back on the shelf.
        size: width and height of its largest images, in pixels.
        shelf: with the models.

    Returns:
        Nothing where images are read from a folder, which takes no pass.

    Raises:
        InputError: not even one image fits into the device's memory.
    """
    # Compiling takes longer than all this, for every shape anew; and recorded passes would stay in memory.
    spec = replace(manifest.spec, compile="off", cuda_graphs="off")
    job = next(job for job in manifest.jobs if (job.model, job.width, job.height) == (name, *size))
    free = free_bytes(spec.device)
    try:
        model = shelf.take(name, spec)
    except (MemoryError, RuntimeError) as error:
        if not is_lack(error):
            raise
        raise _too_large(f"model {name!r}", spec.device, free) from error
    seconds: dict[int, float] = {}
    if not isinstance(model, ImageFolder):
        painter = Painter(model, spec)
        with reproducible(spec.threads or 1):
            for batch, taken in doubling(painter, job, spec.device):
                seconds[batch] = taken
                if len(paying(seconds)) < len(seconds):
                    break
        del painter
        torch.cuda.empty_cache()
        if not seconds:
            raise _too_large(f"one image a pass of model {name!r} at {size[0]}x{size[1]}", spec.device, free)
    if name == manifest.spec.models[0]:
        shelf.put_back(name, model)
    return seconds


def doubling(painter: Painter, job: Job, device: str) -> Iterator[tuple[int, float]]:
    """Batch sizes and the seconds of a unit of each, until the next one would not fit or take too long."""
    free = free_bytes(device)
    batch = FIRST
    while batch <= LARGEST:
        unit = Unit("", job.model, job.width, job.height, (job,), batch)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        try:
            first = unit_seconds(painter, unit)
            taken = statistics.median(unit_seconds(painter, unit) for _ in range(ROUNDS))
        except (MemoryError, RuntimeError) as error:
            if not is_lack(error):
                raise
            return
        yield batch, taken
        if 2 * (torch.cuda.max_memory_allocated(device) - before) > ROOM * free or first > PATIENCE:
            return
        batch *= 2


def _too_large(what: str, device: str, free: int) -> InputError:
    return InputError(
        f"{what} does not fit into the memory of {device}, of which {free / 1e9:.1f} GB were free:"
        " use a smaller --dtype or --vae-tile, fewer --pixels, or a larger GPU"
    )
