"""Progress of one point among many."""

from __future__ import annotations

from collections.abc import Callable

from evalsuite.progress import Progress


class Titled:
    """Says which point a stage is of.

    Args:
        progress: told of everything.
        title: of the point.
        after: told of all steps so far after each of them; it may stop the work by raising.
    """

    def __init__(self, progress: Progress, title: str, after: Callable[[int], None] | None = None) -> None:
        self._steps = 0
        self._progress, self._title, self._after = progress, title, after

    def start(self, stage: str, total: int) -> None:
        """Begin a stage."""
        if total:
            self._progress.start(f"{stage}, {self._title}", total)

    def advance(self, steps: int = 1) -> None:
        """Some steps are done."""
        self._steps += steps
        self._progress.advance(steps)
        if self._after is not None:
            self._after(self._steps)

    def note(self, text: str) -> None:
        """Something the user should know."""
        self._progress.note(text)
