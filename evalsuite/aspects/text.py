"""The card as tables: a line per metric and model, a column per ratio. Text from outside is never read as markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evalsuite.aspects import counting
from evalsuite.aspects.card import AspectCard
from evalsuite.aspects.images import square_of
from evalsuite.aspects.table import mirrored
from evalsuite.aspects.versus import KIND
from evalsuite.rows import Row
from reports.digits import MISSING, Number, decimals, show
from reports.text import markdown

RAW, LEFT = ("drop=", "farthest="), ("drop-corrected=", "farthest-corrected=")
"""How the slices of the worst changes begin: as measured, and without the scorer's bias."""


@dataclass(frozen=True, slots=True)
class Line:
    """Cells under the heading of a group."""

    group: str
    label: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: lines in groups."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    about: str = ""


def grids(card: AspectCard) -> list[Grid]:
    """Values, worst ratios, asymmetry, the scorer's bias and object counts, as far as there are any."""
    found = [_values(card), _worst(card), _asymmetry(card), _bias(card), _counts(card), _versus(card)]
    return [grid for grid in found if grid.lines]


def headlines(card: AspectCard) -> list[str]:
    """A sentence for each model: where it is seen to be worse than at the reference, and what of it is the scorer."""
    return [f"{model}: {_headline(card, model)}" for model in card.models]


def text_markdown(card: AspectCard) -> str:
    """Headlines, all tables, notes and protocols."""
    parts = [f"# {markdown(', '.join(card.models))}: by aspect ratio"]
    parts.append("\n".join(f"- {markdown(sentence)}" for sentence in headlines(card)))
    for grid in grids(card):
        parts.append(f"## {markdown(grid.title)}")
        parts += [markdown(grid.about)] if grid.about else []
        rows = [["", "", *map(markdown, grid.columns)], ["---", "---", *(["---:"] * len(grid.columns))]]
        before = ""
        for line in grid.lines:
            rows.append(
                [markdown(cell) for cell in ("" if line.group == before else line.group, line.label, *line.cells)]
            )
            before = line.group
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    parts += ["## Notes", "\n".join(f"- {markdown(note)}" for note in card.notes)]
    protocols = {row.metric: row.protocol for row in card.rows}
    parts += ["## Protocols", "\n".join(f"- {markdown(name)}: {markdown(words)}" for name, words in protocols.items())]
    return "\n\n".join(parts) + "\n"


def unfolded(grid: Grid) -> Grid:
    """The same with a line for each cell, for a terminal that has no room for all columns."""
    lines = [
        Line(line.group, f"{line.label}, {column}", (cell,))
        for line in grid.lines
        for column, cell in zip(grid.columns, line.cells, strict=True)
    ]
    return Grid(grid.title, ("value",), tuple(lines), grid.about)


def _values(card: AspectCard) -> Grid:
    """Each ratio's value with its interval, as the run has it."""
    names = [name for name in card.metrics if name not in counting.TITLES]
    lines = []
    for name in names:
        for model in card.models:
            rows = [card.row(model, name, f"aspect={aspect}") for aspect in card.aspects]
            if any(rows):
                lines.append(Line(_label(card, name), model, tuple(_cells(rows))))
    about = f"{_sizes(card, ('aspect=',), names)} images a cell"
    return Grid("By aspect ratio, from tall to wide", card.aspects, tuple(lines), about)


def _worst(card: AspectCard) -> Grid:
    """The worst ratio of every metric, and after the scorer's bias is taken out."""
    lines = []
    corrected = any(row.slice.startswith(LEFT) for row in card.rows)
    for name in card.metrics:
        for model in card.models:
            raw, left = _first(card, model, name, RAW), _first(card, model, name, LEFT)
            if raw is not None:
                cells = (_pair(raw), _cell(raw), *((_pair(left), _cell(left)) if corrected else ()))
                lines.append(Line(_label(card, name), model, cells))
    columns = ("worst", "drop", *(("worst, bias out", "drop, bias out") if corrected else ()))
    about = "a drop is positive where the ratio is worse; of a metric without a better direction, the farthest change"
    return Grid("Worst ratio", columns, tuple(lines), f"{about}; {_sizes(card, RAW)} pairs")


def _asymmetry(card: AspectCard) -> Grid:
    """Landscape minus portrait."""
    couples = [f"{wide}/{tall}" for wide, tall in mirrored(card.aspects)]
    columns = [*couples, *(["pooled"] if len(couples) > 1 else [])]
    lines = []
    for name in card.metrics:
        for model in card.models:
            rows = [card.row(model, name, f"asymmetry={column}") for column in columns]
            if any(rows):
                lines.append(Line(_label(card, name), model, tuple(_cells(rows, sign=True, star=True))))
    heads = tuple(column.replace("/", " - ") for column in columns)
    return Grid(
        "Landscape minus portrait", heads, tuple(lines), f"{_sizes(card, ('asymmetry=',))} pairs of each couple"
    )


def _bias(card: AspectCard) -> Grid:
    """What was measured, what the scorer does by itself, and what is left over, as changes from 1:1."""
    square = square_of(card.aspects)
    aspects = tuple(aspect for aspect in card.aspects if aspect != square)
    lines = []
    for name in card.metrics:
        for model in card.models:
            if not any(card.row(model, name, f"bias={aspect}/{square}") for aspect in aspects):
                continue
            for kind, words in (("difference", "measured"), ("bias", "letterboxed"), ("corrected", "left over")):
                rows = [card.row(model, name, f"{kind}={aspect}/{square}") for aspect in aspects]
                lines.append(Line(_label(card, name), f"{model}, {words}", tuple(_cells(rows, sign=True, star=True))))
    about = "changes from 1:1: measured, of the same 1:1 images letterboxed, and what is left over"
    return Grid("The scorer's own bias", aspects, tuple(lines), f"{about}; {_sizes(card, ('bias=',))} pairs")


def _versus(card: AspectCard) -> Grid:
    """Every other model minus the first."""
    lines = []
    for name in card.metrics:
        for model in card.models[1:]:
            rows = [card.row(model, name, f"{KIND}={aspect}") for aspect in card.aspects]
            if any(rows):
                lines.append(Line(_label(card, name), model, tuple(_cells(rows, sign=True, star=True))))
    about = f"paired by prompt and index; {_sizes(card, (f'{KIND}=',))} pairs"
    return Grid(f"Minus {card.models[0]}, at each ratio", card.aspects, tuple(lines), about)


def _counts(card: AspectCard) -> Grid:
    """Counts against captions, beside each the counter's own on real renders of the same ratio."""
    names = [name for name in counting.TITLES if name in card.metrics]
    lines = []
    for model in (*card.models, *counting.COUNTER) if names else ():
        for aspect in card.aspects:
            rows = [card.row(model, name, f"aspect={aspect}") for name in names]
            own = [card.row(counting.COUNTER[0], name, f"aspect={aspect}") for name in names]
            if known := [row for row in rows if row is not None]:
                beside = [f" / {_value(row)}" if model in card.models else "" for row in own]
                cells = (f"{_cell(row, '')}{more}" for row, more in zip(rows, beside, strict=True))
                lines.append(Line(model, f"{aspect}, n = {known[0].n}", tuple(cells)))
    heads = {counting.WRONG: "wrong, %", counting.EXCESS: "too many, %", counting.ERROR: "mean error"}
    about = "against the caption; after the / the counter's own figure on real renders of that ratio"
    return Grid("Number of objects", tuple(heads[name] for name in names), tuple(lines), about)


def _headline(card: AspectCard, model: str) -> str:
    drops = [(name, _first(card, model, name, ("drop=",))) for name in card.metrics]
    tested = [(name, row) for name, row in drops if row is not None]
    said = []
    for name, row in tested:
        left = _first(card, model, name, ("drop-corrected=",))
        if (row.low or 0) > 0:
            out = f" ({_cell(left, '')} at {_ratios(left)[0]} without the scorer's bias)" if left is not None else ""
            said.append(f"{_worse(name, row)}{out}")
        elif left is not None and (left.low or 0) > 0:
            said.append(f"{_worse(name, left)} without the scorer's bias")
    if said:
        return "; ".join(said)
    if not tested:
        return "nothing could be compared"
    among = f"any of {len(tested)} metrics" if len(tested) > 1 else tested[0][0]
    return f"no ratio is seen to be worse on {among}"


def _worse(name: str, row: Row) -> str:
    worst, reference = _ratios(row)
    return f"{name} is worse at {worst} than at {reference} by {_cell(row, '')}"


def _first(card: AspectCard, model: str, name: str, kinds: Iterable[str]) -> Row | None:
    return next((row for kind in kinds if (row := card.row(model, name, kind)) is not None), None)


def _label(card: AspectCard, name: str) -> str:
    metric = card.metrics[name]
    arrow = {True: " ↑", False: " ↓", None: ""}[metric.higher_is_better]
    return f"{name}{arrow}" + (f" ({metric.unit})" if metric.unit not in ("", "1") else "")


def _pair(row: Row | None) -> str:
    return MISSING if row is None else " vs ".join(_ratios(row))


def _ratios(row: Row) -> tuple[str, str]:
    """The two that a row is about."""
    one, _, other = row.slice.partition("=")[2].partition("/")
    return one, other


def _sizes(card: AspectCard, kinds: tuple[str, ...], names: Iterable[str] | None = None) -> str:
    """On how many images the rows of some kinds rest."""
    known = card.metrics if names is None else list(names)
    sizes = sorted(
        {r.n for r in card.rows if r.slice.startswith(kinds) and r.metric in known and r.model in card.models}
    )
    if not sizes:
        return ""
    return f"n = {sizes[0]}" if sizes[0] == sizes[-1] else f"n = {sizes[0]} to {sizes[-1]}"


def _cell(row: Row | None, star: str = " *") -> str:
    return next(iter(_cells([row], star=bool(star))))


def _value(row: Row | None) -> str:
    """The value alone, to two digits."""
    return MISSING if row is None or row.value is None else f"{row.value:.2f}"


def _cells(rows: Sequence[Row | None], sign: bool = False, star: bool = False) -> Iterable[str]:
    """Numbers of one line, with as many digits as their intervals support."""
    numbers = [Number(None, None, None, 0) if r is None else Number(r.value, r.low, r.high, r.n) for r in rows]
    digits = decimals(numbers)
    for number in numbers:
        text = show(number, digits)
        above = (number.value or 0) > 0 and any(digit in text.split()[0] for digit in "123456789")
        yield f"{'+' if sign and above else ''}{text}{' *' if star and _seen(number) else ''}"


def _seen(number: Number) -> bool:
    return number.low is not None and number.high is not None and not number.low <= 0 <= number.high
