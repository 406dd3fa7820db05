"""Features of samples, from the cache or else from the encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from evalsuite.encoders.cache import FeatureCache
from evalsuite.encoders.protocol import BATCH, Encoder
from evalsuite.errors import InputError
from evalsuite.metrics.base import Array
from evalsuite.records import Pixels, pixel_sha256
from evalsuite.samples import Sample

IMAGES_PER_FILE = 32 * BATCH
"""Images between two writes to the cache: what an interruption can cost."""


class CachedFeatures:
    """An encoder behind a cache.

    Args:
        encoder: asked only for what the cache lacks.
        folder: rows go under a part of it that is named after the encoder's fingerprint.
        advance: told how many more images are done.
    """

    def __init__(self, encoder: Encoder, folder: Path, advance: Callable[[int], None]) -> None:
        self.encoder = encoder
        self._advance = advance
        name = encoder.fingerprint[:16]
        self._images = FeatureCache(folder / f"{name}-images", encoder.width)
        self._texts = FeatureCache(folder / f"{name}-texts", encoder.width)

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
        for start in range(0, len(new), IMAGES_PER_FILE):
            some = new[start : start + IMAGES_PER_FILE]
            rows = [self._encode(list(group)) for _, group in groupby(some, key=_size)]
            self._images.add([sample.pixel_sha256 for sample in some], np.concatenate(rows))
        return self._images.rows([sample.pixel_sha256 for sample in samples])

    def texts(self, texts: Sequence[str]) -> Array:
        """Features (n, d) of texts."""
        if not texts:
            return np.empty((0, self.encoder.width), np.float32)
        by_key = {_text_key(text): text for text in texts}
        new = sorted(self._texts.missing(list(by_key)))
        if new:
            self._texts.add(new, self.encoder.texts([by_key[key] for key in new]))
        return self._texts.rows([_text_key(text) for text in texts])

    def _encode(self, samples: Sequence[Sample]) -> Array:
        """Features of samples of one size, which are decoded a batch at a time."""
        rows = []
        for start in range(0, len(samples), BATCH):
            pixels = np.stack([read_image(sample) for sample in samples[start : start + BATCH]])  # (B, H, W, 3)
            rows.append(self.encoder.images(torch.from_numpy(pixels).permute(0, 3, 1, 2)))
            self._advance(len(pixels))
        return np.concatenate(rows)


def read_image(sample: Sample) -> Pixels:
    """Pixels (height, width, 3) of a sample's file.

    Raises:
        InputError: unreadable, of another size, or other pixels than the record says.
    """
    try:
        with Image.open(sample.file, formats=("PNG",)) as image:
            if image.size != _size(sample):
                raise InputError(f"{sample.file} is {image.size}, not {_size(sample)}: generate it again")
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{sample.file} cannot be read ({error}): generate it again") from error
    if pixel_sha256(pixels) != sample.pixel_sha256:
        raise InputError(f"{sample.file} has other pixels than its record says: generate it again")
    return pixels


def _size(sample: Sample) -> tuple[int, int]:
    return sample.width, sample.height


def _text_key(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
