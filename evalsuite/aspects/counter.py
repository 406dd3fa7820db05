"""How many objects a picture of the bundled world shows, from its pixels alone: no network, no caption.

What differs from the background is foreground; its connected parts are objects, or fragments of one where a part of it
has the background's colour. The objects of a picture are of about one size, and none is smaller than a share of the
picture: parts that fit together into one such size are one object, and parts far below it are a fragment of the
nearest. Its own error, on real renders at every aspect ratio, is in ``counter.json``, with what measured it.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from evalsuite.aspects.background import FRAME, background
from evalsuite.aspects.components import Box, Mask, components, eroded
from evalsuite.digest import digest

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

VERSION = 1
ACCURACY = Path(__file__).parent / "counter.json"
APART = 36.0
"""Levels of 255, as a length in RGB: a pixel farther from the background is foreground."""
ROUGH = 6.0
"""Times the border's roughness: the same, where a background is noisy."""
ROUGHEST = 12.0
"""Levels of 255: a border rougher than this is no plain background, and nothing is counted."""
SPECK = 0.0006
"""Of the picture's area: smaller parts are noise."""
MOST = 64
"""Parts that are looked at, the largest: pictures of many more are no such scenes."""
SMALLEST = 0.3
"""Of the shorter side: no object is smaller."""
SLACK = 1.1
"""Times the size of an object: parts that fit into it are one."""
FRAGMENT = 0.5
"""Of the size of an object: a smaller part is a fragment of the nearest."""
SETTINGS = (VERSION, FRAME, APART, ROUGH, ROUGHEST, SPECK, MOST, SMALLEST, SLACK, FRAGMENT)


class Objects(NamedTuple):
    """What stands out from the background of a picture of H x W pixels.

    Attributes:
        mask: (H, W) foreground, one pixel off all round.
        boxes: of the objects; no order is meant.
    """

    mask: Mask
    boxes: list[Box]


def count_objects(pixels: Pixels) -> int | None:
    """Objects in a picture: 0 or more, None where `find_objects` finds no ground to look on."""
    found = find_objects(pixels)
    return None if found is None else len(found.boxes)


def find_objects(pixels: Pixels) -> Objects | None:
    """Where the objects of a picture are.

    Args:
        pixels: (H, W, 3).

    Returns:
        None where the border is no plain background or the picture is too small to have one.
    """
    height, width, _ = pixels.shape
    if min(height, width) <= 2 * FRAME:
        return None
    colours, roughness = background(pixels)
    if roughness > ROUGHEST:
        return None
    apart = np.linalg.norm(pixels - colours, axis=2)  # (H, W)
    # One pixel off all round: blurred neighbours come apart, and no bridge of two pixels holds.
    mask = eroded(apart > max(APART, ROUGH * roughness))
    parts = [part for part in components(mask) if part.area >= SPECK * height * width]
    largest = sorted(parts, key=lambda part: -part.area)[:MOST]
    return Objects(mask, joined([part.box for part in largest], SMALLEST * min(height, width)))


def joined(parts: list[Box], smallest: float) -> list[Box]:
    """Fragments put together to objects, the nearest first.

    Args:
        parts: boxes of connected foreground.
        smallest: pixels; an object's longer side is at least this.
    """
    boxes = list(parts)
    while len(boxes) > 1:
        size = max(smallest, *(box.side for box in boxes))
        pair = _fitting(boxes, SLACK * size) or _fragment(boxes, FRAGMENT * size)
        if pair is None:
            break
        one, other = pair
        whole = boxes[one].joined(boxes[other])
        boxes = [*(box for place, box in enumerate(boxes) if place not in pair), whole]
    return boxes


def fingerprint() -> str:
    """SHA-256 over all that decides a count, in hex."""
    return digest(list(SETTINGS))


@cache
def accuracy() -> dict[str, Any]:
    """The counter's own error on real renders, by aspect ratio; see `evalsuite.aspects.training.measure_counter`.

    Raises:
        ValueError: it was measured with another counter.
    """
    found: dict[str, Any] = json.loads(ACCURACY.read_text(encoding="utf-8"))
    if found["counter"] != fingerprint():
        raise ValueError(f"{ACCURACY} was measured with another counter: {found['counter'][:12]}")
    return found


def _fitting(boxes: list[Box], size: float) -> tuple[int, int] | None:
    """The nearest two that together are no larger than one object."""
    pairs = [
        (boxes[one].gap(boxes[other]), one, other)
        for one in range(len(boxes))
        for other in range(one + 1, len(boxes))
        if boxes[one].joined(boxes[other]).side <= size
    ]
    return min(pairs)[1:] if pairs else None


def _fragment(boxes: list[Box], size: float) -> tuple[int, int] | None:
    """The smallest, where it is too small for an object, and its nearest neighbour."""
    least = min(range(len(boxes)), key=lambda place: boxes[place].side)
    if boxes[least].side >= size:
        return None
    others = [place for place in range(len(boxes)) if place != least]
    return least, min(others, key=lambda place: boxes[least].gap(boxes[place]))
