"""Heat maps: a line per slice, a column per metric, a shade per cell. The shade never says what the text does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.contents import Contents
from reports.digits import MISSING, Number, decimals
from reports.tables import kinds
from reports.verdict import SEEN, amount, digits_of

STEPS = 4  # shades on either side of none
LINES = 60  # slices of one kind; more are in scores.json
NAMES = {"aspect": "aspect ratio"}


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell shows: a number, a smaller line, a shade's class, and whether the difference was seen."""

    text: str
    below: str = ""
    shade: str = ""
    seen: bool = False
    spoken: str = ""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A table with shades."""

    title: str
    kind: str
    columns: tuple[tuple[str, str], ...]  # title and name of each metric
    lines: tuple[tuple[str, tuple[Cell, ...]], ...]
    left_out: int


def heat_maps(contents: Contents) -> list[HeatMap]:
    """Of two models their differences by each kind of slice; else every model's own numbers."""
    found: list[HeatMap] = []
    compared = contents.comparison
    of_two = compared is not None and len(compared["labels"]) == 2
    for kind in kinds(contents.rows):
        if of_two and compared is not None:
            found += _of_differences(contents, compared, kind)
        else:
            for label in contents.labels:
                found += _of_model(contents, label, kind, len(contents.models) > 1)
    return found


def _of_differences(contents: Contents, compared: Mapping[str, Any], kind: str) -> Iterable[HeatMap]:
    cells: dict[str, dict[str, Cell]] = {}
    a, b = compared["labels"]
    digits = {d["metric"]: digits_of(d) for d in compared["differences"] if d["slice"] == "all"}
    for d in compared["differences"]:
        if d["slice"].partition("=")[0] == kind and d["value"] is not None:
            cells.setdefault(d["slice"].partition("=")[2], {})[d["metric"]] = _difference(
                d, a, b, digits.get(d["metric"], digits_of(d))
            )
    yield from _table(contents, cells, kind, f"{a} minus {b}, by {NAMES.get(kind, kind)}")


def _difference(d: Mapping[str, Any], a: str, b: str, digits: int) -> Cell:
    both = f"{amount(d['a'], digits)} / {amount(d['b'], digits)}"
    seen = d["verdict"] in SEEN
    strength = _strength(d["value"], 0.0, d["low"], d["high"])
    ahead = d["value"] > 0 if d["higher_is_better"] is None else (d["value"] > 0) == d["higher_is_better"]
    shade = f"{'a' if ahead else 'b'}{strength}" if strength else "untested" if d["low"] is None else ""
    word = "higher" if d["higher_is_better"] is None else "better"
    tested = "seen" if seen else "not tested" if d["verdict"] == "untested" else "not seen"
    spoken = f"{a if ahead else b} {word}, {tested}" if d["value"] else "equal"
    return Cell(amount(d["value"], digits, sign=True), f"{both} · n {d['n']}", shade, seen, spoken)


def _of_model(contents: Contents, label: str, kind: str, several: bool) -> Iterable[HeatMap]:
    rows = [row for row in contents.rows if row["model"] == label]
    whole = {row["metric"]: row["value"] for row in rows if row["slice"] == "all"}
    digits = {
        metric.name: decimals(_number(row) for row in rows if row["metric"] == metric.name and row["slice"] == "all")
        for metric in contents.metrics
    }
    cells: dict[str, dict[str, Cell]] = {}
    for row in rows:
        if row["slice"].partition("=")[0] == kind:
            cell = _own(row, whole.get(row["metric"]), digits.get(row["metric"], 3))
            cells.setdefault(row["slice"].partition("=")[2], {})[row["metric"]] = cell
    title = f"By {NAMES.get(kind, kind)}"
    yield from _table(contents, cells, kind, f"{label}, {title.lower()}" if several else title)


def _own(row: Mapping[str, Any], whole: float | None, digits: int) -> Cell:
    number = _number(row)
    if number.value is None or whole is None:
        return Cell(amount(number.value, digits), f"n {number.n}")
    strength = _strength(number.value, whole, number.low, number.high)
    better = row["higher_is_better"]
    ahead = number.value > whole if better is None else (number.value > whole) == better
    spoken = f"{'higher' if number.value > whole else 'lower'} than on all images" if strength else ""
    half = f" ±{amount(number.half, digits)}" if number.half else ""
    shade = f"{'a' if ahead else 'b'}{strength}" if strength else ""
    return Cell(amount(number.value, digits), f"n {number.n}{half}", shade, False, spoken)


def _number(row: Mapping[str, Any]) -> Number:
    return Number(row["value"], row["low"], row["high"], int(row["n"] or 0))


def _strength(value: float, middle: float, low: float | None, high: float | None) -> int:
    """How far from the middle in half-widths of the interval, in steps: at the full shade the interval ends there."""
    if low is None or high is None or high <= low:
        return 0
    return min(STEPS, round(STEPS * abs(value - middle) / ((high - low) / 2)))


def _table(contents: Contents, cells: Mapping[str, Mapping[str, Cell]], kind: str, title: str) -> Iterable[HeatMap]:
    metrics = [metric for metric in contents.metrics if any(metric.name in line for line in cells.values())]
    if not cells or not metrics:
        return
    lines = [(part, tuple(line.get(metric.name, Cell(MISSING)) for metric in metrics)) for part, line in cells.items()]
    columns = tuple((metric.title, metric.name) for metric in metrics)
    yield HeatMap(title, kind, columns, tuple(lines[:LINES]), len(lines) - min(len(lines), LINES))


def shades() -> Sequence[str]:
    """Classes of shades, for the style sheet and its tests."""
    return [f"{side}{step}" for side in "ab" for step in range(1, STEPS + 1)]
