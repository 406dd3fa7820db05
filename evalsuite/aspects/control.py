"""The scorer's own bias: the same square pictures, letterboxed to every ratio and scored by the same networks.

A scorer that shrinks pictures to a square sees less of a wide one. What it loses on a letterboxed square is its own
doing, not the generator's. So a change from 1:1 is compared with that of the control:

    left over = (value at the ratio - value at 1:1) - (control at the ratio - value at 1:1)

prompt by prompt. Rows: ``letterboxed=3:2`` the control's value, ``bias=3:2/1:1`` its change from 1:1,
``corrected=3:2/1:1`` what is left over, ``drop-corrected=3:2/1:1`` the worst of those, positive is worse.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from evalsuite.aspects.along import Key, of_values
from evalsuite.aspects.images import by_aspect, clusters_of, sample_of, square_of
from evalsuite.aspects.letterbox import Padding, letterboxed
from evalsuite.aspects.table import Family, changes, difference, worst
from evalsuite.encoders.features import read_image
from evalsuite.encoders.scorer import Scorer
from evalsuite.files import disk_errors
from evalsuite.image_set import ABOUT, Expected, ImageSet
from evalsuite.images import encode_png
from evalsuite.pairing import clash
from evalsuite.progress import Progress
from evalsuite.records import pixel_sha256
from evalsuite.rows import Row
from evalsuite.samples import Sample
from evalsuite.score import score
from evalsuite.scorecard import MetricScores, Scorecard
from evalsuite.scorers import ScorerName
from evalsuite.wanted import wanted

Load: TypeAlias = Callable[[ScorerName, Collection[str]], Scorer]
UNSUITED = frozenset({"trace", "reference", "rows"})
"""Uses of metrics that have no control: a sampling path has no scorer, and a distance at another ratio is from other
reference images."""


@dataclass(frozen=True, slots=True)
class Controlled:
    """What the control gave for one model.

    Attributes:
        rows: of the metrics that have one.
        notes: why others have none.
    """

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def suited(card: Scorecard, kept: Collection[str]) -> list[str]:
    """Of the metrics that a run asked for, those whose number a picture's letterbox could move.

    Args:
        card: of the run.
        kept: names of metrics that are looked at.

    Raises:
        InputError: one is unknown here.
    """
    asked = [str(name) for name in (card.run.get("spec") or {}).get("metrics") or card.metrics]
    found = {name: wanted(name).measures for name in asked}
    return [
        name
        for name, measures in found.items()
        if not any(measure.uses & UNSUITED for measure in measures)
        and any(measure.card.name in kept for measure in measures)
    ]


def controlled(
    card: Scorecard, metrics: Sequence[str], folder: Path, cache: Path, load: Load, padding: Padding, progress: Progress
) -> Controlled:
    """Letterbox a model's squares to its other ratios, score them, and take their change off the model's own.

    Args:
        card: of one model.
        metrics: as the run asked for them; see `suited`.
        folder: that the card was read from.
        cache: features are kept under its ``features``.
        load: see `evalsuite.score.score`.
        padding: what is around the squares.
        progress: told of every picture and network.

    Raises:
        InputError: an image is not what its record says.
    """
    images = by_aspect(card)
    square = square_of(images)
    if square is None:
        return Controlled((), ("no image at 1:1, so that the scorer has no control",))
    squares = {key: sample_of(card, image, folder) for key, image in images[square].items()}
    here = {key: sample for key, sample in squares.items() if sample is not None}
    if not here or not metrics:
        why = "no metric that a letterbox could move" if here else "no image file here"
        return Controlled((), (f"{why}, so that the scorer has no control",))
    with TemporaryDirectory(prefix="evalsuite-") as scratch:
        made = _letterboxes(card, here, Path(scratch), padding, progress)
        expected = tuple(Expected({name: getattr(s, name) for name in ABOUT}, "ok", s) for s in made)
        found = score(ImageSet((card.model,), expected, cache, {}), metrics, load, progress=progress)
    rows: list[Row] = []
    notes: list[str] = []
    for name, control in found.metrics[card.model].items():
        own = card.metrics.get(name)
        if own is None or not own.values or own.weights or not control.values:
            continue
        if why := clash(own.protocol, control.protocol):
            notes.append(f"{name} was not controlled: the run was scored by other networks, {why}")
            continue
        rows += _rows(card, own, control, made, square)
    return Controlled(tuple(rows), tuple(notes))


def _letterboxes(
    card: Scorecard, squares: Mapping[Key, Sample], scratch: Path, padding: Padding, progress: Progress
) -> list[Sample]:
    """Every square in the size of the same prompt's image at every other ratio, as files; sorted by id."""
    others = [(key, image) for own in by_aspect(card).values() for key, image in own.items() if key in squares]
    others = [(key, image) for key, image in others if image.id != squares[key].id]
    progress.start(f"letterbox {card.model}", len(others))
    made = []
    for key, image in others:
        square, width, height = squares[key], image.width or 0, image.height or 0
        pixels = letterboxed(read_image(square), width, height, padding)
        sha = pixel_sha256(pixels)
        file = scratch / f"{sha}.png"
        with disk_errors(f"write {file}"):
            file.write_bytes(encode_png(pixels))
        changed = {"aspect": image.aspect, "width": width, "height": height, "pixel_sha256": sha, "file": file}
        made.append(replace(square, id=f"{image.id} letterboxed", **changed))  # type: ignore[arg-type]
        progress.advance()
    return sorted(made, key=lambda sample: sample.id)


def _rows(card: Scorecard, own: MetricScores, control: MetricScores, made: Sequence[Sample], square: str) -> list[Row]:
    """The control's values, its change from 1:1, and what the model's own change has left without it."""
    columns: dict[str, dict[Key, float]] = {
        aspect: {key: own.values[image.id] for key, image in images.items() if image.id in own.values}
        for aspect, images in by_aspect(card).items()
    }
    for sample in made:
        if sample.id in control.values:
            name = _column(sample.aspect)
            columns.setdefault(name, {})[sample.prompt_id, sample.index] = control.values[sample.id]
    aspects = [aspect for aspect in by_aspect(card) if columns[aspect] and columns.get(_column(aspect))]
    used = {name: columns[name] for aspect in aspects for name in (aspect, _column(aspect))}
    found = of_values(used | {square: columns[square]}, clusters_of(card))
    if isinstance(found, str) or not aspects:
        return []
    parts = {aspect: control.row(f"aspect={aspect}") for aspect in aspects}
    values = [replace(row, slice=f"letterboxed={aspect}") for aspect, row in parts.items() if row is not None]
    bias = {f"{aspect}/{square}": difference(_column(aspect), square) for aspect in aspects}
    left = {f"{aspect}/{square}": difference(aspect, _column(aspect)) for aspect in aspects}
    rows = changes(found, Family(bias, list(bias.values()), ""), card.model, own, "bias")
    corrected = changes(found, Family(left, list(left.values()), ""), card.model, own, "corrected")
    return [*values, *rows, *corrected, *worst(corrected, own, "drop-corrected")]


def _column(aspect: str) -> str:
    return f"letterboxed {aspect}"
