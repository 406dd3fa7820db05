"""The card's tables in a terminal: a number is never cut; what has no room gets a line for each of its cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from textwrap import wrap

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from evalsuite.aspects.card import AspectCard
from evalsuite.aspects.text import Grid, grids, headlines, unfolded
from reports.text import clean

WIDE = 10_000  # columns: more than any table needs
LEAST = 24  # characters of a heading on one line


def table(card: AspectCard) -> RenderableType:
    """Headlines, every table with its title, then the notes."""
    parts: list[RenderableType] = [Text(f"{clean(', '.join(card.models))}: by aspect ratio", "bold"), Text()]
    parts += [Text(clean(sentence)) for sentence in headlines(card)]
    for grid in grids(card):
        parts += [Text(), Text(clean(grid.title), "bold")]
        parts += [Text(clean(grid.about), "dim")] if grid.about else []
        parts += [Text(), _Fitted(grid)]
    parts += [Text(), *(Padding(Text(clean(note), "dim"), (0, 1)) for note in card.notes)]
    return Group(*parts)


class _Fitted:
    """A table as it is where there is room; else a table for each metric, and a line for each cell where need be."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        def fitting(grid: Grid) -> Table | None:
            for gap in (1, 0):
                drawn = _drawn(grid, gap)
                if console.measure(drawn, options=options.update(width=WIDE)).maximum <= options.max_width:
                    return drawn
            return None

        whole = fitting(self.grid)
        if whole is not None:
            yield whole
            return
        for number, group in enumerate(dict.fromkeys(line.group for line in self.grid.lines)):
            if number:
                yield Text()
            part = replace(self.grid, lines=tuple(line for line in self.grid.lines if line.group == group))
            yield fitting(part) or _drawn(unfolded(part), 1)


def _drawn(grid: Grid, gap: int) -> Table:
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, gap), collapse_padding=True)
    drawn.add_column(Text(), overflow="fold")
    for column in grid.columns:
        drawn.add_column(Text(clean(column)), justify="right", no_wrap=True)
    width = max(LEAST, *(len(clean(line.label)) + 2 for line in grid.lines))
    starred = any(cell.endswith(" *") for line in grid.lines for cell in line.cells)
    before = ""
    for line in grid.lines:
        if line.group != before:
            drawn.add_row(Text("\n".join(_heading(clean(line.group), width)), "bold"))
        drawn.add_row(Text(f"  {clean(line.label)}"), *_aligned(line.cells, starred))
        before = line.group
    return drawn


def _heading(group: str, width: int) -> Iterator[str]:
    """On as many lines as it takes: the unit on its own, and a long metric broken before its network."""
    if len(group) <= width:
        yield group
        return
    name, bracket, unit = group.partition(" (")
    family, sign, rest = name.partition("@")
    yield from [name] if len(name) <= width or not sign else [family, f"{sign}{rest}"]
    yield from wrap(f"({unit}", width) if bracket else []


def _aligned(cells: tuple[str, ...], starred: bool) -> Iterator[Text]:
    """A seen one is bold; the others keep its star's place, so that digits stand below each other."""
    for cell in cells:
        seen = cell.endswith(" *")
        yield Text(clean(cell) if seen or not starred else f"{clean(cell)}  ", "bold" if seen else "")
