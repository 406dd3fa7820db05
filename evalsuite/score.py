"""From images to rows: features once for each network, then every metric over every slice, in the order of ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from evalsuite.digest import digest
from evalsuite.encoders.features import CachedFeatures
from evalsuite.encoders.preference import preference_features
from evalsuite.encoders.scorer import Scorer
from evalsuite.errors import InputError
from evalsuite.image_set import Expected, ImageSet
from evalsuite.metrics.base import Estimate, Features, Inputs, Measure, notes
from evalsuite.progress import Progress, Silent
from evalsuite.rows import Row
from evalsuite.samples import Sample
from evalsuite.scorecard import MetricScores
from evalsuite.scorers import ScorerName
from evalsuite.sizes import parse_ratio
from evalsuite.wanted import Wanted, by_scorer, wanted

SAID = {
    "missing": "missing",
    "nonfinite": "not finite, left out",
    "corrupt": "cannot be read, left out",
    "constant": "of one colour, counted",
}


class Scores(NamedTuple):
    """Rows by model, metric and slice; one dictionary per image, with its own scores; and what images contribute."""

    rows: list[Row]
    per_image: list[dict[str, Any]]
    metrics: dict[str, dict[str, MetricScores]]
    """Model to metric name to its scores."""


class Slice(NamedTuple):
    """A part of a model's images: all of them, those of one aspect ratio, or those of one tag."""

    kind: Literal["all", "aspect", "tag"] = "all"
    value: str = ""

    @property
    def name(self) -> str:
        """``all``, ``aspect=16:9``, ``tag=colour``."""
        return f"{self.kind}={self.value}" if self.value else self.kind

    def has(self, image: Expected | Sample) -> bool:
        """Whether an image belongs to it."""
        return self.kind == "all" or (image.aspect == self.value if self.kind == "aspect" else self.value in image.tags)


def score(
    images: ImageSet,
    metrics: Iterable[str],
    load: Callable[[ScorerName, Collection[str]], Scorer],
    *,
    progress: Progress | None = None,
) -> Scores:
    """Score images. Features are kept in the set's folder: a second time, no network runs.

    Args:
        images: of a run, or of a folder.
        metrics: names in full.
        load: a network's name, and what the metrics use of it (evalsuite.metrics.base.USES), to the network.
        progress: told of every image and network.

    Raises:
        InputError: unknown metric, missing weights, a text metric without prompts, or an image file that is not what
            its record says.
    """
    asked = [wanted(name) for name in metrics]
    check_prompts(asked, images)
    progress = progress or Silent()
    found: dict[str, dict[str, MetricScores]] = {model: {} for model in images.models}
    for name, measures in by_scorer(asked).items():
        uses = frozenset().union(*(measure.uses for measure in measures))
        scorer = Scorer() if name is None else load(name, uses)
        whole = _inputs(images, scorer, uses, progress)
        for model in images.models:
            for measure in measures:
                words = protocol(measure, scorer, images.circumstances.get(model, ()))
                own = [image for image in images.expected if image.model == model]
                found[model][measure.card.name] = _scores(model, whole, measure, words, own)
    order = list(dict.fromkeys(measure.card.name for metric in asked for measure in metric.measures))
    ordered = {model: {name: scores[name] for name in order} for model, scores in found.items()}
    rows = [row for scores in ordered.values() for metric in scores.values() for row in metric.rows]
    return Scores(rows, _per_image(images, _columns(order, ordered.values())), ordered)


def protocol(measure: Measure, scorer: Scorer, circumstances: Sequence[str] = ()) -> str:
    """A short hash over all that a number's meaning depends on, then the same in words.

    Args:
        measure: what is measured.
        scorer: with the networks that the measure uses.
        circumstances: what a sampling path depends on, where that is what is measured.
    """
    facts, words = [], []
    if measure.uses & {"encoder", "images"} and scorer.encoder:
        facts.append(scorer.encoder.fingerprint)
        words.append(f"{scorer.encoder.id} {scorer.encoder.fingerprint[:8]}: {scorer.encoder.preprocessing}")
    if "preference" in measure.uses and scorer.head:
        facts.append(scorer.head_sha256)
        words.append(f"preference head {scorer.head_sha256[:8]}")
    if "reference" in measure.uses and scorer.reference:
        facts.append(scorer.reference.sha256)
        words.append(f"reference {scorer.reference.sha256[:8]}")
    if "trace" in measure.uses:
        words += circumstances
    name = f"{measure.card.name} v{measure.version}"
    return f"{digest([name, facts, words])[:8]} v{measure.version}; {'; '.join(words)}"


def check_prompts(asked: Iterable[Wanted], images: ImageSet) -> None:
    """Refuse metrics that read prompts where there are none.

    Raises:
        InputError: one of them does.
    """
    for metric in asked:
        if not images.has_prompts and any("encoder" in measure.uses for measure in metric.measures):
            raise InputError(f"{metric.name} scores images against their prompts: name the prompts with --prompts FILE")


def _inputs(images: ImageSet, scorer: Scorer, uses: Collection[str], progress: Progress) -> Inputs:
    samples, n = images.samples, len(images.samples)
    nothing = np.zeros((n, 0), np.float32)
    features = preference = Features(nothing, nothing)
    truncated = np.zeros(n, dtype=bool)
    if scorer.encoder is not None and n:
        progress.start(f"score {scorer.encoder.id}", n)
        cached = CachedFeatures(scorer.encoder, images.folder / "features", progress.advance)
        features = Features(cached.images(samples), nothing)
        if "encoder" in uses:
            texts = [sample.text for sample in samples]
            features = features._replace(text=cached.texts(texts))
            cut = {text for text in set(texts) if cached.truncated(text)}
            truncated = np.array([text in cut for text in texts], dtype=bool)
        preference = features
    if scorer.head is not None:
        preference = Features(*preference_features(scorer.head, *features))
    rows, paired = _bases(samples)
    base = Features(features.image[rows], features.text[rows])
    return Inputs(samples, features, preference, base, paired, truncated, scorer.reference)


def _bases(samples: Sequence[Sample]) -> tuple[list[int], np.ndarray[Any, np.dtype[np.bool_]]]:
    """Position of the image each edit is compared with: its base prompt's, of the same model, size and index.

    Where there is none, the position is the sample's own and the mask says no.
    """
    places = {(s.model, s.prompt_id, s.width, s.height, s.index): i for i, s in enumerate(samples)}
    found = [places.get((s.model, s.base, s.width, s.height, s.index)) if s.base else None for s in samples]
    return [i if at is None else at for i, at in enumerate(found)], np.array([at is not None for at in found], bool)


def _scores(model: str, whole: Inputs, measure: Measure, protocol: str, own: Sequence[Expected]) -> MetricScores:
    """A metric of one model, over every slice of its images."""
    rows: list[Row] = []
    influences: dict[str, Mapping[str, float]] = {}
    mine = whole.subset([i for i, sample in enumerate(whole.samples) if sample.model == model])
    for part in _slices(own):
        if part.kind == "tag" and not measure.by_tag:
            continue
        found = measure.estimate(mine.subset([i for i, sample in enumerate(mine.samples) if part.has(sample)]))
        if found is None or (found.n == 0 and part.kind != "all"):
            continue  # a part of the images that has nothing to say about it
        rows.append(_row(model, measure, part, found, _status_note(filter(part.has, own)), protocol))
        if found.influences is not None:
            influences[part.name] = found.influences
    return MetricScores(
        name=measure.card.name,
        title=measure.card.title,
        unit=measure.card.unit,
        higher_is_better=measure.card.higher_is_better,
        protocol=protocol,
        rows=tuple(rows),
        values=measure.per_image(mine) or {},
        weights=measure.weights(mine) if measure.weights else {},
        influences=influences,
    )


def _row(model: str, measure: Measure, part: Slice, found: Estimate, note: str, protocol: str) -> Row:
    return Row(
        model=model,
        metric=measure.card.name,
        slice=part.name,
        value=found.value,
        low=found.low,
        high=found.high,
        n=found.n,
        unit=measure.card.unit,
        higher_is_better=measure.card.higher_is_better,
        protocol=protocol,
        method=found.method,
        note=notes(found.note, note),
    )


def _slices(images: Sequence[Expected]) -> list[Slice]:
    """All; each aspect ratio, from tall to wide; each tag, by name."""
    aspects = sorted({image.aspect for image in images if image.aspect}, key=parse_ratio)
    tags = sorted({tag for image in images for tag in image.tags})
    return [Slice(), *(Slice("aspect", aspect) for aspect in aspects), *(Slice("tag", tag) for tag in tags)]


def _status_note(images: Iterable[Expected]) -> str:
    counts = Counter(image.status for image in images)
    total = counts.total()
    return notes(*(f"{counts[s]} of {total} images {words}" for s, words in SAID.items() if counts[s]))


def _columns(names: Sequence[str], models: Iterable[Mapping[str, MetricScores]]) -> dict[str, dict[str, float]]:
    """Image id to value, for every metric that single images have; under its family's name where that is enough."""
    found: dict[str, dict[str, float]] = {}
    for scores in models:
        for name in names:
            if scores[name].values:
                found.setdefault(name, {}).update(scores[name].values)
    families = [name.partition("@")[0] for name in found]
    return {
        name if families.count(family) > 1 else family: values
        for (name, values), family in zip(found.items(), families, strict=True)
    }


def _per_image(images: ImageSet, columns: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """A line for every image that should be there."""
    return [
        {
            **image.about,
            "pixel_sha256": image.sample.pixel_sha256 if image.sample else None,
            "status": image.status,
            **{name: values.get(image.about["id"]) for name, values in columns.items()},
        }
        for image in images.expected
    ]
