"""What a finished unit says about its images, and what a record must look like to be believed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

import numpy as np

from evalsuite.digest import canonical, digest
from evalsuite.plan import Job, Unit
from evalsuite.samples import Trace

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Status = Literal["ok", "nonfinite", "constant"]
STATUSES = ("ok", "nonfinite", "constant")
PNG_EXTRA = 1024  # bytes over the pixels' own when they cannot be compressed at all
TRACE_BYTES = 300  # per step and image, as JSON
HASH = re.compile(r"[0-9a-f]{64}")


class Picture(NamedTuple):
    """An image as it was made.

    Attributes:
        status: ``nonfinite`` when a latent, a pixel or the trace is not a number; ``constant`` when all pixels agree.
        rgb: (height, width, 3) uint8, or None when not finite.
        trace: the prediction along its path, or None when not finite, or when no step tells a velocity.
    """

    status: Status
    rgb: Pixels | None
    trace: Trace | None


class Made(NamedTuple):
    """How a unit was made, as far as the plan does not say.

    Attributes:
        attention: PyTorch's operators that computed attention; empty where none did, or none was watched.
        tile: side in pixels of the tiles it was decoded in; None when it was decoded whole.
        execution: how its passes ran, see `evalsuite.compiling.Execution`; empty where nothing can be said.
    """

    attention: tuple[str, ...] = ()
    tile: int | None = None
    execution: str = ""


UNTOLD = Made()


class ImageRecord(TypedDict):
    """One image of a unit; the file's three fields are null when the image is not finite."""

    job: str
    prompt_id: str
    index: int
    seed: int
    aspect: str
    file: str | None
    bytes: int | None
    file_sha256: str | None
    pixel_sha256: str | None
    status: Status
    trace: Trace | None


class UnitRecord(TypedDict):
    """A unit that is done. ``sha256`` is over the rest, so that a damaged record is not believed."""

    unit: str
    model: str
    width: int
    height: int
    batch: int
    seconds: float
    attention: NotRequired[list[str]]
    tile: NotRequired[int | None]
    execution: NotRequired[str]
    images: list[ImageRecord]
    sha256: NotRequired[str]


def pixel_sha256(rgb: Pixels) -> str:
    """An image's identity: SHA-256, in hex, of ``WIDTHxHEIGHTx3|`` and the RGB bytes of rgb (height, width, 3)."""
    height, width, _ = rgb.shape
    return sha256(f"{width}x{height}x3|".encode() + rgb.tobytes()).hexdigest()


def image_record(job: Job, picture: Picture, png: bytes | None) -> ImageRecord:
    """The record of one image; png is its file's content, None when it has none."""
    pixels = None if picture.rgb is None else pixel_sha256(picture.rgb)
    return {
        "job": job.id,
        "prompt_id": job.prompt_id,
        "index": job.index,
        "seed": job.seed,
        "aspect": job.aspect,
        "file": pixels and image_file(pixels),
        "bytes": None if png is None else len(png),
        "file_sha256": None if png is None else sha256(png).hexdigest(),
        "pixel_sha256": pixels,
        "status": picture.status,
        "trace": picture.trace,
    }


def image_file(pixels: str) -> str:
    """Where an image lies in a run folder, by its pixels' hash: names are made of hex digits only."""
    return f"images/{pixels[:2]}/{pixels}.png"


def largest_bytes(units: Iterable[Unit], steps: int) -> int:
    """What units take on disk if no image can be compressed."""
    extra = PNG_EXTRA + TRACE_BYTES * steps
    return sum(len(unit.jobs) * (3 * unit.width * unit.height + extra) for unit in units)


def encode(unit: Unit, images: Sequence[ImageRecord], seconds: float, made: Made = UNTOLD) -> bytes:
    """A unit's record as a file's content."""
    record: UnitRecord = {
        "unit": unit.key,
        "model": unit.model,
        "width": unit.width,
        "height": unit.height,
        "batch": unit.batch,
        "seconds": seconds,
        "attention": list(made.attention),
        "tile": made.tile,
        "images": list(images),
    }
    if made.execution:
        record["execution"] = made.execution
    return canonical(record | {"sha256": digest(record)})


def decode(data: bytes, unit: Unit) -> UnitRecord | None:
    """The record in a file's content, or None when it is damaged or not of this unit."""
    try:
        record: UnitRecord = json.loads(data)
        claimed = record.pop("sha256")
        sound = record["unit"] == unit.key and (_says(data, claimed) or claimed == digest(record))
        return record if sound and _fits(record, unit) else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _says(data: bytes, claimed: str) -> bool:
    """Whether a record's text, as `encode` wrote it, has the hash that stands in it: without writing it again."""
    own = f'"sha256":"{claimed}",'.encode()
    before, found, after = data.partition(own)
    return bool(found) and own not in after and sha256(before + after).hexdigest() == claimed


def _fits(record: UnitRecord, unit: Unit) -> bool:
    images = record["images"]
    return [image["job"] for image in images] == [job.id for job in unit.jobs] and all(map(_is_sound, images))


def _is_sound(image: ImageRecord) -> bool:
    if image["status"] not in STATUSES:
        return False
    pixels, file = image["pixel_sha256"], image["file"]
    if image["status"] == "nonfinite":
        return pixels is None and file is None
    hashes = (pixels, image["file_sha256"])
    named = all(HASH.fullmatch(value or "") for value in hashes) and file == image_file(pixels or "")
    return named and isinstance(image["bytes"], int)
