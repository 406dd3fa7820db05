"""The bar on a terminal."""

from __future__ import annotations

from types import TracebackType

from rich import progress
from rich.console import Console
from rich.text import Text

from evalsuite.progress import plain


class Bar:
    """A rich bar with steps done and time left; text is never read as markup."""

    def __init__(self) -> None:
        self._bars = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=Console(stderr=True),
        )
        self._task: progress.TaskID | None = None

    def __enter__(self) -> Bar:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def start(self, stage: str, total: int) -> None:
        """A new bar; the one before it stays as it is."""
        if self._task is not None:
            self._bars.stop_task(self._task)
        self._task = self._bars.add_task(plain(stage), total=total)

    def advance(self, steps: int = 1) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.advance(self._task, steps)

    def note(self, text: str) -> None:
        """A line above the bars."""
        self._bars.console.print(Text(plain(text)))
