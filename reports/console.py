"""The comparison as rich draws it in a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from reports import tables
from reports.text import clean

if TYPE_CHECKING:
    import pandas as pd

MAX_WORD = 36  # characters of a metric's name that are never broken
WIDE = 10_000  # columns: more than any table needs


def table(
    rows: pd.DataFrame, *, title: str = "", models: Iterable[str] = (), notes: Iterable[str] = ()
) -> RenderableType:
    """A line per metric and a column per model, the same per aspect ratio, and the notes.

    Args:
        rows: the scores in long form.
        title: shown above.
        models: names that come first, in this order.
        notes: sentences shown below, before the rows' own.

    Raises:
        ValueError: two rows claim the same model, metric, slice and protocol.
    """
    records, models = tables.records(rows), tuple(models)
    whole, aspects = tables.pivot(records, models=models), tables.pivot(records, "aspect", models)
    parts: list[RenderableType] = [Text(clean(title), "bold"), Text()] if title else []
    parts.append(_Fitted(whole) if whole.lines else Text("No scores.", "dim"))
    if aspects.lines:
        parts += [Text(), _Fitted(aspects, "aspect")]
    marked = any(cell.best for part in (whole, aspects) for line in part.lines for cell in line.cells)
    said = [tables.INTERVALS + (f" * {tables.RANKED}" if marked else "")] if whole.lines else []
    said += [*tables.clashes(whole), *notes, *tables.notes_of(records)]
    parts += [Text()] if said else []
    parts += [Padding(Text(clean(note), "dim"), (0, 1)) for note in said]
    return Group(*parts)


@dataclass(frozen=True)
class _Fitted:
    """A grid whose metric names stay whole where there is room: rich would cut off other columns for a least width."""

    content: tables.Table
    part: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        words = [word for line in self.content.lines for word in clean(line.label).split()]
        least = min(MAX_WORD, max(map(len, words), default=0))
        for gap in (1, 0):
            fixed = _grid(self.content, self.part, least, gap, width=least)
            if console.measure(fixed, options=options.update(width=WIDE)).maximum <= options.max_width:
                yield _grid(self.content, self.part, least, gap)
                return
        yield _grid(self.content, self.part, 0, 0)


def _grid(content: tables.Table, part: str, least: int, gap: int, width: int | None = None) -> RichTable:
    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, gap), collapse_padding=True)
    grid.add_column(Text("metric"), overflow="fold", min_width=least, width=width)
    if part:
        grid.add_column(Text(part), overflow="fold")
    for model in content.models:
        grid.add_column(Text(clean(model)), justify="right", overflow="fold")
    grid.add_column(Text("n"), justify="right", overflow="fold")
    before = ""
    for line in content.lines:
        repeated = part and line.label == before
        if part and before and not repeated:
            grid.add_section()
        cells = [Text("" if repeated else clean(line.label))]
        cells += [Text(clean(line.part))] if part else []
        cells += [Text(f"{cell.text} *", "bold") if cell.best else Text(f"{cell.text}  ") for cell in line.cells]
        grid.add_row(*cells, Text(line.n, "dim"))
        before = line.label
    return grid
