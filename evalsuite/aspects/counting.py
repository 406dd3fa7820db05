"""Object counts as metrics: per image against its caption, per ratio with intervals, the counter's own error beside."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evalsuite.aspects.counter import VERSION, accuracy, count_objects, fingerprint
from evalsuite.aspects.expected import expected
from evalsuite.aspects.images import aspects_of, sample_of
from evalsuite.aspects.shares import METHOD, share
from evalsuite.encoders.features import read_image
from evalsuite.pairing import is_scored
from evalsuite.progress import Progress
from evalsuite.rows import Row
from evalsuite.scorecard import MetricScores, Scorecard, ScoredImage
from evalsuite.stats import Interval, clustered_mean, interval

WRONG, EXCESS, ERROR = "count_wrong@pixels", "count_excess@pixels", "count_error@pixels"
TITLES = {WRONG: "Wrong number of objects", EXCESS: "Too many objects", ERROR: "Objects too many or too few"}
UNITS = {WRONG: "%", EXCESS: "%", ERROR: "objects"}
BETTER = {WRONG: False, EXCESS: False, ERROR: None}
GRAIN = {WRONG: 100.0, EXCESS: 100.0, ERROR: 1.0}
"""What one image more changes the sum by: counts are coarse, and mostly right."""
OF = {"renders": "real renders", "decoded": "real renders, autoencoded", "doubled": "real renders, doubled"}
"""Kinds of pictures that the counter was measured on, as rows name them in place of a model."""
COUNTER = tuple(OF.values())


@dataclass(frozen=True, slots=True)
class Counted:
    """What counting gave for one model.

    Attributes:
        card: the same, with the metrics of counts; unchanged where nothing could be counted.
        notes: what was left out.
    """

    card: Scorecard
    notes: tuple[str, ...]


def protocol() -> str:
    """Of every count: a short hash, then words."""
    return f"{fingerprint()[:8]} v{VERSION}; objects counted by pixels, expected as the caption says"


def counted(card: Scorecard, folder: Path, progress: Progress) -> Counted:
    """Count the objects of every image whose caption says how many there should be.

    Args:
        card: of one model.
        folder: that it was read from.
        progress: told of every image.

    Raises:
        InputError: an image is not what its record says.
    """
    asked = {image.id: expected(image.text) for image in card.images if is_scored(image)}
    images = [image for image in card.images if asked.get(image.id) is not None]
    progress.start(f"count objects of {card.model}", len(images))
    errors: dict[str, int] = {}
    absent = rough = 0
    for image in images:
        sample = sample_of(card, image, folder)
        count = None if sample is None else count_objects(read_image(sample))
        absent, rough = absent + (sample is None), rough + (sample is not None and count is None)
        if count is not None:
            errors[image.id] = count - (asked[image.id] or 0)
        progress.advance()
    said = {
        "have a caption of no known number of objects": len(asked) - len(images),
        "have no image file here": absent,
        "have no plain border": rough,
    }
    notes = tuple(f"{count} of {len(asked)} images {what} and are not counted" for what, count in said.items() if count)
    if not errors:
        return Counted(card, notes)
    notes += tuple(_unmeasured(image for image in images if image.id in errors))
    metrics = {name: _scores(card, name, errors, images) for name in TITLES}
    return Counted(replace(card, metrics={**card.metrics, **metrics}), notes)


def _unmeasured(images: Iterable[ScoredImage]) -> Iterator[str]:
    """Sizes at which the counter's own error is not known."""
    measured = accuracy()["aspects"]
    for aspect, width, height in sorted({(image.aspect, image.width or 0, image.height or 0) for image in images}):
        known = measured.get(aspect)
        if known is None:
            yield f"at {aspect} the counter's own error was not measured"
        elif (known["width"], known["height"]) != (width, height):
            yield f"{width}x{height} was counted, the counter was measured at {known['width']}x{known['height']}"


def counter_rows(aspects: Sequence[str]) -> list[Row]:
    """The counter's own error on pictures of a known number of objects, at those ratios it was measured at."""
    measured, rows = accuracy()["aspects"], []
    for kind, model in OF.items():
        for name, field in ((WRONG, "wrong"), (EXCESS, "excess"), (ERROR, "error")):
            for aspect in aspects:
                if aspect in measured:
                    found = measured[aspect][kind]
                    ends = [_scaled(name, found[field][end]) for end in ("value", "low", "high")]
                    rows.append(_row(model, name, f"aspect={aspect}", ends, found["n"], _method(name)))
    return rows


def _scores(card: Scorecard, name: str, errors: Mapping[str, int], images: Sequence[ScoredImage]) -> MetricScores:
    of: dict[str, Callable[[int], float]] = {
        WRONG: lambda error: 100.0 * (error != 0),
        EXCESS: lambda error: 100.0 * (error > 0),
        ERROR: float,
    }
    values = {id: of[name](error) for id, error in errors.items()}
    rows = []
    for part in ("all", *(f"aspect={aspect}" for aspect in aspects_of([card]))):
        own = [image for image in images if image.id in values and part in ("all", f"aspect={image.aspect}")]
        if own:
            found = _interval(name, [values[image.id] for image in own], [image.cluster for image in own])
            rows.append(_row(card.model, name, part, found, len(own), _method(name)))
    return MetricScores(name, TITLES[name], UNITS[name], BETTER[name], protocol(), tuple(rows), values)


def _interval(name: str, values: Sequence[float], clusters: Sequence[str]) -> list[float | None]:
    """Value, low and high."""
    if name == ERROR:
        found = mean_error(values, clusters)
        return [found.value, found.low, found.high]
    return [_scaled(name, end) for end in share([value > 0 for value in values], clusters)]


def mean_error(errors: Sequence[float], clusters: Sequence[str]) -> Interval:
    """Mean signed error of counts, its standard error with one image more that is off by one: none is no certainty."""
    found = clustered_mean(errors, clusters)
    if found.error is None:
        return found
    return interval(found.value, math.hypot(found.error, GRAIN[ERROR] / len(errors)), found.clusters)


def _scaled(name: str, number: float | None) -> float | None:
    if number is None or not math.isfinite(number):
        return None
    return number if name == ERROR else 100 * number


def _method(name: str) -> str:
    return "95% t, clustered by prompt, with one image more that is off" if name == ERROR else METHOD


def _row(model: str, name: str, part: str, ends: Sequence[Any], n: int, method: str) -> Row:
    value, low, high = ends
    return Row(model, name, part, value, low, high, n, UNITS[name], BETTER[name], protocol(), method)
