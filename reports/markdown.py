"""report.md: the comparison, where it holds, and everything needed to repeat it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reports import tables
from reports.digits import MISSING
from reports.text import clean, markdown

if TYPE_CHECKING:
    import pandas as pd


def report(rows: pd.DataFrame, context: Mapping[str, Any], pictures: Sequence[str] = ()) -> str:
    """The whole report as Markdown.

    Args:
        rows: the scores in long form.
        context: see `reports.write_all`.
        pictures: file names beside the report.

    Raises:
        ValueError: two rows claim the same model, metric, slice and protocol.
    """
    records = tables.records(rows)
    sections = [
        [f"# {markdown(context.get('title') or 'Evaluation report')}"],
        _comparison(records, tuple(context.get("models", ()))),
        _pictures(pictures),
        *(_sliced(records, context, kind) for kind in tables.kinds(records)),
        _notes([*context.get("notes", ()), *tables.notes_of(records)]),
        _recipe(context),
        _command(str(context.get("command", ""))),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _comparison(records: Sequence[Mapping[str, Any]], models: Sequence[str]) -> list[str]:
    table = tables.pivot(records, models=models)
    if not table.lines:
        return ["No scores."]
    header = ["Metric", *map(markdown, table.models), "n", "Protocol"]
    body = [[markdown(line.label), *_cells(line), markdown(line.n), markdown(line.protocol)] for line in table.lines]
    lines = [*_grid(header, body, range(1, len(header) - 1)), "", _legend(table)]
    methods: dict[str, dict[str, None]] = {}
    for row in records:
        if row["slice"] == "all" and row["method"] and row["low"] is not None:
            methods.setdefault(str(row["method"]), {})[str(row["metric"])] = None
    lines += ["", *(f"- {markdown(', '.join(metrics))}: {markdown(method)}" for method, metrics in methods.items())]
    return [*lines, *(f"- {markdown(sentence)}" for sentence in tables.clashes(table))]


def _legend(table: tables.Table) -> str:
    marked = any(cell.best for line in table.lines for cell in line.cells)
    return tables.INTERVALS + (f" Bold {tables.RANKED}" if marked else "")


def _sliced(records: Sequence[Mapping[str, Any]], context: Mapping[str, Any], kind: str) -> list[str]:
    table = tables.pivot(records, kind, tuple(context.get("models", ())))
    body, before = [], ""
    for line in table.lines:
        label = "" if line.label == before else markdown(line.label)
        body.append([label, markdown(line.part), *_cells(line), markdown(line.n)])
        before = line.label
    title = "aspect ratio" if kind == "aspect" else kind
    header = ["Metric", markdown(title[:1].upper() + title[1:]), *map(markdown, table.models), "n"]
    return [f"## By {markdown(title)}", "", *_grid(header, body, range(2, len(header)))]


def _cells(line: tables.Line) -> Iterator[str]:
    for cell in line.cells:
        yield f"**{cell.text}**" if cell.best else cell.text


def _grid(header: Sequence[str], body: Iterable[Sequence[str]], numbers: range = range(0)) -> list[str]:
    """A table; the columns in `numbers` are right-aligned."""
    rule = ["---:" if column in numbers else "---" for column in range(len(header))]
    return [f"| {' | '.join(cells)} |" for cells in (header, rule, *body)]


def _pictures(names: Sequence[str]) -> list[str]:
    lines: list[str] = []
    sheets = [name for name in names if name.startswith("contact_sheet")]
    if sheets:
        more = ", ".join(f"[sheet {number}]({name})" for number, name in enumerate(sheets[1:], start=2))
        lines += ["## Images", "", f"![Images by prompt, model and aspect ratio]({sheets[0]})"]
        lines += ["", f"More: {more}"] if more else []
    if "v_variance.png" in names:
        lines += [""] if lines else []
        lines += ["## Prediction along the path", ""]
        lines += ["![Variance of the prediction and its deviation from the mean, by time](v_variance.png)"]
    return lines


def _notes(notes: Sequence[str]) -> list[str]:
    return ["## Notes", "", *(f"- {markdown(note)}" for note in notes)] if notes else []


def _recipe(context: Mapping[str, Any]) -> list[str]:
    models = context.get("models", ())
    card = list(_flat("model", models)) if isinstance(models, Mapping) else []
    card += _flat("prompt set", context.get("prompts"))
    card += [pair for name, value in context.get("spec", {}).items() for pair in _flat(name, value)]
    card += _flat("version of", context.get("versions"))
    if not card:
        return []
    body = [[markdown(name), markdown(_setting(value))] for name, value in card]
    note = "Every setting that can change a pixel or a number."
    return ["## Recipe", "", note, "", *_grid(["Setting", "Value"], body)]


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(f"{name} {key}", item)
    elif value is not None or name not in ("prompt set", "version of"):
        yield name, value


def _setting(value: Any) -> str:
    value = tables.plain(value)
    if value is None or value == []:
        return MISSING
    if isinstance(value, list):
        return ", ".join(_setting(item) for item in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _command(command: str) -> list[str]:
    code = [clean(line) for line in command.splitlines() if clean(line)]
    if not code:
        return []
    longest = max((len(run) for run in re.findall("`+", command)), default=0)
    fence = "`" * max(3, longest + 1)
    return ["## Reproduce", "", f"{fence}sh", *code, fence]
