"""How many images a pass has where that is left open: 4 on a CPU, on a GPU what a measurement says.

The number can change the last bits of an image, so it is settled before the plan is cut into units, and stands in
``run.json``; a run that goes on keeps it. Measurements are kept beside the weights, one for each model, size, dtype and
device, so that the same command finds the same run again and the processes of a team agree: one measures, the others
wait for it. A dry run uses what is kept, and keeps nothing.

A CPU is not measured: the same command would make other bytes, in another folder, on every fresh machine that happened
to be busy. What that costs was measured once, on 2 cores and at 256 pixels, in images a second at 1, 2, 4, 8 and 16
images: the bundled DiT 2.9, 3.6, 4.1, 4.2 and 4.0, the U-Net 2.3, 3.2, 4.1, 4.6 and 5.2.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from evalsuite import compiling
from evalsuite.batch_search import Seconds, measure, paying
from evalsuite.claims import Claims
from evalsuite.digest import canonical, digest
from evalsuite.errors import Incomplete, InputError
from evalsuite.files import keep, read_regular
from evalsuite.manifest import Manifest
from evalsuite.prepare import Shelf, folder_of
from evalsuite.progress import Progress
from evalsuite.sampling import predictions
from evalsuite.share import ALONE, Share
from evalsuite.spec import RunSpec
from evalsuite.weights import places

POLL = 0.2
FORMAT = 2  # before, batches of 1 and 2 were not measured


class Work(NamedTuple):
    """What one model has to make.

    Attributes:
        images: of each size.
        seconds: of a unit, by batch size.
    """

    images: Sequence[int]
    seconds: Seconds


def with_batch_size(
    manifest: Manifest,
    asked: RunSpec,
    shelf: Shelf,
    progress: Progress,
    share: Share = ALONE,
    *,
    write: bool = True,
) -> Manifest:
    """The run with its batch size settled.

    Args:
        manifest: with the number that `RunSpec.resolved` gives.
        asked: as the user asked; only ``auto`` is settled here.
        shelf: with the models. The first of the run is kept on it.
        progress: told what was found.
        share: of this process. Shards may share no disk, and so measure nothing.
        write: whether a measurement is kept for the commands that come; a dry run keeps nothing.

    Raises:
        InputError: not even one image of a model fits into the device's memory.
    """
    if asked.batch_size != "auto":
        return manifest
    found = _of_folder(manifest)
    if found is None and manifest.spec.device.startswith("cuda") and not share.shard:
        found = _measured(manifest, shelf, progress, share, write)
    return manifest if found is None else of_batch(manifest, asked, found)


def of_batch(manifest: Manifest, asked: RunSpec, batch: int) -> Manifest:
    """The run with this number; whether compiling pays depends on how many units there are."""
    spec = replace(manifest.spec, batch_size=batch)
    passes = max(predictions(spec.steps, facts.sampler) for facts in manifest.models.values())
    compiled = compiling.settled(asked.compile, spec.device, replace(manifest, spec=spec).units, passes)
    return replace(manifest, spec=replace(spec, compile=compiled))


def best(works: Iterable[Work]) -> int | None:
    """The batch size, of those that pay for every model, that makes all images soonest; the smaller where two do.

    A short unit costs as much as a whole one, so this is not always the one of most images a second. None where
    nothing was measured.
    """
    works = [work for work in works if work.seconds]
    if not works:
        return None
    common = set.intersection(*(set(paying(work.seconds)) for work in works))
    return min(sorted(common), key=lambda batch: sum(_total(work, batch) for work in works), default=None)


def _total(work: Work, batch: int) -> float:
    return sum(-(-images // batch) for images in work.images) * work.seconds[batch]


def _of_folder(manifest: Manifest) -> int | None:
    """What the run folder has already: one that the user names, or the one that shards, which measure nothing, made."""
    try:
        found = Manifest.read(folder_of(manifest)).spec.batch_size
    except InputError:  # said where the folder is opened
        return None
    return found if isinstance(found, int) else None


def _measured(manifest: Manifest, shelf: Shelf, progress: Progress, share: Share, write: bool) -> int | None:
    folder = places.cache().parent / "batch-sizes"
    if not write:
        return _best(manifest, shelf, progress, folder, write)
    try:
        with _alone_in(folder):
            return _best(manifest, shelf, progress, folder, write)
    except Incomplete as error:
        progress.note(f"{error.args[0]}: no batch size is measured")
        return None if not share.alone else _best(manifest, shelf, progress, None, write)


def _best(manifest: Manifest, shelf: Shelf, progress: Progress, folder: Path | None, write: bool) -> int | None:
    works = []
    for name in reversed(manifest.spec.models):  # the one that is made first comes last, and stays
        counts = Counter((job.width, job.height) for job in manifest.jobs if job.model == name)
        largest = max(counts, key=lambda size: (size[0] * size[1], size))
        path = folder and folder / f"{digest(_facts(manifest, name, largest))}.json"
        seconds = _read(path) if path else None
        if seconds is None:
            seconds = measure(manifest, name, largest, shelf)
            if path and seconds and write:
                keep(path, canonical({"format": FORMAT, "seconds": {str(b): s for b, s in seconds.items()}}))
            elif seconds and not write:
                progress.note(f"{name}: a dry run does not keep what it measures; the run measures at its start")
        if seconds:
            rates = ", ".join(f"{batch}: {batch / taken:.3g}" for batch, taken in sorted(seconds.items()))
            progress.note(f"{name} at {largest[0]}x{largest[1]}, images/s by batch size: {rates}")
        works.append(Work(tuple(counts.values()), seconds))
    return best(works)


def _facts(manifest: Manifest, name: str, size: tuple[int, int]) -> list[object]:
    """What a measurement depends on."""
    spec, facts = manifest.spec, manifest.models[name]
    passes = predictions(spec.steps, facts.sampler)
    kernels = [spec.dtype, spec.vae_dtype, spec.attention, spec.vae_tile, spec.guidance == 1]
    return [FORMAT, facts.fingerprint, *size, passes, *kernels, manifest.machine.device_class, manifest.machine.torch]


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process measures; raises Incomplete where the disk refuses."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Incomplete(f"cannot make {folder}: {error.strerror or error}") from error
    with Claims(folder) as claims:
        while not claims.take(0):
            time.sleep(POLL)
        yield


def _read(path: Path) -> dict[int, float] | None:
    try:
        data = json.loads(read_regular(path))
        found = {int(batch): float(taken) for batch, taken in data["seconds"].items()}
        return found if data["format"] == FORMAT and all(0 < taken < 1e9 for taken in found.values()) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
