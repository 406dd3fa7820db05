"""Which setting to take: the cheapest that is not seen to be worse than the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evalsuite.paired import holm
from evalsuite.sweep.front import Duel, Duels, Place, beats, seen


@dataclass(frozen=True, slots=True)
class Knee:
    """A recommendation.

    Attributes:
        place: of the recommended point.
        best: of the point with the best value.
        duel: recommended minus best; None where they are one.
        p: of the duel, after Holm.
        family: points that were tested against the best.
        worse: of them, those that are seen to be worse.
        untested: points that could not be, and are not recommended.
        bend: where the front bends most, for reference; None with fewer than three points on it.
    """

    place: int
    best: int
    duel: Duel | None
    p: float | None
    family: int
    worse: int
    untested: int
    bend: int | None


def knee(places: Sequence[Place], duels: Duels, higher: bool) -> Knee:
    """The cheapest point that is not seen to be worse than the best one; Holm counts all that are compared with it.

    Not seen to be worse is not as good: `Duel.visible` says how large a difference would have been seen.

    Args:
        places: of at least one point.
        duels: their tests.
        higher: whether a higher value is better.
    """

    def merit(i: int) -> tuple[float, float, int]:
        return (-places[i].value if higher else places[i].value, places[i].cost, i)

    best = min(range(len(places)), key=merit)
    others = [i for i in range(len(places)) if i != best]
    fought = [(i, duel) for i in others if (duel := duels(i, best)) is not None]
    adjusted = holm([duel.p for _, duel in fought])
    known = {i: (duel, p) for (i, duel), p in zip(fought, adjusted, strict=True)}
    good = [best, *(i for i, (duel, p) in known.items() if seen(duel, p, higher) != "worse")]
    place = min(good, key=lambda i: (places[i].cost, *merit(i)))
    duel, p = known.get(place, (None, None))
    worse = len(known) + 1 - len(good)
    return Knee(place, best, duel, p, len(known), worse, len(others) - len(known), bend(places, higher))


def bend(places: Sequence[Place], higher: bool) -> int | None:
    """The point of the measured front that is farthest above the line from its cheapest to its best point.

    Costs are taken as logarithms, and both axes are scaled to the ends of the front (Satopaa and others, Finding a
    kneedle in a haystack, ICDCSW 2011).

    Args:
        places: of all points, with positive costs.
        higher: whether a higher value is better.
    """
    on = [i for i, own in enumerate(places) if not any(beats(other, own, higher) for other in places)]
    on.sort(key=lambda i: places[i].cost)
    if len(on) < 3:
        return None
    first, last = places[on[0]], places[on[-1]]
    wide, tall = math.log(last.cost / first.cost), last.value - first.value
    if not wide or not tall:
        return None

    def above(i: int) -> float:
        return (places[i].value - first.value) / tall - math.log(places[i].cost / first.cost) / wide

    inner = max(on[1:-1], key=above)
    return inner if above(inner) > 0 else None
