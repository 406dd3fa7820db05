"""The run folder: every file whole or absent, every image checked before it is believed, work never done twice.

run.json            what the run is (`manifest`)
records/<key>.json  one per finished unit, written after its images
images/xx/<sha>.png by the hash of their pixels
failures/<key>.json why a unit could not be made; goes when it is
seen.json           what the files were when they were last read and found sound (`seen`)
.claims, .lock      who is making what (`claims`), and who is in the folder (`lock`)
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from evalsuite import records
from evalsuite.digest import canonical
from evalsuite.errors import InputError
from evalsuite.files import TEMPORARY, disk_errors, keep, read_regular, refuse_link, sweep
from evalsuite.images import encode_png
from evalsuite.lock import FolderLock
from evalsuite.manifest import Manifest
from evalsuite.plan import Job, Unit
from evalsuite.records import UNTOLD, ImageRecord, Made, Picture, UnitRecord
from evalsuite.samples import Sample
from evalsuite.seen import Seen

FOLDERS = ("records", "images", "failures", "features")


class Finished(NamedTuple):
    """A job that is done, and what its record says of its image."""

    job: Job
    image: ImageRecord


class RunStore:
    """An open run folder; this process, or its team, has its lock until close().

    Attributes:
        folder: absolute path.
        manifest: what the run is.
    """

    def __init__(self, folder: Path, manifest: Manifest, lock: FolderLock) -> None:
        """Use `create` or `open` instead."""
        self.folder = folder
        self.manifest = manifest
        self._lock = lock
        self._seen = Seen(folder)
        with disk_errors(f"make the folders of {folder}"):
            for name in FOLDERS:
                refuse_link(folder / name)
                (folder / name).mkdir(exist_ok=True)
            inner = list(_inner_folders(folder))
            for path in inner:
                refuse_link(path)
            if lock.alone:  # else these are files that another process is writing
                for path in (folder, *(folder / name for name in FOLDERS), *inner):
                    sweep(path)
        lock.share()

    @classmethod
    def create(cls, folder: Path, manifest: Manifest, *, team: bool = False) -> RunStore:
        """Start a run, or go on with the same one.

        Args:
            folder: where; may be missing.
            manifest: what the run is.
            team: whether other processes work on the same run.

        Raises:
            InputError: the folder cannot be written, is in use, holds something else, or another run.
        """
        folder = folder.absolute()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            strangers = [path.name for path in folder.iterdir() if not path.name.startswith((".lock", TEMPORARY))]
            if strangers and not (folder / "run.json").exists():
                raise InputError(f"{folder} holds other things ({min(strangers)}): choose another --output-dir")
            lock = FolderLock(folder, team=team)
        except OSError as error:
            raise InputError(f"{folder} cannot be written: {error.strerror}; choose another --output-dir") from error
        try:
            if (folder / "run.json").exists():
                there = Manifest.read(folder)
                if differences := manifest.differences(there):
                    raise InputError(f"{folder} has another run: {differences}; choose another --output-dir")
            keep(folder / "run.json", json.dumps(manifest.to_json(), indent=1, ensure_ascii=False).encode())
            return cls(folder, manifest, lock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def open(cls, folder: Path) -> RunStore:
        """Open a run that exists, made here or elsewhere.

        Raises:
            InputError: not a run folder, damaged, or in use.
        """
        folder = folder.absolute()
        manifest = Manifest.read(folder)
        try:
            lock = FolderLock(folder)
        except OSError as error:
            raise InputError(f"{folder} cannot be written: {error.strerror}; copy it first") from error
        try:
            return cls(folder, manifest, lock)
        except BaseException:
            lock.release()
            raise

    def close(self) -> None:
        """Keep what was found sound, and drop the lock; twice is harmless."""
        self._seen.save()
        self._lock.release()

    def __enter__(self) -> RunStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, unit: Unit, pictures: Sequence[Picture], seconds: float, made: Made = UNTOLD) -> None:
        """Keep a finished unit: its images first, its record last.

        Args:
            unit: one of the plan.
            pictures: of its jobs, in their order.
            seconds: how long they took.
            made: how.

        Raises:
            Incomplete: the disk is full or refuses.
        """
        images = []
        for job, picture in zip(unit.jobs, pictures, strict=True):
            png = None if picture.rgb is None else encode_png(picture.rgb)
            image = records.image_record(job, picture, png)
            if png is not None and image["file"] is not None:
                self._add_image(self.folder / image["file"], png)
            images.append(image)
        keep(self._record_path(unit), records.encode(unit, images, seconds, made))
        self._failure_path(unit).unlink(missing_ok=True)

    def fail(self, unit: Unit, reason: str) -> None:
        """Note why a unit could not be made."""
        keep(self._failure_path(unit), canonical({"unit": unit.key, "reason": reason}))

    def pending(self) -> tuple[Unit, ...]:
        """Units of the plan still to be made, in the order of work: those without a sound record and sound files."""
        return tuple(u for u in self.manifest.units if not self._seen.holds(u.key) and self.record(u) is None)

    def has(self, unit: Unit) -> bool:
        """Whether a unit's record is there; it is written last, so this is all that others of a team need to know."""
        return self._record_path(unit).exists()

    def record(self, unit: Unit) -> UnitRecord | None:
        """A unit's record; None when it is missing, or it or an image does not have the content it had."""
        try:
            record = records.decode(read_regular(self._record_path(unit)), unit)
        except OSError:
            return None
        if record is None or self._seen.holds(unit.key):
            return record
        if not all(map(self._is_whole, record["images"])):
            return None
        self._seen.note(unit.key, _files(unit, record))
        return record

    def images(self) -> tuple[Finished, ...]:
        """Every finished image, checked, sorted by job id."""
        found: list[Finished] = []
        for unit in self.manifest.units:
            record = self.record(unit)
            if record is not None:
                found += map(Finished, unit.jobs, record["images"])
        return tuple(sorted(found, key=lambda finished: finished.job.id))

    def samples(self, images: Iterable[Finished]) -> tuple[Sample, ...]:
        """The finite ones as metrics see them; constant ones too, because leaving them out would flatter a model."""
        return tuple(
            self._sample(job, image["file"], image["pixel_sha256"], image)
            for job, image in images
            if image["file"] is not None and image["pixel_sha256"] is not None
        )

    def _sample(self, job: Job, file: str, pixels: str, image: ImageRecord) -> Sample:
        return Sample(
            id=job.id,
            model=job.model,
            prompt_id=job.prompt_id,
            text=job.text,
            base=job.base,
            tags=job.tags,
            aspect=job.aspect,
            width=job.width,
            height=job.height,
            index=job.index,
            seed=job.seed,
            pixel_sha256=pixels,
            file=self.folder / file,
            trace=image["trace"],
        )

    def _record_path(self, unit: Unit) -> Path:
        return self.folder / "records" / f"{unit.key}.json"

    def _failure_path(self, unit: Unit) -> Path:
        return self.folder / "failures" / f"{unit.key}.json"

    def _add_image(self, path: Path, png: bytes) -> None:
        """Two jobs may have the same pixels; a file that is already right stays, so that its record stays true."""
        try:
            if path.parent.is_dir() and read_regular(path) == png:
                return
        except OSError:
            pass
        refuse_link(path.parent)
        keep(path, png)

    def _is_whole(self, image: ImageRecord) -> bool:
        if image["file"] is None or image["bytes"] is None:
            return image["status"] == "nonfinite"
        try:
            data = read_regular(self.folder / image["file"], limit=image["bytes"])
        except OSError:
            return False
        return len(data) == image["bytes"] and sha256(data).hexdigest() == image["file_sha256"]


def _files(unit: Unit, record: UnitRecord) -> Iterator[str]:
    yield f"records/{unit.key}.json"
    yield from (image["file"] for image in record["images"] if image["file"] is not None)


def _inner_folders(folder: Path) -> Iterator[Path]:
    for name in ("images", "features"):
        with os.scandir(folder / name) as entries:
            yield from (Path(entry.path) for entry in entries)
