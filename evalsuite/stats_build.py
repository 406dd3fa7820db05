"""Reference statistics from images: encoded a batch at a time, summed as they come, a random part of the rows kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from evalsuite.encoders import protocol
from evalsuite.encoders.features import device_of, encoded_in_turn, images_per_pass
from evalsuite.encoders.protocol import ImageEncoder
from evalsuite.errors import InputError
from evalsuite.image_sources import Item, source_of
from evalsuite.images import BadImage, Pixels
from evalsuite.moments import Floats, MomentSums, Rows
from evalsuite.progress import Progress
from evalsuite.reference import ANY, Reference, write_reference
from evalsuite.sizes import aspect_of

BATCH = 4 * protocol.BATCH
"""Images of one size that are encoded together, at least: a GPU's pass has more."""
WAITING = 1 << 30
"""Bytes of images that wait for others of their size; beyond it the largest group goes as it is."""
SUMMED = 512
"""Rows that are added to the sums together: a call reads d x d numbers, whether it adds one row or many."""
MOST_ASPECTS = 8
"""Ratios that get moments of their own; photographs have hundreds."""
LISTED = 20
"""Corrupt images that are named."""


class Encoded(NamedTuple):
    """Features (b, d) of some images of one size, each with a random key (b,) that its place in the source decides."""

    aspect: str
    rows: Rows
    keys: Floats


class Built(NamedTuple):
    """A reference without a file, whose sha256 is empty, or None; and names of corrupt images, each with the reason."""

    reference: Reference | None
    bad: list[tuple[str, str]]


class Part:
    """Sums over the rows of one aspect ratio, and of its rows the ``keep`` with the smallest keys."""

    def __init__(self, keep: int, width: int) -> None:
        self.n, self._keep = 0, keep
        self._sums: MomentSums | None = None
        self._waiting: list[Rows] = []
        self._kept, self._keys = np.empty((0, width), np.float32), np.empty(0)

    def add(self, rows: Rows, keys: Floats) -> None:
        """Some more rows (b, d) with their keys (b,)."""
        self.n += len(rows)
        self._waiting.append(rows)
        if sum(map(len, self._waiting)) >= SUMMED:
            self._sum()
        if self._keep:
            self._kept, self._keys = np.concatenate([self._kept, rows]), np.concatenate([self._keys, keys])
            if len(self._keys) > 2 * self._keep:
                self._draw()

    def merge(self, other: Part) -> None:
        """Add another ratio's rows."""
        self._kept = np.concatenate([self._kept, other._kept])
        self._keys = np.concatenate([self._keys, other._keys])
        self.n += other.n
        other_sums = other.sums()
        if self._sums is None:
            self._sums = MomentSums.about(other_sums.shift)
        self._sums.merge(other_sums)

    def sums(self) -> MomentSums:
        """Over all rows so far, of which there is at least one."""
        self._sum()
        assert self._sums is not None
        return self._sums

    def kept(self) -> Rows:
        """The rows that were drawn (n', d), in random order."""
        self._draw()
        return self._kept

    def _sum(self) -> None:
        if self._waiting:
            rows = torch.from_numpy(np.concatenate(self._waiting)).double()  # (b, d)
            self._sums = self._sums or MomentSums.about(rows.mean(0))
            self._sums.add(rows)
            self._waiting = []

    def _draw(self) -> None:
        first = np.argsort(self._keys)[: self._keep]
        self._kept, self._keys = self._kept[first], self._keys[first]


def build(
    source: Path,
    out: Path,
    encoder: ImageEncoder,
    *,
    by_aspect: bool = False,
    keep: int = 0,
    skip_corrupt: bool = False,
    progress: Progress,
) -> Reference:
    """Write the reference file of a folder, zip archive or array of images.

    Args:
        source: see evalsuite.image_sources.
        out: the file (.npz).
        encoder: makes the features.
        by_aspect: moments of each ratio as well as of all images together.
        keep: rows to keep of each, for kernel distances.
        skip_corrupt: go on without corrupt images; they are listed and counted either way.
        progress: told of every image.

    Raises:
        InputError: nothing to read, corrupt images, or too few.
    """
    images = source_of(source, device_of(encoder).type)
    progress.start(f"features {encoder.id}", len(images))
    reference, bad = build_from(
        images, encoder, by_aspect=by_aspect, keep=keep, strict=not skip_corrupt, advance=progress.advance
    )
    for name, reason in bad[:LISTED]:
        progress.note(f"corrupt: {name}: {reason}")
    if bad and not skip_corrupt:
        raise InputError(
            f"{source}: {len(bad)} of {len(images)} images are corrupt, such as {bad[0][0]}: remove them, or leave them"
            " out with --skip-corrupt"
        )
    if bad:
        progress.note(f"{len(bad)} of {len(images)} images are corrupt, left out")
    if reference is None:
        raise InputError(f"{source}: a reference needs at least 2 images")
    return write_reference(reference, out)


def build_from(
    images: Iterable[Item],
    encoder: ImageEncoder,
    *,
    by_aspect: bool = False,
    keep: int = 0,
    strict: bool = True,
    advance: Callable[[int], None] = lambda steps: None,
) -> Built:
    """Moments and rows of images.

    Args:
        images: see evalsuite.image_sources.
        encoder: makes the features.
        by_aspect: moments of each ratio with at least two images, as well as of all together.
        keep: rows to keep of each.
        strict: from the first corrupt image on, the others are only looked at; there is no reference then.
        advance: told how many more images are done.

    Raises:
        InputError: too many ratios.
    """
    batches, parts = Batches(images, encoder, strict, advance), dict[str, Part]()
    for aspect, rows, keys in batches:
        name = aspect if by_aspect else ANY
        parts.setdefault(name, Part(keep, encoder.width)).add(rows, keys)
        if len(parts) > MOST_ASPECTS:
            raise InputError(f"images of more than {MOST_ASPECTS} aspect ratios: use --aspects any")
    if by_aspect and parts:
        parts[ANY] = _together([parts[name] for name in sorted(parts)], Part(keep, encoder.width))
    parts = {name: part for name, part in parts.items() if part.n > 1}
    if not parts or (strict and batches.bad):
        return Built(None, batches.bad)
    reference = Reference(
        aspects={name: part.sums().moments() for name, part in parts.items()},
        extractor=encoder.id,
        fingerprint=encoder.fingerprint,
        preprocessing=encoder.preprocessing,
        sha256="",
        features={name: part.kept() for name, part in parts.items()} if keep else {},
    )
    return Built(reference, batches.bad)


def _together(parts: Iterable[Part], whole: Part) -> Part:
    for part in parts:
        whole.merge(part)
    return whole


class Batches:
    """Images encoded with others of their size. A row depends on its image alone, so their order is no matter.

    Args:
        images: see evalsuite.image_sources.
        encoder: makes the features.
        strict: from the first corrupt image on, the others are only looked at.
        advance: told how many more images are done.
    """

    def __init__(
        self,
        images: Iterable[Item],
        encoder: ImageEncoder,
        strict: bool = True,
        advance: Callable[[int], None] = lambda steps: None,
    ) -> None:
        self._images, self._encoder, self._strict, self._advance = images, encoder, strict, advance
        self._waiting: dict[tuple[int, ...], list[tuple[Pixels, float]]] = {}
        self._bytes, self._most = 0, max(BATCH, images_per_pass(encoder))
        self.bad: list[tuple[str, str]] = []

    def __iter__(self) -> Iterator[Encoded]:
        for (aspect, keys), rows in encoded_in_turn(self._encoder, self._groups()):
            yield Encoded(aspect, rows, keys)

    def _groups(self) -> Iterator[tuple[tuple[str, Floats], list[Pixels]]]:
        """Images of one size, with their aspect and their random keys."""
        random = np.random.default_rng(0)
        for name, pixels in self._images:
            key = float(random.random())
            if isinstance(pixels, BadImage):
                self.bad.append((name, str(pixels)))
            elif not (self._strict and self.bad):
                group = self._waiting.setdefault(pixels.shape, [])
                group.append((pixels, key))
                self._bytes += pixels.nbytes
                if len(group) == self._most:
                    yield self._taken(pixels.shape)
                elif self._bytes > WAITING:
                    yield self._taken(max(self._waiting, key=lambda s: len(self._waiting[s]) * math.prod(s)))
            self._advance(1)
        while self._waiting and not (self._strict and self.bad):
            yield self._taken(min(self._waiting))

    def _taken(self, shape: tuple[int, ...]) -> tuple[tuple[str, Floats], list[Pixels]]:
        group = self._waiting.pop(shape)
        self._bytes -= sum(image.nbytes for image, _ in group)
        return (aspect_of(shape[1], shape[0]), np.array([key for _, key in group])), [image for image, _ in group]
