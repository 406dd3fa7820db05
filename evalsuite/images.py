"""Image files from anywhere as RGB pixels, and back: what is damaged, huge or of another kind is refused, and why."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np
from PIL import Image, UnidentifiedImageError

from evalsuite.png import read_plain

FORMATS = ("PNG", "JPEG", "WEBP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
LARGEST = 64_000_000
"""Pixels of an image, 192 MB of RGB."""

Pixels: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


class BadImage(ValueError):  # noqa: N818 - said where an image is listed, as a kind of image
    """An image that cannot be used; its message is the reason alone, without the file's name."""


def read_rgb(source: Path | IO[bytes], limit_pixels: int = LARGEST) -> Pixels:
    """Pixels of a PNG, JPEG or WebP image.

    Grey and palette images become RGB, 16-bit samples keep their high byte, transparency is dropped and an animation
    gives its first frame. The orientation that a camera noted is not applied: no peer's FID does.

    Args:
        source: a regular file, or an open one that can seek.
        limit_pixels: an image of more is refused before it is decoded.

    Returns:
        uint8 (height, width, 3).

    Raises:
        BadImage: not one of these formats, damaged, or too large.
    """
    if isinstance(source, Path) and not source.is_file():  # a pipe would make us wait for ever
        raise BadImage("not a regular file" if source.exists() else "no such file")
    try:
        if (plain := read_plain(source, min(limit_pixels, LARGEST))) is not None:
            return _as_rgb(plain)
        with Image.open(source, formats=FORMATS) as image:
            if image.width * image.height > limit_pixels:
                raise BadImage(_too_large(f"{image.width} x {image.height}", limit_pixels))
            return _as_rgb(image)
    except BadImage:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadImage(_too_large("far too many", limit_pixels)) from error
    except UnidentifiedImageError as error:
        raise BadImage("not a PNG, JPEG or WebP image") from error
    except Exception as error:  # decoders raise whatever damaged bytes lead them to: struct.error, IndexError, ...
        raise BadImage(f"damaged: {' '.join(str(error).split()) or type(error).__name__}") from error


def find_images(folder: Path) -> list[Path]:
    """Image files under a folder at any depth, by suffix, sorted by their path within it.

    Hidden names are left out, and links to folders are not followed: they may lead in circles.
    """
    found = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(where, name) for name in names if is_image_name(name)]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def is_image_name(name: str) -> bool:
    """Whether a file's name, without folders, is that of an image and not hidden."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def _as_rgb(image: Image.Image) -> Pixels:
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow's own conversion would clip at 255
        grey = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if "transparency" in image.info:  # Pillow warns of a palette's transparency unless it goes by way of RGBA
        image = image.convert("RGBA")
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _too_large(size: str, limit: int) -> str:
    return f"{size} pixels, more than {limit / 1e6:g} million"


def encode_png(rgb: Pixels) -> bytes:
    """A lossless PNG of rgb (height, width, 3)."""
    buffer = BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
