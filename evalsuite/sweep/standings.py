"""Which points are compared in the end, which were left behind, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evalsuite.sweep.bench import Bench
from evalsuite.sweep.halving import Race
from evalsuite.sweep.outcome import Cost, Line, Status
from evalsuite.sweep.point import Point

STOPPED = "the budget was spent"


def lines_of(race: Race, points: dict[str, Point], bench: Bench, cost: Cost) -> list[Line]:
    """Every point of a race with its scores, the cheapest first.

    Compared are the points that have all images; where there are none, those still in the race, on the images that
    all of them have.

    Args:
        race: over, or stopped by the budget.
        points: its points by name.
        bench: where scores come from.
        cost: of a point.
    """
    found = [_line(points[name], *fate, bench, cost) for name, fate in _fates(race, points, bench).items()]
    found.sort(key=lambda line: (line.cost is None, line.cost.value if line.cost else 0.0, line.point.passes))
    return found


def numbered(lines: Sequence[Line]) -> tuple[Line, ...]:
    """The same with their numbers in the table, from 1."""
    return tuple(replace(line, number=number) for number, line in enumerate(lines, 1))


def _fates(race: Race, points: dict[str, Point], bench: Bench) -> dict[str, tuple[Status, str, int]]:
    """Name to status, reason, and the units that its scores are over."""
    fates: dict[str, tuple[Status, str, int]] = {
        drop.point: ("dropped", f"after {drop.units} of {race.units} units: {drop.why}", drop.units)
        for rung in race.rungs
        for drop in rung.dropped
    }
    level, compared = _compared(race, points, bench)
    for name, point in points.items():
        if point.id in bench.failures:
            fates[name] = ("failed", bench.failures[point.id], 0)
        elif name in compared:
            fates[name] = ("compared", "", level)
        elif name not in fates:
            fates[name] = ("stopped", STOPPED, race.reached)
    return fates


def _compared(race: Race, points: dict[str, Point], bench: Bench) -> tuple[int, list[str]]:
    """Units, and the points that are compared on them."""
    if race.reached == race.units:
        return race.units, list(race.alive)
    made = {name: _made(points[name], bench) for name in race.alive}
    for least in (race.units, 1):
        if names := [name for name, count in made.items() if count >= least]:
            return min(made[name] for name in names), names
    return 0, []


def _made(point: Point, bench: Bench) -> int:
    """Units of a point that are there, from the first without a gap."""
    count = 0
    while count < len(point.units) and not bench.missing(point, count, count + 1):
        count += 1
    return count


def _line(point: Point, status: Status, why: str, units: int, bench: Bench, cost: Cost) -> Line:
    if units and bench.missing(point, 0, units):  # images that were there and are lost
        bench.make(point, units, limited=False)
    card = bench.card(point, units) if units else None
    return Line(point, status, why, units, card, cost(point, "all"))
