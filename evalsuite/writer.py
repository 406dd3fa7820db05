"""Finished units to disk, in threads of their own, while the next ones are made."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from evalsuite.machine import cores
from evalsuite.plan import Unit
from evalsuite.records import Made, Picture
from evalsuite.store import RunStore

QUEUED_UNITS = 2  # finished, waiting for the disk or being written
QUEUED_BYTES = 2**30  # of their pixels, where there are more: several threads write on a machine with a GPU
MOST_THREADS = 8


class Writer:
    """Writes units; a context, which ends when all are written, or drops them on an error.

    One thread where the CPU makes the images, which needs its cores; else as many as there are cores, up to 8: a GPU
    makes images faster than one core compresses them.

    Args:
        store: an open run folder.
        written: told of every unit once it is on disk, by any thread.
    """

    def __init__(self, store: RunStore, written: Callable[[Unit], None]) -> None:
        self._store, self._written = store, written
        device = store.manifest.spec.device
        self._threads = 1 if device == "cpu" else min(MOST_THREADS, cores())
        self._pool = ThreadPoolExecutor(max_workers=self._threads)
        self._queue: deque[tuple[Future[None], int]] = deque()

    def put(self, unit: Unit, pictures: Sequence[Picture], seconds: float, made: Made) -> None:
        """Queue a unit; an earlier unit's error is raised here, and a slow disk waited for."""
        size = sum(picture.rgb.nbytes for picture in pictures if picture.rgb is not None)
        self._queue.append((self._pool.submit(self._write, unit, pictures, seconds, made), size))
        while self._is_full() or (self._queue and self._queue[0][0].done()):
            self._queue.popleft()[0].result()

    def flush(self) -> None:
        """Wait until everything is on disk; raises as `put` does."""
        while self._queue:
            self._queue.popleft()[0].result()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=kind is not None)
        if kind is None:
            self.flush()

    def _is_full(self) -> bool:
        units, size = len(self._queue), sum(size for _, size in self._queue)
        return units > QUEUED_UNITS and (units > self._threads + 1 or size > QUEUED_BYTES)

    def _write(self, unit: Unit, pictures: Sequence[Picture], seconds: float, made: Made) -> None:
        self._store.add(unit, pictures, seconds, made)
        self._written(unit)
