"""What a sweep found: every point with its scores and cost, the fronts, and the setting to take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from evalsuite.rows import Row
from evalsuite.scorecard import Scorecard
from evalsuite.sizes import parse_ratio
from evalsuite.sweep.duels import CardDuels, Matches
from evalsuite.sweep.front import Duel, Found, Place, front
from evalsuite.sweep.knee import Knee, knee
from evalsuite.sweep.point import Point
from evalsuite.sweep.timing import Seconds

Status = Literal["compared", "dropped", "stopped", "failed"]
Cost = Callable[[Point, str], "Seconds | None"]
"""Of a point's images, all or those of one ratio."""


class Axes(NamedTuple):
    """What is drawn against what.

    Attributes:
        metric: in full.
        title: of the metric.
        unit: of its values.
        higher: whether a higher value is better.
        against: ``seconds`` or ``passes``.
    """

    metric: str
    title: str
    unit: str
    higher: bool
    against: str


@dataclass(frozen=True)
class Line:
    """A point at the end of a sweep.

    Attributes:
        point: which.
        status: ``compared`` where it is on the front or could be; else why it is out of the comparison.
        why: in words; empty for compared points.
        units: over which its scores are.
        card: its scores; None where there are none.
        cost: of an image; None where none was made.
        number: in the order of the table, from 1.
    """

    point: Point
    status: Status
    why: str
    units: int
    card: Scorecard | None
    cost: Seconds | None
    number: int = 0

    @property
    def images(self) -> int:
        """Over which its scores are."""
        return 0 if self.card is None else self.card.scored

    def row(self, metric: str, part: str = "all") -> Row | None:
        """A number of the point."""
        scores = None if self.card is None else self.card.metrics.get(metric)
        return None if scores is None else scores.row(part)


@dataclass(frozen=True)
class Front:
    """The front of one model on one slice.

    Attributes:
        model: its name.
        part: ``all``, or one ratio as ``aspect=16:9``.
        lines: the points that were compared, the cheapest first.
        places: of each.
        found: of each.
        knee: what to take; its places are those of ``lines``.
    """

    model: str
    part: str
    lines: tuple[Line, ...]
    places: tuple[Place, ...]
    found: tuple[Found, ...]
    knee: Knee

    @property
    def taken(self) -> Line:
        """The recommended point."""
        return self.lines[self.knee.place]

    @property
    def best(self) -> Line:
        """The point with the best value."""
        return self.lines[self.knee.best]

    def place_of(self, line: Line) -> int | None:
        """Where a point is among those compared."""
        return next((place for place, own in enumerate(self.lines) if own.point.id == line.point.id), None)


def parts_of(lines: Iterable[Line], by: Sequence[str]) -> list[str]:
    """``all``, and each ratio where that is asked for, from tall to wide."""
    ratios = {image.aspect for line in lines if line.card is not None for image in line.card.images}
    return ["all", *(f"aspect={ratio}" for ratio in sorted(ratios, key=parse_ratio) if "aspect" in by)]


def fronts(lines: Sequence[Line], axes: Axes, cost: Cost, parts: Sequence[str]) -> list[Front]:
    """A front for each model and slice on which at least one point has a value.

    Args:
        lines: all points.
        axes: what against what.
        cost: of a point on a slice.
        parts: slices.
    """
    found = []
    for model in dict.fromkeys(line.point.model for line in lines):
        own = [line for line in lines if line.point.model == model and line.status == "compared"]
        matches = Matches([line.card for line in own if line.card is not None])
        for part in parts:
            if (one := _front(model, part, own, axes, cost, matches)) is not None:
                found.append(one)
    return found


def _front(model: str, part: str, own: Sequence[Line], axes: Axes, cost: Cost, matches: Matches) -> Front | None:
    placed: list[tuple[int, Place]] = []
    for number, line in enumerate(own):
        row, seconds = line.row(axes.metric, part), cost(line.point, part)
        if row is not None and row.value is not None and seconds is not None:
            placed.append((number, Place(seconds.value, seconds.low, seconds.high, row.value)))
    if not placed:
        return None
    order = [number for number, _ in placed]
    places = [place for _, place in placed]
    fought = CardDuels(matches, axes.metric, part)

    def duels(i: int, j: int) -> Duel | None:
        return fought(order[i], order[j])

    lines = tuple(own[number] for number in order)
    return Front(
        model,
        part,
        lines,
        tuple(places),
        tuple(front(places, duels, axes.higher)),
        knee(places, duels, axes.higher),
    )
