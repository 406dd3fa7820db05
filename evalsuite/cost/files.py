"""cost.json, cost.csv, cost.md and the plot of a survey: the same bytes for the same rows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from math import sqrt
from pathlib import Path

from evalsuite import machine
from evalsuite.compare_text import csv_cell
from evalsuite.cost import names
from evalsuite.cost.contrast import NEVER
from evalsuite.cost.survey import Survey
from evalsuite.cost.text import text_markdown
from evalsuite.files import disk_errors, keep
from evalsuite.rows import COLUMNS
from reports.cost_plot import LIMIT, MEASURED, Panel, write_cost_plot

SCHEMA = 1
SERIES = {  # metric -> series of the plot
    names.PIXEL: "forward in pixel space",
    names.CORE: "attention core",
    names.LINEAR: "forward with linear attention",
    names.FORWARD: "forward",
}


def write_all(found: Survey, folder: Path) -> list[Path]:
    """Write every file; return their paths.

    Raises:
        Incomplete: the disk is full or refuses.
    """
    texts = {"cost.json": text_json(found), "cost.csv": text_csv(found), "cost.md": text_markdown(found)}
    with disk_errors(f"make {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        keep(folder / name, text.encode())
    with disk_errors(f"write the plot in {folder}"):
        return [*(folder / name for name in texts), *_plot(found, folder)]


def text_json(found: Survey) -> str:
    """All rows, with what was asked."""
    plan = asdict(found.plan) | {"sizes": [str(size) for size in found.plan.sizes]}
    document = {
        "schema": SCHEMA,
        "models": found.models,
        "plan": plan,
        "device": found.device or None,
        "versions": machine.versions(),
        "notes": found.notes,
        "rows": [asdict(row) for row in found.rows],
    }
    return json.dumps(document, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False) + "\n"


def text_csv(found: Survey) -> str:
    """A line for each row."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in found.rows:
        writer.writerow([csv_cell(getattr(row, name)) for name in COLUMNS])
    return out.getvalue()


def _plot(found: Survey, folder: Path) -> list[Path]:
    import pandas as pd

    columns = ["model", "series", "side", "value", "low", "high"]
    points = pd.DataFrame(list(_points(found)), columns=columns)
    return write_cost_plot(points, [_panel(found, model) for model in found.models], folder)


def _points(found: Survey) -> Iterator[tuple[str, str, float, float, float | None, float | None]]:
    by = {(row.model, row.slice, row.metric): row for row in found.rows}
    for row in found.rows:
        if row.value is None or row.slice == names.WHOLE:
            continue
        side = _side(row.slice)
        if row.metric in SERIES:
            yield row.model, SERIES[row.metric], side, float(row.value), None, None
        if row.metric == names.FORWARD:
            core = by[row.model, row.slice, names.CORE].value or 0
            yield row.model, "everything else", side, float(row.value - core), None, None
        if row.metric == names.PASS:
            share = by[row.model, row.slice, names.SHARE].value or 0
            yield row.model, MEASURED, side, row.value, row.low, row.high
            yield row.model, LIMIT, side, row.value * share, None, None


def _panel(found: Survey, model: str) -> Panel:
    """Where attention overtakes, and where linear attention pays."""
    rows = {row.metric: row for row in found.rows if row.model == model and row.slice == names.WHOLE}
    said = [
        f"{words} from {rows[metric].value:.0f} px" if rows[metric].value else f"{words} at every size"
        for metric, words in ((names.OVERTAKES, "attention leads"), (names.LINEAR_PAYS, "linear pays"))
        if rows[metric].value is not None
    ]
    core = rows[names.OVERTAKES]
    otherwise = "attention never leads" if core.note == NEVER else "where attention leads cannot be told"
    return Panel(model, "; ".join(said) or otherwise, core.value)


def _side(where: str) -> float:
    """Of a square of the same area."""
    width, _, height = where.partition("=")[2].partition("x")
    return sqrt(int(width) * int(height or width))
