"""What an image takes, from the records of the units that were made; and what those still to be made will take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from evalsuite import records
from evalsuite.files import read_regular
from evalsuite.plan import Unit
from evalsuite.records import UnitRecord
from evalsuite.sweep.point import Point

Work = tuple[str, str, int, bool]
"""See `Point.same_work`."""


class Seconds(NamedTuple):
    """Seconds per image: the median over units, and their quartiles.

    Attributes:
        value: median of a unit's seconds over its batch; a short unit is padded, and takes as long as a full one.
        low: first quartile.
        high: third quartile.
        units: how many.
    """

    value: float
    low: float
    high: float
    units: int


class Timings:
    """What units took, by points that do the same work: those that differ in the scale of guidance alone.

    Args:
        points: whose records are read, where there are any.
    """

    def __init__(self, points: Sequence[Point]) -> None:
        self._made: dict[Work, dict[str, tuple[Unit, float]]] = {}
        self._typical: dict[Work, float] = {}
        self._passes = {point.same_work: point.passes for point in points}
        for point in points:
            self.read(point, point.units)

    def read(self, point: Point, units: Iterable[Unit]) -> None:
        """Read the records of some units of a point, for the first time or again."""
        for unit in units:
            if (record := record_of(point.folder, unit)) is not None:
                self._made.setdefault(point.same_work, {})[unit.key] = unit, record["seconds"]
        self._typical = {work: median(s for _, s in made.values()) for work, made in self._made.items()}

    def has(self, point: Point, unit: Unit) -> bool:
        """Whether a record of a unit was read."""
        return unit.key in self._made.get(point.same_work, {})

    def seconds(self, point: Point, part: str = "all") -> Seconds | None:
        """Of a point's images, or of those of one ratio (``aspect=16:9``); None where none are made.

        Full units alone count where there are any.
        """
        made = list(self._made.get(point.same_work, {}).values())
        made = [pair for pair in made if part in ("all", f"aspect={pair[0].jobs[0].aspect}")]
        full = [pair for pair in made if len(pair[0].jobs) == pair[0].batch] or made
        return spread([seconds / unit.batch for unit, seconds in full])

    def unit_seconds(self, point: Point) -> float | None:
        """What one more unit of a point is likely to take; None where its model has made nothing yet."""
        if point.same_work in self._typical:
            return self._typical[point.same_work]
        others = {self._passes[w]: seconds for w, seconds in self._typical.items() if w[0] == point.model}
        return along_passes(others, point.passes)


def spread(values: Sequence[float]) -> Seconds | None:
    """Median and quartiles (Hyndman and Fan's type 7), sorted first: the order of units is no matter."""
    if not values:
        return None
    if len(values) == 1:
        return Seconds(values[0], values[0], values[0], 1)
    low, _, high = quantiles(sorted(values), n=4, method="inclusive")
    return Seconds(median(values), low, high, len(values))


def along_passes(measured: Mapping[int, float], passes: int) -> float | None:
    """Seconds at a number of passes: on the line through what was measured, or in proportion to it.

    Args:
        measured: passes to seconds.
        passes: where to look.
    """
    if not measured:
        return None
    if len(measured) == 1:
        ((there, seconds),) = measured.items()
        return seconds * passes / there
    n = len(measured)
    x, y = sum(measured) / n, sum(measured.values()) / n
    slope = sum((p - x) * (s - y) for p, s in measured.items()) / sum((p - x) ** 2 for p in measured)
    fitted = y + slope * (passes - x)
    least = min(measured.values()) * passes / max(measured)  # a line through noise may fall
    return max(fitted, least)


def record_of(folder: Path, unit: Unit) -> UnitRecord | None:
    """A unit's record where there is a sound one; its images are not looked at, and nothing is written."""
    try:
        return records.decode(read_regular(folder / "records" / f"{unit.key}.json"), unit)
    except OSError:
        return None
