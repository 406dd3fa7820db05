"""The points of one model on the bench: what `evalsuite.sweep.halving` calls a lab."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from evalsuite.sweep.bench import Bench, Made
from evalsuite.sweep.front import Place
from evalsuite.sweep.outcome import Axes
from evalsuite.sweep.point import Point
from evalsuite.sweep.timing import Seconds, Timings


def cost_of(timings: Timings, against: str) -> Callable[[Point, str], Seconds | None]:
    """What an image costs, on all ratios or on one: seconds as measured, or passes, which are exact."""

    def cost(point: Point, part: str) -> Seconds | None:
        if against == "passes":
            return Seconds(float(point.passes), float(point.passes), float(point.passes), 0)
        return timings.seconds(point, part)

    return cost


class Lane:
    """Makes and scores the points of one model by their names; see `evalsuite.sweep.halving.Lab`.

    Args:
        bench: where.
        points: by name.
        axes: what points are compared by.
    """

    def __init__(self, bench: Bench, points: Mapping[str, Point], axes: Axes) -> None:
        self._bench, self._points, self._axes = bench, points, axes
        self._cost = cost_of(bench.timings, axes.against)

    def left(self) -> float:
        """Seconds."""
        return self._bench.left

    def price(self, point: str, start: int, stop: int) -> float | None:
        """Seconds, None when unknown."""
        return self._bench.price(self._points[point], start, stop)

    def make(self, point: str, count: int) -> Made:
        """Make the first units."""
        return self._bench.make(self._points[point], count)

    def measure(self, point: str, count: int) -> Place | None:
        """Cost and metric over the first units."""
        found = self._points[point]
        metric = self._bench.card(found, count).metrics.get(self._axes.metric)
        row, cost = None if metric is None else metric.row(), self._cost(found, "all")
        if row is None or row.value is None or cost is None:
            return None
        return Place(cost.value, cost.low, cost.high, row.value)
