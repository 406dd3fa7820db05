"""The pictures of a report: those that the gallery shows, small, and only such as the scores were computed from.

A run folder may be anybody's: links are not followed, and every image must have the pixels whose hash is in the scores.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

from evalsuite.files import read_regular
from evalsuite.images import BadImage, read_rgb
from evalsuite.progress import Progress
from evalsuite.records import pixel_sha256
from evalsuite.scorecard import Scorecard, ScoredImage
from evalsuite.sources import Source
from reports import gallery, thumbnails
from reports.contents import Contents, Image

LARGEST_IMAGE = 1 << 28
"""Bytes of a file that is read."""


def with_pictures(contents: Contents, read: Sequence[Source], labels: Sequence[str], progress: Progress) -> Contents:
    """A report's contents with the images that its gallery shows.

    Args:
        contents: without images.
        read: the runs.
        labels: of their models, in the same order.
        progress: told of every image.
    """
    known: dict[tuple[str, tuple[Any, ...]], tuple[ScoredImage, Path]] = {}
    images = []
    for label, source in zip(labels, read, strict=True):
        for image in source.card.images:
            shown = _image(label, image, source.card)
            known[label, image.pair] = image, source.folder
            images.append(shown)
    chosen = gallery.choose(replace(contents, images=images))
    allowed = thumbnails.allowance(len(chosen))
    progress.start("look at images", len(chosen))

    def with_picture(image: Image) -> Image:
        scored, folder = known[image.model, (image.prompt_id, image.index, image.width, image.height)]
        webp, reason = picture(scored, folder, allowed)
        progress.advance()
        return replace(image, webp=webp, reason=reason)

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        found = list(pool.map(with_picture, chosen))
    if any(image.webp for image in found):
        return replace(contents, images=found)
    reason = f": {found[0].reason}" if found and found[0].reason else ""
    return replace(contents, notes=[*contents.notes, f"no image is shown{reason}"])


def _image(label: str, image: ScoredImage, card: Scorecard) -> Image:
    scores = {name: metric.values[image.id] for name, metric in card.metrics.items() if image.id in metric.values}
    about = {name: getattr(image, name) for name in ("prompt_id", "text", "tags", "aspect", "width", "height", "index")}
    return Image(label, **about, seed=image.seed, status=image.status, scores=scores)


def picture(image: ScoredImage, folder: Path, allowed: int) -> tuple[bytes | None, str]:
    """A WebP of at most ``allowed`` bytes of a scored image; or None and why.

    Only pixels that have the hash in the scores are shown, so that no scores can name a file of the reader's own and
    bring it into a report. Links are not followed.
    """
    if image.file is None or image.pixel_sha256 is None:
        return None, image.reason or image.status
    path = PurePosixPath(image.file)
    if ".." in path.parts or "\0" in image.file:
        return None, "its name leads out of the run folder"
    try:
        file = folder / path
        if not path.is_absolute() and not file.resolve().is_relative_to(folder.resolve()):
            return None, "a link leads out of the run folder"
        rgb = read_rgb(BytesIO(read_regular(file, LARGEST_IMAGE)))
    except BadImage as error:
        return None, str(error)
    except (OSError, RuntimeError) as error:
        return None, f"not in the run folder ({getattr(error, 'strerror', None) or 'not a regular file'})"
    if pixel_sha256(rgb) != image.pixel_sha256:
        return None, "changed since it was scored"
    return thumbnails.encode(rgb, allowed), ""
