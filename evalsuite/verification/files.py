"""Every record and image of a run, read again in full and compared with the hashes that were written with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from evalsuite import records
from evalsuite.files import read_regular
from evalsuite.images import BadImage, read_rgb
from evalsuite.plan import Job, Unit
from evalsuite.progress import Progress
from evalsuite.records import ImageRecord, pixel_sha256
from evalsuite.store import Finished, RunStore
from evalsuite.verification.findings import Check, Finding

THREADS = 4
"""Hashing and decoding leave Python's lock."""


@dataclass(frozen=True, slots=True)
class Files:
    """What the files of a run say.

    Attributes:
        records: the check of its records.
        images: the check of its images.
        finished: images with a sound record, whatever became of their files, sorted by job id.
        sound: of them, those whose file is what it was.
        missing: images of the plan whose unit was never finished.
    """

    records: Check
    images: Check
    finished: tuple[Finished, ...]
    sound: tuple[Finished, ...]
    missing: int


def check_files(store: RunStore, progress: Progress) -> Files:
    """Read every record and image of the plan; what lies in the folder besides is counted in the notes."""
    units = store.manifest.units
    faults: list[Finding] = []
    finished: list[Finished] = []
    unmade: list[Unit] = []
    for unit in units:
        found = _record(store.folder, unit)
        if found is None:
            unmade.append(unit)
        elif isinstance(found, Finding):
            faults.append(found)
        else:
            finished += found
    finished.sort(key=lambda image: image.job.id)
    progress.start("check images", len(finished))
    sound, differing = [], []
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        for image, fault in zip(finished, pool.map(lambda one: _image(store.folder, *one), finished), strict=True):
            progress.advance()
            if fault is None:
                sound.append(image)
            else:
                differing.append(Finding("images", image.job.id, fault))
    return Files(
        records=Check("records", len(units) - len(unmade), len(units), "sha256", faults, _strangers(store, "records")),
        images=Check("images", len(finished), len(store.manifest.jobs), "sha256 of file and pixels", differing),
        finished=tuple(finished),
        sound=tuple(sound),
        missing=sum(len(unit.jobs) for unit in unmade),
    )


def _record(folder: Path, unit: Unit) -> list[Finished] | Finding | None:
    """A unit's images; None when it was never finished, a finding when its record is not what was written."""
    name = f"{unit.key}.json"
    try:
        record = records.decode(read_regular(folder / "records" / name), unit)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Finding("records", name, f"cannot be read: {error.strerror or error}")
    if record is None:
        return Finding("records", name, f"damaged or altered; its {len(unit.jobs)} images cannot be checked")
    return list(map(Finished, unit.jobs, record["images"]))


def _image(folder: Path, job: Job, image: ImageRecord) -> str | None:
    """Why an image is not the one of its record; None where it is."""
    if image["file"] is None or image["bytes"] is None:
        return None
    try:
        data = read_regular(folder / image["file"])
    except FileNotFoundError:
        return f"{image['file']} is not there"
    except OSError as error:
        return f"{image['file']} cannot be read: {error.strerror or error}"
    if len(data) != image["bytes"]:
        return f"{image['file']} has {len(data)} bytes, its record says {image['bytes']}"
    if (found := sha256(data).hexdigest()) != image["file_sha256"]:
        return f"{image['file']} has sha256 {found[:12]}, its record says {str(image['file_sha256'])[:12]}"
    try:
        rgb = read_rgb(BytesIO(data))
    except BadImage as error:
        return f"{image['file']}: {error}"
    if rgb.shape[1::-1] != (job.width, job.height):
        return f"{image['file']} is {rgb.shape[1]}x{rgb.shape[0]}, the plan says {job.width}x{job.height}"
    if (found := pixel_sha256(rgb)) != image["pixel_sha256"]:
        return f"{image['file']} has pixels {found[:12]}, its record says {str(image['pixel_sha256'])[:12]}"
    return None


def _strangers(store: RunStore, name: str) -> str:
    known = {f"{unit.key}.json" for unit in store.manifest.units}
    others = sum(path not in known for path in _names(store.folder / name))
    return f"{others} files in {name}/ are not of the plan" if others else ""


def _names(folder: Path) -> Iterator[str]:
    if folder.is_dir():
        yield from (path.name for path in folder.iterdir() if not path.name.startswith("."))
