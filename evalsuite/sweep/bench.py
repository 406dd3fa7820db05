"""Where points are made and scored, and where the time for it is counted."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate
from statistics import median
from typing import Literal

from evalsuite.generate import generate, reproducible
from evalsuite.image_set import ImageSet, of_run
from evalsuite.plan import Unit
from evalsuite.progress import Progress
from evalsuite.score import score
from evalsuite.scorecard import Scorecard
from evalsuite.store import RunStore
from evalsuite.sweep.budget import Budget
from evalsuite.sweep.point import Point
from evalsuite.sweep.rack import Rack, Shared
from evalsuite.sweep.state import State
from evalsuite.sweep.timing import Timings
from evalsuite.sweep.told import Titled

WRITING = 0.05
"""Seconds that the thread which writes gets to begin with a unit before work is stopped: what it has begun is kept."""
Made = Literal["all", "short", "failed"]


class OutOfTime(Exception):  # noqa: N818
    """The budget is spent; raised between two units."""


class Bench:
    """Makes and scores the units of points, in the order that all points share.

    Args:
        points: all of them; every folder that is there is checked, image by image.
        rack: with their models.
        networks: that score.
        budget: that the time is taken from.
        progress: told of every image.
        state: what is known from before.

    Attributes:
        timings: of all points.
        failures: point's id to why it cannot be made.
        counting: whether scoring counts that looks at no new image.
    """

    def __init__(
        self,
        points: Sequence[Point],
        rack: Rack,
        networks: Shared,
        budget: Budget,
        progress: Progress,
        state: State,
    ) -> None:
        self.timings = Timings(points)
        self.failures = dict(state.failed)
        self.counting = False
        self._rack, self._networks, self._budget, self._progress = rack, networks, budget, progress
        self._there = {unit.key for point in points for unit in sound_units(point)}
        self._unscored: dict[str, int] = {}
        self._rates = [] if state.scoring is None else [state.scoring]
        self._prices: dict[tuple[str, int, int], float | None] = {}
        self._cards: dict[tuple[str, int], Scorecard] = {}

    @property
    def left(self) -> float:
        """Seconds that may still be spent, less those that scoring takes of images which are made."""
        return self._budget.left - (self.rate or 0.0) * sum(self._unscored.values())

    def missing(self, point: Point, start: int, stop: int) -> list[Unit]:
        """Units of a point, from start to stop in its order, that are still to be made."""
        return [unit for unit in point.units[start:stop] if unit.key not in self._there]

    def price(self, point: Point, start: int, stop: int) -> float | None:
        """Seconds to make and score what is missing from start to stop; None when nothing tells."""
        key = point.id, start, stop
        if key not in self._prices:
            self._prices[key] = self._price(point, self.missing(point, start, stop))
        return self._prices[key]

    def make(self, point: Point, count: int, *, limited: bool = True) -> Made:
        """Make the first units of a point, as far as there seems to be time.

        Args:
            point: what to make.
            count: of its units, from the first.
            limited: whether the budget ends it.

        Returns:
            ``short`` where time ran out, ``failed`` where one of them does not fit into memory.

        Raises:
            Incomplete: the disk is full or refuses.
        """
        limited = limited and self._budget.limit is not None
        while self.missing(point, 0, count) and point.id not in self.failures:
            missing = self.missing(point, 0, count)
            chosen = missing[: self._affordable(point, missing)] if limited else missing
            if not chosen or (self._make(point, chosen, limited) < len(chosen) and point.id not in self.failures):
                return "short"
        return "failed" if point.id in self.failures else "all"

    def card(self, point: Point, count: int) -> Scorecard:
        """Scores over a point's first units, and no other image that may be there.

        Raises:
            InputError: an image is not what its record says.
        """
        key = point.id, count
        if key not in self._cards:
            fresh = self._unscored.get(point.id, 0)
            if fresh or self.counting:
                with self._budget.spending():
                    self._cards[key] = self._score(point, count, fresh)
            else:
                self._cards[key] = self._score(point, count, fresh)
            self._unscored.pop(point.id, None)
        return self._cards[key]

    @property
    def rate(self) -> float | None:
        """Seconds to score an image; None while nothing tells."""
        return median(self._rates) if self._rates else None

    def _price(self, point: Point, units: Sequence[Unit]) -> float | None:
        each = self.timings.unit_seconds(point) if units else 0.0
        return None if each is None else sum(each + (self.rate or 0.0) * len(unit.jobs) for unit in units)

    def _affordable(self, point: Point, units: Sequence[Unit]) -> int:
        """For how many of the units there is time. Where nothing tells, one is made to see."""
        if self._price(point, units[:1]) is None:
            return int(self.left > 0)
        times = accumulate(self._price(point, [unit]) or 0.0 for unit in units)
        left = self.left
        return sum(taken <= left for taken in times)

    def _make(self, point: Point, units: Sequence[Unit], limited: bool) -> int:
        """Make units; how many of them are there at the end."""
        spec = point.manifest.spec
        told = Titled(self._progress, point.name, self._stop_in_time if limited else None)

        def choose(pending: Sequence[Unit]) -> Sequence[Unit]:
            waiting = {unit.key for unit in pending}
            return [unit for unit in units if unit.key in waiting]

        with (
            self._budget.spending(),
            reproducible(spec.threads or 1),
            RunStore.create(point.folder, point.manifest) as store,
        ):
            try:
                failures = generate(store, lambda name: self._rack.take(name, spec), told, choose)
            except OutOfTime:
                failures = ()
            done = [unit for unit in units if store.record(unit) is not None]
        if failures:
            self.failures[point.id] = failures[0].reason
        self._there |= {unit.key for unit in done}
        self._unscored[point.id] = self._unscored.get(point.id, 0) + sum(len(unit.jobs) for unit in done)
        self.timings.read(point, done)
        self._prices.clear()
        return len(done)

    def _stop_in_time(self, images: int) -> None:
        if self.left <= (self.rate or 0.0) * images:
            time.sleep(WRITING)
            raise OutOfTime

    def _score(self, point: Point, count: int, fresh: int) -> Scorecard:
        self._rack.drop()
        spec, began, loading = point.manifest.spec, time.monotonic(), self._networks.seconds
        with RunStore.open(point.folder) as store, reproducible(spec.threads or 1):
            images = _first(of_run(store, store.images()), point, count)
            told = Titled(self._progress, point.name)
            result = score(images, spec.metrics, self._networks, progress=told)
        if fresh:
            taken = time.monotonic() - began - (self._networks.seconds - loading)
            self._rates.append(taken / fresh)
            self._prices.clear()
        return Scorecard(point.model, "", {}, images.scored(point.model), result.metrics[point.model])


def sound_units(point: Point) -> Iterable[Unit]:
    """Units whose record and images are there and whole."""
    if not (point.folder / "run.json").exists():
        return ()
    with RunStore.open(point.folder) as store:
        return [unit for unit in point.units if store.record(unit) is not None]


def _first(images: ImageSet, point: Point, count: int) -> ImageSet:
    """The images of a point's first units."""
    wanted = {job.id for unit in point.units[:count] for job in unit.jobs}
    expected = tuple(image for image in images.expected if image.about["id"] in wanted)
    return replace(images, models=(point.model,), expected=expected)
