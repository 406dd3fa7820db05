"""Features of samples, from the cache or else from the encoder; files are decoded ahead of the network."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from evalsuite import decoders
from evalsuite.encoders.cache import FeatureCache
from evalsuite.encoders.protocol import BATCH, Encoder, ImageEncoder
from evalsuite.errors import InputError
from evalsuite.images import BadImage
from evalsuite.metrics.base import Array
from evalsuite.read_ahead import readers
from evalsuite.records import Pixels, pixel_sha256
from evalsuite.samples import Sample

IMAGES_PER_FILE = 32 * BATCH
"""Images between two writes to the cache, about: what an interruption can cost."""
BATCHES_AHEAD = 2
"""Decoded while the network works: enough to hide a slow file, and no more memory than that."""
WAITING = 2**28
"""Bytes of a batch beyond which none is put together while the network looks at the last."""
About = TypeVar("About")


class CachedFeatures:
    """An encoder behind a cache.

    Args:
        encoder: asked only for what the cache lacks; of texts, only when it reads them.
        folder: rows go under a part of it that is named after the encoder's fingerprint.
        advance: told how many more images are done.
    """

    def __init__(self, encoder: ImageEncoder, folder: Path, advance: Callable[[int], None]) -> None:
        self.encoder = encoder
        self._advance = advance
        self._images = FeatureCache(image_folder(encoder, folder), encoder.width)
        self._texts = FeatureCache(folder / f"{encoder.fingerprint[:16]}-texts", encoder.width)

    def images(self, samples: Sequence[Sample]) -> Array:
        """Features (n, d) of the samples' images.

        Raises:
            InputError: a file is not the image that the sample says.
        """
        if not samples:
            return np.empty((0, self.encoder.width), np.float32)
        by_sha = {sample.pixel_sha256: sample for sample in samples}
        new = [by_sha[key] for key in self._images.missing(list(by_sha))]
        self._advance(len(samples) - len(new))
        new.sort(key=lambda sample: (_size(sample), sample.pixel_sha256))
        keys: list[str] = []
        rows: list[Array] = []
        for batch, found in self._encode(new):
            keys += [sample.pixel_sha256 for sample in batch]
            rows.append(found)
            if len(keys) >= IMAGES_PER_FILE:
                self._images.add(keys, np.concatenate(rows))
                keys, rows = [], []
        if keys:
            self._images.add(keys, np.concatenate(rows))
        return self._images.rows([sample.pixel_sha256 for sample in samples])

    def texts(self, texts: Sequence[str]) -> Array:
        """Features (n, d) of texts."""
        if not texts:
            return np.empty((0, self.encoder.width), np.float32)
        by_key = {_text_key(text): text for text in texts}
        new = sorted(self._texts.missing(list(by_key)))
        if new:
            self._texts.add(new, self._reader.texts([by_key[key] for key in new]))
        return self._texts.rows([_text_key(text) for text in texts])

    def truncated(self, text: str) -> bool:
        """Whether the text is longer than the encoder reads."""
        return self._reader.truncated(text)

    @property
    def _reader(self) -> Encoder:
        if not hasattr(self.encoder, "texts"):
            raise TypeError(f"encoder {self.encoder.id} reads no texts")
        return cast("Encoder", self.encoder)

    def _encode(self, samples: Sequence[Sample]) -> Iterator[tuple[Sequence[Sample], Array]]:
        """Samples that are sorted by size with their features, a batch of one size at a time."""
        step = images_per_pass(self.encoder)
        groups = [list(group) for _, group in groupby(samples, key=_size)]
        batches = [group[start : start + step] for group in groups for start in range(0, len(group), step)]
        read, each = decoders.read_here, 1
        if decoders.are_worth_it(len(samples), device_of(self.encoder).type):
            read, each = decoders.decoders().read, decoders.FILES
        with ThreadPoolExecutor(readers()) as pool:
            decoded = zip(batches, _decoded(batches, pool, read, each), strict=True)
            for batch, rows in encoded_in_turn(self.encoder, decoded):
                yield batch, rows
                self._advance(len(batch))


def image_folder(encoder: ImageEncoder, folder: Path) -> Path:
    """Where an encoder's image features are, in the folder of all features."""
    return folder / f"{encoder.fingerprint[:16]}-images"


def images_per_pass(encoder: ImageEncoder) -> int:
    """Images of a forward pass: fewer are filled up, so they cost as much."""
    return int(getattr(encoder, "batch", BATCH))


def encoded(encoder: ImageEncoder, images: Sequence[Pixels]) -> Array:
    """Features (n, d) of images (height, width, 3), all of one size."""
    return encoder.images(_stacked(images, device_of(encoder)))


def encoded_in_turn(
    encoder: ImageEncoder, batches: Iterable[tuple[About, Sequence[Pixels]]]
) -> Iterator[tuple[About, Array]]:
    """Features (n, d) of each batch of images of one size, with what came with it.

    On a GPU the next batches are put together while the network looks at one, and its thread does nothing else.
    """
    device = device_of(encoder)
    if device.type != "cuda":
        yield from ((about, encoded(encoder, images)) for about, images in batches)
        return
    here = torch.cuda.current_device() if device.index is None else device.index  # each thread has its own
    waiting: deque[tuple[About, Future[Array]]] = deque()
    with ThreadPoolExecutor(1, initializer=torch.cuda.set_device, initargs=(here,)) as network:
        for about, images in batches:
            pixels = _stacked(images, device)
            waiting.append((about, network.submit(encoder.images, pixels)))
            while waiting and len(waiting) >= (BATCHES_AHEAD if pixels.nbytes < WAITING else 1):
                about, rows = waiting.popleft()
                yield about, rows.result()
        for about, rows in waiting:
            yield about, rows.result()


def device_of(encoder: ImageEncoder) -> torch.device:
    """Where an encoder computes; the CPU where it does not say."""
    return torch.device(getattr(encoder, "device", None) or "cpu")


def _stacked(images: Sequence[Pixels], device: torch.device) -> Tensor:
    """Images of one size as uint8 (n, 3, H, W), where a GPU can fetch them by itself."""
    pixels = torch.empty((len(images), *images[0].shape), dtype=torch.uint8, pin_memory=device.type == "cuda")
    np.stack(images, out=pixels.numpy())  # (n, H, W, 3)
    return pixels.permute(0, 3, 1, 2)


def read_image(sample: Sample) -> Pixels:
    """Pixels (height, width, 3) of a sample's file.

    Raises:
        InputError: unreadable, of another size, or other pixels than the record says.
    """
    (pixels,) = _read_images([sample], decoders.read_here)
    return pixels


def _read_images(samples: Sequence[Sample], read: decoders.Read) -> list[Pixels]:
    found = read([sample.file for sample in samples])
    return [_checked(sample, pixels) for sample, pixels in zip(samples, found, strict=True)]


def _checked(sample: Sample, pixels: Pixels | BadImage) -> Pixels:
    if isinstance(pixels, BadImage):
        raise InputError(f"{sample.file} cannot be read ({pixels}): make it again") from pixels
    if pixels.shape[1::-1] != _size(sample):
        raise InputError(f"{sample.file} is {pixels.shape[1::-1]}, not {_size(sample)}: make it again")
    if pixel_sha256(pixels) != sample.pixel_sha256:
        raise InputError(f"{sample.file} has other pixels than its record says: make it again")
    return pixels


def _decoded(
    batches: Sequence[Sequence[Sample]], pool: ThreadPoolExecutor, read: decoders.Read, each: int
) -> Iterator[list[Pixels]]:
    """Each batch's pixels, in order, the next ones already on their way, ``each`` files to a reader at once."""
    waiting: deque[list[Future[list[Pixels]]]] = deque()

    def first() -> list[Pixels]:
        return [pixels for future in waiting.popleft() for pixels in future.result()]

    for batch in batches:
        parts = [batch[start : start + each] for start in range(0, len(batch), each)]
        waiting.append([pool.submit(_read_images, part, read) for part in parts])
        if len(waiting) > BATCHES_AHEAD:
            yield first()
    while waiting:
        yield first()


def _size(sample: Sample) -> tuple[int, int]:
    return sample.width, sample.height


def _text_key(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
