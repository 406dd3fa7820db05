"""From rows in long form to tables: a line per metric, a column per model, the best of a line marked.

Nothing is averaged or tested here; only which digits are shown and which cell is marked is decided.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from reports.digits import MISSING, Number, decimals, show

if TYPE_CHECKING:
    import pandas as pd

INTERVALS = "Intervals are 95 %."
RANKED = (
    "marks the best of a line, where all models share protocol and n; where intervals overlap, the order may be chance."
)


class Cell(NamedTuple):
    """What one model's place in a line shows."""

    text: str
    best: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One metric under one protocol, on one slice, for every model."""

    metric: str
    part: str  # "16:9" of slice "aspect=16:9"; "" for the whole run
    unit: str
    higher_is_better: bool | None
    protocol: str
    cells: tuple[Cell, ...]  # in the order of the table's models
    n: str

    @property
    def label(self) -> str:
        """The metric with the direction that is better, and its unit."""
        arrow = {True: " ↑", False: " ↓", None: ""}[self.higher_is_better]
        return f"{self.metric}{arrow}" + (f" ({self.unit})" if self.unit not in ("", "1") else "")


@dataclass(frozen=True, slots=True)
class Table:
    """Lines that share their columns."""

    models: tuple[str, ...]
    lines: tuple[Line, ...]


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain Python values, NaN and infinities as None."""
    return [{str(key): plain(value) for key, value in row.items()} for row in rows.to_dict("records")]


def plain(value: Any) -> Any:
    """A JSON-able value: numpy scalars unwrapped, containers walked, NaN and infinities as None."""
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    return None if type(value).__name__ in ("NAType", "NaTType") else str(value)


def pivot(rows: Sequence[Mapping[str, Any]], kind: str = "", models: Iterable[str] = ()) -> Table:
    """Lines of one kind of slice.

    Args:
        rows: as `records` gives them.
        kind: ``aspect`` or ``tag``; empty for the whole run.
        models: names that come first, in this order; others follow as they appear.

    Raises:
        ValueError: two rows claim the same model, metric, slice and protocol.
    """
    wanted = [row for row in rows if _kind(row["slice"]) == kind]
    present = dict.fromkeys(str(row["model"]) for row in wanted)
    order = tuple(dict.fromkeys([*(str(m) for m in models if str(m) in present), *present]))
    grouped: dict[tuple[str, str, str], dict[str, Mapping[str, Any]]] = {}
    metrics = list(dict.fromkeys(str(row["metric"]) for row in wanted))
    for row in wanted:
        key = (str(row["metric"]), str(row["slice"]), str(row["protocol"]))
        if grouped.setdefault(key, {}).setdefault(str(row["model"]), row) is not row:
            raise ValueError(f"two rows for model {row['model']!r}, {', '.join(map(repr, key))}; expected one")
    keys = sorted(grouped, key=lambda key: metrics.index(key[0]))  # stable: slices keep their order
    return Table(order, tuple(_line(grouped[key], key, order) for key in keys))


def kinds(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Kinds of slices that occur: aspect and tag first, then as they appear."""
    found = dict.fromkeys(_kind(row["slice"]) for row in rows)
    return [kind for kind in dict.fromkeys(["aspect", "tag", *found]) if kind and kind in found]


def _kind(slice_: str) -> str:
    return "" if slice_ == "all" else slice_.partition("=")[0]


def _line(row_of: Mapping[str, Mapping[str, Any]], key: tuple[str, str, str], models: Sequence[str]) -> Line:
    numbers = {model: Number(r["value"], r["low"], r["high"], int(r["n"] or 0)) for model, r in row_of.items()}
    directions = {row["higher_is_better"] for row in row_of.values()}
    better = directions.pop() if len(directions) == 1 else None
    digits = decimals(numbers.values())
    texts = {model: show(number, digits) for model, number in numbers.items()}
    best = best_of(numbers, digits, better)
    sizes = [str(numbers[model].n) if model in numbers else MISSING for model in models]
    return Line(
        metric=key[0],
        part=key[1].partition("=")[2],
        unit=str(next(iter(row_of.values()))["unit"] or ""),
        higher_is_better=better,
        protocol=key[2],
        cells=tuple(Cell(texts.get(model, MISSING), model in best) for model in models),
        n=sizes[0] if len(set(sizes)) == 1 else " / ".join(sizes),
    )


def best_of(numbers: Mapping[str, Number], digits: int, higher: bool | None) -> set[str]:
    """Models to mark: none unless two or more can be ranked, all with a sensible interval and the same n.

    A tie at the digits shown is a tie; when everyone ties, nobody is marked.
    """
    if higher is None or len(numbers) < 2 or not all(number.sensible for number in numbers.values()):
        return set()
    if len({number.n for number in numbers.values()}) > 1:
        return set()
    digits = max(digits, 0)
    shown = {model: round(number.value, digits) for model, number in numbers.items() if number.value is not None}
    top = (max if higher else min)(shown.values())
    ties = {model for model, value in shown.items() if value == top}
    return ties if len(ties) < len(numbers) else set()


def notes_of(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The rows' own notes, each once with the metrics and models it is about.

    Of the slices only what explains a missing value: the rest repeats the whole run's notes.
    """
    about: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for row in rows:
        if row["note"] and (row["slice"] == "all" or row["value"] is None):
            metrics, models = about.setdefault(str(row["note"]), ({}, {}))
            part = "" if row["slice"] == "all" else f" on {row['slice']}"
            metrics[f"{row['metric']}{part}"] = None
            models[str(row["model"])] = None
    everyone = {str(row["model"]) for row in rows}
    for note, (metrics, models) in about.items():
        who = "" if set(models) == everyone else f" ({', '.join(models)})"
        yield f"{', '.join(metrics)}{who}: {note}"


def clashes(table: Table) -> Iterator[str]:
    """A sentence for every metric that stands in several lines because its protocols differ."""
    protocols: dict[str, set[str]] = {}
    for line in table.lines:
        protocols.setdefault(line.metric, set()).add(line.protocol)
    for metric, different in protocols.items():
        if len(different) > 1:
            yield f"{metric} was measured under {len(different)} protocols; those values are not comparable."
