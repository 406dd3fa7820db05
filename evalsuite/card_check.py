"""Scorecards from anywhere: what a report draws from one must be of the right kind, whoever wrote the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalsuite.errors import InputError
from evalsuite.scorecard import MetricScores, Scorecard, ScoredImage

_Kinds = Mapping[str, tuple[type, ...]]

NONE = type(None)
NUMBER = (int, float)
LARGEST = 1e100
"""Past any number's size; not a number is not below it either."""
IMAGE: _Kinds = {
    "id": (str,), "prompt_id": (str,), "text": (str,), "base": (str, NONE), "tags": (tuple,), "aspect": (str,),
    "width": (int, NONE), "height": (int, NONE), "index": (int,), "seed": (int, NONE), "status": (str,),
    "file": (str, NONE), "pixel_sha256": (str, NONE), "reason": (str,),
}  # fmt: skip
METRIC: _Kinds = {
    "name": (str,), "title": (str,), "unit": (str,), "higher_is_better": (bool, NONE), "protocol": (str,),
    "rows": (tuple,), "values": (Mapping,), "weights": (Mapping,), "influences": (Mapping,),
}  # fmt: skip
ROW: _Kinds = {
    "model": (str,), "metric": (str,), "slice": (str,), "value": (*NUMBER, NONE), "low": (*NUMBER, NONE),
    "high": (*NUMBER, NONE), "n": (int,), "unit": (str,), "higher_is_better": (bool, NONE), "protocol": (str,),
    "method": (str,), "note": (str,),
}  # fmt: skip
RUN: _Kinds = {
    "title": (str,), "prompts": (Mapping, NONE), "spec": (Mapping,), "versions": (Mapping,), "command": (str,),
}  # fmt: skip


def check(card: Scorecard, path: Path) -> Scorecard:
    """The card itself, when every field that is drawn or compared is of its kind and every number finite.

    Raises:
        InputError: names the first field that is not.
    """
    fault = _fault(card)
    if fault:
        raise InputError(f"{path}: {fault}: it was not written by this tool; score the run again")
    return card


def _fault(card: Scorecard) -> str:
    if not isinstance(card.model, str) or not isinstance(card.about, str) or not isinstance(card.run, Mapping):
        return "model, about or run is not of its kind"
    if wrong := _wrong({name: card.run[name] for name in RUN if name in card.run}, RUN):
        return f"run: {wrong}"
    for image in card.images:
        if wrong := _wrong(_fields(image), IMAGE):
            return f"image: {wrong}"
        if not all(isinstance(tag, str) for tag in image.tags):
            return "image: tags"
        if any(side is not None and side < 1 for side in (image.width, image.height)):
            return "image: size"
    if len({image.pair for image in card.images}) < len(card.images):
        return "two images of one prompt, index and size"
    for name, metric in card.metrics.items():
        if wrong := _of_metric(name, metric):
            return f"metric: {wrong}"
    return ""


def _of_metric(name: str, metric: MetricScores) -> str:
    if wrong := _wrong(_fields(metric), METRIC):
        return wrong
    if name != metric.name:
        return "name"
    for row in metric.rows:
        if wrong := _wrong(_fields(row), ROW):
            return f"row: {wrong}"
        if row.metric != name or (row.slice != "all" and "=" not in row.slice):
            return "row: metric or slice"
    if len({row.slice for row in metric.rows}) < len(metric.rows):
        return "two rows of one slice"
    tables = [metric.values, metric.weights, *metric.influences.values()]
    if not all(isinstance(table, Mapping) and all(map(_is_finite, table.values())) for table in tables):
        return "values, weights or influences"
    return ""


def _fields(found: ScoredImage | MetricScores | Any) -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__dataclass_fields__}


def _wrong(values: Mapping[str, Any], kinds: _Kinds) -> str:
    """The first field that is not of its kind; True is no number, and no number is beyond all measure."""
    for name, kind in kinds.items():
        if name not in values:
            continue
        value = values[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and bool not in kind):
            return name
        if isinstance(value, NUMBER) and not abs(value) < LARGEST:
            return name
    return ""


def _is_finite(value: Any) -> bool:
    return isinstance(value, NUMBER) and not isinstance(value, bool) and abs(value) < LARGEST
