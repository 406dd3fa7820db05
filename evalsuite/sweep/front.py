"""Which settings no other one beats in both a metric and its cost, as measured and beyond doubt.

As measured, a point is on the Pareto front unless another one costs no more and scores no worse, and one of the two is
better. Beyond doubt takes tests of the metric on the images that both points have:

- surely on the front: seen to be better than every point that is not dearer. All tests must agree, so that each may be
  held at level 0.05 (an intersection-union test: Berger, Technometrics 24, 1982);
- surely not: some point that costs no more is seen to be better. One test of many is enough, so Holm counts them all.

Everything else is possibly on the front.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from evalsuite.paired import holm
from evalsuite.stats import LEVEL

Standing = Literal["surely", "possibly", "no"]


class Place(NamedTuple):
    """Where a point is: what it costs, the spread of that, and its value.

    Attributes:
        cost: in seconds or passes.
        low: lower end of the cost.
        high: upper end of the cost.
        value: of the metric.
    """

    cost: float
    low: float
    high: float
    value: float


class Duel(NamedTuple):
    """One point's metric minus another's, over the images that both have.

    Attributes:
        value: the difference.
        low: lower end of its 95 % interval.
        high: upper end.
        p: two-sided, of this test alone.
        n: pairs of images.
        visible: true difference that would be seen with a chance of 80 %.
    """

    value: float
    low: float
    high: float
    p: float
    n: int
    visible: float | None = None


Duels = Callable[[int, int], "Duel | None"]
"""Places of two points to their duel; None where there is nothing to test."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a point.

    Attributes:
        measured: on the front as measured.
        standing: on the front beyond doubt, possibly, or surely not.
        behind: places of the point that beats it: beyond doubt where the standing is ``no``, else as measured; None
            where none does.
    """

    measured: bool
    standing: Standing
    behind: int | None


def beats(one: Place, other: Place, higher: bool) -> bool:
    """Whether a point costs no more and scores no worse than another, and is better in one of the two."""
    gain = one.value - other.value if higher else other.value - one.value
    return one.cost <= other.cost and gain >= 0 and (one.cost < other.cost or gain > 0)


def layers(places: Sequence[Place], higher: bool) -> list[int]:
    """For each point the front that it is on once the fronts before it are taken away, from 0."""
    found: dict[int, int] = {}
    left = set(range(len(places)))
    while left:
        front = [i for i in left if not any(beats(places[j], places[i], higher) for j in left)]
        number = len(set(found.values()))
        found |= dict.fromkeys(front, number)
        left -= set(front)
    return [found[i] for i in range(len(places))]


def ranked(places: Sequence[Place], higher: bool) -> list[int]:
    """Positions, those of the first layer first, in a layer the best value first, then the cheaper."""
    layer = layers(places, higher)
    return sorted(
        range(len(places)),
        key=lambda i: (layer[i], -places[i].value if higher else places[i].value, places[i].cost, i),
    )


def front(places: Sequence[Place], duels: Duels, higher: bool) -> list[Found]:
    """What is known of each point.

    Args:
        places: of all points.
        duels: their tests.
        higher: whether a higher value is better.
    """
    return [_found(i, places, duels, higher) for i in range(len(places))]


def seen(duel: Duel, p: float | None, higher: bool) -> Literal["better", "worse", "none"]:
    """What a duel says of its first point: the test, with p as adjusted, and the interval must agree."""
    if p is None or p > 1 - LEVEL or duel.low <= 0 <= duel.high:
        return "none"
    return "better" if (duel.value > 0) == higher else "worse"


def _found(i: int, places: Sequence[Place], duels: Duels, higher: bool) -> Found:
    own = places[i]
    no_dearer = [j for j in range(len(places)) if j != i and places[j].cost <= own.cost]
    beaten = [j for j in no_dearer if beats(places[j], own, higher)]
    fought = [(j, duel) for j in no_dearer if (duel := duels(j, i)) is not None]
    adjusted = holm([duel.p for _, duel in fought])
    sure = [j for (j, duel), p in zip(fought, adjusted, strict=True) if seen(duel, p, higher) == "better"]
    if sure:
        return Found(False, "no", _best(sure, places, higher))
    if beaten:
        return Found(False, "possibly", _best(beaten, places, higher))
    # Costs that are not told apart may be the other way round.
    rivals = [j for j in range(len(places)) if j != i and not places[j].low > own.high]
    better = all((duel := duels(i, j)) is not None and seen(duel, duel.p, higher) == "better" for j in rivals)
    return Found(True, "surely" if better else "possibly", None)


def _best(among: Sequence[int], places: Sequence[Place], higher: bool) -> int:
    """The best value, of equal ones the cheaper."""
    return min(among, key=lambda j: (-places[j].value if higher else places[j].value, places[j].cost, j))
