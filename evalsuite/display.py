"""The payload on stdout. Text from outside is never read as markup, and cannot steer the terminal."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evalsuite.progress import duration, plain
from reports.text import markdown

if TYPE_CHECKING:
    from evalsuite.estimate_cost import Cost
    from evalsuite.pipeline import Outcome


def write(text: str) -> None:
    """Text as it is, ending with a new line."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def table(header: Iterable[str], lines: Iterable[Iterable[object]]) -> None:
    """A table without frames."""
    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in header:
        grid.add_column(Text(name), overflow="fold")
    for line in lines:
        grid.add_row(*(Text(plain(str(cell))) for cell in line))
    Console().print(grid)


def facts(found: Iterable[Mapping[str, str]]) -> None:
    """Names and values, a block for each mapping."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for number, block in enumerate(found):
        if number:
            grid.add_row("", "")
        for name, value in block.items():
            grid.add_row(Text(name), Text(plain(value)))
    Console().print(grid)


def results(outcome: Outcome, form: str) -> None:
    """Scores as ``table``, ``json`` or ``md`` (the files of the run folder), or ``csv`` (the rows).

    Without scores, the run folder: as JSON where that is asked for, else its bare path.
    """
    if outcome.rows is None:
        folder = str(outcome.folder)
        write(json.dumps({"folder": folder}, ensure_ascii=False) if form == "json" else folder)
    elif form == "table":
        from reports import console

        shown = console.table(outcome.rows, title=outcome.title, models=outcome.models, notes=outcome.notes)
        Console().print(shown)
    elif form == "csv":
        from reports.files import write_csv

        with TemporaryDirectory() as folder:
            write(write_csv(outcome.rows, Path(folder) / "rows.csv").read_text(encoding="utf-8"))
    else:
        name = {"json": "results.json", "md": "report.md"}[form]
        write((outcome.folder / name).read_text(encoding="utf-8"))


def cost(found: Cost, form: str) -> None:
    """What a run would cost: a table, all of it as ``json``, or the sizes as ``csv`` or ``md``."""
    if form == "json":
        write(json.dumps(asdict(found), default=str, ensure_ascii=False, indent=1))
    elif form == "csv":
        sizes = [asdict(size) for size in found.sizes]
        lines = csv.DictWriter(sys.stdout, list(sizes[0]), lineterminator="\n")
        lines.writeheader()
        lines.writerows(sizes)
    elif form == "md":
        header, *body = _sizes(found)
        write(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}")
        for cells in body:
            write(f"| {' | '.join(map(markdown, cells))} |")
    else:
        header, *body = _sizes(found)
        table(header, body)
        facts([_totals(found)])


def _sizes(found: Cost) -> list[tuple[str, ...]]:
    header = ("model", "size", "images", "units", "time")
    lines = [
        (s.model, f"{s.width}x{s.height}", str(s.images), str(s.units), duration(s.units * s.seconds_per_unit))
        for s in found.sizes
    ]
    images, units = (str(sum(getattr(s, name) for s in found.sizes)) for name in ("images", "units"))
    return [header, *lines, ("all", "", images, units, duration(found.seconds))]


def _totals(found: Cost) -> dict[str, str]:
    weights = [
        f"{w.model} {w.parameters / 1e6:.1f} M parameters, {w.bytes / 1e6:.0f} MB, fingerprint {w.fingerprint[:12]}"
        for w in found.weights
    ]
    return {
        "weights": "; ".join(weights),
        "batch": f"{found.batch_size} images a pass",
        "disk": f"at most {found.largest_bytes / 1e6:.1f} MB",
        "folder": str(found.folder),
        "time": f"from one step per size, measured on {found.device}; scoring not included",
    }
