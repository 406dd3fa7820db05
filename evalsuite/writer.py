"""Finished units to disk, in a thread of its own, while the next one is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from evalsuite.plan import Unit
from evalsuite.records import Made, Picture
from evalsuite.store import RunStore

QUEUED_UNITS = 2  # finished, waiting for the disk


class Writer:
    """Writes units one after another; a context, which ends when all are written, or drops them on an error.

    Args:
        store: an open run folder.
        written: told of every unit once it is on disk.
    """

    def __init__(self, store: RunStore, written: Callable[[Unit], None]) -> None:
        self._store, self._written = store, written
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._queue: list[Future[None]] = []

    def put(self, unit: Unit, pictures: Sequence[Picture], seconds: float, made: Made) -> None:
        """Queue a unit; an earlier unit's error is raised here, and a slow disk waited for."""
        self._queue.append(self._pool.submit(self._write, unit, pictures, seconds, made))
        while len(self._queue) > QUEUED_UNITS or (self._queue and self._queue[0].done()):
            self._queue.pop(0).result()

    def flush(self) -> None:
        """Wait until everything is on disk; raises as `put` does."""
        while self._queue:
            self._queue.pop(0).result()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=kind is not None)
        if kind is None:
            self.flush()

    def _write(self, unit: Unit, pictures: Sequence[Picture], seconds: float, made: Made) -> None:
        self._store.add(unit, pictures, seconds, made)
        self._written(unit)
