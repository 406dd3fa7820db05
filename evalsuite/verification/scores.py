"""The numbers of a run, computed again: all of them from the features that were kept, some from the pixels."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from evalsuite import scorecard
from evalsuite.encoders.scorer import Scorer, load_scorer
from evalsuite.errors import InputError
from evalsuite.image_set import Expected, ImageSet
from evalsuite.networks import Networks
from evalsuite.progress import Progress
from evalsuite.score import Scores, score
from evalsuite.scorecard import MetricScores, Scorecard
from evalsuite.scorers import ScorerName
from evalsuite.verification.features import compare_features
from evalsuite.verification.findings import Check, Finding

TOLERANCE = 1e-4
"""Largest difference of a number from another kind of machine, over its size or 1, whichever is larger."""
KEPT = ("value", "low", "high")
"""Of a row, what may differ within the tolerance; the rest must be equal."""


@dataclass(frozen=True, slots=True)
class Rescoring:
    """How numbers are computed again.

    Attributes:
        device: of the networks.
        weights: ``NAME=PATH`` pairs.
        exact: whether every bit must be the same, as on the machine that scored.
        progress: told of every image.
    """

    device: str
    weights: tuple[str, ...]
    exact: bool
    progress: Progress

    @property
    def rule(self) -> str:
        """What counts as equal, in words."""
        return "exact" if self.exact else f"within {TOLERANCE:g} of the value, or of 1"

    def differs(self, here: float | None, there: float | None) -> bool:
        """Whether two numbers are not equal by the rule."""
        if here is None or there is None or self.exact:
            return here != there
        return not abs(here - there) <= TOLERANCE * max(1.0, abs(there))


def read_cards(images: ImageSet) -> tuple[list[Scorecard], Check]:
    """The scores that were recorded, and whether they are of the run's images."""
    try:
        cards = scorecard.read(images.folder)
    except InputError as error:
        there = (images.folder / scorecard.NAME).exists()
        faults = [Finding("scores.json", scorecard.NAME, str(error))] if there else []
        return [], Check("scores.json", int(there), 1, "sha256", faults, "" if there else "the run was not scored")
    pixels = {str(e.about["id"]): e.sample.pixel_sha256 if e.sample else None for e in images.expected}
    unmade = {str(e.about["id"]) for e in images.expected if e.status == "missing"}
    faults = [
        Finding("scores.json", image.id, "was scored with other pixels than its record says")
        for card in cards
        for image in card.images
        if image.id in pixels.keys() - unmade and image.pixel_sha256 != pixels[image.id]
    ]
    strange = [image.id for card in cards for image in card.images if image.id not in pixels]
    faults += [Finding("scores.json", name, "is no image of this run") for name in strange]
    total = sum(len(card.images) for card in cards)
    return cards, Check("scores.json", total, total, "sha256; pixels of every image", faults)


def check_numbers(images: ImageSet, cards: Sequence[Scorecard], how: Rescoring) -> Check:
    """Every row and every image's score, computed again from the features that the run folder keeps."""
    metrics = _metrics(cards)
    total = sum(len(metric.rows) + len(metric.values) for card in cards for metric in card.metrics.values())
    reference = cards[0].run.get("spec", {}).get("reference") if cards else None
    if not metrics:
        return Check("numbers", 0, total, how.rule, note="no scores were recorded")
    with TemporaryDirectory(prefix="evalsuite-") as folder:
        kept = images.folder / "features"
        if kept.is_dir():
            shutil.copytree(kept, Path(folder) / "features", ignore=_strange)
        networks = Networks(how.device, how.weights, reference, Path(folder) / "features", how.progress)
        try:
            found = score(replace(images, folder=Path(folder)), metrics, networks, progress=how.progress)
        except InputError as error:
            return Check("numbers", 0, total, how.rule, note=str(error))
    faults, largest = _compare(cards, found, how, None)
    return Check("numbers", total, total, how.rule, faults, largest=largest)


def check_scores(images: ImageSet, cards: Sequence[Scorecard], chosen: Collection[str], how: Rescoring) -> list[Check]:
    """Scores of a few images from their pixels, no kept feature used; then their features against the kept ones.

    Args:
        images: of the run.
        cards: what was recorded.
        chosen: ids of images that were scored.
        how: device, weights and what counts as equal.

    Raises:
        InputError: a network's weights are not here.
    """
    scored = [e for e in images.expected if e.sample is not None]
    metrics, some = _metrics(cards), _with_bases(scored, chosen)
    if not metrics or not some:
        reason = "no scores were recorded" if not metrics else "none asked for"
        return [Check("scores", 0, len(scored), how.rule, note=reason)]
    ids = {str(e.about["id"]) for e in some}
    with TemporaryDirectory(prefix="evalsuite-") as folder:
        subset = replace(images, expected=tuple(some), folder=Path(folder))
        try:
            found = score(subset, metrics, _without_reference(how), progress=how.progress)
        except InputError as error:
            raise InputError(f"{error}; or leave scores out with --scores 0") from error
        faults, largest = _compare(cards, found, how, ids)
        features = compare_features(Path(folder) / "features", images.folder / "features", how.exact)
    return [Check("scores", len(some), len(scored), f"from pixels; {how.rule}", faults, largest=largest), features]


def _metrics(cards: Iterable[Scorecard]) -> tuple[str, ...]:
    """Names in full, as the scoring was asked for them."""
    for card in cards:
        names = card.run.get("spec", {}).get("metrics", ())
        return tuple(str(name) for name in names)
    return ()


def _with_bases(scored: Sequence[Expected], chosen: Collection[str]) -> list[Expected]:
    """The chosen images, and those that they are edits of: their scores rest on both."""
    places = {_place(e, str(e.about["prompt_id"])): e for e in scored}
    wanted = {str(e.about["id"]): e for e in scored if e.about["id"] in chosen}
    waiting = list(wanted.values())
    while waiting:
        image = waiting.pop()
        base = places.get(_place(image, str(image.about["base"]))) if image.about["base"] else None
        if base is not None and str(base.about["id"]) not in wanted:
            wanted[str(base.about["id"])] = base
            waiting.append(base)
    return [wanted[key] for key in sorted(wanted)]


def _place(image: Expected, prompt_id: str) -> tuple[Any, ...]:
    about = image.about
    return image.model, prompt_id, about["width"], about["height"], about["index"]


def _without_reference(how: Rescoring) -> Callable[[ScorerName, Collection[str]], Scorer]:
    """Single images have no distance from a reference: it is not read."""

    def load(name: ScorerName, uses: Collection[str]) -> Scorer:
        return load_scorer(name, set(uses) - {"reference"}, how.device, how.weights)

    return load


def _compare(
    cards: Sequence[Scorecard], found: Scores, how: Rescoring, some: Collection[str] | None
) -> tuple[list[Finding], str]:
    """Recorded against found: the values of some images, or with None all values and rows."""
    faults: list[Finding] = []
    largest = 0.0
    name = "numbers" if some is None else "scores"
    for card in cards:
        for metric in card.metrics.values():
            other = found.metrics.get(card.model, {}).get(metric.name)
            if other is None:
                faults.append(Finding(name, f"{card.model} {metric.name}", "is not computed any more"))
                continue
            for about, here, there in _pairs(metric, other, some):
                if here is not None and there is not None:
                    largest = max(largest, abs(here - there))
                if how.differs(here, there):
                    faults.append(Finding(name, f"{about} {metric.name}", f"{_said(here)} here, {_said(there)} there"))
            if some is None:
                faults += _rows(card.model, metric, other)
    return faults, f"{largest:.3g}"


def _pairs(
    recorded: MetricScores, found: MetricScores, some: Collection[str] | None
) -> Iterator[tuple[str, float | None, float | None]]:
    """What it is about, the number here and the recorded one."""
    ids = recorded.values.keys() | found.values.keys() if some is None else some
    for id in sorted(ids):
        yield id, found.values.get(id), recorded.values.get(id)
    if some is None:
        mine = {row.slice: row for row in found.rows}
        for row in recorded.rows:
            if row.slice in mine:
                for part in KEPT:
                    yield f"{row.model} {row.slice} {part} of", getattr(mine[row.slice], part), getattr(row, part)


def _rows(model: str, recorded: MetricScores, found: MetricScores) -> Iterator[Finding]:
    """Slices, counts, protocols and notes: what is no measured number must be the same."""
    mine, theirs = ({row.slice: row for row in metric.rows} for metric in (found, recorded))
    for part in sorted(mine.keys() | theirs.keys()):
        about = f"{model} {recorded.name} {part}"
        if part not in mine or part not in theirs:
            yield Finding("numbers", about, "is no row here" if part in theirs else "was not recorded")
            continue
        here, there = asdict(mine[part]), asdict(theirs[part])
        for key in here.keys() - set(KEPT):
            if here[key] != there[key]:
                yield Finding("numbers", about, f"{key} is {here[key]!r} here, {there[key]!r} there")


def _said(value: float | None) -> str:
    return "none" if value is None or not math.isfinite(value) else f"{value:.9g}"


def _strange(folder: str, names: list[str]) -> list[str]:
    """What is no plain file or folder stays where it is."""
    paths = [Path(folder) / name for name in names]
    return [path.name for path in paths if path.is_symlink() or not (path.is_file() or path.is_dir())]
