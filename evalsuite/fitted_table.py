"""A terminal table that leaves out its last columns, and says so, where there is no room: a number is never cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

WIDE = 10_000  # columns: more than any table needs


@dataclass(frozen=True)
class Fitted:
    """A renderable of rich.

    Attributes:
        names: of the columns after the first.
        least: so many of them are there in any case.
        grid: the table with the first so many.
        remedy: where all of it can be seen.
    """

    names: Sequence[str]
    least: int
    grid: Callable[[int], Table]
    remedy: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for count in range(len(self.names), self.least - 1, -1):
            grid = self.grid(count)
            if console.measure(grid, options=options.update(width=WIDE)).maximum <= options.max_width:
                break
        yield grid
        if count < len(self.names):
            yield Text(f"No room for {', '.join(self.names[count:])}: see {self.remedy}, or a wider terminal.", "dim")
