"""The background of a picture of objects: a flat colour or a smooth gradient, from its border alone.

Letters: H x W pixels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from evalsuite.resample import Floats

FRAME = 3
"""Pixels of border that are looked at."""
ROUNDS = 6
NEAR = 2.5
"""Times the middle distance: border pixels farther from the fit are objects that reach the border."""
LEAST = 6.0
"""Levels of 255: nearer than this always counts as background."""


class Background(NamedTuple):
    """What was fitted.

    Attributes:
        colours: (H, W, 3) at every pixel, in levels of 0 to 255, not clipped.
        roughness: middle distance of border pixels from it, in levels; large where the border is no such background.
    """

    colours: Floats
    roughness: float


def background(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> Background:
    """Fit each channel of the border by least squares, without the pixels that are far from the fit.

    A plane, bent along the height: the world's gradients are vertical and straight, a generator's need not be.

    Args:
        pixels: (H, W, 3), both sides longer than twice FRAME.
    """
    height, width, _ = pixels.shape
    y, x = np.mgrid[:height, :width]
    down, across = y / height - 0.5, x / width - 0.5
    terms = np.stack([np.ones((height, width)), down, down**2, across], axis=-1)  # (H, W, 4)
    border = np.ones((height, width), bool)
    border[FRAME:-FRAME, FRAME:-FRAME] = False
    known, seen = terms[border], pixels[border].astype(np.float64)  # (b, 4), (b, 3)
    kept = np.ones(len(known), bool)
    for _ in range(ROUNDS):
        plane = np.linalg.lstsq(known[kept], seen[kept], rcond=None)[0]  # (4, 3)
        away = np.linalg.norm(seen - known @ plane, axis=1)  # (b,)
        kept = away <= max(NEAR * float(np.median(away)), LEAST)
    return Background(terms @ plane, float(np.median(away)))
