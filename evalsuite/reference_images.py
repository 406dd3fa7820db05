"""What images are compared with: a file of statistics, a folder of reference images, or those of the package."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from evalsuite.digest import digest
from evalsuite.encoders.features import CachedFeatures
from evalsuite.encoders.protocol import ImageEncoder
from evalsuite.errors import InputError
from evalsuite.folder import read_folder
from evalsuite.progress import Progress
from evalsuite.reference import ANY, Reference, load_reference, moments
from evalsuite.samples import Sample
from evalsuite.sizes import aspect_of

PICTURES = Path(__file__).parent / "encoders" / "data" / "reference"
"""Held-out renders of the bundled world, 60 of each ratio: a reference for any network."""
MOST_ASPECTS = 8
"""Ratios that get moments of their own; photographs have hundreds."""


def reference_for(
    encoder: ImageEncoder, uses: Collection[str], source: str | None, cache: Path, progress: Progress
) -> Reference:
    """Reference images as a network sees them.

    Args:
        encoder: the network.
        uses: of evalsuite.metrics.base.USES; with ``rows`` the features themselves are there, not just their moments.
        source: a statistics file, a folder of images, or None for those of the package.
        cache: features are kept in it.
        progress: told of every image.

    Raises:
        InputError: unreadable, made by another network, or without what a metric needs.
    """
    if source is None and encoder.id == "scenes":
        found = load_reference()
        return (
            replace(found, features=_pictures(encoder, PICTURES, cache, progress).features) if "rows" in uses else found
        )
    if source is None:
        return _pictures(encoder, PICTURES, cache, progress)
    path = Path(source)
    if path.is_dir():
        return _pictures(encoder, path, cache, progress)
    found = load_reference(path)
    if "rows" in uses and not found.features:
        raise InputError(
            f"{path} has moments only, kid and cmmd compare with features: make it with `evalsuite stats build"
            " --features N`, or name a folder of images"
        )
    return found


def _pictures(encoder: ImageEncoder, folder: Path, cache: Path, progress: Progress) -> Reference:
    samples = _samples(folder)
    progress.start(f"reference {encoder.id}", len(samples))
    rows = CachedFeatures(encoder, cache, progress.advance).images(samples)
    parts = _parts(samples)
    features = {aspect: rows[index] for aspect, index in parts.items()}
    return Reference(
        aspects={aspect: moments(own) for aspect, own in features.items()},
        extractor=encoder.id,
        fingerprint=encoder.fingerprint,
        preprocessing=encoder.preprocessing,
        sha256=digest(sorted(sample.pixel_sha256 for sample in samples)),
        features=features,
    )


def _parts(samples: Sequence[Sample]) -> dict[str, list[int]]:
    """Positions by ratio, where there are few ratios with enough images each; always of all together."""
    counts = Counter(sample.aspect for sample in samples)
    parts = {ANY: list(range(len(samples)))}
    if len(counts) <= MOST_ASPECTS and min(counts.values()) > 1:
        for aspect in sorted(counts):
            parts[aspect] = [i for i, sample in enumerate(samples) if sample.aspect == aspect]
    return parts


def _samples(folder: Path) -> list[Sample]:
    images = read_folder(folder, None).entries
    if bad := [image for image in images if image.status == "corrupt"]:
        raise InputError(
            f"{bad[0].file}: {bad[0].reason}; {len(bad)} of {len(images)} reference images are corrupt: remove them"
        )
    if len(images) < 2:
        raise InputError(f"{folder} has {len(images)} images: a reference needs at least 2")
    return [
        Sample(
            id=str(image.file),
            model="reference",
            prompt_id=str(image.file),
            text="",
            base=None,
            tags=(),
            aspect=aspect_of(image.width, image.height),
            width=image.width,
            height=image.height,
            index=0,
            seed=0,
            pixel_sha256=image.pixel_sha256 or "",
            file=image.file,
        )
        for image in images
        if image.file is not None
    ]
