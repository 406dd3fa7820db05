"""How much of this machine other programs use while a benchmark runs: its own load says nothing of them."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

STAT = Path("/proc/stat")
COUNTED = (0, 1, 2, 5, 6, 7)  # user, nice, system, irq, softirq, steal; not idle and waiting for disks
CONTENDED_CORES = 0.1
"""Cores that others may use, in the mean, before wall times are not to be trusted."""


class Watch:
    """Counts from when it is made."""

    def __init__(self) -> None:
        self._all, self._own, self._began = busy(), _own(), time.monotonic()

    def others(self) -> float | None:
        """Cores that other programs used, in the mean since the start; None where the system does not tell.

        What this process's children used counts once they have been waited for.
        """
        now = busy()
        if self._all is None or now is None:
            return None
        others = (now - self._all) - (_own() - self._own)
        return max(0.0, others / max(time.monotonic() - self._began, 1e-3))


def busy(stat: Path = STAT) -> float | None:
    """Seconds that all processors together have worked since the machine started, time stolen from them included."""
    try:
        ticks = [int(word) for word in stat.read_text(encoding="ascii").splitlines()[0].split()[1:]]
    except (OSError, ValueError, IndexError):
        return None
    if len(ticks) <= max(COUNTED) or not any(ticks):
        return None
    return sum(ticks[place] for place in COUNTED) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)
