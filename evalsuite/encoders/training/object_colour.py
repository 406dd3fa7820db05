"""The colour of a tinted object from its pixels alone: the nearest of the eleven tints. No network.

`backbones.training.render.tint` maps luminance to a path in RGB, from a dark shade over the colour to a light one. A
pixel of an object in that tint lies on the path; so the object has the tint whose path its pixels are nearest to, by
their mean distance. Nothing is fitted to pictures.

Letters: n pixels, K tints, S straight pieces of a path.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from backbones.training.render import tint
from backbones.training.scene import COLOURS
from evalsuite.aspects.components import eroded
from evalsuite.aspects.counter import Objects, Pixels

SOME = 600
"""Pixels of an object that are looked at, at equal distances."""
Floats = np.ndarray[Any, np.dtype[np.float64]]


def path(colour: str) -> Floats:
    """The tint's dark end, middle and light end (3, 3), in levels of 0 to 255."""
    levels = np.array([[0, 127, 255]], np.uint8)
    grey = np.dstack([levels, levels, levels, np.full_like(levels, 255)])  # (1, 3, 4)
    toned: Floats = np.asarray(tint(Image.fromarray(grey, "RGBA"), COLOURS[colour]).convert("RGB"), np.float64)[0]
    return toned


PATHS = np.stack([path(colour) for colour in COLOURS])  # (K, 3, 3)


def distances(pixels: Floats) -> Floats:
    """Distance of pixels (n, 3) from every tint's path (n, K), as a length in RGB."""
    start, piece = PATHS[:, :-1], np.diff(PATHS, axis=1)  # (K, S, 3)
    away = pixels[:, None, None] - start  # (n, K, S, 3)
    along = (away * piece).sum(-1) / (piece * piece).sum(-1)
    nearest = along.clip(0, 1)[..., None] * piece
    found: Floats = np.linalg.norm(away - nearest, axis=-1).min(axis=-1)
    return found


def object_colour(pixels: Pixels, objects: Objects) -> str | None:
    """The named tint of all objects of a picture (H, W, 3) together; None where there is none."""
    seen = pixels[eroded(objects.mask)]  # the rim is mixed with the background
    if not len(seen):
        return None
    some = seen[np.arange(min(SOME, len(seen))) * len(seen) // min(SOME, len(seen))].astype(np.float64)
    return list(COLOURS)[int(distances(some).mean(axis=0).argmin())]
