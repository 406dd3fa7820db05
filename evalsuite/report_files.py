"""A report as a file or as text, in the format asked for."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from evalsuite import sources
from evalsuite.errors import InputError
from evalsuite.files import disk_errors
from evalsuite.progress import Progress
from evalsuite.report import Found, collect
from evalsuite.rows import COLUMNS

SUFFIXES = {"html": "html", "parquet": "parquet"}
"""Formats that are no text for a terminal."""


def place(runs: Sequence[str], form: str, output: Path | None) -> Path | None:
    """Where a report goes: in the run's folder where there is one, else here; None is the terminal.

    Raises:
        InputError: the folder for the output is not there.
    """
    if output is not None:
        if output.is_dir() or not output.absolute().parent.is_dir():
            why = "is a folder: name a file in it" if output.is_dir() else "is in no folder: make it first"
            raise InputError(f"--output {output} {why}")
        return output
    if form not in SUFFIXES:
        return None
    folders = {path for path, _ in map(sources.split, runs)}
    folder = folders.pop() if len(folders) == 1 else Path()
    return (folder if folder.is_dir() else folder.parent) / f"report.{SUFFIXES[form]}"


def write_report(runs: Sequence[str], form: str, path: Path | None, by_image: bool, progress: Progress) -> str:
    """Write a report, or return it as text where there is no path.

    Args:
        runs: as `evalsuite.report.collect` takes them.
        form: ``html``, ``md``, ``csv``, ``json``, ``latex``, ``parquet`` or ``model-card``.
        path: the file; None for text.
        by_image: whether a line of csv and parquet is an image.
        progress: told of images.

    Raises:
        InputError: no such run, or a package is missing.
        Incomplete: the disk is full or refuses.
    """
    from reports.files import write_bytes, write_text

    found = collect(runs, pictures=form == "html", progress=progress)
    if form == "parquet":
        if path is None:
            raise InputError("--format parquet is no text: name a file with --output")
        data = _parquet(_table(found, runs, by_image))
        with disk_errors(f"write {path}"):
            write_bytes(data, path)
        return ""
    text = _text(found, runs, form, by_image)
    if path is not None:
        with disk_errors(f"write {path}"):
            write_text(text, path)
    return text


def _text(found: Found, runs: Sequence[str], form: str, by_image: bool) -> str:
    if form == "html":
        from reports import html

        return html.page(found.contents)
    if form == "csv":
        from reports.files import write_csv

        with TemporaryDirectory() as folder:
            return write_csv(_table(found, runs, by_image), Path(folder) / "rows.csv").read_text(encoding="utf-8")
    if form == "latex":
        from reports import latex

        return latex.table(found.contents)
    if form == "model-card":
        from reports import model_card

        return model_card.block(found.contents)
    return _markdown(found) if form == "md" else _json(found)


def _markdown(found: Found) -> str:
    from evalsuite.compare_text import text_markdown
    from reports import markdown

    text = markdown.report(_scores(found), _context(found))
    if found.comparison is None:
        return text
    title, gap, rest = text.partition("\n\n")
    return f"{title}{gap}{text_markdown(found.comparison)}\n{rest}"


def _json(found: Found) -> str:
    from reports.files import write_json

    contents = found.contents
    curves = pd.DataFrame(contents.curves, columns=["model", "series", "t", "value"], dtype=object)
    context = _context(found) | {"curves": curves, "comparison": contents.comparison}
    with TemporaryDirectory() as folder:
        return write_json(_scores(found), context, Path(folder) / "results.json").read_text(encoding="utf-8")


def _context(found: Found) -> dict[str, Any]:
    contents = found.contents
    several = len(contents.recipes) > 1
    spec: dict[str, Any] = {}
    versions: dict[str, Any] = {}
    for recipe in contents.recipes:
        name = f"{', '.join(recipe.models)}: " if several else ""
        spec |= {f"{name}{key}": value for key, value in recipe.settings.items()}
        spec[f"{name}scores.json, SHA-256"] = recipe.sha256
        versions |= {f"{name}{key}": value for key, value in recipe.versions.items()}
    return {
        "title": contents.title,
        "models": {model.label: model.about for model in contents.models},
        "spec": spec,
        "versions": versions,
        "notes": list(contents.notes),
        "command": "\n".join(recipe.command for recipe in contents.recipes if recipe.command),
    }


def _scores(found: Found) -> pd.DataFrame:
    """The scores in long form, metrics in the report's order."""
    order = {metric.name: number for number, metric in enumerate(found.contents.metrics)}
    rows = sorted(found.contents.rows, key=lambda row: order[row["metric"]])
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)  # not Arrow's strings: they refuse lone surrogates


def _table(found: Found, runs: Sequence[str], by_image: bool) -> pd.DataFrame:
    if not by_image:
        return _scores(found)
    read = [source for words in runs for source in sources.read(words)]
    having = {name for source in read for name, metric in source.card.metrics.items() if metric.values}
    names = [metric.name for metric in found.contents.metrics if metric.name in having]
    lines = []
    for label, source in zip(found.contents.labels, read, strict=True):
        metrics = {name: source.card.metrics[name] for name in names if name in source.card.metrics}
        for image in source.card.images:
            about = {name: getattr(image, name) for name in image.__dataclass_fields__}
            values = {name: metric.values.get(image.id) for name, metric in metrics.items()}
            lines.append({"model": label} | about | {"tags": ";".join(image.tags)} | values)
    # Objects: a seed of 63 bits beside an unknown one stays whole, and Arrow's strings refuse lone surrogates.
    columns = pd.Index(list(dict.fromkeys(name for line in lines for name in line)), dtype=object)
    return pd.DataFrame([[line.get(name) for name in columns] for line in lines], columns=columns, dtype=object)


def _parquet(table: pd.DataFrame) -> bytes:
    from io import BytesIO

    if find_spec("pyarrow") is None:  # pandas' own message is several lines long
        raise InputError("--format parquet needs pyarrow: pip install 'evalsuite[parquet]'")
    out = BytesIO()
    columns = pd.Index(map(_encodable, table.columns), dtype=object)
    table.map(_encodable).set_axis(columns, axis=1).to_parquet(out, engine="pyarrow", index=False)
    return out.getvalue()


def _encodable(value: Any) -> Any:
    """Text that UTF-8 has: a lone surrogate becomes its escape."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
