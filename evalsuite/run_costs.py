"""What a run's images took, from the records it kept; nothing where they are not there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalsuite.digest import digest
from evalsuite.files import read_regular
from evalsuite.scorecard import Scorecard
from reports.contents import Cost

LARGEST = 1 << 26
"""Bytes of one record."""


def costs(folder: Path, cards: Mapping[str, Scorecard]) -> list[Cost]:
    """Computing time by model and size; an image counts once, however often it was made.

    Args:
        folder: of a run, from anywhere; it is only read, and may be one without records.
        cards: of its models, by their labels.
    """
    wanted = {image.id: label for label, card in cards.items() for image in card.images}
    taken: dict[tuple[str, int, int], list[tuple[int, float, int]]] = {}
    for record in _records(folder):
        jobs = [image["job"] for image in record["images"]]
        labels = {wanted.pop(job, "") for job in jobs}
        if len(labels) == 1 and (label := labels.pop()):
            key = label, record["width"], record["height"]
            taken.setdefault(key, []).append((len(jobs), record["seconds"], record["batch"]))
    order = list(cards)
    return [
        Cost(
            model=label,
            width=width,
            height=height,
            images=sum(count for count, _, _ in known),
            seconds=sum(seconds for _, seconds, _ in known),
            batch=max(batch for _, _, batch in known),
            device=str(cards[label].run.get("spec", {}).get("machine") or ""),
        )
        for (label, width, height), known in sorted(taken.items(), key=lambda item: (order.index(item[0][0]), item[0]))
    ]


def _records(folder: Path) -> Iterator[dict[str, Any]]:
    """Sound ones, by name; what is damaged or of another form is passed over."""
    try:
        paths = sorted((folder / "records").glob("*.json"))
    except OSError:
        return
    for path in paths:
        try:
            record = json.loads(read_regular(path, LARGEST))
            if record.pop("sha256") == digest(record) and _fits(record):
                yield record
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue


def _fits(record: Mapping[str, Any]) -> bool:
    whole = all(isinstance(record[name], int) and record[name] > 0 for name in ("width", "height", "batch"))
    jobs = [image["job"] for image in record["images"]]
    seconds = record["seconds"]
    return whole and all(isinstance(job, str) for job in jobs) and isinstance(seconds, int | float) and seconds >= 0
