"""From the images of a run to rows: features once, then every metric over every slice, in the order of ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from evalsuite.digest import digest
from evalsuite.encoders.features import CachedFeatures
from evalsuite.encoders.preference import preference_features
from evalsuite.encoders.scorer import Scorer, load_scorer
from evalsuite.errors import InputError
from evalsuite.metrics.base import Features, Inputs, Measure, notes
from evalsuite.plan import Job
from evalsuite.progress import Progress, Silent
from evalsuite.registry import METRICS
from evalsuite.rows import Row
from evalsuite.samples import Sample
from evalsuite.sizes import parse_aspect
from evalsuite.spec import RunSpec
from evalsuite.store import Finished, RunStore

ABOUT = ("id", "model", "prompt_id", "text", "base", "tags", "aspect", "width", "height", "index", "seed")
"""Of a job, for the table of scores per image."""


class Scores(NamedTuple):
    """Rows by model, metric and slice; and one dictionary per finished image, with its own scores."""

    rows: list[Row]
    per_image: list[dict[str, Any]]


class Slice(NamedTuple):
    """A part of a model's images: all of them, those of one aspect ratio, or those of one tag."""

    kind: Literal["all", "aspect", "tag"] = "all"
    value: str = ""

    @property
    def name(self) -> str:
        """``all``, ``aspect=16:9``, ``tag=colour``."""
        return f"{self.kind}={self.value}" if self.value else self.kind

    def has(self, image: Job | Sample) -> bool:
        """Whether an image belongs to it."""
        return self.kind == "all" or (image.aspect == self.value if self.kind == "aspect" else self.value in image.tags)


def score(
    store: RunStore,
    spec: RunSpec,
    images: Sequence[Finished],
    *,
    progress: Progress | None = None,
    load: Callable[[Collection[str], str], Scorer] = load_scorer,
) -> Scores:
    """Score the finished images of a run. Features are kept in its folder: a second time, no network runs.

    Args:
        store: an open run folder.
        spec: resolved; says which metrics, and on which device the scorers run.
        images: what is finished, from ``store.images()``.
        progress: told of every image.
        load: what the metrics use (evalsuite.metrics.base.USES) and the device, to the networks for it.

    Raises:
        InputError: unknown metric, missing weights, or an image file that is not what its record says.
        ValueError: an image that is not of the plan, or one twice.
    """
    images = sorted(images, key=lambda finished: finished.job.id)
    _check_plan(images, store.manifest.jobs)
    samples = store.samples(images)
    measures = [measure for name in spec.metrics for measure in measures_of(name)]
    scorer = load(frozenset().union(*(measure.uses for measure in measures)), spec.device)
    progress = progress or Silent()
    progress.start("score", len(samples))
    whole = _inputs(samples, scorer, store, progress)
    rows: list[Row] = []
    for model in spec.models:
        facts = store.manifest.models[model]
        latents = facts.latent_space or facts.fingerprint[:12]
        protocols = {measure.card.name: protocol(measure, scorer, spec, latents) for measure in measures}
        rows += _model_rows(model, whole, measures, protocols, store, images)
    return Scores(rows, _per_image(images, whole, measures))


def measures_of(name: str) -> tuple[Measure, ...]:
    """The measures of a metric: those of a metric module, or the one that ``module:attribute`` names.

    Raises:
        InputError: unknown, or neither.
    """
    found = METRICS.load(name)
    measures = (found,) if isinstance(found, Measure) else getattr(found, "MEASURES", ())
    if not measures or not all(isinstance(measure, Measure) for measure in measures):
        raise InputError(f"metric {name!r} is a {type(found).__name__}: name a Measure, or a module with MEASURES")
    return tuple(measures)


def protocol(measure: Measure, scorer: Scorer, spec: RunSpec, latent_space: str) -> str:
    """A short hash over all that a number's meaning depends on, then the same in words.

    Args:
        measure: what is measured.
        scorer: with the networks that the measure uses.
        spec: of the run.
        latent_space: of the model, where its predictions are measured.
    """
    facts, words = [], []
    if "encoder" in measure.uses and scorer.encoder:
        facts.append(scorer.encoder.fingerprint)
        words.append(f"{scorer.encoder.id} {scorer.encoder.fingerprint[:8]}: {scorer.encoder.preprocessing}")
    if "preference" in measure.uses:
        facts.append(scorer.head_sha256)
        words.append(f"preference head {scorer.head_sha256[:8]}")
    if "reference" in measure.uses and scorer.reference:
        facts.append(scorer.reference.sha256)
        words.append(f"reference {scorer.reference.sha256[:8]}")
    if "trace" in measure.uses:
        words.append(f"{spec.sampler} {spec.steps} steps, shift {spec.shift:g}, guidance {spec.guidance:g}")
        words.append(f"{spec.dtype}, latents {latent_space}")
    name = f"{measure.card.name} v{measure.version}"
    return f"{digest([name, facts, words])[:8]} v{measure.version}; {'; '.join(words)}"


def _check_plan(images: Sequence[Finished], jobs: Sequence[Job]) -> None:
    """Every image once, and none that was not planned: a duplicate would count twice."""
    counts = Counter(finished.job.id for finished in images)
    strange = [key for key, count in counts.items() if count > 1] or sorted(counts.keys() - {job.id for job in jobs})
    if strange:
        raise ValueError(f"{len(strange)} images are not of the plan or there twice, such as {strange[0]}")


def _inputs(samples: tuple[Sample, ...], scorer: Scorer, store: RunStore, progress: Progress) -> Inputs:
    n = len(samples)
    features = preference = Features(np.zeros((n, 0), np.float32), np.zeros((n, 0), np.float32))
    truncated = np.zeros(n, dtype=bool)
    if scorer.encoder is None:
        progress.advance(n)
    else:
        cached = CachedFeatures(scorer.encoder, store.folder / "features", progress.advance)
        texts = [sample.text for sample in samples]
        features = Features(cached.images(samples), cached.texts(texts))
        cut = {text for text in set(texts) if scorer.encoder.truncated(text)}
        truncated = np.array([text in cut for text in texts], dtype=bool)
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


def _model_rows(
    model: str,
    whole: Inputs,
    measures: Sequence[Measure],
    protocols: dict[str, str],
    store: RunStore,
    images: Sequence[Finished],
) -> Iterator[Row]:
    jobs = [job for job in store.manifest.jobs if job.model == model]
    statuses = {finished.job.id: str(finished.image["status"]) for finished in images}
    slices = []
    for part in _slices(jobs):
        index = [i for i, s in enumerate(whole.samples) if s.model == model and part.has(s)]
        slices.append((part, whole.subset(index), _status_note([j for j in jobs if part.has(j)], statuses)))
    for measure in measures:
        for part, inputs, note in slices:
            if part.kind == "tag" and not measure.by_tag:
                continue
            row = _row(model, measure, part, inputs, note, protocols[measure.card.name])
            if row is not None:
                yield row


def _row(model: str, measure: Measure, part: Slice, inputs: Inputs, note: str, protocol: str) -> Row | None:
    """The row of a measure over a slice; none for a part of the images that has nothing to say about it."""
    found = measure.estimate(inputs)
    if found is None or (found.n == 0 and part.kind != "all"):
        return None
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


def _slices(jobs: Sequence[Job]) -> list[Slice]:
    """All; each aspect ratio, from tall to wide; each tag, by name."""
    aspects = sorted({job.aspect for job in jobs}, key=parse_aspect)
    tags = sorted({tag for job in jobs for tag in job.tags})
    return [Slice(), *(Slice("aspect", aspect) for aspect in aspects), *(Slice("tag", tag) for tag in tags)]


def _status_note(jobs: Sequence[Job], statuses: dict[str, str]) -> str:
    counts = Counter(statuses.get(job.id, "missing") for job in jobs)
    return notes(
        f"{counts['missing']} of {len(jobs)} images not made" if counts["missing"] else "",
        f"{counts['nonfinite']} of {len(jobs)} images not finite, left out" if counts["nonfinite"] else "",
        f"{counts['constant']} of {len(jobs)} images of one colour, counted" if counts["constant"] else "",
    )


def _per_image(images: Sequence[Finished], whole: Inputs, measures: Sequence[Measure]) -> list[dict[str, Any]]:
    columns = {}
    for measure in measures:
        values = measure.per_image(whole)
        if values is not None:
            columns[measure.card.name.partition("@")[0]] = values
    return [
        {name: getattr(job, name) for name in ABOUT}
        | {"pixel_sha256": image["pixel_sha256"], "status": image["status"]}
        | {name: values.get(job.id) for name, values in columns.items()}
        for job, image in images
    ]
