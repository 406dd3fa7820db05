"""What a long run says while it runs: a bar on a terminal, plain lines elsewhere, always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

PATIENCE = 10.0  # seconds between two plain lines of one stage


class Progress(Protocol):
    """Told of stages and steps; stages do not overlap."""

    def start(self, stage: str, total: int) -> None:
        """A stage of ``total`` equal steps begins; the one before it is over."""

    def advance(self, steps: int = 1) -> None:
        """Some steps of the stage are done."""

    def note(self, text: str) -> None:
        """Something the user should know now."""


class Silent:
    """Says nothing."""

    def start(self, stage: str, total: int) -> None:
        """Nothing."""

    def advance(self, steps: int = 1) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""


class Lines:
    """One line when a stage begins, at most one every ten seconds, one when it is done."""

    def __init__(self) -> None:
        self._stage, self._total, self._done = "", 0, 0
        self._began = self._spoke = 0.0

    def start(self, stage: str, total: int) -> None:
        """Say the stage's name and size."""
        self._stage, self._total, self._done = stage, total, 0
        self._began = self._spoke = time.monotonic()
        self.note(f"{stage}: {total} to do")

    def advance(self, steps: int = 1) -> None:
        """Say how far it is, when it is time to."""
        self._done += steps
        now = time.monotonic()
        if self._done >= self._total:
            if self._done - steps >= self._total:
                return  # said already: a process of a team may do more than its part
            self.note(f"{self._stage}: {self._done} done in {duration(now - self._began)}")
        elif now - self._spoke >= PATIENCE:
            self._spoke = now
            left = (now - self._began) * (self._total - self._done) / self._done
            self.note(f"{self._stage}: {self._done} of {self._total}, {duration(left)} left")

    def note(self, text: str) -> None:
        """Print a line."""
        print(plain(text), file=sys.stderr, flush=True)


@contextmanager
def shown(quiet: bool = False) -> Iterator[Progress]:
    """The fitting way to report on this stderr, until the block ends."""
    if quiet:
        yield Silent()
    elif not sys.stderr.isatty():
        yield Lines()
    else:
        from evalsuite.progress_bar import Bar

        with Bar() as bar:
            yield bar


def duration(seconds: float) -> str:
    """Seconds in words: ``42 s``, ``3 min 5 s``, ``2 h 4 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s" if whole or not seconds else "under 1 s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def plain(text: str) -> str:
    """One line of text that cannot steer a terminal: what is not printable is shown as an escape."""
    line = " ".join(text.split("\n"))
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)
