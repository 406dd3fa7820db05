"""A probe as a terminal table, Markdown or CSV. Text from outside is never read as markup."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from evalsuite.compare_text import csv_cell
from evalsuite.difference import Difference
from evalsuite.probe.quantities import FIELDS, QUANTITIES, SUMMARY, cards, of_metric
from evalsuite.probe.result import Result
from evalsuite.rows import COLUMNS, Row
from evalsuite.verdicts import digits_of, number, p_words
from reports.digits import Number, decimals, show
from reports.text import clean, markdown

ARROWS = {True: " ↑", False: " ↓", None: ""}
SEEN = "* where p (two-sided, after Holm over all numbers of a pair) and the 95 % interval both say so"


def table(found: Result) -> RenderableType:
    """The scalars that sum a probe up, the differences of each pair of models, and the notes; 80 columns are enough."""
    parts: list[RenderableType] = [Text(clean(found.title), "bold"), Text(), _grid(found)]
    for pair in _pairs(found.differences):
        parts += [Text(), _pair_grid(pair)]
    said = [*found.notes, *([f"Differences: {SEEN}."] if found.differences else [])]
    parts += [Text(), *(Padding(Text(clean(note), "dim"), (0, 1)) for note in said)]
    return Group(*parts)


def text_markdown(found: Result) -> str:
    """Every scalar of every model, the differences, the curves, what the numbers are, and the notes."""
    said = [f"# {markdown(found.title)}", ""]
    header = ["metric", *found.labels, "n"]
    said += _rows(header, (_line(found, metric) for metric in _metrics(found.rows)))
    for pair in _pairs(found.differences):
        said += ["", f"## {markdown(pair[0].first)} minus {markdown(pair[0].second)}", ""]
        said += _rows(["metric", "difference, 95 %", "p (Holm)", "visible"], (_difference(d) for d in pair))
    said += ["", "## Curves", ""]
    said += [f"![{name}]({name})" for name in found.pictures if name.endswith(".png")]
    said += ["", "## What the numbers are", ""]
    for metric, quantity in cards():
        said.append(f"- **{markdown(metric)}** ({markdown(quantity.unit)}): {markdown(quantity.meaning)}.")
    said += [f"- *{field}*: {markdown(words)}." for field, words in FIELDS.items()]
    said += ["", "## Notes", "", *(f"- {markdown(note)}" for note in found.notes)]
    return "\n".join(said) + "\n"


def rows_csv(rows: Iterable[Row]) -> str:
    """Rows in long form, every number in full."""
    return _csv(COLUMNS, (asdict(row) for row in rows))


def differences_csv(differences: Sequence[Difference]) -> str:
    """Differences in long form, every number in full."""
    lines = [{key: value for key, value in d.to_json().items() if key != "wins"} for d in differences]
    return _csv(list(lines[0]) if lines else ["first", "second", "metric", "slice", "value"], lines)


def _csv(header: Sequence[str], lines: Iterable[dict[str, object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([csv_cell(line[name]) for name in header] for line in lines)
    return out.getvalue()


def _grid(found: Result) -> Table:
    grid = _empty([*found.labels, "n"])
    for metric in _metrics(found.rows, SUMMARY):
        _, *cells = _line(found, metric)
        grid.add_row(_short(metric), *(Text(cell) for cell in cells))
    return grid


def _pair_grid(pair: Sequence[Difference]) -> Table:
    grid = _empty([f"{pair[0].first} minus {pair[0].second}", "p (Holm)"])
    shown = {d.metric: d for d in pair}
    every = [QUANTITIES[key].metric(field) for key in SUMMARY for field in FIELDS]
    for d in (shown[metric] for metric in every if metric in shown):
        _, *cells, _ = _difference(d)
        grid.add_row(_short(d.metric), *(Text(cell, "bold" if cell.endswith("*") else "") for cell in cells))
    return grid


def _short(metric: str) -> Text:
    """A metric as people say it, such as "mse conditional", with the direction that is better."""
    quantity, field = of_metric(metric)
    return Text(f"{quantity.key} {field}{ARROWS[quantity.higher_is_better]}")


def _empty(header: Sequence[str]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1), collapse_padding=True)
    grid.add_column(Text("number"), no_wrap=True)
    for name in header:
        grid.add_column(Text(clean(name)), justify="right", overflow="fold")
    return grid


def _line(found: Result, metric: str) -> list[str]:
    """The metric with its direction, each model's value, and n."""
    own = {row.model: row for row in found.rows if row.metric == metric and row.slice == "all"}
    numbers = {label: Number(row.value, row.low, row.high, row.n) for label, row in own.items()}
    digits = decimals(numbers.values())
    first = next(iter(own.values()))
    values = [show(numbers[label], digits) if label in numbers else "-" for label in found.labels]
    return [f"{metric}{ARROWS[first.higher_is_better]}", *values, str(first.n)]


def _difference(d: Difference) -> list[str]:
    if d.value is None:
        return [d.metric, f"not defined: {d.note}", "-", "-"]
    digits = digits_of(d)
    mark = " *" if d.verdict in ("better", "worse", "differs") else ""
    limits = "" if d.low is None else f" [{number(d.low, digits, True)}, {number(d.high, digits, True)}]"
    return [d.metric, f"{number(d.value, digits, True)}{limits}{mark}", p_words(d.p_holm), number(d.visible, digits)]


def _pairs(differences: Sequence[Difference]) -> Iterator[list[Difference]]:
    """Those on all of the bank or path, by pair of models."""
    pairs: dict[tuple[str, str], list[Difference]] = {}
    for d in differences:
        if d.slice == "all":
            pairs.setdefault((d.first, d.second), []).append(d)
    yield from pairs.values()


def _metrics(rows: Sequence[Row], keys: Iterable[str] = tuple(QUANTITIES)) -> list[str]:
    """Metric ids that occur, by quantity and then by field."""
    present = {row.metric for row in rows}
    every = [QUANTITIES[key].metric(field) for key in keys for field in FIELDS]
    return [metric for metric in dict.fromkeys(every) if metric in present]


def _rows(header: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(markdown(cell) for cell in header)} |",
        f"|{' --- |' * len(header)}",
        *(f"| {' | '.join(markdown(cell) for cell in line)} |" for line in lines),
    ]
