"""One image of a run, made again into a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from evalsuite.errors import Incomplete, InputError
from evalsuite.files import keep
from evalsuite.images import encode_png
from evalsuite.plan import Unit
from evalsuite.progress import Progress, Silent
from evalsuite.records import pixel_sha256
from evalsuite.verification.repaint import PSNR, compare, place_of, repaint
from evalsuite.verification.still import StillStore, nearest

LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Regenerated:
    """An image that was made again.

    Attributes:
        id: the job's.
        file: the PNG that was written.
        pixel_sha256: of its pixels.
        recorded: of the run's image; None where it was never made, or its record is damaged.
        verdict: ``equal``, ``within tolerance``, ``differs`` or ``not recorded``.
        difference: how much, in words; empty where nothing differs or nothing is recorded.
        checked_on: the kind of machine it was made on now.
    """

    id: str
    file: str
    pixel_sha256: str
    recorded: str | None
    verdict: str
    difference: str
    checked_on: str


def regenerate(
    folder: Path, id: str, output: Path | None = None, *, device: str | None = None, progress: Progress | None = None
) -> Regenerated:
    """Make one image of a run again. The run folder is only read.

    The other images of its unit are made with it and dropped: the shape of a pass can change an image's last bits.

    Args:
        folder: a run folder.
        id: ``MODEL|PROMPT|WIDTHxHEIGHT|INDEX``, as scores.csv lists it.
        output: the PNG to write; None means one in the current folder that is named after the id.
        device: None means as the run had it where that is here, else the best one.
        progress: told of the unit's images.

    Raises:
        InputError: no such image, a file is in the way, or the model or device is not here.
        Incomplete: the image is not finite, the disk refuses, or there is not enough memory.
    """
    store = StillStore.open(folder)
    unit = _unit_of(store, id)
    place = place_of(store.manifest, device)
    path = _output(store, id, output)
    (pictures,) = repaint(store.manifest, (unit,), place, progress or Silent())
    at = [job.id for job in unit.jobs].index(id)
    record = store.record(unit)
    image = None if record is None else record["images"][at]
    picture = pictures[at]
    if picture.rgb is None:
        known = "" if image is None else f", and its record says {image['status']}"
        raise Incomplete(f"{id} has pixels that are not finite numbers{known}: there is no picture to write")
    keep(path, encode_png(picture.rgb))
    pixels = pixel_sha256(picture.rgb)
    told = (id, str(path), pixels)
    if image is None:
        return Regenerated(*told, None, "not recorded", "", place.here)
    fault, ratio = compare(store, unit.jobs[at], image, picture, place, PSNR)
    if fault:
        return Regenerated(*told, image["pixel_sha256"], "differs", fault, place.here)
    same = pixels == image["pixel_sha256"]
    close = "" if same else f"PSNR {ratio:.1f} dB"
    return Regenerated(*told, image["pixel_sha256"], "equal" if same else "within tolerance", close, place.here)


def _unit_of(store: StillStore, id: str) -> Unit:
    for unit in store.manifest.units:
        if any(job.id == id for job in unit.jobs):
            return unit
    raise InputError(f"{store.folder} has no image {id!r}; {nearest(id, (job.id for job in store.manifest.jobs))}")


def _output(store: StillStore, id: str, output: Path | None) -> Path:
    path = output or Path(re.sub(r"[^a-z0-9]+", "-", id.lower()).strip("-")[:LONGEST_NAME] + ".png")
    if path.suffix.lower() != ".png":
        raise InputError(f"--output {path}: images are written as PNG, name a file that ends in .png")
    if path.resolve().is_relative_to(store.folder.resolve()):
        raise InputError(f"--output {path} lies in the run folder, which stays as it is: name a file elsewhere")
    if path.exists() or path.is_symlink():
        raise InputError(f"{path} is there already: name another file with --output")
    if not path.parent.is_dir():
        raise InputError(f"--output {path}: there is no folder {path.parent}")
    return path
