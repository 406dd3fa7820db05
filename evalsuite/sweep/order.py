"""In which order a point's units are made: the same at every point, so that all points are compared on the same images.

The order is a hash's, so that no part of the prompts comes first; sizes take turns, so that any beginning has each
ratio about equally often.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from evalsuite.digest import digest
from evalsuite.plan import Unit


def in_order(units: Iterable[Unit]) -> tuple[Unit, ...]:
    """The units of one model, the first part of which any number of points can share.

    Args:
        units: of one model at one setting; the order depends on prompts, ratios and indices alone.
    """
    placed: list[tuple[float, str, Unit]] = []
    for _, group in groupby(sorted(units, key=_size_then_hash), key=_size):
        members = list(group)
        placed += [((i + 0.5) / len(members), _hash(unit), unit) for i, unit in enumerate(members)]
    return tuple(unit for _, _, unit in sorted(placed, key=lambda item: item[:2]))


def _size(unit: Unit) -> tuple[int, int]:
    return unit.width, unit.height


def _size_then_hash(unit: Unit) -> tuple[tuple[int, int], str]:
    return _size(unit), _hash(unit)


def _hash(unit: Unit) -> str:
    return digest([[job.prompt_id, job.aspect, job.index] for job in unit.jobs])
