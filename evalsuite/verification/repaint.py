"""Images of a run made again, in the units that they were made in: the shape of a pass can change their last bits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from evalsuite import machine
from evalsuite.errors import Incomplete, InputError
from evalsuite.generate import is_lack, reproducible
from evalsuite.images import BadImage, read_rgb
from evalsuite.manifest import Manifest
from evalsuite.painter import Painter
from evalsuite.plan import Job, Unit
from evalsuite.prepare import Shelf
from evalsuite.progress import Progress
from evalsuite.records import ImageRecord, Picture, Pixels, pixel_sha256
from evalsuite.spec import RunSpec
from evalsuite.store import Finished, RunStore
from evalsuite.verification.findings import Check, Finding

LEVELS = 1.0
"""Largest mean difference, in levels of 255, of an image from another kind of machine."""
PSNR = 50.0
"""Smallest peak signal-to-noise ratio of such an image, in dB."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where images are made again.

    Attributes:
        device: ``cpu``, ``cuda`` or ``cuda:1``.
        threads: CPU threads.
        same: whether this is the kind of machine that made the run, so that every bit must be the same.
        here: the kind of machine, in words.
    """

    device: str
    threads: int
    same: bool
    here: str


def place_of(manifest: Manifest, device: str | None = None) -> Place:
    """Where to make a run's images again: as the run did where that is here, else on the best device.

    Args:
        manifest: of the run.
        device: what the user wants; None leaves it open.

    Raises:
        InputError: the device is unknown or not here.
    """
    asked = RunSpec(device=device or "auto").validate_values().device
    theirs = manifest.spec.device
    lacking = theirs.startswith("cuda") and machine.best_device() == "cpu"
    wanted = asked if asked != "auto" else "cpu" if lacking else theirs
    machine.check_device(wanted)
    found = machine.describe(wanted)
    words = f"{found.device_class}, torch {found.torch}"
    return Place(wanted, manifest.spec.threads or machine.cores(), found == manifest.machine, words)


def repaint(manifest: Manifest, units: Sequence[Unit], place: Place, progress: Progress) -> Iterator[list[Picture]]:
    """The pictures of each unit, in the order of the units, which come sorted by model.

    Raises:
        InputError: a model is not here, is another one than the run's by that name, or is in fp16 on a CPU.
        Incomplete: there is not enough memory.
    """
    # A kernel may be one that only the run's kind of machine has, as may a compiler; elsewhere last bits are free.
    kernel = manifest.spec.attention if place.same or manifest.spec.attention == "linear" else "auto"
    compiled = manifest.spec.compile if place.same else "off"
    spec = replace(manifest.spec, device=place.device, attention=kernel, compile=compiled)
    if spec.dtype == "fp16" and place.device == "cpu":
        raise InputError("the run is in fp16, which a CPU hardly computes: name a GPU with --device, or --images 0")
    with reproducible(place.threads):
        for name, some in groupby(units, key=lambda unit: unit.model):
            todo = list(some)
            model = Shelf(manifest.prompts).take(name, spec)
            if model.fingerprint != (known := manifest.models[name].fingerprint):
                raise InputError(
                    f"model {name!r} here has fingerprint {model.fingerprint[:12]}, the run's had {known[:12]}:"
                    " its images cannot be made again with it"
                )
            painter = Painter(model, spec)
            progress.start(f"regenerate {name}", sum(len(unit.jobs) for unit in todo))
            for unit in todo:
                try:
                    yield painter.paint(unit)
                except (MemoryError, RuntimeError) as error:
                    if not is_lack(error):
                        raise
                    raise Incomplete(f"out of memory at {unit.batch} images of {unit.width}x{unit.height}") from error
                progress.advance(len(unit.jobs))
            del model, painter  # before the next one is loaded: two may not fit


def check_pixels(
    store: RunStore,
    sound: Sequence[Finished],
    chosen: Sequence[Finished],
    place: Place,
    progress: Progress,
    psnr: float = PSNR,
) -> Check:
    """Make the units of a few images again, and compare every image of these units.

    Args:
        store: of the run.
        sound: finished images whose files are what their records say.
        chosen: some of them.
        place: where.
        progress: told of every image.
        psnr: smallest peak signal-to-noise ratio, in dB, of an image from another kind of machine.

    Raises:
        InputError: a model is not here, or is another one.
        Incomplete: there is not enough memory.
    """
    total = len(sound)
    rule = "sha256" if place.same else f"mean difference <= {LEVELS:g}/255 and PSNR >= {psnr:g} dB"
    if not chosen:
        return Check("pixels", 0, total, rule, note="none asked for")
    ids = {finished.job.id for finished in chosen}
    units = [unit for unit in store.manifest.units if any(job.id in ids for job in unit.jobs)]
    recorded = {job.id: image for job, image in sound}
    faults: list[Finding] = []
    seen, worst = 0, math.inf
    for unit, pictures in zip(units, repaint(store.manifest, units, place, progress), strict=True):
        for job, picture in zip(unit.jobs, pictures, strict=True):
            if job.id not in recorded:
                continue
            seen += 1
            fault, ratio = compare(store, job, recorded[job.id], picture, place, psnr)
            worst = min(worst, ratio)
            if fault:
                faults.append(Finding("pixels", job.id, fault))
    note = f"{len(ids)} drawn, with the others of their {len(units)} units" if seen > len(ids) else ""
    return Check("pixels", seen, total, rule, faults, note, "0" if worst == math.inf else f"PSNR {worst:.1f} dB")


def compare(
    store: RunStore, job: Job, image: ImageRecord, picture: Picture, place: Place, psnr: float
) -> tuple[str, float]:
    """Why a picture is not the recorded one, empty where it is; and its PSNR in dB, infinite where it is the same."""
    if picture.status != image["status"]:
        return f"is {picture.status} here, {image['status']} there", 0.0
    if picture.rgb is None or image["file"] is None or pixel_sha256(picture.rgb) == image["pixel_sha256"]:
        return "", math.inf
    try:
        there = read_rgb(store.folder / image["file"])
    except BadImage as error:
        return f"{image['file']}: {error}", 0.0
    mean, ratio = difference(picture.rgb, there)
    if not place.same and mean <= LEVELS and ratio >= psnr:
        return "", ratio
    return f"differs by {mean:.3g}/255 on average, PSNR {ratio:.1f} dB", ratio


def difference(a: Pixels, b: Pixels) -> tuple[float, float]:
    """Mean absolute difference in levels of 255, and peak signal-to-noise ratio 10 log10(255^2 / MSE) in dB."""
    if a.shape != b.shape:
        return math.inf, 0.0
    apart = a.astype(np.float64) - b
    error = float(np.square(apart).mean())
    return float(np.abs(apart).mean()), 10 * math.log10(255**2 / error) if error else math.inf
