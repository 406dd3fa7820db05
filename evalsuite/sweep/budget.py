"""Time that a sweep may spend: written as ``30min``, counted while images are made and scored."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from evalsuite.errors import InputError

SECONDS = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600}
PART = r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(s|sec|min|m|h)"
DURATION = re.compile(f"(?:{PART} ?)+")
LONGEST = 366 * 24 * 3600


def seconds_of(text: str, where: str = "--budget") -> float:
    """Seconds of ``90s``, ``30min``, ``2h`` or ``1h 30min``.

    Raises:
        InputError: not of that form, nothing, or more than a year.
    """
    words = text.strip().lower()
    if not DURATION.fullmatch(words):
        raise InputError(f"{where} is {text!r}: write a duration, such as 90s, 30min, 2h or 1h30min")
    found = sum(float(number) * SECONDS[unit] for number, unit in re.findall(PART, words))
    if not 0 < found <= LONGEST:
        raise InputError(f"{where} is {text!r}: spend more than nothing and at most a year")
    return found


class Budget:
    """A limit, and what was spent of it.

    Args:
        limit: seconds; None means no limit.
        spent: seconds before this process.
        now: the time in seconds, from any start.
    """

    def __init__(self, limit: float | None, spent: float = 0.0, now: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._spent = spent
        self._now = now
        self._since: float | None = None

    @property
    def spent(self) -> float:
        """Seconds, those of the work that is going on too."""
        return self._spent + (0.0 if self._since is None else self._now() - self._since)

    @property
    def left(self) -> float:
        """Seconds, below 0 once the limit is passed; infinite without one."""
        return math.inf if self.limit is None else self.limit - self.spent

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count the time until the block ends, however it ends; blocks do not nest."""
        self._since = self._now()
        try:
            yield
        finally:
            self._spent, self._since = self.spent, None
