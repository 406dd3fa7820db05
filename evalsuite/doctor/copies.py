"""Sets of images that repeat themselves, as a model with few modes makes them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from evalsuite.digest import digest
from evalsuite.samples import Sample

MOST_COPIED = 0.9
"""Of a set; some images must be left to copy."""


class Copied(NamedTuple):
    """Samples in their order, and of each the one whose image it shows: itself, or what it is a copy of."""

    samples: tuple[Sample, ...]
    sources: tuple[Sample, ...]


def with_copies(samples: Sequence[Sample], share: float, draw: int = 0) -> Copied:
    """The set with a share of its images replaced by copies of others of the same size.

    What is replaced is fixed by the samples' ids and the draw; a larger share replaces the same images and more.

    Args:
        samples: with ids of their own.
        share: in [0, MOST_COPIED]; of each size at least one image stays.
        draw: number of the choice.

    Raises:
        ValueError: another share.
    """
    if not 0 <= share <= MOST_COPIED:
        raise ValueError(f"a share of {share:g} copies: use 0 to {MOST_COPIED:g}")
    by_size: dict[tuple[str, int, int], list[int]] = defaultdict(list)
    for place, sample in enumerate(samples):
        by_size[sample.aspect, sample.width, sample.height].append(place)
    sources = list(samples)
    for places in by_size.values():
        order = sorted(places, key=lambda place: digest(["copy", draw, samples[place].id]))
        count = min(math.floor(share * len(order) + 0.5), len(order) - 1)
        kept = order[count:]
        for number, place in enumerate(order[:count]):
            # From the end, where images stay longest: most copies stay copies of the same image.
            sources[place] = samples[kept[-1 - number % len(kept)]]
    copies = tuple(
        replace(sample, pixel_sha256=source.pixel_sha256, file=source.file)
        for sample, source in zip(samples, sources, strict=True)
    )
    return Copied(copies, tuple(sources))
