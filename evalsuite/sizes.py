"""From an aspect ratio to a size in pixels, where the area stays and the shape changes; and back."""

from __future__ import annotations

import re
from fractions import Fraction
from math import sqrt

from evalsuite.errors import InputError

_RATIO = re.compile(r"([0-9]{1,5}):([0-9]{1,5})")
STEEPEST = 4
"""Of the images that we make."""
_EXACT = 32
_USUAL = tuple(Fraction(*sides) for sides in ((1, 1), (5, 4), (4, 3), (3, 2), (16, 9), (2, 1), (21, 9), (3, 1), (4, 1)))
_NEAR = Fraction(3, 100)
_LONGEST = 99_999


def parse_ratio(text: str) -> Fraction:
    """Width over height of an image made anywhere, such as ``16:9``.

    Raises:
        InputError: not two whole numbers of at most five digits, or one of them zero.
    """
    match = _RATIO.fullmatch(text) if isinstance(text, str) else None
    if match is None or not int(match[1]) * int(match[2]):
        raise InputError(f"aspect {text!r} is not a ratio: write width:height in whole numbers, such as 16:9")
    return Fraction(int(match[1]), int(match[2]))


def parse_aspect(text: str) -> Fraction:
    """Width over height of an image to make, such as ``16:9``.

    Raises:
        InputError: not a ratio, or steeper than 4:1.
    """
    ratio = parse_ratio(text)
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


def aspect_of(width: int, height: int) -> str:
    """The ratio of an image made anywhere, as text that `parse_ratio` takes; turning the image turns the text.

    The nearest usual ratio within 3 % (1344x768 and our own 336x192 are 16:9), else exact where both numbers are at
    most 32, else in hundredths (1000x617 is 81:50); beyond 100:1 in whole numbers.

    Args:
        width: pixels, at least 1.
        height: pixels, at least 1.
    """
    if min(width, height) < 1:
        raise ValueError(f"{width}x{height} is no size of an image")
    ratio = _rounded(Fraction(max(width, height), min(width, height)))
    long, short = ratio.numerator, ratio.denominator
    if (long, short) == (7, 3):
        long, short = 21, 9  # as people call it
    return f"{long}:{short}" if width >= height else f"{short}:{long}"


def _rounded(ratio: Fraction) -> Fraction:
    off, usual = min((max(ratio / usual, usual / ratio) - 1, usual) for usual in _USUAL)
    if off <= _NEAR:
        return usual
    if ratio.numerator <= _EXACT:
        return ratio
    return Fraction(round(100 * ratio), 100) if ratio < 100 else Fraction(min(round(ratio), _LONGEST))
