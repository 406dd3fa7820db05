"""Images decoded by other processes, where one that feeds a GPU would wait for Python's lock.

Threads decode without the lock, but each image needs it for a moment, and it changes hands slowly: 16 threads keep some
three CPUs busy. A process decodes several files for one question. It ends with the process that asks.
"""

from __future__ import annotations

import atexit
import json
import mmap
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired
from types import TracebackType
from typing import Self, TypeAlias

import numpy as np

from evalsuite.images import BadImage, Pixels, read_rgb
from evalsuite.read_ahead import readers

FILES, BYTES = 8, 2 << 20
"""Files of a question at most, and what they have on the disk unless there is only one."""
AHEAD = 2
"""Questions that each asker may be ahead."""
LEAST = 512
"""Files below which the processes, which take half a second to start, gain nothing."""
MANY_CPUS = 4
"""CPUs up to which threads are enough."""
AREA = 32 << 20
"""Bytes of pixels of an answer; images beyond them are decoded by who asks."""
ENDING = 5.0
"""Seconds that a process has to end by itself."""
Found: TypeAlias = Pixels | BadImage
Read: TypeAlias = Callable[[Sequence[Path]], list[Found]]


def are_worth_it(files: int, device: str) -> bool:
    """Whether to decode so many files in processes, for a network on a device such as ``cuda``."""
    many = readers() > MANY_CPUS and files >= LEAST
    return many and device == "cuda" and hasattr(os, "memfd_create")


def questions(files: Iterable[Path]) -> Iterator[list[Path]]:
    """The files in their order, as many to a question as it may have."""
    asked: list[Path] = []
    size = 0
    for file in files:
        own = file.stat().st_size if file.is_file() else 0
        if asked and (len(asked) == FILES or size + own > BYTES):
            yield asked
            asked, size = [], 0
        asked.append(file)
        size += own
    if asked:
        yield asked


@cache
def decoders() -> Decoders:
    """Those of this process, started when first asked for and there until it ends."""
    found = Decoders(readers())
    atexit.register(found.close)
    return found


class Decoders:
    """Processes that decode; any thread may ask.

    Args:
        number: of processes; where the system refuses some, there are fewer.
    """

    def __init__(self, number: int) -> None:
        self._workers: list[_Worker] = []
        self._idle = SimpleQueue[_Worker]()
        with suppress(OSError):
            while len(self._workers) < number:
                self._workers.append(_Worker())
                self._idle.put(self._workers[-1])

    def read(self, files: Sequence[Path]) -> list[Found]:
        """Pixels of each file as `evalsuite.images.read_rgb` has them, or why there are none.

        Where no process is idle, or one is lost, it is done here.
        """
        try:
            worker = self._idle.get_nowait()
        except Empty:
            return read_here(files)
        try:
            found = worker.read(files)
        except (OSError, ValueError):  # it is gone: killed for its memory, perhaps
            worker.close()
            return read_here(files)
        self._idle.put(worker)
        return [_read(file) if one is None else one for file, one in zip(files, found, strict=True)]

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Worker:
    """A process and the memory for its pixels, which has no name and needs no room in /dev/shm."""

    def __init__(self) -> None:
        memory = os.memfd_create("evalsuite-images")
        try:
            os.ftruncate(memory, AREA)
            self._area = np.frombuffer(mmap.mmap(memory, AREA), np.uint8)
            self._process = Popen(
                [sys.executable, "-P", "-m", "evalsuite.decoder_worker", str(memory)],
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env=_environment(),
                pass_fds=(memory,),
                start_new_session=True,  # an interrupt is for who asks
            )
        finally:
            os.close(memory)

    def read(self, files: Sequence[Path]) -> list[Found | None]:
        """None for an image that had no room.

        Raises:
            OSError, ValueError: the process is gone.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(file.absolute()) for file in files]).encode() + b"\n")
        self._process.stdin.flush()
        found: list[Found | None] = []
        place = 0
        for told in json.loads(self._process.stdout.readline()):
            if isinstance(told, str):
                found.append(BadImage(told))
            elif told is None:
                found.append(None)
            else:
                size = 3 * told[0] * told[1]
                found.append(self._area[place : place + size].reshape(*told, 3).copy())
                place += size
        return found

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # it is gone, and what was said to it with it
                if pipe is not None:
                    pipe.close()
        try:
            self._process.wait(ENDING)
        except TimeoutExpired:
            self._process.kill()
            self._process.wait()


def read_here(files: Sequence[Path]) -> list[Found]:
    """The same without another process."""
    return [_read(file) for file in files]


def _read(file: Path) -> Found:
    try:
        return read_rgb(file)
    except BadImage as error:
        return error


def _environment() -> dict[str, str]:
    """Where this very package is found, and one thread."""
    here = str(Path(__file__).resolve().parent.parent)
    paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
