"""Features of many pictures, without all of them in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from evalsuite.aspects.counter import Pixels
from evalsuite.encoders import features
from evalsuite.encoders.protocol import BATCH, ImageEncoder
from evalsuite.moments import Rows


def encoded(encoder: ImageEncoder, pictures: Iterable[Pixels]) -> Rows:
    """Features (n, d) of n >= 1 pictures of one size, read as they are needed."""
    rows, some = list[np.ndarray[Any, Any]](), list[Pixels]()
    for pixels in pictures:
        some.append(pixels)
        if len(some) == BATCH:
            rows.append(features.encoded(encoder, some))
            some = []
    return np.concatenate([*rows, features.encoded(encoder, some)] if some else rows)
