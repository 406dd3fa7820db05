"""Successive halving: all points on a few images, the better half on twice as many, until some have all of them.

Jamieson and Talwalkar, Non-stochastic best arm identification and hyperparameter optimization, AISTATS 2016. Here a
rung's images are the same for all points, so that they are compared pair by pair; points that no other one dominates go
first; and a rung keeps more than half where the time allows it, by what units have taken so far.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from evalsuite.sweep.front import Place, beats, ranked
from evalsuite.sweep.state import Drop, Rung

MARGIN = 1.1
"""Of a predicted time: a machine is not always as fast as it was."""
TURNS = 4
"""In which points without a limit are made: a machine that is busy for a while is so for all of them."""
Made = Literal["all", "short", "failed"]


class Lab(Protocol):
    """Makes and scores the points of one model, by name; their units have an order that all points share."""

    def left(self) -> float:
        """Seconds that may still be spent, on all models together."""

    def price(self, point: str, start: int, stop: int) -> float | None:
        """Seconds to make and score what is missing of a point's units from start to stop; None when unknown."""

    def make(self, point: str, count: int) -> Made:
        """Make the first units of a point: ``short`` where time ran out, ``failed`` where they cannot be made."""

    def measure(self, point: str, count: int) -> Place | None:
        """Cost and metric over the first units of a point; None where the metric is not defined on them."""


@dataclass
class Race:
    """The points of one model, which run against each other.

    Attributes:
        model: its name.
        points: the cheapest first.
        units: of each point.
        higher: whether a higher value is better.
        lab: makes and scores them.
        say: a value and its cost in words, for reasons.
        first: units of the first rung; 0 when not yet settled.
        rungs: those that are over.
        alive: points that are still in, the best first.
        failed: points that cannot be made.
    """

    model: str
    points: Sequence[str]
    units: int
    higher: bool
    lab: Lab
    say: Callable[[Place], str]
    first: int = 0
    rungs: list[Rung] = field(default_factory=list)
    alive: list[str] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.alive = list(self.rungs[-1].kept if self.rungs else self.points)

    @property
    def counts(self) -> list[int]:
        """Units after each rung, doubling, from ``first`` to all of them."""
        return counts(self.first, self.units)

    @property
    def reached(self) -> int:
        """Units of every point that is still in."""
        return self.rungs[-1].units if self.rungs else 0

    @property
    def next(self) -> int:
        """Units after the rung that is going on."""
        return self.counts[len(self.rungs)]

    @property
    def over(self) -> bool:
        """Whether those that are still in have all their units."""
        return self.reached == self.units or not self.alive


def counts(first: int, units: int) -> list[int]:
    """Units after each rung: the share doubles, and the last one has all."""
    found = [units]
    while found[0] > first:
        found.insert(0, max(first, math.ceil(found[0] / 2)))
    return found


def firsts(points: int, units: int) -> list[int]:
    """What the first rung may be, the largest first: all units, a half, and so on until one point would be left."""
    halvings = min(math.ceil(math.log2(points)) if points > 1 else 0, int(math.log2(units)))
    return list(dict.fromkeys(math.ceil(units / 2**k) for k in range(halvings + 1)))


def turns(start: int, stop: int, most: int) -> list[int]:
    """Units after each of a few turns of about equal length; with a limit one turn, so that the best point is first."""
    return sorted({start + math.ceil((stop - start) * turn / most) for turn in range(1, most + 1)})


def halve(races: Sequence[Race], save: Callable[[], None]) -> bool:
    """Run all races, rung by rung, within the time that is left.

    Args:
        races: at least one, as far as they are; they are changed.
        save: called when something was settled.

    Returns:
        Whether they are over: False where time ran out, or is not enough to finish one point of each.
    """
    if not all(race.first for race in races):
        if _left(races) < math.inf and not all(_look(race) for race in races):
            return False
        _settle_first(races)
        save()
    while going := [race for race in races if not race.over]:
        if not all(_climb(race) for race in going):
            return False
        ranks = {race.model: _rank(race) for race in going}
        if not _drop(going, ranks):
            return False
        save()
    return True


def chain(race: Race, points: Sequence[str], start: int, steps: Sequence[int]) -> float:
    """Seconds that a race is likely to take from here, if each rung halves what is left and the dearer half stays.

    Args:
        race: whose points they are.
        points: those that go on.
        start: units that they have.
        steps: units after each rung to come.
    """
    total, left = 0.0, list(points)
    for stop in steps:
        total += sum(race.lab.price(point, start, stop) or 0.0 for point in left)
        rest = {point: race.lab.price(point, stop, race.units) or 0.0 for point in left}
        left = sorted(left, key=lambda point: -rest[point])[: math.ceil(len(left) / 2)]
        start = stop
    return total


def _left(races: Sequence[Race]) -> float:
    return races[0].lab.left()


def _look(race: Race) -> bool:
    """Make what the smallest first rung has, of every point, and score one: any race has that, and it tells prices."""
    for point in race.points:
        made = race.lab.make(point, firsts(len(race.points), race.units)[-1])
        if made == "short":
            return False
        if made == "failed":
            _fail(race, point)
    if race.alive:
        race.lab.measure(race.alive[0], firsts(len(race.points), race.units)[-1])
    return True


def _settle_first(races: Sequence[Race]) -> None:
    """The largest first rungs whose whole race fits into the time, else the smallest."""
    choices = [firsts(len(race.points), race.units) for race in races]
    for k in range(max(map(len, choices))):
        for race, choice in zip(races, choices, strict=True):
            race.first = choice[min(k, len(choice) - 1)]
        if MARGIN * sum(chain(race, race.alive, 0, race.counts) for race in races) <= max(_left(races), 0.0):
            return


def _climb(race: Race) -> bool:
    """Make the next rung's units of every point that is still in; False where time ran out."""
    for count in turns(race.reached, race.next, 1 if race.lab.left() < math.inf else TURNS):
        for point in list(race.alive):
            made = race.lab.make(point, count)
            if made == "short":
                return False
            if made == "failed":
                _fail(race, point)
    return True


def _rank(race: Race) -> dict[str, Place | None]:
    """Points still in, with what they measure, the best first; those without a value last."""
    count = race.next
    found = {point: race.lab.measure(point, count) for point in race.alive}
    known = [point for point in race.alive if found[point] is not None]
    order = ranked([place for place in found.values() if place is not None], race.higher)
    return {point: found[point] for point in [known[i] for i in order]} | {
        point: None for point in race.alive if found[point] is None
    }


def _drop(races: Sequence[Race], ranks: Mapping[str, Mapping[str, Place | None]]) -> bool:
    """Keep as many points as there is time for if later rungs halve them; False where there is none for a single one.

    The same number is dropped in every race.
    """
    for gone in range(max(len(race.alive) for race in races) or 1):
        kept = {race.model: list(ranks[race.model])[: max(1, len(race.alive) - gone)] for race in races}
        prices = [chain(race, kept[race.model], race.next, race.counts[len(race.rungs) + 1 :]) for race in races]
        if MARGIN * sum(prices) <= max(_left(races), 0.0):  # what is there already is free
            for race in races:
                _end_rung(race, ranks[race.model], kept[race.model])
            return True
    return False


def _end_rung(race: Race, places: Mapping[str, Place | None], kept: Sequence[str]) -> None:
    count = race.next
    dropped = [Drop(point, count, _why(race, places, kept, point)) for point in places if point not in kept]
    race.rungs.append(Rung(race.model, count, tuple(kept), tuple(dropped)))
    race.alive = list(kept)


def _why(race: Race, places: Mapping[str, Place | None], kept: Sequence[str], point: str) -> str:
    own = places[point]
    if own is None:
        return "its metric is not defined on so few images"
    better = [name for name in kept if (other := places[name]) is not None and beats(other, own, race.higher)]
    if better:
        best = places[better[0]]
        assert best is not None
        return f"{better[0]} costs no more and scores better: {race.say(best)} against {race.say(own)}"
    rank = list(places).index(point) + 1
    return f"number {rank} of {len(places)}, and there was time for {len(kept)}: {race.say(own)}"


def _fail(race: Race, point: str) -> None:
    race.failed.add(point)
    race.alive.remove(point)
