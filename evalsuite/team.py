"""Processes that make one run together: each begins with its own part, then takes what no one has begun.

No process waits for another while it has something to make, and none sends anything: a claim (`evalsuite.claims`) keeps
two from making the same unit, and the records on disk say what is done. Where a process dies, those that its launcher
lets live make its part.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from evalsuite.claims import Claims
from evalsuite.plan import Unit
from evalsuite.share import Share, split
from evalsuite.store import RunStore

POLL = 0.2  # seconds between two looks at what others have made


class Crew(Protocol):
    """Hands out the units that this process is to make."""

    def own(self, units: Sequence[Unit]) -> list[Unit]:
        """Of these, the part that is this process's; it may be handed others too."""

    def take(self, units: Sequence[Unit]) -> Iterator[Unit]:
        """Units to make now; each stays this process's until it is released."""

    def rest(self, units: Sequence[Unit]) -> Iterator[Unit]:
        """Units of others that have to be made after all; ends when all are done, or cannot be."""

    def release(self, unit: Unit) -> None:
        """A unit is on disk, or cannot be made."""


class Single:
    """A process alone makes everything, in the order of work."""

    def own(self, units: Sequence[Unit]) -> list[Unit]:
        """All of them."""
        return list(units)

    def take(self, units: Sequence[Unit]) -> Iterator[Unit]:
        """All of them."""
        return iter(units)

    def rest(self, units: Sequence[Unit]) -> Iterator[Unit]:
        """None: there are no others."""
        return iter(())

    def release(self, unit: Unit) -> None:
        """Nothing to give up."""


class Team:
    """One of several processes.

    Args:
        store: an open run folder, which the others have open too.
        share: this process's.
        todo: units without a sound record, as this process found them.
        claims: of the folder.
    """

    def __init__(self, store: RunStore, share: Share, todo: Sequence[Unit], claims: Claims) -> None:
        self._store, self._share, self._claims = store, share, claims
        units = store.manifest.units
        self._numbers = {unit.key: number for number, unit in enumerate(units)}
        self._parts = split(units, [cost(unit) for unit in units], share.world)
        self._failed: set[str] = set()
        self._doubtful = {unit.key for unit in todo if store.has(unit)}  # damaged, or made since

    def own(self, units: Sequence[Unit]) -> list[Unit]:
        """Those of this process's part of the plan, the same whatever is done already."""
        keys = {unit.key for unit in self._parts[self._share.rank]}
        return [unit for unit in units if unit.key in keys]

    def take(self, units: Sequence[Unit]) -> Iterator[Unit]:
        """Its own part; then of the others' parts, from their ends, what no one has begun. A shard: its own part."""
        for unit in self._order(units):
            number = self._numbers[unit.key]
            if self._is_over(unit) or not self._claims.take(number):
                continue
            self._doubtful.discard(unit.key)
            if self._store.record(unit) is not None:  # made between the look and the claim
                self._claims.drop(number)
            else:
                yield unit

    def rest(self, units: Sequence[Unit]) -> Iterator[Unit]:
        """Where this process leads: waits until everything is made, and makes what a process that died has left."""
        while self._share.leads:
            left = [unit for unit in units if not self._is_over(unit)]
            if not left:
                return
            found = False
            for unit in self.take(left):
                found = True
                yield unit
            if not found:
                time.sleep(POLL)

    def release(self, unit: Unit) -> None:
        """Without a record on disk the unit cannot be made, and is not handed out again."""
        if not self._store.has(unit):
            self._failed.add(unit.key)
        self._claims.drop(self._numbers[unit.key])

    def _is_over(self, unit: Unit) -> bool:
        return unit.key in self._failed or (self._store.has(unit) and unit.key not in self._doubtful)

    def _order(self, units: Sequence[Unit]) -> list[Unit]:
        wanted = {unit.key for unit in units}
        mine, world = self._share.rank, self._share.world
        parts = [self._parts[mine]]
        if not self._share.shard:
            parts += [self._parts[(mine + k) % world][::-1] for k in range(1, world)]
        return [unit for part in parts for unit in part if unit.key in wanted]


def is_last(store: RunStore) -> bool:
    """Whether everything is made, and no other process is scoring it; this one claims that for as long as it lives."""
    return all(map(store.has, store.manifest.units)) and Claims(store.folder).take(len(store.manifest.units))


def cost(unit: Unit) -> float:
    """Of a unit, in pixels: every pass has as many images as the batch, also where some are padding."""
    return float(unit.width * unit.height * unit.batch)
