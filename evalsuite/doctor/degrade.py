"""Worse versions of an image, from hardly to badly: uint8 in, uint8 out, the same on every call and every machine.

H height, W width. Widths in pixels are those of a 256 x 256 image; on others they grow with the root of the area.
"""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image, ImageFilter

from evalsuite.records import Pixels, pixel_sha256

SIDE = 256
"""Root of the area, in pixels, at which a width is meant as written."""
GREY = 128


def blur(rgb: Pixels, sigma: float) -> Pixels:
    """Gaussian blur of rgb (H, W, 3) with a standard deviation in pixels of a 256 x 256 image.

    By three box filters of the same variance (Pillow).
    """
    height, width, _ = rgb.shape
    return _array(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(sigma * math.sqrt(height * width) / SIDE)))


def noise(rgb: Pixels, sigma: float) -> Pixels:
    """White Gaussian noise on every value of rgb (H, W, 3); standard deviation as a share of the range [0, 255].

    An image always gets the same field, so that its levels differ by strength alone.
    """
    seed = int(pixel_sha256(rgb)[:16], 16)
    field = np.random.default_rng(seed).standard_normal(rgb.shape, np.float32)
    noisy: Pixels = np.rint(rgb + 255 * np.float32(sigma) * field).clip(0, 255).astype(np.uint8)
    return noisy


def jpeg(rgb: Pixels, quality: float) -> Pixels:
    """Rgb (H, W, 3) after JPEG of a quality from 1 to 95, colours at half resolution (4:2:0), as Pillow does."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=round(quality), subsampling="4:2:0")
    return _array(Image.open(file))


def resize(rgb: Pixels, factor: float) -> Pixels:
    """Rgb (H, W, 3) made smaller by a factor, by means over areas, and brought back bicubically."""
    height, width, _ = rgb.shape
    small = max(1, round(width / factor)), max(1, round(height / factor))
    image = Image.fromarray(rgb).resize(small, Image.Resampling.BOX)
    return _array(image.resize((width, height), Image.Resampling.BICUBIC))


def grey(rgb: Pixels, _: float = 0) -> Pixels:
    """Mid grey everywhere, of the shape of rgb (H, W, 3)."""
    return np.full_like(rgb, GREY)


def mirror(rgb: Pixels, _: float = 0) -> Pixels:
    """Rgb (H, W, 3) with left and right exchanged."""
    return np.ascontiguousarray(rgb[:, ::-1])


def _array(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("RGB"))
