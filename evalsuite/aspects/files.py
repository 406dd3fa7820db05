"""What a card leaves behind: aspects.csv, .json, .md, .png and .svg, the same bytes for the same scores."""

from __future__ import annotations

import json
from pathlib import Path

from evalsuite.aspects import counting
from evalsuite.aspects.card import AspectCard
from evalsuite.aspects.images import square_of
from evalsuite.aspects.text import text_markdown
from evalsuite.digest import digest
from evalsuite.errors import InputError
from evalsuite.files import disk_errors
from evalsuite.rows import Row, to_frame
from evalsuite.sources import Source
from reports.aspect_plot import Panel, Point, Series, write_aspect_plot
from reports.files import write_csv, write_text

DRAWN = counting.COUNTER[:2]
"""Of what the counter was measured on, what is drawn: the models' pictures are neither."""
BETTER = {True: ", higher is better", False: ", lower is better", None: ""}


def place(sources: list[Source], output: str | None) -> Path:
    """The folder for the card: as asked for, ``aspects`` in the run's folder, or of several runs one under outputs.

    Raises:
        InputError: it is a file.
    """
    folders = {path if path.is_dir() else path.parent for _, path in sources}
    if output:
        folder = Path(output)
    elif len(folders) == 1:
        folder = folders.pop() / "aspects"
    else:
        prints = [[card.model, (card.run.get("spec") or {}).get("fingerprint")] for card, _ in sources]
        folder = Path("outputs") / f"aspects-{digest(prints)[:8]}"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: name a folder with --output-dir")
    return folder


def write_all(card: AspectCard, folder: Path) -> list[Path]:
    """Write all five; the folder is made where it is not there.

    Raises:
        Incomplete: the disk is full or refuses.
    """
    with disk_errors(f"write the card in {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        return [
            write_csv(to_frame(card.rows), folder / "aspects.csv"),
            write_text(text_json(card), folder / "aspects.json"),
            write_text(text_markdown(card), folder / "aspects.md"),
            *write_aspect_plot(panels(card), card.models, card.aspects, folder),
        ]


def text_json(card: AspectCard) -> str:
    """All of it."""
    return json.dumps(card.to_json(), ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False) + "\n"


def panels(card: AspectCard) -> list[Panel]:
    """A panel for each metric that has values at two ratios or more."""
    found = []
    for name, metric in card.metrics.items():
        series = [one for model in card.models for one in _of_model(card, model, name)]
        if name in counting.TITLES:
            known = ((model, _points(card, model, name, "aspect")) for model in DRAWN)
            series += [Series(model, "counter", points) for model, points in known if points]
        if any(len(one.points) > 1 for one in series):
            unit = "" if metric.unit in ("", "1") else f", {metric.unit}"
            found.append(Panel(metric.title, f"{name}{unit}{BETTER[metric.higher_is_better]}", series))
    return found


def _of_model(card: AspectCard, model: str, name: str) -> list[Series]:
    """Its values, and behind them its control, which meets them at 1:1."""
    values = _points(card, model, name, "aspect")
    control = _points(card, model, name, "letterboxed")
    if control:
        square = square_of(card.aspects)
        control = sorted(
            [*control, *(p for p in values if p.aspect == square)], key=lambda p: card.aspects.index(p.aspect)
        )
    drawn = [Series(model, "value", values)] if values else []
    return [*drawn, *([Series(model, "control", control)] if control else [])]


def _points(card: AspectCard, model: str, name: str, kind: str) -> list[Point]:
    rows: dict[str, Row | None] = {aspect: card.row(model, name, f"{kind}={aspect}") for aspect in card.aspects}
    return [
        Point(aspect, row.value, row.low, row.high)
        for aspect, row in rows.items()
        if row is not None and row.value is not None
    ]
