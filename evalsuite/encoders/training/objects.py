"""Where the objects of a picture are: boxes and pixels, as the counter of `evalsuite.aspects.counter` sees them.

Letters: H x W pixels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from evalsuite.aspects.background import FRAME, background
from evalsuite.aspects.components import Box, Mask, components, eroded
from evalsuite.aspects.counter import APART, MOST, ROUGH, ROUGHEST, SMALLEST, SPECK, joined

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


class Objects(NamedTuple):
    """What stands out from the background.

    Attributes:
        mask: (H, W) foreground, one pixel off all round.
        boxes: of the objects; no order is meant.
    """

    mask: Mask
    boxes: list[Box]


def find_objects(pixels: Pixels) -> Objects | None:
    """Objects of a picture (H, W, 3); None where its border is no plain background. As many as the counter counts."""
    height, width, _ = pixels.shape
    if min(height, width) <= 2 * FRAME:
        return None
    colours, roughness = background(pixels)
    if roughness > ROUGHEST:
        return None
    mask = eroded(np.linalg.norm(pixels - colours, axis=2) > max(APART, ROUGH * roughness))
    parts = [part for part in components(mask) if part.area >= SPECK * height * width]
    largest = sorted(parts, key=lambda part: -part.area)[:MOST]
    return Objects(mask, joined([part.box for part in largest], SMALLEST * min(height, width)))
