"""One report of some runs, from their scores alone: read and compared. Nothing is scored here.

A run folder may be anybody's: files are read without following links, and nothing in it is run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from evalsuite import scorecard, sources
from evalsuite.card_check import check
from evalsuite.compare import Comparison, compare
from evalsuite.errors import InputError
from evalsuite.files import read_regular
from evalsuite.progress import Progress, Silent
from evalsuite.publish import BUNDLED_NOTE
from evalsuite.report_pictures import with_pictures
from evalsuite.run_costs import costs
from evalsuite.scorecard import Scorecard
from evalsuite.sources import Source
from reports.contents import Contents, Metric, Model, Recipe

LARGEST_RESULTS = 1 << 27
"""Bytes of a file that is read."""
OF_THE_VALUE = "prompts shuffled"
"""How a note begins that is a second number, and stands beside the first."""


class Found(NamedTuple):
    """A report's contents, and the comparison they draw where there is one."""

    contents: Contents
    comparison: Comparison | None


def collect(given: Sequence[str], *, pictures: bool = True, progress: Progress | None = None) -> Found:
    """What there is to say of some runs.

    Args:
        given: run folders, or files of scorecards, or ``FOLDER:MODEL``.
        pictures: whether images are read.
        progress: told of every image.

    Raises:
        InputError: nothing there, a model twice, or a file is damaged.
    """
    read = [source for words in given for source in sources.read(words)]
    read = [Source(check(source.card, source.path), source.path) for source in read]
    _refuse_twice(read)
    labels = sources.labels(read)
    comparison, refusal = _compared(read, labels)
    contents = Contents(
        title=_title(read, labels),
        models=[_model(label, source.card) for label, source in zip(labels, read, strict=True)],
        metrics=_metrics(read),
        rows=list(_rows(read, labels)),
        comparison=None if comparison is None else comparison.to_json(),
        planned=sum(source.card.planned for source in read),
        curves=[point for folder, cards in _folders(read, labels) for point in _curves(folder, cards)],
        costs=[cost for folder, cards in _folders(read, labels) for cost in costs(folder, cards)],
        recipes=list(_recipes(read, labels)),
        notes=list(_notes(read, refusal)),
    )
    if pictures:
        contents = with_pictures(contents, read, labels, progress or Silent())
    return Found(contents, comparison)


def _model(label: str, card: Scorecard) -> Model:
    return Model(label, card.about, card.planned, card.scored)


def _refuse_twice(read: Sequence[Source]) -> None:
    seen = set()
    for source in read:
        key = source.path.resolve(), source.card.model
        if key in seen:
            raise InputError(f"{source.path}: model {source.card.model!r} is named twice: name it once")
        seen.add(key)


def _compared(read: Sequence[Source], labels: Sequence[str]) -> tuple[Comparison | None, str]:
    if len(read) < 2:
        return None, ""
    try:
        return compare([source.card for source in read], labels=labels), ""
    except InputError as error:
        return None, str(error)


def _title(read: Sequence[Source], labels: Sequence[str]) -> str:
    names = {str((source.card.run.get("prompts") or {}).get("name") or "") for source in read} - {""}
    return f"{', '.join(labels)}{f' on prompt set {min(names)}' if len(names) == 1 else ''}"


def _metrics(read: Sequence[Source]) -> list[Metric]:
    """Those with a direction first, in the order the run asked for; titles that two share get the name."""
    found = {name: metric for source in read for name, metric in source.card.metrics.items() if metric.rows}
    asked = [str(name) for source in read for name in source.card.run.get("spec", {}).get("metrics") or ()]
    titles = [metric.title for metric in found.values()]

    def place(name: str) -> tuple[bool, int, str]:
        parts = [number for number, one in enumerate(asked) if name.startswith(one.partition("@")[0])]
        return found[name].higher_is_better is None, min(parts, default=len(asked)), name

    return [
        Metric(name, _called(found[name].title, name, titles), found[name].unit, found[name].higher_is_better)
        for name in sorted(found, key=place)
    ]


def _called(title: str, name: str, titles: Sequence[str]) -> str:
    return title if title and titles.count(title) == 1 else f"{title} ({name})" if title else name


def _rows(read: Sequence[Source], labels: Sequence[str]) -> Iterator[dict[str, Any]]:
    for label, source in zip(labels, read, strict=True):
        for metric in source.card.metrics.values():
            for row in metric.rows:
                yield {name: getattr(row, name) for name in row.__dataclass_fields__} | {"model": label}


def _folders(read: Sequence[Source], labels: Sequence[str]) -> list[tuple[Path, dict[str, Scorecard]]]:
    """Every folder, with the cards of its models by their labels."""
    found: dict[Path, dict[str, Scorecard]] = {}
    for label, source in zip(labels, read, strict=True):
        found.setdefault(source.folder, {})[label] = source.card
    return list(found.items())


def _curves(folder: Path, cards: Mapping[str, Scorecard]) -> Iterator[dict[str, Any]]:
    """The curves that a run's report kept; nothing where there is none, or it is not ours."""
    labels = {card.model: label for label, card in cards.items()}
    try:
        points = json.loads(read_regular(folder / "results.json", LARGEST_RESULTS))["curves"]
        for point in points:
            model, series, t, value = (point[name] for name in ("model", "series", "t", "value"))
            if model in labels and isinstance(series, str) and _is_time(t) and isinstance(value, int | float):
                yield {"model": labels[model], "series": series, "t": t, "value": value}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return


def _is_time(t: Any) -> bool:
    return isinstance(t, int | float) and 0 <= t <= 1


def _recipes(read: Sequence[Source], labels: Sequence[str]) -> Iterator[Recipe]:
    for path in dict.fromkeys(source.path for source in read):
        mine = [(label, source.card) for label, source in zip(labels, read, strict=True) if source.path == path]
        run = mine[0][1].run
        models = {f"model {card.model}": card.about for _, card in mine}
        prompts = {f"prompts {name}": value for name, value in (run.get("prompts") or {}).items()}
        spec = {name: value for name, value in run.get("spec", {}).items() if name not in ("models", "prompts")}
        file = path / scorecard.NAME if path.is_dir() else path
        yield Recipe(
            models=tuple(label for label, _ in mine),
            source=path.resolve().name,
            settings=(models if len(models) > 1 else {"model": mine[0][1].about}) | prompts | spec,
            versions=dict(run.get("versions", {})),
            command=run.get("command", ""),
            sha256=sha256(read_regular(file)).hexdigest(),
        )


def _notes(read: Sequence[Source], refusal: str) -> Iterator[str]:
    if refusal:
        yield refusal
    if any("@scenes" in name for source in read for name, metric in source.card.metrics.items() if metric.rows):
        yield BUNDLED_NOTE
    metrics = {name: metric.title for source in read for name, metric in source.card.metrics.items()}
    about: dict[str, list[str]] = {}
    for name, title in metrics.items():
        rows = [source.card.metrics[name].row() for source in read if name in source.card.metrics]
        notes = {row.note for row in rows if row is not None}
        if len(notes) == 1 and (note := notes.pop()) and not note.startswith(OF_THE_VALUE):
            about.setdefault(note, []).append(title or name)
    for note, titles in about.items():
        yield f"{'; '.join(titles)}: {note}"
