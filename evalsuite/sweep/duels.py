"""Tests of points against each other, from their scorecards: over the images that both have, and no others."""

from __future__ import annotations

from collections.abc import Sequence

from evalsuite.contrasts import contrast
from evalsuite.pairing import Matched, match
from evalsuite.scorecard import Scorecard
from evalsuite.sweep.front import Duel


class Matches:
    """Points paired image by image, each pair of them once."""

    def __init__(self, cards: Sequence[Scorecard]) -> None:
        self._cards = cards
        self._found: dict[tuple[int, int], Matched] = {}

    def __call__(self, i: int, j: int) -> Matched:
        """The images of the points at two places."""
        if (i, j) not in self._found:
            self._found[i, j] = match(self._cards[i], self._cards[j])
        return self._found[i, j]


class CardDuels:
    """Duels of one metric on one slice.

    Args:
        matches: of the points.
        metric: in full.
        part: the slice.
    """

    def __init__(self, matches: Matches, metric: str, part: str = "all") -> None:
        self._matches, self._metric, self._part = matches, metric, part
        self._found: dict[tuple[int, int], Duel | None] = {}

    def __call__(self, i: int, j: int) -> Duel | None:
        """The first point minus the second; None where there is nothing to test."""
        if i > j:
            return reverse(self(j, i))
        if (i, j) not in self._found:
            self._found[i, j] = self._fought(i, j)
        return self._found[i, j]

    def _fought(self, i: int, j: int) -> Duel | None:
        matched = self._matches(i, j)
        if self._metric not in matched.a.metrics or self._metric not in matched.b.metrics:
            return None
        found = contrast(matched, self._metric, self._part)
        if isinstance(found, str):
            return None
        interval, p = found.interval(), found.p()
        if interval is None or p is None:
            return None
        return Duel(found.value, interval.low, interval.high, p, found.n, found.visible)


def reverse(duel: Duel | None) -> Duel | None:
    """The second point minus the first."""
    return None if duel is None else duel._replace(value=-duel.value, low=-duel.high, high=-duel.low)
