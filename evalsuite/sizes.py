"""From an aspect ratio to a size in pixels: the area stays, the shape changes."""

from __future__ import annotations

import re
from fractions import Fraction
from math import sqrt

from evalsuite.errors import InputError

_RATIO = re.compile(r"([0-9]{1,5}):([0-9]{1,5})")
STEEPEST = 4


def parse_aspect(text: str) -> Fraction:
    """Width over height, such as ``16:9``.

    Raises:
        InputError: not two whole numbers, one of them zero, or steeper than 4:1.
    """
    match = _RATIO.fullmatch(text) if isinstance(text, str) else None
    if match is None or not int(match[1]) * int(match[2]):
        raise InputError(f"aspect {text!r} is not a ratio: write width:height in whole numbers, such as 16:9")
    ratio = Fraction(int(match[1]), int(match[2]))
    if not Fraction(1, STEEPEST) <= ratio <= STEEPEST:
        raise InputError(f"aspect {text} is beyond {STEEPEST}:1: choose a ratio from 1:4 to 4:1")
    return ratio


def size_of(aspect: str, pixels: int = 256 * 256, stride: int = 16) -> tuple[int, int]:
    """(width, height) in pixels: each the multiple of stride nearest to the side of exact area and ratio.

    At the default area 1:1 is 256x256, 3:2 is 320x208 and 16:9 is 336x192; swapping the ratio swaps the size.
    """
    ratio = parse_aspect(aspect)
    width, height = sqrt(pixels * ratio), sqrt(pixels / ratio)
    return stride * max(1, round(width / stride)), stride * max(1, round(height / stride))
