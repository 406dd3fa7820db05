"""Many ladders of tests at once: Holm over ladders, and within a ladder from the strongest level down.

A weaker level is only looked at where all stronger ones are seen, so that it costs nothing (a fixed sequence); a
ladder hands on its share of the level when all of it is seen (Bretz et al., Statistics in Medicine 28, 2009). The
chance of any false alarm in the whole table is at most the level, however tests depend on each other.
"""

from __future__ import annotations

from collections.abc import Sequence

P = float | None


def over_ladders(ladders: Sequence[Sequence[P]]) -> list[list[P]]:
    """Adjusted p of every level: the smallest level of the whole table at which it is seen.

    Args:
        ladders: two-sided p of each ladder's levels, from weak to strong; None was not tested and is passed over.

    Returns:
        The same shape; None stays None. With one level each, it is Holm's adjustment.
    """
    reached = [_down(levels) for levels in ladders]
    whole = sorted((levels[-1], place) for place, levels in enumerate(reached) if levels)
    count = len(whole)
    closed = [0.0]  # the level at which so many ladders are seen whole
    for rank, (p, _) in enumerate(whole):
        closed.append(max(closed[-1], min(1.0, (count - rank) * p)))
    place_in = {place: rank for rank, (_, place) in enumerate(whole)}
    found: list[list[P]] = []
    for place, (levels, down) in enumerate(zip(ladders, reached, strict=True)):
        ranks = range(place_in.get(place, -1) + 1)
        adjusted = iter([min(max(closed[r], min(1.0, (count - r) * p)) for r in ranks) for p in down])
        found.append([None if p is None else next(adjusted) for p in reversed(levels)][::-1])
    return found


def _down(levels: Sequence[P]) -> list[float]:
    """The largest p on the way down to each tested level, the strongest first."""
    found: list[float] = []
    for p in reversed(levels):
        if p is not None:
            found.append(max(p, found[-1]) if found else p)
    return found
