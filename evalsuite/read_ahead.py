"""Files read by threads ahead of whoever uses them, in order, and only so many that memory stays small."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

READERS = 16
"""Threads that decode, where there are as many cores: decoders run without Python's lock, what is around them not."""
EACH = 4
"""Files that each reader may be ahead."""
LARGEST = 2**29
"""Bytes that may be ahead, going by the size of the last file that was used."""
Given = TypeVar("Given")
Found = TypeVar("Found")


def readers() -> int:
    """Threads that decode here."""
    return min(READERS, os.cpu_count() or 1)


def read_ahead(
    read: Callable[[Given], Found],
    items: Iterable[Given],
    size: Callable[[Found], int] = lambda found: 0,
    each: int = EACH,
) -> Iterator[Found]:
    """What ``read`` makes of each item, in the order of the items.

    Args:
        read: called in threads; what it raises is raised here, at the item's turn.
        items: taken as they are needed.
        size: bytes of something that was read.
        each: items that each reader may be ahead.
    """
    left, waiting = iter(items), deque[Future[Found]]()
    most = each * readers()
    pool = ThreadPoolExecutor(readers())
    try:
        waiting.extend(pool.submit(read, item) for item in islice(left, most))
        while waiting:
            found = waiting.popleft().result()
            room = max(1, min(most, LARGEST // max(1, size(found))))
            waiting.extend(pool.submit(read, item) for item in islice(left, max(0, room - len(waiting))))
            yield found
    finally:
        pool.shutdown(cancel_futures=True)  # who stops early does not wait for files that nobody wants
