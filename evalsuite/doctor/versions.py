"""Other versions of a set of images: with other prompts, with other pixels, or with copies among them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from evalsuite.doctor.copies import with_copies
from evalsuite.encoders.features import read_image
from evalsuite.files import disk_errors
from evalsuite.image_set import Expected, ImageSet
from evalsuite.images import encode_png
from evalsuite.metrics.base import cluster_of
from evalsuite.records import Pixels, pixel_sha256
from evalsuite.samples import Sample


def of(samples: Iterable[Sample], like: ImageSet) -> ImageSet:
    """Samples as a set of images, without tags: only the whole set is looked at.

    Args:
        samples: of one model.
        like: whose folder and prompts it has.
    """
    bare = sorted((replace(sample, tags=()) for sample in samples), key=lambda sample: sample.id)
    expected = tuple(Expected(_about(sample), "ok", sample) for sample in bare)
    return ImageSet(like.models, expected, like.folder, like.circumstances, like.has_prompts)


def with_pixels(images: ImageSet, apply: Callable[[Pixels, float], Pixels], strength: float, scratch: Path) -> ImageSet:
    """The images changed one by one, as lossless files like any others.

    Args:
        images: as they are.
        apply: pixels and the strength to pixels of the same size.
        strength: of it.
        scratch: an existing folder that the files go to.

    Raises:
        InputError: an image file is not what its record says.
        Incomplete: the disk is full or refuses.
    """

    def change(sample: Sample) -> Sample:
        pixels = apply(read_image(sample), strength)
        name = pixel_sha256(pixels)
        file = scratch / f"{name}.png"
        file.write_bytes(encode_png(pixels))
        return replace(sample, pixel_sha256=name, file=file)

    with disk_errors(f"write images in {scratch}"), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return of(pool.map(change, images.samples), images)


def with_texts(images: ImageSet, texts: Mapping[str, str | None]) -> ImageSet:
    """The images with other prompts.

    Args:
        images: as they are.
        texts: prompt id to its text; images of a prompt without one are left out.
    """
    found = ((sample, texts[sample.prompt_id]) for sample in images.samples)
    return of((replace(sample, text=text) for sample, text in found if text is not None), images)


def with_copied(images: ImageSet, share: float, draw: int) -> tuple[ImageSet, dict[str, str]]:
    """The images with copies among them by one of several choices, and of each, by id, the family of what it shows."""
    found = with_copies(images.samples, share, draw)
    sources = {sample.id: cluster_of(source) for sample, source in zip(found.samples, found.sources, strict=True)}
    return of(found.samples, images), sources


def _about(sample: Sample) -> dict[str, object]:
    names = ("id", "model", "prompt_id", "text", "base", "tags", "aspect", "width", "height", "index", "seed")
    return {name: getattr(sample, name) for name in names}
