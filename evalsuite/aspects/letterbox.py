"""A square picture brought into another ratio: scaled to fit, the rest filled with a neutral colour."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from PIL import Image

from evalsuite.errors import InputError
from evalsuite.images import Pixels

FRAME = 4
"""Pixels of border whose median is the border's colour."""


class Padding(StrEnum):
    """What the rest is filled with."""

    border = "border"
    black = "black"
    grey = "grey"


def padding_of(word: str) -> Padding:
    """A padding by its name.

    Raises:
        InputError: unknown.
    """
    try:
        return Padding(word)
    except ValueError as error:
        raise InputError(f"--padding {word!r} is unknown: use {', '.join(Padding)}") from error


def letterboxed(pixels: Pixels, width: int, height: int, padding: Padding = Padding.border) -> Pixels:
    """Scale a picture to fit into a size (bicubic, antialiased) and fill what is left on both sides of it.

    Args:
        pixels: uint8 (h, w, 3).
        width: of the result.
        height: of the result.
        padding: ``border`` is the median colour of the picture's own border, which adds no edge where that is plain;
            ``grey`` is what the bundled scorer itself pads with.

    Returns:
        uint8 (height, width, 3); the picture itself where it has this size.
    """
    rows, columns = pixels.shape[:2]
    if (columns, rows) == (width, height):
        return pixels
    scale = min(width / columns, height / rows)
    size = max(1, round(columns * scale)), max(1, round(rows * scale))
    scaled = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC) if size != (columns, rows) else pixels
    found = np.empty((height, width, 3), np.uint8)
    found[:] = _colour(pixels, padding)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    found[top : top + size[1], left : left + size[0]] = np.asarray(scaled)
    return found


def _colour(pixels: Pixels, padding: Padding) -> tuple[int, int, int]:
    if padding is not Padding.border:
        level = 0 if padding is Padding.black else 128
        return level, level, level
    inner = np.zeros(pixels.shape[:2], bool)
    inner[FRAME:-FRAME, FRAME:-FRAME] = True
    red, green, blue = np.round(np.median(pixels[~inner], axis=0)).astype(int).tolist()
    return red, green, blue
